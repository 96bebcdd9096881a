//! Requests that wait at the same time, applied together. The last value for a control wins, and a
//! control that has the value already is not set again.

use super::control::{Control, ControlType, ControlValue};
use super::{ControlBackend, ControlError, ErrorKind, apply_order, find, list_controls};

/// Controls and their new values.
type Values = Vec<(Control, i64)>;

/// Applies `requests` in order, each as a whole or, if the camera allows the rollback, not at all.
/// Returns the applied values or the error of each.
pub(super) fn apply_all(
    backend: &mut Option<&mut (dyn ControlBackend + '_)>,
    requests: &[&[(String, ControlValue)]],
) -> Vec<Result<Values, ControlError>> {
    let controls = list_controls(backend);
    let resolved: Vec<_> = requests
        .iter()
        .map(|wanted| resolve(&controls, wanted))
        .collect();
    let Some(backend) = backend.as_deref_mut() else {
        return resolved;
    };
    let mut merged = Values::new();
    for (control, value) in resolved.iter().flatten().flatten() {
        match merged
            .iter_mut()
            .find(|(other, _)| other.name == control.name)
        {
            Some((_, earlier)) => *earlier = *value,
            None => merged.push((control.clone(), *value)),
        }
    }
    if apply(backend, &controls, merged).is_ok() {
        return resolved;
    }
    // The camera rejected one: apply each request alone.
    let mut alone = |wanted: &&[(String, ControlValue)]| {
        let controls = backend.controls();
        let values = resolve(&controls, wanted)?;
        apply(backend, &controls, values.clone())?;
        Ok(values)
    };
    requests.iter().map(&mut alone).collect()
}

fn resolve(
    controls: &[Control],
    wanted: &[(String, ControlValue)],
) -> Result<Values, ControlError> {
    wanted
        .iter()
        .map(|(name, wanted)| {
            let control = find(controls, name)?;
            Ok((control.clone(), control.validate(wanted)?))
        })
        .collect()
}

/// Sets all of `values`, or restores those set before one was rejected.
fn apply(
    backend: &mut dyn ControlBackend,
    controls: &[Control],
    mut values: Values,
) -> Result<(), ControlError> {
    values.sort_by_key(|(control, _)| apply_order(controls, &control.name));
    let mut changed: Vec<&Control> = Vec::new();
    for (control, value) in &values {
        // A control set before may have changed this one.
        let is_known = changed.iter().all(|before| !before.flags.changes_others);
        if is_known && has_value(control, *value) {
            continue;
        }
        let Err(words) = backend.set(&control.name, *value) else {
            changed.push(control);
            continue;
        };
        for before in changed.into_iter().rev() {
            if let (Some(value), false) = (before.value, before.control_type == ControlType::Button)
            {
                let _ = backend.set(&before.name, value);
            }
        }
        let words = format!("the camera refuses {value} for {}: {words}", control.name);
        return Err(ControlError::new(ErrorKind::Refused, words));
    }
    Ok(())
}

/// Returns true if setting `control` to `value` changes nothing. Values that change by themselves
/// or through another control do not count.
fn has_value(control: &Control, value: i64) -> bool {
    let flags = control.flags;
    let is_settled = !flags.volatile && !flags.inactive && !flags.grabbed && !flags.write_only;
    is_settled && control.control_type != ControlType::Button && control.value == Some(value)
}

//! Orders that wait at the same time, carried out together: of two values for one control the later counts, and a value that
//! a control has already is not set again.

use super::control::{Control, Kind, Wish};
use super::{Board, Refusal, Why, controls_first, find, list};

/// Controls and their new values.
type Values = Vec<(Control, i64)>;

/// Carries out `orders` in their sequence, each all or, as far as the camera lets itself be set back, not at all. Returns for
/// each the values that hold now, or why it was refused.
pub(super) fn set_all(
    board: &mut Option<&mut (dyn Board + '_)>,
    orders: &[&[(String, Wish)]],
) -> Vec<Result<Values, Refusal>> {
    let controls = list(board);
    let resolved: Vec<_> = orders
        .iter()
        .map(|wishes| resolve(&controls, wishes))
        .collect();
    let Some(board) = board.as_deref_mut() else {
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
    if apply(board, &controls, merged).is_ok() {
        return resolved;
    }
    // One of them is refused: now each for itself, as if it had come alone.
    let mut alone = |wishes: &&[(String, Wish)]| {
        let controls = board.controls();
        let values = resolve(&controls, wishes)?;
        apply(board, &controls, values.clone())?;
        Ok(values)
    };
    orders.iter().map(&mut alone).collect()
}

fn resolve(controls: &[Control], wishes: &[(String, Wish)]) -> Result<Values, Refusal> {
    wishes
        .iter()
        .map(|(name, wish)| {
            let control = find(controls, name)?;
            Ok((control.clone(), control.resolve(wish)?))
        })
        .collect()
}

/// Sets all of `values`, or sets back what was set before one was refused.
fn apply(board: &mut dyn Board, controls: &[Control], mut values: Values) -> Result<(), Refusal> {
    values.sort_by_key(|(control, _)| controls_first(controls, &control.name));
    let mut changed: Vec<&Control> = Vec::new();
    for (control, value) in &values {
        // What was set before may have changed this one, too.
        let is_known = changed.iter().all(|before| !before.flags.changes_others);
        if is_known && has_value(control, *value) {
            continue;
        }
        let Err(words) = board.set(&control.name, *value) else {
            changed.push(control);
            continue;
        };
        for before in changed.into_iter().rev() {
            if let (Some(value), false) = (before.value, before.kind == Kind::Button) {
                let _ = board.set(&before.name, value);
            }
        }
        let words = format!("the camera refuses {value} for {}: {words}", control.name);
        return Err(Refusal::new(Why::Refused, words));
    }
    Ok(())
}

/// True if setting `control` to `value` would change nothing. A value that moves by itself, or that another control decides now,
/// does not count.
fn has_value(control: &Control, value: i64) -> bool {
    let flags = control.flags;
    let is_settled = !flags.volatile && !flags.inactive && !flags.grabbed && !flags.write_only;
    is_settled && control.kind != Kind::Button && control.value == Some(value)
}

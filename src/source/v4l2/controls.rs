//! Controls of a V4L2 camera: all scalar controls of the driver under their configuration names,
//! and those of its encoder.

use super::onboard_encoder::Encoder;
use crate::controls::{Control, ControlBackend, ControlType, Flags, MenuItem};
use v4l2::controls::flag;
use v4l2::{self, ControlKind, Device, DeviceError};

/// Controls of an open node.
pub(super) struct V4l2Controls<'a> {
    device: &'a Device,
    encoder: Option<&'a mut Encoder>,
}

impl<'a> V4l2Controls<'a> {
    /// Takes the controls of the driver.
    pub(super) fn new(device: &'a Device) -> Self {
        Self {
            device,
            encoder: None,
        }
    }

    /// Takes those of the driver and of the camera's encoder.
    pub(super) fn with(device: &'a Device, encoder: &'a mut Encoder) -> Self {
        Self {
            device,
            encoder: Some(encoder),
        }
    }

    /// Returns the driver's controls with unique names: the second of the same name gets a number.
    fn named(&self) -> Vec<(String, v4l2::Control)> {
        let mut named: Vec<(String, v4l2::Control)> = Vec::new();
        for control in self.device.controls() {
            let spelling = control.config_name();
            let mut name = spelling.clone();
            let mut number = 1;
            while name.is_empty() || named.iter().any(|(other, _)| *other == name) {
                number += 1;
                name = format!("{spelling}_{number}");
            }
            named.push((name, control));
        }
        named
    }

    fn describe(&self, name: String, control: &v4l2::Control) -> Control {
        let is_readable = control.kind != ControlKind::Button && !control.has(flag::WRITE_ONLY);
        let value = is_readable.then(|| self.device.get(control).ok()).flatten();
        let items = self.device.menu(control).into_iter();
        Control {
            name,
            label: control.name.clone(),
            control_type: kind(control.kind),
            minimum: control.minimum,
            maximum: control.maximum,
            step: control.step,
            default: control.default,
            value,
            items: items
                .map(|(value, label)| MenuItem { value, label })
                .collect(),
            flags: flags(control),
        }
    }
}

impl ControlBackend for V4l2Controls<'_> {
    fn controls(&mut self) -> Vec<Control> {
        let mut controls: Vec<Control> = self
            .named()
            .into_iter()
            .map(|(name, control)| self.describe(name, &control))
            .collect();
        for more in self.encoder.iter().flat_map(|encoder| encoder.controls()) {
            // The driver's controls take precedence.
            if controls.iter().all(|control| control.name != more.name) {
                controls.push(more);
            }
        }
        controls
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        let named = self.named();
        let Some((_, control)) = named.iter().find(|(other, _)| other == name) else {
            let gone = || Err("it has no such control any more".into());
            let encoder = self.encoder.as_mut();
            return encoder
                .and_then(|encoder| encoder.set(self.device, name, value))
                .unwrap_or_else(gone);
        };
        self.device
            .set(control, value)
            .map(drop)
            .map_err(|failure| why(failure, control))
    }
}

/// Explains a driver's rejection.
fn why(failure: DeviceError, control: &v4l2::Control) -> String {
    match failure {
        DeviceError::Busy => "it cannot be changed while pictures are taken".into(),
        DeviceError::PermissionDenied if control.has(flag::INACTIVE) => {
            "another control, such as an automatic, decides it now".into()
        }
        DeviceError::NoDevice => "it was unplugged".into(),
        other => other.to_string(),
    }
}

fn kind(kind: ControlKind) -> ControlType {
    match kind {
        ControlKind::Integer | ControlKind::Integer64 => ControlType::Integer,
        ControlKind::Boolean => ControlType::Boolean,
        ControlKind::Menu | ControlKind::IntegerMenu => ControlType::Menu,
        ControlKind::Button => ControlType::Button,
        ControlKind::Bitmask => ControlType::Bitmask,
    }
}

fn flags(control: &v4l2::Control) -> Flags {
    Flags {
        read_only: control.has(flag::READ_ONLY),
        write_only: control.has(flag::WRITE_ONLY),
        inactive: control.has(flag::INACTIVE),
        volatile: control.has(flag::VOLATILE),
        grabbed: control.has(flag::GRABBED),
        changes_others: control.has(flag::UPDATE),
    }
}

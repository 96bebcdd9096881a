//! One control: its type, its range, and the validation of a wanted value.

use super::{ControlError, ErrorKind};

/// Type of a control's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlType {
    /// Integer.
    Integer,
    /// 0 or 1.
    Boolean,
    /// Value of one of [`Control::items`].
    Menu,
    /// Bits, at most those of [`Control::maximum`].
    Bitmask,
    /// No value: setting it triggers an action.
    Button,
}

impl ControlType {
    /// Returns the name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Menu => "menu",
            Self::Bitmask => "bitmask",
            Self::Button => "button",
        }
    }
}

/// Flags of a control.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// It can only be read.
    pub read_only: bool,
    /// It can only be set.
    pub write_only: bool,
    /// It has no effect with the present values of other controls.
    pub inactive: bool,
    /// Its value changes by itself.
    pub volatile: bool,
    /// It cannot be set now, because something uses it.
    pub grabbed: bool,
    /// Setting it changes other controls.
    pub changes_others: bool,
}

impl Flags {
    /// Returns the names of the flags that are set.
    pub fn names(self) -> Vec<&'static str> {
        [
            (self.read_only, "read-only"),
            (self.write_only, "write-only"),
            (self.inactive, "inactive"),
            (self.volatile, "volatile"),
            (self.grabbed, "grabbed"),
        ]
        .into_iter()
        .filter_map(|(is_set, word)| is_set.then_some(word))
        .collect()
    }
}

/// Item of a menu.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MenuItem {
    /// Value to set.
    pub value: i64,
    /// Label of the camera.
    pub label: String,
}

/// Control of a camera.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct Control {
    /// Name in lower case with underscores: `white_balance_automatic`.
    pub name: String,
    /// Name as the camera has it.
    pub label: String,
    pub control_type: ControlType,
    pub minimum: i64,
    pub maximum: i64,
    /// Distance of two valid values, counted from `minimum`.
    pub step: u64,
    pub default: i64,
    /// Present value. `None` for buttons, and if it cannot be read.
    pub value: Option<i64>,
    /// Items of a menu.
    pub items: Vec<MenuItem>,
    pub flags: Flags,
}

/// Value as a user wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ControlValue {
    /// Integer.
    Integer(i64),
    /// `true` or `false`.
    Bool(bool),
    /// Label of a menu item, or any other text.
    Text(String),
}

impl From<&str> for ControlValue {
    fn from(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => text
                .parse()
                .map_or_else(|_| Self::Text(text.to_owned()), Self::Integer),
        }
    }
}

/// Longest quotation of a user's text in an error, and most menu items, both as a count.
const MAX_QUOTED: usize = 40;

impl Control {
    /// Creates an integer control with an empty range.
    pub fn number(name: &str, label: &str) -> Self {
        Self {
            name: name.into(),
            label: label.into(),
            control_type: ControlType::Integer,
            minimum: 0,
            maximum: 0,
            step: 1,
            default: 0,
            value: None,
            items: Vec::new(),
            flags: Flags::default(),
        }
    }

    /// Creates a button.
    pub fn button(name: &str, label: &str) -> Self {
        Self {
            control_type: ControlType::Button,
            ..Self::number(name, label)
        }
    }

    /// Returns the value to set for `wanted`: in range, rounded to a step. The error names the
    /// control and its range.
    pub fn validate(&self, wanted: &ControlValue) -> Result<i64, ControlError> {
        if self.flags.read_only {
            let words = format!("{} can be read only", self.name);
            return Err(ControlError::new(ErrorKind::ReadOnly, words));
        }
        match (self.control_type, wanted) {
            (ControlType::Button, ControlValue::Bool(true)) => Ok(1),
            (ControlType::Boolean, ControlValue::Bool(on)) => Ok(i64::from(*on)),
            (ControlType::Boolean, ControlValue::Integer(value @ (0 | 1))) => Ok(*value),
            (ControlType::Boolean, ControlValue::Integer(value)) => Err(self.out_of_range(value)),
            (ControlType::Integer, ControlValue::Integer(value)) => self.round_to_step(*value),
            (ControlType::Bitmask, ControlValue::Integer(value)) => {
                // A 32-bit mask may come as the negative number of the same bits.
                let mask = if self.maximum == 0 { !0 } else { self.maximum };
                if value & !mask == 0 {
                    Ok(*value)
                } else {
                    Err(self.out_of_range(value))
                }
            }
            (ControlType::Menu, ControlValue::Integer(value)) => self
                .items
                .iter()
                .find(|item| item.value == *value)
                .map(|item| item.value)
                .ok_or_else(|| self.out_of_range(value)),
            (ControlType::Menu, ControlValue::Text(text)) => self
                .items
                .iter()
                .find(|item| item.label.eq_ignore_ascii_case(text))
                .map(|item| item.value)
                .ok_or_else(|| self.out_of_range(format!("{:?}", truncate(text)))),
            (_, wanted) => Err(self.wrong_type(wanted)),
        }
    }

    fn round_to_step(&self, value: i64) -> Result<i64, ControlError> {
        if value < self.minimum || value > self.maximum {
            return Err(self.out_of_range(value));
        }
        let (minimum, maximum) = (i128::from(self.minimum), i128::from(self.maximum));
        let step = i128::from(self.step.max(1));
        let steps = (i128::from(value) - minimum + step / 2) / step;
        let highest = (maximum - minimum) / step;
        let nearest = minimum + steps.min(highest) * step;
        i64::try_from(nearest).map_err(|_| self.out_of_range(value))
    }

    fn out_of_range(&self, value: impl std::fmt::Display) -> ControlError {
        let words = format!(
            "{} cannot be {value}: it takes {}",
            self.name,
            self.range_description()
        );
        ControlError::new(ErrorKind::OutOfRange, words)
    }

    fn wrong_type(&self, wanted: &ControlValue) -> ControlError {
        let given = match wanted {
            ControlValue::Integer(value) => value.to_string(),
            ControlValue::Bool(on) => on.to_string(),
            ControlValue::Text(text) => format!("{:?}", truncate(text)),
        };
        let words = format!(
            "{} cannot be {given}: it takes {}",
            self.name,
            self.range_description()
        );
        ControlError::new(ErrorKind::WrongType, words)
    }

    /// Describes the accepted values.
    fn range_description(&self) -> String {
        match self.control_type {
            ControlType::Integer if self.step > 1 => {
                let (from, to, step) = (self.minimum, self.maximum, self.step);
                format!("{from} to {to} in steps of {step}")
            }
            ControlType::Integer => format!("{} to {}", self.minimum, self.maximum),
            ControlType::Boolean => "true or false".to_owned(),
            ControlType::Bitmask => format!("the bits of {:#x}", self.maximum),
            ControlType::Button => "true, which presses it".to_owned(),
            ControlType::Menu => {
                let items: Vec<String> = self
                    .items
                    .iter()
                    .take(MAX_QUOTED)
                    .map(|item| format!("{} ({})", item.value, item.label))
                    .collect();
                items.join(", ")
            }
        }
    }
}

fn truncate(text: &str) -> String {
    text.chars().take(MAX_QUOTED).collect()
}

//! One control: what it is, what it takes, and what is wished of it.

use super::{ControlError, ErrorKind};

/// What a control's value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlType {
    /// A whole number.
    Integer,
    /// 0 or 1.
    Boolean,
    /// The number of one of [`Control::items`].
    Menu,
    /// Bits, those of [`Control::maximum`] at most.
    Bitmask,
    /// It has no value: it is pressed.
    Button,
}

impl ControlType {
    /// The word for it.
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

/// What else there is to say of a control.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// It can only be read.
    pub read_only: bool,
    /// It can only be set.
    pub write_only: bool,
    /// Without effect as other controls are set now.
    pub inactive: bool,
    /// It changes by itself.
    pub volatile: bool,
    /// It cannot be set at the moment, since something uses it.
    pub grabbed: bool,
    /// Setting it changes other controls.
    pub changes_others: bool,
}

impl Flags {
    /// The words for those that are set.
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

/// A value of a menu.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MenuItem {
    /// What is set.
    pub value: i64,
    /// What it means.
    pub label: String,
}

/// A control of a camera.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct Control {
    /// Lower case, with underscores: `white_balance_automatic`.
    pub name: String,
    /// The camera's own words for it.
    pub label: String,
    pub control_type: ControlType,
    pub minimum: i64,
    pub maximum: i64,
    /// Values are `minimum` and whole steps more.
    pub step: u64,
    pub default: i64,
    /// `None` for buttons, and where it cannot be read.
    pub value: Option<i64>,
    /// Of a menu.
    pub items: Vec<MenuItem>,
    pub flags: Flags,
}

/// The value that somebody wants, as they wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ControlValue {
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Bool(bool),
    /// The words of a menu's item, or nonsense.
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

/// Most characters of a user's text, and most items of a menu, that are repeated in a refusal.
const MAX_QUOTED: usize = 40;

impl Control {
    /// A number of which nothing is known so far, to be filled in.
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

    /// A button.
    pub fn button(name: &str, label: &str) -> Self {
        Self {
            control_type: ControlType::Button,
            ..Self::number(name, label)
        }
    }

    /// The value to set for a wish: one in the control's range, on a step (the nearest). The error names the control
    /// and what it takes.
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
                // A mask of 32 bits is the negative number of the same bits, too.
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

    /// The values, in words.
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

//! What clients send to set controls, and the ranges that drivers say: nothing panics, what is let pass is in the range, and no
//! refusal is longer than a few lines.
#![no_main]

use berrymse::controls::{Control, ControlType, ControlValue, Flags, MenuItem};
use berrymse::serve::parse_values;
use libfuzzer_sys::fuzz_target;

const TYPES: [ControlType; 5] = [
    ControlType::Integer,
    ControlType::Boolean,
    ControlType::Menu,
    ControlType::Bitmask,
    ControlType::Button,
];

/// A control as any driver may have it, and the rest of the bytes.
fn control(data: &[u8]) -> Option<(Control, &[u8])> {
    let (kind, rest) = data.split_first()?;
    let (numbers, rest) = rest.split_first_chunk::<24>()?;
    let number = |at: usize| {
        let bytes = std::array::from_fn(|i| numbers[at + i]);
        i64::from_le_bytes(bytes)
    };
    let control = Control {
        name: "brightness".into(),
        label: "Brightness".into(),
        control_type: TYPES[usize::from(*kind) % TYPES.len()],
        minimum: number(0),
        maximum: number(8),
        step: number(16) as u64,
        default: 0,
        value: None,
        items: [number(0), number(8), 3]
            .map(|value| MenuItem {
                value,
                label: format!("item {value}"),
            })
            .into(),
        flags: Flags::default(),
    };
    Some((control, rest))
}

fn check(control: &Control, wish: &ControlValue) {
    match control.validate(wish) {
        Ok(value) => {
            let is_right = match control.control_type {
                ControlType::Integer => (control.minimum..=control.maximum).contains(&value),
                ControlType::Boolean => value == 0 || value == 1,
                ControlType::Menu => control.items.iter().any(|item| item.value == value),
                ControlType::Bitmask => control.maximum == 0 || value & !control.maximum == 0,
                ControlType::Button => value == 1,
            };
            assert!(is_right, "{control:?} {wish:?} {value}");
        }
        Err(error) => assert!(error.message.len() < 2000, "{}", error.message.len()),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((control, body)) = control(data) else {
        return;
    };
    check(&control, &ControlValue::from(&*String::from_utf8_lossy(body)));
    for number in [i64::MIN, control.minimum, control.maximum, i64::MAX] {
        check(&control, &ControlValue::Integer(number));
    }
    match parse_values(body) {
        Ok(wishes) => wishes.iter().for_each(|(_, wish)| check(&control, wish)),
        Err(error) => assert!(error.message.len() < 2000),
    }
});

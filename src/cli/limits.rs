//! The lines of `server.limits`: names, ranges and defaults.

use crate::serve::Limits;
use crate::suggest::closest_match;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A limit in the file.
struct LimitSpec {
    name: &'static str,
    unit: &'static str,
    default: u32,
    range: RangeInclusive<u32>,
    set: fn(&mut Limits, u32),
}

/// All limits.
const LIMITS: [LimitSpec; 9] = [
    // A quarter of server.maxViewers: all behind a proxy that is not trusted are one address.
    LimitSpec {
        name: "viewersPerAddress",
        unit: "viewers",
        default: 500,
        range: 1..=100_000,
        set: |limits, n| limits.viewers_per_address = n as usize,
    },
    LimitSpec {
        name: "connections",
        unit: "connections",
        default: 256,
        range: 16..=100_000,
        set: |limits, n| limits.connections = n as usize,
    },
    LimitSpec {
        name: "connectionsPerAddress",
        unit: "connections",
        default: 128,
        range: 8..=100_000,
        set: |limits, n| limits.connections_per_address = n as usize,
    },
    // They share 64 MB of frames.
    LimitSpec {
        name: "recorders",
        unit: "recorders",
        default: 16,
        range: 0..=1_000,
        set: |limits, n| limits.recorders = n as usize,
    },
    LimitSpec {
        name: "requestsPerSecond",
        unit: "requests",
        default: 500,
        range: 1..=100_000,
        set: |limits, n| limits.requests_per_second = n,
    },
    LimitSpec {
        name: "messagesPerSecond",
        unit: "messages",
        default: 200,
        range: 20..=100_000,
        set: |limits, n| limits.messages_per_second = n,
    },
    // hyper needs 8 kB.
    LimitSpec {
        name: "headBytes",
        unit: "bytes",
        default: 32 << 10,
        range: 8 << 10..=1 << 20,
        set: |limits, n| limits.head_bytes = n as usize,
    },
    LimitSpec {
        name: "bodyBytes",
        unit: "bytes",
        default: 16 << 10,
        range: 1 << 10..=1 << 20,
        set: |limits, n| limits.body_bytes = n as usize,
    },
    LimitSpec {
        name: "requestTimeout",
        unit: "seconds",
        default: 10,
        range: 1..=600,
        set: |limits, n| limits.request_timeout = Duration::from_secs(n.into()),
    },
];

/// A line of the block, checked.
#[derive(Clone, Copy)]
pub(super) struct LimitLine {
    set: fn(&mut Limits, u32),
    value: u32,
}

/// Parses `name=value`.
pub(super) fn line(text: &str) -> Result<LimitLine, String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let names = LIMITS.iter().map(|limit| limit.name);
    let mut known = LIMITS.iter();
    let Some(limit) = known.find(|limit| limit.name.eq_ignore_ascii_case(name)) else {
        let all: Vec<&str> = names.clone().collect();
        let hint = match closest_match(name, names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the limits are {}", all.join(", ")),
        };
        return Err(format!("is unknown; {hint}"));
    };
    let value = super::parsers::number(value, limit.range.clone(), limit.unit)?;
    Ok(LimitLine {
        set: limit.set,
        value,
    })
}

/// Returns the limits of the lines, else their defaults.
pub(super) fn limits(lines: &[LimitLine]) -> Limits {
    let mut limits = Limits::unlimited();
    for limit in &LIMITS {
        (limit.set)(&mut limits, limit.default);
    }
    for line in lines {
        (line.set)(&mut limits, line.value);
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_defaults_and_suggestions() {
        let parsed = |lines: &[&str]| {
            let lines: Result<Vec<LimitLine>, String> =
                lines.iter().map(|text| line(text)).collect();
            lines.map(|lines| limits(&lines))
        };
        assert_eq!(parsed(&[]).unwrap().requests_per_second, 500);
        let some = parsed(&["requestspersecond=7", "requestTimeout=3"]).unwrap();
        assert_eq!((some.requests_per_second, some.head_bytes), (7, 32 << 10));
        assert_eq!(some.request_timeout, Duration::from_secs(3));
        for (text, words) in [
            ("requestsPerSeconds=7", "did you mean requestsPerSecond?"),
            ("x=7", "the limits are viewersPerAddress"),
            ("requestsPerSecond=0", "out of range: 1 to 100000"),
            ("headBytes=much", "is not a whole number"),
            ("headBytes", "is not a whole number"),
        ] {
            let why = parsed(&[text]).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }

    #[test]
    fn every_default_is_in_its_range() {
        for limit in &LIMITS {
            assert!(limit.range.contains(&limit.default), "{}", limit.name);
        }
    }
}

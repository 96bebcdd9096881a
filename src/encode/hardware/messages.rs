//! Messages about encoders that are missing or fail.

use std::path::PathBuf;
use v4l2::DeviceError;

/// Returns the reason for finding no encoder; `unknown` are the nodes that could not be opened.
pub(super) fn no_encoder_message(unknown: &[(PathBuf, DeviceError)]) -> String {
    let of = |failure, words: &str| {
        let paths: Vec<String> = unknown
            .iter()
            .filter(|(_, it)| *it == failure)
            .map(|(path, _)| path.display().to_string())
            .collect();
        (!paths.is_empty()).then(|| format!("{} may be one: {words}", paths.join(", ")))
    };
    let closed: Vec<String> = [
        of(
            DeviceError::PermissionDenied,
            "permission denied (whoever runs this must be in the group video)",
        ),
        of(
            DeviceError::Busy,
            "all its places are taken by other programs",
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    if closed.is_empty() {
        "this machine has no hardware encoder (no V4L2 device that makes H.264; a Raspberry Pi 5 has none)".into()
    } else {
        format!("no hardware encoder found, but {}", closed.join(", and "))
    }
}

/// Returns the message for a failure of an encoder.
pub(super) fn message(failure: DeviceError) -> String {
    match failure {
        DeviceError::NoDevice | DeviceError::NotFound => "it is gone: its driver was unloaded".into(),
        DeviceError::Busy => "all its places are taken by other programs".into(),
        DeviceError::NoMemory => {
            "no memory for its buffers; try a smaller --width and --height (on a Raspberry Pi: more CMA memory)".into()
        }
        DeviceError::PermissionDenied => "permission denied; whoever runs this must be in the group video".into(),
        failure => format!("it reports an error ({failure})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_encoder_error_names_the_cause() {
        assert!(no_encoder_message(&[]).contains("Raspberry Pi 5"));
        let closed = [
            ("/dev/video3".into(), DeviceError::NoDevice),
            ("/dev/video11".into(), DeviceError::PermissionDenied),
        ];
        let text = no_encoder_message(&closed);
        assert!(text.contains("but /dev/video11 may be one"), "{text}");
    }
}

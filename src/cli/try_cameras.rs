//! `berrymse cameras --try SECONDS`: opens each usable camera and saves a JPEG of it.

use super::errors::Errors;
use super::file::File;
use super::list_cameras::Report;
use super::options::Setting;
use super::raw_setting::{RawSetting, SettingSource};
use super::validate;
use crate::camera;
use crate::camera_handle;
use crate::heartbeat::Heartbeat;
use crate::hub::CameraState;
use crate::redact;
use crate::shutdown::ShutdownToken;
use crate::snapshot::{Budget, JpegOptions, SnapshotService};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Memory for the decoder, in megabytes: enough for any camera, one after the other.
const DECODE_MEMORY_MB: u32 = 512;

/// Interval at which a camera that cannot be opened is noticed.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Saves a JPEG of each usable camera of the report in `folder`. Returns a line for each: the file, or the reason why there
/// is none.
///
/// # Errors
///
/// The same lines, if no camera delivered a picture.
pub fn run(report: &Report, folder: &Path, timeout: Duration) -> Result<String, String> {
    let sources = report.sources();
    if sources.is_empty() {
        return Err("no usable camera; `berrymse cameras` says why".to_owned());
    }
    let (mut lines, mut saved) = (String::new(), 0);
    for source in sources {
        let line = match try_camera(&source, folder, timeout) {
            Ok((path, bytes)) => {
                saved += 1;
                format!("{source}: saved {} ({bytes} bytes)", path.display())
            }
            Err(reason) => format!("{source}: no picture ({})", redact::mask(&reason)),
        };
        let _ = writeln!(lines, "{line}");
    }
    match saved {
        0 => Err(lines.trim_end().to_owned()),
        _ => Ok(lines),
    }
}

/// Opens one camera, waits for its first frame, and saves it. Returns the file and its size in bytes.
fn try_camera(source: &str, folder: &Path, timeout: Duration) -> Result<(PathBuf, usize), String> {
    let name = file_stem(source);
    let config = camera_config(source)?;
    let (endpoint, handle) = camera_handle::channel(std::iter::empty());
    let hub = handle.hub().clone();
    let service = SnapshotService::new(name.as_str().into(), handle, Budget::new(DECODE_MEMORY_MB));
    let shutdown = ShutdownToken::new().map_err(|error| error.to_string())?;
    let stop = shutdown.clone();
    let run = move || camera::run(&config, shutdown, &endpoint, &Heartbeat::default());
    let thread = std::thread::Builder::new().name(name.clone()).spawn(run);
    let thread = thread.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    let failed = async {
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let status = hub.stats().status;
            if status.state == CameraState::Waiting {
                return status.detail.clone();
            }
        }
    };
    let jpeg = runtime.block_on(async {
        tokio::select! {
            answer = service.request(JpegOptions::default()) => answer.map_err(|error| error.to_string()),
            () = tokio::time::sleep(timeout) => Err(format!("none within {} s", timeout.as_secs())),
            reason = failed => Err(reason),
        }
    });
    stop.trigger();
    let _ = thread.join();
    let snapshot = jpeg?;
    let path = folder.join(format!("{name}.jpg"));
    std::fs::write(&path, &snapshot.jpeg)
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok((path, snapshot.jpeg.len()))
}

/// Returns the configuration of a start with this source and no other option.
fn camera_config(source: &str) -> Result<camera::Config, String> {
    let errors = Errors::default();
    let source = RawSetting {
        setting: Setting::Source,
        text: source.to_owned(),
        from: SettingSource::Flag("--source".to_owned()),
    };
    let config = validate::config(&[source], &[], File::default(), 0, &errors);
    let camera = config.and_then(|config| config.cameras.into_iter().next());
    camera.ok_or_else(|| errors.into_first().to_string())
}

/// Returns a file name for the source: `berrymse-video0` for `/dev/video0`.
fn file_stem(source: &str) -> String {
    let short = source.trim_start_matches("/dev/");
    let safe: String = short
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || ".-_".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    format!("berrymse-{}", safe.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_stem_is_a_safe_name() {
        for (source, expected) in [
            ("/dev/video0", "berrymse-video0"),
            ("rpicam:1", "berrymse-rpicam-1"),
            ("/dev/v4l/by-id/usb-A_B", "berrymse-v4l-by-id-usb-A_B"),
            ("v4l2:../../x", "berrymse-v4l2-..-..-x"),
        ] {
            assert_eq!(file_stem(source), expected);
        }
    }

    #[test]
    fn test_pattern_is_saved() {
        let folder = std::env::temp_dir().join(format!("berrymse-try-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let found = try_camera("test", &folder, Duration::from_secs(60));
        let (path, bytes) = found.unwrap();
        let jpeg = std::fs::read(&path).unwrap();
        assert_eq!((jpeg.len(), &jpeg[..2]), (bytes, &[0xff, 0xd8][..]));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn missing_camera_has_a_reason() {
        let folder = std::env::temp_dir();
        let reason = try_camera("/dev/video-none", &folder, Duration::from_secs(60));
        let reason = reason.unwrap_err();
        assert!(
            reason.contains("video-none") || reason.contains("no such"),
            "{reason}"
        );
    }
}

//! A Raspberry Pi camera, through rpicam-vid (libcamera-vid on older systems): the options it is started with, and what
//! it means when it does not start. The running program is [`process`](super::process)'s.
//!
//! libcamera itself is not linked: its interface changes several times a year, and the system's own program always fits the
//! system's own library, tuning files and camera drivers.

mod command;
mod error_messages;
mod known_options;
pub mod options;
mod printed;
mod reserved;
mod value;

pub use command::PROGRAMS;

use super::pipe_reader::PtsPipe;
use super::process::{Process, ProcessOptions};
use super::silence::SilenceLimit;
use super::{Cause, Error, Input, Item, SourceContext};
use crate::media::orientation::Orientation;
use command::{Command, Encoder, OptionalArgument};
pub use error_messages::parse_list;
use known_options::KnownOptions;
pub use known_options::option_names;
use printed::printed;
use rustix::pipe::{PipeFlags, pipe_with};
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Silence after which a camera that worked counts as stuck …
const STALL_TIMEOUT: Duration = Duration::from_secs(2);
/// … if that is more than this many frames.
const STALL_FRAMES: u64 = 5;
/// The same before the first picture: libcamera looks at all cameras and modes first, on a Pi Zero for seconds.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// Attempts with other options before the program's word is final; each leaves one more option out.
const MAX_ATTEMPTS: usize = 5;

/// The program for these cameras, if one is in the directories of `path` (as in `PATH`).
pub fn find_program(path: Option<&OsStr>) -> Option<PathBuf> {
    let dirs: Vec<PathBuf> = env::split_paths(path?).collect();
    let is_program = |path: &Path| {
        path.metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    PROGRAMS
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)))
        .find(|path| is_program(path))
}

/// The cameras that the program knows, each as it describes it, without its number. Errors if it cannot tell.
pub fn list_cameras(program: &Path) -> io::Result<Vec<String>> {
    printed(program, "--list-cameras").map(|text| parse_list(&text))
}

/// Starts the program for camera `number` and waits for its first byte. Call it on a thread that lives at least as long as
/// the source.
pub(super) fn open(number: u32, context: &SourceContext) -> Result<Box<dyn Input>, Error> {
    let Some(program) = find_program(env::var_os("PATH").as_deref()) else {
        return Err(
            Error::Unavailable(error_messages::NO_PROGRAM.to_owned()).because(Cause::NOT_STARTED)
        );
    };
    let options = &context.rpicam;
    let encoder = Encoder::of_this_machine();
    let mut command = Command::new(number, &context.settings, encoder, options);
    known_options::check_files(options)?;
    // Without a help the program itself refuses what it does not know.
    if let Some(known) = KnownOptions::of(&program) {
        known.check(options, &program)?;
        for name in command.drop_unknown(&known) {
            log::info!(
                "{}: this rpicam-vid knows no --{name}: left out",
                context.name
            );
        }
    }
    let program = program.to_string_lossy();
    let mut attempt = 1;
    loop {
        let pts = command
            .has(OptionalArgument::SavePts)
            .then(|| pts_pipe(context))
            .flatten();
        if pts.is_none() {
            command.drop(OptionalArgument::SavePts);
        }
        let marks_fd = pts.as_ref().map(|(fd, _)| fd.as_raw_fd());
        let mut process = Process::start(
            &program,
            &command.arguments(marks_fd),
            process_options(pts, context),
            context,
        )?;
        let Err(error) = process.wait_for_byte() else {
            for name in command.without_effect() {
                log::info!(
                    "{}: camera.rpicam.{name} has no effect: the encoder is in the chip",
                    context.name
                );
            }
            return Ok(Box::new(Camera {
                process,
                orientation: command.orientation(),
            }));
        };
        if attempt == MAX_ATTEMPTS || !command.drop_rejected(&process.stderr_text()) {
            return Err(error);
        }
        attempt += 1;
        log::info!("{}: trying again {command}", context.name);
    }
}

fn process_options(pts: Option<(OwnedFd, PtsPipe)>, context: &SourceContext) -> ProcessOptions {
    let stall = STALL_TIMEOUT.max(context.settings.fps.duration_of(STALL_FRAMES));
    ProcessOptions {
        silence: SilenceLimit::device(stall, START_TIMEOUT, context),
        explain: error_messages::diagnose,
        pts,
    }
}

/// For the program the end to write marks to, for us the other. Without descriptors left there are no marks.
fn pts_pipe(context: &SourceContext) -> Option<(OwnedFd, PtsPipe)> {
    let (reading, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
    let picture_time = context.settings.fps.interval();
    Some((writing, PtsPipe::new(reading, picture_time)))
}

struct Camera {
    process: Process,
    orientation: Orientation,
}

impl Input for Camera {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        self.process.read()
    }

    fn silence_limit(&self) -> Duration {
        self.process.silence_limit()
    }

    fn applied_orientation(&self) -> Orientation {
        self.orientation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rpicam_vid_is_preferred_to_libcamera_vid() {
        let dir = env::temp_dir().join(format!("berrymse-path-{}", std::process::id()));
        for (part, name) in [("a", "libcamera-vid"), ("b", "rpicam-vid")] {
            std::fs::create_dir_all(dir.join(part)).unwrap();
            let file = dir.join(part).join(name);
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = env::join_paths([dir.join("a"), dir.join("b")]).unwrap();
        assert_eq!(find_program(Some(&path)), Some(dir.join("b/rpicam-vid")));
        assert_eq!(
            find_program(Some(dir.join("a").as_os_str())),
            Some(dir.join("a/libcamera-vid"))
        );
        assert_eq!(find_program(Some(OsStr::new("/nonexistent"))), None);
        assert_eq!(find_program(None), None);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

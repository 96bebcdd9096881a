//! Commands that wait for the next step of the camera's thread.

use crate::camera_handle::{Command, Commands, Jpeg};
use crate::controls::{Request, Server};
use crate::source::Input;
use bytes::Bytes;
use std::sync::mpsc::SyncSender;

/// Commands that were taken from the queue and not carried out so far.
#[derive(Default)]
pub(super) struct PendingCommands {
    is_keyframe_wanted: bool,
    is_restart_wanted: bool,
    /// Requester of a JPEG. It waits until the camera has one, or a newer one replaces it.
    jpeg: Option<SyncSender<Jpeg>>,
    controls: Vec<Request>,
}

impl PendingCommands {
    /// Takes the commands that wait in the queue.
    pub(super) fn take(&mut self, commands: &Commands) {
        for command in commands.take() {
            match command {
                Command::Keyframe => self.is_keyframe_wanted = true,
                Command::Jpeg(requester) => self.jpeg = Some(requester),
                Command::Controls(request) => self.controls.push(request),
                Command::Restart => self.is_restart_wanted = true,
            }
        }
    }

    /// Carries out what needs only the source: controls and JPEGs.
    pub(super) fn serve(&mut self, source: &mut dyn Input, controls: &Server) {
        if !self.controls.is_empty() {
            controls.process_requests(std::mem::take(&mut self.controls), source.controls());
        }
        if let Some(requester) = self.jpeg.take() {
            match source.latest_jpeg() {
                // The channel has room for one. A requester that is gone needs no reply.
                Some((captured_at, jpeg)) => drop(requester.try_send(Jpeg {
                    bytes: Bytes::copy_from_slice(jpeg),
                    captured_at,
                })),
                None => self.jpeg = Some(requester),
            }
        }
    }

    /// Returns true once after a command to make a keyframe.
    pub(super) fn take_keyframe(&mut self) -> bool {
        std::mem::take(&mut self.is_keyframe_wanted)
    }

    /// Returns true after a command to open the source again.
    pub(super) fn wants_restart(&self) -> bool {
        self.is_restart_wanted
    }
}

//! The newest picture of a camera as JPEG, when somebody asks.
//!
//! The camera is not opened a second time and viewers do not notice. One that gives JPEGs is asked for the newest of them (through
//! the hub); of others, and where the picture is to be smaller, turned or mirrored, the frames that the hub keeps are decoded, from the
//! newest keyframe on, on a thread of this camera's own, with a lower priority unless a stream starts it. Nothing runs while nobody
//! asks. What HTTP makes of it is in `serve`.
//!
//! | file | what |
//! |---|---|
//! | `budget` | memory for decoders, in the order of asking |
//! | `jpeg_quota` | memory of finished JPEGs |
//! | `queue` | the requests, and when they can be worked on |
//! | `picture_stream` | one picture after the other, for clients that take JPEGs as video |
//! | `footprint` | memory that a decoder takes |
//! | `service` | who asks, and the thread that answers all of them together |
//! | `frame_decoder` | keeps up with the hub: frames to the newest decoded picture |
//! | `decoder_stub` | what stands in for it in a build without openh264 |
//! | `decoder_process` | the process without rights in which the following work |
//! | `decoder` | openh264, and what it cannot do |
//! | `yuv420` | a decoded picture, and a smaller one |
//! | `jpeg` | planes to JPEG: colours, turn and mirror |

mod budget;
#[cfg(feature = "software-encoder")]
mod decoder;
mod decoder_process;
#[cfg(not(feature = "software-encoder"))]
mod decoder_stub;
#[cfg(feature = "software-encoder")]
mod footprint;
#[cfg(feature = "software-encoder")]
mod frame_decoder;
#[cfg(feature = "software-encoder")]
mod jpeg;
mod jpeg_quota;
mod picture_stream;
mod queue;
mod service;
#[cfg(feature = "software-encoder")]
mod yuv420;

pub use budget::Budget;
#[cfg(feature = "software-encoder")]
pub use decoder_process::run_decoder_process;
pub use decoder_process::{decoder_replies, decoder_requests};
pub use picture_stream::PictureStream;
pub use service::SnapshotService;

use crate::hub::{CameraState, CameraStatus};
use crate::time::Timestamp;
use bytes::Bytes;
#[cfg(not(feature = "software-encoder"))]
use decoder_stub as frame_decoder;

/// Size and quality of a JPEG.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JpegOptions {
    /// Width in pixels, if that is less than the frame has.
    pub width: Option<u32>,
    /// Quality from 1 to 100.
    pub quality: Option<u8>,
}

impl JpegOptions {
    /// True if the camera's own JPEG is as good as any.
    fn is_original(self) -> bool {
        self == Self::default()
    }
}

/// A frame as a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// JPEG (JFIF), turned and mirrored as it is to be seen.
    pub jpeg: Bytes,
    /// Capture time of the frame.
    pub captured_at: Timestamp,
}

/// Reason for the lack of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is no frame now; trying again later may help.
    #[error("{0}")]
    NoFrame(String),
    /// Frames of this kind cannot be decoded here.
    #[error("{0}")]
    Unsupported(String),
    /// A decoder for these frames needs more memory than all decoders may have, both in bytes.
    #[error(
        "the decoder needs {} MB, {} MB are allowed; raise server.decodeMemory",
        needed.div_ceil(1 << 20), allowed >> 20
    )]
    TooLarge {
        /// The estimate.
        needed: u64,
        /// The limit.
        allowed: u64,
    },
    /// The decoder's process failed, for this reason; the next request has another.
    #[error("the decoder failed; the next request starts it again")]
    DecoderFailed(String),
    /// Too many requests at once.
    #[error("too many snapshots are asked for at once")]
    Busy,
}

/// Returns true if frames arrive, false if some may arrive soon; else the reason for their lack.
fn is_live(condition: &CameraStatus) -> Result<bool, SnapshotError> {
    match condition.state {
        CameraState::Live => Ok(true),
        CameraState::Starting | CameraState::Idle => Ok(false),
        CameraState::Waiting | CameraState::Lost => {
            Err(SnapshotError::NoFrame(condition.reason.clone()))
        }
    }
}

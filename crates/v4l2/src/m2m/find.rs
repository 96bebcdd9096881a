//! Discovery of encoders by their capabilities: node numbers and driver names differ between
//! kernels.

use crate::abi::{buffer_type, caps};
use crate::nodes::nodes;
use crate::{Device, DeviceError, DeviceInfo, FourCc, FrameSize};
use std::path::{Path, PathBuf};

/// Buffer types of an encoder's two queues (`v4l2_buf_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct QueueTypes {
    /// Queue of raw frames.
    pub(super) output: u32,
    /// Queue of coded frames.
    pub(super) capture: u32,
}

impl QueueTypes {
    /// Returns `None` if the node lacks one of the queues.
    pub(super) fn of(identity: &DeviceInfo) -> Option<Self> {
        if !identity.is_memory_to_memory() || !identity.has(caps::STREAMING) {
            None
        } else if identity.has(caps::VIDEO_M2M_MPLANE | caps::VIDEO_CAPTURE_MPLANE) {
            Some(Self {
                output: buffer_type::OUTPUT_MPLANE,
                capture: buffer_type::CAPTURE_MPLANE,
            })
        } else {
            Some(Self {
                output: buffer_type::OUTPUT,
                capture: buffer_type::CAPTURE,
            })
        }
    }
}

/// Encoder of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncoderNode {
    /// Its node.
    pub path: PathBuf,
    /// Its identity.
    pub identity: DeviceInfo,
    /// Raw formats that it accepts.
    pub raw_formats: Vec<FourCc>,
    /// Largest frame size; `None` if the driver does not tell.
    pub max_size: Option<(u32, u32)>,
}

/// Returns all encoders to `coded`, by node number, and the nodes that failed to open.
pub fn find(coded: FourCc) -> (Vec<EncoderNode>, Vec<(PathBuf, DeviceError)>) {
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for path in nodes(Path::new("/dev")) {
        match Device::open(&path) {
            Ok(device) => found.extend(EncoderNode::of(&device, path, coded)),
            Err(error) => unknown.push((path, error)),
        }
    }
    (found, unknown)
}

impl EncoderNode {
    /// Returns `None` if the device does not encode to `coded`.
    pub(crate) fn of(device: &Device, path: PathBuf, coded: FourCc) -> Option<Self> {
        let kinds = QueueTypes::of(device.identity())?;
        // The raw formats apply to the present coded format. Most encoders have only one. A decoder
        // has the coded formats on the other queue, a scaler has none.
        let formats = device.formats_of(kinds.capture);
        let mut raw_formats = device.raw_formats_of(kinds.output);
        raw_formats.retain(|&raw| raw != coded);
        let is_encoder =
            formats.iter().any(|format| format.fourcc == coded) && !raw_formats.is_empty();
        is_encoder.then(|| Self {
            path,
            identity: device.identity().clone(),
            max_size: max_size(&device.sizes(coded)),
            raw_formats,
        })
    }
}

fn max_size(sizes: &[FrameSize]) -> Option<(u32, u32)> {
    sizes
        .iter()
        .map(|size| size.max())
        .max_by_key(|&(width, height)| u64::from(width) * u64::from(height))
}

/// Returns true if the device encodes to `coded`.
pub(crate) fn encodes(device: &Device, coded: FourCc) -> bool {
    EncoderNode::of(device, PathBuf::new(), coded).is_some()
}

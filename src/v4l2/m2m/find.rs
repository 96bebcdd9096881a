//! The encoders of this machine, found by what they can do: numbers of nodes and names of drivers differ between kernels.

use crate::v4l2::abi::{buffer_type, caps};
use crate::v4l2::discover::nodes;
use crate::v4l2::{Device, DeviceError, DeviceInfo, FourCc, FrameSize};
use std::path::{Path, PathBuf};

/// The two queues of an encoder, as `v4l2_buf_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct QueueTypes {
    /// Where raw pictures go in.
    pub(super) output: u32,
    /// Where coded ones come out.
    pub(super) capture: u32,
}

impl QueueTypes {
    /// `None` if the node has not both queues.
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

/// An encoder of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncoderNode {
    /// Its node.
    pub path: PathBuf,
    /// Who it says it is.
    pub identity: DeviceInfo,
    /// The raw formats that it takes.
    pub raw_formats: Vec<FourCc>,
    /// Width and height of the largest picture; `None` where the driver does not tell.
    pub max_size: Option<(u32, u32)>,
}

/// All encoders to `coded`, by the number of the node; and the nodes that would not be opened, of which nobody knows.
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
    /// `None` if the device is no encoder to `coded`.
    pub(in crate::v4l2) fn of(device: &Device, path: PathBuf, coded: FourCc) -> Option<Self> {
        let kinds = QueueTypes::of(device.identity())?;
        // The raw formats are those for the coded format that is set; most encoders have but one, and to set another is for who
        // uses it. A decoder has the coded formats on the other side, a scaler has none.
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

/// True if the device is an encoder to `coded`.
pub(in crate::v4l2) fn encodes(device: &Device, coded: FourCc) -> bool {
    EncoderNode::of(device, PathBuf::new(), coded).is_some()
}

//! Nodes and encoders as JSON.

use super::{Found, round};
use crate::source::v4l2::explain::node_reason;
use serde_json::{Value, json};
use v4l2::{FourCc, FrameSize, NodeKind, m2m};

/// Returns a node with its formats and holders.
pub(super) fn node_json(
    Found {
        node,
        sizes,
        holders,
    }: &Found,
) -> Value {
    let identity = node.identity.as_ref().ok();
    let formats = node.formats.iter().zip(sizes).map(|(format, sizes)| {
        json!({
            "fourcc": format.fourcc.to_string(),
            "description": format.description,
            "h264": format.fourcc == FourCc::H264,
            "sizes": sizes.iter().map(|(size, rates)| size_json(size, rates)).collect::<Vec<_>>(),
        })
    });
    json!({
        "path": node.path.to_string_lossy(),
        "link": node.link.as_ref().map(|link| link.to_string_lossy()),
        "card": node.card,
        "driver": identity.map(|identity| &identity.driver),
        "bus": identity.map(|identity| &identity.bus),
        "purpose": node.purpose.map(NodeKind::label),
        "source": node.is_usable().then(|| node.name().to_string_lossy()),
        "reason": node_reason(node),
        "formats": formats.collect::<Vec<_>>(),
        "encoder": node.encoder.as_ref().map(encoder_json),
        "open_in": holders.iter().map(|holder| json!({ "pid": holder.pid, "name": holder.name })).collect::<Vec<_>>(),
    })
}

fn encoder_json(encoder: &m2m::EncoderNode) -> Value {
    let formats: Vec<String> = encoder.raw_formats.iter().map(FourCc::to_string).collect();
    let (width, height) = encoder.max_size.unzip();
    json!({ "raw_formats": formats, "largest_width": width, "largest_height": height })
}

fn size_json(size: &FrameSize, rates: &[f64]) -> Value {
    let rates: Vec<f64> = rates.iter().copied().map(round).collect();
    match *size {
        FrameSize::Discrete(width, height) => {
            json!({ "width": width, "height": height, "fps": rates })
        }
        FrameSize::Stepwise {
            min: (w_min, h_min),
            max: (width, height),
            ..
        } => {
            json!({ "min_width": w_min, "min_height": h_min, "width": width, "height": height, "fps": rates })
        }
    }
}

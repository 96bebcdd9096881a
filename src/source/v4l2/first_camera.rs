//! Choice of the camera when none is named.

use super::explain::node_reason;
use std::path::PathBuf;
use v4l2::{Node, NodeKind, discover};

/// Returns the first node with H.264, else the first that can be encoded, by its stable name and
/// with its kind; else a text that lists what was found.
pub(in crate::source) fn first_camera() -> Result<(PathBuf, NodeKind), String> {
    let mut others = Vec::new();
    for node in discover() {
        if let Some(purpose @ NodeKind::H264(_)) = node.purpose {
            return Ok((node.name().to_owned(), purpose));
        }
        others.push(node);
    }
    let raw = others.iter().find_map(|node| match node.purpose {
        Some(purpose @ NodeKind::NeedsEncoder(_)) => Some((node.name().to_owned(), purpose)),
        _ => None,
    });
    raw.ok_or_else(|| summary(&others))
}

/// Lists the candidate nodes with a short reason why each is no camera.
fn summary(nodes: &[Node]) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (words, node) in nodes
        .iter()
        .filter_map(|node| Some((describe(node)?, node)))
    {
        let name = format!("{} ({})", node.path.display(), node.card);
        match groups.iter_mut().find(|(known, _)| *known == words) {
            Some((_, names)) => names.push(name),
            None => groups.push((words, vec![name])),
        }
    }
    if nodes.is_empty() {
        return "no camera found: no video node in /dev; is one plugged in?".into();
    }
    if groups.is_empty() {
        return "no camera found: the video nodes here belong to no camera; is one plugged in?"
            .into();
    }
    let groups: Vec<String> = groups
        .iter()
        .map(|(words, names)| format!("{}: {words}", names.join(", ")))
        .collect();
    format!(
        "no camera found. {}. `berrymse cameras` says more",
        groups.join("; ")
    )
}

/// Returns why a node is not the camera, shorter than [`node_reason`]; `None` for nodes that
/// nobody takes for a camera.
fn describe(node: &Node) -> Option<String> {
    match node.purpose {
        Some(NodeKind::Metadata | NodeKind::Converter | NodeKind::Encoder | NodeKind::Isp) => None,
        Some(NodeKind::Sensor) | None => node_reason(node),
        Some(purpose) => Some(purpose.label().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v4l2::DeviceError;

    fn unopened(path: &str, error: DeviceError) -> Node {
        Node {
            path: path.into(),
            link: None,
            card: "Cam".into(),
            identity: Err(error),
            purpose: None,
            formats: Vec::new(),
            encoder: None,
        }
    }

    fn opened(path: &str, purpose: NodeKind) -> Node {
        Node {
            purpose: Some(purpose),
            ..unopened(path, DeviceError::NoDevice)
        }
    }

    #[test]
    fn summary_without_camera_lists_the_nodes() {
        assert!(summary(&[]).contains("no video node"));
        assert!(
            summary(&[opened("/dev/video10", NodeKind::Encoder)]).contains("belong to no camera")
        );
        let text = summary(&[unopened("/dev/video3", DeviceError::PermissionDenied)]);
        assert!(
            text.contains("/dev/video3 (Cam): permission denied"),
            "{text}"
        );
    }

    #[test]
    fn summary_groups_nodes_with_one_reason() {
        let capture = v4l2::PlaneApi::SinglePlanar;
        let nodes = [
            opened("/dev/video0", NodeKind::NotFed),
            opened("/dev/video1", NodeKind::NeedsEncoder(capture)),
            opened("/dev/video2", NodeKind::NotFed),
            opened("/dev/video3", NodeKind::Metadata),
        ];
        assert_eq!(
            summary(&nodes),
            "no camera found. /dev/video0 (Cam), /dev/video2 (Cam): loopback, not fed; \
             /dev/video1 (Cam): camera without H.264. `berrymse cameras` says more"
        );
    }
}

//! Discovery of the video nodes of this machine.

use super::classify::NodeKind;
use super::device::{Device, DeviceInfo};
use super::format::{FourCc, FrameSize, PixelFormat};
use super::m2m;
use super::nodes::nodes;
use super::sys::DeviceError;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Largest number of sizes listed for a format: more do not help, and each costs a call for its
/// rates.
const MAX_SIZES_LISTED: usize = 64;

/// Video node and its kind.
#[derive(Clone, Debug)]
pub struct Node {
    /// `/dev/videoN`
    pub path: PathBuf,
    /// Name in `/dev/v4l/by-id`, which does not depend on the order of plugging in.
    pub link: Option<PathBuf>,
    /// Name of the camera, known even if the node could not be opened.
    pub card: String,
    /// Identity, or the error of opening it.
    pub identity: Result<DeviceInfo, DeviceError>,
    /// Kind; `None` if it could not be opened.
    pub purpose: Option<NodeKind>,
    /// Capture formats.
    pub formats: Vec<PixelFormat>,
    /// Encoder, if it encodes to H.264.
    pub encoder: Option<m2m::EncoderNode>,
}

impl Node {
    /// Probes one node.
    fn probe(path: PathBuf, links: &HashMap<PathBuf, PathBuf>) -> Self {
        let device = Device::open(&path);
        let purpose = device.as_ref().ok().map(NodeKind::of);
        let formats = device
            .as_ref()
            .ok()
            .and_then(|device| Some(device.formats(device.identity().capture()?)));
        let encoder = device
            .as_ref()
            .ok()
            .and_then(|device| m2m::EncoderNode::of(device, path.clone(), FourCc::H264));
        let identity = device.map(|device| device.identity().clone());
        let card = identity
            .as_ref()
            .map_or_else(|_| name_in_sysfs(&path), |identity| identity.card.clone());
        let link = links.get(&path).cloned();
        Self {
            path,
            link,
            card,
            identity,
            purpose,
            formats: formats.unwrap_or_default(),
            encoder,
        }
    }

    /// Returns the path to use: the stable name, if there is one.
    pub fn name(&self) -> &Path {
        self.link.as_deref().unwrap_or(&self.path)
    }

    /// Returns true if its video can be shown.
    pub fn is_usable(&self) -> bool {
        matches!(
            self.purpose,
            Some(NodeKind::H264(_) | NodeKind::NeedsEncoder(_))
        )
    }

    /// Queries sizes and rates of a format; empty if the driver does not list them.
    pub fn sizes(&self, format: FourCc) -> Vec<(FrameSize, Vec<f64>)> {
        let Ok(device) = Device::open(&self.path) else {
            return Vec::new();
        };
        let sizes = device.sizes(format).into_iter().take(MAX_SIZES_LISTED);
        sizes
            .map(|size| (size, device.rates_of(format, size)))
            .collect()
    }
}

/// Returns the video nodes of this machine, by number. Each is opened when it is asked for.
pub fn discover() -> impl Iterator<Item = Node> {
    let links = links(Path::new("/dev/v4l/by-id"));
    nodes(Path::new("/dev"))
        .into_iter()
        .map(move |path| Node::probe(path, &links))
}

/// Returns the stable names by node.
fn links(dir: &Path) -> HashMap<PathBuf, PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((fs::canonicalize(entry.path()).ok()?, entry.path())))
        .collect()
}

fn name_in_sysfs(path: &Path) -> String {
    let node = path.file_name().unwrap_or_default();
    let file = Path::new("/sys/class/video4linux").join(node).join("name");
    fs::read_to_string(file)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_sorted_by_number_with_links() {
        let dir = std::env::temp_dir().join(format!("v4l2-nodes-{}", std::process::id()));
        fs::create_dir_all(dir.join("by-id")).unwrap();
        for name in ["video10", "video9", "video", "videoX", "vbi0"] {
            fs::write(dir.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(dir.join("video9"), dir.join("by-id/usb-cam")).unwrap();
        assert_eq!(nodes(&dir), [dir.join("video9"), dir.join("video10")]);
        let links = links(&dir.join("by-id"));
        assert_eq!(
            links.get(&fs::canonicalize(&dir).unwrap().join("video9")),
            Some(&dir.join("by-id/usb-cam"))
        );
        assert_eq!(nodes(&dir.join("missing")), Vec::<PathBuf>::new());
        fs::remove_dir_all(&dir).unwrap();
    }
}

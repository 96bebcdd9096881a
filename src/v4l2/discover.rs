//! The video nodes of this machine.

use super::device::{Device, Identity};
use super::format::{FourCc, PixelFormat, Size};
use super::m2m;
use super::purpose::{Purpose, Step, explain};
use super::sys::Failure;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// More sizes of a format than this are of no help to a reader (and cost a call for each rate).
const SIZES_LISTED: usize = 64;

/// A video node and what it is good for.
#[derive(Clone, Debug)]
pub struct Node {
    /// `/dev/videoN`
    pub path: PathBuf,
    /// The name in `/dev/v4l/by-id`, which stays the same when cameras are plugged in another order.
    pub link: Option<PathBuf>,
    /// The name of the camera, known even if the node could not be opened.
    pub card: String,
    /// Who it says it is, or why it could not be opened.
    pub identity: Result<Identity, Failure>,
    /// What it is good for; `None` if it could not be opened.
    pub purpose: Option<Purpose>,
    /// What it captures.
    pub formats: Vec<PixelFormat>,
    /// What it encodes to H.264, if it does.
    pub encoder: Option<m2m::Found>,
}

impl Node {
    /// Looks at one node.
    fn look(path: PathBuf, links: &HashMap<PathBuf, PathBuf>) -> Self {
        let device = Device::open(&path);
        let purpose = device.as_ref().ok().map(Purpose::of);
        let formats = device
            .as_ref()
            .ok()
            .and_then(|device| Some(device.formats(device.identity().capture()?)));
        let encoder = device
            .as_ref()
            .ok()
            .and_then(|device| m2m::Found::of(device, path.clone(), FourCc::H264));
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

    /// The name to use it by: the lasting one, if it has one.
    pub fn name(&self) -> &Path {
        self.link.as_deref().unwrap_or(&self.path)
    }

    /// True if its pictures can be shown.
    pub fn is_usable(&self) -> bool {
        matches!(
            self.purpose,
            Some(Purpose::H264(_) | Purpose::NeedsEncoder(_))
        )
    }

    /// Why it cannot be used, and what to try; `None` if it can.
    pub fn reason(&self) -> Option<String> {
        match (&self.identity, self.purpose) {
            (Err(failure), _) => Some(explain(*failure, Step::Open, &self.path, None)),
            (Ok(_), Some(purpose)) => purpose.reason(),
            (Ok(_), None) => None,
        }
    }

    /// Sizes and rates of a format, asked of the device now; empty where the driver does not tell.
    pub fn sizes(&self, format: FourCc) -> Vec<(Size, Vec<f64>)> {
        let Ok(device) = Device::open(&self.path) else {
            return Vec::new();
        };
        let sizes = device.sizes(format).into_iter().take(SIZES_LISTED);
        sizes
            .map(|size| (size, device.rates_of(format, size)))
            .collect()
    }
}

/// All video nodes, by number.
pub fn discover() -> Vec<Node> {
    look_at_all().collect()
}

/// The first node that gives H.264, else the first whose pictures can be encoded, by its lasting name and with its purpose; else
/// what was found instead, in words.
pub fn first_camera() -> Result<(PathBuf, Purpose), String> {
    let mut others = Vec::new();
    for node in look_at_all() {
        if let Some(purpose @ Purpose::H264(_)) = node.purpose {
            return Ok((node.name().to_owned(), purpose));
        }
        others.push(node);
    }
    let raw = others.iter().find_map(|node| match node.purpose {
        Some(purpose @ Purpose::NeedsEncoder(_)) => Some((node.name().to_owned(), purpose)),
        _ => None,
    });
    raw.ok_or_else(|| summary(&others))
}

fn look_at_all() -> impl Iterator<Item = Node> {
    let links = links(Path::new("/dev/v4l/by-id"));
    nodes(Path::new("/dev"))
        .into_iter()
        .map(move |path| Node::look(path, &links))
}

/// The nodes that might have been meant, and a few words why it is none of them.
fn summary(nodes: &[Node]) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (words, node) in nodes.iter().filter_map(|node| Some((words(node)?, node))) {
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

/// Why a node is not the camera that is looked for, shorter than [`Node::reason`] where nothing can be done in a few words;
/// `None` for what nobody takes for a camera.
fn words(node: &Node) -> Option<String> {
    match node.purpose {
        Some(Purpose::Metadata | Purpose::Converter | Purpose::Encoder | Purpose::Isp) => None,
        Some(Purpose::Sensor) | None => node.reason(),
        Some(purpose) => Some(purpose.label().into()),
    }
}

/// `videoN` in a directory, by number.
pub(super) fn nodes(dir: &Path) -> Vec<PathBuf> {
    let number = |path: &Path| {
        path.file_name()?
            .to_str()?
            .strip_prefix("video")?
            .parse::<u32>()
            .ok()
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// From the node to the name that udev made for it.
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

    fn unopened(path: &str, failure: Failure) -> Node {
        Node {
            path: path.into(),
            link: None,
            card: "Cam".into(),
            identity: Err(failure),
            purpose: None,
            formats: Vec::new(),
            encoder: None,
        }
    }

    #[test]
    fn nodes_are_sorted_by_number_and_links_lead_to_them() {
        let dir = std::env::temp_dir().join(format!("berrymse-nodes-{}", std::process::id()));
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

    fn opened(path: &str, purpose: Purpose) -> Node {
        Node {
            purpose: Some(purpose),
            ..unopened(path, Failure::Gone)
        }
    }

    #[test]
    fn without_a_camera_the_summary_says_what_there_is() {
        assert!(summary(&[]).contains("no video node"));
        assert!(
            summary(&[opened("/dev/video10", Purpose::Encoder)]).contains("belong to no camera")
        );
        let text = summary(&[unopened("/dev/video3", Failure::NotPermitted)]);
        assert!(
            text.contains("/dev/video3 (Cam): permission denied"),
            "{text}"
        );
    }

    #[test]
    fn the_summary_says_the_same_of_several_nodes_once() {
        let capture = super::super::Capture::SinglePlanar;
        let nodes = [
            opened("/dev/video0", Purpose::NotFed),
            opened("/dev/video1", Purpose::NeedsEncoder(capture)),
            opened("/dev/video2", Purpose::NotFed),
            opened("/dev/video3", Purpose::Metadata),
        ];
        assert_eq!(
            summary(&nodes),
            "no camera found. /dev/video0 (Cam), /dev/video2 (Cam): loopback, not fed; \
             /dev/video1 (Cam): camera without H.264. `berrymse cameras` says more"
        );
    }
}

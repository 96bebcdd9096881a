//! The cameras that are served. They may come and go while the server runs.
//!
//! Readers take a snapshot of the list, which costs one lock and no copy. A change makes another list.

use crate::serve::annexb_cache::AnnexB;
use crate::serve::config::Camera;
use crate::serve::mjpeg;
use crate::serve::rtsp::output::Output;
use crate::snapshot::{Budget, SnapshotService};
use crate::time::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

/// A camera with what serving keeps of it.
#[derive(Debug)]
pub(crate) struct ServedCamera {
    camera: Camera,
    pub(crate) snapshots: SnapshotService,
    /// The newest frames in Annex B.
    pub(crate) annexb: AnnexB,
    /// State that its RTSP clients share.
    pub(crate) rtsp: Output,
    /// Streams that its clients of MJPEG share.
    pub(crate) mjpeg: mjpeg::Output,
}

impl Deref for ServedCamera {
    type Target = Camera;

    fn deref(&self) -> &Camera {
        &self.camera
    }
}

/// A camera that was removed, with what was kept of it: it can be restored as it was.
#[derive(Debug)]
pub struct RemovedCamera(Arc<ServedCamera>);

/// List of cameras; the first is the default. Clones are the same list.
#[derive(Clone, Debug)]
pub(crate) struct CameraList {
    budget: Budget,
    list: Arc<RwLock<Arc<[Arc<ServedCamera>]>>>,
}

impl CameraList {
    /// Creates a list. The decoders of all snapshots share `budget`.
    pub(crate) fn new(cameras: Vec<Camera>, budget: Budget) -> Self {
        let served = cameras.into_iter().map(|camera| served(camera, &budget));
        let list = Arc::new(RwLock::new(served.collect()));
        Self { budget, list }
    }

    /// Returns the present cameras.
    pub(crate) fn all(&self) -> Arc<[Arc<ServedCamera>]> {
        self.list
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the camera `name`, or the first one.
    pub(crate) fn find(&self, name: Option<&str>) -> Option<Arc<ServedCamera>> {
        let all = self.all();
        match name {
            None => all.first().cloned(),
            Some(name) => all.iter().find(|camera| &*camera.name == name).cloned(),
        }
    }

    /// Adds a camera at the end; false if there is one of its name.
    pub(crate) fn add(&self, camera: Camera) -> bool {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|other| other.name == camera.name) {
            return false;
        }
        let added = served(camera, &self.budget);
        *list = list.iter().cloned().chain([added]).collect();
        true
    }

    /// Removes the camera `name`, if there is one.
    pub(crate) fn remove(&self, name: &str) -> Option<RemovedCamera> {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let removed = list.iter().find(|camera| &*camera.name == name)?.clone();
        let others = list.iter().filter(|camera| &*camera.name != name);
        *list = others.cloned().collect();
        Some(RemovedCamera(removed))
    }

    /// Adds a camera again; false if there is one of its name.
    pub(crate) fn restore(&self, removed: &RemovedCamera) -> bool {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|other| other.name == removed.0.name) {
            return false;
        }
        *list = list.iter().chain([&removed.0]).cloned().collect();
        true
    }
}

fn served(camera: Camera, budget: &Budget) -> Arc<ServedCamera> {
    let (name, handle) = (camera.name.clone(), camera.handle.clone());
    Arc::new(ServedCamera {
        snapshots: SnapshotService::new(name, handle, budget.clone()),
        annexb: AnnexB::default(),
        rtsp: Output::new(random_numbers(), camera.rtsp_delimiter),
        mjpeg: mjpeg::Output::default(),
        camera,
    })
}

/// Returns numbers that others cannot guess, or numbers of this moment where the system has none. They are no secrets.
fn random_numbers() -> [u32; 2] {
    let mut bytes = [0; 8];
    let now = Timestamp::now().as_nanos();
    let number = match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        Err(_) => now,
    };
    [number as u32, (number >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera_handle;

    #[test]
    fn restored_camera_is_the_same() {
        let (_endpoint, handle) = camera_handle::channel([]);
        let camera = Camera {
            name: "a".into(),
            title: None,
            rtsp_delimiter: None,
            source: "nats",
            source_text: String::new(),
            handle,
        };
        let list = CameraList::new(Vec::new(), Budget::new(1));
        assert!(list.add(camera.clone()));
        let first = list.find(Some("a")).unwrap();
        let removed = list.remove("a").unwrap();
        assert!(list.all().is_empty() && list.remove("a").is_none());
        // What wakes up at each frame is not made again.
        assert!(list.restore(&removed));
        assert!(Arc::ptr_eq(&first, &list.find(Some("a")).unwrap()));
        assert!(!list.restore(&removed) && !list.add(camera));
    }
}

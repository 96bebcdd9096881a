//! Controls of a camera that can change while it runs, as V4L2 has them.
//!
//! The camera's thread holds the [`Server`] and alone touches the device, through a
//! [`ControlBackend`]. [`Request`]s reach it by the queue of `camera_handle`. A [`View`] has the values
//! as last read. This room knows neither devices nor HTTP.

mod batch;
mod control;

pub use control::{Control, ControlType, ControlValue, Flags, MenuItem};

use crate::suggest::closest_match;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Shortest time between two readings of all controls. Each reading costs requests on the USB
/// cable.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_millis(200);

/// Access to the controls of an open camera, through its driver or program.
pub trait ControlBackend {
    /// Returns all controls with their present values. Names are unique.
    fn controls(&mut self) -> Vec<Control>;

    /// Sets a control to a value that [`Control::validate`] has accepted. The error says why the
    /// camera refuses.
    fn set(&mut self, name: &str, value: i64) -> Result<(), String>;
}

/// Kind of a [`ControlError`], for programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// No control has that name.
    Unknown,
    /// The value has another type than the control.
    WrongType,
    /// The value is outside the control's range.
    OutOfRange,
    /// The control is read-only.
    ReadOnly,
    /// The camera refused the value.
    Refused,
    /// The camera is not open.
    Closed,
    /// Too many requests wait already.
    Busy,
}

/// Rejection of a request. Nothing of the request has been applied.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ControlError {
    /// The kind, for programs.
    pub kind: ErrorKind,
    /// The text for people: the control, the fault, and the accepted values.
    pub message: String,
}

impl ControlError {
    pub(crate) fn new(why: ErrorKind, words: impl Into<String>) -> Self {
        Self {
            kind: why,
            message: words.into(),
        }
    }

    pub(crate) fn closed() -> Self {
        Self::new(
            ErrorKind::Closed,
            "the camera is not open now, so that nothing of it can be set; /api/status says why",
        )
    }

    pub(crate) fn busy() -> Self {
        Self::new(
            ErrorKind::Busy,
            "too many others set controls of this camera at the same time; try again",
        )
    }
}

/// Controls and their values at the last reading.
#[derive(Clone, Debug)]
pub struct ControlsSnapshot {
    /// True while the camera is open, so that controls can be set.
    pub is_open: bool,
    /// Controls of the camera as last opened. Empty before that, and if it has none.
    pub controls: Arc<[Control]>,
    /// Texts about persistent values that the camera rejected when it was last opened.
    pub rejected: Arc<[String]>,
}

/// End of the camera's thread. Clones share one state.
#[derive(Clone, Debug)]
pub struct Server(Arc<Mutex<Inner>>);

/// Controls and values as last read. Clones share one state.
#[derive(Clone, Debug)]
pub struct View(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    snapshot: ControlsSnapshot,
    refreshed_at: Timestamp,
    /// Part of `snapshot.rejected` that is in the log already.
    logged_errors: Arc<[String]>,
    /// Values applied at each opening: those of the configuration, then those set since.
    persistent_values: BTreeMap<String, ControlValue>,
}

/// Request to the camera's thread, and where the answer goes. A dropped sender means that the camera
/// was closed.
#[derive(Debug)]
pub enum Request {
    /// Reads all controls again.
    Refresh(oneshot::Sender<()>),
    /// Sets all of these values, or none.
    Set(
        Vec<(String, ControlValue)>,
        oneshot::Sender<Result<(), ControlError>>,
    ),
}

impl Request {
    /// Returns true if the requester no longer waits.
    pub(crate) fn is_abandoned(&self) -> bool {
        match self {
            Self::Refresh(sender) => sender.is_closed(),
            Self::Set(_, sender) => sender.is_closed(),
        }
    }
}

/// Creates the two ends. `wanted` holds the configured values.
pub fn channel(wanted: impl IntoIterator<Item = (String, ControlValue)>) -> (Server, View) {
    let inner = Arc::new(Mutex::new(Inner {
        snapshot: ControlsSnapshot {
            is_open: false,
            controls: Arc::new([]),
            rejected: Arc::new([]),
        },
        refreshed_at: Timestamp::default(),
        logged_errors: Arc::new([]),
        persistent_values: wanted.into_iter().collect(),
    }));
    (Server(inner.clone()), View(inner))
}

/// Locks the state. Nothing panics while the lock is held, and the state would still be whole.
fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Sets the persistent values that the camera does not have already. Call it at each opening,
    /// once or more often. Rejections are in [`ControlsSnapshot::rejected`].
    pub fn apply_configured(&self, mut backend: Option<&mut (dyn ControlBackend + '_)>) {
        let kept = lock(&self.0).persistent_values.clone();
        let mut refused = Vec::new();
        if !kept.is_empty() {
            let mut controls = list_controls(&mut backend);
            let request = |name: &String| apply_order(&controls, name);
            let mut wanted: Vec<(&String, &ControlValue)> = kept.iter().collect();
            wanted.sort_by_key(|(name, _)| request(name));
            for (name, wanted) in wanted {
                match set_if_changed(&mut backend, &controls, name, wanted) {
                    // The new value may have enabled or disabled other controls.
                    Ok(true) => controls = list_controls(&mut backend),
                    Ok(false) => {}
                    Err(error) => refused.push(error.message),
                }
            }
        }
        lock(&self.0).snapshot.rejected = refused.into();
    }

    /// Applies the remaining persistent values. Returns the rejections if they differ from the
    /// logged ones.
    pub fn on_camera_opened(
        &self,
        mut backend: Option<&mut (dyn ControlBackend + '_)>,
    ) -> Option<Arc<[String]>> {
        self.apply_configured(backend.as_deref_mut());
        let controls = list_controls(&mut backend);
        let mut inner = lock(&self.0);
        inner.snapshot.is_open = true;
        inner.set_controls(controls);
        let refused = inner.snapshot.rejected.clone();
        let said = std::mem::replace(&mut inner.logged_errors, refused.clone());
        (*said != *refused).then_some(refused)
    }

    /// Notes that the camera is closed.
    pub fn on_camera_closed(&self) {
        lock(&self.0).snapshot.is_open = false;
    }

    /// Processes all `requests` in one pass.
    pub fn process_requests(
        &self,
        mut requests: Vec<Request>,
        mut backend: Option<&mut (dyn ControlBackend + '_)>,
    ) {
        requests.retain(|request| !request.is_abandoned());
        if requests.is_empty() {
            return;
        }
        let wanted: Vec<&[(String, ControlValue)]> = requests
            .iter()
            .filter_map(|request| match request {
                Request::Refresh(_) => None,
                Request::Set(wanted, _) => Some(wanted.as_slice()),
            })
            .collect();
        let results = if wanted.is_empty() {
            Vec::new()
        } else {
            batch::apply_all(&mut backend, &wanted)
        };
        let controls = list_controls(&mut backend);
        {
            let mut inner = lock(&self.0);
            for (control, value) in results.iter().flatten().flatten() {
                if control.control_type != ControlType::Button {
                    let kept = ControlValue::Integer(*value);
                    inner.persistent_values.insert(control.name.clone(), kept);
                }
            }
            inner.set_controls(controls);
        }
        let mut results = results.into_iter();
        for request in requests {
            match request {
                Request::Refresh(sender) => drop(sender.send(())),
                Request::Set(_, sender) => {
                    let result = results
                        .next()
                        .unwrap_or_else(|| Err(ControlError::closed()));
                    drop(sender.send(result.map(drop)));
                }
            }
        }
    }
}

impl Default for Server {
    /// Creates a server without a view.
    fn default() -> Self {
        channel([]).0
    }
}

impl View {
    /// Returns the controls as last read.
    pub fn snapshot(&self) -> ControlsSnapshot {
        lock(&self.0).snapshot.clone()
    }

    /// Returns true if the last reading is so recent that another one is not worth it.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        now.since(lock(&self.0).refreshed_at) < MIN_REFRESH_INTERVAL
    }
}

impl Inner {
    fn set_controls(&mut self, controls: Vec<Control>) {
        self.snapshot.controls = controls.into();
        self.refreshed_at = Timestamp::now();
    }
}

fn list_controls(backend: &mut Option<&mut (dyn ControlBackend + '_)>) -> Vec<Control> {
    backend
        .as_deref_mut()
        .map(ControlBackend::controls)
        .unwrap_or_default()
}

/// Returns the sort key: controls that change others (auto exposure) first, then the driver's
/// order.
fn apply_order(controls: &[Control], name: &str) -> (bool, usize) {
    let place = controls.iter().position(|control| control.name == name);
    let changes_others = place
        .and_then(|place| controls.get(place))
        .is_some_and(|control| control.flags.changes_others);
    (!changes_others, place.unwrap_or(usize::MAX))
}

fn find<'a>(controls: &'a [Control], name: &str) -> Result<&'a Control, ControlError> {
    if let Some(control) = controls.iter().find(|control| control.name == name) {
        return Ok(control);
    }
    let names = || controls.iter().map(|control| control.name.as_str());
    let near =
        closest_match(name, names()).or_else(|| names().find(|other| is_substring(name, other)));
    let hint = match near {
        Some(near) => format!("did you mean {near}?"),
        None if controls.is_empty() => "this camera has no controls".to_owned(),
        None => "GET lists those that there are".to_owned(),
    };
    let shown: String = name.chars().take(64).collect();
    let words = format!("there is no control {shown:?}; {hint}");
    Err(ControlError::new(ErrorKind::Unknown, words))
}

/// Returns true for `bitrate` in `video_bitrate`.
fn is_substring(typed: &str, name: &str) -> bool {
    typed.len() >= 3 && name.contains(typed)
}

/// Sets a control if its value differs; returns true if it was set.
fn set_if_changed(
    backend: &mut Option<&mut (dyn ControlBackend + '_)>,
    controls: &[Control],
    name: &str,
    wanted: &ControlValue,
) -> Result<bool, ControlError> {
    let control = find(controls, name)?;
    let value = control.validate(wanted)?;
    let Some(backend) = backend.as_deref_mut() else {
        return Ok(false);
    };
    if control.value == Some(value) {
        return Ok(false);
    }
    backend.set(name, value).map_err(|words| {
        let words = format!("the camera refuses {value} for {name}: {words}");
        ControlError::new(ErrorKind::Refused, words)
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests;

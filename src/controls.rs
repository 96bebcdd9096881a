//! What can be changed of a camera while it runs: the list of its controls, what is wished of them, and what became of it.
//!
//! The camera's thread holds the [`Server`] and is the only one that touches the device, through a [`ControlBackend`]. Serving
//! holds the [`Client`], gives orders and waits for the answer. Pure bookkeeping: neither devices nor HTTP are known here.

mod batch;
mod control;

pub use control::{Control, ControlType, ControlValue, Flags, MenuItem};

use crate::suggest::closest_match;
use crate::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Orders that wait for the camera's thread; more at once come from nobody who means well.
const MAX_PENDING: usize = 16;

/// A list younger than this is not asked for again: each asking costs requests on the camera's cable.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_millis(200);

/// The controls of an open camera, as its driver (or the program that drives it) has them.
pub trait ControlBackend {
    /// All controls with their values as of now. Names are unique.
    fn controls(&mut self) -> Vec<Control>;

    /// Sets a control, at once, to a value that [`Control::validate`] has let pass. The error says in words why the camera refuses.
    fn set(&mut self, name: &str, value: i64) -> Result<(), String>;
}

/// Why a wish was refused, for programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// There is no control of that name.
    Unknown,
    /// The value is of another type than the control's.
    WrongType,
    /// The value is none of those that the control takes.
    OutOfRange,
    /// The control can only be read.
    ReadOnly,
    /// The camera has it, but said no.
    Refused,
    /// The camera is not open at the moment.
    Closed,
    /// Too many orders wait already.
    Busy,
}

/// A refused wish. Nothing of the order it was in has been done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ControlError {
    /// For programs.
    pub kind: ErrorKind,
    /// For people: which control, what is wrong, and what it takes.
    pub message: String,
}

impl ControlError {
    pub(crate) fn new(why: ErrorKind, words: impl Into<String>) -> Self {
        Self {
            kind: why,
            message: words.into(),
        }
    }
}

/// How the controls were when they were last looked at.
#[derive(Clone, Debug)]
pub struct ControlsSnapshot {
    /// The camera is open, so that controls can be set.
    pub is_open: bool,
    /// Of the camera as it was last open; empty before, and where it has none.
    pub controls: Arc<[Control]>,
    /// What of the configuration (or of what was set before the camera was opened anew) the camera does not take, in words.
    pub rejected: Arc<[String]>,
}

/// The camera's end. Clones are the same panel.
#[derive(Clone, Debug)]
pub struct Server(Arc<Mutex<Inner>>);

/// The end of those who serve. Clones are the same panel.
#[derive(Clone, Debug)]
pub struct Client(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    snapshot: ControlsSnapshot,
    refreshed_at: Timestamp,
    /// What of `view.refused` the log has.
    logged_errors: Arc<[String]>,
    /// What holds over each opening: of the configuration, then what was set since.
    persistent_values: BTreeMap<String, ControlValue>,
    pending: VecDeque<Request>,
}

#[derive(Debug)]
enum Request {
    Refresh(oneshot::Sender<()>),
    Set(
        Vec<(String, ControlValue)>,
        oneshot::Sender<Result<(), ControlError>>,
    ),
}

impl Request {
    /// True if nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Refresh(sender) => sender.is_closed(),
            Self::Set(_, sender) => sender.is_closed(),
        }
    }
}

/// The two ends of a camera's panel; `wishes` are those of the configuration.
pub fn channel(wanted: impl IntoIterator<Item = (String, ControlValue)>) -> (Server, Client) {
    let inner = Arc::new(Mutex::new(Inner {
        snapshot: ControlsSnapshot {
            is_open: false,
            controls: Arc::new([]),
            rejected: Arc::new([]),
        },
        refreshed_at: Timestamp::default(),
        logged_errors: Arc::new([]),
        persistent_values: wanted.into_iter().collect(),
        pending: VecDeque::new(),
    }));
    (Server(inner.clone()), Client(inner))
}

/// Nothing panics while the lock is held; if it did, the state would still be whole.
fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Sets what holds over each opening, each control for itself, as far as the camera does not have it already; to be done
    /// for each opening, once or more often. What is refused is in [`ControlsSnapshot::rejected`].
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
                    // It may have opened or closed the way for others.
                    Ok(true) => controls = list_controls(&mut backend),
                    Ok(false) => {}
                    Err(error) => refused.push(error.message),
                }
            }
        }
        lock(&self.0).snapshot.rejected = refused.into();
    }

    /// The camera is open: applies what is still to be applied, and takes orders from now on. Returns what is refused, in words, if
    /// that is news.
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

    /// The camera is closed. Who waits for an answer is told.
    pub fn on_camera_closed(&self) {
        let mut inner = lock(&self.0);
        inner.snapshot.is_open = false;
        let waiting = std::mem::take(&mut inner.pending);
        drop(inner);
        for request in waiting {
            // Whoever does not wait any more needs no answer.
            match request {
                Request::Refresh(sender) => drop(sender.send(())),
                Request::Set(_, sender) => drop(sender.send(Err(closed_error()))),
            }
        }
    }

    /// Does what was ordered since, all at once; to be called often by the thread that has the camera. Costs next to nothing when
    /// there is nothing to do.
    pub fn process_requests(&self, mut backend: Option<&mut (dyn ControlBackend + '_)>) {
        let mut requests: Vec<Request> = {
            let mut inner = lock(&self.0);
            if inner.pending.is_empty() {
                return;
            }
            inner.pending.drain(..).collect()
        };
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
                    let result = results.next().unwrap_or_else(|| Err(closed_error()));
                    drop(sender.send(result.map(drop)));
                }
            }
        }
    }
}

impl Default for Server {
    /// A panel that nobody has the other end of.
    fn default() -> Self {
        channel([]).0
    }
}

impl Client {
    /// The controls as they were last seen.
    pub fn snapshot(&self) -> ControlsSnapshot {
        lock(&self.0).snapshot.clone()
    }

    /// The controls as of now, where the camera is open. Waits for its thread: the caller limits the time, and takes
    /// [`Client::snapshot`] then.
    pub async fn refresh(&self) -> ControlsSnapshot {
        let (sender, receiver) = oneshot::channel();
        {
            let mut inner = lock(&self.0);
            let is_fresh = Timestamp::now().since(inner.refreshed_at) < MIN_REFRESH_INTERVAL;
            if is_fresh || inner.enqueue(Request::Refresh(sender)).is_err() {
                return inner.snapshot.clone();
            }
        }
        // Without an answer what was seen last has to do.
        let _ = receiver.await;
        self.snapshot()
    }

    /// Sets all of `wishes`, or nothing. Waits for the camera's thread; an order that is given up by dropping the future is not
    /// carried out any more, unless it was begun.
    pub async fn set(
        &self,
        wanted: Vec<(String, ControlValue)>,
    ) -> Result<ControlsSnapshot, ControlError> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.0).enqueue(Request::Set(wanted, sender))?;
        receiver.await.unwrap_or_else(|_| Err(closed_error()))?;
        Ok(self.snapshot())
    }
}

impl Inner {
    fn enqueue(&mut self, request: Request) -> Result<(), ControlError> {
        self.pending.retain(|request| !request.is_abandoned());
        if !self.snapshot.is_open {
            return Err(closed_error());
        }
        if self.pending.len() >= MAX_PENDING {
            let words = "too many others set controls of this camera at the same time; try again";
            return Err(ControlError::new(ErrorKind::Busy, words));
        }
        self.pending.push_back(request);
        Ok(())
    }

    fn set_controls(&mut self, controls: Vec<Control>) {
        self.snapshot.controls = controls.into();
        self.refreshed_at = Timestamp::now();
    }
}

fn closed_error() -> ControlError {
    ControlError::new(
        ErrorKind::Closed,
        "the camera is not open now, so that nothing of it can be set; /api/status says why",
    )
}

fn list_controls(backend: &mut Option<&mut (dyn ControlBackend + '_)>) -> Vec<Control> {
    backend
        .as_deref_mut()
        .map(ControlBackend::controls)
        .unwrap_or_default()
}

/// Those that change others (automatic exposure and the like) come first, then the driver's order.
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

/// True for `bitrate` and `video_bitrate`.
fn is_substring(typed: &str, name: &str) -> bool {
    typed.len() >= 3 && name.contains(typed)
}

/// Sets a control if it has another value; returns whether it had.
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

//! What can be changed of a camera while it runs: the list of its controls, what is wished of them, and what became of it.
//!
//! The camera's thread holds the [`Panel`] and is the only one that touches the device, through a [`Board`]. Serving
//! holds the [`Remote`], gives orders and waits for the answer. Pure bookkeeping: neither devices nor HTTP are known here.

mod batch;
mod control;

pub use control::{Control, Flags, Item, Kind, Wish};

use crate::suggest::closest_match;
use crate::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Orders that wait for the camera's thread; more at once come from nobody who means well.
const MAX_WAITING: usize = 16;

/// A list younger than this is not asked for again: each asking costs requests on the camera's cable.
const FRESH: Duration = Duration::from_millis(200);

/// The controls of an open camera, as its driver (or the program that drives it) has them.
pub trait Board {
    /// All controls with their values as of now. Names are unique.
    fn controls(&mut self) -> Vec<Control>;

    /// Sets a control, at once, to a value that [`Control::resolve`] has let pass. The error says in words why the camera refuses.
    fn set(&mut self, name: &str, value: i64) -> Result<(), String>;
}

/// Why a wish was refused, for programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
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
#[error("{words}")]
pub struct Refusal {
    /// For programs.
    pub why: Why,
    /// For people: which control, what is wrong, and what it takes.
    pub words: String,
}

impl Refusal {
    pub(crate) fn new(why: Why, words: impl Into<String>) -> Self {
        Self {
            why,
            words: words.into(),
        }
    }
}

/// How the controls were when they were last looked at.
#[derive(Clone, Debug)]
pub struct View {
    /// The camera is open, so that controls can be set.
    pub is_open: bool,
    /// Of the camera as it was last open; empty before, and where it has none.
    pub controls: Arc<[Control]>,
    /// What of the configuration (or of what was set before the camera was opened anew) the camera does not take, in words.
    pub refused: Arc<[String]>,
}

/// The camera's end. Clones are the same panel.
#[derive(Clone, Debug)]
pub struct Panel(Arc<Mutex<Inner>>);

/// The end of those who serve. Clones are the same panel.
#[derive(Clone, Debug)]
pub struct Remote(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    view: View,
    looked_at: Timestamp,
    /// What of `view.refused` the log has.
    said: Arc<[String]>,
    /// What holds over each opening: of the configuration, then what was set since.
    kept: BTreeMap<String, Wish>,
    waiting: VecDeque<Order>,
}

#[derive(Debug)]
enum Order {
    Look(oneshot::Sender<()>),
    Set(Vec<(String, Wish)>, oneshot::Sender<Result<(), Refusal>>),
}

impl Order {
    /// True if nobody waits for the answer any more.
    fn is_given_up(&self) -> bool {
        match self {
            Self::Look(sender) => sender.is_closed(),
            Self::Set(_, sender) => sender.is_closed(),
        }
    }
}

/// The two ends of a camera's panel; `wishes` are those of the configuration.
pub fn panel(wishes: impl IntoIterator<Item = (String, Wish)>) -> (Panel, Remote) {
    let inner = Arc::new(Mutex::new(Inner {
        view: View {
            is_open: false,
            controls: Arc::new([]),
            refused: Arc::new([]),
        },
        looked_at: Timestamp::default(),
        said: Arc::new([]),
        kept: wishes.into_iter().collect(),
        waiting: VecDeque::new(),
    }));
    (Panel(inner.clone()), Remote(inner))
}

/// Nothing panics while the lock is held; if it did, the state would still be whole.
fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Panel {
    /// Sets what holds over each opening, each control for itself, as far as the camera does not have it already; to be done
    /// for each opening, once or more often. What is refused is in [`View::refused`].
    pub fn apply(&self, mut board: Option<&mut (dyn Board + '_)>) {
        let kept = lock(&self.0).kept.clone();
        let mut refused = Vec::new();
        if !kept.is_empty() {
            let mut controls = list(&mut board);
            let order = |name: &String| controls_first(&controls, name);
            let mut wishes: Vec<(&String, &Wish)> = kept.iter().collect();
            wishes.sort_by_key(|(name, _)| order(name));
            for (name, wish) in wishes {
                match set_one(&mut board, &controls, name, wish) {
                    // It may have opened or closed the way for others.
                    Ok(true) => controls = list(&mut board),
                    Ok(false) => {}
                    Err(refusal) => refused.push(refusal.words),
                }
            }
        }
        lock(&self.0).view.refused = refused.into();
    }

    /// The camera is open: applies what is still to be applied, and takes orders from now on. Returns what is refused, in words, if
    /// that is news.
    pub fn opened(&self, mut board: Option<&mut (dyn Board + '_)>) -> Option<Arc<[String]>> {
        self.apply(board.as_deref_mut());
        let controls = list(&mut board);
        let mut inner = lock(&self.0);
        inner.view.is_open = true;
        inner.see(controls);
        let refused = inner.view.refused.clone();
        let said = std::mem::replace(&mut inner.said, refused.clone());
        (*said != *refused).then_some(refused)
    }

    /// The camera is closed. Who waits for an answer is told.
    pub fn closed(&self) {
        let mut inner = lock(&self.0);
        inner.view.is_open = false;
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        for order in waiting {
            // Whoever does not wait any more needs no answer.
            match order {
                Order::Look(sender) => drop(sender.send(())),
                Order::Set(_, sender) => drop(sender.send(Err(closed()))),
            }
        }
    }

    /// Does what was ordered since, all at once; to be called often by the thread that has the camera. Costs next to nothing when
    /// there is nothing to do.
    pub fn tend(&self, mut board: Option<&mut (dyn Board + '_)>) {
        let mut orders: Vec<Order> = {
            let mut inner = lock(&self.0);
            if inner.waiting.is_empty() {
                return;
            }
            inner.waiting.drain(..).collect()
        };
        orders.retain(|order| !order.is_given_up());
        if orders.is_empty() {
            return;
        }
        let wishes: Vec<&[(String, Wish)]> = orders
            .iter()
            .filter_map(|order| match order {
                Order::Look(_) => None,
                Order::Set(wishes, _) => Some(wishes.as_slice()),
            })
            .collect();
        let results = if wishes.is_empty() {
            Vec::new()
        } else {
            batch::set_all(&mut board, &wishes)
        };
        let controls = list(&mut board);
        {
            let mut inner = lock(&self.0);
            for (control, value) in results.iter().flatten().flatten() {
                if control.kind != Kind::Button {
                    let kept = Wish::Number(*value);
                    inner.kept.insert(control.name.clone(), kept);
                }
            }
            inner.see(controls);
        }
        let mut results = results.into_iter();
        for order in orders {
            match order {
                Order::Look(sender) => drop(sender.send(())),
                Order::Set(_, sender) => {
                    let result = results.next().unwrap_or_else(|| Err(closed()));
                    drop(sender.send(result.map(drop)));
                }
            }
        }
    }
}

impl Default for Panel {
    /// A panel that nobody has the other end of.
    fn default() -> Self {
        panel([]).0
    }
}

impl Remote {
    /// The controls as they were last seen.
    pub fn view(&self) -> View {
        lock(&self.0).view.clone()
    }

    /// The controls as of now, where the camera is open. Waits for its thread: the caller limits the time, and takes
    /// [`Remote::view`] then.
    pub async fn look(&self) -> View {
        let (sender, receiver) = oneshot::channel();
        {
            let mut inner = lock(&self.0);
            let is_fresh = Timestamp::now().since(inner.looked_at) < FRESH;
            if is_fresh || inner.order(Order::Look(sender)).is_err() {
                return inner.view.clone();
            }
        }
        // Without an answer what was seen last has to do.
        let _ = receiver.await;
        self.view()
    }

    /// Sets all of `wishes`, or nothing. Waits for the camera's thread; an order that is given up by dropping the future is not
    /// carried out any more, unless it was begun.
    pub async fn set(&self, wishes: Vec<(String, Wish)>) -> Result<View, Refusal> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.0).order(Order::Set(wishes, sender))?;
        receiver.await.unwrap_or_else(|_| Err(closed()))?;
        Ok(self.view())
    }
}

impl Inner {
    fn order(&mut self, order: Order) -> Result<(), Refusal> {
        self.waiting.retain(|order| !order.is_given_up());
        if !self.view.is_open {
            return Err(closed());
        }
        if self.waiting.len() >= MAX_WAITING {
            let words = "too many others set controls of this camera at the same time; try again";
            return Err(Refusal::new(Why::Busy, words));
        }
        self.waiting.push_back(order);
        Ok(())
    }

    fn see(&mut self, controls: Vec<Control>) {
        self.view.controls = controls.into();
        self.looked_at = Timestamp::now();
    }
}

fn closed() -> Refusal {
    Refusal::new(
        Why::Closed,
        "the camera is not open now, so that nothing of it can be set; /api/status says why",
    )
}

fn list(board: &mut Option<&mut (dyn Board + '_)>) -> Vec<Control> {
    board
        .as_deref_mut()
        .map(Board::controls)
        .unwrap_or_default()
}

/// Those that change others (automatic exposure and the like) come first, then the driver's order.
fn controls_first(controls: &[Control], name: &str) -> (bool, usize) {
    let place = controls.iter().position(|control| control.name == name);
    let changes_others = place
        .and_then(|place| controls.get(place))
        .is_some_and(|control| control.flags.changes_others);
    (!changes_others, place.unwrap_or(usize::MAX))
}

fn find<'a>(controls: &'a [Control], name: &str) -> Result<&'a Control, Refusal> {
    if let Some(control) = controls.iter().find(|control| control.name == name) {
        return Ok(control);
    }
    let names = || controls.iter().map(|control| control.name.as_str());
    let near = closest_match(name, names()).or_else(|| names().find(|other| is_part(name, other)));
    let hint = match near {
        Some(near) => format!("did you mean {near}?"),
        None if controls.is_empty() => "this camera has no controls".to_owned(),
        None => "GET lists those that there are".to_owned(),
    };
    let shown: String = name.chars().take(64).collect();
    let words = format!("there is no control {shown:?}; {hint}");
    Err(Refusal::new(Why::Unknown, words))
}

/// True for `bitrate` and `video_bitrate`.
fn is_part(typed: &str, name: &str) -> bool {
    typed.len() >= 3 && name.contains(typed)
}

/// Sets a control if it has another value; returns whether it had.
fn set_one(
    board: &mut Option<&mut (dyn Board + '_)>,
    controls: &[Control],
    name: &str,
    wish: &Wish,
) -> Result<bool, Refusal> {
    let control = find(controls, name)?;
    let value = control.resolve(wish)?;
    let Some(board) = board.as_deref_mut() else {
        return Ok(false);
    };
    if control.value == Some(value) {
        return Ok(false);
    }
    board.set(name, value).map_err(|words| {
        let words = format!("the camera refuses {value} for {name}: {words}");
        Refusal::new(Why::Refused, words)
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests;

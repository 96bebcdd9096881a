//! All viewers, on one event loop.

use crate::connect::Target;
use crate::options::{die, Options};
use crate::poll::{Event, Interest, Poll};
use crate::restless::{Deed, Restless};
use crate::seen::Tally;
use crate::viewer::{State, Viewer};
use bench::{now_ns, own_cpu_s, proc};
use std::fs::File;

/// Most connections begun before those that are there are looked at again.
const BURST: usize = 64;

/// Room for what one read gives.
const BUFFER_BYTES: usize = 1 << 20;

/// How the processes and the machine stood at one moment.
pub struct Moment {
    pub at: u64,
    pub own_cpu_s: f64,
    /// Busy seconds of all processors.
    pub busy_s: f64,
    /// In the order of the options; `None` of one that is gone.
    pub processes: Vec<Option<proc::Sample>>,
}

impl Moment {
    pub fn now(options: &Options) -> Self {
        Self {
            at: now_ns(),
            own_cpu_s: own_cpu_s(),
            busy_s: proc::machine().0,
            processes: options
                .processes
                .iter()
                .map(|(_, pid)| proc::sample(*pid))
                .collect(),
        }
    }
}

/// The viewers of a run.
pub struct Crowd<'a> {
    options: &'a Options,
    target: Target,
    poll: Poll,
    begun_at: u64,
    load_before: String,
    viewers: Vec<Viewer>,
    restless: Option<Restless>,
    /// Who stalls as `--stall` says.
    stalled: Vec<usize>,
    tally: Tally,
}

/// What a run has shown.
pub struct Outcome {
    pub viewers: Vec<Viewer>,
    pub tally: Tally,
    /// How often a restless viewer came again.
    pub came: u64,
    /// The machine's load before the first connection.
    pub load_before: String,
    /// At the beginning and at the end of the window.
    pub before: Moment,
    pub after: Moment,
}

impl<'a> Crowd<'a> {
    pub fn new(options: &'a Options) -> Self {
        let create =
            |name| File::create(name).unwrap_or_else(|error| die(&format!("{name}: {error}")));
        let last = options.viewers.saturating_sub(1);
        let begun_at = now_ns();
        Self {
            options,
            target: Target::new(options),
            poll: Poll::new(),
            begun_at,
            load_before: proc::load(),
            viewers: Vec::with_capacity(options.viewers),
            restless: (options.restless > 0.0)
                .then(|| Restless::new(options.viewers, options.restless, begun_at)),
            stalled: vec![],
            tally: Tally::new(options.dump.as_ref().map(|name| (last, create(name)))),
        }
    }

    /// Connects all, lets them watch, and measures from `--warmup` later on for `--duration`.
    pub fn watch(mut self) -> Outcome {
        let nanos = |seconds: f64| (seconds * 1e9) as u64;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut all_at = None;
        let mut before = None::<Moment>;
        loop {
            let now = now_ns();
            match (&before, all_at) {
                (None, None) => all_at = self.come().then(now_ns),
                (None, Some(all_at)) if now >= all_at + nanos(self.options.warmup_s) => {
                    let moment = Moment::now(self.options);
                    self.tally.window_at = Some(moment.at);
                    before = Some(moment);
                }
                _ => {}
            }
            if before
                .as_ref()
                .is_some_and(|before| now >= before.at + nanos(self.options.duration_s))
            {
                break;
            }
            self.act(now);
            self.wake(now);
            for event in self.poll.wait(if all_at.is_none() { 1 } else { 20 }) {
                self.handle(event, &mut buffer);
            }
        }
        Outcome {
            after: Moment::now(self.options),
            before: before.expect("the loop ends with a window"),
            came: self.restless.map_or(0, |restless| restless.came),
            load_before: self.load_before,
            viewers: self.viewers,
            tally: self.tally,
        }
    }

    /// Begins the connections that are due; true when there are no more to come.
    fn come(&mut self) -> bool {
        let all = self.options.viewers;
        let due = match self.options.ramp {
            ramp if ramp > 0.0 => ((now_ns() - self.begun_at) as f64 / 1e9 * ramp) as usize + 1,
            _ => all,
        };
        let there = self.viewers.len();
        for id in there..due.min(all).min(there + BURST) {
            let viewer = self.connect(id);
            self.viewers.push(viewer);
        }
        self.viewers.len() == all
    }

    fn connect(&mut self, id: usize) -> Viewer {
        let socket = self.target.connect();
        match &socket {
            Some(socket) => self.poll.add(socket, id, Interest::Connected),
            None => self.tally.failed += 1,
        }
        Viewer::new(id, socket, id < self.options.stall)
    }

    /// What restless viewers do now.
    fn act(&mut self, now: u64) {
        let Some(restless) = &mut self.restless else {
            return;
        };
        let viewers = &self.viewers;
        for (id, deed) in restless.due(now, viewers.len(), |id| viewers[id].is_open()) {
            match deed {
                Deed::Come => self.viewers[id] = self.connect(id),
                Deed::Stall => self.set_stalled(id, true),
                Deed::Resume => self.set_stalled(id, false),
                Deed::CloseHalf => {
                    if let Some(socket) = self.viewers[id].socket() {
                        socket.close_half();
                    }
                }
                Deed::Leave => self.viewers[id].close(now),
            }
        }
    }

    fn set_stalled(&mut self, id: usize, is_stalled: bool) {
        let viewer = &mut self.viewers[id];
        viewer.is_stalled = is_stalled;
        if let Some(socket) = viewer.socket() {
            let interest = if is_stalled {
                Interest::End
            } else {
                Interest::Read
            };
            self.poll.change(socket, id, interest);
        }
    }

    /// Those whose stall is over read on.
    fn wake(&mut self, now: u64) {
        let is_over = |&id: &usize| now >= self.viewers[id].stall_until;
        let (over, stalled): (Vec<_>, Vec<_>) = std::mem::take(&mut self.stalled)
            .into_iter()
            .partition(is_over);
        self.stalled = stalled;
        for id in over {
            self.set_stalled(id, false);
        }
    }

    fn handle(&mut self, event: Event, buffer: &mut [u8]) {
        let id = event.id;
        let viewer = &mut self.viewers[id];
        match viewer.state() {
            State::Closed => {}
            State::Connecting => self.ask(id),
            _ if viewer.is_stalled => {
                if event.is_end {
                    viewer.close(now_ns());
                }
            }
            _ => {
                let had_media = viewer.seen.media_at != 0;
                viewer.read(buffer, &self.options.send, &mut self.tally);
                let has_media = viewer.seen.media_at != 0;
                if id < self.options.stall && !had_media && has_media && viewer.is_open() {
                    viewer.stall_until = viewer
                        .seen
                        .media_at
                        .saturating_add((self.options.stall_for_s * 1e9) as u64);
                    self.set_stalled(id, true);
                    self.stalled.push(id);
                }
            }
        }
    }

    fn ask(&mut self, id: usize) {
        let asks = self
            .restless
            .as_ref()
            .is_none_or(|restless| restless.asks(id));
        let request = &self.target.request;
        let request = if asks {
            request
        } else {
            &request[..request.len() / 2]
        };
        let viewer = &mut self.viewers[id];
        if !viewer.ask(request) {
            self.tally.failed += 1;
            viewer.close(now_ns());
        } else if let Some(socket) = viewer.socket() {
            self.poll.change(socket, id, Interest::Read);
        }
    }
}

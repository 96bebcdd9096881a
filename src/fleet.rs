//! All cameras that are published below a prefix: they come and go while the server runs.
//!
//! A camera is in the list of the server while it announces itself. Its thread begins with its first viewer, so a thousand
//! cameras that nobody watches cost a table. Names of this server's own cameras stay theirs.

use crate::camera;
use crate::camera_handle::{self, Endpoint, Handle};
use crate::heartbeat::Heartbeat;
use crate::logger::CLIENT_TARGET;
use crate::nats::options::{Wanted, is_camera};
use crate::nats::wire::{FromCamera, Subjects};
use crate::nats::{Client, Message, Url};
use crate::redact;
use crate::serve::{self, RemovedCamera, Site};
use crate::shutdown::ShutdownToken;
use crate::source::SourceSpec;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most cameras of a fleet.
const MAX_CAMERAS: usize = 1024;

/// Time without a sign of life after which a camera is gone; it gives one each 3 s.
const SILENCE: Duration = Duration::from_secs(10);

/// Time for which a camera that is gone is kept for its viewers, who are told.
const KEPT: Duration = Duration::from_secs(60);

/// Interval at which demand is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Interval at which cameras are looked for that are gone.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Least time between two changes of one camera. What is announced between takes effect later.
const CHANGE_INTERVAL: Duration = Duration::from_secs(1);

/// Announcements that wait. Others come again.
const MAX_ANNOUNCEMENTS: usize = 4096;

/// A camera of the fleet.
struct Member {
    handle: Handle,
    state: MemberState,
    seen_at: Timestamp,
    /// It said last that it leaves, or is silent.
    has_left: bool,
    /// The camera, while it is not in the list.
    removed: Option<RemovedCamera>,
    /// Time at which it came into the list or was removed.
    changed_at: Timestamp,
}

enum MemberState {
    /// Nobody has watched it so far.
    Waiting(Box<Endpoint>),
    Running(ShutdownToken),
    /// Its thread could not be started.
    Failed,
}

struct Fleet {
    url: Url,
    /// Template of its cameras, but for name and source.
    template: camera::Config,
    site: Site,
    members: BTreeMap<String, Member>,
    /// There was no room since the last sweep.
    is_full: bool,
    is_full_logged: bool,
}

/// Shows all cameras of `template.source`, an URL that ends with `/*`, until shutdown.
pub fn start(
    template: camera::Config,
    site: Site,
    shutdown: ShutdownToken,
) -> io::Result<Option<JoinHandle<()>>> {
    let SourceSpec::Nats(url) = &template.source else {
        return Ok(None);
    };
    if *url.wanted() != Wanted::All {
        return Ok(None);
    }
    let client = Client::shared(url.options())?;
    let fleet = Fleet {
        url: url.clone(),
        template,
        site,
        members: BTreeMap::new(),
        is_full: false,
        is_full_logged: false,
    };
    let run = move || fleet.run(&client, &shutdown);
    std::thread::Builder::new()
        .name("fleet".to_owned())
        .spawn(run)
        .map(Some)
}

impl Fleet {
    fn run(mut self, client: &Client, shutdown: &ShutdownToken) {
        let (sender, announcements) = sync_channel::<Message>(MAX_ANNOUNCEMENTS);
        let subject = Subjects::all_announcements(&self.url.options().prefix);
        let sink = Box::new(move |message| drop(sender.try_send(message)));
        let _subscription = client.subscribe(&subject, sink);
        let mut swept_at = Timestamp::now();
        while !shutdown.is_triggered() {
            self.take(&announcements);
            self.start_demanded();
            let now = Timestamp::now();
            if now.since(swept_at) >= SWEEP_INTERVAL {
                swept_at = now;
                // Without a connection nobody can be heard.
                if client.connection().is_some() {
                    self.sweep(now);
                } else {
                    self.members
                        .values_mut()
                        .for_each(|member| member.seen_at = now);
                }
            }
        }
        for member in self.members.values() {
            member.stop();
        }
    }

    /// Takes the announcements that are there; waits a little for the first.
    fn take(&mut self, announcements: &Receiver<Message>) {
        let mut next = announcements.recv_timeout(POLL_INTERVAL);
        let now = Timestamp::now();
        loop {
            match next {
                Ok(message) => self.announce(&message, now),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
            next = announcements.recv_timeout(Duration::ZERO);
        }
    }

    fn announce(&mut self, message: &Message, now: Timestamp) {
        let Some(FromCamera::Announce(is_gone)) = FromCamera::decode(&message.payload) else {
            return;
        };
        let name = Subjects::camera(&self.url.options().prefix, &message.subject);
        let Some(name) = name.filter(|name| is_camera(name)) else {
            return;
        };
        match self.members.get_mut(&name) {
            Some(member) => {
                member.has_left = is_gone;
                if !is_gone {
                    member.seen_at = now;
                }
                member.settle(&name, &self.site, now);
            }
            None if is_gone => {}
            None => self.add(&name, now),
        }
    }

    /// Adds a camera, if there is room, and no other one of its name.
    fn add(&mut self, name: &str, now: Timestamp) {
        if self.members.len() >= MAX_CAMERAS && !self.make_room(now) {
            if !std::mem::replace(&mut self.is_full_logged, true) {
                log::warn!(
                    target: CLIENT_TARGET,
                    "{}: more than {MAX_CAMERAS} cameras; others are ignored",
                    self.url
                );
            }
            return;
        }
        let (endpoint, handle) = camera_handle::channel([]);
        endpoint.publisher.enter_idle();
        if !(self.site).add_camera(served(&self.url, name, &handle)) {
            return;
        }
        let member = Member {
            handle,
            state: MemberState::Waiting(Box::new(endpoint)),
            seen_at: now,
            has_left: false,
            removed: None,
            changed_at: now,
        };
        self.members.insert(name.to_owned(), member);
        log::info!(target: CLIENT_TARGET, "{name}: published at {}", self.url);
    }

    /// Forgets the camera that is gone for the longest time, if nobody has watched it; false if there is none.
    fn make_room(&mut self, now: Timestamp) -> bool {
        if self.is_full {
            return false;
        }
        let gone = self.members.iter().filter(|(_, member)| {
            let is_unwatched = matches!(member.state, MemberState::Waiting(_));
            let is_gone = member.removed.is_some() || now.since(member.seen_at) > SILENCE;
            is_gone && is_unwatched && member.handle.hub().stats().viewers == 0
        });
        let oldest = gone.min_by_key(|(_, member)| member.seen_at);
        let Some(name) = oldest.map(|(name, _)| name.clone()) else {
            // Nothing changes until the next sweep.
            self.is_full = true;
            return false;
        };
        if let Some(member) = self.members.remove(&name)
            && member.removed.is_none()
        {
            self.site.remove_camera(&name);
        }
        true
    }

    /// Starts the cameras that somebody wants to watch.
    fn start_demanded(&mut self) {
        for (name, member) in &mut self.members {
            if !member.is_demanded() {
                continue;
            }
            let state = std::mem::replace(&mut member.state, MemberState::Failed);
            let MemberState::Waiting(endpoint) = state else {
                continue;
            };
            let config = camera::Config {
                name: name.clone(),
                source: SourceSpec::Nats(self.url.with_camera(name)),
                ..self.template.clone()
            };
            let Ok(shutdown) = ShutdownToken::new() else {
                continue;
            };
            let own = shutdown.clone();
            let run = move || camera::run(&config, own, &endpoint, &Heartbeat::default());
            match std::thread::Builder::new().name(name.clone()).spawn(run) {
                Ok(_) => member.state = MemberState::Running(shutdown),
                Err(error) => log::warn!("{name}: cannot start its thread: {error}"),
            }
        }
    }

    /// Takes cameras from the list that are silent, and forgets those that are gone.
    fn sweep(&mut self, now: Timestamp) {
        for (name, member) in &mut self.members {
            // Frames are signs of life, too.
            let newest = member.handle.hub().newest_captured_at();
            let heard_at = newest.map_or(member.seen_at, |at| at.max(member.seen_at));
            member.has_left |= now.since(heard_at) > SILENCE;
            member.settle(name, &self.site, now);
        }
        self.members.retain(|_, member| {
            let is_kept = member.removed.is_none()
                || now.since(member.changed_at) < KEPT
                || member.handle.hub().stats().viewers > 0;
            if !is_kept {
                member.stop();
            }
            is_kept
        });
        self.is_full = false;
        self.is_full_logged &= self.members.len() >= MAX_CAMERAS;
    }
}

impl Member {
    fn is_demanded(&self) -> bool {
        matches!(&self.state, MemberState::Waiting(endpoint) if endpoint.publisher.has_demand())
    }

    /// Takes the camera from the list or brings it back, as it said last.
    fn settle(&mut self, name: &str, site: &Site, now: Timestamp) {
        if now.since(self.changed_at) < CHANGE_INTERVAL {
            return;
        }
        match &self.removed {
            None if self.has_left => {
                self.changed_at = now;
                self.removed = site.remove_camera(name);
                log::info!(target: CLIENT_TARGET, "{name}: no longer published");
            }
            Some(removed) if !self.has_left && site.restore_camera(removed) => {
                self.changed_at = now;
                self.removed = None;
                log::info!(target: CLIENT_TARGET, "{name}: published again");
            }
            _ => {}
        }
    }

    fn stop(&self) {
        if let MemberState::Running(shutdown) = &self.state {
            shutdown.trigger();
        }
    }
}

fn served(url: &Url, name: &str, handle: &Handle) -> serve::Camera {
    serve::Camera {
        name: name.into(),
        title: None,
        rtsp_delimiter: None,
        source: "nats",
        source_text: redact::mask(&url.with_camera(name).to_string()).into_owned(),
        handle: handle.clone(),
    }
}

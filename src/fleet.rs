//! All cameras that are published below a prefix: they come and go while the server runs.
//!
//! A camera is in the list of the server while it announces itself. Its thread begins with its first viewer, so a thousand
//! cameras that nobody watches cost a table. Names of this server's own cameras stay theirs.
//!
//! Whoever may announce cameras can announce more than there is room for. Then cameras are asked whether they are there: those
//! that answer take the places of those that never did and never gave a frame.

mod member;

use member::{Member, MemberState};

use crate::camera;
use crate::camera_handle::{self, Handle};
use crate::heartbeat::Heartbeat;
use crate::logger::CLIENT_TARGET;
use crate::nats::options::{Wanted, is_camera};
use crate::nats::wire::{Announcement, Ask, FromCamera, Subjects};
use crate::nats::{Client, Message, Url};
use crate::redact;
use crate::serve::{self, Site};
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

/// Interval at which demand is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Interval at which cameras are looked for that are gone.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Announcements that wait. Others come again.
const MAX_ANNOUNCEMENTS: usize = 4096;

/// Questions in one second to cameras for which there is no room.
const MAX_QUESTIONS_PER_SECOND: u32 = 2048;

/// Age of a question after which an answer is none any more.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

struct Fleet {
    url: Url,
    /// Template of its cameras, but for name and source.
    template: camera::Config,
    site: Site,
    client: Client,
    /// Inbox for answers, to which the cameras' names are added.
    inbox: String,
    members: BTreeMap<String, Member>,
    /// There was no room since the last sweep: for new ones, and for those that answer.
    is_full: bool,
    is_full_for_known: bool,
    is_full_logged: bool,
    questions: u32,
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
        inbox: client.new_inbox(),
        client,
        url: url.clone(),
        template,
        site,
        members: BTreeMap::new(),
        is_full: false,
        is_full_for_known: false,
        is_full_logged: false,
        questions: 0,
    };
    let run = move || fleet.run(&shutdown);
    std::thread::Builder::new()
        .name("fleet".to_owned())
        .spawn(run)
        .map(Some)
}

impl Fleet {
    fn run(mut self, shutdown: &ShutdownToken) {
        let subscribe = |subject: &str| {
            let (sender, messages) = sync_channel::<Message>(MAX_ANNOUNCEMENTS);
            let sink = Box::new(move |message| drop(sender.try_send(message)));
            (self.client.subscribe(subject, sink), messages)
        };
        let subject = Subjects::all_announcements(&self.url.options().prefix);
        let (_announcements, announcements) = subscribe(&subject);
        let (_answers, answers) = subscribe(&format!("{}.*", self.inbox));
        let mut swept_at = Timestamp::now();
        while !shutdown.is_triggered() {
            self.take(&announcements);
            let now = Timestamp::now();
            (answers.try_iter()).for_each(|answer| self.take_answer(&answer, now));
            self.start_demanded();
            let now = Timestamp::now();
            if now.since(swept_at) >= SWEEP_INTERVAL {
                swept_at = now;
                // Without a connection nobody can be heard.
                if self.client.connection().is_some() {
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
        let Some(FromCamera::Announce(heard)) = FromCamera::decode(&message.payload) else {
            return;
        };
        let name = Subjects::camera(&self.url.options().prefix, &message.subject);
        let Some(name) = name.filter(|name| is_camera(name)) else {
            return;
        };
        if let Some(member) = self.members.get_mut(&name) {
            member.hear(heard, now);
            member.settle(&name, &self.site, now);
        } else if heard.is_gone {
            // It was not there.
        } else if self.members.len() < MAX_CAMERAS || self.make_room(now) {
            self.add(&name, heard, now);
        } else {
            self.note_full();
            if self.questions < MAX_QUESTIONS_PER_SECOND {
                self.questions += 1;
                self.ask(&name, now);
            }
        }
    }

    fn note_full(&mut self) {
        if !std::mem::replace(&mut self.is_full_logged, true) {
            log::warn!(
                target: CLIENT_TARGET,
                "{}: more than {MAX_CAMERAS} cameras; others are ignored, unless some of these do not answer",
                self.url
            );
        }
    }

    /// Asks a camera whether it is there.
    fn ask(&self, name: &str, now: Timestamp) {
        let subjects = Subjects::new(&self.url.options().prefix, name);
        let reply = format!("{}.{}", self.inbox, subjects.token());
        let question = Ask::Presence(now).encode();
        let _ = self.client.publish(&subjects.ask, &reply, &[&question]);
    }

    /// Takes the answer of a camera, which takes the place of one that never answered.
    fn take_answer(&mut self, message: &Message, now: Timestamp) {
        let Some(FromCamera::Welcome(welcome)) = FromCamera::decode(&message.payload) else {
            return;
        };
        let token = message.subject.strip_prefix(self.inbox.as_bytes());
        let token = token.and_then(|token| std::str::from_utf8(token.strip_prefix(b".")?).ok());
        let Some(name) = token.map(Subjects::camera_of_token) else {
            return;
        };
        if !is_camera(&name) || now.since(welcome.asked_at) > ANSWER_TIMEOUT {
            return;
        }
        if let Some(member) = self.members.get_mut(&name) {
            return member.hear_answer();
        }
        if self.members.len() < MAX_CAMERAS || self.make_room_for_known() {
            let heard = Announcement {
                is_gone: false,
                epoch: welcome.epoch,
            };
            self.add(&name, heard, now);
            if let Some(member) = self.members.get_mut(&name) {
                member.hear_answer();
            }
        }
    }

    /// Adds a camera, if there is no other one of its name.
    fn add(&mut self, name: &str, heard: Announcement, now: Timestamp) {
        let (endpoint, handle) = camera_handle::channel([]);
        endpoint.publisher.enter_idle();
        if !(self.site).add_camera(served(&self.url, name, &handle)) {
            return;
        }
        let mut member = Member::new(handle, endpoint, now);
        member.hear(heard, now);
        self.members.insert(name.to_owned(), member);
        log::info!(target: CLIENT_TARGET, "{name}: published at {}", self.url);
    }

    /// Forgets the camera that is gone for the longest time, if nobody has watched it; false if there is none.
    fn make_room(&mut self, now: Timestamp) -> bool {
        if self.is_full {
            return false;
        }
        let gone = (self.members.iter()).filter(|(_, member)| member.can_go(now));
        let oldest = gone.min_by_key(|(_, member)| member.seen_at);
        let Some(name) = oldest.map(|(name, _)| name.clone()) else {
            // Nothing changes until the next sweep.
            self.is_full = true;
            return false;
        };
        self.forget(&name);
        true
    }

    /// Forgets a camera that never answered and never gave a frame; false if there is none.
    fn make_room_for_known(&mut self) -> bool {
        if self.is_full_for_known {
            return false;
        }
        let mut members = self.members.iter();
        let Some((name, _)) = members.find(|(_, member)| member.seems_made_up()) else {
            self.is_full_for_known = true;
            return false;
        };
        let name = name.clone();
        self.forget(&name);
        true
    }

    fn forget(&mut self, name: &str) {
        if let Some(member) = self.members.remove(name)
            && member.is_listed()
        {
            self.site.remove_camera(name);
        }
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

    /// Takes cameras from the list that are silent, forgets those that are gone, and asks who is there if there is no room.
    fn sweep(&mut self, now: Timestamp) {
        for (name, member) in &mut self.members {
            member.check(now);
            member.settle(name, &self.site, now);
        }
        self.members.retain(|_, member| {
            let is_kept = member.is_kept(now);
            if !is_kept {
                member.stop();
            }
            is_kept
        });
        (self.is_full, self.is_full_for_known, self.questions) = (false, false, 0);
        let is_full = self.members.len() >= MAX_CAMERAS;
        self.is_full_logged &= is_full;
        if is_full {
            let asked = (self.members.iter_mut())
                .filter_map(|(name, member)| member.begin_question().then(|| name.clone()));
            let asked: Vec<String> = asked.collect();
            asked.iter().for_each(|name| self.ask(name, now));
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

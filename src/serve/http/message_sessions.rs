//! Streams of messages over plain HTTP, by their secrets: where a viewer's own messages go, which come by other requests.

use crate::serve::latency_stats::ViewerLatency;
use crate::serve::live_messages;
use crate::serve::ws::handshake::{has_token, is_handshake};
use crate::time::Timestamp;
use bytes::Bytes;
use hyper::header::{self, HeaderMap};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// Media type of the messages.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.berrymse";

/// Most replies that wait for a viewer that asks but does not read.
const MAX_QUEUED_REPLIES: usize = 16;

/// Age after which a player's last report no longer counts; players report each second.
const REPORT_MAX_AGE: Duration = Duration::from_secs(5);

/// Returns true if the client asks for the messages without an upgrade.
pub(crate) fn accepts_messages(headers: &HeaderMap) -> bool {
    !is_handshake(headers) && has_token(headers, header::ACCEPT, MEDIA_TYPE)
}

/// All sessions. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct MessageSessions(Arc<Mutex<HashMap<String, Arc<Session>>>>);

/// One stream's session. It ends when the guard is dropped.
pub(crate) struct SessionGuard {
    secret: String,
    session: Arc<Session>,
    sessions: MessageSessions,
}

/// State that the stream and the viewer's requests share.
pub(crate) struct Session {
    camera: Arc<str>,
    latency: ViewerLatency,
    inner: Mutex<Inner>,
}

struct Inner {
    replies: VecDeque<Bytes>,
    reported_at: Instant,
    /// Task of the stream.
    waker: Option<Waker>,
}

impl MessageSessions {
    /// Opens the session of a stream of `camera`; `None` if the system has no random numbers.
    pub(crate) fn open(&self, camera: Arc<str>, latency: ViewerLatency) -> Option<SessionGuard> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let session = Arc::new(Session {
            camera,
            latency,
            inner: Mutex::new(Inner {
                replies: VecDeque::new(),
                reported_at: Instant::now(),
                waker: None,
            }),
        });
        self.lock().insert(secret.clone(), session.clone());
        Some(SessionGuard {
            secret,
            session,
            sessions: self.clone(),
        })
    }

    /// Returns the session of a stream of `camera`, if it is open.
    pub(crate) fn find(&self, secret: &str, camera: &str) -> Option<Arc<Session>> {
        let found = self.lock().get(secret).cloned();
        found.filter(|session| &*session.camera == camera)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionGuard {
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn latency(&self) -> &ViewerLatency {
        &self.session.latency
    }

    /// Returns the next reply, or wakes the task when there is one.
    pub(crate) fn poll_reply(&self, context: &Context<'_>) -> Option<Bytes> {
        let mut inner = self.session.lock();
        let reply = inner.replies.pop_front();
        if reply.is_none() {
            inner.waker = Some(context.waker().clone());
        }
        reply
    }

    /// Forgets an old report.
    pub(crate) fn expire_report(&self) {
        if self.session.lock().reported_at.elapsed() > REPORT_MAX_AGE {
            self.latency().set_reported(None);
        }
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.secret);
    }
}

impl Session {
    /// Takes a message of the viewer, as the fan-out does. Unknown types are those of a newer player.
    pub(crate) fn receive(&self, message: &Value, received: Timestamp) {
        match message["type"].as_str() {
            Some("clock") if message["sent"].is_number() => {
                let reply = live_messages::clock(&message["sent"], received).to_string();
                let mut inner = self.lock();
                if inner.replies.len() < MAX_QUEUED_REPLIES {
                    inner.replies.push_back(reply.into());
                }
                let waker = inner.waker.take();
                drop(inner);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Some("report") => {
                self.lock().reported_at = Instant::now();
                self.latency.set_reported(message["delay_ms"].as_f64());
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::latency_stats::LatencyStats;
    use serde_json::json;

    fn open() -> (MessageSessions, SessionGuard) {
        let sessions = MessageSessions::default();
        let latency = LatencyStats::default().join("yard".into());
        let guard = sessions.open("yard".into(), latency).unwrap();
        (sessions, guard)
    }

    #[test]
    fn session_is_found_by_secret_and_camera_only() {
        let (sessions, guard) = open();
        let secret = guard.secret().to_owned();
        assert_eq!(secret.len(), 32);
        assert!(sessions.find(&secret, "yard").is_some());
        assert!(sessions.find(&secret, "door").is_none());
        assert!(sessions.find("", "yard").is_none());
        drop(guard);
        assert!(sessions.find(&secret, "yard").is_none());
    }

    #[test]
    fn replies_that_nobody_reads_are_bounded() {
        let (sessions, guard) = open();
        let session = sessions.find(guard.secret(), "yard").unwrap();
        for message in [json!(5), json!({"type": "clock"}), json!({"type": "x"})] {
            session.receive(&message, Timestamp::now());
        }
        let context = Context::from_waker(Waker::noop());
        assert!(guard.poll_reply(&context).is_none());
        for sent in 0..1000 {
            session.receive(&json!({"type": "clock", "sent": sent}), Timestamp::now());
        }
        let replies = std::iter::from_fn(|| guard.poll_reply(&context)).count();
        assert_eq!(replies, MAX_QUEUED_REPLIES);
    }
}

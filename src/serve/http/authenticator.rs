//! Finds out who sent a request, and what they may do.
//!
//! Passwords are hashed one at a time on a thread of their own. After a wrong one the thread rests for three times as long, so
//! that guessing takes a quarter of a core at most. Networks from which a right password came before have a thread and a queue
//! of their own, so that strangers from many addresses do not keep them waiting.

use crate::access::{
    AccessControl, DigestSecret, FailureLimiter, Identity, KnownNetworks, Right, TokenRefusal,
    Verdict, network,
};
use crate::serve::http::credentials::Credentials;
use crate::serve::http::forwarded::Client;
use crate::serve::http::host::{AllowedHosts, is_loopback_host};
use crate::serve::http::waiting_room::WaitingRoom;
use crate::serve::limits::{Limit, LimitCounters};
use hyper::header::{self, HeaderMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Semaphore;

/// Rest after a wrong password, in times of its hash, and its limit.
const REST_FACTOR: u32 = 3;
const MAX_REST: Duration = Duration::from_secs(3);

/// Most characters of a name that are counted as an account.
const MAX_ACCOUNT_CHARS: usize = 64;

/// Reason why a credential is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CredentialRefusal {
    /// Wrong name or password.
    Password,
    /// A token or a link.
    Token(TokenRefusal),
    /// Too many attempts of this address.
    TooMany(Duration),
    /// Too many attempts of everybody.
    Busy,
}

/// Attempts that wait for their turn, and the turn.
#[derive(Debug)]
struct Lane {
    waiting: WaitingRoom,
    hashing: Arc<Semaphore>,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            waiting: WaitingRoom::default(),
            hashing: Arc::new(Semaphore::new(1)),
        }
    }
}

/// Access to the server, as configured.
#[derive(Debug)]
pub(crate) struct Authenticator {
    /// `None`: the configuration has no `access:`.
    control: Option<Arc<AccessControl>>,
    /// `server.controls`, if it is written out.
    allow_changes: Option<bool>,
    cookie: String,
    limiter: Arc<Mutex<FailureLimiter>>,
    known_networks: Arc<Mutex<KnownNetworks>>,
    /// Attempts of networks that are not known.
    strangers: Arc<Lane>,
    /// Attempts of networks from which a right password came before.
    known: Arc<Lane>,
    counters: LimitCounters,
}

impl Authenticator {
    pub(crate) fn new(
        control: Option<AccessControl>,
        allow_changes: Option<bool>,
        counters: LimitCounters,
    ) -> Self {
        let suffix = control
            .as_ref()
            .map_or_else(String::new, AccessControl::cookie_suffix);
        Self {
            control: control.map(Arc::new),
            allow_changes,
            cookie: format!("berrymse_{suffix}"),
            limiter: Arc::default(),
            known_networks: Arc::default(),
            strangers: Arc::default(),
            known: Arc::default(),
            counters,
        }
    }

    /// Returns the same with another configuration. Failures so far count on.
    pub(crate) fn reconfigured(
        &self,
        control: Option<AccessControl>,
        allow_changes: Option<bool>,
    ) -> Self {
        Self {
            limiter: self.limiter.clone(),
            known_networks: self.known_networks.clone(),
            strangers: self.strangers.clone(),
            known: self.known.clone(),
            ..Self::new(control, allow_changes, self.counters.clone())
        }
    }

    /// Returns true if the identity may still watch.
    pub(crate) fn still_grants(&self, identity: &Identity) -> bool {
        match &self.control {
            Some(control) => control.still_grants(identity),
            None => true,
        }
    }

    /// Returns true if everybody may watch because nothing is configured.
    pub(crate) fn is_open(&self) -> bool {
        self.control.is_none()
    }

    /// Returns true if there is a user to log in as.
    pub(crate) fn has_users(&self) -> bool {
        let control = self.control.as_ref();
        control.is_some_and(|control| !control.config().users.is_empty())
    }

    /// Returns true if some user may log in by Digest.
    pub(crate) fn has_digest(&self) -> bool {
        let control = self.control.as_ref();
        control.is_some_and(|control| control.has_digest())
    }

    /// Returns true if somebody can prove to be an operator.
    pub(crate) fn has_operators(&self) -> bool {
        let control = self.control.as_ref();
        control.is_some_and(|control| control.config().grants(Right::Operator))
    }

    /// Returns true if `server.controls: false` forbids changes to everybody.
    pub(crate) fn forbids_changes(&self) -> bool {
        self.allow_changes == Some(false)
    }

    /// Returns the name of the session's cookie.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Returns the identity of somebody without a credential.
    pub(crate) fn nobody(&self) -> Identity {
        match &self.control {
            Some(control) => control.nobody(),
            None => Identity::nobody(Some(Right::Viewer)),
        }
    }

    /// Returns who sent a request with these headers, with the rights of `server.controls` and of this machine.
    pub(crate) async fn identify(
        &self,
        client: &Client,
        headers: &HeaderMap,
        query: &str,
        hosts: &AllowedHosts,
    ) -> Result<Identity, CredentialRefusal> {
        let identity = match &self.control {
            Some(control) => {
                self.check_credentials(control, client, headers, query, hosts)
                    .await?
            }
            None => self.nobody(),
        };
        let is_operator = match self.allow_changes {
            Some(true) => identity.may(Right::Viewer) && !self.has_operators(),
            Some(false) => false,
            None => self.is_open() && client.is_local && is_loopback_host(host(headers)),
        };
        Ok(Identity {
            right: if is_operator {
                Some(Right::Operator)
            } else {
                identity.right
            },
            ..identity
        })
    }

    async fn check_credentials(
        &self,
        control: &Arc<AccessControl>,
        client: &Client,
        headers: &HeaderMap,
        query: &str,
        hosts: &AllowedHosts,
    ) -> Result<Identity, CredentialRefusal> {
        let given = Credentials::of(headers, query, &self.cookie);
        if let Some(token) = given.token {
            let checked = control.check_token(&token, SystemTime::now());
            return checked.map_err(CredentialRefusal::Token);
        }
        // A page whose name its owner leads here must not act for a user.
        let now = SystemTime::now();
        let mut sessions = given.sessions.iter();
        let session = sessions.find_map(|cookie| control.check_session(cookie, now));
        let session = session.filter(|_| hosts.knows(host(headers)));
        match (session, given.basic) {
            (Some(identity), _) => Ok(identity),
            (None, Some((user, password))) => self.check_password(client, user, password).await,
            (None, None) => Ok(control.nobody()),
        }
    }

    /// Checks a password, within the limits of attempts.
    pub(crate) async fn check_password(
        &self,
        client: &Client,
        user: String,
        password: String,
    ) -> Result<Identity, CredentialRefusal> {
        let Some(control) = &self.control else {
            return Err(CredentialRefusal::Password);
        };
        let address = client.limited_address();
        if let Some(identity) = control.recall(&user, &password, address, Instant::now()) {
            return Ok(identity);
        }
        let account: String = user.chars().take(MAX_ACCOUNT_CHARS).collect();
        let verdict = self.limiter().attempt(address, &account, Instant::now());
        match verdict {
            Verdict::Refused { retry_after } => {
                self.counters.count(Limit::Passwords);
                return Err(CredentialRefusal::TooMany(retry_after));
            }
            Verdict::After(_) => {}
        }
        // Many addresses together fill the lane of strangers, and not that of the owner's home.
        let is_known = address.is_some_and(|address| {
            let known = self.known_networks();
            known.has(network(address), Instant::now())
        });
        let lane = if is_known {
            &self.known
        } else {
            &self.strangers
        };
        if let (Verdict::After(delay), false) = (verdict, is_known) {
            tokio::time::sleep(delay).await;
        }
        let Some(_place) = lane.waiting.enter(address.map(network)) else {
            // It was not checked, so it does not count.
            self.limiter().succeeded(address, &account);
            return Err(CredentialRefusal::Busy);
        };
        let hashing = lane.hashing.clone().acquire_owned().await;
        let hashing = hashing.map_err(|_| CredentialRefusal::Busy)?;
        let control = control.clone();
        let check = move || {
            let begun = Instant::now();
            let recalled = control.recall(&user, &password, address, begun);
            let found =
                recalled.or_else(|| control.check_password(&user, &password, address, begun));
            if found.is_none() {
                std::thread::sleep((begun.elapsed() * REST_FACTOR).min(MAX_REST));
            }
            // Held by the thread: a client that is gone must not start a second hash.
            drop(hashing);
            if found.is_some() {
                delete_first_password(&control, &user);
            }
            found
        };
        let found = tokio::task::spawn_blocking(check).await;
        let identity = found.ok().flatten().ok_or(CredentialRefusal::Password)?;
        self.limiter().succeeded(address, &account);
        if let Some(address) = address {
            self.known_networks().add(network(address), Instant::now());
        }
        Ok(identity)
    }

    /// Checks an answer to a challenge of Digest, within the limits of attempts. A right one is not limited if the user
    /// `is_known` on this connection.
    pub(crate) async fn check_digest(
        &self,
        client: &Client,
        user: &str,
        is_known: bool,
        is_right: impl Fn(&DigestSecret) -> bool,
    ) -> Result<Identity, CredentialRefusal> {
        let Some(control) = &self.control else {
            return Ok(self.nobody());
        };
        let is_right = control.digest_secret(user).is_some_and(is_right);
        let identity = control.identity_of(user).filter(|_| is_right);
        if let (Some(identity), true) = (&identity, is_known) {
            return Ok(identity.clone());
        }
        let address = client.limited_address();
        let account: String = user.chars().take(MAX_ACCOUNT_CHARS).collect();
        let verdict = self.limiter().attempt(address, &account, Instant::now());
        match verdict {
            Verdict::Refused { retry_after } => {
                self.counters.count(Limit::Passwords);
                return Err(CredentialRefusal::TooMany(retry_after));
            }
            Verdict::After(delay) => tokio::time::sleep(delay).await,
        }
        let identity = identity.ok_or(CredentialRefusal::Password)?;
        self.limiter().succeeded(address, &account);
        delete_first_password(control, user);
        Ok(identity)
    }

    fn known_networks(&self) -> std::sync::MutexGuard<'_, KnownNetworks> {
        self.known_networks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a session; returns the value of its cookie.
    pub(crate) fn start_session(&self, user: &str) -> Option<String> {
        self.control
            .as_ref()?
            .start_session(user, SystemTime::now())
    }

    /// Ends the sessions of a request; returns their ids, and why they are valid again after a restart, if they are.
    pub(crate) async fn end_sessions(&self, headers: &HeaderMap) -> Vec<(String, io::Result<()>)> {
        let sessions = Credentials::of(headers, "", &self.cookie).sessions;
        let Some(control) = self.control.clone().filter(|_| !sessions.is_empty()) else {
            return Vec::new();
        };
        // A file is written.
        let end = move || {
            let now = SystemTime::now();
            let ended = sessions
                .iter()
                .filter_map(|session| control.end_session(session, now));
            ended.collect()
        };
        tokio::task::spawn_blocking(end).await.unwrap_or_default()
    }

    /// Returns true if the session or the link of `identity` has ended.
    pub(crate) fn has_ended(&self, identity: &Identity) -> bool {
        let control = self.control.as_ref();
        control.is_some_and(|control| control.has_ended(identity, SystemTime::now()))
    }

    fn limiter(&self) -> std::sync::MutexGuard<'_, FailureLimiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes the file with the first password of a user who has logged in.
fn delete_first_password(control: &AccessControl, user: &str) {
    match control.delete_first_password(user) {
        None => {}
        Some((file, Ok(()))) => log::info!("login: first of {user}; {} is deleted", file.display()),
        Some((file, Err(error))) => {
            let file = file.display();
            log::warn!("login: {file} of {user} is not deleted ({error}); delete it by hand");
        }
    }
}

/// Returns the host that a request names.
pub(crate) fn host(headers: &HeaderMap) -> &str {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    host.unwrap_or_default()
}

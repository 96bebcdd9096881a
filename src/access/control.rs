//! Checks a credential and returns the identity that it proves.

use super::config::{Config, Right, Token, User};
use super::digest::DigestSecret;
use super::ended::EndedSessions;
use super::key::{SigningKey, random_bytes};
use super::link::Link;
use super::session::{self, Session};
use super::verified::VerifiedPasswords;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};
use std::{fs, io};

/// Identity of a client, and its rights.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// `None`: nothing.
    pub right: Option<Right>,
    /// Name of the user, token or link; `None` if nobody proved anything.
    pub name: Option<Arc<str>>,
    /// The only camera; `None` for all.
    pub camera: Option<Arc<str>>,
    /// Id of the session of a user who logged in by the form.
    pub session: Option<Arc<str>>,
    /// End of the link, in seconds of Unix time; `None` if it is no link.
    pub expires_at: Option<u64>,
    /// Differs between the passwords or tokens of one name; within the process only.
    pub(crate) version: Option<u64>,
}

impl Identity {
    /// Returns the identity of somebody who proved nothing.
    pub const fn nobody(right: Option<Right>) -> Self {
        Self {
            right,
            name: None,
            camera: None,
            session: None,
            expires_at: None,
            version: None,
        }
    }

    fn named(name: &str, right: Right) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::nobody(Some(right))
        }
    }

    fn of_user(user: &User) -> Self {
        Self {
            version: Some(version_of(&user.password.version())),
            ..Self::named(&user.name, user.right)
        }
    }

    fn of_token(token: &Token) -> Self {
        Self {
            version: Some(version_of(&token.hash)),
            ..Self::named(&token.name, token.right)
        }
    }

    /// Returns true if the identity has the right, to some camera at least.
    pub fn may(&self, right: Right) -> bool {
        self.right.is_some_and(|own| own >= right)
    }

    /// Returns true if a link does not keep the identity from the camera.
    pub fn may_see(&self, camera: &str) -> bool {
        self.camera.as_deref().is_none_or(|only| only == camera)
    }
}

/// Returns a number that differs between secrets.
fn version_of(secret: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    secret.hash(&mut hasher);
    hasher.finish()
}

/// Reason for which a token is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenRefusal {
    /// No such token was made, or its key is gone.
    Unknown,
    /// The link was valid until a time in the past.
    Expired,
    /// `access.revoked` names the link.
    Revoked,
}

/// Users, tokens and links, and what was proved before.
#[derive(Debug)]
pub struct AccessControl {
    config: Config,
    key: SigningKey,
    verified: Mutex<VerifiedPasswords>,
    ended: Mutex<EndedSessions>,
}

impl AccessControl {
    /// `key` signs links and sessions.
    pub fn new(config: Config, key: SigningKey) -> Result<Self, String> {
        let of_process = SigningKey::new(&random_bytes()?);
        Ok(Self {
            config,
            key,
            verified: Mutex::new(VerifiedPasswords::new(of_process)),
            ended: Mutex::default(),
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the identity of somebody without a credential.
    pub fn nobody(&self) -> Identity {
        Identity::nobody(self.config.is_public.then_some(Right::Viewer))
    }

    /// Returns the last part of the cookie's name, which keeps two servers of one host apart.
    pub fn cookie_suffix(&self) -> String {
        let hash = self.key.sign(&[b"cookie"]);
        hash.iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Checks a token or the token of a link.
    pub fn check_token(&self, token: &str, now: SystemTime) -> Result<Identity, TokenRefusal> {
        if let Some(link) = Link::parse(token, &self.key) {
            if self.config.revoked.contains(&link.name) {
                return Err(TokenRefusal::Revoked);
            }
            if link.is_expired(now) {
                return Err(TokenRefusal::Expired);
            }
            let identity = Identity::named(&link.name, link.right);
            return Ok(Identity {
                camera: Some(link.camera.as_str().into()),
                expires_at: Some(link.expires_at),
                ..identity
            });
        }
        // All are compared, so that the time does not tell which one came close.
        let mut found = None;
        for known in &self.config.tokens {
            if known.hash.is_of(token) {
                found = Some(known);
            }
        }
        found.map(Identity::of_token).ok_or(TokenRefusal::Unknown)
    }

    /// Returns the identity if the password was right a short time ago. Costs no hash.
    pub fn recall(
        &self,
        user: &str,
        password: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Option<Identity> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let user = self
            .user(user)
            .filter(|user| verified.has(&user.name, password, address, now))?;
        Some(Identity::of_user(user))
    }

    /// Checks a password, and remembers a right one. Slow: costs one hash, whether there is such a user or not.
    pub fn check_password(
        &self,
        user: &str,
        password: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Option<Identity> {
        let Some(user) = self.user(user) else {
            // The time must not tell that there is no such user.
            let decoy = self.config.users.first()?;
            decoy.password.is_of(password);
            return None;
        };
        if !user.password.is_of(password) {
            return None;
        }
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.add(&user.name, password, address, now);
        Some(Identity::of_user(user))
    }

    /// Deletes the file that a user's login makes superfluous; returns its path if it was there, and whether it is gone.
    pub fn delete_first_password(&self, user: &str) -> Option<(&Path, io::Result<()>)> {
        let file = self.user(user)?.delete_at_login.as_deref()?;
        let is_there = |deleted: &io::Result<()>| {
            let error = deleted.as_ref().err().map(io::Error::kind);
            error != Some(io::ErrorKind::NotFound)
        };
        let deleted = Some(fs::remove_file(file)).filter(is_there)?;
        Some((file, deleted))
    }

    /// Returns the names of users who have not logged in yet, with the files of their first passwords.
    pub fn first_passwords(&self) -> impl Iterator<Item = (&str, &Path)> {
        let users = self.config.users.iter();
        users
            .filter_map(|user| Some((user.name.as_str(), user.delete_at_login.as_deref()?)))
            .filter(|(_, file)| file.exists())
    }

    /// Returns what Digest needs of a user's password, if the configuration has it.
    pub fn digest_secret(&self, user: &str) -> Option<&DigestSecret> {
        self.user(user)?.digest.as_ref()
    }

    /// Returns true if some user may log in by Digest.
    pub fn has_digest(&self) -> bool {
        self.config.users.iter().any(|user| user.digest.is_some())
    }

    /// Returns the identity of a user who proved the password elsewhere, such as by Digest.
    pub fn identity_of(&self, user: &str) -> Option<Identity> {
        self.user(user).map(Identity::of_user)
    }

    /// Starts a session; returns the value of its cookie.
    pub fn start_session(&self, user: &str, now: SystemTime) -> Option<String> {
        let user = self.user(user)?;
        session::start(&self.key, &user.name, user.password.version(), now).ok()
    }

    /// Checks the value of a session's cookie.
    pub fn check_session(&self, cookie: &str, now: SystemTime) -> Option<Identity> {
        let session = Session::parse(cookie)?;
        let user = self.user_of(&session, now)?;
        Some(Identity {
            session: session.fields().map(|fields| fields.id.into()),
            ..Identity::of_user(user)
        })
    }

    /// Reads the sessions that were ended before a restart, and keeps later ones, in the file `path`.
    pub fn keep_ended_sessions(&self, path: PathBuf, now: SystemTime) -> io::Result<()> {
        self.ended().keep_in(path, now)
    }

    /// Ends a session before it expires; returns its id, and whether the file has it.
    pub fn end_session(&self, cookie: &str, now: SystemTime) -> Option<(String, io::Result<()>)> {
        let session = Session::parse(cookie)?;
        self.user_of(&session, now)?;
        let fields = session.fields()?;
        let kept = self.ended().end(&fields, now);
        Some((fields.id.to_owned(), kept))
    }

    /// Returns true if the session of `identity` was ended, or its link has expired.
    pub fn has_ended(&self, identity: &Identity, now: SystemTime) -> bool {
        let is_ended = |id: &Arc<str>| self.ended().has_id(id);
        let is_expired = |end: u64| super::link::unix_seconds(now) >= end;
        identity.session.as_ref().is_some_and(is_ended)
            || identity.expires_at.is_some_and(is_expired)
    }

    /// Returns true if the identity, which an earlier configuration granted, may still watch.
    pub fn still_grants(&self, identity: &Identity) -> bool {
        let Some(name) = identity.name.as_deref() else {
            return self.config.is_public;
        };
        if identity.expires_at.is_some() {
            return !self.config.revoked.iter().any(|revoked| revoked == name);
        }
        // Asked for each viewer once a second.
        let users = self.config.users.iter().filter(|user| user.name == name);
        let tokens = self.config.tokens.iter();
        let tokens = tokens.filter(|token| token.name == name);
        users
            .map(Identity::of_user)
            .chain(tokens.map(Identity::of_token))
            .any(|known| known.version == identity.version)
    }

    fn ended(&self) -> MutexGuard<'_, EndedSessions> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn user_of(&self, session: &Session<'_>, now: SystemTime) -> Option<&User> {
        let fields = session.fields()?;
        let user = self.user(fields.user)?;
        let is_valid = session.is_by(&self.key, user.password.version())
            && super::link::unix_seconds(now) < fields.expires_at;
        (is_valid && !self.ended().has(&fields)).then_some(user)
    }

    fn user(&self, name: &str) -> Option<&User> {
        self.config.users.iter().find(|user| user.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PasswordHash, SESSION_LIFETIME, Token, TokenHash};
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));

    fn control(password: &str) -> AccessControl {
        let user = |name: &str, right| User {
            name: name.into(),
            password: PasswordHash::of(password).unwrap(),
            digest: None,
            right,
            delete_at_login: None,
        };
        let config = Config {
            users: vec![user("owner", Right::Operator), user("guest", Right::Viewer)],
            tokens: vec![Token {
                name: "kiosk".into(),
                hash: TokenHash::of("secret"),
                right: Right::Viewer,
            }],
            revoked: vec!["old".into()],
            ..Config::default()
        };
        AccessControl::new(config, SigningKey::new(&[3; 32])).unwrap()
    }

    #[test]
    fn password_is_checked_once_in_ten_minutes() {
        let control = control("pass word");
        let now = Instant::now();
        assert_eq!(control.recall("owner", "pass word", HERE, now), None);
        assert_eq!(control.check_password("owner", "wrong", HERE, now), None);
        assert_eq!(
            control.check_password("nobody", "pass word", HERE, now),
            None
        );
        let owner = control
            .check_password("owner", "pass word", HERE, now)
            .unwrap();
        assert!(owner.may(Right::Operator) && owner.may_see("front"));
        assert_eq!(control.recall("owner", "pass word", HERE, now), Some(owner));
        let elsewhere = Some(IpAddr::from([198, 51, 100, 7]));
        assert_eq!(control.recall("owner", "pass word", elsewhere, now), None);
        assert_eq!(control.recall("guest", "pass word", HERE, now), None);
        assert_eq!(control.recall("owner", "wrong", HERE, now), None);
    }

    #[test]
    fn session_ends_with_time_logout_and_password() {
        let first = control("one");
        let now = SystemTime::now();
        let cookie = first.start_session("guest", now).unwrap();
        let guest = first.check_session(&cookie, now).unwrap();
        assert!(guest.session.is_some() && guest.may(Right::Viewer) && !guest.may(Right::Operator));
        assert_eq!(first.check_session(&cookie, now + SESSION_LIFETIME), None);
        assert_eq!(control("two").check_session(&cookie, now), None);
        assert_eq!(first.check_session(&format!("{cookie}x"), now), None);
        let other = first.start_session("guest", now).unwrap();
        let (id, kept) = first.end_session(&cookie, now).unwrap();
        assert!(kept.is_ok() && guest.session.as_deref() == Some(&*id));
        assert!(first.has_ended(&guest, now));
        assert!(first.end_session(&cookie, now).is_none());
        assert_eq!(first.check_session(&cookie, now), None);
        assert!(first.check_session(&other, now).is_some());
        assert_eq!(first.start_session("nobody", now), None);
    }

    #[test]
    fn changed_configuration_withdraws_what_it_no_longer_grants() {
        let old = control("one");
        let now = Instant::now();
        let owner = old.check_password("owner", "one", HERE, now).unwrap();
        let kiosk = old.check_token("secret", SystemTime::now()).unwrap();
        let mut link = Identity::named("guests", Right::Viewer);
        link.expires_at = Some(u64::MAX);
        let nobody = Identity::nobody(Some(Right::Viewer));
        assert!([&owner, &kiosk, &link].map(|who| old.still_grants(who)) == [true; 3]);
        assert!(!old.still_grants(&nobody));
        assert!(!control("two").still_grants(&owner), "another password");
        let key = || SigningKey::new(&[3; 32]);
        let mut config = old.config().clone();
        config.is_public = true;
        config.revoked.push("guests".into());
        config.tokens[0].hash = TokenHash::of("another");
        config.users.remove(0);
        let new = AccessControl::new(config, key()).unwrap();
        assert!([&owner, &kiosk, &link].map(|who| new.still_grants(who)) == [false; 3]);
        assert!(new.still_grants(&nobody));
    }

    #[test]
    fn link_is_for_one_camera_until_it_ends() {
        let control = control("x");
        let link = |name: &str, expires_at| Link {
            name: name.into(),
            camera: "front".into(),
            right: Right::Viewer,
            expires_at,
        };
        let key = SigningKey::new(&[3; 32]);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(500);
        let identity = control
            .check_token(&link("g", 501).token(&key), now)
            .unwrap();
        assert!(identity.may_see("front") && !identity.may_see("back"));
        assert!(!identity.may(Right::Operator));
        let check = |link: Link, key| control.check_token(&link.token(key), now);
        assert_eq!(check(link("g", 500), &key), Err(TokenRefusal::Expired));
        assert_eq!(check(link("old", 501), &key), Err(TokenRefusal::Revoked));
        let foreign = SigningKey::new(&[4; 32]);
        assert_eq!(check(link("g", 501), &foreign), Err(TokenRefusal::Unknown));
        assert_eq!(
            control.check_token("secret", now).unwrap().name.as_deref(),
            Some("kiosk")
        );
        assert_eq!(control.check_token("", now), Err(TokenRefusal::Unknown));
        // A link is no session, and a session no link.
        let session = control.start_session("owner", now).unwrap();
        assert_eq!(
            control.check_token(&session, now),
            Err(TokenRefusal::Unknown)
        );
        assert_eq!(
            control.check_session(&link("g", 501).token(&key), now),
            None
        );
    }
}

//! Users, tokens and rights, as configured.

use super::digest::DigestSecret;
use super::password::PasswordHash;
use super::token::TokenHash;
use std::path::PathBuf;

/// Longest name of a user, a token or a link.
pub const MAX_NAME_CHARS: usize = 64;

/// Right of an identity. The later one has the earlier one's, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Right {
    /// May watch.
    Viewer,
    /// May change cameras, too.
    Operator,
}

impl Right {
    /// Reads `viewer` or `operator`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "viewer" => Some(Self::Viewer),
            "operator" => Some(Self::Operator),
            _ => None,
        }
    }

    /// Returns the word of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// Person with a password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Name to log in with.
    pub name: String,
    /// Hash of the password.
    pub password: PasswordHash,
    /// Secret for Digest; `None` if the user cannot log in by Digest.
    pub digest: Option<DigestSecret>,
    /// Right of the user.
    pub right: Right,
    /// File that is deleted when the user logs in, such as one with a first password.
    pub delete_at_login: Option<PathBuf>,
}

/// Program with a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Name in the log.
    pub name: String,
    /// Hash of the token.
    pub hash: TokenHash,
    /// Right of the program.
    pub right: Right,
}

/// The block `access:` of the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// Names are unique.
    pub users: Vec<User>,
    /// Names are unique.
    pub tokens: Vec<Token>,
    /// Everybody may watch, without a login.
    pub is_public: bool,
    /// File of the key that signs links and sessions; `None` if there is no place for one.
    pub key_file: Option<PathBuf>,
    /// Names of links that no longer count.
    pub revoked: Vec<String>,
}

impl Config {
    /// Returns true if somebody can prove to have `right`, links aside.
    pub fn grants(&self, right: Right) -> bool {
        let users = self.users.iter().map(|user| user.right);
        let tokens = self.tokens.iter().map(|token| token.right);
        users.chain(tokens).any(|granted| granted >= right)
    }
}

/// Returns true if `text` can name a user, a token or a link: 1 to 64 letters, digits, `.`, `-`, `_`, `@`.
pub fn is_name(text: &str) -> bool {
    let is_name_char = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    !text.is_empty() && text.chars().count() <= MAX_NAME_CHARS && text.chars().all(is_name_char)
}

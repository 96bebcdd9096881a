//! Rights to watch and to change cameras: users, tokens, signed links and sessions.
//!
//! Pure but for the key file and the file of logouts: times and addresses are arguments, and nothing here knows HTTP.
//!
//! | file | job |
//! |---|---|
//! | `config` | users, tokens and rights as configured |
//! | `control` | checks a credential and returns an identity |
//! | `password`, `token` | hashes of passwords (argon2id) and of tokens (SHA-256) |
//! | `digest` | what Digest authentication needs of a password |
//! | `ended` | logouts, and their file |
//! | `key`, `signed` | the key file; texts with a signature |
//! | `link`, `session` | signed links; signed cookies |
//! | `verified` | passwords that were right a short time ago |
//! | `failures`, `buckets` | limits for wrong passwords; rates by key |
//! | `known` | networks from which a right password came |

mod buckets;
mod config;
mod control;
mod digest;
mod ended;
mod failures;
mod key;
mod known;
mod link;
mod password;
mod session;
mod signed;
mod token;
mod verified;

pub use buckets::Buckets;
pub use config::{Config, MAX_NAME_CHARS, Right, Token, User, is_name};
pub use control::{AccessControl, Identity, TokenRefusal};
pub use digest::{DIGEST_REALM, DigestAlgorithm, DigestSecret};
pub use ended::parse_ended_sessions;
pub use failures::{FailureLimiter, Verdict, network};
pub use key::SigningKey;
pub use known::KnownNetworks;
pub use link::{Link, MAX_LIFETIME};
pub use password::{MAX_PASSWORD_BYTES, PasswordHash};
pub use session::SESSION_LIFETIME;
pub use token::{NewToken, TokenHash};

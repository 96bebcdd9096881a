//! Connections that speak RTSP, up to PLAY: then the fan-out has the socket.
//!
//! | file | job |
//! |---|---|
//! | `connection` | reads requests, writes answers, hands the socket over |
//! | `negotiation` | answers requests, by the access rules of HTTP |
//! | `challenge` | Digest and Basic (RFC 7616, 7617) |

mod challenge;
pub(crate) mod connection;
mod negotiation;

pub use challenge::is_digest_answer;
use ring::rand::{SecureRandom, SystemRandom};

/// Returns random bytes for what must not be guessed.
fn random<const N: usize>() -> Result<[u8; N], &'static str> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| "the system has no random numbers")?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

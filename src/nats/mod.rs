//! NATS, which carries cameras from one machine to many: a client of its core protocol, and the messages between the
//! camera's server and the edges.
//!
//! The client is made for live video: it queues little, throws away what it could not send when a connection breaks, and
//! notices within a second that a server is silent. It knows neither cameras nor hubs.

pub mod assembly;
pub mod client;
mod connection;
pub mod nkey;
pub mod options;
pub mod order;
pub mod protocol;
pub mod remote_clock;
mod session;
mod shared;
mod tls;
pub mod wire;

pub use client::{Client, Message, PublishError, State, Subscription};
pub use options::{Auth, Options, Url};

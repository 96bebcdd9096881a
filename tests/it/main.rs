//! The tests of the whole program, and of the rules of the repository, as one program: it links once, and its tests run next to
//! each other.
//!
//! So a test changes nothing of its own process that others see: no environment, no directory, no limits. Where it must, it runs a
//! copy of this program (`process_source`). What it measures is of a program that it started. Its directory has a name of its own
//! (`support::Scratch`).
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod adaptive;
mod architecture;
mod banned_words;
mod cli;
mod congestion;
mod controls;
mod decode_memory;
mod decoder_process;
mod formats;
mod http_source;
mod lines;
mod lossless;
mod many_viewers;
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "nats")]
mod nats_faults;
#[cfg(feature = "nats")]
mod nats_logins;
mod parameter_sets;
mod process_source;
mod recorders;
mod recovery;
mod rpicam;
mod rtsp;
mod service;
mod serving;
mod silence;
mod snapshot;
mod soak;
mod software_encoder;
mod streams;
mod support;
mod tls;
mod version;

//! BerryMSE shows a camera in any browser with the least delay there is.
//!
//! One OS thread per camera turns whatever the camera gives into access units and each access
//! unit, once, into one ready-made message; the hub keeps the recent ones; serving hands the same
//! bytes to every viewer. Data flows one way:
//!
//! | module | job |
//! |---|---|
//! | [`source`] | a camera, program, file or the test pattern: bytes of H.264 with their capture times |
//! | [`v4l2`] | the kernel's camera interface; the only place with `unsafe` |
//! | [`h264`] | Annex B bytes to access units, parameter sets, picture order |
//! | [`jpeg`] | H.264 inside of JPEG pictures |
//! | [`media`] | frames and parameters as every output gets them, init segments and fragments (ISO BMFF) |
//! | [`camera`] | one camera: source to hub, supervised, restarted |
//! | [`hub`] | the recent fragments of one camera and everybody who follows them |
//! | [`os`] | operating-system plumbing: allocator, socket options, `/proc` |
//! | [`snapshot`] | the newest picture of a camera as JPEG, when somebody asks |
//! | [`controls`] | what can be changed of a camera while it runs |
//! | [`serve`] | HTTP, WebSocket, the page, the status |
//! | [`build_info`] | version, commit and built-in parts, for `--version` and `/metrics` |
//! | [`frame_rate`] | the rate that a camera is asked for |
//! | [`cli`] | what was typed, the environment and the file to one checked configuration |
//!
//! `h264` and `fmp4` do no I/O and read no clock.

pub mod build_info;
pub mod camera;
pub mod cli;
pub mod controls;
pub mod encode;
pub mod frame_rate;
pub mod h264;
pub mod hub;
pub mod jpeg;
pub mod logger;
pub mod media;
pub mod message;
pub mod os;
pub mod redact;
pub mod serve;
pub mod shutdown;
pub mod snapshot;
pub mod source;
pub mod suggest;
pub mod time;
pub mod v4l2;

//! BerryMSE shows an H.264 camera in any browser, with the least delay that a browser allows.
//!
//! The program is `main.rs`, which only starts the parts of this library in order. The library exists so
//! that tests, tools and fuzz targets reach the parts. `ARCHITECTURE.md` has the rules between
//! them, and a table of where to change what.
//!
//! # The way of a frame
//!
//! 1. [`source`] opens a camera, a program, a file, another server or the test pattern. It returns
//!    H.264 with its capture times. Cameras without H.264 go through [`encode`]. The crate
//!    [`v4l2`] is the kernel's camera interface, [`jpeg`] reads the JPEGs of webcams, and the crate
//!    [`testsrc`] makes the test pattern.
//! 2. [`camera`] supervises one source on a thread of its own, and opens it again when it fails.
//! 3. [`h264`] finds the access units in the byte stream, and reads parameter sets and picture
//!    order. It does no I/O and reads no clock.
//! 4. [`media`] is the media model: the parameters of a stream, and frames, each written once into
//!    one allocation that all outputs read. Media times are made there, too.
//! 5. [`hub`] keeps the recent frames of one camera. A viewer is a cursor into them.
//! 6. [`serve`] sends the same bytes to all viewers, and answers HTTP. [`snapshot`] decodes the
//!    newest frame on request.
//!
//! All of it without sockets: the test pattern, and a viewer that waits for its first frame.
//!
//! ```
//! use berrymse::camera::{self, Config};
//! use berrymse::camera_handle;
//! use berrymse::frame_rate::FrameRate;
//! use berrymse::heartbeat::Heartbeat;
//! use berrymse::hub::{Delivery, Event};
//! use berrymse::shutdown::ShutdownToken;
//! use berrymse::source::{Flips, Settings, SourceSpec};
//! use std::num::NonZeroU32;
//! use std::time::Duration;
//!
//! let settings = Settings {
//!     width: 320,
//!     height: 240,
//!     fps: FrameRate::whole(30),
//!     bitrate: None,
//!     rotation: None,
//!     flips: Flips::default(),
//!     keyframe_interval: NonZeroU32::MIN,
//! };
//! let shutdown = ShutdownToken::new()?;
//! let config = Config::new("camera", SourceSpec::Test, settings);
//! let (endpoint, handle) = camera_handle::channel([]);
//! let camera = std::thread::spawn({
//!     let shutdown = shutdown.clone();
//!     move || camera::run(&config, shutdown, &endpoint, &Heartbeat::default())
//! });
//!
//! let mut viewer = handle.hub().subscribe(Delivery::LIVE);
//! let frame = loop {
//!     match viewer.try_next() {
//!         Some(Event::Frame(frame)) => break frame,
//!         Some(Event::Parameters(parameters)) => assert_eq!(parameters.width, 320),
//!         Some(_) => {}
//!         // Serving is woken instead.
//!         None => std::thread::sleep(Duration::from_millis(1)),
//!     }
//! };
//! assert!(frame.is_keyframe);
//! shutdown.trigger();
//! camera.join().map_err(|_| "the camera's thread failed")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Around it
//!
//! | module | job |
//! |---|---|
//! | [`access`] | users, tokens, signed links and sessions |
//! | [`cli`] | arguments, environment and file to one checked configuration |
//! | [`camera_handle`] | both ends of a camera: frames out, commands in |
//! | [`controls`] | changes of a camera's controls while it runs |
//! | [`frame_rate`] | the requested frame rate |
//! | [`message`] | a ready WebSocket message |
//! | [`logger`], [`redact`] | the log, without passwords, tokens and keys |
//! | [`os`] | allocator, socket options, `/proc` |
//! | `nats`, `publish`, `fleet` | cameras over NATS, from many machines to many |
//! | [`build_info`] | version, commit and built-in parts |
//! | [`shutdown`], [`time`], [`suggest`] | the request to stop, the clock, suggestions for wrong names |
//! | [`heartbeat`] | signs of life of the loops, for the watchdog |

pub mod access;
pub mod build_info;
pub mod camera;
pub mod camera_handle;
pub mod cli;
pub mod controls;
pub mod encode;
#[cfg(feature = "nats")]
pub mod fleet;
pub mod frame_rate;
pub mod h264;
pub mod heartbeat;
pub mod hub;
pub mod jpeg;
pub mod logger;
pub mod media;
pub mod message;
#[cfg(feature = "nats")]
pub mod nats;
pub mod os;
#[cfg(feature = "nats")]
pub mod publish;
pub mod redact;
pub mod serve;
pub mod shutdown;
pub mod snapshot;
pub mod source;
pub mod suggest;
pub mod time;

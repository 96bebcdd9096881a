//! Moving test pattern with a running clock, generated and encoded to H.264.
//!
//! It needs no camera, file or codec library, and suits the smallest Raspberry Pi, because only
//! changed macroblocks are coded. The scene lists them (`scene`, `layout`, `text_overlay`); the
//! macroblock layer writes them (`macroblock`, `mb_context`, `cavlc`, `transform`, `motion`). It is
//! no general encoder: it has the tools that this scene needs. It reads no clock and does no I/O.
//!
//! ```
//! use testsrc::{Encoder, Settings};
//!
//! let mut encoder = Encoder::new(&Settings { width: 640, height: 480, ..Settings::default() })?;
//! let unix_ms = 1_790_000_000_000;
//! let keyframe = encoder.encode(unix_ms, false).to_vec();
//! let next = encoder.encode(unix_ms + 33, false);
//! assert_eq!(keyframe[..5], [0, 0, 0, 1, 0x67], "a sequence parameter set in Annex B");
//! assert!(next.len() < keyframe.len());
//! # Ok::<(), testsrc::Error>(())
//! ```
//!
//! Programs that look at the decoded video read the time of each frame by [`timestamp_code`].

mod bits;
mod cavlc;
mod civil_time;
mod encoder;
mod font;
mod layout;
mod macroblock;
mod mb_context;
mod mb_grid;
mod motion;
mod parameter_sets;
mod rate;
mod scene;
mod settings;
mod sprite;
mod sprite_motion;
mod text_overlay;
pub mod timestamp_code;
mod transform;

pub use encoder::Encoder;
pub use settings::{Error, Settings};

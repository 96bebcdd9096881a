//! Congestion of viewers' links: the kernel's congestion control, and the estimate of what a link carries.

mod control;
pub(crate) mod estimator;

pub(crate) use control::LossResponse;
pub use control::{CongestionControl, CongestionSetting};

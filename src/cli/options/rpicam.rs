//! Rows of the table for options of rpicam-vid.

use super::{ConfigSection, OptionSpec, Setting};

pub(super) const BLOCK: OptionSpec = OptionSpec {
    setting: Setting::Rpicam,
    short: None,
    long: &[],
    env: None,
    file: Some((ConfigSection::Camera, &["rpicam"])),
    value: "BLOCK",
    default: None,
    help: "lines such as 'autofocus-mode: continuous' for a Raspberry Pi camera; docs/reference/rpicam.md has all; \
           arguments: a list of any other options of rpicam-vid",
};

pub(super) const ARGUMENT: OptionSpec = OptionSpec {
    setting: Setting::RpicamArgument,
    short: None,
    long: &["rpicam-arg"],
    env: Some("BERRYMSE_RPICAM_ARG"),
    file: None,
    value: "ARGUMENT",
    default: None,
    help: "argument for rpicam-vid, such as --hdr=auto; may be repeated; instead of camera.rpicam's",
};

//! Opens a camera again and again, takes a picture, closes it, and tells what the process holds: `open_close NODE CYCLES`. For
//! the tests in `tests/vm/`.
#![allow(clippy::print_stdout)]

use berrymse::shutdown::ShutdownToken;
use berrymse::source::{Flips, Settings, SourceContext, SourceSpec, open};
use std::error::Error;
use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let node = PathBuf::from(arguments.next().ok_or("which node?")?);
    let cycles: u32 = arguments.next().ok_or("how often?")?.parse()?;
    let settings = Settings {
        width: 320,
        height: 240,
        fps: berrymse::frame_rate::FrameRate::whole(30),
        bitrate: Some(600_000),
        rotation: Some(0),
        flips: Flips::default(),
        keyframe_interval: NonZeroU32::new(30).ok_or("no interval")?,
    };
    let context = SourceContext::new("test", settings, ShutdownToken::new()?);
    let mut pictures = 0;
    for cycle in 1..=cycles {
        let mut source = open(&SourceSpec::V4l2(node.clone()), &context)?;
        for _ in 0..100 {
            if source.read()?.is_some() {
                pictures += 1;
                break;
            }
        }
        drop(source);
        // What is made once and kept is there by then.
        if cycle == 20 || cycle == cycles {
            let (descriptors, resident) = (descriptors()?, resident_kb()?);
            println!(
                "cycle {cycle} descriptors {descriptors} resident_kb {resident} pictures {pictures}"
            );
        }
    }
    Ok(())
}

fn descriptors() -> std::io::Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}

fn resident_kb() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(value.ok_or("no VmRSS")?.parse()?)
}

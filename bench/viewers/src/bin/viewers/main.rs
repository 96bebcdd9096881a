//! N WebSocket viewers on one event loop, and what they saw: `crowd` is the loop, `viewer` one of them, `seen` the statistics.

mod connect;
mod crowd;
mod frames;
mod options;
mod poll;
mod report;
mod restless;
mod seen;
mod table;
mod viewer;

use crowd::Crowd;
use options::{die, Options};

fn main() {
    let options = Options::of_process();
    allow_descriptors(options.viewers);
    let report = report::of(&Crowd::new(&options).watch(), &options);
    if !options.quiet {
        eprint!("{}", table::of(&report));
    }
    match options.json.as_deref() {
        Some("-") => println!("{report}"),
        Some(file) => std::fs::write(file, format!("{report}\n"))
            .unwrap_or_else(|error| die(&format!("{file}: {error}"))),
        None => {}
    }
}

/// Each viewer takes one, and we a few.
fn allow_descriptors(viewers: usize) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit is valid for the calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur as usize) < viewers + 16 {
        die(&format!("only {} file descriptors allowed", limit.rlim_cur));
    }
}

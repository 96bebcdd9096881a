//! Version, commit and built-in parts of this executable, for `--version` and `/metrics`.

use crate::encode;
use crate::os::sandbox;

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, with `-modified` after it if the sources differed; `unknown` if neither git nor the package knew it.
pub const COMMIT: &str = env!("BERRYMSE_COMMIT");

/// The day of the commit, as `2026-11-30`; empty if git did not know it.
pub const COMMIT_DATE: &str = env!("BERRYMSE_COMMIT_DATE");

/// Names and descriptions of the parts that builds may have or lack.
pub fn parts() -> [(&'static str, String); 4] {
    let encoder = encode::software_encoder();
    let io_uring = if cfg!(target_pointer_width = "64") {
        "built in"
    } else {
        "none (32 bit)"
    };
    let decoder = match (cfg!(feature = "software-encoder"), sandbox::HAS_FILTER) {
        (false, _) => "none",
        (true, true) => "in a process of its own, confined by seccomp",
        (true, false) => "in a process of its own, not confined (no filter for this processor)",
    };
    [
        (
            "software_encoder",
            encoder.unwrap_or_else(|| "none".to_owned()),
        ),
        // Whether the kernel has it, the log says.
        ("io_uring", io_uring.to_owned()),
        ("tls", "rustls (TLS 1.2 and 1.3)".to_owned()),
        ("snapshot_decoder", decoder.to_owned()),
    ]
}

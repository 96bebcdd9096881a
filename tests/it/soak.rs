//! The short form of a run of hours (`tests/soak`): viewers of all kinds, logins and a camera that fails, and nothing is left behind.

use std::path::Path;
use std::process::Command;

#[test]
fn short_soak_leaves_nothing_behind() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/soak");
    let output = Command::new("python3")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_berrymse"))
        .args(["--minutes", "0.15", "--every", "3", "--viewers", "2"])
        .args(["--stay", "2", "--fail-after", "3"])
        .output()
        .expect("python3 is needed: apt-get install python3");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
}

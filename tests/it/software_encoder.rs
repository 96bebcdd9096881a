//! How the software encoder was built into the program.
#![cfg(feature = "software-encoder")]

use std::process::Command;

/// The line of `--version` that names the encoder.
fn encoder_line() -> String {
    let program = env!("CARGO_BIN_EXE_berrymse");
    let output = Command::new(program).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let of_encoder = |line: &str| line.strip_prefix("software_encoder: ").map(str::to_owned);
    let line = text.lines().find_map(of_encoder).unwrap_or_default();
    assert!(line.starts_with("openh264 2."), "{text}");
    line
}

fn is_nasm_installed() -> bool {
    let nasm = std::env::var_os("NASM").unwrap_or_else(|| "nasm".into());
    Command::new(nasm).arg("-v").output().is_ok()
}

#[test]
fn build_with_nasm_installed_has_the_assembler() {
    let line = encoder_line();
    let is_x86 = cfg!(any(target_arch = "x86", target_arch = "x86_64"));
    if is_x86 && (!is_nasm_installed() || std::env::var_os("OPENH264_NO_ASM").is_some()) {
        return;
    }
    assert!(
        line.ends_with("(with assembler)"),
        "{line}; run `cargo clean -p openh264-sys2` and build again"
    );
}

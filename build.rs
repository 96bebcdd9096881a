//! Makes the library of C++, which the software encoder needs, a part of the executable, so that this runs where there is none.
//! `.cargo/config.toml` keeps the encoder's crate from asking for the shared one.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if std::env::var_os("CARGO_FEATURE_SOFTWARE_ENCODER").is_some() && is_linux {
        println!("cargo:rustc-link-arg=-l:libstdc++.a");
    }
}

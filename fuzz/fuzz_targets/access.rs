//! What proves a right, and what proxies say: tokens, links, cookies, Basic, forms, `Forwarded`, and the block `access:` of the
//! configuration. No bytes make it panic, and none are a credential.
#![no_main]

use berrymse::access::{AccessControl, Config, DigestSecret, PasswordHash, SigningKey, TokenHash, is_name, parse_ended_sessions};
use berrymse::cli;
use berrymse::serve::{Network, basic_credentials, cookie_values, forwarded_client, query_value};
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::SystemTime;

static CONTROL: LazyLock<AccessControl> = LazyLock::new(|| {
    let config = Config {
        users: Vec::new(),
        ..Config::default()
    };
    AccessControl::new(config, SigningKey::new(b"a key that no input can know, 32 b")).unwrap()
});

/// A folder in memory with the configuration.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PathBuf::from(format!("/dev/shm/berrymse-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
});

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let now = SystemTime::now();
    assert!(CONTROL.check_token(&text, now).is_err());
    assert!(CONTROL.check_session(&text, now).is_none());
    assert!(CONTROL.end_session(&text, now).is_none());
    let _ = parse_ended_sessions(&text).count();
    let _ = PasswordHash::parse(&text);
    let _ = TokenHash::parse(&text);
    let _ = DigestSecret::parse(&text, "owner");
    let _ = is_name(&text);
    let _ = Network::parse(&text);
    let _ = basic_credentials(&text);
    let _ = cookie_values(&text, "s").count();
    let _ = query_value(&text, "token");
    let (one, other) = text.split_at(text.floor_char_boundary(text.len() / 2));
    let (address, host) = forwarded_client(one, other);
    assert!(host.is_none_or(|host| !host.contains(['/', ' ', '@'])), "{address}");
    // Files that a configuration names are read, so the fuzzer names none.
    if text.is_ascii() && !text.to_ascii_lowercase().contains("file") {
        let config = FOLDER.join("config.yml");
        std::fs::write(&config, format!("access:\n  {}\n", text.replace('\n', "\n  "))).unwrap();
        let _ = cli::parse(std::iter::empty(), |_| None, &FOLDER);
    }
});

//! The option table against the documents and the package.

use super::*;
use crate::source::rpicam::options::documented;
use std::fs;

#[test]
fn reference_has_every_option_with_key_and_default() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/options.md");
    let reference = fs::read_to_string(path).unwrap();
    for option in OPTIONS {
        let short = option.short.map(|letter| format!("`-{letter}`"));
        let long = option.name().map(|name| format!("`--{name}`"));
        let key = option.file_key().map(|key| format!("`{key}`"));
        let words: Vec<String> = [short, long, key].into_iter().flatten().collect();
        let has_all = |row: &&str| words.iter().all(|word| row.contains(word));
        let row = reference
            .lines()
            .filter(|line| line.starts_with('|'))
            .find(has_all)
            .unwrap_or_else(|| panic!("no row has {words:?}"));
        if let Some(default) = option.default {
            let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
            assert_eq!(cell.trim().trim_matches('`'), default, "{row}");
        }
    }
}

/// What the package sets: others reach the camera, by a login that is made at the installation (packaging/deb/first-login).
const OWN_VALUES: [(Setting, &str); 2] = [
    (Setting::Listen, "  listen: \":2020\"\n"),
    (
        Setting::Users,
        "  users:
    # made at the installation; another password: berrymse hash-password | sudo tee /var/lib/berrymse/owner
    - {name: owner, passwordFile: /var/lib/berrymse/owner, right: operator, deleteAtLogin: /var/lib/berrymse/first-login}
",
    ),
];

/// First lines of the package's configuration.
const HEADER: &str = "\
# Configuration of berrymse. Each key stands here with its default, or with the kind of its value.
# Remove the # in front of a key to set it. Then: sudo berrymse --check-config, sudo systemctl restart berrymse.
# Sources, and the options of the command line, which beat this file: man berrymse.
";

fn packaged_config() -> String {
    let mut text = HEADER.to_owned();
    for section in ConfigSection::ALL {
        text += &format!("\n{}:\n", section.name());
        let options = OPTIONS
            .iter()
            .filter(|option| option.file.is_some_and(|(s, _)| s == section));
        for option in options {
            let (_, names) = option.file.unwrap();
            let value = option.default.unwrap_or(option.value);
            if option.setting == Setting::Rpicam {
                text += &rpicam_block(option);
                continue;
            }
            text += &format!("  # {}\n  #{}: {value}\n", option.help, names[0]);
            let own = OWN_VALUES.iter().find(|own| own.0 == option.setting);
            text += own.map_or("", |own| own.1);
        }
    }
    text
}

/// Each key of `camera.rpicam` with the kind of its value.
fn rpicam_block(option: &OptionSpec) -> String {
    let mut text = format!("  # {}\n  #rpicam:\n", option.help);
    for (name, values, _) in documented() {
        text += &format!("    #{name}: {values}\n");
    }
    text + "    #arguments: [--OPTION=VALUE]\n"
}

#[test]
fn packaged_config_has_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/config.yml");
    let wanted = packaged_config();
    if std::env::var_os("UPDATE_PACKAGED_CONFIG").is_some() {
        fs::write(path, &wanted).unwrap();
    }
    let found = fs::read_to_string(path).unwrap();
    assert_eq!(
        found, wanted,
        "UPDATE_PACKAGED_CONFIG=1 cargo test packaged_config writes it"
    );
}

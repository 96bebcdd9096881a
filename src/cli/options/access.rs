//! Rows of the table for `access:`. They are only in the file.

use super::{ConfigSection, OptionSpec, Setting};

const fn row(
    setting: Setting,
    names: &'static [&'static str],
    value: &'static str,
    help: &'static str,
) -> OptionSpec {
    OptionSpec::in_file((ConfigSection::Access, names), setting, value, help)
}

pub(super) const USERS: OptionSpec = row(
    Setting::Users,
    &["users"],
    "LIST",
    "people who log in: name, password (a hash of berrymse hash-password) or passwordFile, right (viewer or operator); digest (of hash-password --digest) for RTSP; deleteAtLogin: FILE, deleted when the user logs in",
);

pub(super) const TOKENS: OptionSpec = row(
    Setting::Tokens,
    &["tokens"],
    "LIST",
    "programs with a token: name, hash (berrymse token NAME prints it), right (viewer or operator)",
);

pub(super) const PUBLIC_ACCESS: OptionSpec = OptionSpec {
    default: Some("none"),
    ..row(
        Setting::PublicAccess,
        &["public"],
        "viewer|none",
        "viewer: everybody may watch without a login",
    )
};

pub(super) const KEY_FILE: OptionSpec = row(
    Setting::KeyFile,
    &["keyFile"],
    "FILE",
    "key that signs links and sessions, made if absent; without it access.key in $STATE_DIRECTORY or ~/.local/state/berrymse",
);

pub(super) const REVOKED: OptionSpec = row(
    Setting::Revoked,
    &["revoked"],
    "NAMES",
    "names of links that no longer count (a list)",
);

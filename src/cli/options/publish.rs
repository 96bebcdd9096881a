//! Rows of the table for `publish:`. All but the URL are only in the file.

use super::{ConfigSection, OptionSpec, Setting};

const fn row(
    setting: Setting,
    names: &'static [&'static str],
    value: &'static str,
    help: &'static str,
) -> OptionSpec {
    OptionSpec::in_file((ConfigSection::Publish, names), setting, value, help)
}

pub(super) const URL: OptionSpec = OptionSpec {
    long: &["publish"],
    env: Some("BERRYMSE_PUBLISH"),
    ..row(
        Setting::PublishUrl,
        &["url", "urls"],
        "URL",
        "publish the cameras to servers of NATS, such as nats://HOST:4222 or nats+tls://HOST (a list: of one cluster)",
    )
};

pub(super) const NAME: OptionSpec = row(
    Setting::PublishName,
    &["name"],
    "NAME",
    "name there, instead of the camera's; of several cameras, what all names begin with",
);

pub(super) const PREFIX: OptionSpec = OptionSpec {
    default: Some("berrymse"),
    ..row(
        Setting::PublishPrefix,
        &["prefix"],
        "WORD",
        "first part of all subjects",
    )
};

pub(super) const USER: OptionSpec = row(
    Setting::PublishUser,
    &["user"],
    "NAME",
    "user of the servers, with password:",
);

pub(super) const PASSWORD: OptionSpec = row(
    Setting::PublishPassword,
    &["password"],
    "PASSWORD",
    "password of the user",
);

pub(super) const TOKEN: OptionSpec = row(
    Setting::PublishToken,
    &["token"],
    "TOKEN",
    "token of the servers, instead of a user",
);

pub(super) const NKEY: OptionSpec = row(
    Setting::PublishNkey,
    &["nkey"],
    "FILE",
    "file with the seed of an nkey (SU...), instead of a user",
);

pub(super) const CREDENTIALS: OptionSpec = row(
    Setting::PublishCredentials,
    &["credentials"],
    "FILE",
    "file .creds with a token and its seed, instead of a user",
);

pub(super) const CA: OptionSpec = row(
    Setting::PublishCa,
    &["ca"],
    "FILE",
    "certificates of the authorities that sign the servers' (PEM), instead of those of this machine",
);

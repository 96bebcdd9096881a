//! Table of all settings: names on the command line, in the environment and in the file, default and help.

mod access;
mod publish;
mod rpicam;

pub(super) use super::setting::{ConfigSection, Setting};

/// Names, default and help of a setting.
pub(super) struct OptionSpec {
    pub(super) setting: Setting,
    /// The letter of the short option.
    pub(super) short: Option<char>,
    /// Long options without the dashes: the name, the 2022 program's spelling, aliases that the help shows.
    pub(super) long: &'static [&'static str],
    pub(super) env: Option<&'static str>,
    /// Section and keys in the file; the first key is the name.
    pub(super) file: Option<(ConfigSection, &'static [&'static str])>,
    /// Placeholder of the value in the help; with `|` in it, a list of the values.
    pub(super) value: &'static str,
    /// The default; `None` means "not set".
    pub(super) default: Option<&'static str>,
    pub(super) help: &'static str,
}

impl OptionSpec {
    /// Returns a row of a setting that only the file has, without a default.
    const fn in_file(
        file: (ConfigSection, &'static [&'static str]),
        setting: Setting,
        value: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            setting,
            short: None,
            long: &[],
            env: None,
            file: Some(file),
            value,
            default: None,
            help,
        }
    }

    /// Returns the long option, or `None` for a setting that only the file has.
    pub(super) fn name(&self) -> Option<&'static str> {
        self.long.first().copied()
    }

    /// Returns the place in the file, as `camera.width`.
    pub(super) fn file_key(&self) -> Option<String> {
        let (section, names) = self.file?;
        Some(format!("{}.{}", section.name(), names.first()?))
    }
}

/// All settings, in the order of the help.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        setting: Setting::Config,
        short: Some('c'),
        long: &["config"],
        env: Some("BERRYMSE_CONFIG"),
        file: None,
        value: "FILE",
        default: None,
        help: "configuration file; without it ./config.yml, else /etc/berrymse/config.yml; DIR/ means DIR/config.yml",
    },
    OptionSpec {
        setting: Setting::Source,
        short: Some('d'),
        long: &["source", "Camera.SourceFD", "device"],
        env: Some("BERRYMSE_SOURCE"),
        file: Some((ConfigSection::Camera, &["source", "sourceFD"])),
        value: "SOURCE",
        default: Some("auto"),
        help: "where the frames come from: see Sources below",
    },
    OptionSpec {
        setting: Setting::Width,
        short: Some('w'),
        long: &["width", "Camera.Width"],
        env: Some("BERRYMSE_WIDTH"),
        file: Some((ConfigSection::Camera, &["width"])),
        value: "PX",
        default: Some("1280"),
        help: "frame width, 16 to 8192",
    },
    OptionSpec {
        setting: Setting::Height,
        short: Some('h'),
        long: &["height", "Camera.Height"],
        env: Some("BERRYMSE_HEIGHT"),
        file: Some((ConfigSection::Camera, &["height"])),
        value: "PX",
        default: Some("720"),
        help: "frame height, 16 to 8192; -h alone prints this help",
    },
    OptionSpec {
        setting: Setting::Bitrate,
        short: Some('b'),
        long: &["bitrate", "Camera.Bitrate"],
        env: Some("BERRYMSE_BITRATE"),
        file: Some((ConfigSection::Camera, &["bitrate"])),
        value: "BIT_PER_S",
        default: Some("1500000"),
        help: "bits per second, 25000 to 200000000; -1 keeps the camera's own",
    },
    OptionSpec {
        setting: Setting::Adaptive,
        short: None,
        long: &["adaptive"],
        env: Some("BERRYMSE_ADAPTIVE"),
        file: Some((ConfigSection::Camera, &["adaptive"])),
        value: "true|false",
        default: Some("false"),
        help: "lower the bit rate while viewers' links are congested, where the encoder can",
    },
    OptionSpec {
        setting: Setting::MinBitrate,
        short: None,
        long: &["min-bitrate"],
        env: Some("BERRYMSE_MIN_BITRATE"),
        file: Some((ConfigSection::Camera, &["minBitrate"])),
        value: "BIT_PER_S",
        default: Some("300000"),
        help: "lower limit of --adaptive",
    },
    OptionSpec {
        setting: Setting::Rotation,
        short: Some('r'),
        long: &["rotation", "Camera.Rotation"],
        env: Some("BERRYMSE_ROTATION"),
        file: Some((ConfigSection::Camera, &["rotation"])),
        value: "DEG",
        default: Some("0"),
        help: "rotate clockwise by 0, 90, 180 or 270 degrees; -1 keeps the camera's own",
    },
    OptionSpec {
        setting: Setting::Hflip,
        short: None,
        long: &["hflip"],
        env: Some("BERRYMSE_HFLIP"),
        file: Some((ConfigSection::Camera, &["hflip"])),
        value: "true|false",
        default: None,
        help: "mirror left to right, after the rotation; without it the camera's own setting stays",
    },
    OptionSpec {
        setting: Setting::Vflip,
        short: None,
        long: &["vflip"],
        env: Some("BERRYMSE_VFLIP"),
        file: Some((ConfigSection::Camera, &["vflip"])),
        value: "true|false",
        default: None,
        help: "mirror top to bottom, likewise",
    },
    OptionSpec {
        setting: Setting::Fps,
        short: Some('f'),
        long: &["fps"],
        env: Some("BERRYMSE_FPS"),
        file: Some((ConfigSection::Camera, &["fps"])),
        value: "N",
        default: Some("30"),
        help: "frames per second, 0.001 to 240, such as 29.97",
    },
    OptionSpec {
        setting: Setting::KeyframeInterval,
        short: Some('g'),
        long: &["keyframe-interval"],
        env: Some("BERRYMSE_KEYFRAME_INTERVAL"),
        file: Some((ConfigSection::Camera, &["keyframeInterval"])),
        value: "FRAMES",
        default: Some("60"),
        help: "frames from keyframe to keyframe, 1 to 100000",
    },
    OptionSpec {
        setting: Setting::OnDemand,
        short: None,
        long: &["on-demand"],
        env: Some("BERRYMSE_ON_DEMAND"),
        file: Some((ConfigSection::Camera, &["onDemand"])),
        value: "true|false",
        default: Some("false"),
        help: "open the camera only while it has viewers",
    },
    OptionSpec {
        setting: Setting::StallAfter,
        short: None,
        long: &["stall-after"],
        env: Some("BERRYMSE_STALL_AFTER"),
        file: Some((ConfigSection::Camera, &["stallAfter"])),
        value: "SECONDS",
        default: None,
        help: "re-open the camera after this many seconds without data, 1 to 86400; 0 means never; without it the program learns the time",
    },
    OptionSpec {
        setting: Setting::Encoder,
        short: None,
        long: &["encoder"],
        env: Some("BERRYMSE_ENCODER"),
        file: Some((ConfigSection::Camera, &["encoder"])),
        value: "WHICH",
        default: Some("auto"),
        help: "encoder for cameras without H.264: auto, hardware or software",
    },
    OptionSpec {
        setting: Setting::PixelFormat,
        short: None,
        long: &["pixel-format"],
        env: Some("BERRYMSE_PIXEL_FORMAT"),
        file: Some((ConfigSection::Camera, &["pixelFormat"])),
        value: "FOURCC",
        default: Some("auto"),
        help: "format to take from cameras without H.264, such as YUYV or MJPG; auto takes the cheapest to encode",
    },
    OptionSpec {
        setting: Setting::RtspDelimiter,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Camera, &["rtspAccessUnitDelimiter"])),
        value: "auto|true|false",
        default: Some("auto"),
        help: "end each frame for RTSP clients with an access unit delimiter, which saves programs with FFmpeg a frame of delay; auto: only for those",
    },
    rpicam::BLOCK,
    rpicam::ARGUMENT,
    OptionSpec {
        setting: Setting::Listen,
        short: Some('l'),
        long: &["listen", "Server.URL"],
        env: Some("BERRYMSE_LISTEN"),
        file: Some((ConfigSection::Server, &["listen", "url"])),
        value: "HOST:PORT",
        default: Some("localhost:2020"),
        help: "address to serve on; may be repeated; :PORT is every address of this machine, PORT alone is localhost, port 0 is any free one; https:// in front means TLS",
    },
    OptionSpec {
        setting: Setting::Rtsp,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["rtsp"])),
        value: "HOST:PORT",
        default: None,
        help: "address for RTSP alone, such as :8554, in addition to the addresses of listen; rtsps:// in front means TLS (or a list)",
    },
    OptionSpec {
        setting: Setting::WaitForAddress,
        short: None,
        long: &["wait-for-address"],
        env: Some("BERRYMSE_WAIT_FOR_ADDRESS"),
        file: Some((ConfigSection::Server, &["waitForAddress"])),
        value: "true|false",
        default: Some("false"),
        help: "wait for an address that this machine does not have yet, such as at boot",
    },
    OptionSpec {
        setting: Setting::TlsCert,
        short: None,
        long: &["tls-cert"],
        env: Some("BERRYMSE_TLS_CERT"),
        file: Some((ConfigSection::Tls, &["cert"])),
        value: "FILE",
        default: None,
        help: "certificate for https:// addresses, with the chain to its issuer (PEM)",
    },
    OptionSpec {
        setting: Setting::TlsKey,
        short: None,
        long: &["tls-key"],
        env: Some("BERRYMSE_TLS_KEY"),
        file: Some((ConfigSection::Tls, &["key"])),
        value: "FILE",
        default: None,
        help: "private key of the certificate (PEM); changed files are read again",
    },
    OptionSpec {
        setting: Setting::TlsSelfSigned,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Tls, &["selfSigned"])),
        value: "true|false",
        default: Some("false"),
        help: "make a certificate once, in the folder of access.keyFile's default; browsers ask whether to trust it",
    },
    OptionSpec {
        setting: Setting::Websocket,
        short: Some('s'),
        long: &["websocket", "Server.WebSocket"],
        env: Some("BERRYMSE_WEBSOCKET"),
        file: Some((ConfigSection::Server, &["webSocket"])),
        value: "NAME",
        default: Some("video_websocket"),
        help: "path of the first camera's live stream",
    },
    OptionSpec {
        setting: Setting::Name,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Camera, &["name"])),
        value: "NAME",
        default: Some("camera"),
        help: "name of the camera in URLs: /live/NAME",
    },
    OptionSpec {
        setting: Setting::Title,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Camera, &["title"])),
        value: "TEXT",
        default: None,
        help: "name of the camera for people, such as Front door; the page shows it instead of the name",
    },
    OptionSpec {
        setting: Setting::Controls,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Camera, &["controls"])),
        value: "BLOCK",
        default: None,
        help: "lines such as 'brightness: 130', which are set on the camera; /api/cameras/NAME/controls lists the names",
    },
    OptionSpec {
        setting: Setting::AllowControlChanges,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["controls"])),
        value: "true|false",
        default: None,
        help: "true: everybody who may watch may set the cameras' controls, unless users or tokens are operators; false: nobody; \
               without it operators, and without access: requests from this machine",
    },
    OptionSpec {
        setting: Setting::AllowedOrigins,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["allowedOrigins"])),
        value: "ORIGINS",
        default: None,
        help: "other sites whose pages may show the cameras, such as https://example.com (a list, or * for all)",
    },
    OptionSpec {
        setting: Setting::Hosts,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["hosts"])),
        value: "NAMES",
        default: None,
        help: "only names that the server answers to, in addition to localhost and IP addresses, such as pi.local (a list)",
    },
    OptionSpec {
        setting: Setting::MaxViewers,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["maxViewers"])),
        value: "N",
        // Enough for a busy site; few enough that strangers cannot take all the memory of a Pi Zero.
        default: Some("2000"),
        help: "viewers at the same time, 1 to 100000",
    },
    OptionSpec {
        setting: Setting::Limits,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["limits"])),
        value: "BLOCK",
        default: None,
        help: "lines such as 'viewersPerAddress: 500', which bound what clients can cost; docs/reference/options.md has all",
    },
    OptionSpec {
        setting: Setting::DecodeMemory,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["decodeMemory"])),
        value: "MB",
        // One decoder for 1920x1080 with four reference pictures; a quarter of what the unit for systemd allows.
        default: Some("64"),
        help: "memory for the decoders of snapshots, over all cameras, 8 to 4096 MB",
    },
    OptionSpec {
        setting: Setting::IoUring,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["ioUring"])),
        value: "true|false",
        default: Some("true"),
        help: "one system call for many viewers, where the kernel has io_uring",
    },
    OptionSpec {
        setting: Setting::Mdns,
        short: None,
        long: &["mdns"],
        env: Some("BERRYMSE_MDNS"),
        file: Some((ConfigSection::Server, &["mdns"])),
        value: "true|false",
        default: Some("false"),
        help: "announce the server in the local network by mDNS: _http._tcp and _rtsp._tcp",
    },
    OptionSpec {
        setting: Setting::Congestion,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["congestion"])),
        value: "auto|bbr|cubic|system",
        default: Some("auto"),
        help: "TCP congestion control; auto takes bbr once packets are lost",
    },
    OptionSpec {
        setting: Setting::TrustedProxies,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["trustedProxies"])),
        value: "ADDRESSES",
        default: None,
        help: "proxies whose X-Forwarded-For, -Proto, -Host and Forwarded headers count, such as 127.0.0.1 or 10.0.0.0/8 (a list)",
    },
    OptionSpec {
        setting: Setting::FrameAncestors,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["frameAncestors"])),
        value: "ORIGINS",
        default: None,
        help: "other sites whose pages may show the page in a frame, such as https://home.example (a list)",
    },
    OptionSpec {
        setting: Setting::LogLevel,
        short: None,
        long: &[],
        env: Some("BERRYMSE_LOG"),
        file: Some((ConfigSection::Server, &["logLevel"])),
        value: "off|error|warn|info|debug|trace",
        default: Some("info"),
        help: "least important lines of the log; --verbose raises it a step; systemctl reload applies it",
    },
    access::USERS,
    access::TOKENS,
    access::PUBLIC_ACCESS,
    access::KEY_FILE,
    access::REVOKED,
    publish::URL,
    publish::NAME,
    publish::PREFIX,
    publish::USER,
    publish::PASSWORD,
    publish::TOKEN,
    publish::NKEY,
    publish::CREDENTIALS,
    publish::CA,
];

/// Returns the keys of a block of the file, with their settings.
pub(super) fn file_keys(section: ConfigSection) -> impl Iterator<Item = (&'static str, Setting)> {
    OPTIONS
        .iter()
        .filter_map(move |option| {
            option
                .file
                .filter(|(s, _)| *s == section)
                .map(|(_, names)| (option.setting, names))
        })
        .flat_map(|(setting, names)| names.iter().map(move |name| (*name, setting)))
}

#[cfg(test)]
mod tests;

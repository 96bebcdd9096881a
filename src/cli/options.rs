//! Every setting, once: its names on the command line, in the environment and in the file, its
//! default and its help. No reading and no checking here.

/// A setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Setting {
    /// The configuration file.
    Config,
    /// Where the pictures come from.
    Source,
    /// Width of the picture.
    Width,
    /// Height of the picture.
    Height,
    /// Bits per second.
    Bitrate,
    /// Whether the bit rate follows the viewers' lines.
    Adaptive,
    /// The least that it then goes down to.
    MinBitrate,
    /// Clockwise turn in degrees.
    Rotation,
    /// Mirrored left to right.
    Hflip,
    /// Mirrored top to bottom.
    Vflip,
    /// Pictures per second.
    Fps,
    /// Distance of two IDR pictures.
    KeyframeInterval,
    /// Controls of the camera and their values.
    Controls,
    /// Whether viewers may set controls.
    AllowControlChanges,
    /// Whether the camera is open only while somebody watches.
    OnDemand,
    /// Silence after which the source is opened again.
    StallAfter,
    /// Which encoders may be used.
    Encoder,
    /// The format to take from a camera without H.264.
    PixelFormat,
    /// The camera's name.
    Name,
    /// Addresses to listen on.
    Listen,
    /// The certificate for addresses with TLS.
    TlsCert,
    /// Its private key.
    TlsKey,
    /// Path of the first camera's live stream.
    Websocket,
    /// Origins of other sites' pages that may connect.
    AllowedOrigins,
    /// Names that the server answers to.
    Hosts,
    /// How many may watch at once.
    MaxViewers,
    /// Memory for the decoders of snapshots.
    DecodeMemory,
    /// Whether io_uring may be used.
    IoUring,
    /// TCP congestion control.
    Congestion,
}

/// A block of the configuration file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ConfigSection {
    /// `camera:` and the items of `cameras:`.
    Camera,
    /// `server:`.
    Server,
    /// `tls:`.
    Tls,
}

impl ConfigSection {
    /// The block's key in the file.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Server => "server",
            Self::Tls => "tls",
        }
    }
}

/// All about one setting.
pub(super) struct OptionSpec {
    pub(super) setting: Setting,
    /// The letter of the short option.
    pub(super) short: Option<char>,
    /// Long options without the dashes: the first is the name, the second the 2022 program's spelling, then aliases.
    pub(super) long: &'static [&'static str],
    pub(super) env: Option<&'static str>,
    /// Where it stands in the file, and its keys there: the first is the name.
    pub(super) file: Option<(ConfigSection, &'static [&'static str])>,
    /// The word for the value in the help.
    pub(super) value: &'static str,
    /// The default; `None` where nothing stands for "not set".
    pub(super) default: Option<&'static str>,
    pub(super) help: &'static str,
}

/// In the order of the help.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        setting: Setting::Config,
        short: Some('c'),
        long: &["config"],
        env: Some("BERRYMSE_CONFIG"),
        file: None,
        value: "FILE",
        default: None,
        help: "settings; ./config.yml if there is one, else\n/etc/berrymse/config.yml; DIR/ is DIR/config.yml",
    },
    OptionSpec {
        setting: Setting::Source,
        short: Some('d'),
        long: &["source", "Camera.SourceFD", "device"],
        env: Some("BERRYMSE_SOURCE"),
        file: Some((ConfigSection::Camera, &["source", "sourceFD"])),
        value: "SOURCE",
        default: Some("auto"),
        help: "where the pictures come from, see below; also\n--device",
    },
    OptionSpec {
        setting: Setting::Width,
        short: Some('w'),
        long: &["width", "Camera.Width"],
        env: Some("BERRYMSE_WIDTH"),
        file: Some((ConfigSection::Camera, &["width"])),
        value: "PX",
        default: Some("1280"),
        help: "width of the picture, 16 to 8192",
    },
    OptionSpec {
        setting: Setting::Height,
        short: Some('h'),
        long: &["height", "Camera.Height"],
        env: Some("BERRYMSE_HEIGHT"),
        file: Some((ConfigSection::Camera, &["height"])),
        value: "PX",
        default: Some("720"),
        help: "height of the picture, 16 to 8192; -h alone is\nthis help",
    },
    OptionSpec {
        setting: Setting::Bitrate,
        short: Some('b'),
        long: &["bitrate", "Camera.Bitrate"],
        env: Some("BERRYMSE_BITRATE"),
        file: Some((ConfigSection::Camera, &["bitrate"])),
        value: "BIT_PER_S",
        default: Some("1500000"),
        help: "bits per second, 25000 to 200000000; -1 leaves\nthe camera's own",
    },
    OptionSpec {
        setting: Setting::Adaptive,
        short: None,
        long: &["adaptive"],
        env: Some("BERRYMSE_ADAPTIVE"),
        file: Some((ConfigSection::Camera, &["adaptive"])),
        value: "true|false",
        default: Some("false"),
        help: "lower the bit rate while viewers' lines carry less,\nwhere the encoder can",
    },
    OptionSpec {
        setting: Setting::MinBitrate,
        short: None,
        long: &["min-bitrate"],
        env: Some("BERRYMSE_MIN_BITRATE"),
        file: Some((ConfigSection::Camera, &["minBitrate"])),
        value: "BIT_PER_S",
        default: Some("300000"),
        help: "with --adaptive: never below this",
    },
    OptionSpec {
        setting: Setting::Rotation,
        short: Some('r'),
        long: &["rotation", "Camera.Rotation"],
        env: Some("BERRYMSE_ROTATION"),
        file: Some((ConfigSection::Camera, &["rotation"])),
        value: "DEG",
        default: Some("0"),
        help: "turn clockwise by 0, 90, 180 or 270; -1 leaves\nthe camera's own",
    },
    OptionSpec {
        setting: Setting::Hflip,
        short: None,
        long: &["hflip"],
        env: Some("BERRYMSE_HFLIP"),
        file: Some((ConfigSection::Camera, &["hflip"])),
        value: "[true|false]",
        default: None,
        help: "mirror left to right, as seen after the turn;\nnot raw, it is the camera's own",
    },
    OptionSpec {
        setting: Setting::Vflip,
        short: None,
        long: &["vflip"],
        env: Some("BERRYMSE_VFLIP"),
        file: Some((ConfigSection::Camera, &["vflip"])),
        value: "[true|false]",
        default: None,
        help: "mirror top to bottom",
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
        help: "a keyframe every so many pictures, 1 to 100000",
    },
    OptionSpec {
        setting: Setting::OnDemand,
        short: None,
        long: &["on-demand"],
        env: Some("BERRYMSE_ON_DEMAND"),
        file: Some((ConfigSection::Camera, &["onDemand"])),
        value: "true|false",
        default: Some("false"),
        help: "open the camera only while somebody watches",
    },
    OptionSpec {
        setting: Setting::StallAfter,
        short: None,
        long: &["stall-after"],
        env: Some("BERRYMSE_STALL_AFTER"),
        file: Some((ConfigSection::Camera, &["stallAfter"])),
        value: "SECONDS",
        default: None,
        help: "open the camera again after so long without data,\n1 to 86400; 0: never; not raw, it is learned",
    },
    OptionSpec {
        setting: Setting::Encoder,
        short: None,
        long: &["encoder"],
        env: Some("BERRYMSE_ENCODER"),
        file: Some((ConfigSection::Camera, &["encoder"])),
        value: "WHICH",
        default: Some("auto"),
        help: "for cameras without H.264: auto, hardware or\nsoftware",
    },
    OptionSpec {
        setting: Setting::PixelFormat,
        short: None,
        long: &["pixel-format"],
        env: Some("BERRYMSE_PIXEL_FORMAT"),
        file: Some((ConfigSection::Camera, &["pixelFormat"])),
        value: "FOURCC",
        default: Some("auto"),
        help: "what to take from a camera to encode it, such as\nYUYV or MJPG; auto takes the least work",
    },
    OptionSpec {
        setting: Setting::Listen,
        short: Some('l'),
        long: &["listen", "Server.URL"],
        env: Some("BERRYMSE_LISTEN"),
        file: Some((ConfigSection::Server, &["listen", "url"])),
        value: "HOST:PORT",
        default: Some("localhost:2020"),
        help: "address to serve on, may be raw several times;\n:PORT is every address of this machine, PORT alone\nis localhost, port 0 any free one; with https://\nbefore it for TLS",
    },
    OptionSpec {
        setting: Setting::TlsCert,
        short: None,
        long: &["tls-cert"],
        env: Some("BERRYMSE_TLS_CERT"),
        file: Some((ConfigSection::Tls, &["cert"])),
        value: "FILE",
        default: None,
        help: "certificate for https:// addresses, with those that\nlead to its issuer (PEM)",
    },
    OptionSpec {
        setting: Setting::TlsKey,
        short: None,
        long: &["tls-key"],
        env: Some("BERRYMSE_TLS_KEY"),
        file: Some((ConfigSection::Tls, &["key"])),
        value: "FILE",
        default: None,
        help: "its private key (PEM); both files are read again\nwhen they have changed",
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
        help: "the camera's name in URLs: /live/NAME",
    },
    OptionSpec {
        setting: Setting::Controls,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Camera, &["controls"])),
        value: "BLOCK",
        default: None,
        help: "lines 'brightness: 130': what the camera itself is\nset to; /api/cameras/NAME/controls lists what it has",
    },
    OptionSpec {
        setting: Setting::AllowControlChanges,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["controls"])),
        value: "true|false",
        default: Some("true"),
        help: "viewers may set the cameras' controls",
    },
    OptionSpec {
        setting: Setting::AllowedOrigins,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["allowedOrigins"])),
        value: "ORIGINS",
        default: None,
        help: "other sites whose pages may show the cameras, such as\nhttps://example.com (a list, or * for all)",
    },
    OptionSpec {
        setting: Setting::Hosts,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["hosts"])),
        value: "NAMES",
        default: None,
        help: "the only names that this server answers to, beside\nlocalhost and IP addresses, such as pi.local (a list)",
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
        help: "viewers let in at once, 1 to 100000",
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
        help: "memory for the decoders of snapshots, of all cameras\ntogether, 8 to 4096 MB",
    },
    OptionSpec {
        setting: Setting::IoUring,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["ioUring"])),
        value: "true|false",
        default: Some("true"),
        help: "with many viewers: one system call for all, where\nthe system has io_uring",
    },
    OptionSpec {
        setting: Setting::Congestion,
        short: None,
        long: &[],
        env: None,
        file: Some((ConfigSection::Server, &["congestion"])),
        value: "auto|bbr|cubic|system",
        default: Some("auto"),
        help: "TCP congestion control; auto is bbr where the\nsystem allows it",
    },
];

/// Keys of a block of the file that stand for a setting: (key, setting).
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

//! All settings, and the blocks of the file that have them.

/// A setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Setting {
    /// The configuration file.
    Config,
    /// Source of the frames.
    Source,
    /// Frame width.
    Width,
    /// Frame height.
    Height,
    /// Bits per second.
    Bitrate,
    /// Switch for an adaptive bit rate.
    Adaptive,
    /// Lower limit of an adaptive bit rate.
    MinBitrate,
    /// Clockwise rotation in degrees.
    Rotation,
    /// Mirrored left to right.
    Hflip,
    /// Mirrored top to bottom.
    Vflip,
    /// Frames per second.
    Fps,
    /// Frames from keyframe to keyframe.
    KeyframeInterval,
    /// Controls of the camera and their values.
    Controls,
    /// Permission for viewers to set controls.
    AllowControlChanges,
    /// Switch for a camera that is open only while it has viewers.
    OnDemand,
    /// Time without data after which the source is re-opened.
    StallAfter,
    /// Encoders that may be used.
    Encoder,
    /// The format to take from a camera without H.264.
    PixelFormat,
    /// Lines of options for rpicam-vid.
    Rpicam,
    /// Further arguments for rpicam-vid.
    RpicamArgument,
    /// The camera's name.
    Name,
    Title,
    /// Addresses to listen on.
    Listen,
    /// Addresses for RTSP alone.
    Rtsp,
    /// Access unit delimiters at the end of RTSP frames.
    RtspDelimiter,
    /// Waiting for addresses that the machine does not have yet.
    WaitForAddress,
    /// The certificate for addresses with TLS.
    TlsCert,
    /// The private key of the certificate.
    TlsKey,
    /// Switch for a certificate that the program makes.
    TlsSelfSigned,
    /// Path of the first camera's live stream.
    Websocket,
    /// Origins of other sites' pages that may connect.
    AllowedOrigins,
    /// Names that the server answers to.
    Hosts,
    /// Limit of viewers at the same time.
    MaxViewers,
    /// Limits for clients.
    Limits,
    /// Memory for the decoders of snapshots.
    DecodeMemory,
    /// Permission to use io_uring.
    IoUring,
    /// Announcement by mDNS.
    Mdns,
    /// TCP congestion control.
    Congestion,
    /// Proxies whose headers about the client count.
    TrustedProxies,
    /// Origins of pages that may frame the page.
    FrameAncestors,
    /// Level of the log.
    LogLevel,
    /// Users with passwords.
    Users,
    /// Tokens of programs.
    Tokens,
    /// Permission to watch without a login.
    PublicAccess,
    /// The key that signs links and sessions.
    KeyFile,
    /// Links that no longer count.
    Revoked,
    /// Servers of NATS to publish to.
    PublishUrl,
    /// Name of the published camera.
    PublishName,
    /// First part of the subjects.
    PublishPrefix,
    /// User of the servers of NATS.
    PublishUser,
    /// Password of the user.
    PublishPassword,
    /// Token of the servers of NATS.
    PublishToken,
    /// File with the seed of an nkey.
    PublishNkey,
    /// File with a token and its seed.
    PublishCredentials,
    /// Authorities that sign the servers' certificates.
    PublishCa,
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
    /// `access:`.
    Access,
    /// `publish:`.
    Publish,
}

impl Setting {
    /// Returns true if values add up when the setting is given more than once. Of the others the last one counts.
    pub(super) const fn is_repeatable(self) -> bool {
        matches!(
            self,
            Self::Listen
                | Self::Rtsp
                | Self::AllowedOrigins
                | Self::Hosts
                | Self::Controls
                | Self::Rpicam
                | Self::RpicamArgument
                | Self::Limits
                | Self::TrustedProxies
                | Self::FrameAncestors
                | Self::PublishUrl
        )
    }

    /// Returns true if the option means "true" without a value, as those of rpicam-vid.
    pub(super) const fn is_true_alone(self) -> bool {
        matches!(self, Self::Hflip | Self::Vflip | Self::Mdns)
    }
}

impl ConfigSection {
    pub(super) const ALL: [Self; 5] = [
        Self::Camera,
        Self::Server,
        Self::Tls,
        Self::Access,
        Self::Publish,
    ];

    /// The block's key in the file.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Server => "server",
            Self::Tls => "tls",
            Self::Access => "access",
            Self::Publish => "publish",
        }
    }
}

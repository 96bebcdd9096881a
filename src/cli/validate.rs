//! Second stage: parses the effective text of each setting and checks the settings together.

pub(super) mod publish;
mod rpicam;

use super::errors::Errors;
use super::file::{CameraSection, File};
use super::options::{OPTIONS, Setting};
use super::raw_setting::{RawSetting, SettingSource};
use super::{Config, Error, limits, parsers, raised};
use crate::camera::{self, Activation};
use crate::serve::{self, Address, CertPaths};
use crate::source::{Flips, Settings, SourceSpec};
use std::ops::RangeInclusive;

/// Returns the checked configuration of command line, environment and file, or `None` after an error.
pub(super) fn config(
    flags: &[RawSetting],
    environment: &[RawSetting],
    file: File,
    verbose: usize,
    errors: &Errors,
) -> Option<Config> {
    let layers = |file| LayeredSettings {
        layers: [flags, environment, file],
        errors,
    };
    let mut notes = Vec::new();
    let cameras: Vec<Option<camera::Config>> = match &file.cameras {
        CameraSection::Single(settings) => vec![camera(layers(settings), &mut notes)],
        CameraSection::List(list) => {
            if list.len() > 1 {
                errors.keep(one_source_for_all(&[flags, environment], list.len()));
            }
            list.iter()
                .map(|(place, settings)| {
                    if !settings.iter().any(|raw| raw.setting == Setting::Name) {
                        errors.push(Error(format!("{place}: this camera needs a name")));
                    }
                    camera(layers(settings), &mut notes)
                })
                .collect()
        }
    };
    if let CameraSection::List(list) = &file.cameras {
        report_duplicates(&cameras, list, errors);
    }
    let server = server(layers(&file.server));
    let log = layers(&file.server).parse(Setting::LogLevel, parsers::log_level);
    let publish = publish::config(layers(&file.publish));
    if let Some(access) = &file.access
        && access.users.is_empty()
        && access.tokens.is_empty()
        && !access.is_public
    {
        notes.push(
            "access: nobody can log in (users and tokens are empty), only signed links open a camera; add access.users, or \
             write public: viewer"
                .to_owned(),
        );
    }
    Some(Config {
        cameras: cameras.into_iter().collect::<Option<_>>()?,
        server: server?,
        access: file.access,
        publish: publish?,
        log: raised(log?, verbose),
        file: file.path,
        is_bare: false,
        has_qr: false,
        notes,
    })
    .filter(|_| errors.first().is_none())
}

/// Refuses a source for several cameras at once.
fn one_source_for_all(layers: &[&[RawSetting]], cameras: usize) -> Result<(), Error> {
    match layers.iter().flat_map(|layer| layer.iter()).find(|raw| raw.setting == Setting::Source) {
        None => Ok(()),
        Some(raw) => Err(raw.error(format!(
            "the configuration file has {cameras} cameras; change their sources there, or name another file with --config"
        ))),
    }
}

/// Reports cameras that share a name, or standard input.
fn report_duplicates(
    cameras: &[Option<camera::Config>],
    list: &[(String, Vec<RawSetting>)],
    errors: &Errors,
) {
    for (i, (camera, (place, settings))) in cameras.iter().zip(list).enumerate() {
        let Some(camera) = camera else { continue };
        let mut before = cameras.iter().take(i).flatten();
        let is_named = settings.iter().any(|raw| raw.setting == Setting::Name);
        if is_named && before.clone().any(|other| other.name == camera.name) {
            errors.push(Error(format!(
                "{place}: there is a camera named '{}' already",
                camera.name
            )));
        }
        if camera.source == SourceSpec::Stdin
            && before.any(|other| other.source == SourceSpec::Stdin)
        {
            errors.push(Error(format!(
                "{place}: only one camera can read standard input (-)"
            )));
        }
    }
}

/// Returns a camera. All its settings are parsed before the first `?`, so that each error is found.
fn camera(layers: LayeredSettings<'_>, notes: &mut Vec<String>) -> Option<camera::Config> {
    let source = layers.effective(Setting::Source);
    let width = layers.parse(Setting::Width, parsers::pixels);
    let height = layers.parse(Setting::Height, parsers::pixels);
    let fps = layers.parse(Setting::Fps, parsers::fps);
    let bitrate = layers.parse(Setting::Bitrate, parsers::bitrate);
    let rotation = layers.parse(Setting::Rotation, parsers::rotation);
    let hflip = layers.parse_if_set(Setting::Hflip, parsers::parse_bool);
    let vflip = layers.parse_if_set(Setting::Vflip, parsers::parse_bool);
    let keyframe_interval = layers.parse(Setting::KeyframeInterval, parsers::keyframe_interval);
    let name = layers.parse(Setting::Name, parsers::camera_name);
    let title = layers.parse_if_set(Setting::Title, parsers::title);
    let spec = layers.parse(Setting::Source, parsers::source);
    let on_demand = layers.parse(Setting::OnDemand, parsers::parse_bool);
    if on_demand == Some(true) && spec == Some(SourceSpec::Stdin) {
        layers
            .errors
            .push(layers.effective(Setting::OnDemand).error(
                "standard input (-) cannot be closed and opened again; exec:COMMAND can".to_owned(),
            ));
    }
    // Frames cross the network only while somebody watches, unless the user says otherwise.
    let follows_viewers = spec.as_ref().is_some_and(SourceSpec::is_remote_on_demand)
        && layers.effective(Setting::OnDemand).from == SettingSource::Default;
    let controls = layers.parse_all(Setting::Controls, parsers::control);
    let adaptive_bitrate = adaptive(layers, bitrate);
    let encoder = layers.parse(Setting::Encoder, parsers::encoder);
    let pixel_format = layers.parse(Setting::PixelFormat, parsers::pixel_format);
    let rpicam = rpicam::options(layers);
    let rtsp_delimiter = layers.parse(Setting::RtspDelimiter, parsers::auto_or_bool);
    let stall_after = layers.parse_if_set(Setting::StallAfter, parsers::stall_after);
    if let (Some(name), Some(width), Some(height)) = (&name, width, height)
        && (!width.is_multiple_of(2) || !height.is_multiple_of(2))
    {
        notes.push(format!(
            "camera {name}: {width}x{height} is odd; nearly all cameras give even sizes only and will choose another"
        ));
    }
    if let (Some(name), Some(spec), Some(rpicam)) = (&name, &spec, &rpicam) {
        notes.extend(rpicam::without_effect(name, spec, rpicam));
    }
    Some(camera::Config {
        name: name?,
        title: title?,
        source: spec?,
        source_text: source.text,
        settings: Settings {
            width: width?,
            height: height?,
            fps: fps?,
            bitrate: bitrate?,
            rotation: rotation?,
            flips: Flips {
                horizontal: hflip?,
                vertical: vflip?,
            },
            keyframe_interval: keyframe_interval?,
        },
        encoder: encoder?,
        pixel_format: pixel_format?,
        rpicam: rpicam?,
        activation: if on_demand? || follows_viewers {
            Activation::OnDemand
        } else {
            Activation::Always
        },
        stall_after: stall_after?,
        controls,
        adaptive_bitrate: adaptive_bitrate?,
        rtsp_delimiter: rtsp_delimiter?,
    })
}

/// Returns the range of an adaptive bit rate. The default of its lower limit is never above the bit rate.
fn adaptive(
    layers: LayeredSettings<'_>,
    bitrate: Option<Option<u32>>,
) -> Option<Option<RangeInclusive<u32>>> {
    let least = layers.parse(Setting::MinBitrate, parsers::least_bitrate);
    let is_adaptive = layers.parse(Setting::Adaptive, parsers::parse_bool);
    let (least, bitrate) = (least?, bitrate?);
    if !is_adaptive? {
        return Some(None);
    }
    let Some(most) = bitrate else {
        let why = "needs to know the most that is wanted; give a bit rate";
        let raw = layers.effective(Setting::Adaptive);
        layers.errors.push(raw.error(why.to_owned()));
        return None;
    };
    let raw = layers.effective(Setting::MinBitrate);
    if least > most && raw.from != SettingSource::Default {
        let why = format!("{least} is more than the bit rate, {most}");
        layers.errors.push(raw.error(why));
        return None;
    }
    Some(Some(least.min(most)..=most))
}

fn server(layers: LayeredSettings<'_>) -> Option<serve::Config> {
    let errors = layers.errors;
    let mut all = Vec::new();
    let listen = addresses(layers, Setting::Listen, parsers::listen, &mut all);
    let rtsp = addresses(layers, Setting::Rtsp, parsers::rtsp, &mut all);
    let allowed_origins = layers.parse_all(Setting::AllowedOrigins, parsers::origins);
    let allowed_hosts = layers.parse_all(Setting::Hosts, parsers::hosts);
    let frame_ancestors = layers.parse_all(Setting::FrameAncestors, parsers::origins);
    let trusted_proxies = layers.parse_all(Setting::TrustedProxies, parsers::networks);
    let wait_for_address = layers.parse(Setting::WaitForAddress, parsers::parse_bool);
    let is_self_signed = layers.parse(Setting::TlsSelfSigned, parsers::parse_bool);
    let tls = errors.keep(match is_self_signed {
        Some(true) => self_signed(layers, &all).map(Some),
        _ => tls(layers, &all),
    });
    let websocket_name = layers.parse(Setting::Websocket, parsers::websocket);
    let max_viewers = layers.parse(Setting::MaxViewers, parsers::viewers);
    let limit_lines = layers.parse_all(Setting::Limits, limits::line);
    let decode_memory_mb = layers.parse(Setting::DecodeMemory, parsers::decode_memory);
    let allow_control_changes =
        layers.parse_if_set(Setting::AllowControlChanges, parsers::parse_bool);
    let io_uring = layers.parse(Setting::IoUring, parsers::parse_bool);
    let has_mdns = layers.parse(Setting::Mdns, parsers::parse_bool);
    let congestion = layers.parse(Setting::Congestion, parsers::congestion);
    Some(serve::Config {
        listen,
        rtsp,
        wait_for_address: wait_for_address?,
        tls: tls?,
        is_self_signed: is_self_signed?,
        websocket_name: websocket_name?,
        allowed_origins: allowed_origins.concat(),
        allowed_hosts: allowed_hosts.concat(),
        max_viewers: max_viewers?,
        limits: limits::limits(&limit_lines),
        decode_memory_mb: decode_memory_mb?,
        allow_control_changes: allow_control_changes?,
        frame_ancestors: frame_ancestors.concat(),
        trusted_proxies: trusted_proxies.concat(),
        io_uring: io_uring?,
        has_mdns: has_mdns?,
        congestion: congestion?,
    })
}

/// Returns the addresses of a setting, none of which is in `all`, and adds them to that.
fn addresses(
    layers: LayeredSettings<'_>,
    setting: Setting,
    read: fn(&str) -> Result<Vec<Address>, String>,
    all: &mut Vec<Address>,
) -> Vec<Address> {
    let mut found = Vec::new();
    for address in layers.parse_all(setting, read).concat() {
        let is_same = |other: &Address| (&other.host, other.port) == (&address.host, address.port);
        if address.port != 0 && all.iter().any(is_same) {
            let raw = layers.effective(setting);
            let why = raw.error(format!("{address} is given twice"));
            layers.errors.push(why);
            continue;
        }
        all.push(address.clone());
        found.push(address);
    }
    found
}

/// Returns the names of the files of a certificate that the program makes; their folder is found later.
fn self_signed(layers: LayeredSettings<'_>, listen: &[Address]) -> Result<CertPaths, Error> {
    let own = layers.effective(Setting::TlsSelfSigned);
    let given = [Setting::TlsCert, Setting::TlsKey];
    if let Some(raw) = given
        .into_iter()
        .find_map(|setting| layers.all(setting).pop())
    {
        return Err(own.error(format!(
            "{} is given as well; leave out one of them",
            raw.from
        )));
    }
    if !listen.iter().any(|address| address.is_secure) {
        let example = listen.first().map_or_else(String::new, ToString::to_string);
        return Err(own.error(format!(
            "no address has TLS; write --listen https://{example} for one that has"
        )));
    }
    Ok(CertPaths {
        cert: "tls.crt".into(),
        key: "tls.key".into(),
    })
}

/// Returns the certificate for the addresses with TLS. One without the other is an error: a forgotten `https://` must not serve in
/// the clear.
fn tls(layers: LayeredSettings<'_>, listen: &[Address]) -> Result<Option<CertPaths>, Error> {
    let (cert, key) = (
        layers.all(Setting::TlsCert).pop(),
        layers.all(Setting::TlsKey).pop(),
    );
    let secure = listen.iter().find(|address| address.is_secure);
    match (cert, key, secure) {
        (Some(cert), Some(key), Some(_)) => Ok(Some(CertPaths {
            cert: cert.text.into(),
            key: key.text.into(),
        })),
        (Some(raw), _, None) | (None, Some(raw), None) => {
            let example = listen.first().map_or_else(String::new, ToString::to_string);
            Err(raw.error(format!(
                "no address has TLS; write --listen https://{example} for one that has"
            )))
        }
        (Some(raw), None, _) => {
            Err(raw.error("its private key is needed too: --tls-key FILE, or tls.key in the file"))
        }
        (None, Some(raw), _) => {
            Err(raw
                .error("its certificate is needed too: --tls-cert FILE, or tls.cert in the file"))
        }
        (None, None, Some(address)) => Err(Error(format!(
            "{address} needs a certificate and its key: --tls-cert FILE --tls-key FILE, or tls.cert and tls.key in the file"
        ))),
        (None, None, None) => Ok(None),
    }
}

/// Settings of command line, environment and file. The first layer that has a setting decides it.
#[derive(Clone, Copy)]
struct LayeredSettings<'a> {
    layers: [&'a [RawSetting]; 3],
    /// Errors of all settings that were parsed.
    errors: &'a Errors,
}

impl LayeredSettings<'_> {
    /// Returns the effective texts of a setting: of the first layer that has it, else the default, if any.
    fn all(&self, setting: Setting) -> Vec<RawSetting> {
        for layer in self.layers {
            let mut found: Vec<RawSetting> = layer
                .iter()
                .filter(|raw| raw.setting == setting)
                .cloned()
                .collect();
            if !found.is_empty() {
                if !setting.is_repeatable() {
                    found.drain(..found.len() - 1);
                }
                return found;
            }
        }
        let default = OPTIONS
            .iter()
            .find(|option| option.setting == setting)
            .and_then(|option| option.default);
        default
            .map(|text| RawSetting {
                setting,
                text: text.to_owned(),
                from: SettingSource::Default,
            })
            .into_iter()
            .collect()
    }

    /// Returns the effective text of a setting that has a default.
    fn effective(&self, setting: Setting) -> RawSetting {
        self.all(setting).pop().unwrap_or(RawSetting {
            setting,
            text: String::new(),
            from: SettingSource::Default,
        })
    }

    /// Parses the effective text of a setting; `None` after an error.
    fn parse<T>(&self, setting: Setting, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let raw = self.effective(setting);
        self.errors
            .keep(read(&raw.text).map_err(|why| raw.error(why)))
    }

    /// Parses a setting without a default; `None` after an error.
    fn parse_if_set<T>(
        &self,
        setting: Setting,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let Some(raw) = self.all(setting).pop() else {
            return Some(None);
        };
        self.errors
            .keep(read(&raw.text).map_err(|why| raw.error(why)))
            .map(Some)
    }

    /// Parses all effective texts of a setting, without those that have errors.
    fn parse_all<T>(&self, setting: Setting, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.all(setting)
            .into_iter()
            .filter_map(|raw| {
                self.errors
                    .keep(read(&raw.text).map_err(|why| raw.error(why)))
            })
            .collect()
    }
}

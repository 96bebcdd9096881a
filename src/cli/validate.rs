//! Second stage: parses the effective text of each setting and checks the settings together.

use super::file::{CameraSection, File};
use super::options::{OPTIONS, Setting};
use super::raw_setting::{RawSetting, SettingSource};
use super::{Config, Error, parsers};
use crate::camera::{self, Activation};
use crate::serve::{self, Address, CertPaths};
use crate::source::{Flips, Settings, SourceSpec};
use log::LevelFilter;
use std::ops::RangeInclusive;

/// Returns the checked configuration of command line, environment and file.
pub(super) fn config(
    flags: &[RawSetting],
    environment: &[RawSetting],
    file: File,
    log: LevelFilter,
) -> Result<Config, Error> {
    let layers = |file| LayeredSettings([flags, environment, file]);
    let mut notes = Vec::new();
    let cameras = match &file.cameras {
        CameraSection::Single(settings) => vec![camera(layers(settings), &mut notes)?],
        CameraSection::List(list) => {
            if list.len() > 1 {
                one_source_for_all(&[flags, environment], list.len())?;
            }
            list.iter()
                .map(|(place, settings)| {
                    if !settings.iter().any(|raw| raw.setting == Setting::Name) {
                        return Err(Error(format!("{place}: this camera needs a name")));
                    }
                    camera(layers(settings), &mut notes)
                })
                .collect::<Result<_, _>>()?
        }
    };
    if let CameraSection::List(list) = &file.cameras {
        unique(&cameras, list)?;
    }
    let server = server(layers(&file.server))?;
    Ok(Config {
        cameras,
        server,
        access: file.access,
        log,
        file: file.path,
        notes,
    })
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

/// Refuses two cameras of one name, and two that read standard input.
fn unique(cameras: &[camera::Config], list: &[(String, Vec<RawSetting>)]) -> Result<(), Error> {
    for (i, (camera, (place, _))) in cameras.iter().zip(list).enumerate() {
        let before = cameras.get(..i).unwrap_or_default();
        if before.iter().any(|other| other.name == camera.name) {
            return Err(Error(format!(
                "{place}: there is a camera named '{}' already",
                camera.name
            )));
        }
        if camera.source == SourceSpec::Stdin
            && before.iter().any(|other| other.source == SourceSpec::Stdin)
        {
            return Err(Error(format!(
                "{place}: only one camera can read standard input (-)"
            )));
        }
    }
    Ok(())
}

fn camera(layers: LayeredSettings<'_>, notes: &mut Vec<String>) -> Result<camera::Config, Error> {
    let source = layers.effective(Setting::Source);
    let settings = Settings {
        width: layers.parse(Setting::Width, parsers::pixels)?,
        height: layers.parse(Setting::Height, parsers::pixels)?,
        fps: layers.parse(Setting::Fps, parsers::fps)?,
        bitrate: layers.parse(Setting::Bitrate, parsers::bitrate)?,
        rotation: layers.parse(Setting::Rotation, parsers::rotation)?,
        flips: Flips {
            horizontal: layers.parse_if_set(Setting::Hflip, parsers::parse_bool)?,
            vertical: layers.parse_if_set(Setting::Vflip, parsers::parse_bool)?,
        },
        keyframe_interval: layers.parse(Setting::KeyframeInterval, parsers::keyframe_interval)?,
    };
    let name = layers.parse(Setting::Name, parsers::camera_name)?;
    if !settings.width.is_multiple_of(2) || !settings.height.is_multiple_of(2) {
        notes.push(format!(
            "camera {name}: {}x{} is odd; nearly all cameras give even sizes only and will choose another",
            settings.width, settings.height
        ));
    }
    let spec = layers.parse(Setting::Source, parsers::source)?;
    let on_demand = layers.parse(Setting::OnDemand, parsers::parse_bool)?;
    if on_demand && spec == SourceSpec::Stdin {
        return Err(layers.effective(Setting::OnDemand).error(
            "standard input (-) cannot be closed and opened again; exec:COMMAND can".to_owned(),
        ));
    }
    let controls = layers
        .all(Setting::Controls)
        .into_iter()
        .map(|raw| parsers::control(&raw.text).map_err(|why| raw.error(why)))
        .collect::<Result<_, _>>()?;
    let adaptive_bitrate = adaptive(layers, settings.bitrate)?;
    Ok(camera::Config {
        name,
        source: spec,
        source_text: source.text,
        settings,
        encoder: layers.parse(Setting::Encoder, parsers::encoder)?,
        pixel_format: layers.parse(Setting::PixelFormat, parsers::pixel_format)?,
        activation: if on_demand {
            Activation::OnDemand
        } else {
            Activation::Always
        },
        stall_after: layers.parse_if_set(Setting::StallAfter, parsers::stall_after)?,
        controls,
        adaptive_bitrate,
    })
}

/// Returns the range of an adaptive bit rate. The default of its lower limit is never above the bit rate.
fn adaptive(
    layers: LayeredSettings<'_>,
    bitrate: Option<u32>,
) -> Result<Option<RangeInclusive<u32>>, Error> {
    let least = layers.parse(Setting::MinBitrate, parsers::least_bitrate)?;
    if !layers.parse(Setting::Adaptive, parsers::parse_bool)? {
        return Ok(None);
    }
    let Some(most) = bitrate else {
        let why = "needs to know the most that is wanted; give a bit rate";
        return Err(layers.effective(Setting::Adaptive).error(why.to_owned()));
    };
    let raw = layers.effective(Setting::MinBitrate);
    if least > most && raw.from != SettingSource::Default {
        return Err(raw.error(format!("{least} is more than the bit rate, {most}")));
    }
    Ok(Some(least.min(most)..=most))
}

fn server(layers: LayeredSettings<'_>) -> Result<serve::Config, Error> {
    let mut listen: Vec<Address> = Vec::new();
    for raw in layers.all(Setting::Listen) {
        for address in parsers::listen(&raw.text).map_err(|why| raw.error(why))? {
            if address.port != 0 && listen.contains(&address) {
                return Err(raw.error(format!("{address} is given twice")));
            }
            listen.push(address);
        }
    }
    let mut allowed_origins = Vec::new();
    for raw in layers.all(Setting::AllowedOrigins) {
        allowed_origins.extend(parsers::origins(&raw.text).map_err(|why| raw.error(why))?);
    }
    let mut allowed_hosts = Vec::new();
    for raw in layers.all(Setting::Hosts) {
        allowed_hosts.extend(parsers::hosts(&raw.text).map_err(|why| raw.error(why))?);
    }
    let mut frame_ancestors = Vec::new();
    for raw in layers.all(Setting::FrameAncestors) {
        frame_ancestors.extend(parsers::origins(&raw.text).map_err(|why| raw.error(why))?);
    }
    let mut trusted_proxies = Vec::new();
    for raw in layers.all(Setting::TrustedProxies) {
        trusted_proxies.extend(parsers::networks(&raw.text).map_err(|why| raw.error(why))?);
    }
    let is_self_signed = layers.parse(Setting::TlsSelfSigned, parsers::parse_bool)?;
    let tls = match is_self_signed {
        true => Some(self_signed(layers, &listen)?),
        false => tls(layers, &listen)?,
    };
    Ok(serve::Config {
        listen,
        tls,
        is_self_signed,
        websocket_name: layers.parse(Setting::Websocket, parsers::websocket)?,
        allowed_origins,
        allowed_hosts,
        max_viewers: layers.parse(Setting::MaxViewers, parsers::viewers)?,
        decode_memory_mb: layers.parse(Setting::DecodeMemory, parsers::decode_memory)?,
        allow_control_changes: layers
            .parse_if_set(Setting::AllowControlChanges, parsers::parse_bool)?,
        frame_ancestors,
        trusted_proxies,
        io_uring: layers.parse(Setting::IoUring, parsers::parse_bool)?,
        congestion: layers.parse(Setting::Congestion, parsers::congestion)?,
    })
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
struct LayeredSettings<'a>([&'a [RawSetting]; 3]);

impl LayeredSettings<'_> {
    /// Returns the effective texts of a setting: of the first layer that has it, else the default, if any.
    fn all(&self, setting: Setting) -> Vec<RawSetting> {
        for layer in self.0 {
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

    fn parse<T>(
        &self,
        setting: Setting,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Error> {
        let raw = self.effective(setting);
        read(&raw.text).map_err(|why| raw.error(why))
    }

    /// Parses a setting without a default.
    fn parse_if_set<T>(
        &self,
        setting: Setting,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let raw = self.all(setting).pop();
        let read = raw.map(|raw| read(&raw.text).map_err(|why| raw.error(why)));
        read.transpose()
    }
}

//! The second stage: for each setting the text that counts, read and checked together.

use super::arguments::adds_up;
use super::file::{Cameras, File};
use super::given::{Given, Origin};
use super::table::{Key, TABLE};
use super::{Camera, Config, Error, Server, values};
use crate::serve::{Address, TlsFiles};
use crate::source::{Flips, Settings, Spec};
use log::LevelFilter;
use std::ops::RangeInclusive;

/// The checked configuration from what was given on the command line, in the environment and in the file.
pub(super) fn config(
    flags: &[Given],
    environment: &[Given],
    file: File,
    log: LevelFilter,
) -> Result<Config, Error> {
    let layers = |file| Layers([flags, environment, file]);
    let mut notes = Vec::new();
    let cameras = match &file.cameras {
        Cameras::One(given) => vec![camera(layers(given), &mut notes)?],
        Cameras::List(list) => {
            if list.len() > 1 {
                one_source_for_all(&[flags, environment], list.len())?;
            }
            list.iter()
                .map(|(place, given)| {
                    if !given.iter().any(|g| g.key == Key::Name) {
                        return Err(Error(format!("{place}: this camera needs a name")));
                    }
                    camera(layers(given), &mut notes)
                })
                .collect::<Result<_, _>>()?
        }
    };
    if let Cameras::List(list) = &file.cameras {
        unique(&cameras, list)?;
    }
    let server = server(layers(&file.server))?;
    Ok(Config {
        cameras,
        server,
        log,
        file: file.path,
        notes,
    })
}

/// Refuses a source for several cameras at once.
fn one_source_for_all(layers: &[&[Given]], cameras: usize) -> Result<(), Error> {
    match layers.iter().flat_map(|layer| layer.iter()).find(|given| given.key == Key::Source) {
        None => Ok(()),
        Some(given) => Err(given.refuse(format!(
            "the configuration file has {cameras} cameras; change their sources there, or name another file with --config"
        ))),
    }
}

/// Refuses two cameras of one name, and two that read standard input.
fn unique(cameras: &[Camera], list: &[(String, Vec<Given>)]) -> Result<(), Error> {
    for (i, (camera, (place, _))) in cameras.iter().zip(list).enumerate() {
        let before = cameras.get(..i).unwrap_or_default();
        if before.iter().any(|other| other.name == camera.name) {
            return Err(Error(format!(
                "{place}: there is a camera named '{}' already",
                camera.name
            )));
        }
        if camera.source == Spec::Stdin && before.iter().any(|other| other.source == Spec::Stdin) {
            return Err(Error(format!(
                "{place}: only one camera can read standard input (-)"
            )));
        }
    }
    Ok(())
}

fn camera(layers: Layers<'_>, notes: &mut Vec<String>) -> Result<Camera, Error> {
    let source = layers.last(Key::Source);
    let settings = Settings {
        width: layers.read(Key::Width, values::pixels)?,
        height: layers.read(Key::Height, values::pixels)?,
        fps: layers.read(Key::Fps, values::fps)?,
        bitrate: layers.read(Key::Bitrate, values::bitrate)?,
        rotation: layers.read(Key::Rotation, values::rotation)?,
        flips: Flips {
            horizontal: layers.read_if_given(Key::Hflip, values::switch)?,
            vertical: layers.read_if_given(Key::Vflip, values::switch)?,
        },
        keyframe_interval: layers.read(Key::KeyframeInterval, values::keyframe_interval)?,
    };
    let name = layers.read(Key::Name, values::camera_name)?;
    if !settings.width.is_multiple_of(2) || !settings.height.is_multiple_of(2) {
        notes.push(format!(
            "camera {name}: {}x{} is odd; nearly all cameras give even sizes only and will choose another",
            settings.width, settings.height
        ));
    }
    let spec = layers.read(Key::Source, values::source)?;
    let on_demand = layers.read(Key::OnDemand, values::switch)?;
    if on_demand && spec == Spec::Stdin {
        return Err(layers.last(Key::OnDemand).refuse(
            "standard input (-) cannot be closed and opened again; exec:COMMAND can".to_owned(),
        ));
    }
    let controls = layers
        .all(Key::Controls)
        .into_iter()
        .map(|given| values::control(&given.text).map_err(|why| given.refuse(why)))
        .collect::<Result<_, _>>()?;
    let adaptive = adaptive(layers, settings.bitrate)?;
    Ok(Camera {
        name,
        source: spec,
        source_text: source.text,
        settings,
        encoder: layers.read(Key::Encoder, values::encoder)?,
        pixel_format: layers.read(Key::PixelFormat, values::pixel_format)?,
        on_demand,
        stall_after: layers.read_if_given(Key::StallAfter, values::stall_after)?,
        controls,
        adaptive,
    })
}

/// The range of an adaptive bit rate. The default of its lower end gives way to a lower bit rate.
fn adaptive(
    layers: Layers<'_>,
    bitrate: Option<u32>,
) -> Result<Option<RangeInclusive<u32>>, Error> {
    let least = layers.read(Key::MinBitrate, values::least_bitrate)?;
    if !layers.read(Key::Adaptive, values::switch)? {
        return Ok(None);
    }
    let Some(most) = bitrate else {
        let why = "needs to know the most that is wanted; give a bit rate";
        return Err(layers.last(Key::Adaptive).refuse(why.to_owned()));
    };
    let given = layers.last(Key::MinBitrate);
    if least > most && given.from != Origin::Default {
        return Err(given.refuse(format!("{least} is more than the bit rate, {most}")));
    }
    Ok(Some(least.min(most)..=most))
}

fn server(layers: Layers<'_>) -> Result<Server, Error> {
    let mut listen: Vec<Address> = Vec::new();
    for given in layers.all(Key::Listen) {
        for address in values::listen(&given.text).map_err(|why| given.refuse(why))? {
            if address.port != 0 && listen.contains(&address) {
                return Err(given.refuse(format!("{address} is given twice")));
            }
            listen.push(address);
        }
    }
    let mut allowed_origins = Vec::new();
    for given in layers.all(Key::AllowedOrigins) {
        allowed_origins.extend(values::origins(&given.text).map_err(|why| given.refuse(why))?);
    }
    let mut hosts = Vec::new();
    for given in layers.all(Key::Hosts) {
        hosts.extend(values::hosts(&given.text).map_err(|why| given.refuse(why))?);
    }
    let tls = tls(layers, &listen)?;
    Ok(Server {
        listen,
        tls,
        websocket: layers.read(Key::Websocket, values::websocket)?,
        allowed_origins,
        hosts,
        max_viewers: layers.read(Key::MaxViewers, values::viewers)?,
        decode_memory: layers.read(Key::DecodeMemory, values::decode_memory)?,
        controls: layers.read(Key::SetControls, values::switch)?,
        io_uring: layers.read(Key::IoUring, values::switch)?,
        congestion: layers.read(Key::Congestion, values::congestion)?,
    })
}

/// The certificate for the addresses with TLS. Neither without the other: who gives a certificate must not be served in
/// the clear for a word that is missing.
fn tls(layers: Layers<'_>, listen: &[Address]) -> Result<Option<TlsFiles>, Error> {
    let (cert, key) = (
        layers.all(Key::Certificate).pop(),
        layers.all(Key::Secret).pop(),
    );
    let secure = listen.iter().find(|address| address.is_secure);
    match (cert, key, secure) {
        (Some(cert), Some(key), Some(_)) => Ok(Some(TlsFiles {
            cert: cert.text.into(),
            key: key.text.into(),
        })),
        (Some(given), _, None) | (None, Some(given), None) => {
            let example = listen.first().map_or_else(String::new, ToString::to_string);
            Err(given.refuse(format!(
                "no address has TLS; write --listen https://{example} for one that has"
            )))
        }
        (Some(given), None, _) => {
            Err(given
                .refuse("its private key is needed too: --tls-key FILE, or tls.key in the file"))
        }
        (None, Some(given), _) => {
            Err(given
                .refuse("its certificate is needed too: --tls-cert FILE, or tls.cert in the file"))
        }
        (None, None, Some(address)) => Err(Error(format!(
            "{address} needs a certificate and its key: --tls-cert FILE --tls-key FILE, or tls.cert and tls.key in the file"
        ))),
        (None, None, None) => Ok(None),
    }
}

/// Command line, environment, file: the first that has a setting decides it.
#[derive(Clone, Copy)]
struct Layers<'a>([&'a [Given]; 3]);

impl Layers<'_> {
    /// All that counts for a setting: of the first layer that has it, else the default; empty without one.
    fn all(&self, key: Key) -> Vec<Given> {
        for layer in self.0 {
            let mut found: Vec<Given> = layer
                .iter()
                .filter(|given| given.key == key)
                .cloned()
                .collect();
            if !found.is_empty() {
                if !adds_up(key) {
                    found.drain(..found.len() - 1);
                }
                return found;
            }
        }
        let default = TABLE
            .iter()
            .find(|row| row.key == key)
            .and_then(|row| row.default);
        default
            .map(|text| Given {
                key,
                text: text.to_owned(),
                from: Origin::Default,
            })
            .into_iter()
            .collect()
    }

    /// The one text of a setting that has a default.
    fn last(&self, key: Key) -> Given {
        self.all(key).pop().unwrap_or(Given {
            key,
            text: String::new(),
            from: Origin::Default,
        })
    }

    fn read<T>(&self, key: Key, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Error> {
        let given = self.last(key);
        read(&given.text).map_err(|why| given.refuse(why))
    }

    /// The same for a setting without a default.
    fn read_if_given<T>(
        &self,
        key: Key,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let given = self.all(key).pop();
        let read = given.map(|given| read(&given.text).map_err(|why| given.refuse(why)));
        read.transpose()
    }
}

//! Finds the configuration file and turns its blocks and keys into raw settings. Values are not parsed here, but for those of
//! `access:`, which are lists of blocks.

mod access;
mod rpicam;

use super::Error;
use super::errors::Errors;
use super::options::{ConfigSection, Setting, file_keys};
use super::raw_setting::{RawSetting, SettingSource};
use super::yaml::{self, Entry, Node, Value};
use crate::access as access_control;
use crate::suggest::closest_match;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// File name in the current directory, and in a directory that `--config` names.
const NAME: &str = "config.yml";
/// Path of the file if the current directory has none.
const SYSTEM: &str = "/etc/berrymse/config.yml";
/// Limit of the file's size. It keeps `-c /dev/zero` from filling the memory.
const MAX_BYTES: u64 = 1 << 20;

/// Settings of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct File {
    /// The file that was read, if any.
    pub(super) path: Option<PathBuf>,
    pub(super) cameras: CameraSection,
    /// Settings of `server:` and `tls:`.
    pub(super) server: Vec<RawSetting>,
    /// Settings of `publish:`.
    pub(super) publish: Vec<RawSetting>,
    /// The block `access:`, if there is one.
    pub(super) access: Option<access_control::Config>,
}

/// Cameras of the file, as one block or a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum CameraSection {
    /// Settings of `camera:`; empty if there is no such block.
    Single(Vec<RawSetting>),
    /// The settings of each item of `cameras:`, with its place for errors.
    List(Vec<(String, Vec<RawSetting>)>),
}

impl Default for CameraSection {
    fn default() -> Self {
        Self::Single(Vec::new())
    }
}

/// Reads the file that `named` names, which must exist, or else the first of the usual ones that exists. What has no
/// error is returned.
pub(super) fn read(named: Option<&RawSetting>, cwd: &Path, errors: &Errors) -> File {
    if let Some(raw) = named {
        let typed = Path::new(&raw.text);
        let path = cwd.join(typed);
        let (path, shown) = if raw.text.ends_with('/') || path.is_dir() {
            (path.join(NAME), typed.join(NAME))
        } else {
            (path, typed.to_owned())
        };
        let shown = shown.display().to_string();
        let text = load(&path).map_err(|why| raw.error(format!("{shown} {why}")));
        let text = errors.keep(text).unwrap_or_default();
        return blocks(&text, path, cwd, &Reader::new(&shown, "", errors));
    }
    for (path, shown) in [(cwd.join(NAME), NAME), (PathBuf::from(SYSTEM), SYSTEM)] {
        // A broken link counts as a file: somebody wants settings read from there.
        if fs::symlink_metadata(&path).is_ok() {
            let text = load(&path).map_err(|why| Error(format!("{shown} {why}")));
            let text = errors.keep(text).unwrap_or_default();
            let note = format!(" ({shown} is read unless --config names another file)");
            return blocks(&text, path, cwd, &Reader::new(shown, &note, errors));
        }
    }
    File::default()
}

/// Returns the text of a file, or the reason why it cannot be read.
fn load(path: &Path) -> Result<String, String> {
    let why = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read: {e}"),
    };
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(why)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(why)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("is larger than a megabyte; it is no configuration".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

/// Parses the blocks of a file.
fn blocks(text: &str, path: PathBuf, cwd: &Path, reader: &Reader<'_>) -> File {
    let root = match yaml::read(text) {
        Ok(root) => root,
        Err(error) => {
            reader.report(error.line, &error.why);
            None
        }
    };
    let mut file = File {
        path: Some(path),
        ..File::default()
    };
    let mut seen: Vec<(&str, usize)> = Vec::new();
    let entries = root
        .as_ref()
        .map_or(&[][..], |root| reader.entries(root, "the file"));
    for entry in entries {
        let Some(name) = reader.block_name(entry) else {
            continue;
        };
        if let Some((_, line)) = seen.iter().find(|(other, _)| *other == name) {
            let why = format!("there is a '{name}:' at line {line} already");
            reader.report(entry.line, &why);
            continue;
        }
        seen.push((name, entry.line));
        match name {
            "camera" => {
                let settings = reader.block(&entry.node, ConfigSection::Camera, "camera");
                file.cameras = CameraSection::Single(settings);
            }
            "cameras" => file.cameras = CameraSection::List(reader.cameras(entry)),
            "server" => {
                let settings = reader.block(&entry.node, ConfigSection::Server, "server");
                file.server.extend(settings);
            }
            "publish" => {
                file.publish = reader.block(&entry.node, ConfigSection::Publish, "publish");
            }
            "access" => file.access = reader.access(entry, cwd),
            _ => {
                let settings = reader.block(&entry.node, ConfigSection::Tls, "tls");
                file.server.extend(settings);
            }
        }
    }
    if let [(_, first), (_, second)] = *seen
        .iter()
        .filter(|(name, _)| name.starts_with("camera"))
        .collect::<Vec<_>>()
    {
        let why = format!(
            "'camera:' and 'cameras:' (line {first}) exclude each other; put all into 'cameras:'"
        );
        reader.report(*second, &why);
    }
    file
}

/// Walks the tree of a file. It reports errors and goes on behind them.
struct Reader<'a> {
    shown: &'a str,
    /// Text behind each error.
    note: &'a str,
    errors: &'a Errors,
}

impl<'a> Reader<'a> {
    const fn new(shown: &'a str, note: &'a str, errors: &'a Errors) -> Self {
        Self {
            shown,
            note,
            errors,
        }
    }

    fn error(&self, line: usize, why: &str) -> Error {
        let (shown, note) = (self.shown, self.note);
        Error(format!("{shown}:{line}: {why}{note}"))
    }

    fn report(&self, line: usize, why: &str) {
        self.errors.push(self.error(line, why));
    }

    /// Returns the name of a block at the top of the file.
    fn block_name(&self, entry: &Entry) -> Option<&'static str> {
        const BLOCKS: [&str; 6] = ["camera", "cameras", "server", "tls", "access", "publish"];
        if let Some(name) = BLOCKS
            .into_iter()
            .find(|name| name.eq_ignore_ascii_case(&entry.key))
        {
            return Some(name);
        }
        let key = entry.key.rsplit('.').next().unwrap_or_default();
        let inside = ConfigSection::ALL.into_iter().find_map(|s| {
            file_keys(s)
                .find(|(name, _)| name.eq_ignore_ascii_case(key))
                .map(|(name, _)| (s.name(), name))
        });
        let hint = match (inside, closest_match(&entry.key, BLOCKS)) {
            (Some((block, name)), _) => format!("'{name}:' belongs below '{block}:', indented"),
            (None, Some(near)) => format!("did you mean {near}?"),
            (None, None) => {
                "the blocks are camera, cameras, server, tls, access and publish".to_owned()
            }
        };
        self.report(entry.line, &format!("unknown key {}; {hint}", entry.key));
        None
    }

    fn cameras(&self, entry: &Entry) -> Vec<(String, Vec<RawSetting>)> {
        let Value::List(items) = &entry.node.value else {
            let why = "cameras: is not a list; each camera begins with '- name: …'";
            self.report(entry.line, why);
            return Vec::new();
        };
        if items.is_empty() {
            self.report(entry.line, "cameras: is empty");
        }
        let mut cameras = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let label = format!("cameras[{i}]");
            let settings = self.block(item, ConfigSection::Camera, &label);
            cameras.push((format!("{}:{}: {label}", self.shown, item.line), settings));
        }
        cameras
    }

    /// Returns the settings of a block. Errors name its keys as `label.key`.
    fn block(&self, node: &Node, section: ConfigSection, label: &str) -> Vec<RawSetting> {
        let mut seen: Vec<(Setting, &Entry)> = Vec::new();
        let mut all = Vec::new();
        for entry in self.entries(node, label) {
            let known = file_keys(section).find(|(name, _)| name.eq_ignore_ascii_case(&entry.key));
            let Some((name, setting)) = known else {
                self.errors.push(self.unknown(entry, section, label));
                continue;
            };
            if let Some((_, other)) = seen.iter().find(|(other, _)| *other == setting) {
                let again = other.key.eq_ignore_ascii_case(&entry.key);
                // The two names of one setting may both be there, for both programs, as long as they agree.
                if !again && other.node.value == entry.node.value {
                    continue;
                }
                let why = if again {
                    "is there already".to_owned()
                } else {
                    format!("is {label}.{} too, and differs", other.key)
                };
                let why = format!("{label}.{name}: {why} (line {})", other.line);
                self.report(entry.line, &why);
                continue;
            }
            seen.push((setting, entry));
            self.push_setting(entry, setting, &format!("{label}.{name}"), &mut all);
        }
        all
    }

    /// Adds one setting: a scalar, or a list if the setting may have several values.
    fn push_setting(
        &self,
        entry: &Entry,
        setting: Setting,
        label: &str,
        all: &mut Vec<RawSetting>,
    ) {
        if matches!(setting, Setting::Controls | Setting::Limits) {
            return self.lines(&entry.node, setting, label, all);
        }
        if setting == Setting::Rpicam {
            return self.rpicam(&entry.node, label, all);
        }
        let nodes = match &entry.node.value {
            Value::List(items) if setting.is_repeatable() => items.as_slice(),
            _ => std::slice::from_ref(&entry.node),
        };
        let needs_one = match setting {
            Setting::Listen => Some("there is no address to serve on"),
            Setting::Hosts => Some("for IP addresses and localhost alone write localhost"),
            _ => None,
        };
        if let (true, Some(why)) = (nodes.is_empty(), needs_one) {
            self.report(entry.line, &format!("{label}: is empty; {why}"));
        }
        for node in nodes {
            let why = match &node.value {
                Value::Text(text) => {
                    let from = SettingSource::File {
                        file: self.shown.to_owned(),
                        line: node.line,
                        key: label.to_owned(),
                    };
                    all.push(RawSetting {
                        setting,
                        text: text.clone(),
                        from,
                    });
                    continue;
                }
                // An empty value is reported at the key: the parser only knows where it would have to end.
                Value::Null => {
                    self.report(entry.line, &format!("{label}: has no value"));
                    continue;
                }
                Value::List(_) => "takes one value, not a list",
                Value::Map(_) => "takes a value, not a block",
            };
            self.report(node.line, &format!("{label}: {why}"));
        }
    }

    /// Adds each line `name: value` as a setting with the text `name=value`. Only the camera knows its controls and their
    /// values.
    fn lines(&self, node: &Node, setting: Setting, label: &str, all: &mut Vec<RawSetting>) {
        for (name, label, entry) in self.distinct_entries(node, label) {
            let Value::Text(text) = &entry.node.value else {
                self.report(entry.line, &format!("{label}: takes one value"));
                continue;
            };
            all.push(self.raw(setting, format!("{name}={text}"), entry.line, &label));
        }
    }

    /// Returns the entries of a block, each with its name in lower case and its label. Reports those that are there already.
    fn distinct_entries<'n>(
        &self,
        node: &'n Node,
        label: &str,
    ) -> Vec<(String, String, &'n Entry)> {
        let mut found: Vec<(String, String, &Entry)> = Vec::new();
        for entry in self.entries(node, label) {
            let name = entry.key.to_ascii_lowercase();
            let label = format!("{label}.{}", entry.key);
            match found.iter().find(|(other, ..)| *other == name) {
                Some((_, _, first)) => {
                    let why = format!("{label}: is there already (line {})", first.line);
                    self.report(entry.line, &why);
                }
                None => found.push((name, label, entry)),
            }
        }
        found
    }

    fn raw(&self, setting: Setting, text: String, line: usize, label: &str) -> RawSetting {
        RawSetting {
            setting,
            text,
            from: SettingSource::File {
                file: self.shown.to_owned(),
                line,
                key: label.to_owned(),
            },
        }
    }

    fn unknown(&self, entry: &Entry, section: ConfigSection, label: &str) -> Error {
        let names: Vec<&str> = file_keys(section).map(|(name, _)| name).collect();
        let hint = match closest_match(&entry.key, names.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the keys here are {}", names.join(", ")),
        };
        self.error(
            entry.line,
            &format!("unknown key {label}.{}; {hint}", entry.key),
        )
    }

    /// Returns the entries of a block; none if it is empty or has comments only.
    fn entries<'n>(&self, node: &'n Node, label: &str) -> &'n [Entry] {
        match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                let why = format!("{label} must be made of lines 'key: value'");
                self.report(node.line, &why);
                &[]
            }
        }
    }
}

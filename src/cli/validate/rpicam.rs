//! Options for rpicam-vid of `camera.rpicam` and `--rpicam-arg`, checked.

use super::LayeredSettings;
use crate::cli::Error;
use crate::cli::options::Setting;
use crate::cli::raw_setting::{RawSetting, SettingSource};
use crate::source::SourceSpec;
use crate::source::rpicam::options::{self, Argument, RpicamOption, RpicamOptions};

/// Returns the options of a camera, `None` after an error. Arguments of the command line and the environment replace those of
/// the file, and its lines of the same name.
pub(super) fn options(layers: LayeredSettings<'_>) -> Option<RpicamOptions> {
    let mut is_right = true;
    let mut fail = |raw: Option<&RawSetting>, why: String| {
        is_right = false;
        if let Some(raw) = raw {
            layers.errors.push(raw.error(why));
        }
    };
    let words = layers.all(Setting::RpicamArgument);
    let arguments: Vec<Argument> = words.iter().map(argument).collect();
    let (arguments, errors) = options::arguments(&arguments);
    for (index, why) in errors {
        fail(words.get(index), why);
    }
    let is_of_file = |raw: &RawSetting| matches!(raw.from, SettingSource::File { .. });
    let is_replaced = |option: &RpicamOption| {
        !words.iter().all(is_of_file) && arguments.iter().any(|other| other.name == option.name)
    };
    let mut all = Vec::new();
    for raw in layers.all(Setting::Rpicam) {
        let (name, value) = raw.text.split_once('=').unwrap_or((&raw.text, ""));
        match options::setting(name, value, &raw.from.to_string()) {
            Ok(option) if is_replaced(&option) => {}
            Ok(option) => all.push(option),
            Err(why) => fail(Some(&raw), why),
        }
    }
    all.extend(arguments);
    match RpicamOptions::new(all) {
        Ok(options) => is_right.then_some(options),
        Err((place, why)) => {
            layers.errors.push(Error(format!("{place}: {why}")));
            None
        }
    }
}

fn argument(raw: &RawSetting) -> Argument {
    Argument {
        text: raw.text.clone(),
        place: raw.from.to_string(),
    }
}

/// Returns a note for options of a source that has no use for them.
pub(super) fn without_effect(
    name: &str,
    source: &SourceSpec,
    options: &RpicamOptions,
) -> Option<String> {
    let has_use = matches!(source, SourceSpec::Rpicam(_) | SourceSpec::Auto);
    (!has_use && !options.is_empty()).then(|| {
        format!(
            "camera {name}: options for rpicam-vid have no effect with a source of the kind {}; --source rpicam takes them",
            source.kind()
        )
    })
}

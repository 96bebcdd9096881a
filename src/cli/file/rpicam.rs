//! Reads the block `camera.rpicam:`: lines `name: value`, and the list `arguments`.

use super::Reader;
use crate::cli::options::Setting;
use crate::cli::raw_setting::RawSetting;
use crate::cli::yaml::{Entry, Node, Value};

/// Key of the list of further arguments.
const ARGUMENTS: &str = "arguments";

impl Reader<'_> {
    /// Adds each line as a setting with the text `name=value`, and each argument as one of its own.
    pub(super) fn rpicam(&self, node: &Node, label: &str, all: &mut Vec<RawSetting>) {
        for (name, label, entry) in self.distinct_entries(node, label) {
            if name == ARGUMENTS {
                self.arguments(entry, &label, all);
            } else if let Some(text) = self.joined(entry, &label) {
                let text = format!("{name}={text}");
                all.push(self.raw(Setting::Rpicam, text, entry.line, &label));
            }
        }
    }

    /// Returns a value. A list is one with commas: `roi: [0.25, 0.25, 0.5, 0.5]`.
    fn joined(&self, entry: &Entry, label: &str) -> Option<String> {
        let nodes = match &entry.node.value {
            Value::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(&entry.node),
        };
        let texts: Option<Vec<&str>> = nodes.iter().map(text).collect();
        if texts.is_none() {
            self.report(entry.line, &format!("{label}: takes one value"));
        }
        texts.map(|texts| texts.join(","))
    }

    fn arguments(&self, entry: &Entry, label: &str, all: &mut Vec<RawSetting>) {
        let mut add = |text: &str, line| {
            all.push(self.raw(Setting::RpicamArgument, text.to_owned(), line, label));
        };
        match &entry.node.value {
            Value::Text(words) => words
                .split_whitespace()
                .for_each(|word| add(word, entry.line)),
            Value::List(nodes) => {
                for node in nodes {
                    match text(node) {
                        Some(text) => add(text, node.line),
                        None => self.report(node.line, &format!("{label}: takes a list of texts")),
                    }
                }
            }
            _ => self.report(entry.line, &format!("{label}: takes a list of texts")),
        }
    }
}

fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

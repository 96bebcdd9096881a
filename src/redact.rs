//! Masking of secrets in every text that leaves the process: log, error at start, list of cameras.
//!
//! The second net: texts for viewers are made without secrets (`source::Cause`). Here are the shapes that secrets have in
//! command lines and in what programs write, and the very secrets of the configuration. In doubt it masks.

mod shapes;

use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

/// Replacement of a secret.
const MASK: &str = "***";

/// Shorter secrets of the configuration, and these, are masked by their shape only: elsewhere they are words like others.
const MIN_SECRET_CHARS: usize = 5;
const COMMON_WORDS: [&str; 11] = [
    "admin", "camera", "guest", "password", "picture", "public", "source", "stream", "token",
    "video", "viewer",
];

/// Most secrets kept. A configuration has a few for each camera.
const MAX_SECRETS: usize = 512;

/// Secrets of the configuration, longest first.
static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Returns `text` with its secrets masked.
pub fn mask(text: &str) -> Cow<'_, str> {
    let known = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    mask_with(text, &known)
}

/// Adds the secrets in the words of a command line to those that are masked wherever they appear.
pub fn add_secrets<T: AsRef<str>>(words: &[T]) {
    let mut known = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    let mut all: BTreeSet<String> = std::mem::take(&mut *known).into_iter().collect();
    all.extend(secrets(words));
    let mut all: Vec<String> = all.into_iter().collect();
    all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    all.truncate(MAX_SECRETS);
    *known = all;
}

fn mask_with<'a>(text: &'a str, known: &[String]) -> Cow<'a, str> {
    let mut spans = shapes::spans(text);
    for secret in known {
        spans.extend(
            text.match_indices(secret.as_str())
                .map(|(at, it)| at..at + it.len()),
        );
    }
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for span in merged(spans) {
        masked.push_str(text.get(done..span.start).unwrap_or_default());
        masked.push_str(MASK);
        done = span.end;
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(masked)
}

/// Sorts spans and joins those that overlap or touch.
fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.retain(|span| !span.is_empty());
    spans.sort_by_key(|span| (span.start, span.end));
    let mut out: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => out.push(span),
        }
    }
    out
}

/// Returns the secrets in the words of a command line, in each form in which a program may repeat them.
fn secrets<T: AsRef<str>>(words: &[T]) -> Vec<String> {
    let mut found = Vec::new();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    for word in &words {
        found.extend(shapes::secrets_of(word));
    }
    // The value of an option, as in --password VALUE.
    for pair in words.windows(2) {
        if let [option, value] = pair
            && shapes::takes_secret(option, value)
        {
            found.push((*value).to_owned());
        }
    }
    let mut all = Vec::new();
    for secret in found {
        // user:password
        if let Some((user, password)) = secret.split_once(':') {
            all.extend(spellings(password));
            all.push(shapes::base64(format!("{user}:{password}").as_bytes()));
        }
        all.extend(spellings(&secret));
    }
    all.retain(|secret| {
        secret.chars().count() >= MIN_SECRET_CHARS && !COMMON_WORDS.contains(&secret.as_str())
    });
    all
}

/// A secret as it is, and without its percent-encoding.
fn spellings(secret: &str) -> Vec<String> {
    let decoded = percent_decode_str(secret).decode_utf8_lossy();
    let mut forms = vec![secret.to_owned()];
    if decoded != secret {
        forms.push(decoded.into_owned());
    }
    forms
}

#[cfg(test)]
mod tests;

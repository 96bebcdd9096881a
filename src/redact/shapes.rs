//! Shapes of secrets in text: the user part of URLs, values with a telling name, credentials of HTTP, long random strings.

use std::ops::Range;

/// Names whose values are secrets: whole words of a name, and what a name may end with.
const SECRET_NAMES: [&str; 24] = [
    "token",
    "tokens",
    "key",
    "apikey",
    "pass",
    "passwd",
    "password",
    "passphrase",
    "passcode",
    "pwd",
    "psk",
    "secret",
    "secrets",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "cred",
    "creds",
    "sig",
    "signature",
    "jwt",
    "bearer",
    "cookie",
];
const SECRET_SUFFIXES: [&str; 11] = [
    "token",
    "passwd",
    "password",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "signature",
];

/// Names that have their value behind a colon only in JSON: in prose the colon follows many a "key".
const COLON_NEEDS_QUOTES: [&str; 8] = [
    "key", "pass", "auth", "sig", "cred", "creds", "tokens", "secrets",
];

/// Schemes of the Authorization header (RFC 9110, 11.6.2).
const AUTH_SCHEMES: [&str; 4] = ["basic", "bearer", "digest", "token"];

/// Random strings of at least this many characters are taken for keys.
const MIN_RANDOM_CHARS: usize = 24;
const MIN_RANDOM_HEX: usize = 32;
/// The same for a segment of a URL's path: stream keys of cameras stand there.
const MIN_RANDOM_SEGMENT: usize = 12;

/// A scheme's end as it is written, and the sign before the host that belongs to it.
const URL_SCHEME_ENDS: [(&str, &[&str]); 5] = [
    ("//", &["@"]),
    (":\\/\\/", &["@"]),
    ("%3a%2f%2f", &["@", "%40"]),
    (":%2f%2f", &["@", "%40"]),
    ("%253a%252f%252f", &["@", "%40", "%2540"]),
];

/// Most URLs of a word that are looked at; what follows them is masked.
const MAX_URLS: usize = 32;

type Span = Range<usize>;

/// Returns where the secrets in `text` are; spans may overlap.
pub(super) fn spans(text: &str) -> Vec<Span> {
    let lower = text.to_ascii_lowercase();
    let words = words(text);
    let mut spans = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let rest = words.get(index + 1..).unwrap_or_default();
        find_url_credentials(&lower, word, rest, &mut spans);
        find_named_values(text, &lower, word, rest, &mut spans);
        find_option_values(text, &lower, word, rest, &mut spans);
        find_auth_credentials(text, &lower, word, rest, &mut spans);
        find_random_strings(text, word, &mut spans);
    }
    spans
}

/// Returns the secrets in one word of a command line, which may have blanks in it.
pub(super) fn secrets_of(word: &str) -> Vec<String> {
    let lower = word.to_ascii_lowercase();
    let whole = 0..word.len();
    let mut spans = Vec::new();
    find_url_credentials(&lower, &whole, &[], &mut spans);
    if !word.contains(char::is_whitespace) {
        find_named_values(word, &lower, &whole, &[], &mut spans);
    }
    spans.extend(self::spans(word));
    // Names of hosts and users are said often, and are nobody's secret.
    spans
        .into_iter()
        .filter_map(|span| word.get(span))
        .map(str::to_owned)
        .collect()
}

/// True if the word after `option` is a secret.
pub(super) fn takes_secret(option: &str, value: &str) -> bool {
    let Some(name) = option.strip_prefix('-') else {
        return false;
    };
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    match name.as_str() {
        // ssh -p 22, mkdir -p: a port is none, and neither is the next option.
        "p" => !value.starts_with('-') && !is_port(value),
        "u" | "user" | "proxy-user" | "userpwd" => value.contains(':'),
        _ => !value.starts_with("--") && is_secret_name(&name) && !name.contains('='),
    }
}

/// Encodes as RFC 4648, 4, says.
pub(super) fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn words(text: &str) -> Vec<Span> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            words.extend(start.take().map(|start| start..at));
        } else {
            start.get_or_insert(at);
        }
    }
    words.extend(start.map(|start| start..text.len()));
    words
}

fn slice<'a>(text: &'a str, span: &Span) -> &'a str {
    text.get(span.clone()).unwrap_or_default()
}

/// The user part of URLs. It reaches to the last `@` of the word, as people write passwords with `/`, `?` and `@` in them.
fn find_url_credentials(lower: &str, word: &Span, rest: &[Span], spans: &mut Vec<Span>) {
    let here = slice(lower, word);
    let mut has_scheme = false;
    for (end, ats) in URL_SCHEME_ENDS {
        let mut done = word.start;
        for (number, (at, _)) in here.match_indices(end).enumerate() {
            has_scheme = true;
            let user = word.start + at + end.len();
            if user < done {
                continue;
            }
            if number == MAX_URLS {
                spans.push(user..word.end);
                break;
            }
            let limit = if end.contains('%') {
                // An encoded URL ends with the parameter that it is in.
                find_in(lower, user..word.end, &["&"]).unwrap_or(word.end)
            } else {
                word.end
            };
            let last = ats
                .iter()
                .filter_map(|at| slice(lower, &(user..limit)).rfind(at));
            if let Some(length) = last.max() {
                done = user + length;
                spans.push(user..done);
            } else {
                find_unfinished_authority(lower, user..limit, rest, spans);
            }
        }
    }
    // user:password@host without a scheme
    if !has_scheme
        && let Some(host) = here.rfind('@')
        && let Some(colon) = here.find(':').filter(|colon| *colon < host)
    {
        let opening = |c: char| matches!(c, '\'' | '"' | '(' | '[' | '{' | '<' | '=' | ',' | '|');
        let start = here.get(..colon).and_then(|user| user.rfind(opening));
        let start = start.map_or(0, |at| at + 1);
        spans.push(word.start + start..word.start + host);
    }
}

/// A user part whose `@` is not in this word: there is a blank in the password, or the line is cut off.
fn find_unfinished_authority(lower: &str, tail: Span, rest: &[Span], spans: &mut Vec<Span>) {
    let end = find_in(lower, tail.clone(), &["/", "?", "#", "%2f", "\\"]).unwrap_or(tail.end);
    let authority = slice(lower, &(tail.start..end));
    let Some((_, port)) = authority
        .split_once(':')
        .or_else(|| authority.split_once("%3a"))
    else {
        return;
    };
    if authority.starts_with('[')
        || is_port(port.trim_end_matches(|c: char| c.is_ascii_punctuation()))
    {
        return;
    }
    // A few words on, and before the next URL.
    let later = rest.iter().take(4).find_map(|word| {
        let here = slice(lower, word);
        let at = here.find('@')?;
        (!here.get(..at)?.contains("//")).then_some(word.start + at)
    });
    spans.push(tail.start..later.unwrap_or(tail.end));
}

/// Values behind a name and `=` or `:`.
fn find_named_values(text: &str, lower: &str, word: &Span, rest: &[Span], spans: &mut Vec<Span>) {
    let here = slice(lower, word);
    let mut done = word.start;
    for (at, sign) in here.match_indices(['=', ':', '%']) {
        if word.start + at < done {
            continue;
        }
        let (length, is_colon) = match sign {
            "=" => (1, false),
            ":" => (1, true),
            _ if here.get(at..).is_some_and(|it| it.starts_with("%3d")) => (3, false),
            _ => continue,
        };
        let before = here.get(..at).unwrap_or_default();
        let is_quoted = before.ends_with(['"', '\'']);
        let name = name_before(before.trim_end_matches(['"', '\'', '\\']));
        if !is_secret_name(name) || (is_colon && !is_quoted && COLON_NEEDS_QUOTES.contains(&name)) {
            continue;
        }
        // A dotted name before a colon is a key of the configuration, said in an error.
        if is_colon && name.contains('.') {
            continue;
        }
        let start = word.start + at + length;
        let span = if is_header(name) {
            start..line_end(text, start, before)
        } else if start < word.end {
            value(text, lower, start, word.end)
        } else if let Some(next) = rest.first()
            && (is_colon || is_quoted)
        {
            value(text, lower, next.start, next.end)
        } else {
            continue;
        };
        done = span.end;
        spans.push(span);
    }
}

/// The value that begins at `start`: what is in its quotes, or reaches to the next parameter or the end of the word.
fn value(text: &str, lower: &str, start: usize, word_end: usize) -> Span {
    let tail = text.get(start..).unwrap_or_default();
    let bare = tail.trim_start_matches('\\');
    if let Some(quote) = bare.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let open = start + tail.len() - bare.len() + 1;
        let line = text.get(open..).and_then(|it| it.find('\n'));
        let line = line.map_or(text.len(), |length| open + length);
        let close = slice(text, &(open..line)).find(quote);
        return open..close.map_or(line, |length| open + length);
    }
    start..find_in(lower, start..word_end, &["&", "%26"]).unwrap_or(word_end)
}

/// Headers whose value is all that follows.
fn is_header(name: &str) -> bool {
    name.ends_with("authorization") || name.ends_with("cookie")
}

/// Where the rest of a header ends: at the quote in which it stands, else with the line.
fn line_end(text: &str, start: usize, before: &str) -> usize {
    let tail = text.get(start..).unwrap_or_default();
    let ends = |c: char| {
        c == '\n' || (matches!(c, '"' | '\'') && before.contains(c) && !before.ends_with(c))
    };
    tail.find(ends).map_or(text.len(), |length| start + length)
}

/// Values of options, in the next word.
fn find_option_values(text: &str, lower: &str, word: &Span, rest: &[Span], spans: &mut Vec<Span>) {
    let Some(next) = rest.first() else { return };
    let quotes = ['"', '\'', ',', '[', '('];
    let option = option_in(slice(text, word)).trim_end_matches(quotes);
    let shown = slice(text, next);
    if takes_secret(option, shown.trim_matches(quotes)) {
        spans.push(value(text, lower, next.start, next.end));
    }
    // sshpass -pSECRET
    if option.rsplit('/').next() == Some("sshpass") && shown.starts_with("-p") && shown.len() > 2 {
        spans.push(next.start + 2..next.end);
    }
}

/// The option that a word ends with: it begins with two dashes, or with one that follows no letter.
fn option_in(word: &str) -> &str {
    let starts = |at: usize| {
        let before = word.get(..at).and_then(|it| it.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && c != '-')
    };
    let single = || {
        word.match_indices('-')
            .map(|(at, _)| at)
            .find(|at| starts(*at))
    };
    let at = word.find("--").or_else(single);
    at.and_then(|at| word.get(at..)).unwrap_or(word)
}

/// Credentials behind the name of their scheme.
fn find_auth_credentials(
    text: &str,
    lower: &str,
    word: &Span,
    rest: &[Span],
    spans: &mut Vec<Span>,
) {
    let is_quote = |c: char| !c.is_ascii_alphanumeric();
    let scheme = slice(lower, word).trim_matches(is_quote);
    let scheme = scheme.rsplit(is_quote).next().unwrap_or_default();
    if !AUTH_SCHEMES.contains(&scheme) {
        return;
    }
    let Some(next) = rest.first() else { return };
    let value = slice(text, next).trim_matches(['"', '\'', ',', ';', ')']);
    let is_mask = match scheme {
        "bearer" => value.len() >= 6,
        // Not the word as it stands in prose.
        _ => value.len() >= 8 && (is_mixed(value) || value.ends_with('=')),
    };
    if is_mask {
        spans.push(next.clone());
    }
}

/// Long strings that look drawn by lot, JSON web tokens, keys in paths of URLs.
fn find_random_strings(text: &str, word: &Span, spans: &mut Vec<Span>) {
    let here = slice(text, word);
    let is_path = here
        .trim_start_matches(['"', '\'', '(', '['])
        .starts_with('/');
    let in_url = here.contains("//");
    let is_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '_' | '-');
    let mut start = 0;
    // Twice: with the slash that base64 has, and without, for paths.
    for with_slash in [false, true] {
        if with_slash && (is_path || in_url) {
            break;
        }
        start = 0;
        for piece in here.split(|c: char| !(is_run(c) || with_slash && c == '/')) {
            let span = word.start + start..word.start + start + piece.len();
            let end = start + piece.len();
            start = end
                + here
                    .get(end..)
                    .and_then(|it| it.chars().next())
                    .map_or(0, char::len_utf8);
            if (is_hex(piece) || !is_path) && is_random(piece, in_url) {
                spans.push(span);
            }
        }
    }
    let _ = start;
    let mut done = 0;
    for (at, _) in here.match_indices("eyJ") {
        if at < done {
            continue;
        }
        let tail = here.get(at..).unwrap_or_default();
        let length = tail
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
            .unwrap_or(tail.len());
        done = at + length;
        if length >= 16 {
            spans.push(word.start + at..word.start + at + length);
        }
    }
}

fn is_random(piece: &str, in_url: bool) -> bool {
    let hex = piece.bytes().filter(u8::is_ascii_hexdigit).count();
    if is_hex(piece) && hex >= MIN_RANDOM_HEX {
        return true;
    }
    let least = if in_url {
        MIN_RANDOM_SEGMENT
    } else {
        MIN_RANDOM_CHARS
    };
    piece.len() >= least && is_mixed(piece)
}

/// Hexadecimal digits, perhaps in groups as in a UUID.
fn is_hex(piece: &str) -> bool {
    piece.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Digits and letters of both cases take turns as in a random string, not as in names and numbers.
fn is_mixed(piece: &str) -> bool {
    let class = |b: u8| match b {
        b'0'..=b'9' => Some(0),
        b'a'..=b'z' => Some(1),
        b'A'..=b'Z' => Some(2),
        _ => None,
    };
    let has = |wanted| piece.bytes().any(|b| class(b) == Some(wanted));
    let bytes = piece.as_bytes();
    let changes = bytes
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if class(*a) != class(*b)))
        .count();
    has(0) && has(1) && has(2) && changes * 10 >= piece.len() * 3
}

/// The name that ends here: letters, digits and what joins words.
fn name_before(text: &str) -> &str {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.rsplit(|c| !is_name(c)).next().unwrap_or_default()
}

/// True for names such as `token`, `api_key`, `x-auth-token`, `accesstoken`; `name` is in lower case.
fn is_secret_name(name: &str) -> bool {
    // It names a file, and is in our own help.
    if name.trim_start_matches('-') == "tls-key" {
        return false;
    }
    let mut parts = name.split(['_', '-', '.']);
    let last = parts.next_back().unwrap_or_default();
    SECRET_NAMES.contains(&last) || SECRET_SUFFIXES.iter().any(|ending| last.ends_with(ending))
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

fn find_in(text: &str, span: Span, signs: &[&str]) -> Option<usize> {
    let here = slice(text, &span);
    let first = signs.iter().filter_map(|sign| here.find(sign)).min();
    first.map(|at| span.start + at)
}

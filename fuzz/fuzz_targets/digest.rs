//! Answers of RTSP clients to Digest: no bytes make the parser panic, none are an answer without the password, and each right
//! answer is one, whatever the client puts into its fields.
#![no_main]

use berrymse::access::{DIGEST_REALM, DigestAlgorithm, DigestSecret};
use berrymse::serve::is_digest_answer;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SECRET: LazyLock<DigestSecret> =
    LazyLock::new(|| DigestSecret::of("owner", "a password that no input can know"));

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fuzz_target!(|input: (&str, &str, &str, &str, u8)| {
    let (header, uri, nonce, password, form) = input;
    assert!(!is_digest_answer(header, &SECRET, "DESCRIBE"));
    assert!(!is_digest_answer(&format!("Digest username=owner, response=0, {header}"), &SECRET, "PLAY"));
    let secret = DigestSecret::of("owner", password);
    let text = secret.to_string();
    assert_eq!(DigestSecret::parse(&text, "owner").as_ref(), Ok(&secret));
    let algorithm = [DigestAlgorithm::Md5, DigestAlgorithm::Sha256][usize::from(form & 1)];
    let (ha1, ha2) = (
        algorithm.hash(&format!("owner:{DIGEST_REALM}:{password}")),
        algorithm.hash(&format!("PLAY:{uri}")),
    );
    let (rest, qop) = match form & 2 {
        0 => (format!("{nonce}:{ha2}"), String::new()),
        _ => (format!("{nonce}:1:{header}:auth:{ha2}"), format!(", qop=auth, nc=1, cnonce={}", quoted(header))),
    };
    let response = algorithm.hash(&format!("{ha1}:{rest}"));
    let answer = format!(
        "Digest username=\"owner\", realm=\"{DIGEST_REALM}\", nonce={}, uri={}, algorithm={}, response=\"{response}\"{qop}",
        quoted(nonce),
        quoted(uri),
        algorithm.name(),
    );
    assert!(is_digest_answer(&answer, &secret, "PLAY"), "{answer}");
    assert!(!is_digest_answer(&answer, &secret, "PAUSE"), "{answer}");
    assert!(!is_digest_answer(&answer, &SECRET, "PLAY"), "{answer}");
});

//! URLs and addresses of other servers, their answers to `berrymse health`, and the times that they say: nothing panics, no password of a URL is
//! shown, and no frame was captured after it arrived.
#![no_main]

use berrymse::cli::health;
use berrymse::serve::Address;
use berrymse::source::http::{Url, capture_times};
use berrymse::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

const CANARY: &str = "Canary-93x7";

fuzz_target!(|input: (&str, &str, u64, Vec<(u64, u32)>)| {
    let (one, other, unix, frames) = input;
    let with_password = format!("http://{one}:{CANARY}@{other}/stream.mp4");
    // Behind one of these the authority has ended. Elsewhere the word is no password.
    let is_password = !one.contains(['/', '?', '#', '\\']) && ![one, other].iter().any(|text| text.contains(CANARY));
    for text in [one, &format!("http://{one}/stream.mp4"), &format!("https://[{one}]:{other}/stream/x.mp4"), &with_password] {
        if let Ok(url) = health::Url::parse(text) {
            assert!(!is_password || !url.to_string().contains(CANARY), "{url}");
        }
        if let Some(url) = Url::parse(text) {
            assert!(!is_password || !format!("{url} {url:?}").contains(CANARY), "{url}");
            assert!(Url::parse(&url.to_string()).is_some(), "{url}");
        }
        if let Ok(address) = Address::parse(text) {
            assert_eq!(Address::parse(&address.to_string()).as_ref(), Ok(&address));
        }
        let _ = Address::parse_rtsp(text);
    }
    assert!(health::status_code(one).is_none_or(|code| one.contains(code) && !code.contains(' ')));
    let mut now = 0u64;
    let arrivals = frames.iter().map(|&(media, later)| {
        now = now.saturating_add(u64::from(later) * 1000);
        (media, Timestamp::from_nanos(now))
    });
    let arrivals: Vec<_> = arrivals.collect();
    let captured = capture_times(arrivals.iter().copied(), Duration::from_nanos(unix));
    for ((_, now), captured) in arrivals.iter().zip(captured) {
        assert!(captured <= *now);
    }
});

//! Content codings of embedded files (RFC 9110, 8.4.1) and their negotiation (12.5.3).

use hyper::{HeaderMap, header};

/// A content coding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    /// Returns the value of `Content-Encoding`, `None` for content as it is.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }
}

/// Returns the coding with the highest weight in `Accept-Encoding`, the smallest content where several have it.
/// Requests without that header get content as it is.
pub(crate) fn preferred(headers: &HeaderMap) -> Coding {
    let values = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let accepted: Vec<(&str, f32)> = values
        .flat_map(|value| value.split(','))
        .filter_map(weighted)
        .collect();
    let weight = |names: &[&str]| {
        let of = |name: &str| {
            let is_named = |(coding, _): &&(&str, f32)| coding.eq_ignore_ascii_case(name);
            accepted.iter().find(is_named).map(|(_, weight)| *weight)
        };
        names.iter().find_map(|name| of(name))
    };
    let any = weight(&["*"]).unwrap_or(0.0);
    let brotli = weight(&["br"]).unwrap_or(any);
    let gzip = weight(&["gzip", "x-gzip"]).unwrap_or(any);
    // Unless it is named it is accepted, but never preferred.
    let identity = weight(&["identity"]).unwrap_or(0.0);
    if brotli > 0.0 && brotli >= gzip && brotli >= identity {
        Coding::Brotli
    } else if gzip > 0.0 && gzip >= identity {
        Coding::Gzip
    } else {
        Coding::Identity
    }
}

/// Reads `CODING;q=WEIGHT`. Elements with a wrong weight are ignored.
fn weighted(element: &str) -> Option<(&str, f32)> {
    let (coding, parameters) = element.split_once(';').unwrap_or((element, "q=1"));
    let (name, weight) = parameters.split_once('=')?;
    let weight: f32 = weight.trim().parse().ok()?;
    let is_weight = name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&weight);
    is_weight.then(|| (coding.trim(), weight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn the_highest_weight_decides() {
        for (accepted, expected) in [
            ("", Coding::Identity),
            ("gzip", Coding::Gzip),
            ("GZIP", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("br", Coding::Brotli),
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("br;q=0.5, gzip", Coding::Gzip),
            ("br; q=0.5 , gzip ; Q=0.4", Coding::Brotli),
            ("br;q=0, gzip;q=0", Coding::Identity),
            ("gzip;q=0", Coding::Identity),
            ("gzip;q=0.5, identity", Coding::Identity),
            ("gzip;q=0.5, identity;q=0.5", Coding::Gzip),
            ("gzip, identity;q=0", Coding::Gzip),
            ("*", Coding::Brotli),
            ("br;q=0, *", Coding::Gzip),
            ("*;q=0", Coding::Identity),
            ("*;q=0.1, identity;q=0.2", Coding::Identity),
            ("deflate, zstd", Coding::Identity),
            ("gzip;q=2, br;q=nan", Coding::Identity),
            ("gzip;level=9", Coding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
            assert_eq!(preferred(&headers), expected, "{accepted}");
        }
    }

    #[test]
    fn header_missing_or_given_twice() {
        let mut headers = HeaderMap::new();
        assert_eq!(preferred(&headers), Coding::Identity);
        for coding in ["gzip;q=0.9", "br"] {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(coding));
        }
        assert_eq!(preferred(&headers), Coding::Brotli);
    }
}

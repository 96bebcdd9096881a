//! State that a source keeps while it is closed.

use super::SourceSpec;

/// State that a source keeps while it is closed, until it is dropped.
#[derive(Debug, Default)]
pub struct Standby {
    #[cfg(feature = "nats")]
    _client: Option<crate::nats::Client>,
}

/// Prepares a source that may stay closed until somebody watches: a connection that is there already saves the viewer time.
pub fn stand_by(spec: &SourceSpec) -> Standby {
    match spec {
        #[cfg(feature = "nats")]
        SourceSpec::Nats(url) => Standby {
            _client: super::nats::keep_connected(url),
        },
        _ => Standby::default(),
    }
}

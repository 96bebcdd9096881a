//! Exposure of a server without configured logins to other machines: the warning at start, and the page's banner.

use crate::serve::listen::BoundListener;

/// Audience of the server, as far as addresses and configuration tell.
#[derive(Clone, Debug)]
pub struct Exposure {
    is_open: bool,
    is_meant: bool,
    /// An address that other machines may reach.
    url: Option<String>,
}

impl Exposure {
    /// `is_open`: everybody may watch; `is_meant`: the configuration says so.
    pub fn of(listening: &[BoundListener], is_open: bool, is_meant: bool) -> Self {
        let is_reached = |bound: &&BoundListener| {
            let address = bound.listener.local_addr();
            address.is_ok_and(|address| !address.ip().to_canonical().is_loopback())
        };
        let url = listening
            .iter()
            .find(is_reached)
            .map(|bound| bound.url.clone());
        Self {
            is_open,
            is_meant,
            url,
        }
    }

    /// Returns the same listeners with another configuration.
    #[must_use]
    pub fn with(self, is_open: bool, is_meant: bool) -> Self {
        Self {
            is_open,
            is_meant,
            ..self
        }
    }

    /// Returns true if others can watch and nobody said that they may.
    pub fn is_unintended(&self) -> bool {
        self.is_open && !self.is_meant && self.url.is_some()
    }

    /// Returns the lines for the log at start, with those to copy into the configuration.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let url = self.url.as_deref().filter(|_| self.is_unintended());
        let lines = url.map(|url| {
            [
                format!("access: open (everybody who reaches {url} can watch); to ask for a password, make its hash with"),
                "    berrymse hash-password >owner.hash".to_owned(),
                "and write in config.yml:".to_owned(),
                "    access:".to_owned(),
                "      users: [{name: owner, passwordFile: owner.hash, right: operator}]".to_owned(),
                "or, if everybody may watch:".to_owned(),
                "    access: {public: viewer}".to_owned(),
            ]
        });
        lines.into_iter().flatten()
    }
}

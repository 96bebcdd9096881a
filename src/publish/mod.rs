//! Publishes cameras over NATS: an output of the hub, for edges elsewhere that carry the viewers.
//!
//! Frames go out once, as viewers here get them, and only while an edge subscribes. Local viewers do not depend on it.

mod camera;
mod feedback;
mod rival;
mod window;

pub use feedback::reported_viewers;

use crate::camera_handle::Handle;
use crate::nats::wire::{Announcement, Subjects};
use crate::nats::{Client, Options, client};
use crate::time::{Timestamp, unix_at_zero};
use std::time::Duration;

/// Servers to publish to, and the name there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The servers and the login.
    pub options: Options,
    /// Name under which the camera is published, or what its names begin with where there are several.
    pub name: Option<String>,
}

impl Config {
    /// Returns the name under which the camera `name` of `cameras` is published.
    ///
    /// ```
    /// use berrymse::publish::Config;
    ///
    /// let config = Config { options: Default::default(), name: Some("garden".into()) };
    /// assert_eq!(config.published_name("front", 1), "garden");
    /// assert_eq!(config.published_name("front", 2), "garden-front");
    /// ```
    pub fn published_name(&self, name: &str, cameras: usize) -> String {
        match &self.name {
            None => name.to_owned(),
            Some(own) if cameras <= 1 => own.clone(),
            Some(own) => format!("{own}-{name}"),
        }
    }
}

/// Publishes cameras until it is closed.
#[derive(Debug)]
pub struct Publisher {
    client: Client,
    epoch: u64,
    announcements: Vec<String>,
}

/// Publishes cameras, each with its local name, if there is a configuration for it.
pub fn start(
    config: Option<&Config>,
    cameras: impl Iterator<Item = (String, Handle)>,
) -> Result<Option<Publisher>, String> {
    let Some(config) = config else {
        return Ok(None);
    };
    let cameras: Vec<_> = cameras.collect();
    Publisher::start(config, &cameras)
        .map(Some)
        .map_err(|error| format!("cannot start to publish: {error}"))
}

impl Publisher {
    /// Publishes cameras, each with its local name.
    pub fn start(config: &Config, cameras: &[(String, Handle)]) -> std::io::Result<Self> {
        let client = Client::start(config.options.clone())?;
        // A later start has a larger number, unless the machine lost its clock.
        let unix = unix_at_zero() + Duration::from_nanos(Timestamp::now().as_nanos());
        let epoch = u64::try_from(unix.as_nanos()).unwrap_or_else(|_| client::random());
        let mut announcements = Vec::new();
        for (local, handle) in cameras {
            let name = config.published_name(local, cameras.len());
            let subjects = Subjects::new(&config.options.prefix, &name);
            announcements.push(subjects.announce.clone());
            let task = camera::Camera::new(client.clone(), handle.clone(), subjects, epoch, local);
            client.spawn(task.run());
        }
        Ok(Self {
            client,
            epoch,
            announcements,
        })
    }

    /// Says that the cameras leave, and ends the connection.
    pub fn close(self) {
        let gone = Announcement {
            is_gone: true,
            epoch: self.epoch,
        };
        let gone = gone.encode();
        for subject in &self.announcements {
            // Without a connection edges find out by the silence.
            let _ = self.client.publish(subject, "", &[&gone]);
        }
        self.client.close();
    }
}

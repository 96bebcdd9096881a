//! State that all requests share.

use crate::logger::{self, Repeated};
use crate::serve::config::{Camera, Settings};
use crate::serve::connection_limit::Seats;
use crate::serve::fanout::Fanout;
use crate::serve::fanout::congestion::CongestionControl;
use crate::serve::http::assets::{self, Asset};
use crate::serve::http::connections::Connections;
use crate::serve::http::origin::{Hosts, Origins};
use crate::serve::latency_stats::Delays;
use crate::snapshot::{Budget, SnapshotService};
use crate::time::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Everything that requests are answered from.
pub struct Site {
    pub(crate) cameras: Vec<Camera>,
    /// Where snapshots of the cameras are to be had, in the same order.
    pub(crate) snapshot_services: Vec<SnapshotService>,
    pub(crate) websocket: String,
    pub(crate) origins: Origins,
    pub(crate) hosts: Hosts,
    /// Controls may be set.
    pub(crate) controls: bool,
    pub(crate) congestion: CongestionControl,
    pub(crate) seats: Seats,
    pub(crate) connections: Connections,
    pub(crate) fanout: Fanout,
    pub(crate) delays: Delays,
    pub(crate) assets: Vec<Asset>,
    pub(crate) started: Instant,
    pub(crate) complaints: Mutex<Repeated>,
}

impl Site {
    /// A site that shows `cameras`, the first of which is the default.
    pub fn new(cameras: Vec<Camera>, settings: Settings, fanout: Fanout) -> Self {
        let budget = Budget::new(settings.decode_memory);
        let snapshot_service = |camera: &Camera| {
            SnapshotService::new(camera.name.clone(), camera.hub.clone(), budget.clone())
        };
        let connections = Connections::new(settings.max_viewers + settings.plain_connections);
        let make_room = room_maker(connections.clone(), fanout.clone());
        Self {
            snapshot_services: cameras.iter().map(snapshot_service).collect(),
            cameras,
            websocket: settings.websocket,
            origins: Origins::new(settings.allowed_origins),
            hosts: Hosts::new(settings.hosts),
            controls: settings.controls,
            congestion: settings.congestion,
            seats: Seats::with_room(settings.max_viewers, make_room),
            connections,
            fanout,
            delays: Delays::default(),
            assets: assets::assets(),
            started: Instant::now(),
            complaints: Mutex::default(),
        }
    }

    /// Logs what clients can bring about as often as they like, as seldom as that allows.
    pub(crate) fn complain(&self, words: &str) {
        // Clients choose how long their Origin is.
        let words = logger::cut(words, logger::CLIENT_LINE_BYTES);
        let mut complaints = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = complaints.note(words, Timestamp::now()) {
            log::warn!(target: logger::CLIENTS, "{line}");
        }
    }

    pub(crate) fn snapshot_service(&self, name: Option<&str>) -> Option<&SnapshotService> {
        let of = |camera: &Camera| name.is_none_or(|name| *camera.name == *name);
        self.snapshot_services
            .get(self.cameras.iter().position(of)?)
    }

    pub(crate) fn camera(&self, name: Option<&str>) -> Option<&Camera> {
        match name {
            None => self.cameras.first(),
            Some(name) => self.cameras.iter().find(|camera| &*camera.name == name),
        }
    }
}

/// Makes room for a viewer: ends one who takes nothing. Looks for one four times a second at most.
fn room_maker(streams: Connections, viewers: Fanout) -> impl Fn() -> bool + Send + Sync {
    const PAUSE: Duration = Duration::from_millis(250);
    let failed_at = Mutex::new(None::<Instant>);
    move || {
        let mut failed_at = failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if failed_at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE) {
            return false;
        }
        let is_made = streams.evict_stalled_stream(now) || viewers.evict_stalled();
        *failed_at = (!is_made).then_some(now);
        is_made
    }
}

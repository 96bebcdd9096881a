//! State that all requests share.

use crate::access::{AccessControl, Buckets, Identity, network};
use crate::logger::{self, LogThrottle};
use crate::serve::annexb_cache::AnnexB;
use crate::serve::cameras::{CameraList, RemovedCamera};
use crate::serve::config::{Camera, Config};
use crate::serve::connection_limit::ConnectionLimit;
use crate::serve::fanout::Fanout;
use crate::serve::fanout::congestion::CongestionControl;
use crate::serve::http::assets::{self, Asset};
use crate::serve::http::authenticator::Authenticator;
use crate::serve::http::connections::HttpConnections;
use crate::serve::http::forwarded::Client;
use crate::serve::http::host::AllowedHosts;
use crate::serve::http::message_sessions::MessageSessions;
use crate::serve::http::origin::AllowedOrigins;
use crate::serve::latency_stats::LatencyStats;
use crate::serve::limits::{Limit, LimitCounters, Limits};
use crate::serve::mjpeg;
use crate::serve::network::Network;
use crate::serve::recorder::{Recorder, RecorderLimit};
use crate::serve::rlimit::ConnectionBudget;
use crate::serve::rtsp::output::Output;
use crate::serve::viewers::{EndReason, NoPlace, Reservation, Ticket, Viewer, Viewers};
use crate::snapshot::{Budget, SnapshotService};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// Shared state of the server.
pub struct AppState {
    pub(crate) cameras: CameraList,
    pub(crate) websocket_name: String,
    pub(crate) origins: AllowedOrigins,
    pub(crate) hosts: AllowedHosts,
    pub(crate) access: Authenticator,
    /// Proxies whose word on the client counts.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Everybody may watch, over the network, and the configuration does not say that it is meant.
    pub(crate) is_exposed: bool,
    pub(crate) congestion_control: CongestionControl,
    pub(crate) viewer_limit: ConnectionLimit,
    pub(crate) recorder_limit: RecorderLimit,
    pub(crate) viewers: Viewers,
    pub(crate) limits: Limits,
    pub(crate) limit_counters: LimitCounters,
    request_rates: Arc<Mutex<Buckets<IpAddr>>>,
    pub(crate) connections: HttpConnections,
    pub(crate) fanout: Fanout,
    pub(crate) latency_stats: LatencyStats,
    pub(crate) message_sessions: MessageSessions,
    pub(crate) assets: Arc<[Asset]>,
    pub(crate) started_at: Instant,
    pub(crate) log_throttle: Arc<Mutex<LogThrottle>>,
}

impl AppState {
    /// Creates the state of a server that shows `cameras`, the first of which is the default. `room` is what the descriptors
    /// of the process allow; `is_exposed` if others reach the server and nobody said that they may watch.
    pub fn new(
        cameras: Vec<Camera>,
        config: Config,
        access: Option<AccessControl>,
        is_exposed: bool,
        room: &ConnectionBudget,
        fanout: Fanout,
    ) -> Self {
        let budget = Budget::new(config.decode_memory_mb);
        let counters = LimitCounters::default();
        let per_address = config.limits.connections_per_address;
        let connections = HttpConnections::new(room.viewers + room.other, per_address);
        let make_room = viewer_evictor(connections.clone(), fanout.clone());
        Self {
            cameras: CameraList::new(cameras, budget),
            websocket_name: config.websocket_name,
            origins: AllowedOrigins::new(config.allowed_origins)
                .with_frame_ancestors(config.frame_ancestors),
            hosts: AllowedHosts::new(config.allowed_hosts),
            access: Authenticator::new(access, config.allow_control_changes, counters.clone()),
            trusted_proxies: config.trusted_proxies,
            is_exposed,
            congestion_control: CongestionControl::detect(config.congestion),
            viewer_limit: ConnectionLimit::with_eviction(room.viewers, make_room),
            recorder_limit: RecorderLimit::new(config.limits.recorders),
            viewers: Viewers::new(&config.limits, counters.clone()),
            limits: config.limits,
            limit_counters: counters,
            request_rates: Arc::default(),
            connections,
            fanout,
            latency_stats: LatencyStats::default(),
            message_sessions: MessageSessions::default(),
            assets: assets::assets().into(),
            started_at: Instant::now(),
            log_throttle: Arc::default(),
        }
    }

    /// Returns the state with another configuration, as far as it can change while the program runs. Cameras, viewers and
    /// connections stay.
    fn reconfigured(
        &self,
        config: Config,
        access: Option<AccessControl>,
        is_exposed: bool,
    ) -> Self {
        Self {
            origins: AllowedOrigins::new(config.allowed_origins)
                .with_frame_ancestors(config.frame_ancestors),
            hosts: AllowedHosts::new(config.allowed_hosts),
            access: (self.access).reconfigured(access, config.allow_control_changes),
            trusted_proxies: config.trusted_proxies,
            is_exposed,
            cameras: self.cameras.clone(),
            websocket_name: self.websocket_name.clone(),
            congestion_control: self.congestion_control.clone(),
            viewer_limit: self.viewer_limit.clone(),
            recorder_limit: self.recorder_limit.clone(),
            viewers: self.viewers.clone(),
            limits: self.limits.clone(),
            limit_counters: self.limit_counters.clone(),
            request_rates: self.request_rates.clone(),
            connections: self.connections.clone(),
            fanout: self.fanout.clone(),
            latency_stats: self.latency_stats.clone(),
            message_sessions: self.message_sessions.clone(),
            assets: self.assets.clone(),
            started_at: self.started_at,
            log_throttle: self.log_throttle.clone(),
        }
    }

    /// Logs a warning that clients can cause at will, throttled.
    pub(crate) fn warn_throttled(&self, words: &str) {
        logger::warn_throttled(&self.log_throttle, words);
    }

    /// Keeps a place for a viewer.
    pub(crate) fn reserve_viewer(&self, client: &Client) -> Result<Reservation, NoPlace> {
        let address = client.limited_address();
        self.viewers.reserve(&self.viewer_limit, address)
    }

    /// Keeps a place for a recorder of `camera`, if there is one.
    pub(crate) fn reserve_recorder(&self, camera: &Camera, client: &Client) -> Option<Recorder> {
        let Some(permit) = self.recorder_limit.acquire(client.limited_address()) else {
            self.limit_counters.count(Limit::Recorders);
            return None;
        };
        let log_throttle = self.log_throttle.clone();
        let (name, hub) = (camera.name.clone(), camera.handle.hub());
        Some(Recorder::new(name, hub, client.peer, log_throttle, permit))
    }

    /// Counts a request of a client; returns false if it sends too many in a second.
    pub(crate) fn admits_request(&self, client: &Client) -> bool {
        let Some(address) = client.limited_address() else {
            return true;
        };
        let limit = self.limits.requests_per_second;
        let refill = Duration::from_secs(1) / limit.max(1);
        let mut rates = self
            .request_rates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let burst = limit.saturating_mul(2);
        let taken = rates.take(network(address), burst, refill, Instant::now());
        if taken.is_err() {
            self.limit_counters.count(Limit::Requests);
        }
        taken.is_ok()
    }

    /// Returns the address of a peer for limits of connections; `None` if it stands for many clients.
    pub(crate) fn limited_peer(&self, peer: IpAddr) -> Option<IpAddr> {
        let is_proxy = |network: &Network| network.contains(peer);
        let stands_for_many =
            peer.to_canonical().is_loopback() || self.trusted_proxies.iter().any(is_proxy);
        (!stands_for_many).then(|| network(peer))
    }

    /// Adds a viewer of `camera` with the right of `identity`.
    pub(crate) fn join(
        &self,
        place: Reservation,
        identity: &Identity,
        peer: SocketAddr,
        camera: &Camera,
        output: &'static str,
    ) -> Ticket {
        let name = camera.name.clone();
        let ticket = self.viewers.join(place, identity, peer, name, output);
        // A logout between the check of the request and this line has not seen the viewer.
        if self.access.has_ended(identity) {
            ticket.end(EndReason::SessionEnded);
        }
        ticket
    }

    /// Ends the viewers that `is_meant` names; returns how many.
    pub(crate) fn end_viewers(
        &self,
        reason: EndReason,
        is_meant: impl Fn(&Viewer) -> bool,
    ) -> usize {
        let count = self.viewers.end(reason, is_meant);
        if count > 0 {
            self.fanout.close_ended();
        }
        count
    }

    /// Ends the viewers whose links have expired, and those who joined by a configuration that has changed since; returns how
    /// many. To be called once a second.
    pub(crate) fn end_expired_viewers(&self, now: SystemTime) -> usize {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.unwrap_or_default().as_secs();
        self.end_viewers(EndReason::SessionEnded, |viewer| {
            viewer.is_expired(seconds) || !self.access.still_grants(&viewer.identity)
        })
    }

    pub(crate) fn snapshot_service(&self, name: &str) -> Option<SnapshotService> {
        let camera = self.cameras.find(Some(name))?;
        Some(camera.snapshots.clone())
    }

    /// The frames of the camera `name` in Annex B.
    pub(crate) fn annexb(&self, name: &str) -> AnnexB {
        let camera = self.cameras.find(Some(name));
        camera
            .map(|camera| camera.annexb.clone())
            .unwrap_or_default()
    }

    /// Returns what RTSP clients of the camera `name` share.
    pub(crate) fn rtsp_output(&self, name: &str) -> Option<Output> {
        let camera = self.cameras.find(Some(name))?;
        Some(camera.rtsp.clone())
    }

    /// Returns the streams that clients of MJPEG of the camera `name` share.
    pub(crate) fn mjpeg_output(&self, name: &str) -> Option<mjpeg::Output> {
        let camera = self.cameras.find(Some(name))?;
        Some(camera.mjpeg.clone())
    }

    /// Returns the camera `name`, or the first one.
    pub(crate) fn camera(&self, name: Option<&str>) -> Option<Camera> {
        self.cameras.find(name).map(|camera| Camera::clone(&camera))
    }
}

/// The state as it is now: a change of the configuration replaces it. Clones are the same.
#[derive(Clone)]
pub struct Site(Arc<RwLock<Arc<AppState>>>);

impl Site {
    /// Begins with `state`.
    pub fn new(state: AppState) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(state))))
    }

    /// Returns the state for one request.
    pub(crate) fn current(&self) -> Arc<AppState> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Adds a camera while the server runs; false if there is one of its name.
    pub fn add_camera(&self, camera: Camera) -> bool {
        let state = self.current();
        let hub = camera.handle.hub().clone();
        let is_added = state.cameras.add(camera);
        if is_added {
            state.fanout.watch(&hub);
        }
        is_added
    }

    /// Removes a camera, if there is one of this name. Viewers who are there keep what they have of it.
    pub fn remove_camera(&self, name: &str) -> Option<RemovedCamera> {
        self.current().cameras.remove(name)
    }

    /// Adds a camera again as it was; false if there is one of its name. The fan-out still follows its hub.
    pub fn restore_camera(&self, removed: &RemovedCamera) -> bool {
        self.current().cameras.restore(removed)
    }

    /// Applies what can change while the program runs: users, tokens, links, hosts, origins, proxies. Viewers who may no longer
    /// watch are ended; returns how many.
    pub fn reconfigure(
        &self,
        config: Config,
        access: Option<AccessControl>,
        is_exposed: bool,
    ) -> usize {
        let state = Arc::new(self.current().reconfigured(config, access, is_exposed));
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *current = state.clone();
        drop(current);
        state.end_expired_viewers(SystemTime::now())
    }
}

/// Returns a function that evicts a viewer without progress. It searches four times a second at
/// most.
fn viewer_evictor(streams: HttpConnections, viewers: Fanout) -> impl Fn() -> bool + Send + Sync {
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

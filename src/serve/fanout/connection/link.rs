//! Link of a viewer: when it is sampled, and what follows from a sample.

use super::{REPORT_MAX_AGE, ViewerConnection};
use crate::os::tcp as socket;
use crate::time::Timestamp;

impl ViewerConnection {
    /// True while nothing is sent before the next poll.
    pub(crate) fn is_throttled(&self) -> bool {
        self.is_throttled
    }

    /// True if the link needs a poll soon.
    pub(crate) fn needs_frequent_poll(&self) -> bool {
        self.congestion.needs_frequent_poll()
    }

    /// Polls the link and sends updates, if either is due.
    pub(crate) fn retry_throttled(&mut self) -> Result<(), String> {
        if self.congestion.needs_frequent_poll() {
            self.sample_tcp_info();
        }
        if self.is_throttled {
            self.send_updates()
        } else {
            Ok(())
        }
    }

    pub(super) fn set_user_timeout(&mut self, now: Timestamp) {
        if let Some(allowed) = self.congestion.next_user_timeout(now) {
            let socket = socket2::SockRef::from(&*self.stream.socket());
            // A socket that refuses an option still works.
            let _ = socket.set_tcp_user_timeout(Some(allowed));
        }
    }

    /// Finds out whether frames arrive in time, some times a second. Mostly everything is
    /// acknowledged, which is cheap to know.
    pub(crate) fn poll_link(&mut self) -> Result<(), String> {
        if self.closing.is_some() || self.takes_pictures() {
            return Ok(());
        }
        let now = Timestamp::now();
        if self.congestion.can_skip_sample(now) && socket::is_all_acked(self.stream.socket()) {
            self.congestion.on_all_acked(now);
        } else {
            self.sample_tcp_info();
        }
        Ok(())
    }

    /// Has the congestion control of a client of MJPEG react to lost packets, once a second. Nothing else is known of its
    /// link: pictures are large, and each is the newest when the socket has taken the one before.
    pub(super) fn react_to_loss(&mut self) {
        if let Some(sample) = socket::sample(self.stream.socket()) {
            let socket = self.stream.socket();
            self.loss_response
                .react(socket, sample.bytes_lost, Timestamp::now());
        }
    }

    /// Samples TCP_INFO: a system call, which a viewer on a congested link costs before each frame,
    /// too.
    pub(super) fn sample_tcp_info(&mut self) {
        let Some(mut sample) = socket::sample(self.stream.socket()) else {
            return; // an old kernel: the socket being full is all that is known
        };
        let now = Timestamp::now();
        self.loss_response
            .react(self.stream.socket(), sample.bytes_lost, now);
        let unsent = self
            .sending
            .as_ref()
            .map_or(0, |(bytes, sent)| bytes.len().saturating_sub(*sent));
        sample.bytes_unsent += unsent as u64;
        let delivery = self
            .subscription
            .delivery_state(sample.bytes_in_flight + unsent as u64);
        let was_slow = self.congestion.is_congested();
        if was_slow && let Some(round_trip) = socket::bbr_min_rtt(self.stream.socket()) {
            sample.min_rtt = sample.min_rtt.max(round_trip);
        }
        let missing = delivery.filter(|picture| !picture.is_received);
        let waiting_since = missing.map(|picture| picture.published_at);
        self.congestion.on_sample(sample, waiting_since, now);
        if was_slow || self.congestion.is_congested() {
            self.link.set_congested(self.congestion.congested_link());
        }
        self.set_user_timeout(now);
        self.is_throttled = self.congestion.is_window_full(now);
        let delay = delivery
            .filter(|picture| {
                now.since(picture.published_at) < REPORT_MAX_AGE || !picture.is_received
            })
            .map(|picture| picture.delay(self.congestion.one_way_delay(), now));
        self.latency
            .set_estimated(delay, self.congestion.is_congested());
    }
}

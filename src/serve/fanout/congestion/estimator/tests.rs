use super::*;

/// A line of `rate` bytes per second that is looked at each 33 ms.
struct Model {
    line: CongestionEstimator,
    rate: f64,
    /// How many steps each acknowledgement takes, one after the other.
    swings: &'static [usize],
    in_the_air: VecDeque<(usize, f64)>,
    steps: usize,
    sent: f64,
    carried: f64,
    acknowledged: f64,
    now: Timestamp,
    since: Option<Timestamp>,
}

const STEP: Duration = Duration::from_millis(33);

impl Model {
    fn new(rate: f64) -> Self {
        let now = Timestamp::from_nanos(1_000_000_000);
        Self {
            line: CongestionEstimator::new(now),
            rate,
            swings: &[0],
            in_the_air: VecDeque::new(),
            steps: 0,
            sent: 0.0,
            carried: 0.0,
            acknowledged: 0.0,
            now,
            since: None,
        }
    }

    fn step(&mut self) {
        self.now = self.now + STEP;
        let carried = self.rate * STEP.as_secs_f64();
        self.carried = self.sent.min(self.carried + carried);
        let swing = self.swings[self.steps % self.swings.len()];
        self.in_the_air
            .push_back((self.steps + swing, self.carried));
        while let Some((due, bytes)) = self.in_the_air.front().copied() {
            if due > self.steps {
                break;
            }
            self.acknowledged = bytes;
            self.in_the_air.pop_front();
        }
        self.steps += 1;
        let sample = TcpSample {
            bytes_acked: self.acknowledged as u64,
            bytes_delivered: self.acknowledged as u64,
            bytes_in_flight: (self.sent - self.acknowledged) as u64,
            // What is late waits in the kernel, as in front of a narrow link.
            bytes_unsent: u64::from(self.since.is_some()),
            bytes_lost: 0,
            min_rtt: Duration::from_millis(20),
            srtt: Duration::from_millis(20),
            is_ca_open: true,
            in_rto_backoff: false,
        };
        self.line.on_sample(sample, self.since, self.now);
    }

    /// Sends `bytes` each step if the line is not full; returns the most that was outstanding.
    fn run(&mut self, seconds: u64, bytes: f64) -> u64 {
        let mut most = 0;
        for _ in 0..seconds * 30 {
            self.run_step(bytes);
            most = most.max(self.line.bytes_in_flight);
        }
        most
    }

    fn run_step(&mut self, bytes: f64) {
        self.step();
        if !self.line.is_window_full(self.now) {
            self.sent += bytes;
        }
    }
}

#[test]
fn uncongested_link_is_never_full() {
    let mut model = Model::new(1e6);
    model.run(10, 6000.0);
    assert!(!model.line.is_congested());
    assert_eq!(model.line.bandwidth_bps(), None);
}

#[test]
fn congested_link_stays_busy_with_small_window() {
    let mut model = Model::new(90_000.0);
    model.run(1, 6000.0);
    // Now it is seen that the pictures are late.
    model.since = Some(Timestamp::from_nanos(0));
    model.run(1, 6000.0);
    let before = model.acknowledged;
    let most = model.run(4, 6000.0);
    let carried = (model.acknowledged - before) / (4.0 * 30.0 * STEP.as_secs_f64());
    assert!(carried > 88_000.0, "{carried}");
    assert!(most < 6000 + 2 * 90 * 100, "{most}");
    let capacity = model.line.bandwidth_bps().unwrap();
    assert!(capacity.abs_diff(720_000) < 80_000, "{capacity}");
}

#[test]
fn a_line_that_halves_is_soon_given_half() {
    let mut model = Model::new(180_000.0);
    model.since = Some(Timestamp::from_nanos(0));
    model.run(3, 9000.0);
    model.rate = 90_000.0;
    model.run(4, 9000.0);
    assert!(model.run(2, 9000.0) < 9000 + 25_000);
}

#[test]
fn rate_of_full_link_decays_fast() {
    let mut model = Model::new(1e6);
    model.run(1, 34_000.0);
    model.rate = 150_000.0;
    model.since = Some(model.now);
    model.run(2, 9000.0);
    let most = model.run(2, 9000.0);
    assert!(most < 9000 + 2 * 150 * 100, "{most}");
}

#[test]
fn sacked_bytes_do_not_raise_the_rate() {
    let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
    let mut line = CongestionEstimator::new(at(0));
    for ms in (0..6000).step_by(10) {
        // One packet is lost in each second, and comes 400 ms late.
        let arrived = ms * 150;
        let acknowledged = if ms % 1000 < 400 {
            ms / 1000 * 150_000
        } else {
            arrived
        };
        let sample = TcpSample {
            bytes_acked: acknowledged,
            bytes_delivered: arrived,
            bytes_in_flight: 15_000 + arrived - acknowledged,
            bytes_unsent: 1,
            bytes_lost: 0,
            min_rtt: Duration::from_millis(20),
            srtt: Duration::from_millis(20),
            is_ca_open: true,
            in_rto_backoff: false,
        };
        line.on_sample(sample, None, at(ms));
    }
    let backlog = line.queue_delay();
    assert!(backlog > Duration::from_millis(90), "{backlog:?}");
}

#[test]
fn user_timeout_grows_in_steps_during_outage() {
    let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
    let mut line = CongestionEstimator::new(at(0));
    let mut told = Duration::ZERO;
    for ms in (0..30_000).step_by(10) {
        let is_hole = (1000..26_000).contains(&ms);
        let sample = TcpSample {
            bytes_acked: 0,
            bytes_delivered: 0,
            bytes_in_flight: u64::from(is_hole),
            bytes_unsent: 1,
            bytes_lost: 0,
            min_rtt: Duration::from_millis(20),
            srtt: Duration::from_millis(20),
            is_ca_open: !is_hole,
            in_rto_backoff: is_hole,
        };
        line.on_sample(sample, None, at(ms));
        if let Some(allowed) = line.next_user_timeout(at(ms)) {
            assert_ne!(allowed, told);
            told = allowed;
        }
        let passed = Duration::from_millis(ms.saturating_sub(990));
        if !is_hole {
            assert_eq!(told, USER_TIMEOUT, "{ms}");
        } else if passed + MAX_RTO < USER_TIMEOUT {
            let left = told.saturating_sub(passed);
            assert!(
                left >= MAX_RTO - USER_TIMEOUT_STEP && left <= MAX_RTO,
                "{ms}: {left:?}"
            );
        } else {
            assert!(told <= USER_TIMEOUT, "{ms}: then it is over");
        }
    }
}

#[test]
fn lossy_link_with_progress_keeps_user_timeout() {
    let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
    let mut line = CongestionEstimator::new(at(0));
    let mut told = USER_TIMEOUT;
    // Never without a loss since the first second, and each other time one that has to be waited for.
    for ms in (0..120_000).step_by(250) {
        let sample = TcpSample {
            bytes_acked: ms,
            bytes_delivered: ms,
            bytes_in_flight: 1000,
            bytes_unsent: 1,
            bytes_lost: 0,
            min_rtt: Duration::from_millis(20),
            srtt: Duration::from_millis(60),
            is_ca_open: ms < 1000,
            in_rto_backoff: ms >= 1000 && ms % 500 == 0,
        };
        line.on_sample(sample, None, at(ms));
        told = line.next_user_timeout(at(ms)).unwrap_or(told);
        let episode = Duration::from_millis(ms.saturating_sub(750));
        let left = told.saturating_sub(episode);
        assert!(left >= MAX_RTO - USER_TIMEOUT_STEP, "{ms}: {left:?}");
    }
}

#[test]
fn jittery_link_recovers_from_congestion() {
    let mut model = Model::new(20_000.0);
    model.since = Some(Timestamp::from_nanos(0));
    model.run(3, 6000.0);
    // It carries everything now, but what comes back comes up to 130 ms late, and in lumps.
    model.rate = 1e6;
    model.swings = &[2, 4, 3, 2, 1, 3, 2, 4, 1, 3];
    model.run(10, 6000.0);
    let before = model.sent;
    model.run(2, 6000.0);
    assert!(
        model.sent - before > 2.0 * 30.0 * 6000.0 * 0.95,
        "{}",
        model.sent - before
    );
}

#[test]
fn longer_rtt_is_not_congestion() {
    let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
    let mut line = CongestionEstimator::new(at(0));
    for (present_ms, is_slow) in [(20, true), (220, false)] {
        for ms in (0..12_000).step_by(250) {
            let now = at(20_000 * present_ms + ms);
            let sample = TcpSample {
                bytes_acked: 0,
                bytes_delivered: 0,
                bytes_in_flight: 1,
                bytes_unsent: 1,
                bytes_lost: 0,
                min_rtt: Duration::from_millis(20),
                srtt: Duration::from_millis(present_ms),
                is_ca_open: true,
                in_rto_backoff: false,
            };
            line.on_sample(
                sample,
                Some(at(20_000 * present_ms + ms.saturating_sub(500))),
                now,
            );
        }
        assert_eq!(line.is_congested(), is_slow, "{present_ms}");
    }
}

#[test]
fn outage_closes_the_window() {
    let mut model = Model::new(180_000.0);
    model.since = Some(Timestamp::from_nanos(0));
    model.run(2, 6000.0);
    model.rate = 0.0;
    model.run(1, 6000.0);
    let sent = model.sent;
    model.run(20, 6000.0);
    assert_eq!(model.sent, sent);
    model.rate = 180_000.0;
    model.run(1, 6000.0);
    assert!(model.sent > sent + 100_000.0, "{}", model.sent - sent);
}

#[test]
fn outage_does_not_lower_the_rate() {
    for hole_seconds in 2..6 {
        let mut model = Model::new(180_000.0);
        model.since = Some(Timestamp::from_nanos(0));
        model.run(4, 6000.0);
        model.rate = 0.0;
        model.run(hole_seconds, 6000.0);
        model.rate = 180_000.0;
        for _ in 0..120 {
            model.run_step(6000.0);
            let capacity = model.line.bandwidth_bps().unwrap();
            assert!(capacity > 1_000_000, "{hole_seconds}: {capacity}");
        }
    }
}

#[test]
fn link_is_uncongested_after_clear_time() {
    let mut model = Model::new(1e6);
    model.since = Some(Timestamp::from_nanos(0));
    model.run(1, 6000.0);
    assert!(model.line.is_congested());
    model.since = None;
    model.run(2, 6000.0);
    assert!(model.line.is_congested());
    model.run(2, 6000.0);
    assert!(!model.line.is_congested());
}

#[test]
fn skipped_frames_keep_link_congested() {
    let mut model = Model::new(90_000.0);
    model.since = Some(Timestamp::from_nanos(0));
    model.run(1, 6000.0);
    model.since = None;
    for _ in 0..10 {
        model.run(1, 2500.0);
        model.line.on_frame_skipped(model.now);
    }
    assert!(model.line.is_congested());
    model.run(4, 2500.0);
    assert!(!model.line.is_congested());
    model.line.on_frame_skipped(model.now);
    assert!(
        !model.line.is_congested(),
        "a good line may leave out the past, too"
    );
}

#[test]
fn long_rtt_link_recovers_despite_skipped_frames() {
    let mut line = CongestionEstimator::new(Timestamp::from_nanos(0));
    for ms in (0..8000).step_by(100) {
        let now = Timestamp::from_nanos(ms * 1_000_000);
        let sample = TcpSample {
            bytes_acked: ms,
            bytes_delivered: ms,
            bytes_in_flight: 1,
            bytes_unsent: 1,
            bytes_lost: 0,
            min_rtt: Duration::from_millis(1),
            srtt: Duration::from_millis(220),
            is_ca_open: true,
            in_rto_backoff: false,
        };
        let late = (ms < 2000).then_some(Timestamp::from_nanos(0));
        line.on_sample(sample, late, now);
        line.on_frame_skipped(now);
        assert_eq!(line.is_congested(), (800..5000).contains(&ms), "{ms}");
    }
}

#[test]
fn suspected_congestion_is_polled_often() {
    let mut model = Model::new(90_000.0);
    model.run(1, 2500.0);
    for (late_ms, is_critical, is_slow) in [
        (100, false, false),
        (200, true, false),
        (100, false, false),
        (500, false, true),
    ] {
        model.since = Some(Timestamp::from_nanos(
            model.now.as_nanos() + 33_000_000 - late_ms * 1_000_000,
        ));
        model.step();
        assert_eq!(model.line.needs_frequent_poll(), is_critical, "{late_ms}");
        assert_eq!(model.line.is_congested(), is_slow, "{late_ms}");
    }
}

#[test]
fn idle_sampling_requires_uncongested_link() {
    let mut model = Model::new(90_000.0);
    assert!(
        !model.line.can_skip_sample(model.now),
        "nothing is known of it"
    );
    model.sent += 2500.0;
    model.run_step(0.0);
    assert!(model.line.can_skip_sample(model.now), "it has arrived");
    model.sent += 20_000.0;
    model.run_step(0.0);
    assert!(
        !model.line.can_skip_sample(model.now),
        "it is under way: what is carried is measured"
    );
    model.run(1, 0.0);
    assert!(model.line.can_skip_sample(model.now));

    model.now = model.now + Duration::from_secs(60);
    assert!(
        !model.line.can_skip_sample(model.now),
        "the way may be another one"
    );
    model.line.on_all_acked(model.now);
    assert_eq!(model.line.bytes_in_flight, 0);
    let sample = TcpSample {
        bytes_acked: model.acknowledged as u64,
        bytes_delivered: model.acknowledged as u64,
        bytes_in_flight: 2500,
        bytes_unsent: 1,
        bytes_lost: 0,
        min_rtt: Duration::from_millis(20),
        srtt: Duration::from_millis(20),
        is_ca_open: false,
        in_rto_backoff: true,
    };
    let since = model.now;
    let now = since + Duration::from_millis(400);
    model.line.on_sample(sample, Some(since), now);
    assert!(model.line.is_congested());
    assert!(!model.line.can_skip_sample(now));
    assert!(
        model.line.is_window_full(now),
        "nothing has come through since then"
    );
    // The kernel began to try when the rest ended, not a minute before.
    assert_eq!(
        model.line.next_user_timeout(now),
        Some(Duration::from_millis(700))
    );
}

/// What a link that loses packets at random looks like: something waits for what was lost, and no
/// queue is anywhere.
#[test]
fn lossy_link_without_queue_is_not_congested() {
    let at = |ms: u64| Timestamp::from_nanos((1000 + ms) * 1_000_000);
    let judge = |unsent, present_ms| {
        let mut line = CongestionEstimator::new(at(0));
        for ms in (0..5000).step_by(50) {
            let sample = TcpSample {
                bytes_acked: ms * 100,
                bytes_delivered: ms * 150,
                bytes_in_flight: 20_000,
                bytes_unsent: unsent,
                bytes_lost: ms,
                min_rtt: Duration::from_millis(100),
                srtt: Duration::from_millis(present_ms),
                is_ca_open: false,
                in_rto_backoff: false,
            };
            line.on_sample(sample, Some(at(0)), at(ms));
        }
        line.is_congested()
    };
    assert!(!judge(0, 110));
    assert!(judge(10_000, 110), "the kernel cannot send it");
    assert!(judge(0, 300), "a router holds it");
}

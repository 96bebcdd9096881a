//! Decides what a viewer on a congested link receives next. Pure.
//!
//! A link that carries half the stream leaves a choice: fewer frames, or older ones. Without
//! disposable frames only the end of a GOP can be skipped, since all frames build on each other. So
//! each GOP is sent as far as the link carries it, and abandoned when the next keyframe is there.
//! The link is never idle, the picture never stands for longer than a keyframe takes, and no delay
//! outlives its GOP. Stopping earlier, at some delay, would trade it for a frozen picture and an
//! idle link. At more than [`KEYFRAME_REQUEST_LAG`] behind, an additional keyframe ends the GOP
//! early, if the encoder can make one and it does not cost the others too much.

use crate::hub::Action;
use std::time::Duration;

/// Lag that a congested link can still make up for: a few frames, so that none is skipped for
/// nothing.
const RECOVERABLE_LAG: Duration = Duration::from_millis(100);

/// Least time before a keyframe at which sending stops. A frame still in flight delays the keyframe
/// and all of the next GOP, so the last one leaves in time for the link to be empty. Times are only
/// known by frames, ...
const MIN_KEYFRAME_LEAD: Duration = Duration::from_millis(80);

/// ... and the most: bandwidth and the time of the keyframe are estimates.
const MAX_KEYFRAME_LEAD: Duration = Duration::from_millis(400);

/// Age of the next frame beyond which a keyframe made now serves a congested link better, if the
/// age is also twice the keyframe's transmit time. Otherwise large keyframes would soon be all that
/// is seen.
const KEYFRAME_REQUEST_LAG: Duration = Duration::from_secs(1);

/// State of the viewer and the camera.
#[derive(Clone, Copy, Debug)]
pub(super) struct PolicyInput {
    /// Age of the viewer's next frame, relative to the newest frame.
    pub(super) lag: Duration,
    /// The same for the newest keyframe, if it lies ahead of the viewer.
    pub(super) keyframe_lag: Option<Duration>,
    /// The viewer has nothing yet of the newest GOP, and the frames after its keyframe outweigh it.
    pub(super) gop_outweighs_keyframe: bool,
    /// Time until the next keyframe after the newest frame, if they come at an interval.
    pub(super) keyframe_due_in: Option<Duration>,
    /// Time that a keyframe takes on the viewer's link.
    pub(super) keyframe_transmit_time: Duration,
    /// Time that the bytes in flight and the next frame take.
    pub(super) link_busy_time: Duration,
    /// No other frame refers to the next one.
    pub(super) is_disposable: bool,
    pub(super) keyframe_request: KeyframeRequest,
}

/// Availability of a keyframe on request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyframeRequest {
    /// The encoder cannot make one, or made one too recently.
    Unavailable,
    /// The encoder can make one.
    Available,
    /// It was requested, and will arrive soon.
    Pending,
}

/// Decides how the viewer continues.
pub(super) fn decide(view: PolicyInput) -> Action {
    // A seek leads here, however far behind the viewer is.
    let best = view.keyframe_lag.unwrap_or(view.lag);
    let patience = if view.gop_outweighs_keyframe {
        Duration::ZERO
    } else {
        KEYFRAME_REQUEST_LAG
    };
    let is_late = best > patience.max(2 * view.keyframe_transmit_time);
    let last_call = view
        .link_busy_time
        .clamp(MIN_KEYFRAME_LEAD, MAX_KEYFRAME_LEAD);
    match view.keyframe_request {
        KeyframeRequest::Pending if is_late => Action::Wait,
        KeyframeRequest::Available if is_late => Action::RequestKeyframe,
        _ if view.lag <= RECOVERABLE_LAG => Action::Send,
        _ if view.keyframe_lag.is_some() => Action::SeekToKeyframe,
        _ if view.keyframe_due_in.is_some_and(|due| due <= last_call) => Action::Wait,
        _ if view.is_disposable => Action::Skip,
        _ => Action::Send,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const GOOD: PolicyInput = PolicyInput {
        lag: Duration::ZERO,
        keyframe_lag: None,
        gop_outweighs_keyframe: false,
        keyframe_due_in: Some(Duration::from_millis(500)),
        keyframe_transmit_time: Duration::from_millis(400),
        link_busy_time: Duration::from_millis(60),
        is_disposable: true,
        keyframe_request: KeyframeRequest::Available,
    };

    #[test]
    fn congested_viewer_skips_disposable_and_gop_end() {
        let slow = PolicyInput {
            keyframe_request: KeyframeRequest::Unavailable,
            ..GOOD
        };
        assert_eq!(decide(slow), Action::Send);
        let late = PolicyInput {
            lag: ms(150),
            ..slow
        };
        assert_eq!(decide(late), Action::Skip);
        let needed = PolicyInput {
            is_disposable: false,
            ..late
        };
        assert_eq!(decide(needed), Action::Send);
        let at_the_end = PolicyInput {
            keyframe_lag: Some(ms(0)),
            ..needed
        };
        assert_eq!(decide(at_the_end), Action::SeekToKeyframe);
        let near_the_end = PolicyInput {
            keyframe_due_in: Some(ms(66)),
            ..needed
        };
        assert_eq!(decide(near_the_end), Action::Wait);
        let just_behind = PolicyInput {
            lag: ms(66),
            ..at_the_end
        };
        let in_the_way = PolicyInput {
            keyframe_due_in: Some(ms(200)),
            link_busy_time: ms(210),
            ..needed
        };
        assert_eq!(decide(in_the_way), Action::Wait);
        let out_of_the_way = PolicyInput {
            link_busy_time: ms(190),
            ..in_the_way
        };
        assert_eq!(decide(out_of_the_way), Action::Send);
        let a_wild_guess = PolicyInput {
            keyframe_due_in: Some(ms(1500)),
            link_busy_time: ms(5000),
            ..needed
        };
        assert_eq!(decide(a_wild_guess), Action::Send);
        assert_eq!(decide(just_behind), Action::Send);
    }

    #[test]
    fn keyframe_is_requested_when_late_and_available() {
        let late = PolicyInput {
            lag: ms(1100),
            is_disposable: false,
            ..GOOD
        };
        assert_eq!(decide(late), Action::RequestKeyframe);
        assert_eq!(
            decide(PolicyInput {
                keyframe_request: KeyframeRequest::Pending,
                ..late
            }),
            Action::Wait
        );
        assert_eq!(
            decide(PolicyInput {
                keyframe_request: KeyframeRequest::Unavailable,
                ..late
            }),
            Action::Send
        );
        let would_not_help = PolicyInput {
            keyframe_transmit_time: ms(600),
            ..late
        };
        assert_eq!(decide(would_not_help), Action::Send);
        let after_a_hole = PolicyInput {
            lag: ms(5000),
            keyframe_lag: Some(ms(1500)),
            ..late
        };
        assert_eq!(decide(after_a_hole), Action::RequestKeyframe);
        let near = PolicyInput {
            keyframe_lag: Some(ms(200)),
            ..after_a_hole
        };
        assert_eq!(decide(near), Action::SeekToKeyframe);
        let worn = PolicyInput {
            gop_outweighs_keyframe: true,
            keyframe_transmit_time: ms(90),
            ..near
        };
        assert_eq!(decide(worn), Action::RequestKeyframe);
        let hardly_sooner = PolicyInput {
            keyframe_transmit_time: ms(110),
            ..worn
        };
        assert_eq!(decide(hardly_sooner), Action::SeekToKeyframe);
        let denied = PolicyInput {
            keyframe_request: KeyframeRequest::Unavailable,
            ..after_a_hole
        };
        assert_eq!(decide(denied), Action::SeekToKeyframe, "old, but it moves");
    }
}

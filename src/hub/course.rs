//! How a viewer goes on: pure decisions.
//!
//! A line that carries half the stream gives a choice: fewer pictures, or older ones. Without pictures that others can do
//! without, only the end of a group of pictures can be left out, since all others build on each other. So each group is
//! sent as far as the line carries it, and given up when the next keyframe is there: the line is never idle, the picture
//! never stands for longer than a keyframe takes, and no delay outlives its group. Stopping earlier, at some delay, would
//! trade it for a frozen picture and an idle line. Where that is later than [`LATE`] behind, an additional keyframe ends the
//! group early, if the encoder can make one and it does not cost the others too much.

use std::time::Duration;

/// A viewer on a good line who is further behind than this goes on at a newer keyframe if there is one: one who is a few
/// pictures late catches up faster by getting them.
const PATIENCE: Duration = Duration::from_millis(700);

/// On a slow line what is further behind than this never catches up: a few pictures, so that none is left out for nothing.
const SLACK: Duration = Duration::from_millis(100);

/// A picture that is still on its way when the keyframe comes delays that, and with it all pictures of the next group. So the last one is
/// sent in time for the line to be empty by then; not later than this before the keyframe, since times are only known by pictures, ...
const LAST_CALL: Duration = Duration::from_millis(80);

/// ... and not earlier than this: what a line carries, and when the keyframe comes, are guesses.
const FIRST_CALL: Duration = Duration::from_millis(400);

/// A slow line whose next picture is this old would be better served by a keyframe made now, if it is twice as old as the
/// keyframe would be when it arrives: with keyframes that are large beside the line they would soon be all that is seen.
const LATE: Duration = Duration::from_secs(1);

/// How the viewer and the camera stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// How much older than the newest picture the viewer's next one is.
    pub(super) lag: Duration,
    /// The same for the newest keyframe, if it lies ahead of the viewer.
    pub(super) keyframe_lag: Option<Duration>,
    /// The viewer has nothing yet of the newest group of pictures, and what follows the keyframe outweighs it.
    pub(super) is_worn: bool,
    /// When the next keyframe is due after the newest picture, if they come at an interval.
    pub(super) keyframe_due: Option<Duration>,
    /// How long the viewer's line takes for a keyframe.
    pub(super) keyframe_time: Duration,
    /// How long the line is busy with what is on its way and the next picture.
    pub(super) busy: Duration,
    /// The viewer's line is full.
    pub(super) is_slow: bool,
    /// The next picture can be left out without harm to others.
    pub(super) is_spare: bool,
    pub(super) asking: Asking,
}

/// Whether the encoder makes a keyframe for us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asking {
    /// It cannot, or has done it too recently.
    NoUse,
    /// It can.
    Possible,
    /// It has been asked, and will give one any moment.
    UnderWay,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Course {
    /// The next picture is sent.
    Send,
    /// The next picture is left out.
    LeaveOut,
    /// It goes on at the newest keyframe.
    Jump,
    /// A keyframe is asked for, and waited for.
    Ask,
    /// Nothing is sent until the keyframe is there that was asked for or is due.
    Wait,
}

/// How the viewer goes on.
pub(super) fn decide(view: View) -> Course {
    if !view.is_slow {
        let is_worth_it = view.keyframe_lag.is_some() && view.lag > PATIENCE;
        return if is_worth_it {
            Course::Jump
        } else {
            Course::Send
        };
    }
    // However far behind the viewer is: a jump leads here.
    let best = view.keyframe_lag.unwrap_or(view.lag);
    let patience = if view.is_worn { Duration::ZERO } else { LATE };
    let is_late = best > patience.max(2 * view.keyframe_time);
    let last_call = view.busy.clamp(LAST_CALL, FIRST_CALL);
    match view.asking {
        Asking::UnderWay if is_late => Course::Wait,
        Asking::Possible if is_late => Course::Ask,
        _ if view.lag <= SLACK => Course::Send,
        _ if view.keyframe_lag.is_some() => Course::Jump,
        _ if view.keyframe_due.is_some_and(|due| due <= last_call) => Course::Wait,
        _ if view.is_spare => Course::LeaveOut,
        _ => Course::Send,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const GOOD: View = View {
        lag: Duration::ZERO,
        keyframe_lag: None,
        is_worn: false,
        keyframe_due: Some(Duration::from_millis(500)),
        keyframe_time: Duration::from_millis(400),
        busy: Duration::from_millis(60),
        is_slow: false,
        is_spare: true,
        asking: Asking::Possible,
    };

    #[test]
    fn a_good_line_gets_everything_unless_it_is_far_behind() {
        assert_eq!(decide(GOOD), Course::Send);
        let late = View {
            lag: ms(690),
            keyframe_lag: Some(ms(10)),
            ..GOOD
        };
        assert_eq!(decide(late), Course::Send);
        assert_eq!(
            decide(View {
                lag: ms(710),
                ..late
            }),
            Course::Jump
        );
        assert_eq!(
            decide(View {
                lag: ms(5000),
                ..GOOD
            }),
            Course::Send
        );
    }

    #[test]
    fn a_slow_line_leaves_out_what_is_spare_and_the_end_of_each_group() {
        let slow = View {
            is_slow: true,
            asking: Asking::NoUse,
            ..GOOD
        };
        assert_eq!(decide(slow), Course::Send);
        let late = View {
            lag: ms(150),
            ..slow
        };
        assert_eq!(decide(late), Course::LeaveOut);
        let needed = View {
            is_spare: false,
            ..late
        };
        assert_eq!(decide(needed), Course::Send);
        let at_the_end = View {
            keyframe_lag: Some(ms(0)),
            ..needed
        };
        assert_eq!(decide(at_the_end), Course::Jump);
        let near_the_end = View {
            keyframe_due: Some(ms(66)),
            ..needed
        };
        assert_eq!(decide(near_the_end), Course::Wait);
        let just_behind = View {
            lag: ms(66),
            ..at_the_end
        };
        let in_the_way = View {
            keyframe_due: Some(ms(200)),
            busy: ms(210),
            ..needed
        };
        assert_eq!(decide(in_the_way), Course::Wait);
        let out_of_the_way = View {
            busy: ms(190),
            ..in_the_way
        };
        assert_eq!(decide(out_of_the_way), Course::Send);
        let a_wild_guess = View {
            keyframe_due: Some(ms(1500)),
            busy: ms(5000),
            ..needed
        };
        assert_eq!(decide(a_wild_guess), Course::Send);
        assert_eq!(decide(just_behind), Course::Send);
    }

    #[test]
    fn a_keyframe_is_asked_for_when_none_is_near_and_it_is_allowed() {
        let late = View {
            lag: ms(1100),
            is_slow: true,
            is_spare: false,
            ..GOOD
        };
        assert_eq!(decide(late), Course::Ask);
        assert_eq!(
            decide(View {
                asking: Asking::UnderWay,
                ..late
            }),
            Course::Wait
        );
        assert_eq!(
            decide(View {
                asking: Asking::NoUse,
                ..late
            }),
            Course::Send
        );
        let would_not_help = View {
            keyframe_time: ms(600),
            ..late
        };
        assert_eq!(decide(would_not_help), Course::Send);
        let after_a_hole = View {
            lag: ms(5000),
            keyframe_lag: Some(ms(1500)),
            ..late
        };
        assert_eq!(decide(after_a_hole), Course::Ask);
        let near = View {
            keyframe_lag: Some(ms(200)),
            ..after_a_hole
        };
        assert_eq!(decide(near), Course::Jump);
        let worn = View {
            is_worn: true,
            keyframe_time: ms(90),
            ..near
        };
        assert_eq!(decide(worn), Course::Ask);
        let hardly_sooner = View {
            keyframe_time: ms(110),
            ..worn
        };
        assert_eq!(decide(hardly_sooner), Course::Jump);
        let denied = View {
            asking: Asking::NoUse,
            ..after_a_hole
        };
        assert_eq!(decide(denied), Course::Jump, "old, but it moves");
    }
}

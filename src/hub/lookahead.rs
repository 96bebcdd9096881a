//! Decision how a viewer continues, and the facts for it.

use super::Inner;
use crate::time::Timestamp;
use std::time::Duration;

/// Lag beyond which a viewer on an uncongested link seeks to a newer keyframe. A viewer a few
/// frames late catches up faster by receiving them.
const MAX_LAG: Duration = Duration::from_millis(700);

/// Action for one viewer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send the next frame.
    Send,
    /// Skip the next frame.
    Skip,
    /// Continue at the newest keyframe.
    SeekToKeyframe,
    /// Request a keyframe, and wait for it.
    RequestKeyframe,
    /// Send nothing until the requested or due keyframe is there.
    Wait,
}

/// Facts about the frames that a viewer receives next.
#[derive(Clone, Copy, Debug)]
pub struct Lookahead {
    /// Age of the viewer's next frame, relative to the newest frame.
    pub lag: Duration,
    /// The same for the newest keyframe, if it lies ahead of the viewer.
    pub keyframe_lag: Option<Duration>,
    /// The viewer has nothing yet of the newest GOP, and the frames after its keyframe outweigh it.
    pub gop_outweighs_keyframe: bool,
    /// Time until the next keyframe after the newest frame, if they come at an interval.
    pub keyframe_due_in: Option<Duration>,
    /// Size of the newest keyframe.
    pub keyframe_bytes: usize,
    /// Size of the next frame.
    pub frame_bytes: usize,
    /// No other frame refers to the next one.
    pub is_disposable: bool,
    /// Publication time of the newest frame.
    pub newest_at: Timestamp,
    /// Publication time of the newest keyframe.
    pub keyframe_at: Option<Timestamp>,
    /// Viewers of the camera.
    pub viewers: usize,
}

/// Decides for a viewer on a congested link. Called with the hub's lock held.
pub trait LinkPolicy {
    /// Returns how the viewer continues.
    fn next_action(&mut self, ahead: &Lookahead) -> Action;
}

impl Inner {
    /// Decides how a viewer continues whose next frame is `number`, by the policy of a congested
    /// link.
    pub(super) fn next_action(
        &self,
        number: u64,
        has_previous: bool,
        link: Option<&mut (dyn LinkPolicy + '_)>,
    ) -> Action {
        // Nearly always: the newest frame, and the link is not congested.
        if link.is_none() && number + 1 == self.buffer.next_seq() {
            return Action::Send;
        }
        let (Some(here), Some(newest)) = (self.buffer.get(number), self.buffer.newest()) else {
            return Action::Send;
        };
        let newest_at = newest.published_at;
        let lag = newest_at.since(here.published_at);
        let keyframe_lag = (self.buffer.entry_seq())
            .filter(|&entry| entry > number)
            .and_then(|entry| self.buffer.get(entry))
            .map(|entry| newest_at.since(entry.published_at));
        match link {
            Some(link) => link.next_action(&Lookahead {
                lag,
                keyframe_lag,
                gop_outweighs_keyframe: self.buffer.entry_seq() >= Some(number)
                    && self.buffer.gop_outweighs_keyframe(),
                keyframe_due_in: self.rate_meter.keyframe_due_in(),
                keyframe_bytes: self.buffer.keyframe_bytes(),
                frame_bytes: here.frame.len(),
                is_disposable: here.frame.is_disposable && has_previous,
                newest_at,
                keyframe_at: self.buffer.keyframe_at(),
                viewers: self.viewers,
            }),
            None if keyframe_lag.is_some() && lag > MAX_LAG => Action::SeekToKeyframe,
            None => Action::Send,
        }
    }
}

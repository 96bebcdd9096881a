//! Layout of a test pattern by frame size: numbers only, nothing is drawn here.
//!
//! From top to bottom: the timestamp code and the title, the clock with the date, colour bars, and
//! the lane of the moving sprite. Small frames omit what does not fit.

use super::font::digit_width;
use super::timestamp_code;

/// Heights of digits, in pixels: two thirds, their width, are whole, and from 48 on whole macroblocks.
const DIGIT_HEIGHTS: [u32; 13] = [288, 240, 192, 168, 144, 120, 96, 72, 48, 36, 24, 18, 12];

/// A picture has bars, a gradient and a lane of its own if this much is left below the code.
const ROOM_FOR_ALL: u32 = 48;

/// Part of a picture, in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rectangle {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Rectangle {
    pub(super) fn right(self) -> u32 {
        self.x + self.width
    }

    pub(super) fn bottom(self) -> u32 {
        self.y + self.height
    }

    /// True if the two have a pixel in common.
    pub(super) fn meets(self, other: Self) -> bool {
        self.x < other.right()
            && other.x < self.right()
            && self.y < other.bottom()
            && other.y < self.bottom()
    }

    /// The place of its corner as seen from that of `other`.
    pub(super) fn seen_from(self, other: Self) -> (i32, i32) {
        (
            self.x as i32 - other.x as i32,
            self.y as i32 - other.y as i32,
        )
    }

    /// True if all of `other` is inside.
    pub(super) fn holds(self, other: Self) -> bool {
        self.x <= other.x
            && other.right() <= self.right()
            && self.y <= other.y
            && other.bottom() <= self.bottom()
    }
}

/// How much is shown; less of it needs fewer bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Detail {
    /// The quantiser's octave: 3 is fine, 4 coarser. Flat areas are exact in both.
    pub(super) octave: u32,
    /// The milliseconds are at most this high, in pixels; 0 leaves them out.
    pub(super) fraction_height: u32,
    /// Title and date are shown, digits may be large, and a berry bounces rather than a small one runs.
    pub(super) is_rich: bool,
}

/// Places for everything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Layout {
    /// The code for programs has its place.
    pub(super) has_code: bool,
    /// The ground gets lighter from top to bottom.
    pub(super) has_gradient: bool,
    /// Room for name, size and rate.
    pub(super) title: Option<Rectangle>,
    pub(super) clock: Clock,
    pub(super) bars: Option<Rectangle>,
    /// Where the berry moves; nothing else is there.
    pub(super) lane: Rectangle,
}

/// Place and size of the clock for the eye.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Clock {
    pub(super) x: u32,
    pub(super) y: u32,
    /// Height of the digits of hours, minutes and seconds.
    pub(super) height: u32,
    pub(super) shows: Shows,
    /// Place and height of the digits of a line with the date.
    pub(super) date: Option<(u32, u32, u32)>,
}

/// Which digits the clock has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shows {
    /// HH:MM:SS and milliseconds of this height.
    Milliseconds(u32),
    /// HH:MM:SS.
    Time,
    /// SS.
    Seconds,
}

/// Characters in the line of the date: `2026-11-22 UTC`.
const DATE_CHARACTERS: u32 = 14;

/// Places everything in a picture of `width` by `height` pixels, which are even and 16 or more.
pub(super) fn arrange(width: u32, height: u32, detail: Detail) -> Layout {
    let has_code = width >= timestamp_code::MIN_SIZE.0 && height >= timestamp_code::MIN_SIZE.1;
    let top = if has_code {
        timestamp_code::MIN_SIZE.1
    } else {
        0
    };
    let room = height - top;
    let coded = (width.next_multiple_of(16), height.next_multiple_of(16));
    let full_width = |y: u32, height: u32| Rectangle {
        x: 0,
        y,
        width,
        height,
    };
    let mut bars = None;
    let (clock_room, lane);
    if room >= ROOM_FOR_ALL {
        let lane_height = if detail.is_rich {
            nearest_16(room * 3 / 10)
        } else {
            16
        };
        let lane_y = (height - lane_height) / 16 * 16;
        lane = Rectangle {
            x: 0,
            y: lane_y,
            width: coded.0,
            height: coded.1 - lane_y,
        };
        if lane_y - top >= 96 && width >= 128 {
            let bars_height = nearest_16(room / 13);
            bars = Some(full_width(lane_y - bars_height, bars_height));
        }
        clock_room = full_width(top, bars.map_or(lane_y, |bars| bars.y) - top);
    } else if has_code {
        lane = Rectangle {
            x: 0,
            y: 0,
            width: coded.0,
            height: 16,
        };
        clock_room = Rectangle {
            x: 16,
            y: top - 16,
            width: width - 32,
            height: 16,
        };
    } else {
        let lane_height = (height / 8 * 2).clamp(4, 16);
        lane = full_width(height - lane_height, lane_height);
        clock_room = full_width(0, height - lane_height);
    }
    let title = (has_code && detail.is_rich && width > 320).then(|| Rectangle {
        x: 224,
        y: 16,
        width: width - 240,
        height: 64,
    });
    let has_gradient = room >= ROOM_FOR_ALL;
    Layout {
        has_code,
        has_gradient,
        title,
        clock: arrange_clock(clock_room, detail),
        bars,
        lane,
    }
}

/// The largest clock with the most digits that fits into `room`.
fn arrange_clock(room: Rectangle, detail: Detail) -> Clock {
    let highest = match room.height {
        160.. if detail.is_rich => room.height * 2 / 5,
        64..160 if detail.is_rich => room.height * 13 / 20,
        _ => room.height.min(48),
    };
    let widest = if room.width > 288 {
        room.width * 9 / 10
    } else {
        room.width
    };
    let shows_of = |height: u32| {
        let fraction =
            if height < 24 { height } else { height * 3 / 5 }.min(detail.fraction_height);
        let fraction = DIGIT_HEIGHTS
            .into_iter()
            .find(|known| *known <= fraction)
            .map(Shows::Milliseconds);
        [fraction, Some(Shows::Time), Some(Shows::Seconds)]
    };
    let fitting = |choice: usize| {
        DIGIT_HEIGHTS
            .into_iter()
            .filter(|height| *height <= highest)
            .find_map(|height| {
                shows_of(height)[choice]
                    .filter(|shows| time_width(height, *shows) <= widest)
                    .map(|shows| (height, shows))
            })
    };
    let (height, shows) = (0..3).find_map(fitting).unwrap_or((12, Shows::Seconds));
    let width = time_width(height, shows);
    let x = room.x + room.width.saturating_sub(width) / 2;
    let date_height = DIGIT_HEIGHTS.into_iter().find(|known| *known <= height / 4);
    let date_height = date_height.filter(|date_height| {
        let date_width = DATE_CHARACTERS * digit_width(*date_height);
        detail.is_rich && date_width <= widest && height * 4 / 3 + date_height <= room.height
    });
    let below = date_height.map_or(0, |date_height| height / 3 + date_height);
    let free = room.height.saturating_sub(height + below);
    // On whole macroblocks where there is room, so that a changed digit changes few of them.
    let x = if height >= 24 { x / 16 * 16 } else { x };
    let y = room.y + free / 2;
    let y = if free >= 16 {
        nearest_16(y + height) - height
    } else {
        y
    };
    let date = date_height.map(|date_height| {
        let date_width = DATE_CHARACTERS * digit_width(date_height);
        (
            room.x + (room.width - date_width) / 2,
            y + height + height / 3,
            date_height,
        )
    });
    Clock {
        x,
        y,
        height,
        shows,
        date,
    }
}

/// Width of a colon's cell.
pub(super) fn colon_width(height: u32) -> u32 {
    height / 3
}

/// Width of the decimal point's cell; it lets the digits after it begin at a macroblock.
pub(super) fn point_width(fraction_height: u32) -> u32 {
    let width = fraction_height / 3;
    if fraction_height >= 24 {
        width.next_multiple_of(16)
    } else {
        width
    }
}

fn time_width(height: u32, shows: Shows) -> u32 {
    let time = 6 * digit_width(height) + 2 * colon_width(height);
    match shows {
        Shows::Milliseconds(fraction) => time + point_width(fraction) + 3 * digit_width(fraction),
        Shows::Time => time,
        Shows::Seconds => 2 * digit_width(height),
    }
}

/// The nearest multiple of 16 that is not 0.
fn nearest_16(value: u32) -> u32 {
    ((value + 8) / 16 * 16).max(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RICH: Detail = Detail {
        octave: 3,
        fraction_height: 96,
        is_rich: true,
    };
    const PLAIN: Detail = Detail {
        octave: 4,
        fraction_height: 0,
        is_rich: false,
    };

    fn clock_rectangle(clock: Clock) -> Rectangle {
        Rectangle {
            x: clock.x,
            y: clock.y,
            width: time_width(clock.height, clock.shows),
            height: clock.height,
        }
    }

    #[test]
    fn layout_fits_and_leaves_the_code_visible() {
        let code = Rectangle {
            x: 16,
            y: 16,
            width: 192,
            height: 64,
        };
        for width in (16..=4096)
            .step_by(2)
            .filter(|width| *width < 700 || width % 160 == 0)
        {
            for height in (16..=2304).step_by(14) {
                for detail in [RICH, PLAIN] {
                    let layout = arrange(width, height, detail);
                    let clock = clock_rectangle(layout.clock);
                    let picture = Rectangle {
                        x: 0,
                        y: 0,
                        width,
                        height,
                    };
                    assert!(picture.holds(clock), "{width}x{height} {layout:?}");
                    assert!(!clock.meets(layout.lane), "{width}x{height} {layout:?}");
                    assert!(
                        layout
                            .bars
                            .is_none_or(|bars| !bars.meets(clock) && picture.holds(bars))
                    );
                    if layout.has_code {
                        assert!(
                            !code.meets(clock) && !code.meets(layout.lane),
                            "{width}x{height} {layout:?}"
                        );
                    }
                    if let Some((x, y, height)) = layout.clock.date {
                        let date = Rectangle {
                            x,
                            y,
                            width: DATE_CHARACTERS * digit_width(height),
                            height,
                        };
                        assert!(
                            picture.holds(date) && !date.meets(clock) && !date.meets(layout.lane)
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn small_frames_have_fewer_digits() {
        let shows = |width, height| arrange(width, height, RICH).clock.shows;
        assert_eq!(shows(1280, 720), Shows::Milliseconds(72));
        assert_eq!(shows(640, 480), Shows::Milliseconds(48));
        assert_eq!(shows(224, 96), Shows::Milliseconds(12));
        assert_eq!(shows(64, 48), Shows::Time);
        assert_eq!(shows(16, 16), Shows::Seconds);
    }

    #[test]
    fn code_is_shown_from_its_minimum_size_on() {
        assert!(arrange(224, 96, PLAIN).has_code);
        assert!(!arrange(222, 96, RICH).has_code);
        assert!(!arrange(224, 94, RICH).has_code);
    }
}

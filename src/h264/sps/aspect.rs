//! Which sample aspect ratios are believed.
//!
//! Encoders with an unset or swapped field send 1088:1 or 65535:1. Chromium then refuses the whole init segment, and a
//! still picture becomes a line. The ratio alone does not tell nonsense from sense: 2:1 is right for 960x1080 and wrong for
//! 1920x1080. So the shape of the whole picture is bounded, too.

/// Limit of the ratio, either way. The extremes of Table E-1 are 10:11 and 32:11; single fields (704x288) have 6:11.
const MAX_RATIO: u64 = 4;

/// Limit of the picture's shape with this ratio, either way. Anamorphic pictures become 4:3, 16:9 or, in cinemas, up to 2.76:1.
/// Wider ones (panoramic cameras) have square samples.
const MAX_SHAPE: u64 = 3;

/// Returns whether pictures of this width and height may have samples of this shape. Square samples are always plausible.
pub(super) fn is_plausible((across, down): (u32, u32), (width, height): (u32, u32)) -> bool {
    let is_within = |a: u64, b: u64, limit: u64| a <= limit * b && b <= limit * a;
    let (across, down) = (u64::from(across), u64::from(down));
    let shape = (u64::from(width) * across, u64::from(height) * down);
    // One that brings the picture nearer to a square is not what makes it long.
    let is_nearer = (width > height) == (across < down) && width != height;
    across == down
        || (is_within(across, down, MAX_RATIO)
            && (is_nearer || is_within(shape.0, shape.1, MAX_SHAPE)))
}

#[cfg(test)]
mod tests {
    use super::is_plausible;

    #[test]
    fn aspects_of_real_video_are_plausible() {
        for (aspect, size) in [
            ((1, 1), (3840, 1080)),
            ((1, 1), (16, 16384)),
            ((4, 3), (1440, 1080)),
            ((2, 1), (960, 1080)),
            ((32, 11), (352, 576)),
            ((64, 45), (720, 576)),
            ((16, 11), (704, 576)),
            ((6, 11), (704, 288)),
            ((80, 33), (176, 144)),
            ((3, 4), (3840, 1080)),
            ((1, 2), (576, 720)),
        ] {
            assert!(is_plausible(aspect, size), "{aspect:?} {size:?}");
        }
    }

    #[test]
    fn extreme_aspects_are_implausible() {
        for (aspect, size) in [
            ((1088, 1), (320, 240)),
            ((1, 1088), (320, 240)),
            ((65_535, 1), (1920, 1080)),
            ((u32::MAX, 1), (16_384, 1)),
            ((3, 1), (320, 240)),
            ((2, 1), (1920, 1080)),
            ((5, 1), (200, 1000)),
            ((1, 4), (240, 320)),
            ((1, 0), (320, 240)),
            ((0, 1), (320, 240)),
        ] {
            assert!(!is_plausible(aspect, size), "{aspect:?} {size:?}");
        }
    }
}

//! Selection of format, size and rate: the mode closest to the request and, of those, the cheapest.
//! Plain values, no device.

use v4l2::{FourCc, FrameSize};

/// Format of a camera, with its sizes and their rates (frames per second, highest first). Empty if
/// the driver does not list them.
pub type FormatCaps = (FourCc, Vec<(FrameSize, Vec<f64>)>);

/// Requested mode.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ModeRequest {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
}

/// Mode to request from the camera.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CaptureMode {
    /// The format.
    pub fourcc: FourCc,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second; `None` if the driver does not tell.
    pub rate: Option<f64>,
}

impl CaptureMode {
    /// Returns the distance from the request; 0 means equal. The size counts more than the rate.
    fn distance(&self, wanted: &ModeRequest) -> f64 {
        let far = |has: u32, wanted: u32| {
            let ratio = f64::from(has.max(1)) / f64::from(wanted.max(1));
            ratio.ln().abs()
        };
        let size = far(self.width, wanted.width) + far(self.height, wanted.height);
        // 30 000/1001 counts as 30.
        let slow = self
            .rate
            .map_or(0.0, |rate| (wanted.fps * 0.99 / rate).ln().max(0.0));
        2.0 * size + slow
    }
}

/// Returns the best mode for an encoder with this `cost` of a pixel and frames up to `largest`.
/// `None` if it takes none of them.
pub(crate) fn select_mode(
    offers: &[FormatCaps],
    wanted: &ModeRequest,
    largest: (u32, u32),
    cost: impl Fn(FourCc) -> Option<u32>,
) -> Option<CaptureMode> {
    let mut best: Option<(f64, u32, CaptureMode)> = None;
    for (fourcc, sizes) in offers {
        let Some(cost) = cost(*fourcc) else { continue };
        for mode in modes(*fourcc, sizes, wanted) {
            if mode.width > largest.0 || mode.height > largest.1 {
                continue;
            }
            let distance = mode.distance(wanted);
            let is_better = best.as_ref().is_none_or(|(least, least_cost, _)| {
                // Equal sums of logarithms may differ in their last digits.
                let same = (distance - least).abs() < 1e-9;
                (!same && distance < *least) || (same && cost < *least_cost)
            });
            if is_better {
                best = Some((distance, cost, mode));
            }
        }
    }
    best.map(|(_, _, mode)| mode)
}

/// Returns the candidate modes of a format: each size at the lowest sufficient rate, else at its
/// highest.
fn modes(
    fourcc: FourCc,
    sizes: &[(FrameSize, Vec<f64>)],
    wanted: &ModeRequest,
) -> Vec<CaptureMode> {
    let mode = |(width, height), rate| CaptureMode {
        fourcc,
        width,
        height,
        rate,
    };
    if sizes.is_empty() {
        return vec![mode((wanted.width, wanted.height), None)];
    }
    sizes
        .iter()
        .map(|(size, rates)| {
            mode(
                size.nearest(wanted.width, wanted.height),
                rate(rates, wanted.fps),
            )
        })
        .collect()
}

/// Returns the lowest sufficient rate, else the highest; rates come highest first.
fn rate(rates: &[f64], wanted: f64) -> Option<f64> {
    let enough = rates.iter().rev().find(|&&rate| rate >= wanted * 0.99);
    enough.or(rates.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const YUYV: FourCc = FourCc::new(*b"YUYV");
    const NV12: FourCc = FourCc::new(*b"NV12");
    const HD: ModeRequest = ModeRequest {
        width: 1280,
        height: 720,
        fps: 30.0,
    };

    fn cost(fourcc: FourCc) -> Option<u32> {
        [(NV12, 1), (YUYV, 5), (FourCc::MJPG, 100)]
            .iter()
            .find(|(it, _)| *it == fourcc)
            .map(|(_, cost)| *cost)
    }

    fn size(width: u32, height: u32, rates: &[f64]) -> (FrameSize, Vec<f64>) {
        (FrameSize::Discrete(width, height), rates.to_vec())
    }

    /// A usual webcam: raw frames are slow over USB 2 when they are large.
    fn webcam() -> Vec<FormatCaps> {
        vec![
            (
                FourCc::MJPG,
                vec![
                    size(1920, 1080, &[30.0]),
                    size(1280, 720, &[60.0, 30.0]),
                    size(640, 480, &[30.0, 15.0]),
                ],
            ),
            (
                YUYV,
                vec![size(1280, 720, &[10.0, 5.0]), size(640, 480, &[30.0, 15.0])],
            ),
        ]
    }

    fn chosen(offers: &[FormatCaps], wanted: ModeRequest) -> String {
        select_mode(offers, &wanted, (3840, 2160), cost).map_or("none".into(), |mode| {
            format!(
                "{} {}x{} {:?}",
                mode.fourcc, mode.width, mode.height, mode.rate
            )
        })
    }

    #[test]
    fn raw_is_preferred_where_fast_enough() {
        assert_eq!(chosen(&webcam(), HD), "MJPG 1280x720 Some(30.0)");
        let small = ModeRequest {
            width: 640,
            height: 480,
            fps: 30.0,
        };
        assert_eq!(chosen(&webcam(), small), "YUYV 640x480 Some(30.0)");
        let slow = ModeRequest { fps: 10.0, ..HD };
        assert_eq!(chosen(&webcam(), slow), "YUYV 1280x720 Some(10.0)");
    }

    #[test]
    fn unsupported_modes_become_the_nearest() {
        let huge = ModeRequest {
            width: 3840,
            height: 2160,
            fps: 30.0,
        };
        assert_eq!(chosen(&webcam(), huge), "MJPG 1920x1080 Some(30.0)");
        let between = ModeRequest {
            width: 1024,
            height: 576,
            fps: 25.0,
        };
        assert_eq!(chosen(&webcam(), between), "MJPG 1280x720 Some(30.0)");
        let fast = ModeRequest { fps: 120.0, ..HD };
        assert_eq!(chosen(&webcam(), fast), "MJPG 1280x720 Some(60.0)");
    }

    #[test]
    fn stepwise_sizes_pick_nearest() {
        let range = FrameSize::Stepwise {
            min: (32, 32),
            max: (1920, 1080),
            step: (16, 8),
        };
        assert_eq!(range.nearest(1290, 5000), (1296, 1080));
        assert_eq!(range.nearest(1, 725), (32, 728));
        assert_eq!(
            chosen(&[(NV12, vec![(range, vec![30.0, 1.0])])], HD),
            "NV12 1280x720 Some(30.0)"
        );
        assert_eq!(chosen(&[(YUYV, vec![])], HD), "YUYV 1280x720 None");
    }

    #[test]
    fn mode_respects_encoder_formats_and_size() {
        assert_eq!(
            select_mode(&webcam(), &HD, (3840, 2160), |fourcc| (fourcc == YUYV)
                .then_some(1))
            .map(|mode| mode.width),
            Some(1280)
        );
        let small = select_mode(&webcam(), &HD, (800, 600), cost).unwrap();
        assert_eq!((small.fourcc, small.width), (YUYV, 640));
        assert_eq!(select_mode(&webcam(), &HD, (320, 240), cost), None);
        assert_eq!(select_mode(&[], &HD, (3840, 2160), cost), None);
    }

    #[test]
    fn ntsc_rate_counts_as_round_number() {
        let ntsc = vec![
            (YUYV, vec![size(1280, 720, &[30_000.0 / 1001.0])]),
            (FourCc::MJPG, vec![size(1280, 720, &[30.0])]),
        ];
        assert!(chosen(&ntsc, HD).starts_with("YUYV"));
    }
}

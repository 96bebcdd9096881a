//! The configuration of a camera's encoder, `uvcx_video_config_probe_commit_t` (table 2).

use std::fmt;

/// Offsets in the structure.
mod at {
    pub(super) const FRAME_INTERVAL: usize = 0;
    pub(super) const BITRATE: usize = 4;
    pub(super) const HINTS: usize = 8;
    pub(super) const WIDTH: usize = 12;
    pub(super) const HEIGHT: usize = 14;
    pub(super) const PROFILE: usize = 20;
    pub(super) const IDR_PERIOD: usize = 22;
    pub(super) const USAGE: usize = 28;
    pub(super) const MUX: usize = 33;
    pub(super) const STREAM_FORMAT: usize = 34;
}

/// `bmHints` that this program uses.
mod hint {
    pub(super) const RESOLUTION: u16 = 0x0001;
    pub(super) const PROFILE: u16 = 0x0002;
    pub(super) const USAGE: u16 = 0x0008;
    pub(super) const FRAME_INTERVAL: u16 = 0x0800;
    pub(super) const BITRATE: u16 = 0x2000;
    pub(super) const IDR_PERIOD: u16 = 0x8000;
}

/// `bUsageType`: real-time, as for a video call.
const REAL_TIME: u8 = 1;
/// `bStreamFormat`: with start codes.
const BYTE_STREAM: u8 = 0;

/// Carriage of the H.264 (`bStreamMuxOption`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum H264Carriage {
    /// In its own stream.
    Native,
    /// Inside MJPEG, in APP4 segments.
    InMjpeg,
}

/// Enabled, with H.264 as the auxiliary stream.
const H264_IN_MJPEG: u8 = 0x03;

/// Encoder configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Configuration {
    bytes: [u8; Self::LEN],
}

impl Configuration {
    /// Size of the structure in bytes.
    pub const LEN: usize = 46;

    pub(super) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self { bytes }
    }

    pub(super) fn bytes(&self) -> [u8; Self::LEN] {
        self.bytes
    }

    /// Returns a copy without hints, for real-time H.264 as a byte stream.
    pub fn without_hints(&self) -> Self {
        let mut out = self.clone();
        out.put2(at::HINTS, 0);
        out.put1(at::STREAM_FORMAT, BYTE_STREAM);
        out.put1(at::USAGE, REAL_TIME);
        out.hint(hint::USAGE);
        out
    }

    /// Returns the bit rate.
    pub fn bitrate(&self) -> u32 {
        self.get4(at::BITRATE)
    }

    /// Sets the bit rate.
    pub fn set_bitrate(&mut self, bits_per_second: u32) {
        self.put4(at::BITRATE, bits_per_second);
        self.hint(hint::BITRATE);
    }

    /// Returns the milliseconds from one IDR frame to the next.
    pub fn idr_period_ms(&self) -> u16 {
        self.get2(at::IDR_PERIOD)
    }

    /// Sets the milliseconds from one IDR frame to the next.
    pub fn set_idr_period_ms(&mut self, period: u16) {
        self.put2(at::IDR_PERIOD, period);
        self.hint(hint::IDR_PERIOD);
    }

    /// Returns `profile_idc` in the high byte and the constraint flags in the low one.
    pub fn profile(&self) -> u16 {
        self.get2(at::PROFILE)
    }

    /// Sets the profile.
    pub fn set_profile(&mut self, profile: u16) {
        self.put2(at::PROFILE, profile);
        self.hint(hint::PROFILE);
    }

    /// Returns width and height in pixels.
    pub fn size(&self) -> (u16, u16) {
        (self.get2(at::WIDTH), self.get2(at::HEIGHT))
    }

    /// Sets frame size and frame rate.
    pub fn set_size_and_rate(&mut self, width: u16, height: u16, pictures_per_second: f64) {
        self.put2(at::WIDTH, width);
        self.put2(at::HEIGHT, height);
        self.hint(hint::RESOLUTION);
        let interval = 10_000_000.0 / pictures_per_second;
        if interval.is_finite() && interval >= 1.0 {
            // The cast saturates.
            self.put4(at::FRAME_INTERVAL, interval.round() as u32);
            self.hint(hint::FRAME_INTERVAL);
        }
    }

    /// Returns true if H.264 can be (or is) carried in MJPEG.
    pub fn is_in_mjpeg(&self) -> bool {
        self.bytes.get(at::MUX).copied().unwrap_or(0) & H264_IN_MJPEG == H264_IN_MJPEG
    }

    /// Sets the carriage.
    pub fn set_mux(&mut self, mux: H264Carriage) {
        let option = match mux {
            H264Carriage::Native => 0,
            H264Carriage::InMjpeg => H264_IN_MJPEG,
        };
        self.put1(at::MUX, option);
    }

    fn hint(&mut self, hint: u16) {
        self.put2(at::HINTS, self.get2(at::HINTS) | hint);
    }

    fn get2(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    fn get4(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|i| self.bytes.get(at + i).copied().unwrap_or(0))
    }

    fn put1(&mut self, at: usize, value: u8) {
        self.put(at, [value]);
    }

    fn put2(&mut self, at: usize, value: u16) {
        self.put(at, value.to_le_bytes());
    }

    fn put4(&mut self, at: usize, value: u32) {
        self.put(at, value.to_le_bytes());
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        for (to, from) in self.bytes.iter_mut().skip(at).zip(value) {
            *to = from;
        }
    }
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration")
            .field("bitrate", &self.bitrate())
            .field("idr_period_ms", &self.idr_period_ms())
            .field("profile", &format_args!("{:04x}", self.profile()))
            .field("size", &self.size())
            .field("in_mjpeg", &self.is_in_mjpeg())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_at_their_specified_offsets() {
        let mut wanted = Configuration::from_bytes([0xff; Configuration::LEN]).without_hints();
        wanted.set_bitrate(1_500_000);
        wanted.set_idr_period_ms(2000);
        wanted.set_profile(0x4240);
        wanted.set_size_and_rate(1280, 720, 30.0);
        wanted.set_mux(H264Carriage::InMjpeg);
        let bytes = wanted.bytes();
        assert_eq!(bytes[..4], 333_333_u32.to_le_bytes());
        assert_eq!(bytes[4..8], 1_500_000_u32.to_le_bytes());
        assert_eq!(bytes[8..10], 0xa80b_u16.to_le_bytes());
        assert_eq!(bytes[12..16], [0x00, 0x05, 0xd0, 0x02]);
        assert_eq!(bytes[20..24], [0x40, 0x42, 0xd0, 0x07]);
        assert_eq!((bytes[28], bytes[33], bytes[34]), (1, 3, 0));
        assert_eq!((wanted.bitrate(), wanted.size()), (1_500_000, (1280, 720)));
        assert!(wanted.is_in_mjpeg());
        wanted.set_mux(H264Carriage::Native);
        assert!(!wanted.is_in_mjpeg());
    }

    #[test]
    fn extreme_rates_are_clamped() {
        let mut wanted = Configuration::from_bytes([0; Configuration::LEN]);
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300] {
            wanted.set_size_and_rate(2, 2, rate);
        }
        assert_eq!(wanted.bytes()[..4], u32::MAX.to_le_bytes());
    }
}

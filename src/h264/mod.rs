//! H.264 byte streams (ITU-T H.264): from Annex B bytes, cut anywhere, to pictures that are ready to
//! be put into MP4 samples. Bytes and times in, values out: no I/O, no clock, no log.

/// What is known about the end of a piece of byte stream. This is the latency contract: a unit that is known
/// to be complete is sent at once, any other waits for the next start code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Nothing: more may follow at once.
    Open,
    /// The program that writes has paused here: it may be the end of its access unit.
    Pause,
    /// The device says that an access unit ends here (a V4L2 buffer, an encoder's packet).
    Complete,
}

//! One client that plays: its requests, its packets, its reports. Pure: times are arguments.

use super::output::{CountedViewer, Output};
use super::packet_cache::PacketCache;
use super::packetizer::{self, INTERLEAVED_BYTES, Numbers, RTP_BYTES};
use super::request::{Incoming, RequestReader};
use super::sender_report::Report;
use super::session::{Method, Session, Step};
use crate::hub::{Delivery, Hub, Subscription};
use crate::media::{Frame, Parameters};
use crate::serve::recorder::Recorder;
use crate::time::{TIMESCALE, Timestamp};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Interval of sender reports (RFC 3550, 6.2).
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Effect of bytes that a client sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    Nothing,
    /// Frames go on at the newest keyframe.
    Resume,
    /// The connection ends after the answer.
    Close(&'static str),
}

/// Client between PLAY and the end of its connection.
#[derive(Debug)]
pub(crate) struct RtspStream {
    reader: RequestReader,
    session: Session,
    hub: Hub,
    cache: PacketCache,
    has_delimiter: bool,
    is_paused: bool,
    /// Number of the next packet.
    sequence: Option<u16>,
    /// Difference of the client's times to those of the camera.
    time_shift: u32,
    /// The next frame continues the times before a pause.
    is_resuming: bool,
    last: Option<LastFrame>,
    /// The description that the client has.
    known: Option<Arc<Parameters>>,
    packets: u32,
    bytes: u32,
    reported_at: Option<Timestamp>,
    recorder: Option<Recorder>,
    _viewer: CountedViewer,
}

#[derive(Clone, Copy, Debug)]
struct LastFrame {
    timestamp: u32,
    captured_at: Timestamp,
    duration: u32,
}

impl RtspStream {
    /// Takes over a session at its PLAY. `reader` may hold requests after that; `known` is what the client was told of
    /// the camera. A `recorder` gets every frame.
    pub(crate) fn new(
        reader: RequestReader,
        session: Session,
        hub: &Hub,
        output: &Output,
        known: Option<Arc<Parameters>>,
        recorder: Option<Recorder>,
    ) -> Self {
        let has_delimiter = output.has_delimiter(session.user_agent());
        let stream = Self {
            reader,
            session,
            hub: hub.clone(),
            cache: output.cache(has_delimiter),
            has_delimiter,
            is_paused: false,
            sequence: None,
            time_shift: 0,
            is_resuming: false,
            last: None,
            known,
            packets: 0,
            bytes: 0,
            reported_at: None,
            recorder,
            _viewer: output.count_viewer(),
        };
        stream.cache.number(&hub.replay_frames(None).frames);
        stream
    }

    /// Returns a subscription from the newest keyframe on.
    pub(crate) fn subscribe(&self) -> Subscription {
        if let Some(recorder) = &self.recorder {
            return recorder.subscribe();
        }
        let mut subscription = self.hub.subscribe(Delivery::LIVE);
        subscription.set_bytes_of(match self.has_delimiter {
            true => |frame| packetizer::measure(frame, true).1,
            false => |frame| packetizer::measure(frame, false).1,
        });
        subscription
    }

    /// Notes that frames were skipped.
    pub(crate) fn on_skipped(&self, frames: u64) {
        if let Some(recorder) = &self.recorder {
            recorder.warn(frames);
        }
    }

    /// True between PAUSE and PLAY.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Adds bytes of the client.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.reader.feed(bytes);
    }

    /// Returns the answer to what the client sent next, if it is complete, and what follows from it.
    pub(crate) fn next_reply(&mut self) -> Option<(Option<Bytes>, Effect)> {
        let request = match self.reader.next()? {
            Incoming::Packet => return Some((None, Effect::Nothing)),
            Incoming::Wrong(refused) => {
                let effect = match refused.is_fatal {
                    true => Effect::Close("it sent a wrong request"),
                    false => Effect::Nothing,
                };
                let bytes = refused.response.to_bytes(refused.cseq.as_deref());
                return Some((Some(bytes), effect));
            }
            Incoming::Request(request) => request,
        };
        let step =
            Method::of(&request).and_then(|method| self.session.step(method, &request, None));
        let (response, effect) = match step {
            Ok(Step::Reply(response)) | Err(response) => (response, Effect::Nothing),
            Ok(Step::Play(response)) => {
                let is_paused = std::mem::take(&mut self.is_paused);
                self.is_resuming |= is_paused;
                let effect = if is_paused {
                    Effect::Resume
                } else {
                    Effect::Nothing
                };
                (response, effect)
            }
            Ok(Step::Pause(response)) => {
                self.is_paused = true;
                (response, Effect::Nothing)
            }
            Ok(Step::Teardown(response)) => {
                let response = response.with("Connection", "close");
                (response, Effect::Close("it ended the session"))
            }
            // The session refuses it while frames are sent.
            Ok(Step::Describe) => return Some((None, Effect::Nothing)),
        };
        Some((Some(response.to_bytes(Some(&request.cseq))), effect))
    }

    /// Returns the packets of `frame` for this client: mostly those of all.
    pub(crate) fn packets(&mut self, frame: &Frame) -> Bytes {
        let packets = self.cache.packets(frame);
        if let (true, Some(last)) = (std::mem::take(&mut self.is_resuming), self.last) {
            // Times and numbers go on as if there had been no pause (RFC 2326, B).
            let wanted = last.timestamp.wrapping_add(last.duration);
            self.time_shift = wanted.wrapping_sub(packets.timestamp);
        }
        let timestamp = packets.timestamp.wrapping_add(self.time_shift);
        let mut sequence = self.sequence.unwrap_or(packets.sequence);
        let channel = self.session.channels().rtp;
        let before = self.parameter_sets(frame, sequence, timestamp);
        let (sets, sets_bytes) = before.unwrap_or_default();
        sequence = sequence.wrapping_add(sets as u16);
        let is_own = sets > 0
            || channel != 0
            || (sequence, timestamp) != (packets.sequence, packets.timestamp);
        self.sequence = Some(sequence.wrapping_add(packets.count as u16));
        self.last = Some(LastFrame {
            timestamp,
            captured_at: frame.captured_at,
            duration: frame.nominal_duration,
        });
        let bytes = if is_own {
            let mut own = sets_bytes;
            own.extend_from_slice(&packets.bytes);
            let first = sequence.wrapping_sub(sets as u16);
            packetizer::renumber(&mut own, channel, first, timestamp);
            own.into()
        } else {
            packets.bytes
        };
        let count = packets.count + sets;
        let headers = count * (INTERLEAVED_BYTES + RTP_BYTES);
        self.packets = self.packets.wrapping_add(count as u32);
        self.bytes = (self.bytes).wrapping_add(bytes.len().saturating_sub(headers) as u32);
        bytes
    }

    /// Returns the parameter sets before a frame that has none, if the client does not know them.
    fn parameter_sets(
        &mut self,
        frame: &Frame,
        sequence: u16,
        timestamp: u32,
    ) -> Option<(usize, Vec<u8>)> {
        let parameters = &frame.parameters;
        if self
            .known
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, parameters))
        {
            return None;
        }
        self.known = Some(parameters.clone());
        let numbers = Numbers {
            ssrc: self.cache.ssrc(),
            sequence,
            timestamp,
        };
        (!frame.is_keyframe)
            .then(|| packetizer::parameter_sets(&parameters.parameter_sets, numbers))
    }

    /// Returns a sender report, if it is time for one. `unix_at_zero` is the Unix time at the zero of the clock.
    pub(crate) fn report(
        &mut self,
        now: Timestamp,
        unix_at_zero: impl FnOnce() -> Duration,
    ) -> Option<Bytes> {
        let is_due = self
            .reported_at
            .is_none_or(|at| now.since(at) >= REPORT_INTERVAL);
        if !is_due || self.is_paused {
            return None;
        }
        let bytes = self.report_bytes(now, unix_at_zero(), false)?;
        self.reported_at = Some(now);
        Some(bytes)
    }

    /// Returns the last report: the server stops.
    pub(crate) fn last_report(&self, now: Timestamp, unix_at_zero: Duration) -> Option<Bytes> {
        self.report_bytes(now, unix_at_zero, true)
    }

    fn report_bytes(&self, now: Timestamp, unix_at_zero: Duration, is_last: bool) -> Option<Bytes> {
        let last = self.last?;
        // The report is of the present, so the time of the newest frame is carried on.
        let age = now.since(last.captured_at);
        let ticks = age.as_nanos() * u128::from(TIMESCALE) / 1_000_000_000;
        let report = Report {
            ssrc: self.cache.ssrc(),
            unix_time: unix_at_zero + Duration::from_nanos(last.captured_at.as_nanos()) + age,
            timestamp: last.timestamp.wrapping_add(ticks as u32),
            packets: self.packets,
            bytes: self.bytes,
        };
        Some(
            report
                .to_bytes(self.session.channels().rtcp, is_last)
                .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::packetizer::tests::{frame, read};
    use super::*;
    use crate::camera_handle;
    use crate::hub::Event;

    const SSRC: u32 = 0x01020304;

    /// A client that has played its setup, and the camera.
    fn playing(channels: &str, agent: &str) -> (RtspStream, camera_handle::Endpoint, Output) {
        let (camera, handle) = camera_handle::channel([]);
        let output = Output::new([SSRC, 0], None);
        let mut session = Session::new("id".into());
        let mut reader = RequestReader::default();
        let setup = format!(
            "SETUP rtsp://h/live/cam RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: {agent}\r\nTransport: RTP/AVP/TCP;interleaved={channels}\r\n\r\n\
             PLAY rtsp://h/live/cam RTSP/1.0\r\nCSeq: 2\r\nSession: id\r\n\r\n"
        );
        reader.feed(setup.as_bytes());
        while let Some(Incoming::Request(request)) = reader.next() {
            let method = Method::of(&request).unwrap();
            session
                .step(method, &request, Some((&"cam".into(), SSRC)))
                .unwrap();
        }
        let stream = RtspStream::new(reader, session, handle.hub(), &output, None, None);
        (stream, camera, output)
    }

    fn picture(sequence: u32, is_keyframe: bool) -> Frame {
        let kind = if is_keyframe { 0x65 } else { 0x41 };
        frame(sequence, is_keyframe, &[vec![kind; 2000]])
    }

    fn send(stream: &mut RtspStream, text: &str) -> (String, Effect) {
        stream.feed(text.as_bytes());
        let (bytes, effect) = stream.next_reply().unwrap();
        let bytes = bytes.unwrap_or_default();
        (String::from_utf8(bytes.to_vec()).unwrap(), effect)
    }

    #[test]
    fn clients_share_packets_until_one_skips() {
        let (mut one, _camera, output) = playing("0-1", "");
        let other = Session::new("other".into());
        let mut two = RtspStream::new(
            RequestReader::default(),
            other,
            &one.hub,
            &output,
            None,
            None,
        );
        assert_eq!(output.viewers(), 2);
        let frames: Vec<Frame> = (0..4).map(|n| picture(n, n % 3 == 0)).collect();
        for frame in &frames[..2] {
            assert_eq!(one.packets(frame).as_ptr(), two.packets(frame).as_ptr());
        }
        // The third frame is not for the second client.
        let skipped = read(&one.packets(&frames[2])).len() as u16;
        let (of_one, of_two) = (
            read(&one.packets(&frames[3])),
            read(&two.packets(&frames[3])),
        );
        for (one, two) in of_one.iter().zip(&of_two) {
            assert_eq!(two.2.wrapping_add(skipped), one.2, "no packet is missing");
            assert_eq!((one.3, &one.4), (two.3, &two.4));
        }
        drop(two);
        assert_eq!(output.viewers(), 1);
    }

    #[test]
    fn pause_leaves_no_gap_in_numbers_and_times() {
        let (mut stream, camera, _) = playing("2-3", "Lavf");
        let before = read(&stream.packets(&picture(0, true)));
        assert!(before.iter().all(|packet| packet.0 == 2));
        assert_eq!(before.last().unwrap().4, [9, 0xf0]);
        let (text, effect) = send(
            &mut stream,
            "PAUSE rtsp://h/live/cam RTSP/1.0\r\nCSeq: 3\r\nSession: id\r\n\r\n",
        );
        assert!(text.starts_with("RTSP/1.0 200 OK\r\nCSeq: 3\r\n") && effect == Effect::Nothing);
        assert!(stream.is_paused());
        let (_, effect) = send(
            &mut stream,
            "PLAY rtsp://h/live/cam RTSP/1.0\r\nCSeq: 4\r\nSession: id\r\n\r\n",
        );
        assert_eq!((effect, stream.is_paused()), (Effect::Resume, false));
        let now = Timestamp::now();
        camera.publisher.publish(picture(900, true), now);
        let mut subscription = stream.subscribe();
        let events = std::iter::from_fn(|| subscription.try_next());
        let next = events.filter_map(|event| match event {
            Event::Frame(frame) => Some(frame),
            _ => None,
        });
        let after = read(&stream.packets(&next.last().unwrap()));
        assert_eq!(after[0].2, before.last().unwrap().2.wrapping_add(1));
        assert_eq!(after[0].3, before[0].3 + 3000);
    }

    #[test]
    fn parameter_sets_come_before_a_frame_that_has_none() {
        let (mut stream, _camera, _) = playing("0-1", "");
        let first = read(&stream.packets(&picture(1, false)));
        assert_eq!(first[0].4, [0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3]);
        assert!(!first[0].1 && first.last().unwrap().1);
        let numbers: Vec<u16> = first
            .iter()
            .map(|it| it.2.wrapping_sub(first[0].2))
            .collect();
        assert_eq!(numbers, [0, 1, 2]);
    }

    #[test]
    fn reports_come_at_once_and_every_five_seconds() {
        let (mut stream, _camera, _) = playing("4-5", "");
        let zero = || Duration::from_secs(1_796_000_000);
        let second = |seconds| Timestamp::from_nanos(seconds * 1_000_000_000);
        assert_eq!(stream.report(second(1), zero), None, "no frame yet");
        stream.packets(&picture(30, true));
        let due: Vec<u64> = (1..12)
            .filter(|s| stream.report(second(*s), zero).is_some())
            .collect();
        assert_eq!(due, [1, 6, 11]);
        let report = stream.last_report(second(2), zero()).unwrap();
        assert_eq!(report[1], 5);
        let seconds = u32::from_be_bytes(report[12..16].try_into().unwrap());
        assert_eq!(u64::from(seconds) - 2_208_988_800, 1_796_000_002);
        let timestamp = u32::from_be_bytes(report[20..24].try_into().unwrap());
        assert!(timestamp.abs_diff(2 * 90_000) <= 1, "{timestamp}");
    }

    #[test]
    fn requests_between_packets_are_answered_and_teardown_closes() {
        let (mut stream, _camera, _) = playing("0-1", "");
        stream.feed(b"$\x01\x00\x04abcd");
        assert_eq!(stream.next_reply(), Some((None, Effect::Nothing)));
        let (text, effect) = send(&mut stream, "nonsense\r\n\r\n");
        assert!(text.starts_with("RTSP/1.0 400 ") && effect == Effect::Nothing);
        let (text, _) = send(
            &mut stream,
            "DESCRIBE rtsp://h/live/cam RTSP/1.0\r\nCSeq: 5\r\n\r\n",
        );
        assert!(text.starts_with("RTSP/1.0 455 "), "{text}");
        let (text, effect) = send(
            &mut stream,
            "TEARDOWN rtsp://h/live/cam/ RTSP/1.0\r\nCSeq: 6\r\n\r\n",
        );
        assert!(
            text.contains("CSeq: 6\r\n") && matches!(effect, Effect::Close(_)),
            "{text}"
        );
        let (text, effect) = send(&mut stream, &"a".repeat(3000));
        assert!(text.starts_with("RTSP/1.0 414 ") && matches!(effect, Effect::Close(_)));
        assert_eq!(stream.next_reply(), None);
    }
}

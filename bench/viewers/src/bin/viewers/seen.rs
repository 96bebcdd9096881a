//! What one viewer has been sent, and what all of them have.

use bench::mark::{self, Mark};
use hdrhistogram::Histogram;
use memchr::memmem;
use std::fs::File;
use std::io::Write;
use std::rc::Rc;

/// A picture is late for an eye.
const LONG_GAP_NS: u64 = 100_000_000;

/// How far into a message boxes are looked for.
const HEAD: usize = 4096;

/// What all viewers have been sent.
pub struct Tally {
    pub latency_us: Histogram<u64>,
    pub key_latency_us: Histogram<u64>,
    pub gap_us: Histogram<u64>,
    /// When the measured window began.
    pub window_at: Option<u64>,
    /// Connections that could not be made or upgraded.
    pub failed: u64,
    pub protocol_errors: u64,
    pub frames: u64,
    pub largest_frame: u64,
    pub smallest_message: u64,
    pub largest_message: u64,
    /// The first few.
    pub texts: Vec<String>,
    /// What the viewer with this id gets goes there.
    dump: Option<(usize, File)>,
    uuid: Rc<memmem::Finder<'static>>,
}

impl Tally {
    pub fn new(dump: Option<(usize, File)>) -> Self {
        let histogram =
            || Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are in order");
        Self {
            latency_us: histogram(),
            key_latency_us: histogram(),
            gap_us: histogram(),
            window_at: None,
            failed: 0,
            protocol_errors: 0,
            frames: 0,
            largest_frame: 0,
            smallest_message: u64::MAX,
            largest_message: 0,
            texts: vec![],
            dump,
            uuid: Rc::new(memmem::Finder::new(&mark::UUID)),
        }
    }

    pub fn frame(&mut self, length: usize) {
        self.frames += u64::from(self.window_at.is_some());
        self.largest_frame = self.largest_frame.max(length as u64);
    }

    pub fn text(&mut self, payload: &[u8]) {
        if self.texts.len() < 3 {
            self.texts
                .push(String::from_utf8_lossy(&payload[..payload.len().min(300)]).into_owned());
        }
    }

    pub fn dump(&mut self, id: usize, payload: &[u8]) {
        if let Some((_, file)) = self.dump.as_mut().filter(|(of, _)| *of == id) {
            let _ = file.write_all(payload);
        }
    }
}

/// What one viewer has been sent; times are 0 before it was.
#[derive(Default)]
pub struct Seen {
    pub init_at: u64,
    pub media_at: u64,
    pub inits: u32,
    pub first_is_key: Option<bool>,
    pub first_age_ns: u64,
    last_number: Option<u32>,
    message_at: u64,
    /// It is one of those that stall on purpose, and is left out of what all have been sent.
    pub is_apart: bool,
    // In the measured window:
    pub messages: u64,
    pub pictures: u64,
    pub bytes: u64,
    pub missed: u64,
    pub duplicates: u64,
    pub unmarked: u64,
    pub longest_gap_ns: u64,
    pub long_gaps: u64,
}

impl Seen {
    pub fn new(is_apart: bool) -> Self {
        Self {
            is_apart,
            ..Self::default()
        }
    }

    /// Counts a binary message.
    pub fn message(&mut self, payload: &[u8], now: u64, tally: &mut Tally) {
        let head = &payload[..payload.len().min(HEAD)];
        // An init segment has ftyp or moov first; a fragment has moof, styp or another box.
        let is_init = matches!(head.get(4..8), Some(b"ftyp" | b"moov"));
        if is_init && (self.init_at == 0 || payload.len() < HEAD) {
            self.inits += 1;
            if self.init_at == 0 {
                self.init_at = now;
            }
        }
        let is_marked = self.pictures_of(payload, now, tally);
        if !is_marked && self.media_at == 0 && memmem::find(head, b"moof").is_some() {
            self.media_at = now;
        }
        if let Some(window_at) = tally.window_at {
            self.messages += 1;
            self.unmarked += u64::from(!is_marked);
            self.size(payload.len() as u64, tally);
            if self.message_at != 0 {
                self.gap(now - self.message_at.max(window_at), tally);
            }
        }
        self.message_at = now;
    }

    /// Counts the pictures of a message by their marks; false if there is none.
    fn pictures_of(&mut self, payload: &[u8], now: u64, tally: &mut Tally) -> bool {
        let mut is_marked = false;
        let uuid = tally.uuid.clone();
        for at in uuid.find_iter(payload) {
            let Some(mark) = mark::get(&payload[at..]) else {
                continue;
            };
            if is_marked && self.last_number == Some(mark.seq) {
                continue; // SEI and slice mark of one access unit
            }
            is_marked = true;
            self.picture(mark, now, tally);
        }
        is_marked
    }

    fn picture(&mut self, mark: Mark, now: u64, tally: &mut Tally) {
        let latency_ns = now.saturating_sub(mark.t_ns);
        if self.media_at == 0 {
            self.media_at = now;
            self.first_is_key = Some(mark.key);
            self.first_age_ns = latency_ns;
        }
        let in_window = tally.window_at.is_some();
        // Numbers go round.
        let step = self
            .last_number
            .map_or(1, |last| mark.seq.wrapping_sub(last) as i32);
        if step <= 0 {
            self.duplicates += u64::from(in_window);
            return;
        }
        self.last_number = Some(mark.seq);
        if !in_window {
            return;
        }
        self.missed += (step - 1) as u64;
        self.pictures += 1;
        if !self.is_apart {
            tally.latency_us.saturating_record(latency_ns / 1000);
            if mark.key {
                tally.key_latency_us.saturating_record(latency_ns / 1000);
            }
        }
    }

    fn size(&mut self, bytes: u64, tally: &mut Tally) {
        self.bytes += bytes;
        tally.smallest_message = tally.smallest_message.min(bytes);
        tally.largest_message = tally.largest_message.max(bytes);
    }

    fn gap(&mut self, gap_ns: u64, tally: &mut Tally) {
        if !self.is_apart {
            tally.gap_us.saturating_record(gap_ns / 1000);
        }
        self.longest_gap_ns = self.longest_gap_ns.max(gap_ns);
        self.long_gaps += u64::from(gap_ns > LONG_GAP_NS);
    }
}

//! The cases by their numbers in the suite: what a client sends, and what the server does.

#![allow(unreachable_pub, reason = "for the driver")]

use berrymse::serve::MAX_MESSAGE_BYTES;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// What the server does.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// Answers these pings, and goes on.
    Stays(Vec<Vec<u8>>),
    /// Sends a close frame with this code, then ends the connection.
    Closes(u16),
}

pub use Outcome::{Closes, Stays};

pub struct Case {
    pub name: String,
    pub frames: Vec<Vec<u8>>,
    /// Bytes written at once; 0 means all.
    pub piece: usize,
    pub outcome: Outcome,
}

/// A masked frame: first byte as on the wire, payload.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = vec![first];
    match payload.len() {
        length @ ..126 => out.push(0x80 | length as u8),
        length @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    out
}

pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    frame(CLOSE, [&code.to_be_bytes(), reason.as_ref()].concat())
}

/// The parts of a message in frames of `size` bytes.
fn fragments(first: u8, payload: &[u8], size: usize) -> Vec<Vec<u8>> {
    let count = payload.chunks(size).count();
    let part = |(at, chunk): (usize, &[u8])| {
        let opcode = if at == 0 { first & 0x0f } else { 0 };
        let fin = if at + 1 == count { 0x80 } else { 0 };
        frame(fin | opcode, chunk)
    };
    payload.chunks(size).enumerate().map(part).collect()
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: impl Into<String>, frames: &[Vec<u8>], outcome: Outcome) {
        self.add_in_pieces(name, frames, 0, outcome);
    }

    fn add_in_pieces(
        &mut self,
        name: impl Into<String>,
        frames: &[Vec<u8>],
        piece: usize,
        outcome: Outcome,
    ) {
        self.0.push(Case {
            name: name.into(),
            frames: frames.to_vec(),
            piece,
            outcome,
        });
    }

    /// 1 (sizes), 9 and 10 (limits).
    fn sizes(&mut self) {
        let outcome = |size| match size <= MAX_MESSAGE_BYTES {
            true => Stays(vec![]),
            false => Closes(1009),
        };
        for (section, first) in [("1.1", TEXT), ("1.2", BINARY)] {
            let sizes = [0, 125, 126, 127, 128, 65_535, 65_536];
            for (at, size) in (1..).zip(sizes) {
                let frames = [frame(first, vec![b'*'; size])];
                self.add(format!("{section}.{at}"), &frames, outcome(size));
            }
            let frames = [frame(first, vec![b'*'; 65_536])];
            self.add_in_pieces(format!("{section}.8"), &frames, 997, Closes(1009));
        }
        for (section, first) in [("9.1", TEXT), ("9.2", BINARY)] {
            for (at, size) in (1..).zip([65_536, 262_144, 1 << 20]) {
                let frames = [frame(first, vec![b'*'; size])];
                self.add(format!("{section}.{at}"), &frames, Closes(1009));
            }
            // The limits of this server.
            for size in [MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES + 1] {
                let frames = [frame(first, vec![b'*'; size])];
                self.add(format!("{section} with {size}"), &frames, outcome(size));
            }
        }
        for (section, first) in [("9.3", TEXT), ("9.4", BINARY)] {
            for (at, size) in (1..).zip([64, 256, 1024, 4096]) {
                let frames = fragments(first, &[b'*'; 65_536], size);
                let some = &frames[..frames.len().min(80)];
                self.add(format!("{section}.{at}"), some, Closes(1009));
                let frames = fragments(first, &[b'*'; MAX_MESSAGE_BYTES], size);
                self.add(format!("{section}.{at} that fits"), &frames, Stays(vec![]));
            }
        }
        for (section, first) in [("9.5", TEXT), ("9.6", BINARY)] {
            for (at, piece) in (1..).zip([64, 128, 256, 512, 1024, 2048]) {
                let frames = [frame(first, [b'*'; 4000])];
                self.add_in_pieces(format!("{section}.{at}"), &frames, piece, Stays(vec![]));
            }
        }
        let frames = fragments(TEXT, &[b'*'; 65_536], 1300);
        self.add("10.1.1", &frames, Closes(1009));
    }

    /// 2 (pings and pongs).
    fn pings(&mut self) {
        let long = vec![0xfe; 125];
        let payloads: [&[u8]; 4] = [
            b"",
            b"Hello, world!",
            b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff",
            &long,
        ];
        for (at, payload) in (1..).zip(payloads) {
            let name = format!("2.{at}");
            self.add(name, &[frame(PING, payload)], Stays(vec![payload.to_vec()]));
        }
        self.add("2.5", &[frame(PING, [0xfe; 126])], Closes(1002));
        self.add_in_pieces("2.6", &[frame(PING, &long)], 1, Stays(vec![long]));
        self.add("2.7", &[frame(PONG, "")], Stays(vec![]));
        self.add(
            "2.8",
            &[frame(PONG, "unsolicited pong payload")],
            Stays(vec![]),
        );
        let frames = [
            frame(PONG, "unsolicited pong payload"),
            frame(PING, "ping payload"),
        ];
        self.add("2.9", &frames, Stays(vec![b"ping payload".into()]));
        let payloads: Vec<Vec<u8>> = (0..10).map(|at| format!("payload-{at}").into()).collect();
        let frames: Vec<Vec<u8>> = payloads.iter().map(|it| frame(PING, it)).collect();
        self.add("2.10", &frames, Stays(payloads.clone()));
        self.add_in_pieces("2.11", &frames, 1, Stays(payloads));
    }

    /// 3 (reserved bits) and 4 (opcodes).
    fn reserved(&mut self) {
        let good = frame(TEXT, "Hello, world!");
        for (at, bits) in (1..=7).zip(1_u8..) {
            let wrong = match at {
                4 => frame(PING | bits << 4, "Hello, world!"),
                6 => frame(BINARY | bits << 4, [0, 0xff, 0xfe]),
                7 => frame(CLOSE | bits << 4, ""),
                _ => frame(TEXT | bits << 4, "Hello, world!"),
            };
            let frames = [good.clone(), wrong, frame(PING, "")];
            self.add_in_pieces(format!("3.{at}"), &frames, (at - 1) % 3, Closes(1002));
        }
        for (section, opcodes) in [("4.1", 3..=7), ("4.2", 11..=15)] {
            for (at, opcode) in (1..).zip(opcodes) {
                let wrong = frame(0x80 | opcode, ["", "reserved opcode payload"][at % 2]);
                let frames = match at {
                    1 | 2 => vec![wrong],
                    _ => vec![good.clone(), wrong, frame(PING, "")],
                };
                let piece = usize::from(at == 5);
                self.add_in_pieces(format!("{section}.{at}"), &frames, piece, Closes(1002));
            }
        }
    }

    /// 5 (fragments).
    fn fragmentation(&mut self) {
        for (name, opcode) in [("5.1", 9), ("5.2", 10)] {
            let frames = [frame(opcode, "fragment1"), frame(0x80, "fragment2")];
            self.add(name, &frames, Closes(1002));
        }
        let [one, two] = [frame(1, "fragment1"), frame(0x80, "fragment2")];
        let ping = frame(PING, "ping payload");
        let pong = || Stays(vec![b"ping payload".into()]);
        for (name, piece) in [("5.3", 0), ("5.4", 17), ("5.5", 1)] {
            self.add_in_pieces(name, &[one.clone(), two.clone()], piece, Stays(vec![]));
        }
        for (name, piece) in [("5.6", 0), ("5.7", 23), ("5.8", 1)] {
            let frames = [one.clone(), ping.clone(), two.clone()];
            self.add_in_pieces(name, &frames, piece, pong());
        }
        let good = frame(TEXT, "Hello, world!");
        for (names, fin) in [
            (["5.9", "5.10", "5.11"], 0x80),
            (["5.12", "5.13", "5.14"], 0),
        ] {
            let frames = [frame(fin, "non-continuation payload"), good.clone()];
            for (name, piece) in names.into_iter().zip([0, 31, 1]) {
                self.add_in_pieces(name, &frames, piece, Closes(1002));
            }
        }
        let frames = [one.clone(), two, frame(0x80, "fragment3"), good.clone()];
        self.add("5.15", &frames, Closes(1002));
        for (name, fin) in [("5.16", 0), ("5.17", 0x80)] {
            let frames = [
                frame(fin, "fragment1"),
                frame(1, "fragment2"),
                frame(0x80, "fragment3"),
            ];
            self.add(name, &[&frames[..], &frames].concat(), Closes(1002));
        }
        self.add("5.18", &[one, frame(TEXT, "fragment2")], Closes(1002));
        let mut frames = vec![frame(1, "fragment1"), frame(0, "fragment2")];
        frames.push(ping.clone());
        frames.extend([frame(0, "fragment3"), frame(0, "fragment4")]);
        frames.extend([ping, frame(0x80, "fragment5")]);
        for (name, piece) in [("5.19", 0), ("5.20", 41)] {
            let pongs = Stays(vec![b"ping payload".into(); 2]);
            self.add_in_pieces(name, &frames, piece, pongs);
        }
    }

    /// 6 (UTF-8).
    fn utf8(&mut self) {
        self.add("6.1.1", &[frame(TEXT, "")], Stays(vec![]));
        let empty = [frame(1, ""), frame(0, ""), frame(0x80, "")];
        self.add("6.1.2", &empty, Stays(vec![]));
        let one = [
            frame(1, ""),
            frame(0, "middle frame payload"),
            frame(0x80, ""),
        ];
        self.add("6.1.3", &one, Stays(vec![]));
        let text = "Hello-µ@ßöäüàá-UTF-8!!".as_bytes();
        self.add("6.2.1", &[frame(TEXT, text)], Stays(vec![]));
        for (name, size) in [("6.2.2", 12), ("6.2.3", 1), ("6.2.4", 5)] {
            self.add(name, &fragments(TEXT, text, size), Stays(vec![]));
        }
        let wrong = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
        self.add("6.3.1", &[frame(TEXT, wrong)], Closes(1007));
        self.add("6.3.2", &fragments(TEXT, wrong, 1), Closes(1007));
        // It fails as soon as it can: the end never comes.
        let begin = frame(1, &wrong[..11]);
        let early = [begin.clone(), frame(0, b"\xf4\x90\x80\x80")];
        self.add("6.4.1", &early, Closes(1007));
        self.add("6.4.2", &[begin, frame(0, b"\xf4\x90")], Closes(1007));
        for case in UTF8.lines().filter(|line| !line.is_empty()) {
            let (name, rest) = case.trim().split_once(' ').unwrap();
            let (is_right, rest) = match rest.split_once(' ').unwrap() {
                ("+", rest) => (true, rest),
                (_, rest) => (false, rest),
            };
            for (at, bytes) in (1..).zip(rest.split(',')) {
                let bytes: Vec<u8> = bytes
                    .split_whitespace()
                    .flat_map(|hex| {
                        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
                        (0..hex.len()).step_by(2).map(byte).collect::<Vec<_>>()
                    })
                    .collect();
                let outcome = if is_right {
                    Stays(vec![])
                } else {
                    Closes(1007)
                };
                self.add(
                    format!("{name}.{at}"),
                    &[frame(TEXT, &bytes)],
                    outcome.clone(),
                );
                if bytes.len() > 1 {
                    let frames = fragments(TEXT, &bytes, 1);
                    self.add(format!("{name}.{at} in fragments"), &frames, outcome);
                }
            }
        }
        let word = "κόσμε".as_bytes();
        for length in 1..=word.len() {
            let is_whole = std::str::from_utf8(&word[..length]).is_ok();
            let outcome = if is_whole {
                Stays(vec![])
            } else {
                Closes(1007)
            };
            self.add(
                format!("6.6.{length}"),
                &[frame(TEXT, &word[..length])],
                outcome,
            );
        }
        // Non-characters are characters (6.22): U+FFFE, U+FFFF, and so on in each plane.
        for (at, plane) in (0..=16).enumerate() {
            for (and, low) in [0xfffe, 0xffff].into_iter().enumerate() {
                let text = char::from_u32(plane << 16 | low).unwrap().to_string();
                let name = format!("6.22.{}", 2 * at + and + 1);
                self.add(name, &[frame(TEXT, text)], Stays(vec![]));
            }
        }
    }

    /// 7 (close).
    fn closing(&mut self) {
        let hello = frame(TEXT, "Hello World!");
        let bye = close(1000, "");
        self.add("7.1.1", &[hello.clone(), bye.clone()], Closes(1000));
        self.add("7.1.2", &[bye.clone(), bye.clone()], Closes(1000));
        self.add("7.1.3", &[bye.clone(), frame(PING, "")], Closes(1000));
        self.add("7.1.4", &[bye.clone(), hello.clone()], Closes(1000));
        let frames = [frame(1, "fragment1"), bye.clone(), frame(0x80, "fragment2")];
        self.add("7.1.5", &frames, Closes(1000));
        let frames = [frame(TEXT, vec![b'*'; 256 << 10]), hello, bye];
        self.add("7.1.6", &frames, Closes(1009));
        self.add("7.3.1", &[frame(CLOSE, "")], Closes(1000));
        self.add("7.3.2", &[frame(CLOSE, "a")], Closes(1002));
        self.add("7.3.3", &[close(1000, "")], Closes(1000));
        self.add("7.3.4", &[close(1000, "Hello World!")], Closes(1000));
        self.add("7.3.5", &[close(1000, [b'*'; 123])], Closes(1000));
        self.add("7.3.6", &[close(1000, [b'*'; 124])], Closes(1002));
        self.add(
            "7.5.1",
            &[close(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80")],
            Closes(1007),
        );
        let good = [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
        ];
        for (at, code) in (1..).zip(good) {
            self.add(format!("7.7.{at}"), &[close(code, "")], Closes(code));
        }
        // 1012 to 1014, which the suite calls invalid, were registered since.
        let bad = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999];
        for (at, code) in (1..).zip(bad) {
            self.add(format!("7.9.{at}"), &[close(code, "")], Closes(1002));
        }
        for (name, code) in [("7.13.1", 5000), ("7.13.2", 65_535)] {
            self.add(name, &[close(code, "")], Closes(1002));
        }
    }
}

/// Sections of 6, right (+) or wrong (-), and their texts.
const UTF8: &str = "
    6.5 + 68656c6c6f24776f726c64, 68656c6c6fc2a2776f726c64, 68656c6c6fe282ac776f726c64, 68656c6c6ff0a4ada2776f726c64
    6.7 + 00, c280, e0a080, f0908080
    6.8 - f888808080, fc8480808080
    6.9 + 7f, dfbf, efbfbf, f48fbfbf
    6.10 - f7bfbfbf, fbbfbfbfbf, fdbfbfbfbfbf
    6.11 + ed9fbf, ee8080, efbfbd, f48fbfbf
    6.11.5 - f4908080
    6.12 - 80, bf, 80bf, 80bf80, 80bf80bf, 80bf80bf80, 80bf80bf80bf, 8081828384858687
    6.13 - c020c120c220df20, e020e120ef20, f020f120f720, f820f920fb20, fc20fd20
    6.14 - c0, e080, f08080, f8808080, fc80808080, df, efbf, f7bfbf, fbbfbfbf, fdbfbfbfbf
    6.15 - c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf
    6.16 - fe, ff, fefeffff
    6.17 - c0af, e080af, f08080af, f8808080af, fc80808080af
    6.18 - c1bf, e09fbf, f08fbfbf, f887bfbfbf, fc83bfbfbfbf
    6.19 - c080, e08080, f0808080, f880808080, fc8080808080
    6.20 - eda080, edadbf, edae80, edafbf, edb080, edbe80, edbfbf
    6.21 - eda080edb080, eda080edbfbf, edadbfedb080, edadbfedbfbf, edae80edb080, edae80edbfbf, edafbfedb080, edafbfedbfbf
    6.23 + efbfb9, efbfba, efbfbb, efbfbc, efbfbd, efbfbe, efbfbf
";

pub fn all() -> Vec<Case> {
    let mut cases = Cases::default();
    cases.sizes();
    cases.pings();
    cases.reserved();
    cases.fragmentation();
    cases.utf8();
    cases.closing();
    cases.0
}

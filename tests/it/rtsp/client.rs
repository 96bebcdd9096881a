//! An RTSP client that shows everything it receives.

use crate::support::PATIENCE;
use std::io::{Read, Write};
use std::net::TcpStream;

/// What the server sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    Response(Response),
    Rtp(Packet),
    /// Payload type and the whole packet.
    Rtcp(u8, Vec<u8>),
    End,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    /// The values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {}", self.head);
        all[0]
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Packet {
    pub(crate) channel: u8,
    pub(crate) has_marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    /// Type of the NAL unit in it, or of the one that it is a part of.
    pub(crate) fn kind(&self) -> u8 {
        match self.payload[0] & 0x1f {
            28 => self.payload[1] & 0x1f,
            kind => kind,
        }
    }
}

pub(crate) struct Client<S> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
    cseq: u32,
}

pub(crate) fn connect(address: &str) -> Client<TcpStream> {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    Client::over(socket)
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            cseq: 0,
        }
    }

    /// Sends a request, whose lines of headers end with `\r\n`.
    pub(crate) fn send(&mut self, method: &str, url: &str, headers: &str) {
        self.cseq += 1;
        let request = format!(
            "{method} {url} RTSP/1.0\r\nCSeq: {}\r\n{headers}\r\n",
            self.cseq
        );
        self.stream.write_all(request.as_bytes()).unwrap();
    }

    /// Sends a request and returns its response; what comes before that is discarded.
    pub(crate) fn ask(&mut self, method: &str, url: &str, headers: &str) -> Response {
        self.send(method, url, headers);
        let response = self.response();
        let cseq = response.header("CSeq");
        assert_eq!(cseq, self.cseq.to_string(), "{}", response.head);
        response
    }

    pub(crate) fn status(&mut self, method: &str, url: &str, headers: &str) -> u16 {
        self.ask(method, url, headers).status
    }

    /// Goes to PLAY on channels 0 and 1; returns the header of the session, and the description.
    pub(crate) fn play(&mut self, url: &str, headers: &str) -> (String, String) {
        let description = self.ask("DESCRIBE", url, headers);
        assert_eq!(description.status, 200, "{}", description.head);
        let base = description.header("Content-Base").to_owned();
        assert!(base.ends_with('/'), "{base}");
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        let setup = self.ask("SETUP", &format!("{base}trackID=0"), transport);
        assert_eq!(setup.status, 200, "{} {}", setup.head, setup.body);
        let id = setup.header("Session").split(';').next().unwrap();
        let session = format!("Session: {id}\r\n");
        let play = self.ask("PLAY", &base, &session);
        assert_eq!(play.status, 200, "{} {}", play.head, play.body);
        (session, description.body)
    }

    /// The next response; packets before it are discarded.
    pub(crate) fn response(&mut self) -> Response {
        loop {
            match self.next() {
                Received::Response(response) => return response,
                Received::End => panic!("no response"),
                _ => {}
            }
        }
    }

    /// The next packet of video.
    pub(crate) fn packet(&mut self) -> Packet {
        loop {
            match self.next() {
                Received::Rtp(packet) => return packet,
                Received::Rtcp(..) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The packets of the next frame.
    pub(crate) fn frame(&mut self) -> Vec<Packet> {
        let mut packets = vec![self.packet()];
        while !packets.last().unwrap().has_marker {
            packets.push(self.packet());
        }
        assert!(
            packets
                .iter()
                .all(|it| it.timestamp == packets[0].timestamp)
        );
        packets
    }

    pub(crate) fn next(&mut self) -> Received {
        if !self.fill(1) {
            return Received::End;
        }
        if self.buffer[0] == b'$' {
            assert!(self.fill(4));
            let length = usize::from(u16::from_be_bytes([self.buffer[2], self.buffer[3]]));
            assert!(self.fill(4 + length));
            let packet: Vec<u8> = self.buffer.drain(..4 + length).collect();
            return read_packet(packet[1], &packet[4..]);
        }
        let mut end = None;
        while end.is_none() {
            end = self.buffer.windows(4).position(|w| w == b"\r\n\r\n");
            assert!(end.is_some() || self.fill(self.buffer.len() + 1));
        }
        let head: Vec<u8> = self.buffer.drain(..end.unwrap() + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut response = Response {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: String::new(),
        };
        if let Some(length) = response.all("Content-Length").first() {
            let length = length.parse().unwrap();
            assert!(self.fill(length));
            response.body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        }
        Received::Response(response)
    }

    /// Reads until `count` bytes are there; false at the end.
    fn fill(&mut self, count: usize) -> bool {
        let mut bytes = [0; 16384];
        while self.buffer.len() < count {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return false,
                Err(error) => panic!("{error}"),
            }
        }
        true
    }
}

fn read_packet(channel: u8, packet: &[u8]) -> Received {
    if (200..=204).contains(&packet[1]) {
        return Received::Rtcp(packet[1], packet.to_vec());
    }
    let packet = rtp_types::RtpPacket::parse(packet).unwrap();
    Received::Rtp(Packet {
        channel,
        has_marker: packet.marker_bit(),
        sequence: packet.sequence_number(),
        timestamp: packet.timestamp(),
        payload: packet.payload().to_vec(),
    })
}

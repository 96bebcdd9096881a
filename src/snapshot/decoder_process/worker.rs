//! The decoder's process: reads requests from its standard input, a socket, until that ends.

use super::protocol::{Reply, Request, Start};
use crate::h264::sps::Sps;
use crate::os::{heap, sandbox};
use crate::snapshot::decoder::{DecodeFailure, Decoder};
use crate::snapshot::footprint::max_jpeg_bytes;
use crate::snapshot::yuv420::Yuv420Frame;
use crate::snapshot::{JpegOptions, jpeg};
use rustix::fs::FileType;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// First argument of the decoder's process.
pub(super) const COMMAND: &str = "decoder-process";

/// Name of the process for `top`: that of the file would be `exe`.
const PROCESS_NAME: &std::ffi::CStr = c"berrymse-decode";

/// Runs the decoder if these arguments of the program say so; else returns `None`. To be called before anything else: the process
/// must have no thread and no file.
pub fn run_decoder_process(
    mut arguments: impl Iterator<Item = OsString>,
) -> Option<Result<(), String>> {
    (arguments.nth(1)? == COMMAND).then(run)
}

fn run() -> Result<(), String> {
    let stdin = io::stdin();
    let is_socket = rustix::fs::fstat(stdin.as_fd())
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
    if !is_socket {
        return Err(format!("{COMMAND}: the server starts it by itself"));
    }
    // It is only for people.
    let _ = rustix::thread::set_name(PROCESS_NAME);
    sandbox::detach().map_err(|error| error.to_string())?;
    heap::set_up();
    let mut server = Socket(stdin.as_fd());
    serve(&mut server, sandbox::give_up_rights).map_err(|error| error.to_string())
}

/// Serves one decoder until the other side closes. `confine` takes the rights of the process, but for so much memory in bytes, and
/// returns whether the kernel watches that. It is called before the first byte of a camera arrives.
pub(super) fn serve(
    stream: &mut (impl Read + Write),
    confine: impl FnOnce(u64) -> io::Result<bool>,
) -> io::Result<()> {
    let mut annexb = Vec::new();
    let Some(Request::Start(start)) = Request::read(stream, &mut annexb)? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let Some(mut worker) = Worker::new(start) else {
        return Reply::Unsupported.write(stream);
    };
    // The library has looked up the processor's features in /proc by now.
    let is_confined = confine(worker.start.memory)?;
    Reply::Ready { is_confined }.write(stream)?;
    while let Some(request) = Request::read(stream, &mut annexb)? {
        let reply = match request {
            Request::Start(_) => return Err(io::ErrorKind::InvalidData.into()),
            Request::Decode { is_wanted } => worker.decode(&annexb, is_wanted),
            Request::Jpeg(options) => worker.jpeg(options),
        };
        reply.write(stream)?;
    }
    Ok(())
}

/// A decoder and its newest picture.
struct Worker {
    start: Start,
    sps: Sps,
    decoder: Decoder,
    picture: Yuv420Frame,
    has_picture: bool,
}

impl Worker {
    fn new(start: Start) -> Option<Self> {
        let sps = Sps::parse(&start.sps).ok()?;
        Some(Self {
            decoder: Decoder::new(&sps, start.hidden).ok()?,
            start,
            sps,
            picture: Yuv420Frame::default(),
            has_picture: false,
        })
    }

    fn decode(&mut self, annexb: &[u8], is_wanted: bool) -> Reply {
        let out = is_wanted.then_some(&mut self.picture);
        match self.decoder.decode(annexb, out) {
            Ok(has_picture) => {
                self.has_picture |= has_picture && is_wanted;
                Reply::Decoded { has_picture }
            }
            Err(DecodeFailure::Unsupported) => Reply::Unsupported,
            Err(DecodeFailure::Damaged(code)) => Reply::Damaged(code),
        }
    }

    fn jpeg(&self, options: JpegOptions) -> Reply {
        if !self.has_picture {
            return Reply::NoJpeg;
        }
        let (aspect, colour) = (self.sps.sample_aspect, self.sps.colour);
        let (orientation, quality) = (self.start.orientation, options.quality);
        let size = self.picture.size();
        let wanted = jpeg::output_size(size, aspect, orientation, options.width);
        let jpeg = if wanted == size {
            jpeg::encode(&self.picture, colour, orientation, quality)
        } else {
            let small = self.picture.downscaled(wanted);
            jpeg::encode(&small, colour, orientation, quality)
        };
        match jpeg {
            Ok(jpeg) if jpeg.len() <= max_jpeg_bytes(&self.sps) => Reply::Jpeg(jpeg),
            _ => Reply::NoJpeg,
        }
    }
}

/// The socket to the server. Reads and writes by the system calls that are left.
struct Socket<'a>(BorrowedFd<'a>);

impl Read for Socket<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.0, out)?)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.0, bytes)?)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::writev(self.0, slices)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! As much of the X11 protocol as reading pixels needs: connection setup and `GetImage`, to a server on this machine that
//! asks for no authority (Xvfb, started by the same user).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// An X screen of 24 bits per pixel, each pixel in four bytes: blue, green, red, unused.
pub struct Display {
    stream: UnixStream,
    root: u32,
    /// In pixels.
    pub width: u16,
    pub height: u16,
}

pub const BYTES_PER_PIXEL: usize = 4;

/// A part of the screen, in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Display {
    /// `name` is what `$DISPLAY` has: ":77". Errors if there is no such server, or not one of the expected kind.
    pub fn open(name: &str) -> io::Result<Self> {
        let number = name
            .trim_start_matches(':')
            .split('.')
            .next()
            .unwrap_or_default();
        let mut stream = UnixStream::connect(format!("/tmp/.X11-unix/X{number}"))
            .map_err(|error| io::Error::new(error.kind(), format!("DISPLAY={name}: {error}")))?;
        // Little-endian, version 11.0, no authority.
        stream.write_all(&[b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let mut setup = vec![0; usize::from(u16::from_le_bytes([head[6], head[7]])) * 4];
        stream.read_exact(&mut setup)?;
        if head[0] != 1 {
            return Err(unexpected(&String::from_utf8_lossy(&setup)));
        }
        let screen = first_screen(&setup).ok_or_else(|| unexpected("a short setup"))?;
        let number = |at: usize| u16::from_le_bytes([screen[at], screen[at + 1]]);
        if screen[38] != 24 {
            return Err(unexpected("a screen that has not 24 bits per pixel"));
        }
        Ok(Self {
            stream,
            root: u32::from(number(0)) | u32::from(number(2)) << 16,
            width: number(20),
            height: number(22),
        })
    }

    /// The pixels of each area, row by row. All are asked for at once, so that the server takes them one right after the other.
    pub fn images(&mut self, areas: &[Area]) -> io::Result<Vec<Vec<u8>>> {
        const GET_IMAGE: u8 = 73;
        const Z_PIXMAP: u8 = 2;
        const WORDS: u8 = 5;
        let mut requests = Vec::new();
        for Area {
            x,
            y,
            width,
            height,
        } in areas
        {
            requests.extend([GET_IMAGE, Z_PIXMAP, WORDS, 0]);
            requests.extend(self.root.to_le_bytes());
            requests.extend(
                [x, y, width, height]
                    .into_iter()
                    .flat_map(|number| number.to_le_bytes()),
            );
            requests.extend(u32::MAX.to_le_bytes());
        }
        self.stream.write_all(&requests)?;
        areas.iter().map(|_| self.image()).collect()
    }

    fn image(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 32];
        self.stream.read_exact(&mut head)?;
        if head[0] != 1 {
            return Err(unexpected(&format!(
                "an answer that begins with {:?}",
                &head[..2]
            )));
        }
        let words = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let mut pixels = vec![0; words as usize * 4];
        self.stream.read_exact(&mut pixels)?;
        Ok(pixels)
    }
}

/// The first SCREEN of the connection setup's answer, without its first 8 bytes.
fn first_screen(setup: &[u8]) -> Option<&[u8]> {
    const SCREEN_BYTES: usize = 40;
    const FORMAT_BYTES: usize = 8;
    let vendor = usize::from(u16::from_le_bytes([*setup.get(16)?, *setup.get(17)?]));
    let formats = usize::from(*setup.get(21)?);
    let at = 32 + vendor.next_multiple_of(4) + formats * FORMAT_BYTES;
    setup.get(at..at + SCREEN_BYTES)
}

fn unexpected(what: &str) -> io::Error {
    io::Error::other(format!("the X server gives {what}"))
}

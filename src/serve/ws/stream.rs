//! A viewer's connection on the fan-out thread: a non-blocking socket, with or without TLS.
//!
//! rustls is a state machine without input and output of its own, so one loop serves both kinds. At
//! most one record is encrypted ahead of the socket: data for a congested viewer waits as shared
//! bytes, not as a copy of its own.

use crate::serve::tls::RECORD_BYTES;
use mio::net::TcpStream;
use rustix::net::SendFlags;
use rustls::ServerConnection;
use std::io::{self, Read, Write};
use std::net::Shutdown;

pub(crate) struct ViewerStream {
    socket: TcpStream,
    session: Option<Box<ServerConnection>>,
}

impl ViewerStream {
    /// `socket` is non-blocking; `session` has its handshake behind it.
    pub(crate) fn new(socket: std::net::TcpStream, session: Option<Box<ServerConnection>>) -> Self {
        Self {
            socket: TcpStream::from_std(socket),
            session,
        }
    }

    /// The bare socket, for its events and options.
    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Returns the socket, if it sends bytes unencrypted.
    pub(crate) fn plain_socket(&self) -> Option<&TcpStream> {
        self.session.is_none().then_some(&self.socket)
    }

    /// Writes some of `bytes` to the socket; `WouldBlock` if that is full. With TLS, the last of
    /// the bytes may need [`ViewerStream::flush`].
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.session.is_none() {
            // Not by libc, which makes each of its calls a point where a thread may be cancelled: a
            // hundredth of the cost of a frame.
            return Ok(rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL)?);
        }
        self.flush()?;
        let Some(session) = &mut self.session else {
            return Ok(0);
        };
        let record = bytes.get(..RECORD_BYTES).unwrap_or(bytes);
        let count = session.writer().write(record)?;
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }

    /// Writes encrypted records to the socket; `WouldBlock` if it does not take all.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if let Some(session) = &mut self.session {
            while session.wants_write() {
                match session.write_tls(&mut self.socket) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Reads from the viewer; 0 when it has closed, `WouldBlock` when nothing is there.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            return self.socket.read(buffer);
        };
        loop {
            match session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Gone without a word, as on a socket without TLS.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            // rustls ends a connection that sends record after record without content.
            session.read_tls(&mut self.socket)?;
            if let Err(error) = session.process_new_packets() {
                // The alert tells the other side why.
                let _ = session.write_tls(&mut self.socket);
                return Err(io::Error::other(error));
            }
        }
    }

    /// Closes the sending side, as far as the socket takes it.
    pub(crate) fn close_write(&mut self) {
        if let Some(session) = &mut self.session {
            session.send_close_notify();
            let _ = self.flush();
        }
        // Unread bytes do no harm this way: a full close would be a reset, and hide the last
        // message.
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

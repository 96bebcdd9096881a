//! One connection to a server: handshake, login, and the TCP options for live video.

use super::nkey::{UserKey, parse_creds};
use super::options::{Auth, Options, Server, read_secret};
use super::protocol::{Parser, ServerInfo, ServerOp};
use super::tls;
use serde_json::json;
use socket2::SockRef;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Timeout for each step of the handshake. A stopped server accepts connections and says nothing.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);

/// Time after which the kernel gives up data that is not acknowledged.
const USER_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes that the kernel takes before they can be sent: what waits there cannot be thrown away.
const NOTSENT_LOWAT: u32 = 16 << 10;

/// Stream of a connection, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Reason why a connection could not be made.
#[derive(Debug)]
pub(super) struct Failure {
    /// For the log.
    pub(super) text: String,
    /// The server refused the login: it will again.
    pub(super) is_refused: bool,
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self {
            text,
            is_refused: false,
        }
    }
}

/// A connection that is logged in.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Stream>,
    pub(super) parser: Parser,
    pub(super) info: ServerInfo,
}

/// Connects to `server` and logs in.
pub(super) async fn connect(options: &Options, server: &Server) -> Result<Connection, Failure> {
    let address = (server.host.as_str(), server.port);
    let socket = step(TcpStream::connect(address), "connection").await?;
    let mut socket = socket.map_err(|error| error.to_string())?;
    tune(&socket);
    let mut parser = Parser::default();
    let info = match next_op(&mut socket, &mut parser).await? {
        ServerOp::Info(info) => info,
        ServerOp::Error(text) => return Err(refusal(&text)),
        _ => return Err("it does not speak the protocol of NATS".to_owned().into()),
    };
    if !info.has_headers {
        return Err("it is older than NATS 2.2".to_owned().into());
    }
    if !options.is_secure && !info.is_tls_required {
        return log_in(options, Box::new(socket), parser, info).await;
    }
    // What came in the clear after the first line must not count.
    let stream = step(tls::connect(options, &server.host, socket), "TLS").await??;
    log_in(options, Box::new(stream), Parser::default(), info).await
}

async fn log_in(
    options: &Options,
    mut stream: Box<dyn Stream>,
    mut parser: Parser,
    info: ServerInfo,
) -> Result<Connection, Failure> {
    let hello = format!("CONNECT {}\r\nPING\r\n", login(options, &info)?);
    let sent = step(stream.write_all(hello.as_bytes()), "login").await?;
    sent.map_err(|error| error.to_string())?;
    loop {
        match next_op(&mut stream, &mut parser).await? {
            ServerOp::Pong => break,
            ServerOp::Error(text) => return Err(refusal(&text)),
            _ => {}
        }
    }
    Ok(Connection {
        stream,
        parser,
        info,
    })
}

/// Returns the argument of `CONNECT`. Files are read each time, as they may have changed.
fn login(options: &Options, info: &ServerInfo) -> Result<String, String> {
    let mut hello = json!({
        "verbose": false,
        "pedantic": false,
        "tls_required": options.is_secure,
        "name": "berrymse",
        "lang": "rust",
        "version": env!("CARGO_PKG_VERSION"),
        "protocol": 1,
        "echo": true,
        "headers": true,
        "no_responders": true,
    });
    let nonce = || {
        let missing = "the server does not ask for keys (no challenge)";
        info.nonce.as_deref().ok_or_else(|| missing.to_owned())
    };
    let mut set = |name: &str, value: &str| {
        if let Some(fields) = hello.as_object_mut() {
            fields.insert(name.to_owned(), value.into());
        }
    };
    match &options.auth {
        Auth::None => {}
        Auth::Password(user, password) => {
            set("user", user);
            set("pass", password);
        }
        Auth::Token(token) => set("auth_token", token),
        Auth::Nkey(path) => {
            let key = UserKey::parse(&read_secret(path)?)
                .map_err(|why| format!("{}: {why}", path.display()))?;
            set("nkey", &key.public());
            set("sig", &key.sign(nonce()?));
        }
        Auth::Credentials(path) => {
            let (token, key) = parse_creds(&read_secret(path)?)
                .map_err(|why| format!("{}: {why}", path.display()))?;
            set("jwt", &token);
            set("nkey", &key.public());
            set("sig", &key.sign(nonce()?));
        }
    }
    Ok(hello.to_string())
}

fn refusal(text: &str) -> Failure {
    let lower = text.to_ascii_lowercase();
    let is_refused = lower.contains("authorization") || lower.contains("authentication");
    let hint = match is_refused {
        true => "; check user, password, token, nkey or credentials",
        false => "",
    };
    Failure {
        text: format!("the server refuses ({text}){hint}"),
        is_refused,
    }
}

async fn next_op(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
    parser: &mut Parser,
) -> Result<ServerOp, String> {
    loop {
        if let Some(op) = parser.next_op().map_err(|error| error.to_string())? {
            return Ok(op);
        }
        let read = step(stream.read_buf(parser.buffer()), "greeting").await?;
        if read.map_err(|error| error.to_string())? == 0 {
            return Err("it closes the connection at once; is it a NATS server, and does it want nats+tls://?".into());
        }
    }
}

async fn step<T>(future: impl Future<Output = T>, what: &str) -> Result<T, String> {
    let done = tokio::time::timeout(STEP_TIMEOUT, future).await;
    done.map_err(|_| format!("no answer within {} s ({what})", STEP_TIMEOUT.as_secs()))
}

/// Sets the options of the socket. What fails is not needed.
fn tune(socket: &TcpStream) {
    let socket = SockRef::from(socket);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
    let _ = socket.set_tcp_notsent_lowat(NOTSENT_LOWAT);
    // What the kernel still has when a connection is given up is old: it must not be sent.
    let _ = socket.set_linger(Some(Duration::ZERO));
}

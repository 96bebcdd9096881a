//! Where the servers are and how to log in, and the URL of a camera on them.

use super::nkey::{UserKey, parse_creds};
use super::protocol::is_token;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// Port of NATS.
const PORT: u16 = 4222;

/// First token of all subjects, unless the user chooses another.
pub(crate) const DEFAULT_PREFIX: &str = "berrymse";

/// First token of inboxes, and what comes before the user in that of a user.
const INBOX: &str = "_INBOX";
const INBOX_OF_USER: &str = "_INBOX_";

/// Most servers in one URL.
const MAX_SERVERS: usize = 16;

/// How a client logs in.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Auth {
    /// Without a login.
    #[default]
    None,
    /// By name and password.
    Password(String, String),
    /// By a token.
    Token(String),
    /// By the seed in this file.
    Nkey(PathBuf),
    /// By the token and the seed in this `.creds` file.
    Credentials(PathBuf),
}

impl Auth {
    /// Returns words of which the log may not have the secret ones.
    pub fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Password(_, secret) | Self::Token(secret) => vec!["--password", secret],
            Self::None | Self::Nkey(_) | Self::Credentials(_) => Vec::new(),
        }
    }
}

impl fmt::Debug for Auth {
    /// Writes the kind, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Password(..) => "password",
            Self::Token(_) => "token",
            Self::Nkey(_) => "nkey",
            Self::Credentials(_) => "credentials",
        })
    }
}

/// A server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Server {
    /// Reads `HOST[:PORT]`, with brackets around an IPv6 address.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                let port = match port {
                    "" => None,
                    port => Some(port.strip_prefix(':')?),
                };
                (host, port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:%".contains(&b) || !b.is_ascii();
        if host.is_empty() || host.len() > 255 || !host.bytes().all(is_host) {
            return None;
        }
        let port = match port {
            None => PORT,
            Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        };
        Some(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Servers of one cluster, and the login.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// At least one; tried in this order.
    pub servers: Vec<Server>,
    /// Speaks only TLS.
    pub is_secure: bool,
    /// The login.
    pub auth: Auth,
    /// Certificates of the authorities to trust (PEM), instead of those of the machine.
    pub ca: Option<PathBuf>,
    /// First tokens of all subjects.
    pub prefix: String,
}

impl Options {
    /// Reads `nats://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]`, or `nats+tls://…`; returns the rest from the first slash
    /// on as well. The error repeats nothing of the URL, as it may have a password.
    pub fn parse(text: &str) -> Result<(Self, &str), &'static str> {
        const FORM: &str = "write nats://HOST:PORT or nats+tls://HOST:PORT";
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "nats" => false,
            "nats+tls" | "tls" => true,
            "ws" | "wss" | "nats+ws" | "nats+wss" => {
                return Err(
                    "WebSocket is for browsers; where only port 443 is open, run a nats-server as leaf node next to this program",
                );
            }
            _ => return Err(FORM),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let auth = match login.map(|login| login.split_once(':').ok_or(login)) {
            None => Auth::None,
            Some(Ok((user, password))) => Auth::Password(decode(user)?, decode(password)?),
            Some(Err(token)) => Auth::Token(decode(token)?),
        };
        let servers: Option<Vec<Server>> = hosts.split(',').map(Server::parse).collect();
        let servers = servers.ok_or("a server is HOST or HOST:PORT")?;
        if servers.len() > MAX_SERVERS {
            return Err("more than 16 servers");
        }
        let options = Self {
            servers,
            is_secure,
            auth,
            ca: None,
            prefix: DEFAULT_PREFIX.to_owned(),
        };
        Ok((options, rest))
    }

    /// Returns the first token of inboxes. It has the user (the public key, with a key), so that permissions can keep the
    /// inboxes of others from him.
    pub(crate) fn inbox_prefix(&self) -> String {
        let key = |path: &Path| UserKey::parse(&read_secret(path).ok()?).ok();
        let user = match &self.auth {
            Auth::None | Auth::Token(_) => None,
            Auth::Password(user, _) => Some(user.replace('.', "%2E")),
            Auth::Nkey(path) => key(path).map(|key| key.public()),
            Auth::Credentials(path) => {
                (read_secret(path).ok()).and_then(|text| Some(parse_creds(&text).ok()?.1.public()))
            }
        };
        match user.filter(|user| is_token(user)) {
            Some(user) => format!("{INBOX_OF_USER}{user}"),
            None => INBOX.to_owned(),
        }
    }

    /// Returns true for an inbox of somebody. Nothing below the prefix of cameras is one.
    pub fn is_inbox(&self, subject: &str) -> bool {
        let Some((first, rest)) = subject.split_once('.') else {
            return false;
        };
        let of_cameras = subject.strip_prefix(&self.prefix);
        (first == INBOX || first.starts_with(INBOX_OF_USER))
            && is_token(first)
            && rest.split('.').all(is_token)
            && !of_cameras.is_some_and(|rest| rest.starts_with('.'))
    }

    /// Returns the servers as a URL, without the login.
    pub fn shown(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(Server::to_string).collect();
        let scheme = if self.is_secure { "nats+tls" } else { "nats" };
        format!("{scheme}://{}", servers.join(","))
    }
}

/// Returns true for tokens with dots between them, which can begin subjects.
pub fn is_prefix(text: &str) -> bool {
    text.len() <= 128 && text.split('.').all(is_token)
}

/// The cameras of a URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// The camera of this name.
    One(String),
    /// All cameras of the prefix.
    All,
}

/// URL such as `nats://host:4222/garden`, or `nats://host/*` for all cameras. Its texts have no password.
///
/// ```
/// use berrymse::nats::Url;
///
/// let url = Url::parse("nats://me:secret@bus.example/garden?prefix=home").unwrap();
/// assert_eq!(url.to_string(), "nats://bus.example:4222/garden?prefix=home");
/// assert!(Url::parse("nats://bus.example").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    options: Options,
    wanted: Wanted,
    query: String,
}

impl Url {
    /// Reads a URL. The error says what to write.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut options, rest) = Options::parse(text)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let name = path.strip_prefix('/').unwrap_or_default();
        let wanted = match name {
            "*" => Wanted::All,
            name if is_camera(name) => Wanted::One(name.to_owned()),
            _ => {
                return Err(
                    "the camera's name comes last, as in nats://HOST/garden, or nats://HOST/* for all",
                );
            }
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            let file = || PathBuf::from(&value);
            match key {
                "prefix" if is_prefix(&value) => options.prefix = value,
                "prefix" => {
                    return Err("prefix= takes words with dots between, such as home.cameras");
                }
                "ca" if !value.is_empty() => options.ca = Some(file()),
                "credentials" if !value.is_empty() => options.auth = Auth::Credentials(file()),
                "nkey" if !value.is_empty() => options.auth = Auth::Nkey(file()),
                _ => {
                    return Err(
                        "after ? come prefix=, credentials=FILE, nkey=FILE and ca=FILE, with & between",
                    );
                }
            }
        }
        Ok(Self {
            options,
            wanted,
            query: query.to_owned(),
        })
    }

    /// Returns the servers and the login.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the cameras.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Returns the URL of one camera of the same servers.
    #[must_use]
    pub fn with_camera(&self, name: &str) -> Self {
        Self {
            wanted: Wanted::One(name.to_owned()),
            ..self.clone()
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.wanted {
            Wanted::One(name) => name,
            Wanted::All => "*",
        };
        write!(f, "{}/{name}", self.options.shown())?;
        match self.query.as_str() {
            "" => Ok(()),
            query => write!(f, "?{query}"),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Returns true for a name of a camera: it is part of URLs.
pub fn is_camera(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(is_plain) && name != "." && name != ".."
}

/// Reads a seed or a token from a file, without white space around.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    let cannot = |why: &dyn fmt::Display| format!("cannot read {}: {why}", path.display());
    let bytes = std::fs::read(path).map_err(|error| cannot(&error))?;
    if bytes.len() > 64 << 10 {
        return Err(cannot(&"it is too large"));
    }
    String::from_utf8(bytes).map_err(|_| cannot(&"it is no text"))
}

/// Percent-encoded text (RFC 3986, 2.1) as it is meant.
fn decode(text: &str) -> Result<String, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(Cow::into_owned)
        .map_err(|_| "a part of the URL is no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_hex_digits_are_decoded() {
        for (text, decoded) in [
            ("%3A", ":"),
            ("%+9x", "%+9x"),
            ("%-1", "%-1"),
            ("a%4", "a%4"),
        ] {
            assert_eq!(decode(text).as_deref(), Ok(decoded), "{text}");
        }
    }

    #[test]
    fn url_is_taken_apart() {
        let url = Url::parse("nats+tls://a,b:1,[::1]:2/front.door?ca=%2Fx&prefix=p.q").unwrap();
        let options = url.options();
        let servers: Vec<String> = options.servers.iter().map(Server::to_string).collect();
        assert_eq!(servers, ["a:4222", "b:1", "[::1]:2"]);
        assert!(options.is_secure && options.auth == Auth::None);
        assert_eq!(options.ca.as_deref(), Some(Path::new("/x")));
        assert_eq!(options.prefix, "p.q");
        assert_eq!(url.wanted(), &Wanted::One("front.door".into()));
        let url = Url::parse("nats://me:p%40ss@h/*").unwrap();
        let login = Auth::Password("me".into(), "p@ss".into());
        assert_eq!((&url.options().auth, url.wanted()), (&login, &Wanted::All));
        assert_eq!(
            format!("{url:?} {:?}", url.options().auth),
            "nats://h:4222/* password"
        );
        assert_eq!(url.with_camera("x").to_string(), "nats://h:4222/x");
        let url = Url::parse("nats://t0ken@h/x").unwrap();
        assert_eq!(url.options().auth, Auth::Token("t0ken".into()));
    }

    #[test]
    fn inbox_belongs_to_a_user() {
        let prefix = |text: &str| Options::parse(text).unwrap().0.inbox_prefix();
        assert_eq!(prefix("nats://h"), "_INBOX");
        assert_eq!(prefix("nats://t0ken@h"), "_INBOX");
        assert_eq!(prefix("nats://garden:x@h"), "_INBOX_garden");
        assert_eq!(prefix("nats://a.b:x@h"), "_INBOX_a%2Eb");
        assert_eq!(prefix("nats://%3E:x@h"), "_INBOX");
        let mut options = Options::parse("nats://h").unwrap().0;
        for subject in ["_INBOX.1", "_INBOX_edge.1.2"] {
            assert!(options.is_inbox(subject), "{subject}");
        }
        for subject in [
            "",
            "_INBOX",
            "_INBOX.",
            "_INBOX.>",
            "_INBOX_*.1",
            "_INBOXES.1",
            "berrymse.back.frames",
        ] {
            assert!(!options.is_inbox(subject), "{subject}");
        }
        options.prefix = "_INBOX_x".to_owned();
        assert!(!options.is_inbox("_INBOX_x.back.frames"));
    }

    #[test]
    fn bad_url_is_refused() {
        for text in [
            "nats://",
            "nats://h",
            "nats://h/",
            "nats:///x",
            "nats://h:0/x",
            "nats://h:99999/x",
            "nats://h/a b",
            "nats://h/a/b",
            "nats://h/x?prefix=",
            "nats://h/x?prefix=a..b",
            "nats://h/x?prefix=a.*",
            "nats://h/x?other=1",
            "wss://h/x",
            "http://h/x",
            "nats://h\r\nPUB/x",
            "nats://%ff:%ff@h/x",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}

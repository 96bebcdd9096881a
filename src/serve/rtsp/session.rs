//! The state machine of one client (RFC 2326, A.2). Pure: who may do what is decided before.

use super::SESSION_TIMEOUT;
use super::request::Request;
use super::response::{Response, Status};
use super::target::{Resource, Target};
use super::transport::Channels;
use std::sync::Arc;

/// Value of `Public`: all methods.
const METHODS: &str =
    "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN";

/// Methods of clients that send video or are redirected.
const OTHER_METHODS: [&str; 3] = ["ANNOUNCE", "RECORD", "REDIRECT"];

/// Longest `User-Agent` that is kept.
const MAX_AGENT_CHARS: usize = 128;

/// Method of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    Options,
    Describe,
    Setup,
    Play,
    Pause,
    /// `GET_PARAMETER` or `SET_PARAMETER`: signs of life, as there are no parameters.
    Parameter,
    Teardown,
}

impl Method {
    /// Returns the method of a request that asks for nothing unknown, or the answer.
    pub(crate) fn of(request: &Request) -> Result<Self, Response> {
        let method = match request.method.as_str() {
            "OPTIONS" => Self::Options,
            "DESCRIBE" => Self::Describe,
            "SETUP" => Self::Setup,
            "PLAY" => Self::Play,
            "PAUSE" => Self::Pause,
            "GET_PARAMETER" | "SET_PARAMETER" => Self::Parameter,
            "TEARDOWN" => Self::Teardown,
            other if OTHER_METHODS.contains(&other) => {
                let words = "method: not allowed; cameras are only watched here\n";
                let response = Response::text(Status::METHOD_NOT_ALLOWED, words);
                return Err(response.with("Allow", METHODS));
            }
            _ => {
                let words = "method: unknown; OPTIONS lists those that there are\n";
                let response = Response::text(Status::NOT_IMPLEMENTED, words);
                return Err(response.with("Public", METHODS));
            }
        };
        let required = request
            .header("Require")
            .or(request.header("Proxy-Require"));
        match required {
            Some(option) => Err(Response::new(Status::OPTION).with("Unsupported", option)),
            None => Ok(method),
        }
    }

    /// Returns true if the client has to have the right to watch.
    pub(crate) const fn needs_right(self) -> bool {
        matches!(
            self,
            Self::Describe | Self::Setup | Self::Play | Self::Pause
        )
    }
}

/// State of the negotiation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Nothing was set up.
    Init,
    Ready,
    Playing,
    Paused,
}

/// Effect of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Only an answer.
    Reply(Response),
    /// The camera has to be described.
    Describe,
    /// Frames begin, or go on after a pause.
    Play(Response),
    /// Frames stop.
    Pause(Response),
    /// The session ends.
    Teardown(Response),
}

/// Session of one client, on one connection.
#[derive(Debug)]
pub(crate) struct Session {
    id: String,
    phase: Phase,
    /// Camera that was set up, and whether the URL named it.
    camera: Option<Arc<str>>,
    channels: Channels,
    user_agent: Option<String>,
}

impl Session {
    /// Creates a session before its setup; `id` is hard to guess.
    pub(crate) fn new(id: String) -> Self {
        Self {
            id,
            phase: Phase::Init,
            camera: None,
            channels: Channels { rtp: 0, rtcp: 1 },
            user_agent: None,
        }
    }

    /// Returns the camera that was set up.
    pub(crate) fn camera(&self) -> Option<&Arc<str>> {
        self.camera.as_ref()
    }

    pub(super) fn channels(&self) -> Channels {
        self.channels
    }

    /// Returns what the client says it is. Some clients say so only once.
    pub(super) fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// Takes a request. `camera` is the camera of its URL and the number of its stream, for those that need one.
    pub(crate) fn step(
        &mut self,
        method: Method,
        request: &Request,
        camera: Option<(&Arc<str>, u32)>,
    ) -> Result<Step, Response> {
        if self.user_agent.is_none()
            && let Some(agent) = request.header("User-Agent").filter(|it| !it.is_empty())
        {
            self.user_agent = Some(agent.chars().take(MAX_AGENT_CHARS).collect());
        }
        self.check_id(method, request)?;
        self.check_camera(method, request)?;
        match method {
            Method::Options => Ok(Step::Reply(
                self.with_id(Response::new(Status::OK).with("Public", METHODS)),
            )),
            Method::Parameter => Ok(Step::Reply(self.with_id(Response::new(Status::OK)))),
            Method::Describe if self.is_begun() => Err(wrong_state(
                "DESCRIBE: not while frames are sent; use another connection\n",
            )),
            Method::Describe => Ok(Step::Describe),
            Method::Setup => self.setup(request, camera).map(Step::Reply),
            Method::Play => {
                if self.phase == Phase::Init {
                    return Err(wrong_state("PLAY: nothing is set up; SETUP comes first\n"));
                }
                self.phase = Phase::Playing;
                let response = self.with_id(Response::new(Status::OK));
                Ok(Step::Play(match request.header("Range") {
                    Some(_) => response.with("Range", "npt=now-"),
                    None => response,
                }))
            }
            Method::Pause if !self.is_begun() => {
                Err(wrong_state("PAUSE: nothing is playing; PLAY comes first\n"))
            }
            Method::Pause => {
                self.phase = Phase::Paused;
                Ok(Step::Pause(self.with_id(Response::new(Status::OK))))
            }
            Method::Teardown => {
                (self.phase, self.camera) = (Phase::Init, None);
                Ok(Step::Teardown(Response::new(Status::OK)))
            }
        }
    }

    /// True once frames were sent.
    fn is_begun(&self) -> bool {
        matches!(self.phase, Phase::Playing | Phase::Paused)
    }

    /// Checks the number of the session. Where there is only one, it may be missing at the end.
    fn check_id(&self, method: Method, request: &Request) -> Result<(), Response> {
        let given = request.header("Session");
        let given = given.map(|text| text.split(';').next().unwrap_or_default().trim());
        let is_needed = self.phase != Phase::Init && matches!(method, Method::Play | Method::Pause);
        match given {
            Some(id) if self.phase != Phase::Init && id == self.id => Ok(()),
            None if !is_needed => Ok(()),
            _ => {
                let words =
                    "session: not found; SETUP begins one, which ends with its connection\n";
                Err(Response::text(Status::SESSION_NOT_FOUND, words))
            }
        }
    }

    /// Checks that a request is for the camera that was set up.
    fn check_camera(&self, method: Method, request: &Request) -> Result<(), Response> {
        let has_camera = matches!(method, Method::Setup | Method::Play | Method::Pause);
        let target = Target::parse(&request.target);
        let resource = target.map(|target| target.resource);
        match (&self.camera, resource) {
            (Some(own), Some(Resource::Camera(Some(name)))) if has_camera && **own != *name => Err(
                wrong_state("session: of another camera; each needs a connection of its own\n"),
            ),
            _ => Ok(()),
        }
    }

    fn setup(
        &mut self,
        request: &Request,
        camera: Option<(&Arc<str>, u32)>,
    ) -> Result<Response, Response> {
        if self.is_begun() {
            return Err(wrong_state("SETUP: not while frames are sent\n"));
        }
        let Some((camera, ssrc)) = camera else {
            return Err(wrong_state("SETUP: of no camera\n"));
        };
        let header = request.header("Transport").unwrap_or_default();
        let Some(channels) = Channels::choose(header) else {
            let words = "transport: RTP/AVP/TCP;interleaved=0-1 is the only one; in most programs it is called TCP\n";
            return Err(Response::text(Status::TRANSPORT, words));
        };
        self.channels = channels;
        self.camera = Some(camera.clone());
        self.phase = Phase::Ready;
        let Channels { rtp, rtcp } = channels;
        let transport =
            format!("RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp};ssrc={ssrc:08X};mode=\"PLAY\"");
        Ok(self.with_id(Response::new(Status::OK).with("Transport", transport)))
    }

    /// Adds the number of the session, if it has begun.
    fn with_id(&self, response: Response) -> Response {
        if self.phase == Phase::Init {
            return response;
        }
        let timeout = SESSION_TIMEOUT.as_secs();
        response.with("Session", format!("{};timeout={timeout}", self.id))
    }
}

fn wrong_state(words: &str) -> Response {
    Response::text(Status::WRONG_STATE, words)
}

#[cfg(test)]
mod tests {
    use super::super::request::{Incoming, RequestReader};
    use super::*;

    const SESSION: &str = "Session: id";
    const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";

    struct Client(Session);

    impl Client {
        fn new() -> Self {
            Self(Session::new("id".into()))
        }

        fn try_send(&mut self, line: &str, headers: &[&str]) -> Result<Step, Response> {
            let mut reader = RequestReader::default();
            let headers: String = headers.iter().map(|it| format!("{it}\r\n")).collect();
            reader.feed(format!("{line} RTSP/1.0\r\nCSeq: 1\r\n{headers}\r\n").as_bytes());
            let Some(Incoming::Request(request)) = reader.next() else {
                panic!("{line}");
            };
            let method = Method::of(&request)?;
            self.0.step(method, &request, Some((&"cam".into(), 7)))
        }

        /// Status, and the headers of the answer as text.
        fn send(&mut self, line: &str, headers: &[&str]) -> (u16, String) {
            let response = match self.try_send(line, headers) {
                Ok(Step::Describe) => return (0, String::new()),
                Ok(Step::Reply(it) | Step::Play(it) | Step::Pause(it) | Step::Teardown(it))
                | Err(it) => it,
            };
            let text = String::from_utf8(response.to_bytes(None).to_vec()).unwrap();
            (response.status.code, text)
        }

        fn status(&mut self, line: &str, headers: &[&str]) -> u16 {
            self.send(line, headers).0
        }
    }

    #[test]
    fn session_goes_from_setup_to_teardown() {
        let mut client = Client::new();
        let (status, text) = client.send("OPTIONS *", &["User-Agent: Lavf"]);
        assert!(
            status == 200
                && text.contains("Public: OPTIONS, DESCRIBE")
                && !text.contains("Session")
        );
        assert_eq!(
            client.status("DESCRIBE rtsp://h/live/cam", &["User-Agent: b"]),
            0
        );
        let (status, text) = client.send("SETUP rtsp://h/live/cam/trackID=0", &[TCP]);
        assert_eq!(status, 200);
        assert!(text.contains("\r\nSession: id;timeout=60\r\n"), "{text}");
        assert!(text.contains("interleaved=0-1;ssrc=00000007;"), "{text}");
        assert_eq!(
            client.status("GET_PARAMETER rtsp://h/live/cam/", &[SESSION]),
            200
        );
        let (status, text) = client.send("PLAY rtsp://h/live/cam/", &[SESSION, "Range: npt=0-"]);
        assert!(status == 200 && text.contains("Range: npt=now-"), "{text}");
        assert_eq!(client.status("PAUSE rtsp://h/live/cam", &[SESSION]), 200);
        assert_eq!(
            client.status("PAUSE rtsp://h/live/cam", &["Session: id;timeout=60"]),
            200
        );
        assert_eq!(client.status("PLAY rtsp://h/live/cam", &[SESSION]), 200);
        assert_eq!(client.status("SET_PARAMETER rtsp://h/live/cam", &[]), 200);
        assert_eq!(client.status("TEARDOWN rtsp://h/live/cam", &[SESSION]), 200);
        assert_eq!(
            client.status("PLAY rtsp://h/live/cam", &[SESSION]),
            454,
            "it has ended"
        );
        assert_eq!(client.0.user_agent(), Some("Lavf"));
    }

    #[test]
    fn wrong_session_state_transport_and_option_have_their_codes() {
        let mut client = Client::new();
        let url = "rtsp://h/live/cam";
        assert_eq!(client.status(&format!("PLAY {url}"), &[]), 455);
        assert_eq!(client.status(&format!("PLAY {url}"), &[SESSION]), 454);
        assert_eq!(client.status(&format!("PAUSE {url}"), &[]), 455);
        assert_eq!(
            client.status(&format!("TEARDOWN {url}"), &[]),
            200,
            "go2rtc"
        );
        assert_eq!(
            client.status(&format!("TEARDOWN {url}"), &["Session: x"]),
            454
        );
        let udp = "Transport: RTP/AVP;unicast;client_port=1-2";
        assert_eq!(client.status(&format!("SETUP {url}"), &[udp]), 461);
        assert_eq!(client.status(&format!("SETUP {url}"), &[]), 461);
        assert_eq!(
            client.status(&format!("SETUP {url}"), &[TCP]),
            200,
            "after 461"
        );
        assert_eq!(client.status(&format!("PAUSE {url}"), &[SESSION]), 455);
        assert_eq!(client.status(&format!("PLAY {url}"), &[]), 454);
        assert_eq!(client.status(&format!("PLAY {url}"), &["Session: x"]), 454);
        assert_eq!(client.status("PLAY rtsp://h/live/other", &[SESSION]), 455);
        assert_eq!(client.status("PLAY rtsp://h/live", &[SESSION]), 200);
        assert_eq!(client.status(&format!("SETUP {url}"), &[SESSION, TCP]), 455);
        assert_eq!(client.status(&format!("DESCRIBE {url}"), &[]), 455);
        for (method, headers, status) in [
            ("RECORD", &[][..], 405),
            ("ANNOUNCE", &[], 405),
            ("PRAY", &[], 501),
            ("play", &[], 501),
            (
                "DESCRIBE",
                &["Require: www.onvif.org/ver20/backchannel"],
                551,
            ),
        ] {
            let (found, text) = client.send(&format!("{method} {url}"), headers);
            assert_eq!(found, status, "{method}");
            assert!(status != 551 || text.contains("Unsupported: www.onvif.org/ver20/backchannel"));
        }
    }
}

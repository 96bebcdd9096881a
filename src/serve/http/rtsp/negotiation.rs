//! Answers the requests of an RTSP client up to PLAY. Who may watch what is decided as for HTTP.

use super::challenge::{DigestAnswer, Offers};
use super::{hex, random};
use crate::access::{Identity, Right};
use crate::hub::DemandGuard;
use crate::media::Parameters;
use crate::serve::config::Camera;
use crate::serve::http::authenticator::CredentialRefusal;
use crate::serve::http::forwarded::Client;
use crate::serve::http::handlers::live_wait;
use crate::serve::http::login_required;
use crate::serve::http::refusal::Refusal;
use crate::serve::http::state::{AppState, Site};
use crate::serve::recorder::{Recorder, wants_every_frame};
use crate::serve::rtsp::output::Output;
use crate::serve::rtsp::request::Request;
use crate::serve::rtsp::response::{Response, Status};
use crate::serve::rtsp::sdp;
use crate::serve::rtsp::session::{Method, Session, Step};
use crate::serve::rtsp::target::{Resource, Target};
use crate::serve::viewers::Reservation;
use hyper::header::{self, HeaderMap, HeaderValue};
use std::sync::Arc;

/// Seconds after which a client may try again.
const RETRY_AFTER: &str = "2";

/// Client before PLAY.
pub(super) struct Negotiation {
    site: Site,
    /// The state as of the last request.
    app: Arc<AppState>,
    client: Client,
    session: Session,
    /// Nonce of Digest, for as long as the connection lives: some clients cannot take another one.
    nonce: String,
    /// Identities proved on this connection and by the URL: later URLs have no query.
    proved: Option<Identity>,
    described: Option<Described>,
    /// Plain RTSP at an address that speaks TLS.
    is_misdirected: bool,
    /// A URL of the session has asked for every frame.
    is_recorder: bool,
}

/// Camera that was described, which is kept open.
struct Described {
    camera: Arc<str>,
    parameters: Arc<Parameters>,
    _demand: DemandGuard,
}

/// Effect of a request.
pub(super) enum Answer {
    Reply(Response),
    /// The frames begin after the answer.
    Play(Response, Box<Playing>),
}

/// All that is needed to play.
pub(super) struct Playing {
    pub(super) camera: Camera,
    pub(super) output: Output,
    pub(super) session: Session,
    pub(super) known: Option<Arc<Parameters>>,
    pub(super) identity: Identity,
    pub(super) place: Reservation,
    pub(super) recorder: Option<Recorder>,
}

impl Negotiation {
    pub(super) fn new(
        site: Site,
        client: Client,
        is_misdirected: bool,
    ) -> Result<Self, &'static str> {
        let id = hex(&random::<16>()?);
        Ok(Self {
            app: site.current(),
            site,
            client,
            session: Session::new(id),
            nonce: hex(&random::<16>()?),
            proved: None,
            described: None,
            is_misdirected,
            is_recorder: false,
        })
    }

    /// Answers a request.
    pub(super) async fn answer(&mut self, request: &Request) -> Answer {
        let app = self.site.current();
        if !Arc::ptr_eq(&app, &self.app) {
            // What was proved may count no longer.
            (self.app, self.proved) = (app, None);
        }
        match self.try_answer(request).await {
            Ok(answer) => answer,
            Err(response) => Answer::Reply(*response),
        }
    }

    async fn try_answer(&mut self, request: &Request) -> Result<Answer, Box<Response>> {
        if !self.app.admits_request(&self.client) {
            let words = "Too many requests come from your address. Try again later.\n";
            let response = Response::text(Status::UNAVAILABLE, words);
            return Err(response.with("Retry-After", RETRY_AFTER).into());
        }
        let method = Method::of(request)?;
        let Some(target) = Target::parse(&request.target) else {
            let words = "request: no URL of RTSP; they are rtsp://HOST:PORT/live/NAME\n";
            return Err(Response::text(Status::BAD_REQUEST, words).into());
        };
        self.check_host(&target)?;
        if self.is_misdirected {
            return Err(misdirected(&target).into());
        }
        let wants_every_frame = wants_every_frame(target.query);
        self.is_recorder |=
            wants_every_frame.map_err(|words| Response::text(Status::BAD_REQUEST, words))?;
        let (camera, identity) = if method.needs_right() {
            let identity = self.authorize(request, &target).await?;
            (self.find_camera(&identity, &target)?, identity)
        } else {
            (None, Identity::nobody(None))
        };
        let output = camera
            .as_ref()
            .and_then(|it| self.app.rtsp_output(&it.name));
        let named = camera.as_ref().zip(output.as_ref());
        let stream = named.map(|(camera, output)| (&camera.name, output.ssrc()));
        let step = self.session.step(method, request, stream)?;
        match (step, named) {
            (Step::Describe, Some((camera, output))) => {
                let output = output.clone();
                self.describe(camera, &output, &target).await
            }
            (Step::Play(response), Some((camera, output))) => {
                let output = output.clone();
                self.play(response, camera.clone(), output, identity)
            }
            (Step::Reply(response) | Step::Pause(response) | Step::Teardown(response), _) => {
                Ok(Answer::Reply(response))
            }
            (Step::Describe | Step::Play(_), None) => Err(not_found(&self.app, None).into()),
        }
    }

    /// Refuses a client that calls the server by a name that is none of its own.
    fn check_host(&self, target: &Target<'_>) -> Result<(), Box<Response>> {
        if target.host.is_empty() || self.app.hosts.allow(target.host) {
            return Ok(());
        }
        let refusal = Refusal::host(target.host, self.app.hosts.list(), self.client.peer);
        let message = refusal.log_throttled(&self.app).message;
        Err(Response::text(Status::FORBIDDEN, format!("{message}\n")).into())
    }

    /// Returns who may watch, or the challenge.
    async fn authorize(
        &mut self,
        request: &Request,
        target: &Target<'_>,
    ) -> Result<Identity, Box<Response>> {
        let identified = self.identify(request, target).await?;
        match identified {
            Ok(identity) if identity.may(Right::Viewer) => {
                self.proved = Some(identity.clone());
                Ok(identity)
            }
            Ok(_) => Err(self.challenge(None).into()),
            Err(why) => Err(self.challenge(Some(why)).into()),
        }
    }

    async fn identify(
        &self,
        request: &Request,
        target: &Target<'_>,
    ) -> Result<Result<Identity, CredentialRefusal>, Box<Response>> {
        let authorization = request.header("Authorization");
        let access = &self.app.access;
        if let Some(answer) = authorization.and_then(DigestAnswer::parse) {
            if answer.nonce != self.nonce {
                let words = "login: the nonce is of another connection; use the new one";
                return Err(self.offers().challenge(&self.nonce, true, words).into());
            }
            let is_known = (self.proved.as_ref())
                .is_some_and(|known| known.name.as_deref() == Some(answer.user.as_str()));
            let is_right = |secret: &_| answer.is_by(secret, &request.method);
            let checked = access.check_digest(&self.client, &answer.user, is_known, is_right);
            return Ok(checked.await);
        }
        let has_token = target.query.split('&').any(|it| it.starts_with("token="));
        if let (Some(known), None, false) = (&self.proved, authorization, has_token)
            && !access.has_ended(known)
        {
            return Ok(Ok(known.clone()));
        }
        let mut headers = HeaderMap::new();
        for (name, text) in [
            (header::AUTHORIZATION, authorization),
            (header::HOST, Some(target.host)),
        ] {
            if let Some(Ok(value)) = text.map(HeaderValue::from_str) {
                headers.insert(name, value);
            }
        }
        let identified = access.identify(&self.client, &headers, target.query, &self.app.hosts);
        Ok(identified.await)
    }

    fn offers(&self) -> Offers {
        Offers {
            has_digest: self.app.access.has_digest(),
            has_users: self.app.access.has_users(),
        }
    }

    fn challenge(&self, why: Option<CredentialRefusal>) -> Response {
        let words = match why {
            None => {
                "login: needed; write rtsp://NAME:PASSWORD@HOST/live, or ?token=TOKEN at its end"
            }
            why => login_required::message(why),
        };
        let wait = match why {
            Some(CredentialRefusal::TooMany(wait)) => wait.as_secs() + 1,
            Some(CredentialRefusal::Busy) => 2,
            _ => return self.offers().challenge(&self.nonce, false, words),
        };
        // RTSP has no 429; most clients try again after a 503.
        Response::text(Status::UNAVAILABLE, format!("{words}\n"))
            .with("Retry-After", wait.to_string())
    }

    /// Returns the camera of the URL as `identity` may see it; that of the session where the URL names none.
    fn find_camera(
        &self,
        identity: &Identity,
        target: &Target<'_>,
    ) -> Result<Option<Camera>, Box<Response>> {
        let set_up = self.session.camera().map(|name| &**name);
        let name = match target.resource {
            Resource::Camera(name) => name.or(set_up).or(identity.camera.as_deref()),
            Resource::Track | Resource::Server if set_up.is_some() => set_up,
            Resource::Track if self.described.is_some() => {
                self.described.as_ref().map(|described| &*described.camera)
            }
            Resource::Track | Resource::Server | Resource::Unknown => {
                return Err(not_found(&self.app, Some(identity)).into());
            }
        };
        let found = self.app.camera(name);
        match found.filter(|camera| identity.may_see(&camera.name)) {
            Some(camera) => Ok(Some(camera)),
            None => Err(not_found(&self.app, Some(identity)).into()),
        }
    }

    /// Describes a camera. One that is being opened has some seconds.
    async fn describe(
        &mut self,
        camera: &Camera,
        output: &Output,
        target: &Target<'_>,
    ) -> Result<Answer, Box<Response>> {
        // Before the wait: another camera is no longer needed.
        self.described = None;
        let (demand, parameters) = live_wait::wait_for_parameters(camera)
            .await
            .map_err(|why| {
                Response::text(Status::UNAVAILABLE, format!("No video: {why}.\n"))
                    .with("Retry-After", RETRY_AFTER)
            })?;
        let description = sdp::describe(&camera.name, output.ssrc(), &parameters);
        self.described = Some(Described {
            camera: camera.name.clone(),
            parameters,
            _demand: demand,
        });
        let mut response = Response::new(Status::OK);
        if let Some(base) = target.content_base() {
            response = response.with("Content-Base", base);
        }
        response = response.with("Cache-Control", "no-store");
        Ok(Answer::Reply(
            response.with_body("application/sdp", description),
        ))
    }

    /// Returns a place for a recorder, or the answer that refuses it.
    fn reserve_recorder(&self, camera: &Camera) -> Result<Recorder, Box<Response>> {
        let (app, peer) = (&self.app, self.client.peer);
        app.reserve_recorder(camera, &self.client).ok_or_else(|| {
            no_place(app, Refusal::too_many_recorders(app.limits.recorders, peer)).into()
        })
    }

    fn play(
        &mut self,
        response: Response,
        camera: Camera,
        output: Output,
        identity: Identity,
    ) -> Result<Answer, Box<Response>> {
        let place = self.app.reserve_viewer(&self.client).map_err(|why| {
            no_place(
                &self.app,
                Refusal::no_place(&self.app, why, self.client.peer),
            )
        })?;
        let recorder = match self.is_recorder {
            true => Some(self.reserve_recorder(&camera)?),
            false => None,
        };
        let known = self
            .described
            .as_ref()
            .filter(|it| it.camera == camera.name);
        let playing = Playing {
            output,
            known: known.map(|described| described.parameters.clone()),
            identity,
            place,
            recorder,
            // The connection goes with it.
            session: std::mem::replace(&mut self.session, Session::new(String::new())),
            camera,
        };
        Ok(Answer::Play(response, Box::new(playing)))
    }
}

fn no_place(app: &AppState, refusal: Refusal) -> Response {
    let text = format!("{}\n", refusal.log_throttled(app).message);
    Response::text(Status::UNAVAILABLE, text).with("Retry-After", RETRY_AFTER)
}

fn not_found(app: &AppState, identity: Option<&Identity>) -> Response {
    let nobody = Identity::nobody(None);
    let message = Refusal::camera(app, identity.unwrap_or(&nobody)).message;
    let hint = "URLs are rtsp://HOST:PORT/live and /live/NAME.";
    Response::text(Status::NOT_FOUND, format!("{message} {hint}\n"))
}

/// Redirects plain RTSP at an address that speaks TLS.
fn misdirected(target: &Target<'_>) -> Response {
    let words = "This address speaks TLS: its URL begins with rtsps://.\n";
    match target.secure() {
        Some(url) => Response::text(Status::FOUND, words).with("Location", url),
        None => Response::text(Status::BAD_REQUEST, words),
    }
}

//! Who may watch by RTSP: the same as by HTTP.

use super::client::{Client, Received, connect};
use super::{TCP, ffmpeg, live};
use crate::support::{PATIENCE, Scratch, Server};
use berrymse::access::{DigestSecret, Link, PasswordHash, Right, SigningKey, TokenHash};
use std::time::SystemTime;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Two cameras; `owner` has a digest, `guest` none.
fn guarded(name: &str) -> Server {
    let scratch = Scratch::new(name);
    let key = scratch.file("access.key", KEY);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, mode).unwrap();
    let password = PasswordHash::of("pass word").unwrap();
    let password = password.as_str();
    let digest = DigestSecret::of("owner", "pass word");
    let token = TokenHash::of("viewer-token");
    let config = format!(
        "cameras:\n  - {{name: front, source: test, width: 320, height: 240}}\n  - {{name: back, source: test, width: 320, \
         height: 240}}\nserver: {{listen: '127.0.0.1:0', hosts: [cam.example]}}\naccess:\n  keyFile: {key}\n  users:\n    - \
         {{name: owner, password: '{password}', digest: '{digest}', right: operator}}\n    - {{name: guest, password: \
         '{password}', right: viewer}}\n  tokens: [{{name: v, hash: '{token}', right: viewer}}]\n"
    );
    Server::start_with(&["--config", &scratch.file("config.yml", config)], |_| {})
}

fn link(camera: &str) -> String {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let link = Link {
        name: "l".into(),
        camera: camera.into(),
        right: Right::Viewer,
        expires_at: now.as_secs() + 3600,
    };
    link.token(&SigningKey::new(KEY.as_bytes()))
}

#[test]
fn watching_needs_a_login_that_ffmpeg_shows() {
    let server = guarded("rtsp-login");
    let address = server.address();
    let mut client = connect(address);
    let url = format!("rtsp://{address}/live/nobody");
    assert_eq!(client.status("OPTIONS", &url, ""), 200);
    let challenge = client.ask("DESCRIBE", &url, "");
    assert_eq!(challenge.status, 401, "not whether there is such a camera");
    let offers = challenge.all("WWW-Authenticate");
    let kinds: Vec<&str> = offers
        .iter()
        .map(|it| it.split(' ').next().unwrap())
        .collect();
    assert_eq!(kinds, ["Digest", "Digest", "Basic"]);
    assert!(offers[0].contains("SHA-256") && offers[1].contains("algorithm=MD5"));
    assert_eq!(client.status("SETUP", &url, TCP), 401);
    let again = client.ask("DESCRIBE", &url, "Authorization: Basic b3duZXI6eA==\r\n");
    assert_eq!(again.status, 401);
    assert_eq!(
        again.all("WWW-Authenticate"),
        offers,
        "one nonce for each connection"
    );
    let stale = client.ask(
        "DESCRIBE",
        &url,
        "Authorization: Digest username=\"owner\", realm=\"BerryMSE\", nonce=\"1\", uri=\"\", response=\"1\"\r\n",
    );
    assert!(stale.all("WWW-Authenticate")[1].contains("stale=true"));
    let basic = "Authorization: Basic Z3Vlc3Q6cGFzcyB3b3Jk\r\n";
    assert_eq!(client.status("DESCRIBE", &url, basic), 404);
    // What was proved counts for the rest of the connection, and one wrong word more does not.
    let front = format!("rtsp://{address}/live/front");
    assert_eq!(client.status("DESCRIBE", &front, ""), 200);
    assert_eq!(
        client.status("DESCRIBE", &front, "Authorization: Basic x\r\n"),
        401
    );
    // Digest by MD5, with a password that has to be decoded; and a token.
    let url = format!("rtsp://owner:pass%20word@{address}/live/back");
    assert_eq!(ffmpeg(&url, &[], 2).len(), 2);
    let url = format!("rtsp://{address}/live/back?token=viewer-token");
    assert_eq!(ffmpeg(&url, &[], 2).len(), 2);
    let log = server.log();
    assert!(
        log.contains("joined by RTSP (owner)") && !log.contains("viewer-token"),
        "{log}"
    );
}

#[test]
fn guest_without_digest_logs_in_by_basic() {
    let server = guarded("rtsp-basic");
    let mut client = connect(server.address());
    let url = format!("rtsp://{}/live/front", server.address());
    client.play(&url, "Authorization: Basic Z3Vlc3Q6cGFzcyB3b3Jk\r\n");
    client.frame();
    server.wait_for_log("joined by RTSP (guest)");
}

#[test]
fn link_and_host_list_are_those_of_http() {
    let server = guarded("rtsp-link");
    let address = server.address();
    let mut client = connect(address);
    let token = link("back");
    for (path, status) in [
        (format!("/live/front?token={token}"), 404),
        (format!("/live/back?token={token}"), 200),
        ("/live/front".to_owned(), 404),
        ("/live/back".to_owned(), 200),
        ("/live?token=wrong".to_owned(), 401),
    ] {
        let url = format!("rtsp://{address}{path}");
        assert_eq!(client.status("DESCRIBE", &url, ""), status, "{path}");
    }
    // The first camera of a link's holder is that of the link.
    let mut client = connect(address);
    let own = client.ask(
        "DESCRIBE",
        &format!("rtsp://{address}/live?token={token}"),
        "",
    );
    assert!(own.body.contains("s=back\r\n"), "{}", own.body);
    let foreign = client.ask("DESCRIBE", "rtsp://evil.example/live", "");
    assert_eq!(foreign.status, 403);
    assert!(foreign.body.contains("server.hosts"), "{}", foreign.body);
    let listed = "rtsp://cam.example:8554/live";
    let own = client.ask("DESCRIBE", listed, "");
    assert_eq!(own.header("Content-Base"), "rtsp://cam.example:8554/live/");
}

#[test]
fn one_viewer_too_many_is_told() {
    let scratch = Scratch::new("rtsp-full");
    let config = "camera: {source: test, width: 320, height: 240}\nserver: {maxViewers: 1}\n";
    let server = Server::start(&["--config", &scratch.file("config.yml", config)]);
    let url = format!("rtsp://{}/live", server.address());
    let mut first = connect(server.address());
    first.play(&url, "");
    let mut second = connect(server.address());
    assert_eq!(second.status("DESCRIBE", &url, ""), 200);
    let setup = second.ask("SETUP", &url, TCP);
    let session = setup.header("Session").replace(";timeout=60", "");
    let session = format!("Session: {session}\r\n");
    let refused = second.ask("PLAY", &url, &session);
    assert_eq!(refused.status, 503);
    assert!(
        refused.body.contains("server.maxViewers"),
        "{}",
        refused.body
    );
    drop(first);
    server.wait_for("empty", |camera| camera["viewers"] == 0);
    assert_eq!(second.status("PLAY", &url, &session), 200);
    second.frame();
}

#[test]
fn http_is_served_next_to_rtsp() {
    let server = live();
    let mut client = connect(server.address());
    client.play(&format!("rtsp://{}/live", server.address()), "");
    assert_eq!(server.get("/healthz").0, 200);
    client.frame();
}

#[test]
fn rtsps_plays_and_plain_rtsp_is_led_there() {
    let scratch = Scratch::new("rtsps");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    scratch.file("cert.pem", made.cert.pem());
    scratch.file("key.pem", made.signing_key.serialize_pem());
    let server = Server::start_with(&super::SMALL, |command| {
        command.args(["--listen", "https://127.0.0.1:0", "--tls-cert"]);
        command
            .arg(scratch.join("cert.pem"))
            .arg("--tls-key")
            .arg(scratch.join("key.pem"));
    });
    let address = server
        .url
        .strip_prefix("https://")
        .unwrap()
        .trim_end_matches('/');
    let options = ["-rtsp_transport", "tcp"];
    assert_eq!(
        ffmpeg(&format!("rtsps://{address}/live"), &options, 20).len(),
        20
    );
    let mut plain = connect(address);
    let moved = plain.ask("DESCRIBE", &format!("rtsp://{address}/live/camera/"), "");
    assert_eq!(moved.status, 302);
    assert_eq!(
        moved.header("Location"),
        format!("rtsps://{address}/live/camera")
    );
    let stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut silent = Client::over(stream);
    silent.send("OPTIONS", "*", "");
    assert!(matches!(silent.next(), Received::Response(it) if it.status == 400));
}

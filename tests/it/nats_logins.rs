//! Logins, permissions and TLS, with a `nats-server` that enforces them.

use crate::support::nats::{CAMERA, Nats, Outsider, camera, edge};
use crate::support::{Scratch, Server, is_init, is_keyframe};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

const PERMISSIONS: &str = r#"
authorization { users: [
  { user: garden, password: cameraPassword, permissions: {
    publish: ["berrymse.camera.frames", "berrymse.camera.announce",
              "_INBOX_garden.>", "_INBOX_edge.>",
              "_INBOX_UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4.>"]
    subscribe: ["berrymse.camera.ask", "berrymse.camera.announce", "_INBOX_garden.>"] } }
  { user: edge, password: edgePassword, permissions: {
    publish: ["berrymse.*.ask"]
    subscribe: ["berrymse.*.frames", "berrymse.*.announce", "_INBOX_edge.>"] } }
  { user: back, password: backPassword, permissions: {
    publish: ["berrymse.back.frames", "berrymse.back.announce",
              "_INBOX_back.>", "_INBOX_edge.>"]
    subscribe: ["berrymse.back.ask", "berrymse.back.announce", "_INBOX_back.>"] } }
  { user: other, password: otherPassword, permissions: {
    publish: ["other.>"], subscribe: ["other.>"] } }
  { nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 }
] }"#;

#[test]
fn permissions_of_the_server_are_enough() {
    let scratch = Scratch::new("nats-permissions");
    let nats = Nats::start(&scratch, PERMISSIONS);
    let host = format!("127.0.0.1:{}", nats.port);
    let camera = camera(&format!("nats://garden:cameraPassword@{host}"));
    let by_password = edge(&format!("nats://edge:edgePassword@{host}"));
    // Of the documentation of NATS.
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n";
    let seed = scratch.file("seed.nk", seed);
    let by_key = Server::start(&["--source", &format!("nats://{host}/camera?nkey={seed}")]);
    for edge in [&by_password, &by_key] {
        let mut viewer = edge.watch("/video_websocket");
        assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    }
    for server in [&camera, &by_password] {
        assert!(!server.log().contains("Permissions Violation"));
    }
    // The password of another camera reads no answers and sends no frames for this one.
    let login = r#","user":"back","pass":"backPassword""#;
    let mut back = Outsider::log_in(&nats, login);
    for subject in ["_INBOX.>", "_INBOX_edge.>", "_INBOX_garden.>", ">"] {
        back.send(&format!("SUB {subject} 1"));
        assert!(back.flush().contains("Permissions Violation"), "{subject}");
    }
    for subject in [
        "berrymse.camera.frames",
        "berrymse.camera.ask",
        "_INBOX_garden.1",
    ] {
        back.publish(subject, b"");
        assert!(back.flush().contains("Permissions Violation"), "{subject}");
    }
    // Forbidden and refused: the log says so, without the password.
    let forbidden = Server::start(&[
        "--source",
        &format!("nats://other:otherPassword@{host}/camera"),
    ]);
    drop(forbidden.request("GET", "/stream.mp4?wait=1", ""));
    forbidden.wait_for_log("Permissions Violation");
    let wrong = Server::start(&[
        "--source",
        &format!("nats://edge:wrongPassword@{host}/camera"),
    ]);
    wrong.wait_for_log("Authorization Violation");
    drop(wrong.request("GET", "/stream.mp4?wait=1", ""));
    for server in [&camera, &by_password, &forbidden, &wrong] {
        let (log, status) = (server.log(), server.status().to_string());
        for text in [log, status] {
            assert!(!text.contains("Password"), "{text}");
        }
    }
}

#[test]
fn token_opens_the_server() {
    let scratch = Scratch::new("nats-token");
    let nats = Nats::start(&scratch, "authorization { token: \"secretToken\" }");
    let host = format!("127.0.0.1:{}", nats.port);
    let config = format!("publish: {{url: \"nats://{host}\", token: secretToken}}\n");
    let config = scratch.file("camera.yml", config);
    let camera = Server::start(&[&["-c", &config], &CAMERA[..]].concat());
    let right = edge(&format!("nats://secretToken@{host}"));
    shows(&right);
    let wrong = edge(&format!("nats://wrongToken@{host}"));
    wrong.wait_for_log("Authorization Violation");
    for server in [&camera, &right, &wrong] {
        assert!(!server.log().contains("Token"));
    }
}

fn shows(edge: &Server) {
    let mut viewer = edge.watch("/video_websocket");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
}

/// Key of NATS: an operator's (O), an account's (A) or a user's (U).
struct Nkey {
    kind: u8,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl Nkey {
    fn new(letter: u8, number: u8) -> Self {
        let seed = [number; 32];
        Self {
            kind: (letter - b'A') << 3,
            seed,
            pair: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap(),
        }
    }

    fn public(&self) -> String {
        base32_with_check(&[&[self.kind][..], self.pair.public_key().as_ref()].concat())
    }

    fn seed(&self) -> String {
        const SEED: u8 = (b'S' - b'A') << 3;
        let head = [SEED | self.kind >> 5, self.kind << 3];
        base32_with_check(&[&head[..], &self.seed].concat())
    }

    /// Signs what NATS must know of `subject`.
    fn token(&self, subject: &str, name: &str, nats: serde_json::Value) -> String {
        let claims = json!({"jti": name, "iat": 1_700_000_000, "iss": self.public(), "name": name, "sub": subject, "nats": nats});
        let head = json!({"typ": "JWT", "alg": "ed25519-nkey"});
        let part = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(head), part(claims));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Base32 (RFC 4648, 6) without padding, of the bytes and their CRC-16 (XMODEM), low byte first.
fn base32_with_check(bytes: &[u8]) -> String {
    let crc = bytes.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 != 0 {
                crc << 1 ^ 0x1021
            } else {
                crc << 1
            }
        })
    });
    let bits: Vec<u8> = ([bytes, &crc.to_le_bytes()].concat().iter())
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let letter = |bits: &[u8]| {
        let value = (0..5).fold(0, |value, n| value << 1 | bits.get(n).unwrap_or(&0));
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(value)])
    };
    bits.chunks(5).map(letter).collect()
}

#[test]
fn credentials_file_opens_the_server() {
    let scratch = Scratch::new("nats-creds");
    let (operator, account) = (Nkey::new(b'O', 1), Nkey::new(b'A', 2));
    let all = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1});
    let operator_token = operator.token(
        &operator.public(),
        "operator",
        json!({"type": "operator", "version": 2}),
    );
    let account_token = operator.token(
        &account.public(),
        "account",
        json!({"type": "account", "version": 2, "limits": all}),
    );
    let nats = Nats::start(
        &scratch,
        &format!(
            "operator: {operator_token}\nresolver: MEMORY\nresolver_preload: {{ {}: {account_token} }}",
            account.public()
        ),
    );
    let credentials = |name: &str, number: u8, publish: &[&str], subscribe: &[&str]| {
        let user = Nkey::new(b'U', number);
        let rights = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
            "pub": {"allow": publish}, "sub": {"allow": subscribe}});
        let token = account.token(&user.public(), name, rights);
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed()
        );
        scratch.file(&format!("{name}.creds"), text)
    };
    let (of_camera, of_edge) = (
        format!("_INBOX_{}.>", Nkey::new(b'U', 3).public()),
        format!("_INBOX_{}.>", Nkey::new(b'U', 4).public()),
    );
    let camera_file = credentials(
        "camera",
        3,
        &[
            "berrymse.camera.frames",
            "berrymse.camera.announce",
            &of_camera,
            &of_edge,
        ],
        &[
            "berrymse.camera.ask",
            "berrymse.camera.announce",
            &of_camera,
        ],
    );
    let edge_file = credentials(
        "edge",
        4,
        &["berrymse.*.ask"],
        &["berrymse.*.frames", "berrymse.*.announce", &of_edge],
    );
    let url = nats.url();
    let config = format!("publish: {{url: \"{url}\", credentials: \"{camera_file}\"}}\n");
    let config = scratch.file("camera.yml", config);
    let camera = Server::start(&[&["-c", &config], &CAMERA[..]].concat());
    let edge =
        |file: &str| Server::start(&["--source", &format!("{url}/camera?credentials={file}")]);
    let right = edge(&edge_file);
    shows(&right);
    for server in [&camera, &right] {
        assert!(!server.log().contains("Violation"), "{}", server.log());
    }
    // Signed by another account.
    let stranger = Nkey::new(b'A', 9);
    let text = std::fs::read_to_string(&edge_file).unwrap();
    let user = Nkey::new(b'U', 4);
    let forged = stranger.token(
        &user.public(),
        "edge",
        json!({"type": "user", "version": 2}),
    );
    let (before, rest) = text.split_once("ey").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    let forged = scratch.file("forged.creds", format!("{before}{forged}\n{after}"));
    edge(&forged).wait_for_log("Authorization Violation");
}

#[test]
fn tls_with_an_authority_of_its_own_is_trusted() {
    let scratch = Scratch::new("nats-tls");
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_cert = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key_of_server = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let cert = cert.signed_by(&key_of_server, &issuer).unwrap();
    let ca = scratch.file("ca.pem", authority_cert.pem());
    let cert = scratch.file("cert.pem", cert.pem());
    let key = scratch.file("key.pem", key_of_server.serialize_pem());
    let nats = Nats::start(
        &scratch,
        &format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\" }}"),
    );
    let url = format!("nats+tls://127.0.0.1:{}", nats.port);
    let config = format!("publish: {{url: \"{url}\", ca: \"{ca}\"}}\n");
    let config = scratch.file("camera.yml", config);
    let _camera = Server::start(&[&["-c", &config], &CAMERA[..]].concat());
    let edge = Server::start(&["--source", &format!("{url}/camera?ca={ca}")]);
    let mut viewer = edge.watch("/video_websocket");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    let stranger = Server::start(&["--source", &format!("{url}/camera")]);
    stranger.wait_for_log("TLS failed");
}

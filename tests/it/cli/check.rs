//! `--check-config` tells every error, and `health` asks a running server.

use super::Place;
use crate::support::{Scratch, Server};
use berrymse::cli::Command as CliCommand;
use std::process::{Command, Output};

/// Runs the program in a directory with this `config.yml`, without variables of the machine.
fn run(config: &str, arguments: &[&str]) -> Output {
    let place = Scratch::new("check");
    std::fs::write(place.join("config.yml"), config).unwrap();
    // Cargo sets variables for its own build.
    Command::new("env")
        .args(["-u", "BERRYMSE_COMMIT", "-u", "BERRYMSE_COMMIT_DATE"])
        .arg(env!("CARGO_BIN_EXE_berrymse"))
        .args(arguments)
        .current_dir(place.join(""))
        .output()
        .unwrap()
}

/// Returns the exit code and what is printed to standard output and error.
fn result(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn errors(place: &Place, line: &str, env: &[(&str, &str)]) -> Vec<String> {
    match place.run(line, env) {
        Ok(CliCommand::CheckConfig(Err(errors))) => {
            errors.iter().map(ToString::to_string).collect()
        }
        other => panic!("{line}: {other:?}"),
    }
}

const WRONG: &str = "\
cameras:
  - name: front
    widht: 640
    fps: 0
    rotation: 45
  - source: nowhere:1
  - name: front
server:
  listen: ['localhost', ':1', ':1']
  maxViewers: 0
tsl: {}
";

#[test]
fn check_config_tells_every_error_once() {
    let place = Place::new("");
    place.file("c.yml", WRONG);
    let line = "--check-config -c c.yml -w 8";
    let env = [("BERRYMSE_LOG", "loud")];
    let found = errors(&place, line, &env);
    let expected = [
        "c.yml:3: unknown key cameras[0].widht; did you mean width?",
        "c.yml:11: unknown key tsl; did you mean tls?",
        "-w: 8 is out of range",
        "c.yml:4: cameras[0].fps: 0 is out of range",
        "c.yml:5: cameras[0].rotation: '45' is not",
        "c.yml:6: cameras[1]: this camera needs a name",
        "c.yml:6: cameras[1].source: ",
        "c.yml:9: server.listen: 'localhost' has no port",
        "c.yml:9: server.listen: :1 is given twice",
        "c.yml:10: server.maxViewers: 0 is out of range",
        "BERRYMSE_LOG: 'loud' is none of",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
    // Without the check the first one prevents the start.
    let refusal = place.run("-c c.yml -w 8", &env).unwrap_err();
    assert_eq!(refusal.to_string(), found[0]);
}

#[test]
fn check_config_exits_with_0_or_2() {
    let right = run("camera: {source: test}\n", &["--check-config"]);
    let (code, out, err) = result(&right);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("configuration: correct ("), "{out}");
    let (code, out, err) = result(&run("camera: {fps: 0, width: 1}\n", &["--check-config"]));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err.lines().count(), 2, "{err}");
    let tls = "server: {listen: 'https://:1'}\ntls: {cert: a.pem, key: b.pem}\n";
    let (code, _, err) = result(&run(tls, &["--check-config"]));
    assert!(code == Some(2) && err.contains("a.pem"), "{err}");
}

#[test]
fn health_tells_live_from_silent() {
    let server = Server::start(&["--source", "test"]);
    let address = server.address().to_owned();
    let config = format!("server: {{listen: '{address}'}}\n");
    let live = format!("http://{address}/healthz: live\n");
    for arguments in [&["health"][..], &["health", &server.url]] {
        let (code, out, err) = result(&run(&config, arguments));
        assert_eq!((code, out, err.as_str()), (Some(0), live.clone(), ""));
    }
    let other = format!("{}nowhere", server.url);
    let (code, out, err) = result(&run("", &["health", &other]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.ends_with("answers 404, not 200\n"), "{err}");
    drop(server);
    let (code, _, err) = result(&run(&config, &["health"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("does not answer (Connection refused"), "{err}");
}

#[test]
fn health_takes_options_of_the_address_only() {
    let place = Place::new("server: {listen: ':0'}\n");
    let refusal = |line: &str| place.run(line, &[]).unwrap_err().to_string();
    assert!(refusal("health").contains(":0 is any free port"));
    assert!(refusal("health -w 640").starts_with("-w has no meaning with 'health'"));
    assert!(refusal("health pi:80").starts_with("'pi:80' is not a URL"));
    assert!(refusal("--check-config cameras").starts_with("--check-config has no meaning"));
    for line in ["health --listen :80", "health http://127.0.0.1/"] {
        let url = match place.run(line, &[]) {
            Ok(CliCommand::Health(url)) => url.to_string(),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(url, "http://127.0.0.1:80/healthz");
    }
}

//! Which TCP congestion control the program finds, says and sets. What it gains is `bench/lines`.

use crate::support::{Scratch, Server};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";
const AVAILABLE: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The program with the test pattern and `server.congestion: setting`.
fn started(name: &str, setting: &str) -> Server {
    let scratch = Scratch::new(name);
    let text = format!("camera: {{source: test}}\nserver: {{congestion: {setting}}}\n");
    Server::start(&["-c", &scratch.file("config.yml", text)])
}

/// Labels of `berrymse_congestion_control_info`: the algorithm, and the one of connections with losses.
fn metric(metrics: &str) -> (String, String) {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("berrymse_congestion_control_info{"))
        .unwrap_or_else(|| panic!("{metrics}"));
    let mut labels = line.split('"').skip(1).step_by(2).map(str::to_owned);
    (labels.next().unwrap(), labels.next().unwrap())
}

#[test]
fn congestion_setting_is_logged_and_exported() {
    for setting in ["auto", "bbr", "cubic", "system"] {
        let server = started(&format!("congestion-{setting}"), setting);
        server.wait_for_log("congestion control: ");
        let (initial, on_loss) = metric(&server.get("/metrics").1);
        let available = read(AVAILABLE);
        for name in [&initial, &on_loss] {
            assert!(available.contains(&**name), "{setting}: {name}");
        }
        assert!(
            server
                .log()
                .contains(&format!("congestion control: {initial}"))
        );
        if setting != "auto" {
            assert_eq!(initial, on_loss, "{setting}");
        }
    }
}

/// A namespace whose default is cubic, and a machine that allows others nothing else; undone at the end.
struct Namespace {
    name: String,
    allowed: String,
}

impl Namespace {
    /// `None` without root's rights.
    fn new() -> Option<Self> {
        let allowed = read(ALLOWED);
        std::fs::write(ALLOWED, "reno cubic").ok()?;
        let namespace = Self {
            name: format!("congestion{}", std::process::id()),
            allowed,
        };
        let is_ready = namespace.ip(&["netns", "add", &namespace.name])
            && namespace.run("ip", &["link", "set", "lo", "up"])
            && namespace.run("sysctl", &["-qw", "net.ipv4.tcp_congestion_control=cubic"]);
        is_ready.then_some(namespace)
    }

    fn ip(&self, words: &[&str]) -> bool {
        Command::new("ip")
            .args(words)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn run(&self, program: &str, words: &[&str]) -> bool {
        self.ip(&[&["netns", "exec", &self.name, program], words].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.ip(&["netns", "del", &self.name]);
        let _ = std::fs::write(ALLOWED, &self.allowed);
    }
}

#[test]
fn forbidden_bbr_is_not_used() {
    if !read(AVAILABLE).contains("bbr") {
        eprintln!("skipped: this kernel has no bbr");
        return;
    }
    let Some(namespace) = Namespace::new() else {
        eprintln!("skipped: this needs root's rights");
        return;
    };
    // Where a user without rights may run it.
    let scratch = Scratch::new("congestion-user");
    let program = scratch.file(
        "berrymse",
        std::fs::read(env!("CARGO_BIN_EXE_berrymse")).unwrap(),
    );
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (is_user, expected) in [
        (
            true,
            "congestion control: cubic (bbr: not allowed); try: sysctl",
        ),
        (
            false,
            "congestion control: cubic, bbr where packets are lost",
        ),
    ] {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &namespace.name]);
        if is_user {
            command.args([
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
            ]);
        }
        command.args([&*program, "--source", "test", "--listen", "127.0.0.1:0"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .find(|line| line.contains("congestion control: "))
            .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(log.contains(expected), "{log}");
    }
}

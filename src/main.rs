//! Reads the settings, starts the log, serves and decides on the exit code.

use berrymse::access::{self, AccessControl, SigningKey};
use berrymse::camera;
use berrymse::cli::{self, Command, Config, credentials, list_cameras, setup};
use berrymse::serve::exposure::Exposure;
use berrymse::serve::{self, AppState, BoundListener, Fanout, Tls};
use berrymse::shutdown::ShutdownToken;
use berrymse::source::SourceSpec;
use berrymse::{camera_handle, logger, os, redact};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Timeout for the threads of cameras. Those that still run end with the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(700);

fn main() -> ExitCode {
    let directory = std::env::current_dir().unwrap_or_default();
    match cli::parse(
        std::env::args_os().skip(1),
        |name| std::env::var_os(name),
        &directory,
    ) {
        Ok(Command::Print(text)) => print_answer(&text),
        Ok(Command::Setup { path }) => print_result(setup::run(&path)),
        Ok(Command::HashPassword) => print_result(credentials::hash_password()),
        Ok(Command::Token { name }) => print_result(credentials::token(&name)),
        Ok(Command::Link(request)) => print_result(credentials::link(request, SystemTime::now())),
        Ok(Command::Cameras { json: true, .. }) => {
            let text = format!("{:#}\n", list_cameras::report().json());
            print_answer(&redact::mask(&text))
        }
        Ok(Command::Cameras { json: false, .. }) => {
            print_answer(&redact::mask(&list_cameras::report().text()))
        }
        Ok(Command::Serve(mut config)) => {
            let variables = std::env::vars_os().map(|(name, _)| name);
            config.notes.extend(cli::unknown_variables(variables));
            for camera in &config.cameras {
                match &camera.source {
                    SourceSpec::Exec(words) => redact::add_secrets(words),
                    _ => redact::add_secrets(&[&camera.source_text]),
                }
            }
            logger::init(config.log, std::env::var_os("JOURNAL_STREAM").as_deref());
            match serve(config) {
                Ok(()) => ExitCode::SUCCESS,
                Err(reason) => {
                    print_error(&reason);
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            print_error(&error.to_string());
            ExitCode::from(cli::Error::EXIT_CODE)
        }
    }
}

/// Prints the answer of a command that can fail.
fn print_result(answer: Result<String, String>) -> ExitCode {
    match answer {
        Ok(text) => print_answer(&text),
        Err(reason) => {
            print_error(&reason);
            ExitCode::FAILURE
        }
    }
}

/// Prints the answer of a command. A reader that stops early is no error (`berrymse --help | head`).
fn print_answer(text: &str) -> ExitCode {
    match print(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            print_error(&format!("cannot write the answer: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Prints the reason of a failure. If standard error fails too, the exit code is left.
fn print_error(reason: &str) {
    let _ = writeln!(std::io::stderr(), "berrymse: {}", redact::mask(reason));
}

/// Serves until a signal comes. An error is a reason not to start.
fn serve(config: Config) -> Result<(), String> {
    os::heap::set_up();
    config.notes.iter().for_each(|note| log::warn!("{note}"));
    let room = serve::raise_nofile_limit(config.server.max_viewers, config.cameras.len());
    if let Some(note) = &room.note {
        log::warn!("{note}");
    }
    if let Some(paths) = config
        .server
        .tls
        .as_ref()
        .filter(|_| config.server.is_self_signed)
    {
        let fingerprint = serve::self_signed::ensure(paths, own_names(&config.server))?;
        log::info!("tls: self-signed certificate (SHA-256 {fingerprint})");
    }
    let tls = config.server.tls.clone().map(Tls::open).transpose()?;
    let listening = serve::listen::bind_all(&config.server.listen)?;
    let is_public = config
        .access
        .as_ref()
        .is_some_and(|access| access.is_public);
    let is_open = config.access.is_none() || is_public;
    let exposure = Exposure::of(&listening, is_open, is_public);
    exposure.warnings().for_each(|line| log::warn!("{line}"));
    let access = config.access.map(access_control).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let signals = {
        let _within = runtime.enter();
        Signals::listen()?
    };
    let shutdown = ShutdownToken::new().map_err(|error| format!("cannot start: {error}"))?;
    let (mut threads, mut served) = (Vec::new(), Vec::new());
    for camera in config.cameras {
        let (endpoint, handle) = camera_handle::channel(camera.controls.iter().cloned());
        served.push(serve::Camera {
            name: camera.name.as_str().into(),
            source: camera.source.kind(),
            source_text: redact::mask(&camera.source_text).into_owned(),
            handle,
        });
        let name = camera.name.clone();
        let shutdown = shutdown.clone();
        let run = move || camera::run(&camera, shutdown, &endpoint);
        let thread = std::thread::Builder::new().name(name).spawn(run);
        threads.push(thread.map_err(|error| format!("cannot start a camera's thread: {error}"))?);
    }
    let hubs = served.iter().map(|camera| camera.handle.hub());
    let (fanout, fanout_thread) = Fanout::start(hubs, config.server.io_uring)
        .map_err(|error| format!("cannot start the fan-out: {error}"))?;
    threads.push(fanout_thread);
    let app = AppState::new(
        served,
        config.server,
        access,
        exposure.is_unintended(),
        &room,
        fanout.clone(),
    );
    let site = Arc::new(app);
    runtime.block_on(until_signal(signals, listening, tls, site))?;
    shutdown.trigger();
    fanout.stop();
    // Children of the cameras are reaped by their threads.
    let deadline = std::time::Instant::now() + SHUTDOWN_TIMEOUT;
    while threads.iter().any(|thread| !thread.is_finished()) && std::time::Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Returns the names and addresses by which this machine may be reached.
fn own_names(server: &serve::Config) -> Vec<String> {
    let host = os::procfs::host_name();
    let mut names = vec![
        "localhost".into(),
        "127.0.0.1".into(),
        "::1".into(),
        format!("{host}.local"),
        host,
    ];
    names.extend(server.allowed_hosts.iter().cloned());
    let addresses = server.listen.iter().map(|address| address.host.as_str());
    let is_one = |host: &&str| !["", "0.0.0.0", "::"].contains(host);
    names.extend(addresses.filter(is_one).map(str::to_owned));
    names.retain(|name| name.is_ascii());
    names.dedup();
    names
}

/// Returns the users, tokens and links. Without a place for the key, sessions end with the process.
fn access_control(config: access::Config) -> Result<AccessControl, String> {
    let key = match &config.key_file {
        Some(path) => SigningKey::load_or_create(path),
        None => Err("there is no folder for it".to_owned()),
    };
    let key = key.or_else(|why| {
        log::warn!(
            "access: key not kept ({why}); links are not valid, and logins end when the program ends; name a file that can be \
             written in access.keyFile"
        );
        SigningKey::temporary()
    })?;
    AccessControl::new(config, key)
}

async fn until_signal(
    mut signals: Signals,
    listening: Vec<BoundListener>,
    tls: Option<Tls>,
    site: Arc<AppState>,
) -> Result<(), String> {
    let mut urls = String::new();
    tokio::spawn(serve::run_maintenance(site.clone()));
    for address in listening {
        urls.push_str(&format!("Listening on {}\n", address.url));
        let tls = tls.clone().filter(|_| address.is_secure);
        tokio::spawn(serve::accept_connections(
            address.listener,
            tls,
            site.clone(),
        ));
    }
    // A closed standard output is no reason to stop.
    let _ = print(&urls);
    log::info!("stopping: {}", signals.next().await);
    Ok(())
}

/// Signals that end the program. It listens before it opens the first camera, so that child processes always end in order.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// Begins to listen. It needs the runtime.
    fn listen() -> Result<Self, String> {
        let handler =
            |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        let hangup = (!is_hangup_ignored()).then(|| handler(SignalKind::hangup()));
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
            hangup: hangup.transpose()?,
        })
    }

    async fn next(&mut self) -> &'static str {
        let closed = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = closed => "SIGHUP, the terminal is closed",
        }
    }
}

/// Returns true if the program must outlive its terminal (`nohup`).
fn is_hangup_ignored() -> bool {
    const HANGUP: u64 = 1 << 0;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & HANGUP != 0)
}

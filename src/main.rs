//! Reads the settings, starts the log, serves and decides on the exit code.

use berrymse::access::{self, AccessControl, SigningKey};
use berrymse::camera;
use berrymse::cli::{self, Command, Config, credentials, first_start, list_cameras, setup};
#[cfg(feature = "nats")]
use berrymse::fleet;
use berrymse::heartbeat::{Heartbeat, HeartbeatMonitor};
use berrymse::os::service_manager::{self, ServiceManager};
use berrymse::os::signals::{Request, Signals};
#[cfg(feature = "nats")]
use berrymse::publish;
use berrymse::serve::exposure::Exposure;
use berrymse::serve::mdns::MdnsAnnouncement;
use berrymse::serve::{self, AppState, BoundListener, Fanout, Site, Tls};
use berrymse::shutdown::ShutdownToken;
use berrymse::source::SourceSpec;
use berrymse::time::Timestamp;
use berrymse::{camera_handle, logger, os, redact};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// Timeout for the threads of cameras. Those that still run end with the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(700);

/// Interval at which an address that is waited for is tried.
const ADDRESS_POLL_INTERVAL: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    #[cfg(feature = "software-encoder")]
    if let Some(result) = berrymse::snapshot::run_decoder_process(std::env::args_os()) {
        return print_result(result.map(|()| String::new()));
    }
    let directory = std::env::current_dir().unwrap_or_default();
    match read_settings(&directory) {
        Ok(Command::Print(text)) => print_answer(&text),
        Ok(Command::Setup { path }) => print_result(setup::run(&path)),
        Ok(Command::HashPassword { digest_name }) => {
            print_result(credentials::hash_password(digest_name.as_deref()))
        }
        Ok(Command::Token { name }) => print_result(credentials::token(&name)),
        Ok(Command::Link(request)) => print_result(credentials::link(request, SystemTime::now())),
        Ok(Command::Cameras {
            try_for: Some(timeout),
            log,
            ..
        }) => {
            logger::init(log, std::env::var_os("JOURNAL_STREAM").as_deref());
            print_result(cli::try_cameras::run(
                &list_cameras::report(),
                &directory,
                timeout,
            ))
        }
        Ok(Command::Cameras { json: true, .. }) => {
            let text = format!("{:#}\n", list_cameras::report().json());
            print_answer(&redact::mask(&text))
        }
        Ok(Command::Cameras { json: false, .. }) => {
            print_answer(&redact::mask(&list_cameras::report().text()))
        }
        Ok(Command::CheckConfig(checked)) => check_config(checked),
        Ok(Command::Health(url)) => print_result(cli::health::check(&url)),
        Ok(Command::Serve(mut config)) => {
            config.notes.extend(unknown_variables());
            for camera in &config.cameras {
                match &camera.source {
                    SourceSpec::Exec(words) => redact::add_secrets(words),
                    _ => redact::add_secrets(&[&camera.source_text]),
                }
            }
            #[cfg(feature = "nats")]
            if let Some(publish) = &config.publish {
                redact::add_secrets(&publish.options.auth.secrets());
            }
            logger::init(config.log, std::env::var_os("JOURNAL_STREAM").as_deref());
            match serve(config, &directory) {
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

/// Reads the command line, the environment and the configuration file.
fn read_settings(directory: &Path) -> Result<Command, cli::Error> {
    cli::parse(
        std::env::args_os().skip(1),
        |name| std::env::var_os(name),
        directory,
    )
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

/// Prints the errors of the configuration, or that it has none. Certificates are read once the rest is right.
fn check_config(checked: Result<Config, Vec<cli::Error>>) -> ExitCode {
    let errors: Vec<String> = match &checked {
        Ok(config) => {
            // The start makes a self-signed one.
            let given = (config.server.tls.as_ref()).filter(|_| !config.server.is_self_signed);
            let tls = given.cloned().map(Tls::open).transpose();
            tls.err().into_iter().collect()
        }
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    for error in &errors {
        print_error(error);
    }
    match checked {
        Ok(config) if errors.is_empty() => {
            for note in config.notes.iter().chain(&unknown_variables()) {
                print_error(&format!("warning: {note}"));
            }
            let file = config.file.as_ref();
            let place = file.map_or("no file".into(), |path| path.to_string_lossy());
            print_answer(&format!("configuration: correct ({place})\n"))
        }
        _ => ExitCode::from(cli::Error::EXIT_CODE),
    }
}

fn unknown_variables() -> Vec<String> {
    cli::unknown_variables(std::env::vars_os().map(|(name, _)| name))
}

/// Prints the answer of a command. A reader that stops early is no error (`berrymse --help | head`).
fn print_answer(text: &str) -> ExitCode {
    match os::terminal::print(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            print_error(&format!("cannot write the answer: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Prints the reason of a failure. If standard error fails too, the exit code is left.
fn print_error(reason: &str) {
    let _ = writeln!(std::io::stderr(), "berrymse: {}", redact::mask(reason));
}

/// Serves until a signal comes. An error is a reason not to start.
fn serve(config: Config, directory: &Path) -> Result<(), String> {
    os::heap::set_up();
    let at_start = config.clone();
    config.notes.iter().for_each(|note| log::warn!("{note}"));
    let (viewers, other) = (config.server.max_viewers, config.server.limits.connections);
    let room = serve::raise_nofile_limit(viewers, other, config.cameras.len());
    if let Some(note) = &room.note {
        log::warn!("{note}");
    }
    if let Some(paths) = config
        .server
        .tls
        .as_ref()
        .filter(|_| config.server.is_self_signed)
    {
        let fingerprint =
            serve::self_signed::ensure(paths, serve::self_signed::own_names(&config.server))?;
        log::info!("tls: self-signed certificate (SHA-256 {fingerprint})");
    }
    let tls = config.server.tls.clone().map(Tls::open).transpose()?;
    let manager = ServiceManager::connect(std::env::var_os("NOTIFY_SOCKET").as_deref());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let mut signals = {
        let _within = runtime.enter();
        Signals::listen()?
    };
    let bound = bind_addresses(&config.server, &mut signals, &manager);
    let Some(listening) = runtime.block_on(bound)? else {
        return Ok(());
    };
    // Before the cameras are opened: the program of a Raspberry Pi's lists them only while they are closed.
    let is_first = config.is_bare && std::io::stdout().is_terminal();
    let found = is_first.then(list_cameras::report);
    let _announcement = config.server.has_mdns.then(|| {
        MdnsAnnouncement::start(&listening)
            .inspect_err(|reason| log::warn!("mdns: not announced ({reason})"))
    });
    let greeting = first_start::greeting(&listening, found.as_ref(), config.has_qr);
    let (is_open, is_public) = openness(config.access.as_ref());
    let exposure = Exposure::of(&listening, is_open, is_public);
    exposure.warnings().for_each(|line| log::warn!("{line}"));
    let mut temporary_key = None;
    let access = config
        .access
        .map(|access| access_control(access, &mut temporary_key))
        .transpose()?;
    let shutdown = ShutdownToken::new().map_err(|error| format!("cannot start: {error}"))?;
    let (mut threads, mut served, mut heartbeats) = (Vec::new(), Vec::new(), Vec::new());
    #[cfg(feature = "nats")]
    let (fleets, cameras): (Vec<_>, Vec<_>) =
        (config.cameras.into_iter()).partition(|camera| camera.source.is_fleet());
    #[cfg(not(feature = "nats"))]
    let cameras = config.cameras;
    for camera in cameras {
        let (endpoint, handle) = camera_handle::channel(camera.controls.iter().cloned());
        served.push(serve::Camera {
            name: camera.name.as_str().into(),
            title: camera.title.as_deref().map(Into::into),
            source: camera.source.kind(),
            source_text: redact::mask(&camera.source_text).into_owned(),
            rtsp_delimiter: camera.rtsp_delimiter,
            handle,
        });
        let name = camera.name.clone();
        let shutdown = shutdown.clone();
        let heartbeat = Heartbeat::default();
        heartbeats.push((name.clone(), heartbeat.clone()));
        let run = move || camera::run(&camera, shutdown, &endpoint, &heartbeat);
        let thread = std::thread::Builder::new().name(name).spawn(run);
        threads.push(thread.map_err(|error| format!("cannot start a camera's thread: {error}"))?);
    }
    #[cfg(feature = "nats")]
    let publisher = {
        let own = served.iter().filter(|camera| camera.source != "nats");
        let own = own.map(|camera| (camera.name.to_string(), camera.handle.clone()));
        publish::start(config.publish.as_ref(), own)?
    };
    let hubs = served.iter().map(|camera| camera.handle.hub());
    let (fanout, fanout_thread) = Fanout::start(hubs, config.server.io_uring)
        .map_err(|error| format!("cannot start the fan-out: {error}"))?;
    threads.push(fanout_thread);
    heartbeats.push(("fan-out".to_owned(), fanout.heartbeat()));
    let app = AppState::new(
        served,
        config.server,
        access,
        exposure.is_unintended(),
        &room,
        fanout.clone(),
    );
    let site = Site::new(app);
    let mut server = Server {
        site: site.clone(),
        config: at_start,
        exposure,
        directory: directory.to_owned(),
        temporary_key,
    };
    #[cfg(feature = "nats")]
    for template in fleets {
        let fleet = fleet::start(template, site.clone(), shutdown.clone());
        threads.extend(fleet.map_err(|error| format!("cannot start a fleet's thread: {error}"))?);
    }
    runtime.block_on(async {
        let feeding = feed_watchdog(&manager, &fanout, heartbeats);
        tokio::select! {
            result = until_signal(signals, listening, &greeting, tls, &mut server, &manager) => result,
            () = feeding => Ok(()),
        }
    })?;
    manager.notify("STOPPING=1");
    #[cfg(feature = "nats")]
    if let Some(publisher) = publisher {
        publisher.close();
    }
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

/// Returns the users, tokens and links. Without a place for the key, sessions end with the process.
fn access_control(
    config: access::Config,
    temporary: &mut Option<SigningKey>,
) -> Result<AccessControl, String> {
    let path = config.key_file.clone();
    let key = match &path {
        Some(path) => SigningKey::load_or_create(path),
        None => Err("there is no folder for it".to_owned()),
    };
    let is_kept = key.is_ok();
    let key = key.or_else(|why| {
        log::warn!(
            "access: key not kept ({why}); links are not valid, and logins end when the program ends; name a file that can be \
             written in access.keyFile"
        );
        match temporary {
            Some(key) => Ok(key.clone()),
            None => SigningKey::temporary().inspect(|key| *temporary = Some(key.clone())),
        }
    })?;
    let control = AccessControl::new(config, key)?;
    for (user, file) in control.first_passwords() {
        let file = file.display();
        log::info!("access: the first password of {user} is in {file}, until {user} logs in");
    }
    if let Some(mut file) = path.filter(|_| is_kept).map(PathBuf::into_os_string) {
        file.push(".ended");
        let kept = control.keep_ended_sessions(file.into(), SystemTime::now());
        if let Err(error) = kept {
            log::warn!("access: logouts before this start are not known ({error})");
        }
    }
    Ok(control)
}

/// Opens the addresses, and waits for those that the machine does not have yet if it may. Returns `None` after a
/// signal. The service manager counts the wait as running, so that the boot goes on.
async fn bind_addresses(
    config: &serve::Config,
    signals: &mut Signals,
    manager: &ServiceManager,
) -> Result<Option<Vec<BoundListener>>, String> {
    let mut is_waiting = false;
    loop {
        let error = match serve::listen::bind_configured(config) {
            Ok(listening) => return Ok(Some(listening)),
            Err(error) if error.is_missing && config.wait_for_address => error,
            Err(error) => return Err(error.to_string()),
        };
        if !is_waiting {
            log::warn!("address: missing ({error}); waiting for it");
            manager.notify("READY=1\nSTATUS=waiting for an address");
            is_waiting = true;
        }
        manager.notify("WATCHDOG=1");
        tokio::select! {
            request = signals.next() => {
                // The configuration is read when the address is there; a reload changes nothing before.
                if let Request::Stop(reason) = request {
                    log::info!("stopping: {reason}");
                    return Ok(None);
                }
            }
            () = tokio::time::sleep(ADDRESS_POLL_INTERVAL) => {}
        }
    }
}

/// Feeds the watchdog of the service manager for ever, while all loops come round. It runs in the loop of HTTP.
async fn feed_watchdog(
    manager: &ServiceManager,
    fanout: &Fanout,
    heartbeats: Vec<(String, Heartbeat)>,
) {
    let variable = |name| std::env::var_os(name);
    let (timeout, process) = (variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"));
    let Some(timeout) = service_manager::watchdog_timeout(timeout.as_deref(), process.as_deref())
    else {
        return std::future::pending().await;
    };
    let mut monitor = HeartbeatMonitor::new(timeout);
    for (name, heartbeat) in heartbeats {
        monitor.watch(&name, heartbeat, Timestamp::now());
    }
    let mut ticks = tokio::time::interval(timeout / 4);
    let mut is_stuck = false;
    loop {
        ticks.tick().await;
        fanout.request_heartbeat();
        let stuck = monitor.stuck_loop(Timestamp::now());
        match stuck {
            None => manager.notify("WATCHDOG=1"),
            Some(name) if !is_stuck => {
                log::error!(
                    "{name}: stuck (no round for {timeout:?}); the watchdog will restart the program"
                );
            }
            Some(_) => {}
        }
        is_stuck = stuck.is_some();
    }
}

async fn until_signal(
    mut signals: Signals,
    listening: Vec<BoundListener>,
    greeting: &str,
    tls: Option<Tls>,
    server: &mut Server,
    manager: &ServiceManager,
) -> Result<(), String> {
    let mut urls = String::new();
    tokio::spawn(serve::run_maintenance(server.site.clone()));
    for address in listening {
        urls.push_str(&format!("Listening on {}\n", address.url));
        let tls = tls.clone().filter(|_| address.is_secure);
        tokio::spawn(serve::accept_connections(address, tls, server.site.clone()));
    }
    urls.push_str(greeting);
    // A closed standard output is no reason to stop.
    let _ = os::terminal::print(&urls);
    manager.notify("READY=1\nSTATUS=serving");
    loop {
        match signals.next().await {
            Request::Stop(reason) => {
                log::info!("stopping: {reason}");
                return Ok(());
            }
            Request::Reload => {
                manager.notify_reloading();
                server.reload();
                manager.notify("READY=1\nSTATUS=serving");
            }
        }
    }
}

/// The running server, and the configuration that it has.
struct Server {
    site: Site,
    config: Config,
    exposure: Exposure,
    directory: PathBuf,
    /// Signs links and sessions where no key can be kept.
    temporary_key: Option<SigningKey>,
}

impl Server {
    /// Reads the configuration again and applies what can change now. A wrong one changes nothing.
    fn reload(&mut self) {
        let new = match read_settings(&self.directory) {
            Ok(Command::Serve(new)) => new,
            Ok(_) => return,
            Err(error) => {
                log::error!(
                    "reload: nothing changed ({error}); `berrymse --check-config` lists all errors"
                );
                return;
            }
        };
        let access = match new
            .access
            .clone()
            .map(|access| access_control(access, &mut self.temporary_key))
            .transpose()
        {
            Ok(access) => access,
            Err(error) => {
                log::error!("reload: nothing changed ({error})");
                return;
            }
        };
        if new.log != self.config.log {
            logger::set_level(new.log);
            log::info!("reload: log level {}", new.log.as_str().to_lowercase());
            self.config.log = new.log;
        }
        let known = &self.config.notes;
        let notes = new.notes.iter().filter(|note| !known.contains(note));
        notes.for_each(|note| log::warn!("{note}"));
        let (is_open, is_public) = openness(new.access.as_ref());
        let was_exposed = self.exposure.is_unintended();
        self.exposure = self.exposure.clone().with(is_open, is_public);
        if !was_exposed {
            self.exposure
                .warnings()
                .for_each(|line| log::warn!("{line}"));
        }
        let is_exposed = self.exposure.is_unintended();
        let ended = self
            .site
            .reconfigure(new.server.clone(), access, is_exposed);
        let left = self.config.keys_for_restart(&new);
        if !left.is_empty() {
            log::warn!("reload: {} only change at a restart", left.join(", "));
        }
        log::info!("reload: applied ({ended} viewers ended)");
        // What is in use, so that the next reload tells the difference again.
        self.config.access = new.access;
        self.config.notes = new.notes;
    }
}

/// Returns whether everybody may watch, and whether the configuration says so.
fn openness(access: Option<&access::Config>) -> (bool, bool) {
    let is_public = access.is_some_and(|access| access.is_public);
    (access.is_none() || is_public, is_public)
}

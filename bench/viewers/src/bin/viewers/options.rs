//! What is asked of the run, from the command line.

use lexopt::prelude::*;

const HELP: &str = "viewers [options] ws[s]://HOST:PORT/PATH [MORE URLS, over which the connections are spread]
  -n, --viewers N     connections (1)
  --duration S        length of the measured window (20)
  --warmup S          from the last connection attempt to the window (3)
  --ramp R            connections per second (0: all at once)
  --subprotocol NAME  Sec-WebSocket-Protocol to ask for
  --header 'K: V'     extra request header (repeatable)
  --send TEXT         text message to send once open (repeatable);
                      go2rtc: --send '{\"type\":\"mse\",\"value\":\"avc1.640029,avc1.42C01F\"}'
  --pid NAME:PID      process to sample from /proc (repeatable; first one counts for us per viewer-frame)
  --stall K           the first K viewers stop reading after their first media message ...
  --stall-for S       ... for S seconds (default: for ever)
  --restless RATE     the viewers come and go, RATE of them a second, and behave badly in turn: reading on until they
                      leave, stalling, coming back from a stall, closing half, sending half a request
  --rcvbuf BYTES      SO_RCVBUF of each socket
  --dump FILE         write the binary messages of the last viewer to FILE
  --label TEXT        copied to the report
  --json FILE         write the report as JSON (- for stdout)
  --per-viewer        include one entry per viewer in the JSON
  --quiet             no table";

/// As in the help.
pub struct Options {
    /// At least one. The requests are those for the first.
    pub urls: Vec<String>,
    pub viewers: usize,
    pub duration_s: f64,
    pub warmup_s: f64,
    pub ramp: f64,
    pub subprotocol: Option<String>,
    pub headers: Vec<String>,
    pub send: Vec<String>,
    /// Names and numbers.
    pub processes: Vec<(String, u32)>,
    pub stall: usize,
    pub stall_for_s: f64,
    /// 0: the viewers stay.
    pub restless: f64,
    /// 0: the system's.
    pub rcvbuf: i32,
    pub dump: Option<String>,
    pub label: String,
    pub json: Option<String>,
    pub per_viewer: bool,
    pub quiet: bool,
}

impl Options {
    /// Of this process; ends it when they are wrong.
    pub fn of_process() -> Self {
        Self::parse(lexopt::Parser::from_env()).unwrap_or_else(|error| die(&error.to_string()))
    }

    fn parse(mut arguments: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut it = Self {
            urls: vec![],
            viewers: 1,
            duration_s: 20.0,
            warmup_s: 3.0,
            ramp: 0.0,
            subprotocol: None,
            headers: vec![],
            send: vec![],
            processes: vec![],
            stall: 0,
            stall_for_s: 1e9,
            restless: 0.0,
            rcvbuf: 0,
            dump: None,
            label: String::new(),
            json: None,
            per_viewer: false,
            quiet: false,
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Short('n') | Long("viewers") => it.viewers = arguments.value()?.parse()?,
                Long("duration") => it.duration_s = arguments.value()?.parse()?,
                Long("warmup") => it.warmup_s = arguments.value()?.parse()?,
                Long("ramp") => it.ramp = arguments.value()?.parse()?,
                Long("subprotocol") => it.subprotocol = Some(arguments.value()?.string()?),
                Long("header") => it.headers.push(arguments.value()?.string()?),
                Long("send") => it.send.push(arguments.value()?.string()?),
                Long("pid") => it.processes.push(process(&arguments.value()?.string()?)?),
                Long("stall") => it.stall = arguments.value()?.parse()?,
                Long("stall-for") => it.stall_for_s = arguments.value()?.parse()?,
                Long("restless") => it.restless = arguments.value()?.parse()?,
                Long("rcvbuf") => it.rcvbuf = arguments.value()?.parse()?,
                Long("dump") => it.dump = Some(arguments.value()?.string()?),
                Long("label") => it.label = arguments.value()?.string()?,
                Long("json") => it.json = Some(arguments.value()?.string()?),
                Long("per-viewer") => it.per_viewer = true,
                Long("quiet") => it.quiet = true,
                Long("help") | Short('h') => {
                    println!("{HELP}");
                    std::process::exit(0)
                }
                Value(url) => it.urls.push(url.string()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(it)
    }
}

/// `NAME:PID`, or the number alone.
fn process(text: &str) -> Result<(String, u32), lexopt::Error> {
    let (name, pid) = text.rsplit_once(':').unwrap_or(("server", text));
    Ok((name.to_owned(), pid.parse().map_err(|_| "bad --pid")?))
}

/// The run is of no use.
pub fn die(why: &str) -> ! {
    eprintln!("viewers: {why}");
    std::process::exit(2)
}

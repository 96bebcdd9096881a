//! The text after `Listening on …`: addresses for other machines, what was found at a first start, what to type next.

use crate::cli::list_cameras::Report;
use crate::os::interfaces;
use crate::serve::BoundListener;
use qrcodegen::{QrCode, QrCodeEcc};
use std::net::{IpAddr, SocketAddr};

/// Quiet zone of a QR code in modules (ISO/IEC 18004, 9.1).
const QUIET_ZONE: i32 = 4;

/// Returns the text after the lines `Listening on …`: addresses for other machines, at a first start (`found`) what to type next,
/// and the QR code if it is wanted.
pub fn greeting(listening: &[BoundListener], found: Option<&Report>, has_qr: bool) -> String {
    let elsewhere = addresses_from_elsewhere(listening);
    let mut out: String = (elsewhere.iter())
        .map(|url| format!("From elsewhere: {url}\n"))
        .collect();
    if let Some(found) = found {
        out.push_str(&introduction(found, listening));
    }
    if has_qr {
        out.push_str(&match url_for_phones(listening, &elsewhere) {
            Some(url) => format!("\n{}{url}\n", qr_code(url).unwrap_or_default()),
            None => "\nNo QR code: only this machine reaches the server; add --listen :2020\n"
                .to_owned(),
        });
    }
    out
}

/// Returns a line for each URL that other machines can open, for the listeners on all addresses. Those on one address have
/// it in their own line.
fn addresses_from_elsewhere(listening: &[BoundListener]) -> Vec<String> {
    let machine = interfaces::addresses();
    let mut urls = Vec::new();
    // Those for RTSP alone have no page.
    for listener in listening.iter().filter(|listener| !listener.is_rtsp) {
        let Ok(local) = listener.listener.local_addr() else {
            continue;
        };
        if !local.ip().is_unspecified() {
            continue;
        }
        let is_same_family = |address: &&IpAddr| address.is_ipv4() == local.ip().is_ipv4();
        for address in machine.iter().filter(is_same_family) {
            let address = SocketAddr::new(*address, local.port());
            urls.push(format!("{}://{address}/", scheme(listener)));
        }
        if let Some(name) = interfaces::mdns_name().filter(|_| local.is_ipv4()) {
            urls.push(format!("{}://{name}:{}/", scheme(listener), local.port()));
        }
    }
    urls
}

fn scheme(listener: &BoundListener) -> &str {
    listener.url.split("://").next().unwrap_or("http")
}

/// Returns a URL that another machine can open, if there is one.
fn url_for_phones<'a>(listening: &'a [BoundListener], elsewhere: &'a [String]) -> Option<&'a str> {
    let is_reached = |listener: &&BoundListener| {
        let address = listener.listener.local_addr();
        let is_one =
            |address: SocketAddr| !address.ip().is_loopback() && !address.ip().is_unspecified();
        !listener.is_rtsp && address.is_ok_and(is_one)
    };
    let own = listening.iter().find(is_reached);
    elsewhere
        .first()
        .or(own.map(|listener| &listener.url))
        .map(String::as_str)
}

/// Returns the QR code of `text`, dark on light, two modules in each character cell. Text of more than 2953 bytes has none.
fn qr_code(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let range = -QUIET_ZONE..code.size() + QUIET_ZONE;
    let mut out = String::new();
    for y in range.clone().step_by(2) {
        // Black on white, whatever the terminal's colours are.
        out.push_str("\x1b[30;107m");
        for x in range.clone() {
            out.push(match (code.get_module(x, y), code.get_module(x, y + 1)) {
                (false, false) => ' ',
                (true, false) => '▀',
                (false, true) => '▄',
                (true, true) => '█',
            });
        }
        out.push_str("\x1b[0m\n");
    }
    Some(out)
}

/// Returns the text of a first start: what was found, and what to type next.
fn introduction(report: &Report, listening: &[BoundListener]) -> String {
    let mut out = String::from("\n");
    let has_camera = match report.auto() {
        Some(source) => {
            out.push_str(&format!("Showing the camera {source}.\n"));
            true
        }
        None => {
            out.push_str("No camera was found. It is shown as soon as there is one.\n");
            false
        }
    };
    let mut next = Vec::new();
    if !has_camera {
        next.push((
            "berrymse --source test".to_owned(),
            "a test pattern, without a camera",
        ));
        next.push(("berrymse cameras".to_owned(), "why a camera is not found"));
    }
    let port = listening
        .first()
        .and_then(|first| first.listener.local_addr().ok());
    let port = port.map_or(2020, |address| address.port());
    let listen = format!("berrymse --listen :{port} --qr");
    next.push((listen, "also for other machines, such as your phone"));
    next.push(("berrymse setup".to_owned(), "a config.yml with a password"));
    next.push(("berrymse --help".to_owned(), "all options"));
    let width = next.iter().map(|(command, _)| command.len()).max();
    let width = width.unwrap_or_default();
    out.push_str("Next (stop this with Ctrl-C):\n");
    for (command, purpose) in next {
        out.push_str(&format!("  {command:width$}  {purpose}\n"));
    }
    if let Some(address) = interfaces::addresses().first() {
        let url = SocketAddr::new(*address, port);
        out.push_str(&format!(
            "With --listen :{port} other machines open http://{url}/\n"
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{Address, listen::bind_all};

    fn listeners(address: &str) -> Vec<BoundListener> {
        bind_all(&[Address::parse(address).unwrap()]).unwrap()
    }

    #[test]
    fn loopback_listener_has_no_address_elsewhere() {
        let listening = listeners("127.0.0.1:0");
        assert_eq!(addresses_from_elsewhere(&listening), Vec::<String>::new());
        assert_eq!(url_for_phones(&listening, &[]), None);
        assert!(greeting(&listening, None, true).contains("No QR code"));
    }

    #[test]
    fn wildcard_listener_lists_addresses_of_machine() {
        let listening = listeners("0.0.0.0:0");
        let port = listening[0].listener.local_addr().unwrap().port();
        let elsewhere = addresses_from_elsewhere(&listening);
        for address in interfaces::addresses()
            .iter()
            .filter(|address| address.is_ipv4())
        {
            let url = format!("http://{address}:{port}/");
            assert!(elsewhere.contains(&url), "{url} {elsewhere:?}");
        }
        assert!(elsewhere.iter().all(|url| !url.contains("127.0.0.1")));
    }

    #[test]
    fn qr_code_has_quiet_zone_and_square_shape() {
        let code = qr_code("http://192.168.178.20:2020/").unwrap();
        let lines: Vec<&str> = code.lines().collect();
        let cells: Vec<usize> = lines
            .iter()
            .map(|line| line.chars().filter(|cell| " ▀▄█".contains(*cell)).count())
            .collect();
        // Version 2, 25 modules, and four around it.
        assert_eq!(cells, vec![33; 17]);
        assert!(lines[0].contains(&" ".repeat(33)));
        assert_eq!(qr_code(&"x".repeat(3000)), None);
    }
}

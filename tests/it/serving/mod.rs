//! The program as its users and their programs meet it, by what they meet: the URLs (`http`), the viewer's connection
//! (`websocket`, `frames`, `autobahn` for all of RFC 6455), as JPEGs (`mjpeg`), who may open it (`access`, `rights`, `sessions`, and
//! `routes` for every row of the table), what a camera does meanwhile (`camera`), start, reload and end (`process`, `reload`), and what
//! strangers can cost (`strangers`, `limits`), and what fails (`faults`).

mod access;
mod annexb;
mod autobahn;
mod camera;
mod faults;
mod frames;
mod go2rtc;
mod http;
mod limits;
mod message_stream;
mod metrics;
#[cfg(feature = "software-encoder")]
mod mjpeg;
mod process;
mod ready;
mod reload;
mod restart;
mod rights;
mod routes;
mod secrets;
mod sessions;
mod strangers;
mod websocket;

use crate::support::{Server, TEST};

fn live() -> Server {
    let server = Server::start(&TEST);
    server.wait_for("live", |camera| camera["state"] == "live");
    server
}

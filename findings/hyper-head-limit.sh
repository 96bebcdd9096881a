#!/usr/bin/env bash
# hyper 1.12: http1::Builder::max_buf_size(32 kB) lets a request head of 40 kB through.
#
# Expected: the head is read into that buffer, so a head that is larger than it is answered with 431
# (the documentation: "Set the maximum buffer size for the connection").
# Needs cargo and python3. Fails if the answers change.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
mkdir "$place/src"
cat > "$place/Cargo.toml" <<'T'
[package]
name = "head"
version = "0.0.0"
edition = "2021"
[dependencies]
hyper = { version = "=1.12.0", features = ["server", "http1"] }
hyper-util = { version = "0.1", features = ["tokio"] }
http-body-util = "0.1"
tokio = { version = "1", features = ["rt", "net", "macros"] }
T
cat > "$place/src/main.rs" <<'T'
use http_body_util::Full;
use hyper::{body::Bytes, server::conn::http1, service::service_fn, Response};
use std::convert::Infallible;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let answer = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))) });
        let io = hyper_util::rt::TokioIo::new(socket);
        tokio::spawn(http1::Builder::new().max_buf_size(32 << 10).serve_connection(io, answer));
    }
}
T
cd "$place"
cargo build --quiet
./target/debug/head > port & server=$!
trap 'kill $server; rm -rf "$place"' EXIT
python3 - <<'P'
import socket, sys, time
while not (text := open("port").read().strip()):
    time.sleep(0.05)
def status(size):
    with socket.create_connection(("127.0.0.1", int(text)), 5) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * size + b"\r\n\r\n")
        return int(peer.recv(100).split()[1])
seen = {kilobytes: status(kilobytes << 10) for kilobytes in (8, 24, 40)}
for kilobytes, code in seen.items():
    print(f"max_buf_size 32 kB, head of {kilobytes} kB: {code}; expected {200 if kilobytes < 32 else 431}")
sys.exit(0 if seen == {8: 200, 24: 200, 40: 200} else 1)
P

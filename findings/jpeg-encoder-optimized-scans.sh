#!/usr/bin/env bash
# jpeg-encoder 0.7.1: optimized Huffman tables turn one interleaved scan into one scan per component.
#
# Expected: optimizing the tables changes the tables (ITU-T T.81, annex K.2) and nothing else, as in
# libjpeg, whose baseline files stay interleaved. Decoders of cameras' JPEGs that take one scan, and
# MJPEG players that draw as data come, see a grey picture until the last scan is there.
# Needs cargo. Fails if the counts change.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
mkdir "$place/src"
cat > "$place/Cargo.toml" <<'T'
[package]
name = "scans"
version = "0.0.0"
edition = "2021"
[dependencies]
jpeg-encoder = "=0.7.1"
T
cat > "$place/src/main.rs" <<'T'
use jpeg_encoder::{ColorType, Encoder};

fn scans(is_optimized: bool) -> (usize, usize) {
    let (width, height) = (64_u16, 48_u16);
    let pixels: Vec<u8> = (0..u32::from(width) * u32::from(height) * 3)
        .map(|i| (i * 7 % 251) as u8)
        .collect();
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 80);
    encoder.set_optimized_huffman_tables(is_optimized);
    encoder.encode(&pixels, width, height, ColorType::Rgb).unwrap();
    // In entropy-coded data FF is followed by 00 or RST, so FF DA is always a start of scan.
    (out.windows(2).filter(|pair| pair == &[0xff, 0xda]).count(), out.len())
}

fn main() {
    let (plain, plain_bytes) = scans(false);
    let (optimized, optimized_bytes) = scans(true);
    println!("default tables: {plain} scan(s), {plain_bytes} bytes");
    println!("optimized tables: {optimized} scan(s), {optimized_bytes} bytes; expected 1");
    std::process::exit(if (plain, optimized) == (1, 3) { 0 } else { 1 });
}
T
cd "$place" && cargo run --quiet

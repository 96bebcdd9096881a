#!/usr/bin/env bash
# arbitrary 1.5.0 (fuzz targets of Rust): a `Vec<u8>` takes two bytes of the input for each byte it gets. The lowest bit of the
# first one says whether there is another, so from random bytes it gets one byte on average, whatever the length of the input.
#
# Expected: bytes as they are, with a length from the input, as `&[u8]`, `String` and `Unstructured::bytes` have them. A target
# that takes `(u8, Vec<u8>)` hardly ever sees a whole file of the corpus, and a corpus of real files does not reach its parser.
# Needs cargo. Fails if what is seen changes.
set -euo pipefail
command -v cargo >/dev/null || { echo "cargo is needed"; exit 2; }
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
mkdir "$place/src"
cat > "$place/Cargo.toml" <<'T'
[package]
name = "lengths"
version = "0.0.0"
edition = "2021"
[dependencies]
arbitrary = "=1.5.0"
T
cat > "$place/src/main.rs" <<'R'
use arbitrary::{Arbitrary, Unstructured};

fn main() {
    let (mut vector, mut slice, mut state) = (0, 0, 1_u64);
    for _ in 0..1000 {
        let input: Vec<u8> = (0..1000)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 56) as u8
            })
            .collect();
        vector += <(u8, Vec<u8>)>::arbitrary_take_rest(Unstructured::new(&input)).unwrap().1.len();
        slice += <(u8, &[u8])>::arbitrary_take_rest(Unstructured::new(&input)).unwrap().1.len();
    }
    let odd = vec![1; 1001];
    let most = <(u8, Vec<u8>)>::arbitrary_take_rest(Unstructured::new(&odd)).unwrap().1.len();
    let (vector, slice) = (vector as f64 / 1000.0, slice as f64 / 1000.0);
    println!("of 1000 random bytes, with one for the u8: Vec<u8> gets {vector:.1}, &[u8] {slice:.1} (mean of 1000); expected 999.0 for both");
    println!("of 1001 bytes that are all 1 Vec<u8> gets {most}");
    assert!(vector < 2.0 && slice > 998.0 && most == 500);
}
R
cd "$place"
cargo run --quiet

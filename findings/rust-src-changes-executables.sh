#!/usr/bin/env bash
# rustc 1.90: the same program, compiler and options give other bytes when the component rust-src is installed.
#
# Expected: source code that nothing asks for changes nothing. But the generic code of Rust's library is compiled with the program,
# and its file names go into panics. Without rust-src they begin with /rustc/ and the compiler's commit, with it they are those of the
# folder of the toolchain, which tells the home of whoever built it. So a build that is to be repeated needs the component on both
# machines, or on none. (Names of the precompiled part stay as they are.)
# Needs rustup, which downloads a toolchain of its own into a temporary folder. Fails if what is seen changes.
set -euo pipefail
command -v rustup >/dev/null || { echo "rustup is needed"; exit 2; }
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
export RUSTUP_HOME=$place/rustup RUSTUP_TOOLCHAIN=1.90.0
rustup --quiet toolchain install --no-self-update --profile minimal 1.90.0 2>/dev/null >/dev/null
cd "$place"
cat > main.rs <<'R'
fn main() {
    let mut lengths: Vec<usize> = std::env::args().map(|text| text.len()).collect();
    lengths.insert(7, 1);
    println!("{}", lengths[9]);
}
R
build() { rustc -O -C codegen-units=1 -C strip=symbols main.rs -o "$1"; }
names() { grep -aoc "$place/rustup/[a-z0-9./_-]*library" "$1" || true; }
build without; build again
rustup --quiet component add rust-src 2>/dev/null
build with
rustc --version
for one in without again with; do
    echo "$one: $(stat -c %s $one) bytes, SHA-256 $(sha256sum $one | cut -c1-16)…, lines with the toolchain's folder: $(names $one)"
done
echo "expected: three times the same"
cmp -s without again && ! cmp -s without with && [ "$(names without)" = 0 ] && [ "$(names with)" -gt 0 ]

#!/usr/bin/env bash
# openh264-sys2 0.9.9: with nasm installed its build script assembles SSE2 to SSE4.2, and no AVX2.
#
# Expected: all assembler that Cisco's own Makefile builds on x86-64, where HAVE_AVX2 is on by default
# for newer compilers. The build script passes neither the C++ compiler nor nasm -DHAVE_AVX2; a user
# can, and the encoder then has about a tenth less to do for the same bits.
# Needs cargo, a C++ compiler, nasm and nm on x86-64. Fails if the counts change.
set -euo pipefail
[ "$(uname -m)" = x86_64 ] || { echo "x86-64 only"; exit 2; }
for tool in cargo c++ nasm nm; do command -v $tool >/dev/null || { echo "$tool is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
mkdir "$place/src"
cat > "$place/Cargo.toml" <<'T'
[package]
name = "encoder"
version = "0.0.0"
edition = "2021"
[dependencies]
openh264-sys2 = { version = "=0.9.9", default-features = false, features = ["source"] }
T
echo 'fn main() {}' > "$place/src/main.rs"
cd "$place"
count() {
    find "$1" -name 'lib*.a' -exec nm {} + 2>/dev/null | grep -ic "$2" || true
}
CXXFLAGS=-O0 cargo build --quiet --target-dir plain
CXXFLAGS="-O0 -DHAVE_AVX2" NASMENV=-DHAVE_AVX2 cargo build --quiet --target-dir avx2
sse=$(count plain sse2) plain=$(count plain avx2) avx2=$(count avx2 avx2)
echo "openh264-sys2 0.9.9: $sse symbols with SSE2; with AVX2: $plain as it builds (expected more than 0), $avx2 with -DHAVE_AVX2"
[ "$sse" -gt 0 ] && [ "$plain" -eq 0 ] && [ "$avx2" -gt 0 ]

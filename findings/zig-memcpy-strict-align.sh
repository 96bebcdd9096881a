#!/usr/bin/env bash
# Zig 0.17.1 as C compiler and linker (`zig cc`, also below cargo-zigbuild): with `strict_align` in -mcpu, which Rust's target
# arm-unknown-linux-musleabihf has, memcpy copies byte by byte, also between aligned buffers.
#
# Expected: bytes up to the first word, then words, as in musl's own memcpy for ARM. Zig links its compiler_rt's instead, in
# which "may not read a word at an odd address" becomes "has no words". Such a memcpy took seven times as long under
# qemu-arm; with -mcpu=generic+v6+vfp2-d32 as a link argument it has words, as the last -mcpu counts.
# Needs python3 with venv. Fails if what is seen changes.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check ziglang==0.17.1 capstone==5.0.6 pyelftools==0.32
cat > "$place/copy.c" <<'C'
void *memcpy(void *, const void *, unsigned);
static int from[2048], to[2048];
void _start(void) {
    void *(*volatile copy)(void *, const void *, unsigned) = memcpy;
    copy(to, from, sizeof from);
    for (;;) {}
}
C
cat > "$place/run.py" <<'P'
import collections, os, subprocess, sys
from capstone import Cs, CS_ARCH_ARM, CS_MODE_ARM
from elftools.elf.elffile import ELFFile

place = sys.argv[1]
os.environ["ZIG_GLOBAL_CACHE_DIR"] = f"{place}/cache"
seen = []
for cpu in ["generic+v6+strict_align+vfp2-d32", "generic+v6+vfp2-d32"]:
    command = [sys.executable, "-m", "ziglang", "cc", "-O2", "-target", "arm-linux-musleabihf", f"-mcpu={cpu}", "-nostdlib", "-static",
               f"{place}/copy.c", "-lcompiler_rt", "-o", f"{place}/copy"]
    subprocess.run(command, check=True)
    with open(f"{place}/copy", "rb") as file:
        elf = ELFFile(file)
        text = elf.get_section_by_name(".text")
        (memcpy,) = elf.get_section_by_name(".symtab").get_symbol_by_name("memcpy")
        begin = memcpy["st_value"] - text["sh_addr"]
        code = text.data()[begin:begin + memcpy["st_size"]]
    count = collections.Counter(each.mnemonic for each in Cs(CS_ARCH_ARM, CS_MODE_ARM).disasm(code, memcpy["st_value"]))
    seen.append((count["str"] + count["stm"] > 2, count["strb"] > 20))
    print(f"-mcpu={cpu}: memcpy stores {count['strb']} single bytes and {count['str']} words in its loops and ends")
print("expected: words in both")
sys.exit(seen != [(False, True), (True, False)])
P
"$place/venv/bin/python" "$place/run.py" "$place"

//! Asks the linked openh264 library for its version and whether its assembler is in use.
//!
//! The library itself is asked at run time. Its build script leaves the assembler out without a word where nasm is missing, and
//! cargo keeps the result when nasm is installed later, so no check of ours at build time could be relied on.

#![allow(
    unsafe_code,
    reason = "two functions of the linked library, of plain C"
)]

/// Returns what `--version` and the log say of the encoder, such as `openh264 2.6.0 (with assembler)`.
pub(in crate::encode) fn software_encoder() -> String {
    let [major, minor, revision] = version();
    let assembler = if has_assembler() { "with" } else { "without" };
    format!("openh264 {major}.{minor}.{revision} ({assembler} assembler)")
}

/// Returns true if the encoder uses the processor's vector instructions: SSE2 and later, or NEON.
pub(super) fn has_assembler() -> bool {
    let mut processors = 0;
    // SAFETY: the library's function writes one int32_t behind the pointer and returns bits. It keeps no state.
    let features = unsafe { WelsCPUFeatureDetect(&raw mut processors) };
    features & VECTOR_UNIT != 0
}

/// `WELS_CPU_SSE2`, and `WELS_CPU_NEON` on ARM (codec/common/inc/cpu_core.h). A library of C alone returns 0.
const VECTOR_UNIT: u32 = if cfg!(any(target_arch = "arm", target_arch = "aarch64")) {
    0x4
} else {
    0x8
};

fn version() -> [u32; 3] {
    let mut version = Version::default();
    // SAFETY: the library's function fills the structure behind the pointer, which is laid out as its header has it.
    unsafe { WelsGetCodecVersionEx(&raw mut version) };
    [version.major, version.minor, version.revision]
}

/// `OpenH264Version` (codec/api/wels/codec_app_def.h).
#[repr(C)]
#[derive(Default)]
struct Version {
    major: u32,
    minor: u32,
    revision: u32,
    reserved: u32,
}

unsafe extern "C" {
    fn WelsCPUFeatureDetect(processors: *mut i32) -> u32;
    fn WelsGetCodecVersionEx(version: *mut Version);
}

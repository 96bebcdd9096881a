//! Heap settings, so that freed memory returns to the system.
//!
//! The allocator of the GNU C library keeps what large blocks leave behind: it raises its threshold for `mmap` with each
//! large block that is freed, and each thread may have an arena of its own. Other allocators (musl) do not.

#![allow(unsafe_code, reason = "mallopt and malloc_trim have no safe form")]

/// Blocks from this size on are mapped one by one, and unmapped when they are freed, in bytes. The initial threshold of
/// the library; naming it keeps it.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD: libc::c_int = 128 << 10;

/// Most arenas. The default is eight for each core, each with its own free memory.
#[cfg(target_env = "gnu")]
const ARENAS: libc::c_int = 4;

/// Sets up the allocator. Call it before the first thread starts.
pub fn set_up() {
    // SAFETY: mallopt takes numbers only.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
}

/// Returns free memory to the system. It takes about a millisecond for some megabytes.
pub fn trim() {
    // SAFETY: it takes no pointer, and locks what it works on.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

//! Takes the rights of a process that works on bytes from outside: it computes, and talks over its standard input.
//!
//! The filter of system calls (seccomp(2)) is made by hand. The crate seccompiler knows no 32-bit ARM, and libseccomp is in C.
//! Landlock would add nothing: no system call that takes a path is left.

#![allow(
    unsafe_code,
    reason = "close_range(2) and the filter of prctl(2) have no safe form"
)]

use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use std::fs;
use std::io;

/// Whether there is a filter for this processor.
pub const HAS_FILTER: bool = ARCHITECTURE.is_some();

/// Limits without any need, which are 0 from then on. Files that are open stay usable.
const NOTHING: [Resource; 5] = [
    Resource::Nofile,
    Resource::Fsize,
    Resource::Core,
    Resource::Nproc,
    Resource::Memlock,
];

/// Most descriptors that are closed one by one, where close_range(2) is missing (Linux before 5.9).
const MAX_OPEN_FILES: libc::c_int = 65_536;

/// Has this process killed when the thread that started it ends, lets faults end it, and closes all but its standard input.
///
/// # Errors
///
/// The system call that failed.
pub fn detach() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // The handlers of Rust's runtime tell of a full stack, and swallow the first signal that another process sends.
        // SAFETY: it removes a handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: this process is new, and nothing of it owns one of these descriptors: standard output and error are written to
    // by name, and a closed one swallows the text.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 1, libc::c_uint::MAX, 0) };
    if result != 0 {
        for fd in 1..MAX_OPEN_FILES {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    }
    Ok(())
}

/// Gives up all rights but to compute with `memory` more bytes and to use what is open. Returns false if the kernel has no
/// seccomp, or there is no filter for this processor; the limits hold all the same.
///
/// # Errors
///
/// A limit that cannot be set.
pub fn give_up_rights(memory: u64) -> io::Result<bool> {
    let present = address_space();
    for (resource, limit) in [(Resource::As, present.saturating_add(memory))]
        .into_iter()
        .chain(NOTHING.map(|resource| (resource, 0)))
    {
        let limit = Some(limit);
        setrlimit(
            resource,
            Rlimit {
                current: limit,
                maximum: limit,
            },
        )?;
    }
    let none = CapabilitySet::empty();
    // The service's own filter forbids this call, and the filter below all others that need a capability.
    let _ = set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    );
    Ok(install_filter().is_ok())
}

/// Returns the bytes of address space in use, from `/proc/self/statm`; if that is missing, as much as a usual program has.
fn address_space() -> u64 {
    const USUAL: u64 = 256 << 20;
    let pages = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    pages.map_or(USUAL, |pages| pages * rustix::param::page_size() as u64)
}

/// Allows this thread, and those that it starts, no other system calls than those of the lists. All others fail with `EPERM`:
/// a C library that tries a new one has another way.
fn install_filter() -> io::Result<()> {
    set_no_new_privs(true)?;
    let mut program = filter().ok_or(io::ErrorKind::Unsupported)?;
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap_or(0),
        filter: program.as_mut_ptr(),
    };
    // prctl(2), as the unit of systemd 252 lets no seccomp(2) through.
    // SAFETY: the kernel copies the program, which outlives the call.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Returns the filter: a program for the kernel, which sees one `seccomp_data` for each call.
fn filter() -> Option<Vec<libc::sock_filter>> {
    // Offsets in `seccomp_data`; of an argument the lower half, in little endian.
    const NUMBER: u32 = 0;
    const ARCH: u32 = 4;
    const PROTECTION: u32 = 16 + 2 * 8;
    let statement = |code: u32, k| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let load = |at| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at);
    let result = |action| statement(libc::BPF_RET | libc::BPF_K, action);
    // If the test fails, `skipped` instructions are passed over.
    let test = |code: u32, k, skipped| libc::sock_filter {
        code: (libc::BPF_JMP | code | libc::BPF_K) as u16,
        jt: 0,
        jf: skipped,
        k,
    };
    let allow = || result(libc::SECCOMP_RET_ALLOW);
    let refuse = || result(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);

    // A call of another architecture has other numbers. On x86-64 those of x32 have a bit that no number of the lists has.
    let architecture = libc::sock_filter {
        jt: 1,
        ..test(libc::BPF_JEQ, ARCHITECTURE?, 0)
    };
    let mut program = vec![
        load(ARCH),
        architecture,
        result(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
    ];
    for number in ALLOWED {
        program.extend([test(libc::BPF_JEQ, number as u32, 1), allow()]);
    }
    for number in NOT_EXECUTABLE {
        program.extend([
            test(libc::BPF_JEQ, number as u32, 4),
            load(PROTECTION),
            test(libc::BPF_JSET, libc::PROT_EXEC as u32, 1),
            refuse(),
            allow(),
        ]);
    }
    program.push(refuse());
    Some(program)
}

/// `AUDIT_ARCH_…` of this program (linux/audit.h).
const ARCHITECTURE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else if cfg!(all(target_arch = "arm", target_endian = "little")) {
    Some(0x4000_0028)
} else {
    None
};

/// Bytes in and out, memory, time and the end. Where the kernel's page of code (vDSO) has no clock, as with the first Raspberry
/// Pi, a look at the clock is a system call.
const ALLOWED: [libc::c_long; 15] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    CLOCK_GETTIME64,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Calls that are allowed for memory that cannot be executed.
const NOT_EXECUTABLE: [libc::c_long; 2] = [MMAP, libc::SYS_mprotect];

#[cfg(target_arch = "arm")]
const MMAP: libc::c_long = libc::SYS_mmap2;
#[cfg(not(target_arch = "arm"))]
const MMAP: libc::c_long = libc::SYS_mmap;

/// The call of 32-bit systems for times after 2038; elsewhere the usual one.
const CLOCK_GETTIME64: libc::c_long = if cfg!(target_pointer_width = "32") {
    403
} else {
    libc::SYS_clock_gettime
};

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags};
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketType};
    use rustix::process::{getpid, kill_process};
    use std::hint::black_box;
    use std::process::Command;

    #[test]
    fn filtered_thread_can_compute_and_nothing_else() {
        if !HAS_FILTER {
            return;
        }
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let us = getpid();
        // The filter is that of the thread which asks for it.
        let thread = std::thread::spawn(move || {
            install_filter()?;
            let open = |flags| rustix::fs::open("/dev/null", flags, Mode::empty());
            let refused = [
                open(OFlags::RDONLY).err(),
                open(OFlags::WRONLY).err(),
                rustix::fs::stat("/").err(),
                rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).err(),
                rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).err(),
                rustix::pipe::pipe().err(),
                kill_process(us, Signal::CONT).err(),
            ];
            let has_started = Command::new("true").spawn().is_ok();
            let block = black_box(vec![1_u8; 10 << 20]);
            let sum: usize = block.iter().map(|byte| usize::from(*byte)).sum();
            let written = rustix::io::write(&writer, b"still here");
            Ok::<_, io::Error>((refused, has_started, sum, written))
        });
        // qemu-user has no seccomp.
        let Ok(found) = thread.join().unwrap() else {
            return;
        };
        let (refused, has_started, sum, written) = found;
        assert_eq!(refused, [Some(Errno::PERM); 7]);
        assert!(!has_started);
        assert_eq!((sum, written), (10 << 20, Ok(10)));
        let mut text = [0; 10];
        rustix::io::read(&reader, &mut text).unwrap();
        assert_eq!(&text, b"still here");
    }

    #[test]
    fn filter_refuses_executable_memory() {
        let Some(program) = filter() else { return };
        let call = |number: libc::c_long, protection: u32| {
            run(&program, ARCHITECTURE.unwrap(), number as u32, protection)
        };
        let allow = libc::SECCOMP_RET_ALLOW;
        let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        for number in NOT_EXECUTABLE {
            assert_eq!(call(number, 3), allow, "{number}");
            assert_eq!(call(number, 5), refuse, "{number}");
        }
        for number in ALLOWED {
            assert_eq!(call(number, 7), allow, "{number}");
        }
        for number in [
            libc::SYS_execve,
            libc::SYS_openat,
            libc::SYS_socket,
            libc::SYS_clone,
            libc::SYS_ptrace,
            libc::SYS_kill,
            libc::SYS_prctl,
            libc::SYS_ioctl,
        ] {
            assert_eq!(call(number, 0), refuse, "{number}");
        }
        assert_eq!(
            run(&program, 0x4000_0003, libc::SYS_read as u32, 0),
            libc::SECCOMP_RET_KILL_PROCESS
        );
        // x32
        assert_eq!(call(libc::SYS_read | 0x4000_0000, 0), refuse);
    }

    /// What the kernel makes of the program for a call.
    fn run(program: &[libc::sock_filter], arch: u32, number: u32, protection: u32) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let code = u32::from(step.code);
            if code == libc::BPF_RET {
                return step.k;
            } else if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
                value = match step.k {
                    0 => number,
                    4 => arch,
                    32 => protection,
                    other => panic!("offset {other}"),
                };
            } else {
                let is_met = if code == libc::BPF_JMP | libc::BPF_JEQ {
                    value == step.k
                } else {
                    assert_eq!(code, libc::BPF_JMP | libc::BPF_JSET);
                    value & step.k != 0
                };
                at += usize::from(if is_met { step.jt } else { step.jf });
            }
        }
    }
}

//! The kernel's camera interface (Video for Linux 2). `sys` has the structs and the system calls and
//! is the only file with `unsafe`; `device` is the safe part that others use.

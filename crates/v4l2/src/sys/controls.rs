//! The controls of a device: listing, reading and setting them. Their values are as they lie in the kernel's union.

use super::DeviceError;
use super::ioctl::{self, Access};
use crate::abi;
use rustix::fd::BorrowedFd;

/// The control that follows `id`, of any class, skipping compound ones; `Invalid` behind the last.
pub(crate) fn next_control(
    fd: BorrowedFd<'_>,
    id: u32,
) -> Result<abi::QueryExtControl, DeviceError> {
    const NEXT: u32 = 0x8000_0000;
    let query = abi::QueryExtControl {
        id: id | NEXT,
        ..Default::default()
    };
    ioctl::QUERY_EXT_CTRL.call(fd, query)
}

/// Item number `index` of a menu; `Invalid` where there is none: menus may have gaps.
pub(crate) fn menu_item(
    fd: BorrowedFd<'_>,
    id: u32,
    index: u32,
) -> Result<abi::QueryMenu, DeviceError> {
    let item = abi::QueryMenu {
        id,
        index,
        ..Default::default()
    };
    ioctl::QUERYMENU.call(fd, item)
}

/// The value of a control, as it lies in the kernel's union.
pub(crate) fn get_control(fd: BorrowedFd<'_>, id: u32) -> Result<[u32; 2], DeviceError> {
    ioctl::control(fd, Access::Get, id, [0; 2])
}

/// Sets a control to a value, as it lies in the kernel's union.
pub(crate) fn set_control(fd: BorrowedFd<'_>, id: u32, value: [u32; 2]) -> Result<(), DeviceError> {
    ioctl::control(fd, Access::Set, id, value).map(drop)
}

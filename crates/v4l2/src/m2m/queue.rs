//! One of the two queues of an encoder: its buffers, and which of them the driver has.

use crate::Device;
use crate::abi::m2m::FIELD_NONE;
use crate::sys::{self, BufferCall, BufferState, DeviceError, Memory, PlaneState, TimeWidth};

/// Buffers of one queue. They are freed when the device is closed.
#[derive(Debug)]
pub(super) struct Queue {
    kind: u32,
    memory: Memory,
    width: TimeWidth,
    /// True for a buffer that the driver has.
    queued: Vec<bool>,
}

impl Queue {
    /// Requests `count` buffers (the driver may change the number); returns the state of each.
    pub(super) fn request(
        device: &Device,
        kind: u32,
        memory: Memory,
        count: u32,
    ) -> Result<(Self, Vec<BufferState>), DeviceError> {
        let count = sys::request_buffers_of(device.fd(), kind, memory, count)?;
        let mut queue = Self {
            kind,
            memory,
            width: TimeWidth::Bits64,
            queued: Vec::new(),
        };
        let mut states = Vec::new();
        for index in 0..count {
            states.push(queue.query(device, index)?);
            queue.queued.push(false);
        }
        if states.is_empty() {
            return Err(DeviceError::NoMemory);
        }
        Ok((queue, states))
    }

    /// Queries a buffer. The first query finds out which `v4l2_buffer` layout this kernel knows.
    fn query(&mut self, device: &Device, index: u32) -> Result<BufferState, DeviceError> {
        let wanted = BufferState {
            index,
            ..BufferState::default()
        };
        let answer = self.call(device, BufferCall::Query, &wanted);
        let is_old_kernel = answer.as_ref().err() == Some(&DeviceError::Unsupported);
        if is_old_kernel && cfg!(target_pointer_width = "32") && self.width == TimeWidth::Bits64 {
            self.width = TimeWidth::Bits32;
            return self.call(device, BufferCall::Query, &wanted);
        }
        answer
    }

    fn call(
        &self,
        device: &Device,
        what: BufferCall,
        state: &BufferState,
    ) -> Result<BufferState, DeviceError> {
        let kind = (self.kind, self.memory);
        sys::exchange(device.fd(), what, kind, self.width, state)
    }

    /// Returns the width of times in this kernel.
    pub(super) fn time_width(&self) -> TimeWidth {
        self.width
    }

    /// Returns a buffer that the driver does not have: `wanted`, if possible.
    pub(super) fn free_index(&self, wanted: Option<u32>) -> Option<u32> {
        let is_free = |index: u32| self.queued.get(index as usize) == Some(&false);
        if let Some(wanted) = wanted {
            return Some(wanted).filter(|&index| is_free(index));
        }
        let index = self.queued.iter().position(|is_queued| !is_queued)?;
        u32::try_from(index).ok()
    }

    /// Returns how many buffers the driver has.
    pub(super) fn queued(&self) -> usize {
        self.queued.iter().filter(|&&is_queued| is_queued).count()
    }

    /// Queues a buffer to the driver.
    pub(super) fn queue(
        &mut self,
        device: &Device,
        index: u32,
        time: [i64; 2],
        planes: &[PlaneState],
    ) -> Result<(), DeviceError> {
        let mut state = BufferState {
            index,
            time,
            field: FIELD_NONE,
            plane_count: planes.len(),
            ..BufferState::default()
        };
        for (to, from) in state.planes.iter_mut().zip(planes) {
            *to = *from;
        }
        self.call(device, BufferCall::Queue, &state)?;
        if let Some(is_queued) = self.queued.get_mut(index as usize) {
            *is_queued = true;
        }
        Ok(())
    }

    /// Dequeues a finished buffer; [`DeviceError::WouldBlock`] without one.
    pub(super) fn dequeue(&mut self, device: &Device) -> Result<BufferState, DeviceError> {
        let state = self.call(device, BufferCall::Dequeue, &BufferState::default())?;
        match self.queued.get_mut(state.index as usize) {
            Some(is_queued) => *is_queued = false,
            None => return Err(DeviceError::InvalidArgument),
        }
        Ok(state)
    }

    /// Starts or stops the queue. After a stop the driver has no buffers.
    pub(super) fn stream(&mut self, device: &Device, on: bool) -> Result<(), DeviceError> {
        if !on {
            self.queued.fill(false);
        }
        sys::stream(device.fd(), self.kind, on)
    }
}

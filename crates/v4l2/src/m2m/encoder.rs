//! Open stateful encoder: raw frames in, coded frames out, without blocking.

use super::controls;
use super::find::QueueTypes;
use super::input_frame::{InputFrame, copy_rows, row_copies};
use super::negotiate::{self, EncoderConfig, NegotiationError};
use super::plane_layout::RowLayout;
use super::queue::Queue;
use super::timestamp_map::{Match, TimestampMap};
use crate::abi::m2m::{FLAG_KEYFRAME, FLAG_LAST, command, event};
use crate::abi::{FLAG_ERROR, MAX_PLANES};
use crate::controls::id;
use crate::stream::BufferGuard;
use crate::sys::{self, DeviceError, Mapping, Memory, PlaneState, Writable};
use crate::{Control, Device};
use rustix::event::PollFlags;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::collections::HashMap;
use std::time::Duration;

/// Frames in flight: one is encoded and one waits, so the encoder never idles and delay stays low.
const MAX_IN_FLIGHT: usize = 2;
/// Slots for imported buffers: more than a camera has, so that each keeps its slot. They cost no
/// memory.
const IMPORT_SLOTS: u32 = 8;
/// Coded buffers: one is written, one is read, two are for a late wake-up.
const CODED_BUFFERS: u32 = 4;
/// Output of an encoder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EncoderOutput {
    /// Coded frame.
    Frame {
        /// Capture time of the raw frame.
        captured_at: Duration,
        /// Keyframe flag of the driver; not all drivers set it.
        is_keyframe: bool,
        /// Number of earlier frames that were never output.
        dropped: u32,
    },
    /// More data of the last frame.
    Continuation {
        /// Capture time of the raw frame.
        captured_at: Duration,
    },
    /// Parameter sets, which belong to the next frame.
    ParameterSets,
    /// Frame that failed or did not fit: no data.
    Error,
    /// Empty buffer.
    Empty,
    /// Last buffer after [`Encoder::drain`]; nothing follows until [`Encoder::resume`].
    LastBuffer,
    /// The source changed; the encoder must be re-opened.
    SourceChange,
}

/// Running encoder. Stops on drop, which returns the camera's buffers.
#[derive(Debug)]
pub struct Encoder {
    raw: Queue,
    coded: Queue,
    // Mappings are dropped before the device is closed; imported buffers are returned after the
    // stop (see `drop`).
    raw_planes: Vec<Vec<Writable>>,
    coded_planes: Vec<Mapping>,
    imported: Vec<Option<BufferGuard>>,
    exported: HashMap<(u32, usize), OwnedFd>,
    device: Device,
    /// Rows to copy, from and to.
    lines: Vec<(RowLayout, RowLayout)>,
    planes: usize,
    plane_sizes: [u32; MAX_PLANES],
    import: bool,
    timestamps: TimestampMap,
    force_keyframe: Option<Control>,
}

impl Encoder {
    /// Sets up `device` and starts it. Deviations are added to `notes` as text.
    pub fn start(
        device: Device,
        wanted: &EncoderConfig,
        notes: &mut Vec<String>,
    ) -> Result<Self, NegotiationError> {
        let failed = |what| move |error| NegotiationError::Syscall(what, error);
        let kinds =
            QueueTypes::of(device.identity()).ok_or(NegotiationError::NoEncoder(wanted.coded))?;
        negotiate::set_coded_format(&device, kinds, wanted)?;
        let format = negotiate::set_raw_format(&device, kinds, wanted)?;
        let inside = negotiate::input_format(&format, wanted)?;
        let (answer, planes) = (format, usize::from(format.planes()).min(MAX_PLANES));
        let _ = sys::set_interval(device.fd(), kinds.output, 1, wanted.rate.fps.max(1));
        if answer.size() != (wanted.raw.width, wanted.raw.height) {
            negotiate::crop(&device, kinds, wanted)?;
        }
        controls::apply(&device, wanted, notes);
        let lines = row_copies(&wanted.raw, &inside)?;
        if wanted.import && !wanted.raw.is_within(&inside) {
            let ([own, ..], [its, ..]) = (wanted.raw.strides, inside.strides);
            let (width, height) = (inside.width, inside.height);
            let why = format!(
                "it wants {width}x{height} with lines {its} bytes apart, there they are {own}"
            );
            return Err(NegotiationError::Import(why));
        }
        let (memory, count) = if wanted.import {
            (Memory::Imported, IMPORT_SLOTS)
        } else {
            (Memory::Mapped, MAX_IN_FLIGHT as u32)
        };
        let (raw, raw_states) =
            Queue::request(&device, kinds.output, memory, count).map_err(|error| match memory {
                Memory::Imported => NegotiationError::Import(error.to_string()),
                Memory::Mapped => NegotiationError::Syscall("asking for its buffers", error),
            })?;
        let raw_planes = match memory {
            Memory::Imported => Vec::new(),
            Memory::Mapped => raw_states
                .iter()
                .map(|state| map_raw(&device, state))
                .collect::<Result<_, _>>()
                .map_err(failed("mapping its buffers"))?,
        };
        let (coded, coded_states) =
            Queue::request(&device, kinds.capture, Memory::Mapped, CODED_BUFFERS)
                .map_err(failed("asking for its buffers"))?;
        let coded_planes = coded_states
            .iter()
            .map(|state| {
                let [plane, ..] = state.planes;
                Mapping::new(device.fd(), plane.map_offset, plane.length as usize)
            })
            .collect::<Result<_, _>>()
            .map_err(failed("mapping its buffers"))?;
        // Not all drivers have these events; the flags of the buffers say the same.
        for kind in [event::END_OF_STREAM, event::SOURCE_CHANGE] {
            let _ = sys::subscribe(device.fd(), kind);
        }
        let force_keyframe = device
            .controls()
            .into_iter()
            .find(|control| control.id == id::FORCE_KEY_FRAME);
        let mut encoder = Self {
            imported: raw_states.iter().map(|_| None).collect(),
            raw,
            coded,
            raw_planes,
            coded_planes,
            exported: HashMap::new(),
            device,
            lines,
            planes,
            plane_sizes: std::array::from_fn(|plane| answer.plane(plane).size),
            import: wanted.import,
            timestamps: TimestampMap::default(),
            force_keyframe,
        };
        encoder.start_streaming().map_err(failed("starting it"))?;
        Ok(encoder)
    }

    fn start_streaming(&mut self) -> Result<(), DeviceError> {
        self.queue_coded()?;
        self.coded.stream(&self.device, true)?;
        self.raw.stream(&self.device, true)
    }

    /// Queues every free coded buffer to the driver.
    fn queue_coded(&mut self) -> Result<(), DeviceError> {
        while let Some(index) = self.coded.free_index(None) {
            self.coded
                .queue(&self.device, index, [0; 2], &[PlaneState::default()])?;
        }
        Ok(())
    }

    /// Returns true if [`Encoder::queue_input`] would accept a frame.
    pub fn has_room(&self) -> bool {
        self.raw.queued() < MAX_IN_FLIGHT && self.raw.free_index(None).is_some()
    }

    /// Returns true while it holds raw frames.
    pub fn is_busy(&self) -> bool {
        self.raw.queued() > 0
    }

    /// Returns the number of frames in flight.
    pub fn in_flight(&self) -> u64 {
        self.timestamps.in_flight()
    }

    /// Queues a raw frame. [`DeviceError::WouldBlock`] if it has enough; a rejected frame returns
    /// to the camera.
    pub fn queue_input(
        &mut self,
        raw: InputFrame<'_>,
        captured_at: Duration,
    ) -> Result<(), DeviceError> {
        match raw {
            InputFrame::Import(guard) if self.import => self.import(guard, captured_at),
            InputFrame::Copy(_) if self.import => Err(DeviceError::InvalidArgument),
            raw => self.copy(&raw, captured_at),
        }
    }

    fn import(&mut self, guard: BufferGuard, captured_at: Duration) -> Result<(), DeviceError> {
        // Keeps a camera's buffer in the same slot, so that the driver need not map it again.
        let index = self
            .raw
            .free_index(Some(guard.index()))
            .or_else(|| self.raw.free_index(None))
            .ok_or(DeviceError::WouldBlock)?;
        let mut planes = [PlaneState::default(); MAX_PLANES];
        for (number, plane) in planes.iter_mut().enumerate().take(self.planes) {
            let offset = guard.data_offset(number);
            let used = guard.plane_len(number).saturating_add(offset);
            let descriptor = self.exported(&guard, number)?;
            *plane = PlaneState {
                bytes_used: u32::try_from(used).map_err(|_| DeviceError::InvalidArgument)?,
                length: u32::try_from(guard.plane_capacity(number))
                    .map_err(|_| DeviceError::InvalidArgument)?,
                data_offset: u32::try_from(offset).map_err(|_| DeviceError::InvalidArgument)?,
                map_offset: descriptor,
            };
        }
        self.queue_raw(index, captured_at, planes)?;
        if let Some(place) = self.imported.get_mut(index as usize) {
            *place = Some(guard);
        }
        Ok(())
    }

    fn exported(&mut self, guard: &BufferGuard, plane: usize) -> Result<u32, DeviceError> {
        let key = (guard.index(), plane);
        let fd = match self.exported.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(guard.export(plane)?),
        };
        u32::try_from(fd.as_raw_fd()).map_err(|_| DeviceError::InvalidArgument)
    }

    fn copy(&mut self, raw: &InputFrame<'_>, captured_at: Duration) -> Result<(), DeviceError> {
        let index = self.raw.free_index(None).ok_or(DeviceError::WouldBlock)?;
        let pieces = self
            .raw_planes
            .get_mut(index as usize)
            .ok_or(DeviceError::InvalidArgument)?;
        for (from, to) in &self.lines {
            if let Some(piece) = pieces.get_mut(to.piece) {
                copy_rows(raw, from, piece, to);
            }
        }
        let mut planes = [PlaneState::default(); MAX_PLANES];
        for ((plane, piece), &size) in planes.iter_mut().zip(pieces).zip(&self.plane_sizes) {
            let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            *plane = PlaneState {
                bytes_used: size.min(length),
                length,
                ..PlaneState::default()
            };
        }
        self.queue_raw(index, captured_at, planes)
    }

    fn queue_raw(
        &mut self,
        index: u32,
        captured_at: Duration,
        planes: [PlaneState; MAX_PLANES],
    ) -> Result<(), DeviceError> {
        let stamp = self.timestamps.insert(captured_at);
        let planes = planes.get(..self.planes).unwrap_or_default();
        let queued = self.raw.queue(&self.device, index, stamp, planes);
        if queued.is_err() {
            self.timestamps.undo_insert();
        }
        queued
    }

    /// Collects the raw frames that the encoder is done with; returns how many of them failed.
    pub fn collect_inputs(&mut self) -> Result<u32, DeviceError> {
        let mut failed = 0;
        loop {
            match self.raw.dequeue(&self.device) {
                Ok(state) => {
                    failed += u32::from(state.flags & FLAG_ERROR != 0);
                    if let Some(lent) = self.imported.get_mut(state.index as usize) {
                        *lent = None;
                    }
                }
                Err(DeviceError::WouldBlock) => return Ok(failed),
                Err(error) => return Err(error),
            }
        }
    }

    /// Dequeues the oldest output and appends its data to `out`; [`DeviceError::WouldBlock`]
    /// without one.
    pub fn dequeue_output(&mut self, out: &mut Vec<u8>) -> Result<EncoderOutput, DeviceError> {
        if self.has_source_change() {
            return Ok(EncoderOutput::SourceChange);
        }
        let state = match self.coded.dequeue(&self.device) {
            Ok(state) => state,
            Err(DeviceError::EndOfStream) => return Ok(EncoderOutput::LastBuffer),
            Err(error) => return Err(error),
        };
        let output = self.classify(&state, out);
        if state.flags & FLAG_LAST == 0 {
            self.coded
                .queue(&self.device, state.index, [0; 2], &[PlaneState::default()])?;
        }
        Ok(output)
    }

    fn classify(&mut self, state: &sys::BufferState, out: &mut Vec<u8>) -> EncoderOutput {
        let [plane, ..] = state.planes;
        let (start, end) = (plane.data_offset as usize, plane.bytes_used as usize);
        let has_bytes = end > start;
        if state.flags & FLAG_ERROR != 0 {
            // The frame will not come: remove it, so that nothing waits for it.
            self.timestamps.remove(state.time);
            return EncoderOutput::Error;
        }
        if !has_bytes {
            return if state.flags & FLAG_LAST != 0 {
                EncoderOutput::LastBuffer
            } else {
                // Some drivers report a dropped frame like this.
                match self.timestamps.remove(state.time) {
                    Match::Frame { .. } => EncoderOutput::Error,
                    Match::Continuation { .. } | Match::None => EncoderOutput::Empty,
                }
            };
        }
        if let Some(mapping) = self.coded_planes.get(state.index as usize) {
            mapping.append_to(start..end, out);
        }
        match self.timestamps.remove(state.time) {
            Match::Frame {
                captured_at,
                dropped,
            } => EncoderOutput::Frame {
                captured_at,
                is_keyframe: state.flags & FLAG_KEYFRAME != 0,
                dropped,
            },
            Match::Continuation { captured_at } => EncoderOutput::Continuation { captured_at },
            Match::None => EncoderOutput::ParameterSets,
        }
    }

    fn has_source_change(&self) -> bool {
        let mut has_changed = false;
        // Bound of pending events; no driver has more.
        for _ in 0..16 {
            match sys::next_event(self.device.fd(), self.raw.time_width()) {
                Ok(kind) => has_changed |= kind == event::SOURCE_CHANGE,
                Err(_) => break,
            }
        }
        has_changed
    }

    /// Requests an IDR frame; false if the driver has no control for it.
    pub fn force_keyframe(&self) -> Result<bool, DeviceError> {
        match &self.force_keyframe {
            Some(control) => self.device.set(control, 1).map(|_| true),
            None => Ok(false),
        }
    }

    /// Drains the encoder: [`EncoderOutput::LastBuffer`] follows the last frame.
    pub fn drain(&mut self) -> Result<(), DeviceError> {
        sys::command(self.device.fd(), command::STOP)
    }

    /// Resumes after a drain.
    pub fn resume(&mut self) -> Result<(), DeviceError> {
        sys::command(self.device.fd(), command::START)?;
        self.queue_coded()
    }

    /// Restarts with a keyframe and parameter sets; returns the number of lost frames.
    pub fn reset(&mut self) -> Result<u32, DeviceError> {
        self.stop();
        self.start_streaming()?;
        Ok(self.timestamps.clear())
    }

    fn stop(&mut self) {
        // A device that is gone says ENODEV: there is nothing left to stop.
        let _ = self.raw.stream(&self.device, false);
        let _ = self.coded.stream(&self.device, false);
        self.imported.fill_with(|| None);
    }

    /// Returns the device, for its name and controls.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Changes the bit rate while it runs; `None` if the driver has no control for it.
    pub fn set_bitrate(&self, bits_per_second: u32) -> Option<Result<i64, DeviceError>> {
        let controls = self.device.controls();
        let control = controls.iter().find(|control| control.id == id::BITRATE)?;
        Some(self.device.set(control, bits_per_second.into()))
    }

    /// Returns the descriptor to poll for [`Encoder::WAIT_FOR`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.device.fd()
    }

    /// Poll flags: a coded frame, a finished raw frame, an event.
    pub const WAIT_FOR: PollFlags = PollFlags::IN.union(PollFlags::OUT).union(PollFlags::PRI);
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.stop();
    }
}

fn map_raw(device: &Device, state: &sys::BufferState) -> Result<Vec<Writable>, DeviceError> {
    // Missing planes have length 0.
    let planes = state.planes.iter().take_while(|plane| plane.length > 0);
    planes
        .map(|plane| Mapping::writable(device.fd(), plane.map_offset, plane.length as usize))
        .collect()
}

//! One open encoder: pictures in, coded pictures out, neither of them waited for.

use super::agree::{self, Refusal, Wanted};
use super::controls;
use super::find::Kinds;
use super::layout::Lines;
use super::pairs::{Pair, Pairs};
use super::queue::Queue;
use super::raw::{Raw, copies, copy_lines};
use crate::time::Timestamp;
use crate::v4l2::abi::m2m::{FLAG_KEYFRAME, FLAG_LAST, command, event};
use crate::v4l2::abi::{FLAG_ERROR, MAX_PLANES};
use crate::v4l2::controls::id;
use crate::v4l2::stream::Held;
use crate::v4l2::sys::{self, Failure, Mapping, Memory, PlaneState, Writable};
use crate::v4l2::{Control, Device};
use rustix::event::PollFlags;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::collections::HashMap;

/// One picture that is encoded and one that waits: the encoder never idles, and nothing gets older than that.
const MOST_IN_FLIGHT: usize = 2;
/// Places for the camera's buffers: more than a camera has, so that each keeps its place. They cost no memory.
const IMPORT_PLACES: u32 = 8;
/// One that is written to, one that we read, and two for a late wake-up.
const CODED_BUFFERS: u32 = 4;
/// What came out of an encoder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// A picture.
    Picture {
        /// When the raw one was taken.
        captured_at: Timestamp,
        /// The driver calls it a keyframe; not all of them know.
        is_keyframe: bool,
        /// So many pictures that went in before it never came out.
        dropped: u32,
    },
    /// More of the last picture.
    More {
        /// When the raw one was taken.
        captured_at: Timestamp,
    },
    /// Bytes that belong to the next picture: parameter sets.
    Headers,
    /// A picture that the encoder failed at, or that did not fit: no bytes.
    Damaged,
    /// Nothing.
    Empty,
    /// The last one after [`Encoder::drain`]; nothing comes until [`Encoder::go_on`].
    Drained,
    /// The encoder says that its pictures change; it must be opened anew.
    Changed,
}

/// An encoder that runs. Stopped on drop, after which the camera has its buffers back.
#[derive(Debug)]
pub struct Encoder {
    raw: Queue,
    coded: Queue,
    // Mappings go before the device is closed; pictures that it reads go back after it was stopped (see `drop`).
    raw_planes: Vec<Vec<Writable>>,
    coded_planes: Vec<Mapping>,
    lent: Vec<Option<Held>>,
    exported: HashMap<(u32, usize), OwnedFd>,
    device: Device,
    /// What is copied, from where to where.
    lines: Vec<(Lines, Lines)>,
    planes: usize,
    plane_sizes: [u32; MAX_PLANES],
    import: bool,
    pairs: Pairs,
    force_keyframe: Option<Control>,
}

impl Encoder {
    /// Sets `device` up and starts it. What is not as asked is added to `notes`, in words.
    pub fn start(
        device: Device,
        wanted: &Wanted,
        notes: &mut Vec<String>,
    ) -> Result<Self, Refusal> {
        let failed = |what| move |failure| Refusal::Failed(what, failure);
        let kinds = Kinds::of(device.identity()).ok_or(Refusal::NoEncoder(wanted.coded))?;
        agree::set_coded_format(&device, kinds, wanted)?;
        let format = agree::set_raw_format(&device, kinds, wanted)?;
        let inside = agree::inside(&format, wanted)?;
        let (answer, planes) = (format, usize::from(format.planes()).min(MAX_PLANES));
        let _ = sys::set_interval(device.fd(), kinds.output, 1, wanted.rate.fps.max(1));
        if answer.size() != (wanted.raw.width, wanted.raw.height) {
            agree::crop(&device, kinds, wanted)?;
        }
        controls::apply(&device, wanted, notes);
        let lines = copies(&wanted.raw, &inside)?;
        if wanted.import && !wanted.raw.is_within(&inside) {
            let ([own, ..], [its, ..]) = (wanted.raw.strides, inside.strides);
            let (width, height) = (inside.width, inside.height);
            let why = format!(
                "it wants {width}x{height} with lines {its} bytes apart, there they are {own}"
            );
            return Err(Refusal::Import(why));
        }
        let (memory, count) = if wanted.import {
            (Memory::Imported, IMPORT_PLACES)
        } else {
            (Memory::Mapped, MOST_IN_FLIGHT as u32)
        };
        let (raw, raw_states) = Queue::request(&device, kinds.output, memory, count).map_err(
            |failure| match memory {
                Memory::Imported => Refusal::Import(failure.to_string()),
                Memory::Mapped => Refusal::Failed("asking for its buffers", failure),
            },
        )?;
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
        // Events are news where a driver has them: the flags in the buffers say the same.
        for kind in [event::END_OF_STREAM, event::SOURCE_CHANGE] {
            let _ = sys::subscribe(device.fd(), kind);
        }
        let force_keyframe = device
            .controls()
            .into_iter()
            .find(|control| control.id == id::FORCE_KEY_FRAME);
        let mut encoder = Self {
            lent: raw_states.iter().map(|_| None).collect(),
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
            pairs: Pairs::default(),
            force_keyframe,
        };
        encoder.begin().map_err(failed("starting it"))?;
        Ok(encoder)
    }

    fn begin(&mut self) -> Result<(), Failure> {
        self.fill_coded()?;
        self.coded.stream(&self.device, true)?;
        self.raw.stream(&self.device, true)
    }

    /// Gives the driver every buffer for coded pictures that it does not have.
    fn fill_coded(&mut self) -> Result<(), Failure> {
        while let Some(index) = self.coded.free(None) {
            self.coded
                .put(&self.device, index, [0; 2], &[PlaneState::default()])?;
        }
        Ok(())
    }

    /// True if a picture can go in: [`Encoder::put`] would not say [`Failure::Again`].
    pub fn has_room(&self) -> bool {
        self.raw.queued() < MOST_IN_FLIGHT && self.raw.free(None).is_some()
    }

    /// True while it has pictures that it has not given back.
    pub fn is_busy(&self) -> bool {
        self.raw.queued() > 0
    }

    /// How many pictures went in and have not come out.
    pub fn owes(&self) -> u64 {
        self.pairs.waiting()
    }

    /// Puts a picture in. [`Failure::Again`] if it has enough of them; a picture that was not taken is given back to the camera.
    pub fn put(&mut self, raw: Raw<'_>, captured_at: Timestamp) -> Result<(), Failure> {
        match raw {
            Raw::Held(held) if self.import => self.lend(held, captured_at),
            Raw::Bytes(_) if self.import => Err(Failure::Invalid),
            raw => self.copy(&raw, captured_at),
        }
    }

    fn lend(&mut self, held: Held, captured_at: Timestamp) -> Result<(), Failure> {
        // The same buffer of the camera in the same place each time: the driver then needs not look it up anew.
        let index = self
            .raw
            .free(Some(held.index()))
            .or_else(|| self.raw.free(None))
            .ok_or(Failure::Again)?;
        let mut planes = [PlaneState::default(); MAX_PLANES];
        for (number, plane) in planes.iter_mut().enumerate().take(self.planes) {
            let offset = held.data_offset(number);
            let used = held.plane_len(number).saturating_add(offset);
            let descriptor = self.exported(&held, number)?;
            *plane = PlaneState {
                bytes_used: u32::try_from(used).map_err(|_| Failure::Invalid)?,
                length: u32::try_from(held.plane_room(number)).map_err(|_| Failure::Invalid)?,
                data_offset: u32::try_from(offset).map_err(|_| Failure::Invalid)?,
                map_offset: descriptor,
            };
        }
        self.queue(index, captured_at, planes)?;
        if let Some(place) = self.lent.get_mut(index as usize) {
            *place = Some(held);
        }
        Ok(())
    }

    fn exported(&mut self, held: &Held, plane: usize) -> Result<u32, Failure> {
        let key = (held.index(), plane);
        let fd = match self.exported.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(held.export(plane)?),
        };
        u32::try_from(fd.as_raw_fd()).map_err(|_| Failure::Invalid)
    }

    fn copy(&mut self, raw: &Raw<'_>, captured_at: Timestamp) -> Result<(), Failure> {
        let index = self.raw.free(None).ok_or(Failure::Again)?;
        let pieces = self
            .raw_planes
            .get_mut(index as usize)
            .ok_or(Failure::Invalid)?;
        for (from, to) in &self.lines {
            if let Some(piece) = pieces.get_mut(to.piece) {
                copy_lines(raw, from, piece, to);
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
        self.queue(index, captured_at, planes)
    }

    fn queue(
        &mut self,
        index: u32,
        captured_at: Timestamp,
        planes: [PlaneState; MAX_PLANES],
    ) -> Result<(), Failure> {
        let stamp = self.pairs.put(captured_at);
        let planes = planes.get(..self.planes).unwrap_or_default();
        let queued = self.raw.put(&self.device, index, stamp, planes);
        if queued.is_err() {
            self.pairs.take_back();
        }
        queued
    }

    /// Takes back the pictures that it is done with: the camera gets its buffers. Returns how many of them it failed at.
    pub fn reclaim(&mut self) -> Result<u32, Failure> {
        let mut failed = 0;
        loop {
            match self.raw.take(&self.device) {
                Ok(state) => {
                    failed += u32::from(state.flags & FLAG_ERROR != 0);
                    if let Some(lent) = self.lent.get_mut(state.index as usize) {
                        *lent = None;
                    }
                }
                Err(Failure::Again) => return Ok(failed),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Takes the oldest thing that came out, and appends its bytes to `out`; [`Failure::Again`] when there is none.
    pub fn take(&mut self, out: &mut Vec<u8>) -> Result<Output, Failure> {
        if self.has_changed() {
            return Ok(Output::Changed);
        }
        let state = match self.coded.take(&self.device) {
            Ok(state) => state,
            Err(Failure::Drained) => return Ok(Output::Drained),
            Err(failure) => return Err(failure),
        };
        let output = self.judge(&state, out);
        if state.flags & FLAG_LAST == 0 {
            self.coded
                .put(&self.device, state.index, [0; 2], &[PlaneState::default()])?;
        }
        Ok(output)
    }

    fn judge(&mut self, state: &sys::BufferState, out: &mut Vec<u8>) -> Output {
        let [plane, ..] = state.planes;
        let (start, end) = (plane.data_offset as usize, plane.bytes_used as usize);
        let has_bytes = end > start;
        if state.flags & FLAG_ERROR != 0 {
            // It has been seen to; whoever waits for it waits in vain.
            self.pairs.take(state.time);
            return Output::Damaged;
        }
        if !has_bytes {
            return if state.flags & FLAG_LAST != 0 {
                Output::Drained
            } else {
                // A driver's way to say that it has dropped the picture.
                match self.pairs.take(state.time) {
                    Pair::Picture { .. } => Output::Damaged,
                    Pair::Again { .. } | Pair::None => Output::Empty,
                }
            };
        }
        if let Some(mapping) = self.coded_planes.get(state.index as usize) {
            mapping.append_to(start..end, out);
        }
        match self.pairs.take(state.time) {
            Pair::Picture {
                captured_at,
                dropped,
            } => Output::Picture {
                captured_at,
                is_keyframe: state.flags & FLAG_KEYFRAME != 0,
                dropped,
            },
            Pair::Again { captured_at } => Output::More { captured_at },
            Pair::None => Output::Headers,
        }
    }

    fn has_changed(&self) -> bool {
        let mut has_changed = false;
        // No driver has more of them than this at once.
        for _ in 0..16 {
            match sys::next_event(self.device.fd(), self.raw.time_width()) {
                Ok(kind) => has_changed |= kind == event::SOURCE_CHANGE,
                Err(_) => break,
            }
        }
        has_changed
    }

    /// Asks for an IDR picture; false if the driver has no control for that.
    pub fn force_keyframe(&self) -> Result<bool, Failure> {
        match &self.force_keyframe {
            Some(control) => self.device.set(control, 1).map(|_| true),
            None => Ok(false),
        }
    }

    /// True if it makes keyframes on request.
    pub fn can_force_keyframe(&self) -> bool {
        self.force_keyframe.is_some()
    }

    /// Asks it to finish all that it has: [`Output::Drained`] comes behind the last picture.
    pub fn drain(&mut self) -> Result<(), Failure> {
        sys::command(self.device.fd(), command::STOP)
    }

    /// Goes on after it was drained.
    pub fn go_on(&mut self) -> Result<(), Failure> {
        sys::command(self.device.fd(), command::START)?;
        self.fill_coded()
    }

    /// Begins anew with a keyframe and parameter sets; what it has is lost. Returns how many pictures that were.
    pub fn reset(&mut self) -> Result<u32, Failure> {
        self.stop();
        self.begin()?;
        Ok(self.pairs.clear())
    }

    fn stop(&mut self) {
        // A device that is gone says ENODEV: there is nothing left to stop.
        let _ = self.raw.stream(&self.device, false);
        let _ = self.coded.stream(&self.device, false);
        self.lent.fill_with(|| None);
    }

    /// True if it reads pictures from the camera's buffers.
    pub fn is_importing(&self) -> bool {
        self.import
    }

    /// The device, for its name and controls.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Changes the bits per second while it runs; `None` if the driver has no control for that.
    pub fn set_bitrate(&self, bits_per_second: u32) -> Option<Result<i64, Failure>> {
        let controls = self.device.controls();
        let control = controls.iter().find(|control| control.id == id::BITRATE)?;
        Some(self.device.set(control, bits_per_second.into()))
    }

    /// To be waited on, for [`Encoder::WAIT_FOR`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.device.fd()
    }

    /// A coded picture, a raw one that it is done with, an event.
    pub const WAIT_FOR: PollFlags = PollFlags::IN.union(PollFlags::OUT).union(PollFlags::PRI);
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.stop();
    }
}

fn map_raw(device: &Device, state: &sys::BufferState) -> Result<Vec<Writable>, Failure> {
    // Planes that there are not have no length.
    let planes = state.planes.iter().take_while(|plane| plane.length > 0);
    planes
        .map(|plane| Mapping::writable(device.fd(), plane.map_offset, plane.length as usize))
        .collect()
}

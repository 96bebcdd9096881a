//! Parameter sets by id, for parsing slice headers.

use super::bits::Error;
use super::nal::{NalHeader, NalUnitType};
use super::pps::Pps;
use super::sps::Sps;

/// The newest set of each id.
#[derive(Clone, Debug)]
pub struct ParameterSets {
    sps: Vec<Option<Sps>>,
    pps: Vec<Option<Pps>>,
}

impl Default for ParameterSets {
    fn default() -> Self {
        Self {
            sps: vec![None; 32],
            pps: vec![None; 256],
        }
    }
}

impl ParameterSets {
    /// Adds `nal` if it is a parameter set. An unreadable one changes nothing.
    pub fn add(&mut self, nal: &[u8]) {
        match NalHeader::of(nal).map(NalHeader::unit_type) {
            Some(NalUnitType::Sps) => drop(Sps::parse(nal).map(|sps| self.put_sps(sps))),
            Some(NalUnitType::Pps) => drop(Pps::parse(nal).map(|pps| self.put_pps(pps))),
            _ => {}
        }
    }

    /// Replaces the sequence parameter set of the same id.
    pub fn put_sps(&mut self, sps: Sps) {
        if let Some(slot) = self.sps.get_mut(usize::from(sps.id)) {
            *slot = Some(sps);
        }
    }

    /// Replaces the picture parameter set of the same id.
    pub fn put_pps(&mut self, pps: Pps) {
        if let Some(slot) = self.pps.get_mut(usize::from(pps.id)) {
            *slot = Some(pps);
        }
    }

    /// Returns the sequence parameter set `id`.
    pub fn sps(&self, id: u8) -> Option<&Sps> {
        self.sps.get(usize::from(id))?.as_ref()
    }

    /// Returns the picture parameter set `id`.
    pub fn pps(&self, id: u8) -> Option<&Pps> {
        self.pps.get(usize::from(id))?.as_ref()
    }

    /// Returns the picture parameter set `id` and its sequence parameter set.
    pub fn of_picture(&self, id: u32) -> Result<(&Pps, &Sps), Error> {
        let pps = self
            .pps
            .get(id as usize)
            .and_then(Option::as_ref)
            .ok_or(Error::Missing("pic_parameter_set_id"))?;
        let sps = self
            .sps
            .get(usize::from(pps.sps_id))
            .and_then(Option::as_ref)
            .ok_or(Error::Missing("seq_parameter_set_id"))?;
        Ok((pps, sps))
    }
}

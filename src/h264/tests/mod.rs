//! Tests of the whole module, and the streams that the tests of its files are made of.

mod conformance;
pub(crate) mod synthetic;

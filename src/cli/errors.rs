//! Collects the errors of the settings, so that a check can report all of them.

use super::Error;
use std::cell::RefCell;

/// Errors in the order in which they were found; each text once.
#[derive(Default)]
pub(super) struct Errors(RefCell<Vec<Error>>);

impl Errors {
    /// Adds an error, unless it is there already: an option counts for each camera.
    pub(super) fn push(&self, error: Error) {
        let mut all = self.0.borrow_mut();
        if !all.contains(&error) {
            all.push(error);
        }
    }

    /// Returns the value of `result`, or adds its error.
    pub(super) fn keep<T>(&self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Returns the first error.
    pub(super) fn first(&self) -> Option<Error> {
        self.0.borrow().first().cloned()
    }

    /// Returns the first error, which prevents a start.
    pub(super) fn into_first(self) -> Error {
        let first = self.first();
        first.unwrap_or_else(|| Error("the configuration cannot be used".to_owned()))
    }

    /// Returns all errors.
    pub(super) fn into_all(self) -> Vec<Error> {
        self.0.into_inner()
    }
}

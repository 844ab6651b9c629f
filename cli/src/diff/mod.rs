//! What a change of policies changes: the same questions to two images.

mod answer;
mod boundary;
mod questions;

pub(crate) use answer::{Change, Outcome, compare};
pub(crate) use questions::{cross, of_tests, recorded};

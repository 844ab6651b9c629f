//! What a change of policies changes: the same questions to two images.

mod answer;
mod boundary;
mod cross;
mod nodes;
mod questions;
mod sample;
mod vary;

pub(crate) use answer::{Change, Outcome, compare};
pub(crate) use cross::cross;
pub(crate) use questions::{of_tests, recorded};

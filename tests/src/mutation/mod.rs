//! Tokens made up at random, good ones and ones changed in every place, to hold our verdict against those of other libraries.
//!
//! What is changed follows from a seed and a number; keys and time are those of the run.

mod claims;
mod draft;
mod header;
mod members;
mod signature;
mod table;
mod tally;
mod text;
mod verdicts;

pub use draft::{Case, case};
pub use table::{RULES, Rule};
pub use tally::Tally;
pub use verdicts::{Jose, JsonWebToken, Keys, Library, Ours};

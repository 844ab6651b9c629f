//! Policies, entities and requests made up at random, to hold our answers against the official crate's.
//!
//! A case follows from a seed and its number alone, and is a JSON value in the form that `countersign eval --cases` reads.

mod condition;
mod expression;
mod policy;
mod random;
mod shrink;
mod world;

pub use random::Random;
pub use shrink::shrink;

use serde_json::{Value, json};
use world::World;

/// The case `number` of `seed`.
pub fn case(seed: u64, number: u64) -> Value {
    let mut random = Random::new(seed, number);
    let world = World::new(&mut random);
    let mut case = json!({ "id": format!("{seed}-{number}") });
    policy::add(&mut case, &mut random);
    if world.typed {
        case["schema"] = world::schema().into();
    }
    case["entities"] = world.entities(&mut random);
    let requests = 6 + random.below(11);
    case["requests"] = (0..requests).map(|_| world.request(&mut random)).collect();
    case
}

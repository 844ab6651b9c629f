//! What the gateway makes of the policies' answer, in one set of words.

use countersign_core::policy::{Image, Outcome, Ruling};

/// Every ruling by name, as explanations, tables and differences have it.
pub(crate) const RULINGS: [&str; 4] = ["permitted", "forbidden", "forbid_errored", "not_permitted"];

/// The name of a ruling: one of [`RULINGS`].
pub(crate) fn ruling(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Permitted => "permitted",
        Ruling::Forbidden => "forbidden",
        Ruling::ForbidErrored => "forbid_errored",
        Ruling::NotPermitted => "not_permitted",
    }
}

/// The ruling for people, with the policies that it comes from.
pub(crate) fn ruling_words(image: &Image, outcome: &Outcome) -> String {
    let names = |indices: &mut dyn Iterator<Item = u32>| {
        let mut names: Vec<&str> =
            indices.filter_map(|index| image.policy(index)).map(|policy| policy.id()).collect();
        names.sort_unstable();
        names.join(", ")
    };
    let determining = || names(&mut outcome.determining().iter());
    match outcome.ruling() {
        Ruling::Permitted => format!("permitted by {}", determining()),
        Ruling::Forbidden => format!("forbidden by {}", determining()),
        Ruling::NotPermitted => String::from("not permitted"),
        Ruling::ForbidErrored => {
            let failed = outcome.errors().iter().map(|error| error.policy);
            let mut forbids = failed.filter(|index| {
                image
                    .policy(*index)
                    .is_some_and(|policy| policy.effect() == countersign_core::policy::Effect::Forbid)
            });
            format!("the gateway denies: a forbid failed: {}", names(&mut forbids))
        }
    }
}

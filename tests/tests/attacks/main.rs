//! The attack catalogue: attacks by name, each built here and refused with the reason that it should be, beside controls
//! that must be let through, so that refusing everything is no answer.
//!
//! `cargo test -p countersign-tests --test attacks -- --nocapture` prints the summary.

mod caches;
mod catalogue;
mod claims;
mod delegation;
mod dpop;
mod forge;
mod headers;
mod holders;
mod keys;
mod mapped;
mod paths;
mod peers;
mod profiles;
mod requests;
mod signatures;
mod tokens;

use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use catalogue::Catalogue;

/// Tried once for all tests.
static TRIED: LazyLock<Result<Catalogue, String>> =
    LazyLock::new(|| try_all().map_err(|error| format!("{error:#}")));

/// What its attacks are on, and what tries them.
type Category = (&'static str, fn(&mut Catalogue) -> Result<()>);

fn try_all() -> Result<Catalogue> {
    let mut catalogue = Catalogue::default();
    let categories: &[Category] = &[
        ("tokens", tokens::add),
        ("headers", headers::add),
        ("signatures", signatures::add),
        ("claims", claims::add),
        ("mapped claims", mapped::add),
        ("keys", keys::add),
        ("proofs", dpop::add),
        ("holders", holders::add),
        ("peers", peers::add),
        ("delegation", delegation::add),
        ("profiles", profiles::add),
        ("requests", requests::add),
        ("paths", paths::add),
        ("caches", caches::add),
    ];
    for (name, add) in categories {
        add(&mut catalogue).with_context(|| format!("the attacks on {name}"))?;
    }
    Ok(catalogue)
}

fn tried() -> &'static Catalogue {
    match &*TRIED {
        Ok(catalogue) => catalogue,
        Err(error) => panic!("the catalogue could not be tried: {error}"),
    }
}

#[test]
fn attacks_are_refused_for_their_reasons_and_controls_accepted() {
    let catalogue = tried();
    println!("{}", catalogue.summary());
    let faults = catalogue.faults();
    assert!(faults.is_empty(), "{}\n{}\n", catalogue.summary(), faults.join("\n"));
}

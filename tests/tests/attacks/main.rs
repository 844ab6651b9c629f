//! The attack catalogue: attacks by name, each built here and refused with the reason that it should be, beside controls
//! that must be let through, so that refusing everything is no answer.
//!
//! `cargo test -p countersign-tests --test attacks -- --nocapture` prints the summary.

mod advisories;
mod caches;
mod callers;
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
mod rfc8725;
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
        ("callers", callers::add),
        ("advisories", advisories::add),
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

#[test]
fn there_are_many_of_both() {
    let (attacks, controls) = tried().counts();
    assert!(attacks >= 1_700 && controls >= 200, "{attacks} attacks and {controls} controls");
}

#[test]
fn every_clause_of_rfc_8725_is_shown() {
    let faults = rfc8725::faults(tried());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_page_tells_the_same_clauses_as_the_table() -> Result<()> {
    let told = rfc8725::told()?;
    let shown: Vec<(String, Vec<String>)> = rfc8725::CLAUSES
        .iter()
        .map(|(clause, ids)| ((*clause).to_owned(), ids.iter().map(|id| (*id).to_owned()).collect()))
        .collect();
    assert_eq!(told, shown);
    Ok(())
}

/// Those that `SECURITY.md` lists, and that a request, a key set or a configuration can replay.
#[test]
fn every_advisory_that_is_told_is_replayed() -> Result<()> {
    let page = std::fs::read_to_string(countersign_tests::root().join("SECURITY.md"))?;
    let names: std::collections::BTreeSet<&str> = page
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'))
        .filter(|word| ["CVE-", "GHSA-", "ISTIO-SECURITY-"].iter().any(|start| word.starts_with(start)))
        .collect();
    assert!(names.len() >= 25, "{names:?}");
    let entries = &tried().entries;
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| !entries.iter().any(|entry| entry.id.starts_with(&format!("advisory/{name}-"))))
        .collect();
    assert!(missing.is_empty(), "not in the catalogue: {missing:?}");
    Ok(())
}

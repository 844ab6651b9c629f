//! Published cases that take a whole gateway: times, and tokens bound to certificates.

use anyhow::{Context as _, Result};
use countersign_core::time::Timestamp;
use countersign_tests::mint::with;
use countersign_tests::vectors::{Verdicts, load};
use countersign_tests::world::{Ask, World};
use serde_json::{Value, json};

/// Google's verdicts on `exp` and `nbf`, and ours where we are stricter.
#[test]
fn jwt_verify_lib_times() -> Result<()> {
    let Some(set) = load("jwt_verify_lib/cases.json") else { return Ok(()) };
    let mut verdicts = Verdicts::default();
    for (at, case) in set["time"].as_array().context("a list")?.iter().enumerate() {
        let theirs = match case["expected"].as_str().context("a verdict")? {
            "Ok" => "allow",
            "JwtExpired" => "token.expired",
            "JwtNotYetValid" => "token.not_yet_valid",
            other => other,
        };
        let stricter = match (&case["exp"], case["now"].as_i64()) {
            // A clock at the epoch is none.
            (_, Some(0)) => Some("system.internal"),
            // A token that never expires is refused: nothing could take it back.
            (Value::Null, _) => Some("token.expiry.missing"),
            _ => None,
        };
        let mut world = World::configured(|config| {
            config["issuers"][0]["clock_skew_seconds"] = case["clock_skew"].clone();
            config["issuers"][0]["max_lifetime_seconds"] = json!(86_400);
        })?;
        world.set_now(Timestamp::from_secs(case["now"].as_i64().unwrap_or(i64::MAX)));
        let changes = json!({ "iat": null, "exp": case["exp"], "nbf": case["nbf"] });
        let token = world.key.sign(&with(&world.claims(), changes))?;
        let found = world.verdict(&Ask::read().bearer(&token));
        verdicts.case(at, stricter.unwrap_or(theirs), &found);
    }
    verdicts.finish("jwt_verify_lib times", 5, 11);
    Ok(())
}

/// RFC 8705 appendix A: the certificate is the one that `cnf` names, and no other.
#[test]
fn rfc_8705_certificate() -> Result<()> {
    let Some(set) = load("rfc-vectors/vectors.json") else { return Ok(()) };
    let mut verdicts = Verdicts::default();
    let cases = set.as_array().context("a list")?.iter().filter(|case| case["kind"] == "x5t#S256");
    for case in cases {
        let name = case["name"].as_str().unwrap_or_default();
        let digest = case["xfcc_hash"].as_str().context("a digest")?;
        let mut world = World::new()?;
        let token = world.key.sign(&with(&world.claims(), json!({ "cnf": case["cnf"] })))?;
        let ask = Ask::read().bearer(&token);
        verdicts.case(name, "allow", &world.verdict(&ask.clone().with_certificate(digest)));
        let other = digest.replace('0', "1");
        let found = world.verdict(&ask.with_certificate(&other));
        verdicts.case(format!("{name}, by another certificate"), "binding.certificate.mismatch", &found);
    }
    verdicts.finish("rfc-vectors x5t#S256", 1, 1);
    Ok(())
}

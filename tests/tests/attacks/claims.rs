//! The registered claims: types, times, audiences, issuers, subjects.

use anyhow::Result;
use countersign_tests::mint;
use countersign_tests::world::{Ask, ISSUER, START};
use serde_json::json;

use crate::catalogue::{Catalogue, STRIPPED};
use crate::forge::{self, Bench, sound, token};

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::new()?;
    types(catalogue, &mut bench)?;
    numbers(catalogue, &mut bench)?;
    times(catalogue, &mut bench)?;
    audiences(catalogue, &mut bench)?;
    issuers(catalogue, &mut bench)?;
    subjects(catalogue, &mut bench)
}

fn types(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let kinds = [
        ("null", "null"),
        ("boolean", "true"),
        ("number", "1790000100"),
        ("text", "\"1790000100\""),
        ("array", "[1790000100]"),
        ("object", r#"{"value":1790000100}"#),
    ];
    for claim in ["iss", "sub", "aud", "jti", "exp", "nbf", "iat", "auth_time", "acr", "client_id", "azp"] {
        let date = matches!(claim, "exp" | "nbf" | "iat" | "auth_time");
        for (kind, raw) in kinds {
            // What has the right type is tried elsewhere.
            if kind == if date { "number" } else { "text" } {
                continue;
            }
            let found = bench.claim(claim, raw)?;
            catalogue.attack(format!("claim/{claim}-is-{kind}"), "token.claims", found);
        }
    }
    for (kind, raw) in kinds {
        catalogue.attack(format!("claim/cnf-is-{kind}"), cnf(kind), bench.claim("cnf", raw)?);
    }
    catalogue
        .control("claim/extra-claims", bench.claims(json!({ "email": "a@b", "x": { "y": [1, null] } }))?);
    Ok(())
}

/// An object that names no binding is one that is not understood.
fn cnf(kind: &str) -> &'static str {
    if kind == "object" { "binding.unsupported" } else { "token.claims" }
}

/// RFC 7519 §2: a NumericDate is any JSON number, with fraction or exponent.
fn numbers(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    for (id, raw) in [
        ("fraction", "1790000300.25"),
        ("fraction-of-zero", "1790000300.0"),
        ("exponent", "1.7900003e9"),
        ("exponent-with-plus", "1.7900003E+9"),
        ("exponent-of-zero", "1790000300e0"),
        ("exponent-below-zero", "179000030000e-2"),
        ("exponent-on-an-integer", "17900003e2"),
        ("long-fraction", &format!("1790000300.{}1", "0".repeat(300))),
        ("leading-zeros-of-a-fraction", "0.17900003e10"),
        ("nanosecond-within-the-skew", "1789999990.000000001"),
    ] {
        catalogue.control(format!("claim/exp-{id}"), bench.claim("exp", raw)?);
    }
    for (id, raw) in [("fraction", "1790000000.5"), ("exponent", "1.79e9"), ("at-the-skew", "1790000010.0")] {
        catalogue.control(format!("claim/iat-{id}"), bench.claim("iat", raw)?);
        catalogue.control(format!("claim/nbf-{id}"), bench.claim("nbf", raw)?);
    }
    catalogue.control("claim/nbf-zero", bench.claim("nbf", "0")?);
    catalogue.control("claim/nbf-below-zero", bench.claim("nbf", "-1.5")?);
    for (id, raw, expected) in [
        ("too-large-for-a-double", "1e400", "token.claims"),
        ("far-too-large-for-a-double", "1e999999999999", "token.claims"),
        ("below-minus-all", "-1e400", "token.claims"),
        ("after-the-year-9999", "253402300800", "token.claims"),
        ("milliseconds", "1790000300000", "token.claims"),
        ("sixty-four-bits", "18446744073709551616", "token.claims"),
        ("i64-max", "9223372036854775807", "token.claims"),
        ("a-thousand-digits", &"9".repeat(1_000), "token.claims"),
        ("text-with-exponent", "\"1.79e9\"", "token.claims"),
        ("nan", "NaN", "token.malformed"),
        ("infinity", "Infinity", "token.malformed"),
        ("nan-as-text", "\"NaN\"", "token.claims"),
        ("date-as-text", "\"2026-09-21T14:18:20Z\"", "token.claims"),
        ("empty-text", "\"\"", "token.claims"),
        ("false", "false", "token.claims"),
        ("zero", "0", "token.expired"),
        ("minus-zero", "-0", "token.expired"),
        ("below-zero", "-1", "token.expired"),
        ("next-to-nothing", "1e-400", "token.expired"),
        ("i32-wrap", "-2147483648", "token.expired"),
        ("thousand-times-too-small", "1790000.3", "token.expired"),
        ("year-9999", "253402300799", "token.lifetime"),
    ] {
        catalogue.attack(format!("claim/exp-{id}"), expected, bench.claim("exp", raw)?);
    }
    Ok(())
}

fn times(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    for (id, changes) in [
        ("expired-within-the-skew", json!({ "exp": START - 9 })),
        ("longest-life", json!({ "exp": START + 600 })),
        ("without-iat", json!({ "iat": null })),
        ("without-jti", json!({ "jti": null })),
    ] {
        catalogue.control(format!("claim/{id}"), bench.claims(changes)?);
    }
    for (id, changes, expected) in [
        ("exp-missing", json!({ "exp": null }), "token.expiry.missing"),
        ("exp-by-another-case", json!({ "exp": null, "EXP": START + 300 }), "token.expiry.missing"),
        ("exp-now", json!({ "exp": START - 10 }), "token.expired"),
        ("exp-long-ago", json!({ "exp": START - 86_400 }), "token.expired"),
        ("nbf-a-second-beyond-the-skew", json!({ "nbf": START + 11 }), "token.not_yet_valid"),
        ("nbf-tomorrow", json!({ "nbf": START + 86_400 }), "token.not_yet_valid"),
        ("nbf-in-two-hundred-years", json!({ "nbf": 8_100_000_000_i64 }), "token.not_yet_valid"),
        ("iat-a-second-beyond-the-skew", json!({ "iat": START + 11 }), "token.issued_in_future"),
        ("iat-in-two-hundred-years", json!({ "iat": 8_100_000_000_i64 }), "token.issued_in_future"),
        ("life-a-second-too-long", json!({ "exp": START + 601 }), "token.lifetime"),
        ("life-by-an-old-iat", json!({ "iat": START - 500 }), "token.lifetime"),
        ("life-by-iat-zero", json!({ "iat": 0 }), "token.lifetime"),
        ("life-by-iat-before-the-epoch", json!({ "iat": -9_000_000_000_i64 }), "token.lifetime"),
        ("life-without-iat", json!({ "iat": null, "exp": START + 611 }), "token.lifetime"),
        ("life-by-iat-in-the-skew", json!({ "iat": START + 10, "exp": START + 611 }), "token.lifetime"),
    ] {
        catalogue.attack(format!("claim/{id}"), expected, bench.claims(changes)?);
    }
    let beyond = bench.claim("exp", "1789999990.0")?;
    catalogue.attack("claim/exp-at-the-end-of-the-skew", "token.expired", beyond);
    let beyond = bench.claim("nbf", "1790000010.000000001")?;
    catalogue.attack("claim/nbf-a-nanosecond-beyond-the-skew", "token.not_yet_valid", beyond);
    let beyond = bench.claim("iat", "1790000010.000000001")?;
    catalogue.attack("claim/iat-a-nanosecond-beyond-the-skew", "token.issued_in_future", beyond);
    Ok(())
}

fn audiences(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let sixty_three: Vec<String> = (0..63).map(|n| format!("a{n}")).collect();
    let with_ours: Vec<&str> = sixty_three.iter().map(String::as_str).chain(["bank"]).collect();
    let too_many: Vec<&str> = with_ours.iter().copied().chain(["more"]).collect();
    for (id, audience) in [
        ("one", json!("bank")),
        ("the-other-one", json!("https://bank.example")),
        ("in-an-array", json!(["bank"])),
        ("last-of-sixty-four", json!(with_ours)),
        ("twice", json!(["bank", "bank"])),
    ] {
        catalogue.control(format!("claim/aud-{id}"), bench.claims(json!({ "aud": audience }))?);
    }
    catalogue.attack("claim/aud-missing", "token.audience", bench.claims(json!({ "aud": null }))?);
    for (id, audience, expected) in [
        ("prefix", json!("ban"), "token.audience"),
        ("longer", json!("bank2"), "token.audience"),
        ("substring", json!("my bank account"), "token.audience"),
        ("capitals", json!("BANK"), "token.audience"),
        ("confusable", json!("b\u{0430}nk"), "token.audience"),
        ("full-width", json!("\u{ff42}ank"), "token.audience"),
        ("combining", json!("bank\u{0301}"), "token.audience"),
        ("empty", json!(""), "token.audience"),
        ("space-before", json!(" bank"), "token.audience"),
        ("space-behind", json!("bank "), "token.audience"),
        ("nul-behind", json!("bank\0"), "token.audience"),
        ("nul-and-more", json!("bank\0.evil.example"), "token.audience"),
        ("list-in-a-text", json!("bank,other"), "token.audience"),
        ("words-in-a-text", json!("other bank"), "token.audience"),
        ("json-in-a-text", json!("[\"bank\"]"), "token.audience"),
        ("wildcard", json!("*"), "token.audience"),
        ("slash-behind", json!("https://bank.example/"), "token.audience"),
        ("host-in-capitals", json!("https://BANK.example"), "token.audience"),
        ("port", json!("https://bank.example:443"), "token.audience"),
        ("another-scheme", json!("http://bank.example"), "token.audience"),
        ("subdomain", json!("https://bank.example.evil.example"), "token.audience"),
        ("userinfo", json!("https://bank.example@evil.example"), "token.audience"),
        ("escaped", json!("https://b%61nk.example"), "token.audience"),
        ("empty-array", json!([]), "token.audience"),
        ("others", json!(["a", "b"]), "token.audience"),
        ("array-with-a-wildcard", json!(["*"]), "token.audience"),
        ("nested-array", json!([["bank"]]), "token.claims"),
        ("null-beside-ours", json!([null, "bank"]), "token.claims"),
        ("number-beside-ours", json!(["bank", 7]), "token.claims"),
        ("object-beside-ours", json!(["bank", {}]), "token.claims"),
        ("object", json!({ "bank": true }), "token.claims"),
        ("sixty-five", json!(too_many), "token.claims"),
    ] {
        catalogue.attack(format!("claim/aud-{id}"), expected, bench.claims(json!({ "aud": audience }))?);
    }
    Ok(())
}

fn issuers(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    catalogue.attack("claim/iss-missing", "token.issuer.missing", bench.claims(json!({ "iss": null }))?);
    for (id, issuer) in [
        ("another", "https://evil.example".to_owned()),
        ("slash-behind", format!("{ISSUER}/")),
        ("path", format!("{ISSUER}/x")),
        ("dot-path", format!("{ISSUER}/.")),
        ("capitals", ISSUER.replace("issuer", "ISSUER")),
        ("scheme-in-capitals", ISSUER.replace("https", "HTTPS")),
        ("another-scheme", ISSUER.replace("https", "http")),
        ("without-scheme", ISSUER.replace("https://", "")),
        ("port", format!("{ISSUER}:443")),
        ("userinfo", ISSUER.replace("//", "//u@")),
        ("userinfo-in-front", format!("{ISSUER}@evil.example")),
        ("subdomain", format!("{ISSUER}.evil.example")),
        ("dot-behind", format!("{ISSUER}.")),
        ("query", format!("{ISSUER}?")),
        ("fragment", format!("{ISSUER}#")),
        ("escaped", ISSUER.replace("issuer", "%69ssuer")),
        ("confusable", ISSUER.replace('a', "\u{0430}")),
        ("full-width", ISSUER.replace("://", ":\u{ff0f}\u{ff0f}")),
        ("punycode", ISSUER.replace("bank", "xn--bank-2oa")),
        ("space-before", format!(" {ISSUER}")),
        ("space-behind", format!("{ISSUER} ")),
        ("line-end-behind", format!("{ISSUER}\n")),
        ("nul-behind", format!("{ISSUER}\0")),
        ("zero-width", format!("{ISSUER}\u{200b}")),
        ("prefix", ISSUER.trim_end_matches('e').to_owned()),
        ("wildcard", "*".to_owned()),
        ("empty", String::new()),
        ("list", format!("{ISSUER},https://evil.example")),
        ("long", format!("{ISSUER}{}", "/".repeat(3_000))),
    ] {
        let found = bench.claims(json!({ "iss": issuer }))?;
        catalogue.attack(format!("claim/iss-{id}"), "token.issuer.unknown", found);
    }
    Ok(())
}

fn subjects(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    catalogue.attack("claim/sub-missing", "token.subject.missing", bench.claims(json!({ "sub": null }))?);
    catalogue.attack("claim/sub-empty", "token.subject.missing", bench.claims(json!({ "sub": "" }))?);
    for (id, name) in [("unicode", "Zo\u{eb}"), ("long", &"s".repeat(2_000)), ("space", "a b")] {
        catalogue.control(format!("claim/sub-{id}"), bench.claims(json!({ "sub": name }))?);
    }
    for (id, name, upstream) in [
        ("line-ends", "a\r\nx-admin: 1", "a%0D%0Ax-admin:%201"),
        ("nul", "alice\0", "alice%00"),
        ("escaped-already", "a%0d", "a%250d"),
        ("beyond-ascii", "\u{202e}ecila", "%E2%80%AEecila"),
        ("delete", "a\u{7f}", "a%7F"),
    ] {
        let claims = mint::with(&bench.world.claims(), json!({ "sub": name }));
        let text = token(&bench.world.key, forge::header(json!({})).to_string(), claims.to_string())?;
        let answer = bench.world.ask(&Ask::read().bearer(&text));
        let safe = sound(&answer) == "allow" && answer.added("x-countersign-subject") == Some(upstream);
        let found = if safe { STRIPPED.to_owned() } else { format!("{:?}", answer.edits) };
        catalogue.attack(format!("claim/sub-breaks-out-by-{id}"), STRIPPED, found);
    }
    Ok(())
}

//! Paths that somebody behind the gateway could read in another way.

use anyhow::Result;
use countersign_tests::world::Ask;
use serde_json::json;

use crate::catalogue::{Catalogue, NOT_LOADED};
use crate::forge::Bench;

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::new()?;
    canonical(catalogue, &mut bench)?;
    ambiguous(catalogue, &mut bench)?;
    round_a_rule(catalogue, &mut bench)?;
    let opened =
        json!({ "allow_encoded_slash": true, "allow_semicolon": true, "allow_trailing_slash": true });
    // With slashes inside of them, two parameters of one resource could not be told apart.
    let loaded = Bench::configured(|config| config["paths"] = opened.clone());
    let found = if loaded.is_err() { NOT_LOADED } else { "loaded" };
    catalogue.attack("path/opted-in-where-ids-would-be-ambiguous", NOT_LOADED, found);
    let mut bench = Bench::configured(|config| {
        config["paths"] = opened;
        for route in 0..2 {
            config["routes"][route]["resource"]["id"] = json!("{account}");
        }
    })?;
    opted_in(catalogue, &mut bench)
}

/// A read of this target, which need not be text.
fn target(bench: &mut Bench, target: &[u8]) -> Result<String> {
    let mut ask = Ask::read().bearer(&bench.world.token()?);
    for (name, value) in &mut ask.headers {
        if name == b":path" {
            *value = target.to_vec();
        }
    }
    Ok(bench.ask(&ask))
}

fn canonical(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    for (id, path) in [
        ("plain", "/tenants/acme/accounts/a1"),
        ("escaped-space", "/tenants/acme/accounts/a%20b"),
        ("escaped-letter-beyond-ascii", "/tenants/acme/accounts/%C3%A9"),
        ("escape-in-small-letters", "/tenants/acme/accounts/%c3%a9"),
        ("dots-within-a-name", "/tenants/acme/accounts/a..b"),
        ("three-dots", "/tenants/acme/accounts/..."),
        ("dot-before-a-name", "/tenants/acme/accounts/.a"),
        ("sub-delimiters", "/tenants/acme/accounts/a+b,c=d&e!f$g'h(i)j*k:l@m"),
        ("query-with-a-slash", "/tenants/acme/accounts/a1?x=/../y"),
        ("escaped-percent-sign", "/tenants/acme/accounts/100%25"),
    ] {
        catalogue.control(format!("path/{id}"), target(bench, path.as_bytes())?);
    }
    Ok(())
}

fn ambiguous(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let long = format!("/tenants/acme/accounts/{}", "a".repeat(9_000));
    let deep = "/a".repeat(65);
    for (id, path) in [
        ("two-slashes-first", &b"//tenants/acme/accounts/a1"[..]),
        ("two-slashes-within", b"/tenants//acme/accounts/a1"),
        ("two-slashes-last", b"/tenants/acme/accounts/a1//"),
        ("slash-last", b"/tenants/acme/accounts/a1/"),
        ("dot-segment", b"/tenants/./acme/accounts/a1"),
        ("dot-segment-last", b"/tenants/acme/accounts/a1/."),
        ("dots-segment", b"/tenants/other/../acme/accounts/a1"),
        ("dots-segment-first", b"/../tenants/acme/accounts/a1"),
        ("dots-segment-last", b"/tenants/acme/accounts/a1/.."),
        ("dot-escaped", b"/tenants/%2e/acme/accounts/a1"),
        ("dots-escaped", b"/tenants/other/%2e%2e/acme/accounts/a1"),
        ("dots-escaped-in-capitals", b"/tenants/other/%2E%2E/acme/accounts/a1"),
        ("dots-half-escaped", b"/tenants/other/.%2e/acme/accounts/a1"),
        ("dots-and-a-parameter", b"/tenants/other/..;/acme/accounts/a1"),
        ("dots-and-an-escaped-parameter", b"/tenants/other/..%3b/acme/accounts/a1"),
        ("dots-and-a-nul", b"/tenants/other/..%00/acme/accounts/a1"),
        ("dots-and-a-space", b"/tenants/other/..%20/../acme/accounts/a1"),
        ("slash-escaped", b"/tenants/acme%2Faccounts/a1"),
        ("slash-escaped-in-small-letters", b"/tenants/acme%2faccounts/a1"),
        ("slash-escaped-in-a-name", b"/tenants/acme/accounts/a1%2Fx"),
        ("slash-escaped-with-dots", b"/tenants/acme/accounts/a1%2F..%2Fa2"),
        ("backslash", b"/tenants/acme/accounts\\a1"),
        ("backslash-and-dots", b"/tenants/acme/accounts/a1\\..\\a2"),
        ("backslash-first", b"\\tenants/acme/accounts/a1"),
        ("backslash-escaped", b"/tenants/acme/accounts/a1%5Cx"),
        ("backslash-escaped-in-small-letters", b"/tenants/acme/accounts/a1%5cx"),
        ("parameter", b"/tenants/acme/accounts/a1;jsessionid=1"),
        ("parameter-within", b"/tenants;x=y/acme/accounts/a1"),
        ("parameter-alone", b"/tenants/acme/;/accounts/a1"),
        ("parameter-escaped", b"/tenants/acme/accounts/a1%3Bx"),
        ("fragment", b"/tenants/acme/accounts/a1#x"),
        ("fragment-before", b"/healthz#/tenants/acme/accounts/a1"),
        ("letter-escaped", b"/tenants/acme/accounts/%611"),
        ("letter-escaped-in-a-literal", b"/ten%61nts/acme/accounts/a1"),
        ("dash-escaped", b"/tenants/acme/accounts/a%2D1"),
        ("tilde-escaped", b"/tenants/acme/accounts/%7Ea"),
        ("escaped-twice", b"/tenants/acme/accounts/%2561"),
        ("slash-escaped-twice", b"/tenants/acme/accounts/a%252Fb"),
        ("dots-escaped-twice", b"/tenants/acme/accounts/%252e%252e"),
        ("escaped-three-times", b"/tenants/acme/accounts/a%25252Fb"),
        ("percent-alone", b"/tenants/acme/accounts/a%"),
        ("percent-and-one-digit", b"/tenants/acme/accounts/a%2"),
        ("percent-and-letters", b"/tenants/acme/accounts/a%zz"),
        ("percent-u", b"/tenants/acme/accounts/%u002e"),
        ("percent-across-a-slash", b"/tenants/acme/accounts/%2/F"),
        ("nul", b"/tenants/acme/accounts/a1\0"),
        ("nul-escaped", b"/tenants/acme/accounts/a1%00"),
        ("nul-escaped-and-a-suffix", b"/tenants/acme/accounts/a1%00.json"),
        ("tab", b"/tenants/acme/accounts/a\t1"),
        ("line-end", b"/tenants/acme/accounts/a1\r\nx: y"),
        ("line-end-escaped", b"/tenants/acme/accounts/a1%0d%0a"),
        ("delete-escaped", b"/tenants/acme/accounts/a1%7f"),
        ("c1-control-escaped", b"/tenants/acme/accounts/a1%C2%85"),
        ("space", b"/tenants/acme/accounts/a 1"),
        ("space-before", b" /tenants/acme/accounts/a1"),
        ("beyond-ascii-raw", "/tenants/acme/accounts/\u{e9}".as_bytes()),
        ("full-width-slash-raw", "/tenants/acme/accounts\u{ff0f}a1".as_bytes()),
        ("not-utf-8-raw", b"/tenants/acme/accounts/\xff"),
        ("not-utf-8-escaped", b"/tenants/acme/accounts/%FF"),
        ("overlong-slash", b"/tenants/acme/accounts/a%C0%AFb"),
        ("overlong-dot", b"/tenants/acme/accounts/%C0%AE%C0%AE"),
        ("overlong-in-three-bytes", b"/tenants/acme/accounts/%E0%80%AF"),
        ("surrogate-escaped", b"/tenants/acme/accounts/%ED%A0%80"),
        ("utf-8-cut-short", b"/tenants/acme/accounts/%C3"),
        ("quote", b"/tenants/acme/accounts/\"a1\""),
        ("angle-brackets", b"/tenants/acme/accounts/<a1>"),
        ("braces", b"/tenants/{tenant}/accounts/{account}"),
        ("pipe", b"/tenants/acme/accounts/a|b"),
        ("caret", b"/tenants/acme/accounts/a^b"),
        ("backquote", b"/tenants/acme/accounts/`id`"),
        ("absolute-form", b"https://bank.example/tenants/acme/accounts/a1"),
        ("absolute-form-of-another", b"http://evil.example/tenants/acme/accounts/a1"),
        ("authority-form", b"bank.example:443"),
        ("asterisk-form", b"*"),
        ("network-path", b"//evil.example/tenants/acme/accounts/a1"),
        ("relative", b"tenants/acme/accounts/a1"),
        ("empty", b""),
        ("query-alone", b"?x=/tenants/acme/accounts/a1"),
        ("too-long", long.as_bytes()),
        ("too-deep", deep.as_bytes()),
    ] {
        catalogue.attack(format!("path/{id}"), "request.path.invalid", target(bench, path)?);
    }
    Ok(())
}

/// Canonical, and not what the rule is about.
fn round_a_rule(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    for (id, path, expected) in [
        ("another-tenant", "/tenants/other/accounts/a1", "policy.not_permitted"),
        ("tenant-in-capitals", "/tenants/ACME/accounts/a1", "policy.not_permitted"),
        ("tenant-with-a-space", "/tenants/acme%20/accounts/a1", "policy.not_permitted"),
        ("tenant-confusable", "/tenants/%D0%B0cme/accounts/a1", "policy.not_permitted"),
        ("tenant-with-full-width-slash", "/tenants/acme%EF%BC%8Fx/accounts/a1", "policy.not_permitted"),
        ("literal-in-capitals", "/TENANTS/acme/accounts/a1", "request.route.unmatched"),
        ("segment-more", "/tenants/acme/accounts/a1/x", "request.route.unmatched"),
        ("segment-less", "/tenants/acme/accounts", "request.route.unmatched"),
        ("prefix", "/api/tenants/acme/accounts/a1", "request.route.unmatched"),
        ("root", "/", "request.route.unmatched"),
        ("health-check-longer", "/healthz/x", "request.route.unmatched"),
        ("health-check-in-capitals", "/HEALTHZ", "request.route.unmatched"),
        ("health-check-with-a-suffix", "/healthz.json", "request.route.unmatched"),
    ] {
        catalogue.attack(format!("path/{id}"), expected, target(bench, path.as_bytes())?);
    }
    catalogue.control("path/health-check", bench.ask(&Ask::new("GET", "/healthz").from_peer(None)));
    for (id, path) in [
        ("public-route-by-dots", "/healthz/../tenants/acme/accounts/a1"),
        ("public-route-by-escape", "/healthz%2F..%2Ftenants/acme/accounts/a1"),
        ("public-route-by-parameter", "/healthz;/tenants/acme/accounts/a1"),
        ("public-route-by-slash", "/healthz/"),
        ("public-route-by-absolute-form", "https://bank.example/healthz"),
    ] {
        let found = bench.ask(&Ask::new("GET", path).from_peer(None));
        catalogue.attack(format!("path/{id}"), "request.path.invalid", found);
    }
    Ok(())
}

/// What stays refused where the configuration lets ambiguities in.
fn opted_in(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    for (id, path) in
        [("slash-escaped", "/tenants/acme/accounts/a%2Fb"), ("parameter", "/tenants/acme/accounts/a;v=1")]
    {
        catalogue.control(format!("path/opted-in-{id}"), target(bench, path.as_bytes())?);
    }
    for (id, path) in [
        ("dots-between-escaped-slashes", "/tenants/acme/accounts/a%2F..%2Fb"),
        ("dots-behind-an-escaped-slash", "/tenants/acme/accounts/a%2F.."),
        ("dots-and-a-parameter", "/tenants/other/..;/acme/accounts/a1"),
        ("dots-and-an-escaped-parameter", "/tenants/other/..%3Bx/acme/accounts/a1"),
        ("parameter-alone", "/tenants/;x/acme/accounts/a1"),
        ("dots-behind-an-escaped-backslash", "/tenants/acme/accounts/a%5C..%5Cb"),
        ("slash-escaped-twice", "/tenants/acme/accounts/a%252Fb"),
        ("two-slashes", "/tenants//acme/accounts/a1"),
        ("two-slashes-last", "/tenants/acme/accounts/a1//"),
        ("backslash", "/tenants/acme/accounts/a\\b"),
    ] {
        let found = target(bench, path.as_bytes())?;
        catalogue.attack(format!("path/opted-in-{id}"), "request.path.invalid", found);
    }
    let found = target(bench, b"/tenants/acme/accounts/a1/")?;
    catalogue.attack("path/opted-in-slash-last-is-another-path", "request.route.unmatched", found);
    Ok(())
}

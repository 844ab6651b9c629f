//! The request around the token: credentials, hosts, methods, mapped headers and parameters.

use anyhow::Result;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::proof::{self, Proof};
use countersign_tests::world::{Ask, START};
use serde_json::json;

use crate::catalogue::{Catalogue, STRIPPED};
use crate::forge::{Bench, sound};

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::new()?;
    credentials(catalogue, &mut bench)?;
    repeated(catalogue, &mut bench)?;
    hosts(catalogue, &mut bench)?;
    methods(catalogue, &mut bench)?;
    mapped(catalogue, &mut bench)?;
    overrides(catalogue, &mut bench)?;
    schemes(catalogue)?;
    queries(catalogue, &mut bench)
}

fn credentials(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let token = bench.world.token()?;
    for (id, value) in [
        ("bearer", format!("Bearer {token}")),
        ("bearer-in-small-letters", format!("bearer {token}")),
        ("bearer-in-capitals", format!("BEARER {token}")),
    ] {
        catalogue.control(format!("request/{id}"), bench.authorization(value));
    }
    let value: Vec<u8> = [b"Bearer ", token.as_bytes()].concat();
    let with = |before: &[u8], behind: &[u8]| [before, &value, behind].concat();
    for (id, value, expected) in [
        ("empty", Vec::new(), "token.scheme"),
        ("space-alone", b" ".to_vec(), "token.scheme"),
        ("scheme-alone", b"Bearer".to_vec(), "token.missing"),
        ("scheme-and-space", b"Bearer ".to_vec(), "token.missing"),
        ("token-alone", token.clone().into(), "token.scheme"),
        ("basic", b"Basic YWxpY2U6cGFzc3dvcmQ=".to_vec(), "token.scheme"),
        ("basic-with-a-token", format!("Basic {token}").into(), "token.scheme"),
        ("digest", b"Digest username=\"alice\"".to_vec(), "token.scheme"),
        ("negotiate", b"Negotiate YII=".to_vec(), "token.scheme"),
        ("token-scheme", format!("Token {token}").into(), "token.scheme"),
        ("jwt-scheme", format!("JWT {token}").into(), "token.scheme"),
        ("bearer-longer", format!("Bearers {token}").into(), "token.scheme"),
        ("bearer-colon", format!("Bearer: {token}").into(), "token.scheme"),
        ("bearer-equals", format!("Bearer={token}").into(), "token.scheme"),
        ("bearer-tab", format!("Bearer\t{token}").into(), "token.scheme"),
        ("bearer-twice", format!("Bearer Bearer {token}").into(), "token.malformed"),
        ("bearer-two-spaces", format!("Bearer  {token}").into(), "token.malformed"),
        ("bearer-space-tab", format!("Bearer \t{token}").into(), "token.malformed"),
        ("bearer-confusable", format!("B\u{435}arer {token}").into(), "token.scheme"),
        ("bearer-nul", format!("Bearer\0 {token}").into(), "token.scheme"),
        ("space-before", with(b" ", b""), "token.scheme"),
        ("tab-before", with(b"\t", b""), "token.scheme"),
        ("space-behind", with(b"", b" "), "token.malformed"),
        ("tab-behind", with(b"", b"\t"), "token.malformed"),
        ("folded", with(b"", b"\r\n x"), "token.malformed"),
        ("folded-before-the-token", format!("Bearer\r\n {token}").into(), "token.scheme"),
        ("second-header-within", with(b"", b"\r\nx-countersign-principal: root"), "token.malformed"),
        ("joined-with-itself", with(&with(b"", b","), b""), "token.malformed"),
        ("joined-with-basic", with(b"Basic YTpi, ", b""), "token.scheme"),
        ("joined-with-basic-behind", with(b"", b", Basic YTpi"), "token.malformed"),
        ("comma-behind", with(b"", b","), "token.malformed"),
        ("semicolon-behind", with(b"", b";"), "token.malformed"),
        ("not-utf-8-before", with(b"\xff", b""), "token.scheme"),
        ("not-utf-8-behind", with(b"", b"\xff"), "token.malformed"),
        ("overlong-space", [b"Bearer\xc0\xa0", token.as_bytes()].concat(), "token.scheme"),
        ("no-break-space", format!("Bearer\u{a0}{token}").into(), "token.scheme"),
    ] {
        catalogue.attack(format!("request/authorization-{id}"), expected, bench.authorization(value));
    }
    for (id, name, value) in [
        ("in-the-proxys-header", "proxy-authorization", format!("Bearer {token}")),
        ("in-a-forwarded-header", "x-forwarded-authorization", format!("Bearer {token}")),
        ("in-a-cookie", "cookie", format!("access_token={token}; authorization=Bearer {token}")),
        ("in-x-access-token", "x-access-token", token.clone()),
        ("under-a-name-with-a-space", "authorization ", format!("Bearer {token}")),
        ("under-a-name-with-a-nul", "authorization\0", format!("Bearer {token}")),
    ] {
        let found = bench.ask(&Ask::read().header(name, value));
        catalogue.attack(format!("request/token-{id}"), "token.missing", found);
    }
    let found = bench.ask(&Ask::new("GET", &format!("/tenants/acme/accounts/a1?access_token={token}")));
    catalogue.attack("request/token-in-the-query", "token.missing", found);
    Ok(())
}

fn repeated(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let token = bench.world.token()?;
    let good = Ask::read().bearer(&token);
    for (id, name, value) in [
        ("authorization-twice", "authorization", format!("Bearer {token}")),
        ("authorization-in-capitals", "AUTHORIZATION", format!("Bearer {token}")),
        ("authorization-of-another", "Authorization", "Basic YTpi".into()),
        ("authorization-and-an-empty-one", "authorization", String::new()),
        ("method-twice", ":method", "GET".into()),
        ("method-of-another", ":method", "POST".into()),
        ("path-twice", ":path", "/tenants/acme/accounts/a1".into()),
        ("path-of-another", ":path", "/healthz".into()),
        ("authority-twice", ":authority", "bank.example".into()),
        ("authority-of-another", ":authority", "evil.example".into()),
        ("host-of-another", "host", "evil.example".into()),
        ("host-with-a-port", "host", "bank.example:443".into()),
        ("host-beside-authority-empty", "host", String::new()),
        ("host-with-a-dot", "host", "bank.example.".into()),
    ] {
        let found = bench.ask(&good.clone().header(name, value));
        catalogue.attack(format!("request/{id}"), "request.header.duplicate", found);
    }
    let twice = good.clone().header("host", "bank.example").header("Host", "bank.example");
    catalogue.attack("request/two-hosts", "request.header.duplicate", bench.ask(&twice));
    catalogue
        .control("request/host-beside-authority", bench.ask(&good.clone().header("host", "bank.example")));
    catalogue
        .control("request/host-in-another-case", bench.ask(&good.clone().header("host", "BANK.example")));
    let mut only_host = good.clone();
    only_host.headers.retain(|(name, _)| name != b":authority");
    catalogue.control("request/host-alone", bench.ask(&only_host.header("host", "bank.example")));
    for name in [":method", ":path", ":authority"] {
        let mut without = good.clone();
        without.headers.retain(|(have, _)| have != name.as_bytes());
        let id = format!("request/{}-missing", name.trim_start_matches(':'));
        catalogue.attack(id, "request.header.invalid", bench.ask(&without));
    }
    Ok(())
}

fn to_host(ask: &Ask, host: &[u8]) -> Ask {
    let mut ask = ask.clone();
    for (name, value) in &mut ask.headers {
        if name == b":authority" {
            *value = host.to_vec();
        }
    }
    ask
}

fn hosts(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let good = Ask::read().bearer(&bench.world.token()?);
    for (id, host) in
        [("with-a-port", "bank.example:8443"), ("in-capitals", "BANK.EXAMPLE"), ("ipv6", "[::1]:443")]
    {
        catalogue.control(format!("request/host-{id}-alone"), bench.ask(&to_host(&good, host.as_bytes())));
    }
    for (id, host) in [
        ("dot-behind", &b"bank.example."[..]),
        ("dot-before", b".bank.example"),
        ("two-dots", b"bank..example"),
        ("userinfo", b"user@bank.example"),
        ("userinfo-of-another", b"evil.example@bank.example"),
        ("escaped", b"b%61nk.example"),
        ("slash", b"bank.example/x"),
        ("backslash", b"bank.example\\x"),
        ("question-mark", b"bank.example?"),
        ("number-sign", b"bank.example#"),
        ("space", b"bank.example evil.example"),
        ("tab", b"bank.example\t"),
        ("line-end", b"bank.example\r\nx: y"),
        ("nul", b"bank.example\0"),
        ("list", b"bank.example,evil.example"),
        ("beyond-ascii", b"b\xd0\xb0nk.example"),
        ("not-utf-8", b"bank.example\xff"),
        ("empty", b""),
        ("port-empty", b"bank.example:"),
        ("port-of-letters", b"bank.example:https"),
        ("port-too-large", b"bank.example:65536"),
        ("port-below-zero", b"bank.example:-1"),
        ("port-twice", b"bank.example:443:443"),
        ("ipv6-without-brackets", b"::1"),
        ("ipv6-open", b"[::1"),
        ("ipv6-zone", b"[fe80::1%25eth0]"),
        ("brackets-around-a-name", b"[bank.example]"),
        ("too-long", &[b'a'; 254]),
    ] {
        let found = bench.ask(&to_host(&good, host));
        catalogue.attack(format!("request/host-{id}"), "request.header.invalid", found);
    }
    Ok(())
}

fn methods(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let token = bench.world.token()?;
    for (id, method) in [
        ("small-letters", "get"),
        ("mixed", "Get"),
        ("head", "HEAD"),
        ("options", "OPTIONS"),
        ("trace", "TRACE"),
        ("connect", "CONNECT"),
        ("delete", "DELETE"),
        ("invented", "XYZZY"),
        ("space-behind", "GET "),
        ("nul-behind", "GET\0"),
        ("line-end-behind", "GET\r\n"),
        ("list", "GET,POST"),
        ("wildcard", "*"),
        ("long", &"G".repeat(10_000)),
    ] {
        let found = bench.ask(&Ask::new(method, "/tenants/acme/accounts/a1").bearer(&token));
        catalogue.attack(format!("request/method-{id}"), "request.method.unmatched", found);
    }
    let found = bench.ask(&Ask::new("", "/tenants/acme/accounts/a1").bearer(&token));
    catalogue.attack("request/method-empty", "request.header.invalid", found);
    let mut bytes = Ask::read().bearer(&token);
    if let Some((_, method)) = bytes.headers.first_mut() {
        *method = b"GET\xff".to_vec();
    }
    catalogue.attack("request/method-not-utf-8", "request.header.invalid", bench.ask(&bytes));
    Ok(())
}

fn mapped(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let good = Ask::read().bearer(&bench.world.token()?);
    catalogue.control("request/purpose", bench.ask(&good.clone().header("x-purpose", "service")));
    catalogue.control("request/purpose-in-capitals", bench.ask(&good.clone().header("X-Purpose", "service")));
    for (id, headers, expected) in [
        ("forbidden", &[("x-purpose", &b"marketing"[..])][..], "policy.forbidden"),
        ("forbidden-in-capitals", &[("X-PURPOSE", b"marketing")], "policy.forbidden"),
        ("twice", &[("x-purpose", b"service"), ("x-purpose", b"marketing")], "request.header.duplicate"),
        (
            "twice-by-case",
            &[("x-purpose", b"service"), ("X-Purpose", b"marketing")],
            "request.header.duplicate",
        ),
        (
            "twice-by-disguise",
            &[("x-purpose", b"service"), ("x_purpose", b"marketing")],
            "request.header.duplicate",
        ),
        ("disguised", &[("x_purpose", b"marketing")], "request.header.duplicate"),
        ("disguised-in-capitals", &[("X_PURPOSE", b"marketing")], "request.header.duplicate"),
        ("not-utf-8", &[("x-purpose", b"\xff")], "request.header.invalid"),
        ("overlong-utf-8", &[("x-purpose", b"\xc0\xaf")], "request.header.invalid"),
        ("surrogate", &[("x-purpose", b"\xed\xa0\x80")], "request.header.invalid"),
    ] {
        let ask = headers.iter().fold(good.clone(), |ask, (name, value)| ask.header(*name, *value));
        catalogue.attack(format!("request/purpose-{id}"), expected, bench.ask(&ask));
    }
    Ok(())
}

/// Headers by which others let a client say another method or path than it sent.
fn overrides(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let token = bench.world.token()?;
    for name in [
        "x-http-method-override",
        "X-HTTP-Method",
        "x-method-override",
        "x-original-url",
        "X-Original-URL",
        "x_rewrite_url",
        "x-rewrite-url",
    ] {
        let answer = bench.world.ask(&Ask::read().bearer(&token).header(name, "/admin"));
        let gone = answer.edits.iter().flat_map(|edits| &edits.remove).any(|gone| **gone == *name.as_bytes());
        let verdict = sound(&answer);
        let found =
            if gone && verdict == "allow" { STRIPPED.to_owned() } else { format!("{verdict}, {gone}") };
        catalogue.attack(format!("request/override-by-{name}"), STRIPPED, found);
    }
    for (id, name) in [("authorization", "authorization"), ("in-capitals", "AUTHORIZATION")] {
        let answer = bench.world.ask(&Ask::read().header(name, format!("Bearer {token}")));
        let gone = answer
            .edits
            .iter()
            .flat_map(|edits| &edits.remove)
            .any(|gone| gone.eq_ignore_ascii_case(b"authorization"));
        let found = if gone { STRIPPED } else { "forwarded" };
        catalogue.attack(format!("request/credential-upstream-{id}"), STRIPPED, found);
    }
    Ok(())
}

/// A proof is for the scheme that the request came under.
fn schemes(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::new()?;
    let key = SigningKey::new("holder")?;
    let cnf = json!({ "cnf": { "jkt": proof::thumbprint(&key) } });
    let token = bench.world.key.sign(&mint::with(&bench.world.claims(), cnf))?;
    let mut verdict = |schemes: &[&str], htu: &str| -> Result<String> {
        let htu = format!("{htu}://bank.example/tenants/acme/accounts/a1");
        let proof = Proof::new(&key, "GET", &htu, &token, START).sign(&key)?;
        let mut ask = Ask::read().dpop(&token, &proof);
        ask.headers.retain(|(name, _)| name != b":scheme");
        for scheme in schemes {
            ask = ask.header(":scheme", *scheme);
        }
        Ok(bench.ask(&ask))
    };
    catalogue.control("request/scheme-https", verdict(&["https"], "https")?);
    catalogue.control("request/scheme-http", verdict(&["http"], "http")?);
    catalogue.control("request/scheme-unknown-is-https", verdict(&[], "https")?);
    for (id, schemes, htu, expected) in [
        ("http-with-a-proof-for-https", &["http"][..], "https", "binding.dpop.target"),
        ("https-with-a-proof-for-http", &["https"], "http", "binding.dpop.target"),
        ("missing-with-a-proof-for-http", &[], "http", "binding.dpop.target"),
        ("strange", &["ftp"], "https", "binding.dpop.target"),
        ("empty", &[""], "https", "binding.dpop.target"),
        ("twice", &["https", "http"], "https", "request.header.duplicate"),
    ] {
        catalogue.attack(format!("request/scheme-{id}"), expected, verdict(schemes, htu)?);
    }
    Ok(())
}

fn queries(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let paid = mint::with(&bench.world.claims(), json!({ "payment": { "amount": 5 } }));
    let token = bench.world.key.sign(&paid)?;
    let mut verdict = |query: &str| {
        bench.ask(&Ask::new("POST", &format!("/tenants/acme/accounts/a1{query}")).bearer(&token))
    };
    for (id, query) in [
        ("absent", ""),
        ("empty", "?"),
        ("harmless", "?purpose=service"),
        ("in-another-case", "?Purpose=marketing"),
        ("question-mark-within", "?purpose=a?b"),
        ("slashes-within", "?x=/../..//%2F"),
    ] {
        catalogue.control(format!("request/query-{id}"), verdict(query));
    }
    const INVALID: &str = "request.query.invalid";
    for (id, query, expected) in [
        ("forbidden", "?purpose=marketing", "policy.forbidden"),
        ("forbidden-and-escaped", "?purpose=m%61rketing", "policy.forbidden"),
        ("forbidden-by-an-escaped-name", "?purp%6Fse=marketing", "policy.forbidden"),
        ("twice", "?purpose=service&purpose=marketing", INVALID),
        ("twice-by-escape", "?purpose=service&%70urpose=marketing", INVALID),
        ("twice-of-the-same", "?purpose=service&purpose=service", INVALID),
        ("semicolon", "?x=1;purpose=marketing", INVALID),
        ("brackets", "?purpose[]=marketing", INVALID),
        ("escaped-brackets", "?purpose%5B%5D=marketing", INVALID),
        ("brackets-with-a-key", "?purpose[a]=marketing", INVALID),
        ("bad-escape", "?purpose=%zz", INVALID),
        ("bad-escape-in-a-name", "?%=1&purpose=service", INVALID),
        ("cut-escape", "?purpose=%4", INVALID),
        ("not-utf-8", "?purpose=%ff", INVALID),
        ("overlong-utf-8", "?purpose=%c0%af", INVALID),
        ("fragment", "?purpose=service#x", "request.path.invalid"),
        ("space", "?purpose=a b", "request.path.invalid"),
        ("nul", "?purpose=a\0b", "request.path.invalid"),
        ("line-end", "?purpose=a\r\nb", "request.path.invalid"),
        ("beyond-ascii", "?purpose=\u{e9}", "request.path.invalid"),
    ] {
        catalogue.attack(format!("request/query-{id}"), expected, verdict(query));
    }
    Ok(())
}

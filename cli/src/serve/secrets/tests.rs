use countersign_core::config::Config;
use serde_json::json;

use super::*;

const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";

fn config() -> Config {
    let config = json!({
        "version": 1,
        "issuers": [],
        "routes": [],
        "policy": {},
        "context": { "level": { "header": "X-Level" }, "pin": { "header": "x-pin" } },
        "api_keys": { "header": "X-Legacy", "keys": [] },
    });
    serde_json::from_value(config).unwrap()
}

#[test]
fn headers_are_shown_that_are_known_to_be_no_credentials() {
    let secrets = Secrets::new(Some(&config()), &["X-Note", "Cookie", "X-Legacy"].map(String::from));
    for (name, value, shown) in [
        ("authorization", "Bearer abcdef", "Bearer (secret, 6 bytes)"),
        ("authorization", "abcdef", "(secret, 6 bytes)"),
        ("cookie", "a=b", "(secret, 3 bytes)"),
        ("x-legacy", "k", "(secret, 1 bytes)"),
        ("x-session-id", "k", "(secret, 1 bytes)"),
        ("x-pin", "1234", "(secret, 4 bytes)"),
        ("x-other", "k", "(hidden, 1 bytes)"),
        ("x-countersign-otp", "k", "(secret, 1 bytes)"),
        ("x-note", JWT, "(secret)"),
        ("x-note", "see csk_0123456789abcdef now", "see (secret) now"),
        ("referer", "https://a/?code=1", "https://a/?code=(secret)"),
        (":authority", "user:pw@api.example", "(secret)@api.example"),
        (":path", "/a?sig=1", "/a?sig=(secret)"),
    ] {
        assert_eq!(secrets.header(name, value.as_bytes()).as_deref(), Some(shown), "{name}: {value}");
    }
    for (name, value) in [
        (":authority", "api.example"),
        ("Accept", "application/json"),
        ("x-note", "anything"),
        ("x-level", "gold"),
        ("x-countersign-subject", "alice"),
        ("x-countersign-credential", "token"),
        ("x-request-id", "2f9c1a52-0c0e-4c1b-9d55-6a3f1f4a7b10"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"),
        ("www-authenticate", "Bearer error=\"invalid_token\""),
        ("content-type", "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW"),
    ] {
        assert_eq!(secrets.header(name, value.as_bytes()), None, "{name}: {value}");
    }
    // What is asked for stays so under another configuration, whose headers are no longer read.
    let other = secrets.under(None);
    assert_eq!(other.header("x-note", b"anything"), None);
    assert!(
        other.header("x-level", b"gold").is_some() && other.header("x-countersign-subject", b"a").is_some()
    );
    assert!(secrets.trusts_audit() && !other.trusts_audit());
}

#[test]
fn targets_lose_their_credentials() {
    let secrets = Secrets::default();
    for (path, shown) in [
        ("/v1/tenants/acme/transfers/t-1001/score", "/v1/tenants/acme/transfers/t-1001/score"),
        ("/cb?code=abc&state=x", "/cb?code=(secret)&state=x"),
        ("/a?access_token=1&b", "/a?access_token=(secret)&b"),
        ("/a?%63ode=1", "/a?%63ode=(secret)"),
        ("/a?q=hello", "/a?q=hello"),
    ] {
        assert_eq!(secrets.path(path), shown);
    }
    assert_eq!(secrets.path(&format!("/t/{JWT}/x")), "/t/(secret)/x");
    assert_eq!(secrets.path(&format!("/t?q={JWT}")), "/t?q=(secret)");
    assert_eq!(secrets.path(&format!("/t?{JWT}=1")), "/t?(secret)=1");
}

#[test]
fn names_in_an_audit_line_stay_and_tokens_go() {
    let random = "9wHk2LmQx7Rt4VbNs8Jd0ZpFy3Gc6Ea1";
    let audit = json!({
        "token_id": random, "subject": JWT, "path": format!("/a/{random}?code=1"), "resource": format!("T::\"{random}\""),
        "token_cached": true, "status": 403,
    });
    let shown = Secrets::default().audit(audit.as_object().cloned().unwrap());
    assert_eq!(
        Value::Object(shown),
        json!({
            "token_id": random, "subject": SECRET, "path": "/a/(secret)?code=(secret)", "resource": "T::\"(secret)\"",
            "token_cached": true, "status": 403,
        })
    );
}

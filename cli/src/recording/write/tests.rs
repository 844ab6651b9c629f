//! A secret of its own in every place of an exchange: none is written, and none is shown.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_host_sim::serve::{Called, Times};
use countersign_host_sim::{HeaderMap, LogLevel, LogLine, Properties};
use serde_json::json;

use super::*;
use crate::serve::secrets::{SHOWN, Secrets, decoded};

/// Secrets, each with a mark by which it is found again.
#[derive(Default)]
struct Planted(Vec<(String, String)>);

impl Planted {
    /// A mark for a place; by itself it looks like nothing in particular.
    fn plain(&mut self, place: &str) -> String {
        let mark = format!("Mark{:04}qX", self.0.len());
        self.0.push((mark.clone(), place.to_owned()));
        mark
    }

    /// A signed token.
    fn jwt(&mut self, place: &str) -> String {
        format!("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.{}", self.plain(place))
    }

    /// A token that says nothing by itself.
    fn opaque(&mut self, place: &str) -> String {
        format!("9wHk2LmQx7Rt4VbNs8Jd0ZpFy3Gc6Ea1{}", self.plain(place))
    }

    /// What may stand in any text: tokens, encoded or not, and what names tell.
    fn texts(&mut self, place: &str) -> Vec<String> {
        let dots = |token: String, dot: &str| token.replace('.', dot);
        vec![
            self.jwt(place),
            self.opaque(place),
            dots(self.jwt(place), "%2E"),
            dots(self.jwt(place), "%252e"),
            format!("https://a/b?x=1&access_token={}&y=2", self.plain(place)),
            format!("/cb?code={}", self.plain(place)),
            format!("/x?api_key={}#top", self.plain(place)),
            format!("/x?%73ig={}", self.plain(place)),
            format!("/x?next=%2Fcb%3Fotp%3D{}", self.plain(place)),
            format!("https://user:{}@a/b", self.plain(place)),
            format!("for=192.0.2.1;token={};by=x", self.plain(place)),
            format!("<https://a/b?sig={}>; rel=next", self.plain(place)),
            format!("/a;jsessionid={}/b", self.plain(place)),
            format!("x password=\"{}\"", self.plain(place)),
        ]
    }

    fn assert_absent(&self, text: &str) {
        for text in [text, &decoded(text)] {
            for (at, _) in text.match_indices("Mark") {
                let found = self.0.iter().find(|(mark, _)| text[at..].starts_with(mark));
                assert!(found.is_none(), "the secret in {} is in {text}", found.unwrap().1);
            }
        }
    }
}

/// Headers whose values nobody shows.
const HIDDEN: [&str; 30] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "cookie2",
    "set-cookie",
    "dpop",
    "x-api-key",
    "apikey",
    "ocp-apim-subscription-key",
    "x-functions-key",
    "x-csrf",
    "x-csrf-token",
    "x-otp",
    "x-pass",
    "x-auth-token",
    "x-amz-security-token",
    "x-goog-iap-jwt-assertion",
    "x-forwarded-access-token",
    "x-ms-token-aad-id-token",
    "x-vault-token",
    "private-token",
    "php-auth-pw",
    "signature",
    "baggage",
    "from",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "x-hub-signature-256",
    "x-anything",
    "authentication",
];

fn exchange(planted: &mut Planted) -> Exchange {
    let logged = |message: String| LogLine { level: LogLevel::Info, message, worker: 0, context: 2, at: 0 };
    let mut path = String::from("/v1/orders");
    for (name, token) in [
        ("a segment", planted.jwt("a segment")),
        ("an encoded segment", planted.jwt("an encoded segment").replace('.', "%2e")),
        ("a random segment", planted.opaque("a random segment")),
        ("a parameter of a segment", format!("a;jsessionid={}", planted.plain("a parameter of a segment"))),
        ("a URL in the path", format!("https://user:{}@b", planted.plain("a URL in the path"))),
    ] {
        assert!(!token.is_empty(), "{name}");
        path.push('/');
        path.push_str(&token);
    }
    path.push_str("?page=2");
    for name in [
        "access_token",
        "id_token",
        "code",
        "key",
        "sig",
        "otp",
        "pwd",
        "pass",
        "api_key",
        "apiKey",
        "%73ig",
        "si%2567",
        "user[password]",
        "X-Amz-Signature",
        "client_secret",
        "SAMLResponse",
        "ticket",
        "code_verifier",
        "state_token",
    ] {
        let place = format!("the parameter {name}");
        path.push_str(&format!("&{name}={}", planted.plain(&place)));
    }
    for value in planted.texts("a parameter's value") {
        path.push_str(&format!("&q={}", value.replace('&', "%26").replace('#', "%23").replace(' ', "%20")));
    }
    path.push_str(&format!(
        "&{}=1&{}",
        planted.jwt("a parameter's name"),
        planted.opaque("a bare parameter")
    ));
    path.push_str(&format!("&token%3D{}", planted.plain("an encoded parameter")));

    let mut audit =
        json!({ "countersign": "audit", "decision": "deny", "reason": "policy.forbidden", "issuer": "i" });
    audit["path"] = path.clone().into();
    for member in [
        "method",
        "resource",
        "principal",
        "subject",
        "token_id",
        "peer",
        "workload",
        "route",
        "client",
        "new",
    ] {
        audit[member] = format!("Thing::\"{}\"", planted.jwt(&format!("the audit line's {member}"))).into();
    }
    audit["policy_errors"] =
        json!([{ "policy": "p", "error": format!("saw {}", planted.opaque("an error")) }]);
    audit["waited_for"] = format!("https://i/keys?sig={}", planted.plain("who was waited for")).into();

    let claims = json!({
        "iss": "https://id.example", "sub": "alice", "scope": "read", "jti": "9wHk2LmQx7Rt4VbNs8Jd0ZpFy3Gc6Ea1",
        "password": planted.plain("a claim"),
        "nested": { "client_secret": planted.plain("a claim's member"), "list": [planted.opaque("a claim's list")] },
        "note": planted.jwt("a claim's text"),
        "act": { "sub": planted.jwt("an actor") },
    });
    let header = json!({ "alg": "ES256", "kid": planted.jwt("a token's key"), "x": planted.plain("a token's header") });
    let part = |json: Value| BASE64URL.encode(json.to_string());
    let bearer = format!("Bearer {}.{}.{}", part(header), part(claims), planted.plain("the signature"));
    let authority = format!("user:{}@api.example", planted.plain("the authority"));
    let method = planted.jwt("the method");
    let request = HeaderMap::from_pairs([
        (":method", method.as_str()),
        (":path", &path),
        (":authority", &authority),
        (":scheme", "https"),
        ("authorization", &bearer),
        ("x-request-id", "2f9c1a52-0c0e-4c1b-9d55-6a3f1f4a7b10"),
    ]);
    let mut properties = Properties::new();
    properties.set("connection.requested_server_name", planted.jwt("the server's name"));
    properties.set("connection.subject_peer_certificate", format!("CN={}", planted.jwt("a certificate")));
    let mut logs = vec![logged(audit.to_string())];
    for text in planted.texts("a log line") {
        logs.push(logged(format!("saw {text}")));
    }
    logs.push(logged(format!("{{\"password\":\"{}\"}}", planted.plain("JSON in a log line"))));
    logs.push(logged(format!("authorization: Digest {}", planted.plain("a header in a log line"))));
    logs.push(logged(format!("got Bearer {}", planted.plain("a scheme in a log line"))));
    let call = Called {
        cluster: planted.jwt("a cluster"),
        path: format!("/introspect?token={}", planted.plain("a call")),
    };
    let reply = json!({ "access_token": planted.plain("the reply"), "more": planted.texts("the reply") });
    Exchange {
        id: 1,
        worker: 0,
        generation: 1,
        at: 1_700_000_000_000_000_000,
        request,
        properties,
        forwarded: None,
        request_bytes: 64,
        body: planted.jwt("the body").into_bytes(),
        response: HeaderMap::new(),
        reply: reply.to_string().into_bytes(),
        ended: Ended::Replied(403),
        logs,
        calls: vec![call],
        times: Times::default(),
    }
}

/// What is written of an exchange, and all that pages are told of it.
fn told(exchange: &Exchange) -> (String, String) {
    let ledger = Ledger::new(Secrets::default());
    let line = format::write(&Line::Request(Box::new(recorded(exchange, 1, &ledger))));
    assert!(matches!(format::parse(&line), Ok(Some(Line::Request(_)))), "{line}");
    let mut viewer = ledger.look_on(&json!({})).unwrap();
    ledger.add(Arc::new(exchange.clone()), None);
    ledger.tell();
    let shown = ledger.detail(1).unwrap();
    assert_ne!(shown["logs"], json!([]), "too large to be shown");
    let mut page = shown.to_string();
    while let Ok(event) = viewer.try_recv() {
        page.push_str(std::str::from_utf8(&event).unwrap());
    }
    (line, page)
}

#[test]
fn no_secret_is_written_or_shown_wherever_it_stands() {
    let mut planted = Planted::default();
    let plain = exchange(&mut planted);
    let mut headers: Vec<(String, String)> = Vec::new();
    for name in HIDDEN {
        headers.push((name.to_owned(), planted.plain(name)));
    }
    for name in SHOWN {
        headers.extend(planted.texts(name).into_iter().map(|value| (name.to_owned(), value)));
    }
    for some in headers.chunks(40) {
        let mut exchange = plain.clone();
        let head = HeaderMap::from_pairs(some.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        for (name, value) in head.iter() {
            exchange.request.append(name, value);
        }
        (exchange.forwarded, exchange.response) = (Some(head.clone()), head);
        let (line, page) = told(&exchange);
        planted.assert_absent(&line);
        planted.assert_absent(&page);
    }
    let (line, page) = told(&plain);
    for kept in
        ["/v1/orders/(secret)/", "?page=2&", "2f9c1a52-0c0e-4c1b-9d55-6a3f1f4a7b10", "policy.forbidden"]
    {
        assert!(line.contains(kept) && page.contains(kept), "{kept} is missing: {line}");
    }
    for kept in
        ["\"sub\":\"alice\"", "\"scope\":\"read\"", "9wHk2LmQx7Rt4VbNs8Jd0ZpFy3Gc6Ea1", "\"alg\":\"ES256\""]
    {
        assert!(line.contains(kept), "{kept} is missing: {line}");
    }
}

#[test]
fn what_another_module_logs_is_no_audit_line() {
    let exchange = exchange(&mut Planted::default());
    let ledger = Ledger::new(Secrets::new(None, &[]));
    assert_eq!(recorded(&exchange, 1, &ledger).decision, None);
    ledger.add(Arc::new(exchange), None);
    let shown = ledger.detail(1).unwrap();
    assert_eq!(shown["audit"], json!(null));
    assert!(shown["logs"].to_string().contains("countersign"), "{shown}");
}

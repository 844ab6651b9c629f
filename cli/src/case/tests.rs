use super::*;
use serde_json::json;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn one(line: &Value) -> Result<Case, BadCase> {
    parse(&line.to_string(), NOW)
}

fn headers(case: &Case) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    case.request.headers.iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn a_url_becomes_pseudo_headers_byte_for_byte() {
    for (url, authority, path) in [
        ("https://a.example/x//y/%2e%2e;p?q=1#f", "a.example", "/x//y/%2e%2e;p?q=1#f"),
        ("http://A.example:80", "A.example:80", "/"),
        ("https://a?x=1", "a", "?x=1"),
        ("/x", "localhost", "/x"),
        ("//x", "localhost", "//x"),
    ] {
        let case = one(&json!({ "url": url })).unwrap();
        assert!(headers(&case).contains(&pair(":authority", authority)), "{url}");
        assert!(headers(&case).contains(&pair(":path", path)), "{url}");
        assert!(headers(&case).contains(&pair(":method", "GET")), "{url}");
    }
}

#[test]
fn pseudo_headers_may_be_given_and_repeated() {
    let case = one(&json!({ "headers": [[":path", "/a"], [":method", "PUT"], ["Host", "h"]] })).unwrap();
    assert_eq!(headers(&case).len(), 4, "no authority beside `host`: {:?}", headers(&case));
    let case = one(&json!({ "url": "/b", "headers": [[":path", "/a"]] })).unwrap();
    assert_eq!(headers(&case).iter().filter(|(name, _)| name == ":path").count(), 2);
}

#[test]
fn bytes_come_as_text_or_base64() {
    let case =
        one(&json!({ "url": "/", "headers": [["x", { "base64": "/w==" }]], "body": { "base64": "AAE=" } }))
            .unwrap();
    assert_eq!(case.request.headers.get("x"), Some(&[0xff][..]));
    assert_eq!(case.request.body, [[0, 1]]);
}

#[test]
fn a_peer_is_short_for_two_properties() {
    let case = one(&json!({ "url": "/", "peer": "spiffe://a/b" })).unwrap();
    assert_eq!(case.request.properties["connection.mtls"], PropertyValue::Bool(true));
    assert_eq!(case.request.properties["connection.uri_san_peer_certificate"], "spiffe://a/b".into());
    assert!(one(&json!({ "url": "/", "peer": null })).unwrap().request.properties.is_empty());
}

#[test]
fn times_default_to_now() {
    assert_eq!(one(&json!({ "url": "/" })).unwrap().time, NOW);
    let half = Timestamp::from_nanos(1_500_000_000_500_000_000);
    assert_eq!(one(&json!({ "url": "/", "time": 1_500_000_000.5 })).unwrap().time, half);
    assert_eq!(one(&json!({ "url": "/", "time": "2017-07-14T02:40:00.5Z" })).unwrap().time, half);
}

#[test]
fn key_documents_stay_as_they_are() {
    let documents = |jwks: &str| {
        let case = parse(&format!(r#"{{"url":"/","jwks":{jwks}}}"#), NOW).unwrap();
        case.jwks.unwrap().of(["https://a", "https://b"])
    };
    let both = |text: &str| BTreeMap::from([(0, text.as_bytes().to_vec()), (1, text.as_bytes().to_vec())]);
    for raw in [r#"{"keys":[],"keys":1}"#, r#"{"keys":tru}"#, "[[[[", "{}", "[1]", "7"] {
        if raw == "[[[[" {
            assert!(parse(&format!(r#"{{"url":"/","jwks":{raw}}}"#), NOW).is_err());
        } else {
            assert_eq!(documents(raw), both(raw));
        }
    }
    assert_eq!(documents(r#""not json""#), both("not json"));
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(documents(&deep), both(&deep));
    let named = documents(r#"{"https://b":{"keys":[]},"https://c":{},"https://a":"raw"}"#);
    assert_eq!(named, BTreeMap::from([(0, b"raw".to_vec()), (1, br#"{"keys":[]}"#.to_vec())]));
    assert_eq!(documents(r#"{"https://b":null}"#), BTreeMap::new());
}

#[test]
fn faults_name_the_field() {
    for (line, field) in [
        (json!({}), "url"),
        (json!({ "url": "x" }), "url"),
        (json!({ "url": 1 }), "url"),
        (json!({ "url": "/", "headers": [["a"]] }), "headers[0]"),
        (json!({ "url": "/", "headers": [["a", "b"], ["a", 1]] }), "headers[1][1]"),
        (json!({ "url": "/", "headers": [["a", { "base64": "*" }]] }), "headers[0][1]"),
        (json!({ "url": "/", "properties": { "a": [] } }), "properties.a"),
        (json!({ "url": "/", "time": "yesterday" }), "time"),
        (json!({ "url": "/", "time": 0 }), "time"),
        (json!({ "url": "/", "expect": 1 }), "expect"),
        (json!({ "url": "/", "ulr": 1 }), "ulr"),
    ] {
        assert_eq!(one(&line).unwrap_err().field, field, "{line}");
    }
    assert_eq!(parse(r#"{"url":"/","url":"/"}"#, NOW).unwrap_err().field, "url");
    assert_eq!(parse("[", NOW).unwrap_err().field, "");
}

#[test]
fn expectations_are_parts_of_records() {
    let record =
        json!({ "decision": "deny", "reason": "token.expired", "body": { "status": 401, "title": "x" } });
    let record = record.as_object().unwrap();
    let short = |value: Value| shortfalls(&expectation(value).unwrap(), record);
    assert_eq!(short(json!("deny")), "");
    assert_eq!(short(json!("token.expired")), "");
    assert_eq!(short(json!({ "body": { "status": 401 }, "policies": null })), "");
    assert_eq!(short(json!("allow")), "`decision`: expected \"allow\", got \"deny\"\n");
    assert_eq!(short(json!({ "body": { "status": 403 } })), "`body.status`: expected 403, got 401\n");
    assert_eq!(short(json!({ "status": 401 })), "`status`: expected 401, got none\n");
}

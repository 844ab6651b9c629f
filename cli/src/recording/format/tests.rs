use super::*;
use serde_json::json;

fn recorded() -> Recorded {
    Recorded {
        countersign: String::from("request"),
        id: 1,
        time: String::from("2026-01-01T00:00:00.000Z"),
        method: String::from("GET"),
        url: String::from("https://a/b"),
        headers: vec![(String::from("accept"), String::from("*/*"))],
        left_out: vec![String::from("cookie")],
        properties: BTreeMap::from([(String::from("connection.mtls"), json!(true))]),
        credential: Credential { kind: Kind::Jwt, verified: Some(true), ..Credential::default() },
        outcome: String::from("forwarded"),
        status: 200,
        decision: None,
    }
}

#[test]
fn what_is_written_is_read() {
    let line = Line::Request(Box::new(recorded()));
    assert_eq!(parse(&write(&line)), Ok(Some(line)));
}

#[test]
fn audit_lines_are_found_in_a_log() {
    let log = "[2026-01-01 00:00:00.000][12][info][wasm] wasm log: {\"countersign\":\"audit\",\"decision\":\"allow\"}\r\n";
    let Ok(Some(Line::Audit(audit))) = parse(log) else { panic!("no audit line") };
    assert_eq!(audit["decision"], "allow");
    assert_eq!(parse("[info] listener added"), Ok(None));
}

#[test]
fn what_is_wrong_is_told() {
    let good = write(&Line::Request(Box::new(recorded())));
    for (line, message) in [
        (good.replace("\"id\":1", "\"id\":\"1\""), "`id`"),
        (good.replace("\"id\":1", "\"id\":1,\"more\":1"), "more"),
        (good.replace("\"jwt\"", "\"jws\""), "credential.kind"),
        (good.replace("mtls\":true", "mtls\":[true]"), "properties.connection.mtls"),
        (good.replace("\"id\":1", "\"id\":1,\"id\":1"), ""),
        (format!("x {good}"), "a line of its own"),
        (good.replace("\"request\"", "\"other\""), "`countersign`"),
        (good.trim_end_matches('}').to_owned(), ""),
        (
            String::from(r#"{"countersign":"recording","version":2,"time":"","runs":""}"#),
            "`version`: expected 1, found 2",
        ),
    ] {
        let fault = parse(&line).expect_err(&line);
        assert!(fault.contains(message), "{line}: {fault}");
    }
    let deep = format!("{{\"countersign\":\"audit\",\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
    assert!(parse(&deep).is_err());
    let long = format!("{{\"countersign\":\"audit\",\"a\":\"{}\"}}", "a".repeat(2 << 20));
    assert!(parse(&long).is_err());
}

#[test]
fn what_a_request_holds_is_bounded() {
    let refuses = |request: Recorded| parse(&write(&Line::Request(Box::new(request)))).is_err();
    let headers = |count| Recorded { headers: vec![recorded().headers.remove(0); count], ..recorded() };
    assert!(!refuses(headers(HEADERS)) && refuses(headers(HEADERS + 1)));
    let properties = |count: usize| Recorded {
        properties: (0..count).map(|number| (format!("p{number}"), json!(true))).collect(),
        ..recorded()
    };
    assert!(!refuses(properties(PROPERTIES)) && refuses(properties(PROPERTIES + 1)));
}

proptest::proptest! {
    #[test]
    fn every_request_reads_alike_once_written(
        url in ".{0,40}", name in "[a-z-]{1,10}", value in ".{0,40}", number in proptest::num::i64::ANY, kid in ".{0,10}",
    ) {
        let mut line = recorded();
        line.url = url;
        line.headers.push((name.clone(), value.clone()));
        line.properties.insert(format!("source.{name}"), json!(number));
        line.credential.claims.insert(kid, json!({ "a": [value, null, number, true] }));
        let line = Line::Request(Box::new(line));
        proptest::prop_assert_eq!(parse(&write(&line)), Ok(Some(line)));
    }

    #[test]
    fn nothing_makes_it_panic(text in "(\\{\"countersign\":)?[{}\\[\\]\":,a0\\\\ \né]{0,60}") {
        let _ = parse(&text);
    }
}

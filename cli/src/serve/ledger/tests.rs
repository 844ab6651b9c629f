use std::time::Duration;

use countersign_host_sim::serve::{Ended, Times};
use countersign_host_sim::{HeaderMap, LogLevel, LogLine};

use super::*;

const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";

fn exchange(id: u64) -> Exchange {
    let bearer = format!("Bearer {TOKEN}");
    let path = format!("/a?access_token={TOKEN}");
    let request = HeaderMap::from_pairs([
        (":method", "GET"),
        (":path", &path),
        (":authority", "api.example"),
        (":scheme", "https"),
        ("authorization", &bearer),
        ("cookie", "id=very-secret"),
        ("accept", "*/*"),
    ]);
    let logged = |message: String| LogLine { level: LogLevel::Info, message, worker: 0, context: 2, at: 0 };
    Exchange {
        id,
        worker: 0,
        generation: 1,
        at: 1_700_000_000_000_000_000,
        forwarded: Some(request.clone()),
        request,
        properties: Properties::new(),
        request_bytes: 0,
        response: HeaderMap::from_pairs([(":status", "200"), ("set-cookie", "id=very-secret")]),
        reply: TOKEN.as_bytes().to_vec(),
        ended: Ended::Forwarded(200),
        logs: vec![
            logged(format!("saw {TOKEN}")),
            logged(format!("{{\"countersign\":\"audit\",\"decision\":\"allow\",\"path\":\"/{TOKEN}\"}}")),
        ],
        calls: Vec::new(),
        times: Times { total: Duration::from_millis(1), ..Times::default() },
    }
}

#[test]
fn credentials_stand_nowhere_but_where_replays_find_them() {
    let ledger = Ledger::default();
    let mut viewer = ledger.look_on(&json!({})).unwrap();
    let shown = ledger.add(exchange(1), None).to_string();
    let mut told = String::new();
    while let Ok(event) = viewer.try_recv() {
        told.push_str(std::str::from_utf8(&event).unwrap());
    }
    assert!(told.contains("event: decision") && told.contains("\"decision\":\"allow\""), "{told}");
    for text in [shown, told, ledger.detail(1).unwrap().to_string()] {
        for secret in [TOKEN, "eyJzdWIiOiJhbGljZSJ9", "c2lnbmF0dXJl", "very-secret"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert_eq!(ledger.original(1).unwrap().headers.text("authorization").unwrap(), format!("Bearer {TOKEN}"));
}

#[test]
fn what_is_kept_is_bounded() {
    let ledger = Ledger::default();
    for id in 1..=600 {
        ledger.add(exchange(id), None);
    }
    assert!(ledger.detail(100).is_none() && ledger.detail(101).is_some());
    assert!(ledger.original(400).is_none() && ledger.original(401).is_some());
    assert_eq!(ledger.detail(400).unwrap()["replayable"], false);
}

#[test]
fn one_who_falls_behind_is_told_what_was_missed() {
    let ledger = Ledger::default();
    let mut viewer = ledger.look_on(&json!({})).unwrap();
    for id in 1..=1100 {
        ledger.add(exchange(id), None);
    }
    for _ in 0..100 {
        viewer.try_recv().unwrap();
    }
    ledger.add(exchange(1101), None);
    let mut events = Vec::new();
    while let Ok(event) = viewer.try_recv() {
        events.push(String::from_utf8(event.to_vec()).unwrap());
    }
    // The state took a place too.
    let missed = &events[events.len() - 2];
    assert_eq!(missed, "event: missed\ndata: 77\n\n");
    let others: Vec<_> = (0..7).map(|_| ledger.look_on(&json!({}))).collect();
    assert!(others.iter().all(Option::is_some) && ledger.look_on(&json!({})).is_none());
}

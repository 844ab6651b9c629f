use std::time::Duration;

use countersign_host_sim::serve::{Ended, Times};
use countersign_host_sim::{HeaderMap, LogLevel, LogLine, Properties};

use super::*;

const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";

fn exchange(id: u64) -> Arc<Exchange> {
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
    Arc::new(Exchange {
        id,
        worker: 0,
        generation: 1,
        at: 1_700_000_000_000_000_000,
        forwarded: Some(request.clone()),
        request,
        properties: Properties::new(),
        request_bytes: 6,
        body: b"secret".to_vec(),
        response: HeaderMap::from_pairs([(":status", "200"), ("set-cookie", "id=very-secret")]),
        reply: TOKEN.as_bytes().to_vec(),
        ended: Ended::Forwarded(200),
        logs: vec![
            logged(format!("saw {TOKEN}")),
            logged(format!("{{\"countersign\":\"audit\",\"decision\":\"allow\",\"path\":\"/{TOKEN}\"}}")),
        ],
        calls: Vec::new(),
        times: Times { total: Duration::from_millis(1), ..Times::default() },
    })
}

/// What a viewer is sent, as far as it is there.
fn events(viewer: &mut Receiver<Bytes>) -> Vec<String> {
    std::iter::from_fn(|| viewer.try_recv().ok())
        .map(|event| String::from_utf8(event.to_vec()).unwrap())
        .collect()
}

#[test]
fn credentials_stand_nowhere_but_where_replays_find_them() {
    let ledger = Ledger::default();
    let mut viewer = ledger.look_on(&json!({})).unwrap();
    ledger.add(exchange(1), None);
    assert!(!ledger.tell());
    let told = events(&mut viewer).concat();
    assert!(told.contains("event: decision") && told.contains("\"decision\":\"allow\""), "{told}");
    let original = ledger.original(1).unwrap();
    for text in [told, ledger.detail(1).unwrap().to_string(), original.shown(None).detail.to_string()] {
        for secret in [TOKEN, "eyJzdWIiOiJhbGljZSJ9", "c2lnbmF0dXJl", "very-secret", "\"secret\"]"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert_eq!(original.exchange.request.text("authorization").unwrap(), format!("Bearer {TOKEN}"));
}

#[test]
fn what_told_credentials_at_the_time_tells_them_later() {
    let keys = |header: &str| {
        let config = serde_json::from_value(json!({
            "version": 1, "issuers": [], "policy": {}, "routes": [],
            "api_keys": { "header": header, "keys": [] },
        }));
        Secrets::new(Some(&config.unwrap()), &[])
    };
    let ledger = Ledger::new(keys("accept"));
    ledger.add(exchange(1), None);
    ledger.mask_with(keys("other"));
    ledger.add(exchange(2), None);
    assert!(!ledger.detail(1).unwrap().to_string().contains("*/*"));
    assert!(ledger.detail(2).unwrap().to_string().contains("*/*"));
}

#[test]
fn what_is_kept_is_bounded() {
    let ledger = Ledger::default();
    for id in 1..=600 {
        ledger.add(exchange(id), None);
    }
    assert!(ledger.detail(100).is_none() && ledger.detail(101).is_some());
    assert!(ledger.original(100).is_none() && ledger.original(101).is_some());
    assert_eq!(ledger.detail(101).unwrap()["replayable"], true);
}

#[test]
fn what_is_kept_is_bounded_in_bytes() {
    let ledger = Ledger::default();
    let large = |id: u64, body: usize, reply: usize| {
        let small = Arc::unwrap_or_clone(exchange(id));
        Arc::new(Exchange { body: vec![b'x'; body], reply: vec![b'y'; reply], ..small })
    };
    let body = BYTES / 8;
    for id in 1..=10 {
        ledger.add(large(id, body, 0), None);
    }
    // Eight bodies and all else are more than there is room for.
    assert!(ledger.detail(3).is_none() && ledger.detail(4).is_some());
    // Of one that is larger than what is shown its summary is kept, and no credential.
    ledger.add(large(11, 0, DETAIL), None);
    let detail = ledger.detail(11).unwrap();
    assert!(detail["reply"].as_str().unwrap().contains("larger"), "{detail}");
    assert_eq!((&detail["replayable"], &detail["decision"]["id"]), (&false.into(), &11.into()));
    assert!(ledger.original(11).is_none());
}

#[test]
fn credentials_are_kept_for_a_while() {
    let ledger = Ledger::default();
    ledger.add(exchange(1), None);
    let added = Instant::now();
    ledger.inner().forget(added);
    assert!(ledger.original(1).is_some());
    ledger.inner().forget(added + KEPT_FOR + Duration::from_secs(1));
    assert!(ledger.original(1).is_none());
    let detail = ledger.detail(1).unwrap();
    assert_eq!((&detail["replayable"], &detail["decision"]["decision"]), (&false.into(), &"allow".into()));
}

#[test]
fn one_who_falls_behind_is_told_what_was_missed() {
    let ledger = Ledger::default();
    let mut viewer = ledger.look_on(&json!({})).unwrap();
    assert!(!ledger.tell());
    for id in 1..=600 {
        ledger.add(exchange(id), None);
    }
    assert!(!ledger.tell());
    let told = events(&mut viewer);
    assert_eq!(told[1], "event: missed\ndata: 500\n\n");
    assert_eq!(told.len(), 2 + BATCH);
    assert!(told[2].contains("\"id\":501,") && told[101].contains("\"id\":600,"), "{told:?}");

    // Who comes later is told of all that is kept, and that the oldest had to go meanwhile.
    let mut late = ledger.look_on(&json!({})).unwrap();
    ledger.add(exchange(601), None);
    assert!(!ledger.tell());
    assert_eq!((events(&mut late).len(), events(&mut viewer).len()), (2 + ENTRIES, 1));

    // One who reads nothing hears of the rest once it does.
    for round in 0..20 {
        for id in 0..BATCH as u64 {
            ledger.add(exchange(1000 + 100 * round + id), None);
        }
        let behind = ledger.tell();
        drop(events(&mut late));
        assert_eq!(behind, round >= 10, "{round}");
    }
    assert_eq!(events(&mut viewer).len(), BEHIND);
    assert!(!ledger.tell());
    let told = events(&mut viewer);
    let missed: u64 = told[0].trim().rsplit_once(' ').unwrap().1.parse().unwrap();
    assert_eq!(missed as usize + told.len() - 1, 20 * BATCH - BEHIND);
}

#[test]
fn no_more_look_on_than_may() {
    let ledger = Ledger::default();
    let viewers: Vec<_> = (0..VIEWERS).map(|_| ledger.look_on(&json!({}))).collect();
    assert!(viewers.iter().all(Option::is_some) && ledger.look_on(&json!({})).is_none());
}

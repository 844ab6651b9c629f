use super::*;
use crate::crypto::Algorithm;
use crate::keys::tests::{FRESHNESS, at};
use crate::keys::{Fetched, KeyFormat, KeyLookup, KeyStore};
use crate::shared::{Alone, Entry, Unavailable};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::ToString;
use core::cell::Cell;

pub(in crate::fetch) fn source() -> Source {
    Source {
        document: Location::parse("https://issuer.bank.example/jwks", "issuer").unwrap(),
        discovery: None,
        freshness: FRESHNESS,
        max_bytes: 64 * 1024,
        name: "source".into(),
    }
}

fn discovering() -> Source {
    let discovery = Discovery {
        issuer: "https://issuer.bank.example".into(),
        jwks_cluster: "issuer".into(),
        jwks_authority: None,
        refresh: Span::from_secs(1_000),
    };
    Source { discovery: Some(discovery), ..source() }
}

/// A set with the key of RFC 8037 appendix A.2 under this name.
fn document(kid: &str) -> String {
    format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}}"#
    )
}

/// A worker with one issuer.
struct Worker {
    store: KeyStore,
    keeper: Keeper,
    source: Source,
    shared: Rc<dyn SharedData>,
    fetches: u64,
}

impl Worker {
    fn new(me: u64, source: Source, shared: &Rc<impl SharedData + 'static>) -> Self {
        let (store, keeper) = (KeyStore::fetched_by(FRESHNESS, me), Keeper::new(&source, me));
        Self { store, keeper, source, shared: Rc::<_>::clone(shared) as _, fetches: me * 1_000 }
    }

    fn look(&mut self, secs: i64) -> News {
        let mut target = Fetched { store: &mut self.store, format: KeyFormat::JwkSet };
        self.keeper.look(&mut target, &self.source, &*self.shared, at(secs))
    }

    /// Begins a fetch where one is due and no other worker is at it; says what it asks for.
    fn begin(&mut self, secs: i64) -> Option<(CallId, String)> {
        let goes_on = self.keeper.goes_on();
        if !goes_on {
            self.look(secs);
            if self.store.schedule().next_fetch(at(secs)).is_none_or(|due| due > at(secs))
                || !self.keeper.take_lease(
                    &mut Fetched { store: &mut self.store, format: KeyFormat::JwkSet },
                    &self.source,
                    &*self.shared,
                    at(secs),
                )
            {
                return None;
            }
            self.store.schedule_mut().fetch_started(at(secs));
        }
        self.fetches += 1;
        let id = CallId(self.fetches);
        Some((id, self.keeper.next(id, &self.source, at(secs)).path.to_string()))
    }

    fn answer(&mut self, id: CallId, body: Option<&str>, secs: i64) -> Result<&'static str, String> {
        assert!(self.keeper.awaits(id), "an answer that is not awaited");
        let answer = body.map(|body| CallAnswer::new(200, body));
        let mut target = Fetched { store: &mut self.store, format: KeyFormat::JwkSet };
        match self.keeper.answered(answer, &mut target, &self.source, &*self.shared, at(secs)) {
            Step::Onward => Ok("onward"),
            Step::Renewed => Ok("renewed"),
            Step::Failed(fault) => Err(fault),
        }
    }

    /// What a request finds.
    fn finds(&mut self, kid: &str, waited: bool, secs: i64) -> &'static str {
        match self.store.find(Some(kid), Algorithm::EdDsa, waited, at(secs)) {
            KeyLookup::Found(_) => "found",
            KeyLookup::Wait => "wait",
            KeyLookup::Unknown => "unknown",
            KeyLookup::Unavailable => "unavailable",
            KeyLookup::Ambiguous | KeyLookup::WrongAlgorithm => "other",
        }
    }
}

fn workers(count: u64) -> (alloc::vec::Vec<Worker>, Rc<Alone>) {
    let shared = Rc::new(Alone::default());
    ((1..=count).map(|me| Worker::new(me, source(), &shared)).collect(), shared)
}

#[test]
fn one_worker_fetches_for_all() {
    let (mut workers, shared) = workers(4);
    let (id, path) = workers[0].begin(0).unwrap();
    assert_eq!(path, "/jwks");
    for worker in &mut workers[1..] {
        assert_eq!(worker.begin(0), None);
        assert!(worker.store.schedule().follows());
        assert_eq!(worker.finds("a", false, 0), "wait", "who needs keys waits for the other's fetch");
    }
    assert_eq!(workers[0].answer(id, Some(&document("a")), 1), Ok("renewed"));
    for worker in &mut workers[1..] {
        assert_eq!(worker.look(1), News::Renewed);
        assert_eq!(worker.look(1), News::Nothing, "news are told once");
        assert_eq!(worker.finds("a", true, 1), "found");
        assert_eq!(worker.begin(1), None, "and nothing is left to fetch");
    }
    // One that starts later finds them there.
    let mut late = Worker::new(9, source(), &shared);
    assert_eq!(late.begin(50), None);
    assert_eq!(late.finds("a", false, 50), "found");
    assert_eq!(late.store.health(at(50)).age, Some(Span::from_secs(50)));
}

#[test]
fn keys_that_are_gone_are_gone_for_all() {
    let (mut workers, _) = workers(2);
    let (id, _) = workers[0].begin(0).unwrap();
    workers[0].answer(id, Some(&document("a")), 0).unwrap();
    workers[1].look(0);
    assert_eq!(workers[1].finds("a", false, 1), "found");
    let (id, _) = workers[1].begin(96).unwrap();
    workers[1].answer(id, Some(&document("b")), 96).unwrap();
    assert_eq!(workers[0].look(97), News::Renewed);
    assert_ne!(workers[0].finds("a", true, 97), "found");
    assert_eq!(workers[0].finds("b", false, 97), "found");
}

#[test]
fn a_failure_is_everyones() {
    let (mut workers, _) = workers(3);
    let (id, _) = workers[0].begin(0).unwrap();
    assert_eq!(workers[1].begin(0), None);
    assert!(workers[0].answer(id, None, 1).is_err());
    for worker in &mut workers[1..] {
        assert_eq!(worker.look(1), News::Failed);
        assert_eq!(worker.look(1), News::Nothing);
        assert_eq!(worker.finds("a", true, 1), "unavailable");
        assert_eq!(worker.begin(2), None, "the cool-down holds for all");
        assert_eq!(worker.store.health(at(2)).failures, 1);
    }
    // The next failure is the second, whoever meets it.
    let (id, _) = workers[2].begin(13).unwrap();
    assert!(workers[2].answer(id, Some("<html>"), 13).is_err());
    assert_eq!(workers[0].look(13), News::Failed);
    assert_eq!(workers[0].store.health(at(13)).failures, 2);
}

#[test]
fn a_leader_that_dies_is_succeeded_when_its_lease_ends() {
    let (mut workers, _) = workers(3);
    assert!(workers[0].begin(0).is_some());
    assert_eq!(workers[1].begin(1), None);
    assert_eq!(workers[1].begin(2), None, "two seconds for the fetch and one to say how it ended");
    let (id, _) = workers[1].begin(3).unwrap();
    assert_eq!(workers[2].begin(3), None);
    assert_eq!(workers[1].answer(id, Some(&document("a")), 4), Ok("renewed"));
    assert_eq!(workers[2].look(4), News::Renewed);
    // The first was only slow: it takes what is there, and its own answer comes too late.
    assert_eq!(workers[0].look(4), News::Renewed);
    assert!(matches!(workers[0].keeper.stage, Stage::Idle));
}

#[test]
fn an_unknown_kid_sets_off_one_fetch_among_all_workers() {
    let (mut workers, _) = workers(3);
    let (id, _) = workers[0].begin(0).unwrap();
    workers[0].answer(id, Some(&document("a")), 0).unwrap();
    for worker in &mut workers[1..] {
        worker.look(0);
    }
    assert_eq!(workers[0].finds("x", false, 20), "wait");
    let (id, _) = workers[0].begin(20).unwrap();
    // While it is fetched, others wait for it.
    assert_eq!(workers[1].finds("y", false, 20), "wait");
    workers[1].look(20);
    assert!(workers[1].store.schedule().follows());
    workers[0].answer(id, Some(&document("a")), 21).unwrap();
    assert_eq!(workers[1].look(21), News::Renewed);
    // Within the cool-down a third worker does not ask again.
    workers[2].look(21);
    assert_eq!(workers[2].finds("z", false, 25), "wait");
    assert_eq!(workers[2].look(25), News::Asked);
    assert_eq!(workers[2].finds("z", false, 25), "unknown");
    assert_eq!(workers[2].begin(25), None);
    assert_eq!(workers[2].finds("z", false, 31), "wait");
    assert!(workers[2].begin(31).is_some());
}

#[test]
fn two_configurations_never_mix() {
    let shared = Rc::new(Alone::default());
    let mut one = Worker::new(1, source(), &shared);
    let mut other = Worker::new(2, Source { name: "other".into(), ..source() }, &shared);
    let (id, _) = one.begin(0).unwrap();
    one.answer(id, Some(&document("a")), 0).unwrap();
    assert!(other.begin(0).is_some());
}

#[test]
fn nothing_that_stands_in_shared_data_is_believed_more_than_the_network() {
    let names = Names::of("source");
    let good = Status { round: 1, good: 1, ..Status::default() }.encode();
    let then = |secs, said| Brought { asked: at(secs), took: Span::ZERO, said };
    let shared_keys = |keys: &[u8]| {
        let document = Shared { brought: then(0, None), discovery: None, document: keys };
        document.encode(&source()).unwrap()
    };
    let oct = br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#;
    for (status, document) in [
        (b"".to_vec(), shared_keys(document("a").as_bytes())),
        (b"garbage".to_vec(), shared_keys(document("a").as_bytes())),
        (good.clone(), b"".to_vec()),
        (good.clone(), b"garbage".to_vec()),
        (good.clone(), shared_keys(b"<html>")),
        (good.clone(), shared_keys(oct)),
        (good.clone(), shared_keys(br#"{"keys":[]}"#)),
    ] {
        let shared = Rc::new(Alone::default());
        shared.set(&names.status, &status, None).unwrap();
        shared.set(&names.document, &document, None).unwrap();
        let mut worker = Worker::new(1, source(), &shared);
        assert_eq!(worker.look(1), News::Nothing);
        let (id, _) = worker.begin(1).unwrap();
        assert_eq!(worker.answer(id, Some(&self::document("a")), 1), Ok("renewed"));
        assert_eq!(Worker::new(2, source(), &shared).look(1), News::Renewed, "and it is mended");
    }
    // One of a moment ago by a clock that is a little ahead.
    let shared = Rc::new(Alone::default());
    let text = document("a");
    let ahead = Shared { brought: then(1, None), discovery: None, document: text.as_bytes() };
    shared.set(&names.status, &good, None).unwrap();
    shared.set(&names.document, &ahead.encode(&source()).unwrap(), None).unwrap();
    assert_eq!(Worker::new(1, source(), &shared).look(0), News::Renewed);
    // Nobody knows how old a document is that claims to be from the future.
    let shared = Rc::new(Alone::default());
    shared.set(&names.status, &good, None).unwrap();
    let future = Shared {
        brought: then(1 << 40, Some(Span::from_secs(1 << 30))),
        discovery: None,
        document: text.as_bytes(),
    };
    shared.set(&names.document, &future.encode(&source()).unwrap(), None).unwrap();
    let mut worker = Worker::new(1, source(), &shared);
    assert_eq!(worker.look(0), News::Nothing);
    // Once the clock was seen to go back, it stays away even when that time has come.
    let clock = at(1 << 20);
    worker.keeper.set_back(Span::from_secs(10), &worker.source, &*shared, clock);
    assert!(shared.get(&names.document).unwrap().unwrap().bytes.is_empty());
    shared.set(&names.document, &ahead.encode(&source()).unwrap(), Some(2)).unwrap();
    worker.keeper.set_back(Span::from_secs(10), &worker.source, &*shared, clock);
    assert!(!shared.get(&names.document).unwrap().unwrap().bytes.is_empty(), "one of before stays");
}

#[test]
fn leases_of_a_clock_that_was_set_back_hold_nobody_up() {
    let (mut workers, _) = workers(2);
    assert!(workers[0].begin(5_000).is_some());
    assert!(workers[1].begin(0).is_some());
}

#[test]
fn who_has_read_the_clock_a_moment_earlier_waits_too() {
    let (mut workers, _) = workers(2);
    assert!(workers[0].begin(1).is_some());
    assert_eq!(workers[1].begin(0), None);
    assert!(workers[1].store.schedule().follows());
}

#[test]
fn who_takes_anothers_document_leads_no_more() {
    let (mut workers, _) = workers(3);
    let (id, _) = workers[0].begin(10).unwrap();
    // By a clock so far behind, the first one's lease is none.
    assert!(workers[1].begin(8).is_some());
    assert_eq!(workers[0].answer(id, Some(&document("a")), 10), Ok("renewed"));
    assert_eq!(workers[1].look(10), News::Renewed);
    assert_eq!(workers[2].look(10), News::Renewed);
    assert_eq!(workers[2].finds("x", false, 10), "wait");
    assert!(workers[2].begin(10).is_some(), "nobody is waited for");
}

#[test]
fn discovery_goes_before_the_keys_and_is_shared_with_them() {
    let shared = Rc::new(Alone::default());
    let (mut one, mut two) = (Worker::new(1, discovering(), &shared), Worker::new(2, discovering(), &shared));
    let config = |uri: &str| format!(r#"{{"issuer":"https://issuer.bank.example","jwks_uri":"{uri}"}}"#);
    let (id, path) = one.begin(0).unwrap();
    assert_eq!(path, "/jwks", "the source's own document");
    assert_eq!(one.answer(id, Some(&config("https://issuer.bank.example/keys-1")), 0), Ok("onward"));
    assert_eq!(two.begin(0), None);
    let (id, path) = one.begin(0).unwrap();
    assert_eq!(path, "/keys-1");
    assert_eq!(one.answer(id, Some(&document("a")), 0), Ok("renewed"));
    assert_eq!(two.look(0), News::Renewed);
    // The other worker refreshes, and need not ask where the keys are for a while.
    let (id, path) = two.begin(96).unwrap();
    assert_eq!(path, "/keys-1");
    // They have moved: what fails is looked for from the start.
    assert!(two.answer(id, None, 96).is_err());
    let (id, _) = two.begin(110).unwrap();
    assert_eq!(two.answer(id, Some(&config("https://issuer.bank.example/keys-2")), 110), Ok("onward"));
    let (id, path) = two.begin(110).unwrap();
    assert_eq!(path, "/keys-2");
    assert_eq!(two.answer(id, Some(&document("b")), 110), Ok("renewed"));
    // And after its own time the document is asked for again.
    let mut last = 110;
    for _ in 0..20 {
        last += 96;
        let (id, path) = two.begin(last).unwrap();
        if path == "/jwks" {
            assert!(last > 1_110, "{last}");
            return;
        }
        two.answer(id, Some(&document("b")), last).unwrap();
    }
    panic!("discovery was never asked for again");
}

#[test]
fn a_discovery_document_that_is_not_to_be_followed_is_a_failure() {
    let shared = Rc::new(Alone::default());
    let mut worker = Worker::new(1, discovering(), &shared);
    let (id, _) = worker.begin(0).unwrap();
    let foreign = r#"{"issuer":"https://issuer.bank.example","jwks_uri":"https://evil.example/keys"}"#;
    let fault = worker.answer(id, Some(foreign), 0).unwrap_err();
    assert!(fault.contains("jwks_authority"), "{fault}");
    assert!(!worker.keeper.goes_on());
    // Nor is one that stands in shared data.
    let names = Names::of("source");
    let keys = document("a");
    let planted = Shared {
        brought: Brought { asked: at(1), took: Span::ZERO, said: None },
        discovery: Some((at(1), foreign.as_bytes())),
        document: keys.as_bytes(),
    };
    let bare = Shared { discovery: None, ..planted.clone() };
    for planted in [planted, bare] {
        let shared = Rc::new(Alone::default());
        shared.set(&names.status, &Status { round: 1, good: 1, ..Status::default() }.encode(), None).unwrap();
        shared.set(&names.document, &planted.encode(&source()).unwrap(), None).unwrap();
        assert_eq!(Worker::new(1, discovering(), &shared).look(2), News::Nothing);
    }
}

/// A host whose shared data fails, in reading or in writing.
struct Failing(Cell<bool>);

impl SharedData for Failing {
    fn get(&self, _: &str) -> Result<Option<Entry>, Unavailable> {
        if self.0.get() { Err(Unavailable) } else { Ok(None) }
    }

    fn set(&self, _: &str, _: &[u8], _: Option<u32>) -> Result<(), NotWritten> {
        Err(if self.0.get() { NotWritten::Unavailable } else { NotWritten::Changed })
    }
}

#[test]
fn without_shared_data_each_worker_fetches_for_itself() {
    let shared = Rc::new(Failing(Cell::new(true)));
    for me in 1..3 {
        let mut worker = Worker::new(me, source(), &shared);
        let (id, _) = worker.begin(0).unwrap();
        assert_eq!(worker.answer(id, Some(&document("a")), 0), Ok("renewed"));
        assert_eq!(worker.finds("a", false, 0), "found");
    }
    // Data that can never be written is waited for a little, and never in a circle.
    shared.0.set(false);
    let mut worker = Worker::new(3, source(), &shared);
    assert_eq!(worker.begin(0), None);
    assert!(worker.store.schedule().follows());
}

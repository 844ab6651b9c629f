use super::*;
use crate::json::JsonErrorKind;
use crate::keys::Unproven;
use crate::revocation::testing::*;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const LIMIT: usize = 1_000_000;
const SALT: &[u8; 16] = b"0123456789abcdef";

/// What a publisher does, from the description of the format.
#[derive(Clone, Debug, Default)]
struct Publisher {
    revoked: [BTreeSet<String>; 3],
    all: Option<i64>,
    subjects: BTreeMap<String, u32>,
}

impl Publisher {
    fn revoking(kind: &str, identifiers: &[&str]) -> Self {
        let mut publisher = Self::default();
        let place = KINDS.iter().position(|known| *known == kind).unwrap();
        publisher.revoked[place] = identifiers.iter().map(|id| String::from(*id)).collect();
        publisher
    }

    fn claims(&self) -> Json {
        let hashed = |kind: &str, identifier: &str| {
            let input = [&SALT[..], kind.as_bytes(), &[0], identifier.as_bytes()].concat();
            crate::crypto::digest::sha256(&input)[..6].to_vec()
        };
        let mut revoked = json!({});
        for (kind, identifiers) in KINDS.into_iter().zip(&self.revoked) {
            let entries: BTreeSet<Vec<u8>> = identifiers.iter().map(|id| hashed(kind, id)).collect();
            let bytes = entries.into_iter().collect::<Vec<_>>().concat();
            revoked[kind] = base64url::encode(&bytes).into();
        }
        let rows: BTreeMap<Vec<u8>, u32> =
            self.subjects.iter().map(|(id, time)| (hashed("sub", id), *time)).collect();
        let rows: Vec<u8> =
            rows.iter().flat_map(|(hash, time)| [hash, &time.to_be_bytes()[..]].concat()).collect();
        let mut issued_before = json!({ "sub": base64url::encode(&rows) });
        if let Some(all) = self.all {
            issued_before["all"] = all.into();
        }
        json!({
            "iss": ORIGIN.issuer, "sub": ORIGIN.uri, "iat": NOW, "exp": NOW + 600, "seq": 7,
            "salt": base64url::encode(SALT), "revoked": revoked, "issued_before": issued_before,
        })
    }
}

fn header() -> Json {
    json!({ "alg": "EdDSA", "kid": "a", "typ": "revocations+jwt" })
}

fn read_after(claims: &Json, held: Option<Edition>) -> Result<Feed, FeedError> {
    let token = sign(&header(), claims);
    Feed::read(token.as_bytes(), &ORIGIN, keys(&mut store()), LIMIT, held, now())
}

fn read(claims: &Json) -> Result<Feed, FeedError> {
    read_after(claims, None)
}

/// What becomes of a good feed with one claim changed.
fn with(pointer: &str, to: impl Into<Option<Json>>) -> Result<Feed, FeedError> {
    read(&changed(&Publisher::revoking("jti", &["t-1"]).claims(), pointer, to.into()))
}

fn signed<T>(error: SignedError) -> Result<T, FeedError> {
    Err(FeedError::Signed(error))
}

/// A token of this minute with all identifiers.
fn token<'a>(jti: &'a str, sub: &'a str, sid: &'a str) -> Identifiers<'a> {
    Identifiers { jti: Some(jti), sub: Some(sub), sid: Some(sid), actors: &[], issued_at: Some(now()) }
}

#[test]
fn who_is_taken_back_acts_for_nobody() {
    let actors = ["gateway".into(), "agent-7".into()];
    let delegated = || Identifiers { actors: &actors, ..token("a", "alice", "c") };
    let feed = read(&Publisher::revoking("sub", &["agent-7"]).claims()).unwrap();
    assert_eq!(feed.revokes(&delegated()), Some(By::Sub));
    let nobody = Identifiers { sub: None, ..delegated() };
    assert_eq!(feed.revokes(&nobody), Some(By::Sub));
    let other = read(&Publisher::revoking("sub", &["agent-8"]).claims()).unwrap();
    assert_eq!(other.revokes(&delegated()), None);
    for (time, by) in [(NOW as u32, None), (NOW as u32 + 1, Some(By::SubIssuedBefore))] {
        let subjects = [(String::from("gateway"), time)].into();
        let feed = read(&Publisher { subjects, ..Publisher::default() }.claims()).unwrap();
        assert_eq!(feed.revokes(&delegated()), by);
    }
    // What is a session's or a token's name is no party's.
    let feed = read(&Publisher::revoking("jti", &["agent-7"]).claims()).unwrap();
    assert_eq!(feed.revokes(&delegated()), None);
}

#[test]
fn what_is_revoked_is_found_by_its_kind_alone() {
    for (kind, by) in [("jti", By::Jti), ("sub", By::Sub), ("sid", By::Sid)] {
        let feed = read(&Publisher::revoking(kind, &["x", "y"]).claims()).unwrap();
        assert_eq!(feed.entries(), 2);
        for id in ["x", "y"] {
            let tokens = [token(id, "-", "-"), token("-", id, "-"), token("-", "-", id)];
            let found = tokens.map(|token| feed.revokes(&token));
            let expected = ["jti", "sub", "sid"].map(|of| (of == kind).then_some(by));
            assert_eq!(found, expected, "{kind}");
        }
        assert_eq!(feed.revokes(&token("z", "z", "z")), None);
        assert_eq!(feed.revokes(&Identifiers::default()), None, "nothing to look for");
    }
}

#[test]
fn what_was_issued_before_a_time_is_revoked() {
    let feed = read(&Publisher { all: Some(NOW), ..Publisher::default() }.claims()).unwrap();
    let issued = |issued_at| feed.revokes(&Identifiers { issued_at, ..token("a", "b", "c") });
    assert_eq!(issued(Some(Timestamp::from_secs(NOW - 1))), Some(By::IssuedBefore));
    assert_eq!(issued(Some(Timestamp::from_nanos(NOW * 1_000_000_000 - 1))), Some(By::IssuedBefore));
    assert_eq!(issued(Some(now())), None, "issued then is not before");
    assert_eq!(issued(None), Some(By::IssuedBefore), "who knows when");
}

#[test]
fn a_subject_has_a_time_of_its_own() {
    let names: Vec<String> = (0..500).map(|i| format!("user-{i}")).collect();
    let subjects = names.iter().enumerate().map(|(i, name)| (name.clone(), NOW as u32 + i as u32)).collect();
    let feed = read(&Publisher { subjects, ..Publisher::default() }.claims()).unwrap();
    for (i, name) in names.iter().enumerate() {
        let issued = |secs| {
            let issued_at = Some(Timestamp::from_secs(NOW + secs));
            feed.revokes(&Identifiers { issued_at, ..token("a", name, "c") })
        };
        assert_eq!(issued(i as i64 - 1), Some(By::SubIssuedBefore), "{name}");
        assert_eq!(issued(i as i64), None, "{name}");
        let unknown = Identifiers { issued_at: None, ..token("a", name, "c") };
        assert_eq!(feed.revokes(&unknown), Some(By::SubIssuedBefore), "{name}");
    }
    assert_eq!(feed.revokes(&Identifiers { issued_at: None, ..token("a", "user-500", "c") }), None);
    assert_eq!(feed.revokes(&Identifiers::default()), None, "a token without `sub` is nobody's");
}

#[test]
fn a_subject_is_found_in_both_lists() {
    let mut publisher = Publisher::revoking("sub", &["alice"]);
    publisher.subjects.insert("bob".into(), NOW as u32 + 1);
    let feed = read(&publisher.claims()).unwrap();
    assert_eq!(feed.revokes(&token("a", "alice", "c")), Some(By::Sub));
    assert_eq!(feed.revokes(&token("a", "bob", "c")), Some(By::SubIssuedBefore));
    assert_eq!(feed.revokes(&token("a", "carol", "c")), None);
}

#[test]
fn an_older_edition_takes_no_place() {
    let edition = |sequence, secs| Some(Edition { sequence, issued: Timestamp::from_secs(secs) });
    let good = Publisher::default().claims();
    for held in [None, edition(Some(7), NOW), edition(Some(6), NOW + 9), edition(None, NOW)] {
        let feed = read_after(&good, held).unwrap();
        assert_eq!(Some(feed.edition()), edition(Some(7), NOW));
    }
    for held in [edition(Some(8), NOW - 9), edition(None, NOW + 1)] {
        assert_eq!(read_after(&good, held), Err(FeedError::Older), "{held:?}");
    }
    let without = changed(&good, "/seq", None);
    assert_eq!(read_after(&without, edition(Some(0), NOW - 9)), Err(FeedError::Older), "a `seq` stays");
    assert!(read_after(&without, edition(None, NOW - 9)).is_ok());
}

#[test]
fn it_is_signed_and_is_the_feed_that_was_asked_for() {
    for typ in [
        json!("JWT"),
        json!("statuslist+jwt"),
        json!("Revocations+jwt"),
        json!("application/revocations+jwt"),
    ] {
        let token = sign(&changed(&header(), "/typ", Some(typ)), &Publisher::default().claims());
        let found = Feed::read(token.as_bytes(), &ORIGIN, keys(&mut store()), LIMIT, None, now());
        assert_eq!(found, signed(SignedError::Type { expected: "revocations+jwt" }));
    }
    let token = sign(&changed(&header(), "/kid", Some(json!("b"))), &Publisher::default().claims());
    let found = Feed::read(token.as_bytes(), &ORIGIN, keys(&mut store()), LIMIT, None, now());
    assert_eq!(found, signed(SignedError::Key(Unproven::Mismatch)));
    assert_eq!(with("/iss", None), signed(SignedError::IssuerMissing));
    assert_eq!(with("/iss", json!("https://other.example")), signed(SignedError::Issuer));
    assert_eq!(with("/sub", json!("https://id.bank.example/other")), signed(SignedError::Subject));
    assert_eq!(with("/sub", None), signed(SignedError::Subject));
    assert_eq!(with("/iat", None), signed(SignedError::IssuedMissing));
    assert_eq!(with("/iat", json!(NOW + 31)), signed(SignedError::IssuedInFuture));
    assert_eq!(with("/exp", json!(NOW - 30)), signed(SignedError::Expired));
    assert_eq!(with("/exp", None).unwrap().expires(), None);
}

#[test]
fn members_are_of_their_types() {
    for seq in [json!(-1), json!(1.5), json!("1"), json!(null)] {
        assert_eq!(with("/seq", seq.clone()), Err(FeedError::Sequence), "{seq}");
    }
    assert_eq!(with("/seq", json!(u64::MAX)).unwrap().edition().sequence, Some(u64::MAX));
    for size in [0, 1, 15, 65, 1_000] {
        let salt = json!(base64url::encode(&vec![1; size]));
        assert_eq!(with("/salt", salt), Err(FeedError::Salt), "{size} bytes");
    }
    for size in [16, 17, 32, 63, 64] {
        assert!(with("/salt", json!(base64url::encode(&vec![1; size]))).is_ok(), "{size} bytes");
    }
    assert_eq!(with("/salt", None), Err(FeedError::Salt));
    assert_eq!(with("/salt", json!("!".repeat(30))), Err(FeedError::Salt));
    assert_eq!(with("/revoked", None), Err(FeedError::Revoked));
    assert_eq!(with("/revoked", json!([])), Err(FeedError::Revoked));
    assert!(with("/revoked", json!({})).is_ok());
    assert_eq!(with("/revoked/client_id", json!("")), Err(FeedError::UnknownMember));
    for kind in KINDS {
        let pointer = format!("/revoked/{kind}");
        for text in [json!(null), json!([]), json!("AAAAAAA"), json!("AAAA=AAA")] {
            assert_eq!(with(&pointer, text.clone()), Err(FeedError::Kind(kind)), "{text}");
        }
        for text in ["AAAAAAABAAAAAAAA", "AAAAAAABAAAAAAAB"] {
            assert_eq!(with(&pointer, json!(text)), Err(FeedError::Order(kind)), "{text}");
        }
        assert!(with(&pointer, json!("AAAAAAAAAAAAAAAB")).is_ok());
        assert!(with(&pointer, None).is_ok());
    }
}

#[test]
fn what_was_issued_before_is_of_its_types() {
    assert_eq!(with("/issued_before", json!([])), Err(FeedError::IssuedBefore));
    assert!(with("/issued_before", None).is_ok());
    assert!(with("/issued_before", json!({})).is_ok());
    assert_eq!(with("/issued_before/jti", json!("")), Err(FeedError::UnknownMember));
    // The last is in milliseconds.
    for all in [json!("1"), json!(null), json!(1_790_000_000_000_i64)] {
        assert_eq!(with("/issued_before/all", all.clone()), Err(FeedError::IssuedBeforeAll), "{all}");
    }
    let rows = |rows: &[[u8; 10]]| json!(base64url::encode(&rows.concat()));
    let row = |last| [0, 0, 0, 0, 0, last, 0, 0, 0, 9 - last];
    let sub = |to: Json| with("/issued_before/sub", to);
    assert!(sub(rows(&[row(1), row(2)])).is_ok());
    for wrong in [rows(&[row(2), row(1)]), rows(&[row(1), row(1)])] {
        assert_eq!(sub(wrong), Err(FeedError::IssuedBeforeSubOrder));
    }
    for wrong in [json!([]), json!("A"), json!("AAAA"), json!(base64url::encode(&[0; 11]))] {
        assert_eq!(sub(wrong), Err(FeedError::IssuedBeforeSub));
    }
    let many = |count: u32| {
        let rows: Vec<u8> =
            (0..count).flat_map(|i| [&[0, 0], &i.to_be_bytes()[..], &[0; 4]].concat()).collect();
        json!(base64url::encode(&rows))
    };
    assert!(sub(many(4_096)).is_ok());
    assert_eq!(sub(many(4_097)), Err(FeedError::IssuedBeforeSubCount));
}

#[test]
fn entries_are_bounded_over_all_kinds() {
    let mut publisher = Publisher::revoking("jti", &["a", "b"]);
    publisher.revoked[2].insert("c".into());
    let token = sign(&header(), &publisher.claims());
    let read = |limit| Feed::read(token.as_bytes(), &ORIGIN, keys(&mut store()), limit, None, now());
    assert_eq!(read(3).unwrap().entries(), 3);
    assert_eq!(read(2), Err(FeedError::TooMany { limit: 2 }));
}

#[test]
fn a_million_entries_fit_into_four_mebibytes() {
    let entries = |from: u64, count: u64| {
        let step = (1 << 48) / count;
        let bytes: Vec<u8> =
            (0..count).flat_map(|i| (from + i * step).to_be_bytes().into_iter().skip(2)).collect();
        base64url::encode(&bytes)
    };
    let rows: Vec<u8> =
        (0..4_096u32).flat_map(|i| [&[0, 0], &i.to_be_bytes()[..], &[0; 4]].concat()).collect();
    let mut claims = Publisher::default().claims();
    claims["salt"] = base64url::encode(&[7; 64]).into();
    claims["revoked"] =
        json!({ "jti": entries(0, 600_000), "sub": entries(1, 300_000), "sid": entries(2, 100_000) });
    claims["issued_before"] = json!({ "all": 5, "sub": base64url::encode(&rows) });
    let feed = read(&claims).unwrap();
    assert_eq!(feed.entries(), 1_000_000);
    assert!(feed.bytes() <= 4_194_304, "{}", feed.bytes());
    assert!(feed.bytes() > 4_000_000, "a bit of every entry is somewhere");
}

#[test]
fn a_payload_is_one_object() {
    assert_eq!(read(&json!([])), signed(SignedError::NotObject));
    let found =
        Feed::read_payload(br#"{"seq":1,"seq":2}"#, signer(), &ORIGIN, LIMIT, None, now()).unwrap_err();
    let FeedError::Signed(SignedError::Json(error)) = found else { panic!("{found:?}") };
    assert_eq!(error.kind, JsonErrorKind::DuplicateMember);
}

#[test]
fn messages_say_what_was_expected() {
    let message = |found: Result<Feed, FeedError>| found.unwrap_err().to_string();
    assert_eq!(message(with("/salt", None)), "expected base64url of 16 to 64 bytes in `salt`");
    assert_eq!(
        message(with("/revoked/sid", json!("AAAAAAAAAAAAAAAA"))),
        "expected entries in ascending order, each once, in `revoked.sid`"
    );
}

/// Short names, so that lists and tokens have some in common.
fn names() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[a-e]{1,2}", 0..12)
}

proptest! {
    #[test]
    fn a_feed_says_what_its_publisher_meant(
        revoked in prop::array::uniform3(names()),
        all in prop::option::of(NOW - 3..NOW + 3),
        subjects in prop::collection::btree_map("[a-e]{1,2}", NOW as u32 - 3..NOW as u32 + 3, 0..12),
        tokens in prop::collection::vec(
            (prop::array::uniform3(prop::option::of("[a-e]{1,2}")), prop::option::of(NOW - 4..NOW + 4)),
            60,
        ),
    ) {
        let publisher = Publisher { revoked, all, subjects };
        let feed = read(&publisher.claims()).unwrap();
        prop_assert_eq!(feed.entries(), publisher.revoked.iter().map(BTreeSet::len).sum::<usize>());
        for ([jti, sub, sid], issued) in &tokens {
            let has = |place: usize, id: &Option<String>| {
                id.as_ref().is_some_and(|id| publisher.revoked[place].contains(id))
            };
            let before = |time: i64| issued.is_none_or(|issued| issued < time);
            let own = sub.as_ref().and_then(|sub| publisher.subjects.get(sub));
            let mut expected = Vec::new();
            expected.extend(has(0, jti).then_some(By::Jti));
            expected.extend(has(1, sub).then_some(By::Sub));
            expected.extend(has(2, sid).then_some(By::Sid));
            expected.extend(publisher.all.is_some_and(before).then_some(By::IssuedBefore));
            expected.extend(own.is_some_and(|time| before((*time).into())).then_some(By::SubIssuedBefore));
            let found = feed.revokes(&Identifiers {
                jti: jti.as_deref(),
                sub: sub.as_deref(),
                sid: sid.as_deref(),
                actors: &[],
                issued_at: issued.map(Timestamp::from_secs),
            });
            prop_assert_eq!(found.is_some(), !expected.is_empty());
            prop_assert!(found.is_none_or(|by| expected.contains(&by)), "{:?} of {:?}", found, expected);
        }
    }

    #[test]
    fn nothing_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Feed::read(&bytes, &ORIGIN, keys(&mut store()), LIMIT, None, now());
        prop_assert!(Feed::read_payload(&bytes, signer(), &ORIGIN, LIMIT, None, now()).is_err());
        let text = base64url::encode(&bytes);
        for pointer in ["/revoked/jti", "/revoked/sid", "/issued_before/sub", "/salt"] {
            let _ = with(pointer, Json::from(&*text));
        }
    }
}

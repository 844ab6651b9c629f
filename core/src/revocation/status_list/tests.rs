use super::*;
use crate::crypto::Algorithm;
use crate::jose::JwsError;
use crate::json::JsonErrorKind;
use crate::keys::{Freshness, KeyStore, Unproven};
use crate::revocation::testing::*;
use alloc::string::ToString;
use alloc::vec::Vec;
use alloc::{format, vec};
use miniz_oxide::deflate::compress_to_vec_zlib;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const LIMIT: usize = 1 << 20;

fn header() -> Json {
    json!({ "alg": "EdDSA", "kid": "a", "typ": "statuslist+jwt" })
}

fn lst(statuses: &[u8]) -> Json {
    base64url::encode(&compress_to_vec_zlib(statuses, 9)).into()
}

fn claims(bits: u8, statuses: &[u8]) -> Json {
    json!({
        "iss": ORIGIN.issuer, "sub": ORIGIN.uri, "iat": NOW - 10, "exp": NOW + 600, "ttl": 300,
        "status_list": { "bits": bits, "lst": lst(statuses), "aggregation_uri": "https://a/b" },
    })
}

fn read_token(token: &str) -> Result<StatusList, StatusListError> {
    StatusList::read(token.as_bytes(), &ORIGIN, keys(&mut store()), LIMIT, now())
}

fn read(claims: &Json) -> Result<StatusList, StatusListError> {
    read_token(&sign(&header(), claims))
}

/// What becomes of a good list with one claim changed.
fn with(pointer: &str, to: impl Into<Option<Json>>) -> Result<StatusList, StatusListError> {
    read(&changed(&claims(1, &[0xb9, 0xa3]), pointer, to.into()))
}

/// What becomes of it under a header with one member changed.
fn under(pointer: &str, to: impl Into<Option<Json>>) -> Result<StatusList, StatusListError> {
    read_token(&sign(&changed(&header(), pointer, to.into()), &claims(1, &[0xb9, 0xa3])))
}

fn signed<T>(error: SignedError) -> Result<T, StatusListError> {
    Err(StatusListError::Signed(error))
}

#[test]
fn a_list_is_read_and_indexed() {
    let list = with("/iss", Json::from(ORIGIN.issuer)).unwrap();
    // §4.1's first example.
    let expected = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1];
    for (index, status) in expected.into_iter().enumerate() {
        let status = if status == 1 { Status::Invalid } else { Status::Valid };
        assert_eq!(list.status(index as u32), Some(status), "{index}");
    }
    assert_eq!((list.len(), list.bits(), list.is_empty()), (16, 1, false));
    assert_eq!(list.issued(), Timestamp::from_secs(NOW - 10));
    assert_eq!(list.expires(), Some(Timestamp::from_secs(NOW + 600)));
    assert_eq!(list.ttl(), Some(Span::from_secs(300)));
}

#[test]
fn beyond_the_end_there_is_no_status() {
    for (bits, len) in [(1, 16), (2, 8), (4, 4), (8, 2)] {
        let list = read(&claims(bits, &[0, 0])).unwrap();
        assert_eq!(list.status(len - 1), Some(Status::Valid), "{bits} bits");
        for index in [len, len + 1, 8 * len, u32::MAX] {
            assert_eq!(list.status(index), None, "{index} of {bits} bits");
        }
    }
    let none = read(&claims(1, &[])).unwrap();
    assert_eq!((none.status(0), none.len(), none.is_empty()), (None, 0, true));
}

#[test]
fn each_value_has_its_meaning() {
    let list = read(&claims(8, &[0, 1, 2, 3, 0x0b, 0xff])).unwrap();
    let found: Vec<_> = (0..6).map(|index| list.status(index).unwrap()).collect();
    let others = [3, 0x0b, 0xff].map(Status::Other);
    assert_eq!(found, [&[Status::Valid, Status::Invalid, Status::Suspended][..], &others].concat());
}

#[test]
fn a_million_statuses_take_what_their_bits_take() {
    let list = read(&claims(1, &vec![0; 125_000])).unwrap();
    assert_eq!(list.len(), 1_000_000);
    assert!(list.bytes() <= 125_000 + 128, "{}", list.bytes());
}

#[test]
fn the_type_is_spelled_so() {
    let expected = || signed(SignedError::Type { expected: "statuslist+jwt" });
    for typ in
        ["JWT", "at+jwt", "revocations+jwt", "statuslist+cwt", "StatusList+JWT", "application/statuslist+jwt"]
    {
        assert_eq!(under("/typ", Json::from(typ)), expected(), "{typ}");
    }
    assert_eq!(under("/typ", None), expected());
}

#[test]
fn the_issuer_has_signed_it() {
    assert_eq!(under("/kid", Json::from("b")), signed(SignedError::Key(Unproven::Mismatch)));
    assert_eq!(under("/kid", Json::from("c")), signed(SignedError::Key(Unproven::Unknown)));
    assert!(under("/kid", None).is_ok(), "either key is tried");
    assert_eq!(under("/alg", Json::from("ES256")), signed(SignedError::Algorithm));
    assert_eq!(under("/alg", Json::from("none")), signed(SignedError::Jws(JwsError::AlgorithmNone)));
    assert_eq!(under("/alg", Json::from("HS256")), signed(SignedError::Jws(JwsError::AlgorithmSymmetric)));
    let token = sign(&header(), &claims(1, &[1]));
    let other = sign(&header(), &claims(1, &[0]));
    let (input, _) = token.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    assert_eq!(read_token(&format!("{input}.{signature}")), signed(SignedError::Key(Unproven::Mismatch)));
}

#[test]
fn keys_that_are_not_there_are_waited_for() {
    let freshness = Freshness {
        refresh: Span::from_secs(100),
        min_refresh: Span::from_secs(20),
        cooldown: Span::from_secs(10),
        stale: Span::from_secs(1_000),
        timeout: Span::from_secs(2),
    };
    let mut store = KeyStore::fetched_by(freshness, 7);
    let token = sign(&header(), &claims(1, &[1]));
    let mut read = |waited| {
        let keys = Keys { waited, ..keys(&mut store) };
        StatusList::read(token.as_bytes(), &ORIGIN, keys, LIMIT, now())
    };
    assert_eq!(read(false), signed(SignedError::Key(Unproven::Wait)));
    assert_eq!(read(true), signed(SignedError::Key(Unproven::Unavailable)));
}

#[test]
fn a_document_is_bounded() {
    let token = sign(&header(), &claims(1, &[1]));
    let read = |max_bytes| {
        let origin = Origin { max_bytes, ..ORIGIN };
        StatusList::read(token.as_bytes(), &origin, keys(&mut store()), LIMIT, now())
    };
    assert!(read(token.len()).is_ok());
    assert_eq!(read(token.len() - 1), signed(SignedError::Jws(JwsError::TooLarge)));
}

#[test]
fn an_algorithm_of_the_key_alone_is_not_enough() {
    let origin = Origin { algorithms: &[Algorithm::Es256], ..ORIGIN };
    let token = sign(&header(), &claims(1, &[1]));
    let found = StatusList::read(token.as_bytes(), &origin, keys(&mut store()), LIMIT, now());
    assert_eq!(found, signed(SignedError::Algorithm));
}

#[test]
fn it_is_the_list_that_was_asked_for() {
    for sub in
        [json!("https://id.bank.example/revocations/"), json!("https://id.bank.example/other"), json!("")]
    {
        assert_eq!(with("/sub", sub), signed(SignedError::Subject));
    }
    assert_eq!(with("/sub", None), signed(SignedError::Subject));
    assert_eq!(with("/iss", json!("https://other.example")), signed(SignedError::Issuer));
    assert!(with("/iss", None).is_ok(), "the draft does not demand it");
    assert_eq!(with("/aud", json!("somebody")), signed(SignedError::Audience));
}

#[test]
fn times_are_held_to_the_clock() {
    assert_eq!(with("/iat", None), signed(SignedError::IssuedMissing));
    assert_eq!(with("/iat", json!(NOW + 31)), signed(SignedError::IssuedInFuture));
    assert!(with("/iat", json!(NOW + 30)).is_ok());
    assert_eq!(with("/exp", json!(NOW - 30)), signed(SignedError::Expired));
    assert!(with("/exp", json!(NOW - 29)).is_ok());
    assert!(with("/exp", None).is_ok());
    assert_eq!(with("/nbf", json!(NOW + 31)), signed(SignedError::NotYetValid));
    assert!(with("/nbf", json!(NOW + 30)).is_ok());
    for claim in ["/iat", "/exp", "/nbf", "/iss", "/sub"] {
        assert_eq!(with(claim, json!([])), signed(SignedError::Claims), "{claim}");
    }
}

#[test]
fn a_ttl_is_positive() {
    for ttl in [json!(0), json!(-1), json!("300"), json!(null), json!(1e20)] {
        assert_eq!(with("/ttl", ttl.clone()), Err(StatusListError::Ttl), "{ttl}");
    }
    assert_eq!(with("/ttl", json!(0.5)).unwrap().ttl(), Some(Span::from_millis(500)));
    assert_eq!(with("/ttl", None).unwrap().ttl(), None);
}

#[test]
fn the_list_is_as_the_draft_has_it() {
    for bits in [json!(0), json!(3), json!(16), json!(-1), json!("1"), json!(1.0), json!(null)] {
        assert_eq!(with("/status_list/bits", bits.clone()), Err(StatusListError::Bits), "{bits}");
    }
    assert_eq!(with("/status_list/bits", None), Err(StatusListError::Bits));
    assert_eq!(with("/status_list", None), Err(StatusListError::List));
    assert_eq!(with("/status_list", json!("x")), Err(StatusListError::List));
    assert_eq!(with("/status_list/lst", None), Err(StatusListError::List));
    assert_eq!(with("/status_list/lst", json!(["eNrbuRgAAhcBXQ"])), Err(StatusListError::List));
    assert!(with("/status_list/lst", json!("eNrbuRgAAhcBXQ")).is_ok());
    assert!(matches!(with("/status_list/lst", json!("eNrbuRgAAhcBXQ==")), Err(StatusListError::Encoding(_))));
    let cut = with("/status_list/lst", json!("eNrbuRgAAhcB"));
    assert_eq!(cut, Err(StatusListError::Inflate(InflateError::Corrupt)));
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    let claims = claims(1, &vec![0; LIMIT + 1]);
    assert_eq!(read(&claims), Err(StatusListError::Inflate(InflateError::TooLarge { limit: LIMIT })));
}

#[test]
fn a_payload_is_one_object() {
    assert_eq!(read(&json!([])), signed(SignedError::NotObject));
    let twice =
        StatusList::read_payload(br#"{"sub":"a","sub":"b"}"#, signer(), &ORIGIN, LIMIT, now()).unwrap_err();
    let StatusListError::Signed(SignedError::Json(error)) = twice else { panic!("{twice:?}") };
    assert_eq!(error.kind, JsonErrorKind::DuplicateMember);
}

#[test]
fn messages_say_what_was_expected() {
    let message = |found: Result<StatusList, StatusListError>| found.unwrap_err().to_string();
    assert_eq!(message(with("/sub", None)), "expected `sub` to be the address that it was fetched from");
    assert_eq!(message(under("/typ", None)), "expected `typ` to be `statuslist+jwt`");
    assert_eq!(
        message(with("/status_list/lst", json!("eNrbuRgAAhcB"))),
        "`status_list.lst`: expected the whole of a zlib stream"
    );
}

proptest! {
    #[test]
    fn statuses_as_a_naive_reading_has_them(statuses in prop::collection::vec(any::<u8>(), 0..200)) {
        for bits in [1u8, 2, 4, 8] {
            let list = read(&claims(bits, &statuses)).unwrap();
            // One bit after the other, the least significant of a byte first.
            let all: Vec<u8> = statuses.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)).collect();
            let naive: Vec<u8> = all
                .chunks(bits.into())
                .map(|chunk| chunk.iter().rev().fold(0, |value, bit| value << 1 | bit))
                .collect();
            for (index, value) in naive.iter().enumerate() {
                let expected = match value {
                    0 => Status::Valid,
                    1 => Status::Invalid,
                    2 => Status::Suspended,
                    other => Status::Other(*other),
                };
                prop_assert_eq!(list.status(index as u32), Some(expected));
            }
            prop_assert_eq!(list.len(), naive.len() as u64);
            prop_assert_eq!(list.status(naive.len() as u32), None);
        }
    }

    #[test]
    fn nothing_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = StatusList::read(&bytes, &ORIGIN, keys(&mut store()), LIMIT, now());
        prop_assert!(StatusList::read_payload(&bytes, signer(), &ORIGIN, LIMIT, now()).is_err());
        let _ = with("/status_list/lst", Json::from(base64url::encode(&bytes)));
    }
}

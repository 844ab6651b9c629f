//! The examples of the Token Status List draft, in the forms that JWTs have. Those of CWTs are not read: there are no such tokens here.

use anyhow::{Context as _, Result};
use countersign_core::crypto::{Algorithm, Software};
use countersign_core::jose::{JwkSet, JwksLimits};
use countersign_core::keys::KeyStore;
use countersign_core::revocation::{Keys, Origin, Status, StatusList, StatusListError};
use countersign_core::time::{Span, Timestamp};
use countersign_tests::mint::SigningKey;
use countersign_tests::vectors::{Verdicts, load};
use serde_json::{Value, json};

const SET: &str = "status-list/vectors.json";

const ORIGIN: Origin<'static> = Origin {
    uri: "https://example.com/statuslists/1",
    issuer: "https://example.com",
    algorithms: &[Algorithm::Es256],
    clock_skew: Span::from_secs(30),
    max_bytes: 1 << 20,
};

/// When the draft's list was issued, in seconds.
const ISSUED: i64 = 1_686_920_170;

/// One reads lists of up to a million statuses of eight bits.
const LIMIT: usize = 1 << 20;

fn store(jwk: &Value) -> Result<KeyStore> {
    let set = serde_json::to_vec(&json!({ "keys": [jwk] }))?;
    Ok(KeyStore::fixed(JwkSet::parse(&set, &JwksLimits::default()).context("a key")?))
}

fn read(
    token: &str,
    origin: &Origin<'_>,
    jwk: &Value,
    now: i64,
) -> Result<Result<StatusList, StatusListError>> {
    let mut store = store(jwk)?;
    let keys = Keys { store: &mut store, provider: &Software, waited: true };
    Ok(StatusList::read(token.as_bytes(), origin, keys, LIMIT, Timestamp::from_secs(now)))
}

fn verdict(found: &Result<StatusList, StatusListError>) -> String {
    found.as_ref().map_or_else(ToString::to_string, |_| "allow".to_owned())
}

/// A status as a number.
fn number(status: Option<Status>) -> Option<u64> {
    status.map(|status| match status {
        Status::Valid => 0,
        Status::Invalid => 1,
        Status::Suspended => 2,
        Status::Other(other) => other.into(),
    })
}

/// The signed list as the draft prints it, and what becomes of it elsewhere, later, and by another key.
#[test]
fn status_list_token() -> Result<()> {
    let Some(set) = load(SET) else { return Ok(()) };
    let example = &set["status_list_token_jwt"];
    let (token, jwk) = (example["token"].as_str().context("a token")?, &example["jwk"]);
    let mut verdicts = Verdicts::default();
    let list = read(token, &ORIGIN, jwk, ISSUED)?;
    verdicts.case("as printed", "allow", &verdict(&list));
    let list = list?;
    let expected = set["small"][0]["statuses"].as_array().context("statuses")?;
    let found: Vec<_> = (0..16).map(|index| number(list.status(index))).collect();
    assert_eq!(found, expected.iter().map(Value::as_u64).collect::<Vec<_>>());
    assert_eq!(list.ttl(), Some(Span::from_secs(43_200)));
    assert_eq!(list.expires(), Some(Timestamp::from_secs(2_291_720_170)));

    let elsewhere = Origin { uri: "https://example.com/statuslists/2", ..ORIGIN };
    let expected = "expected `sub` to be the address that it was fetched from";
    verdicts.case("elsewhere", expected, &verdict(&read(token, &elsewhere, jwk, ISSUED)?));
    let expired = read(token, &ORIGIN, jwk, 2_291_720_200)?;
    verdicts.case("expired", "expected an `exp` that has not passed", &verdict(&expired));
    let early = read(token, &ORIGIN, jwk, ISSUED - 31)?;
    verdicts.case("early", "expected an `iat` that is not in the future", &verdict(&early));
    let other = SigningKey::new("12")?;
    let found = read(token, &ORIGIN, &other.jwk(), ISSUED)?;
    verdicts.case("another key", "expected a signature by the issuer's key", &verdict(&found));
    verdicts.finish("status-list token", 1, 4);
    Ok(())
}

/// The encodings, each in a list of our own: every status of the four large ones and the two small ones.
#[test]
fn status_list_encodings() -> Result<()> {
    let Some(set) = load(SET) else { return Ok(()) };
    let key = SigningKey::new("k")?;
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    header.typ = Some("statuslist+jwt".to_owned());
    let (mut lists, mut statuses) = (0, 0);
    let cases =
        ["encodings", "small"].into_iter().flat_map(|kind| set[kind].as_array().into_iter().flatten());
    for case in cases {
        let bits = case["bits"].as_u64().context("bits")?;
        let claims = json!({
            "sub": ORIGIN.uri, "iat": ISSUED, "status_list": { "bits": bits, "lst": case["lst"] },
        });
        let token = jsonwebtoken::encode(&header, &claims, &key.encoding_key()?)?;
        let list = read(&token, &ORIGIN, &key.jwk(), ISSUED)??;
        let listed = &case["statuses"];
        let size =
            case["size"].as_u64().or(listed.as_array().map(|all| all.len() as u64)).context("a size")?;
        assert_eq!(list.len(), size, "{bits} bits");
        for index in 0..u32::try_from(size)? {
            let named = match listed {
                Value::Array(all) => &all[index as usize],
                named => &named[index.to_string()],
            };
            let expected = named.as_u64().or(case["default"].as_u64());
            assert_eq!(number(list.status(index)), expected, "{index} of {bits} bits");
            statuses += 1;
        }
        assert_eq!(list.status(u32::try_from(size)?), None, "{bits} bits");
        lists += 1;
    }
    println!("status-list encodings: {lists} lists, {statuses} statuses");
    assert_eq!(lists, 6, "lists are missing");
    Ok(())
}

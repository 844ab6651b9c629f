//! Revocation feeds: whole ones, payloads, identifiers that are revoked, and entries as they are before they are encoded.

#![no_main]

use countersign_core::base64url;
use countersign_core::crypto::digest::sha256;
use countersign_core::revocation::{By, Edition, Feed, FeedError, Identifiers};
use countersign_core::time::Timestamp;
use countersign_fuzz::{NOW, ORIGIN, accepted, token, with_keys};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

const LIMIT: usize = 10_000;

const SALT: &[u8; 16] = b"0123456789abcdef";

fn read(token: &[u8], held: Option<Edition>) -> Result<Feed, FeedError> {
    with_keys(|keys| Feed::read(token, &ORIGIN, keys, LIMIT, held, Timestamp::from_secs(NOW)))
}

fn signed(payload: &[u8]) -> Vec<u8> {
    token(r#"{"alg":"ES256","kid":"k","typ":"revocations+jwt"}"#, payload).into_bytes()
}

/// A feed that revokes these entries.
fn revoking(kind: &str, entries: &[u8]) -> Vec<u8> {
    let payload = format!(
        r#"{{"iss":"{}","sub":"{}","iat":{NOW},"salt":"{}","revoked":{{"{kind}":"{}"}}}}"#,
        ORIGIN.issuer,
        ORIGIN.uri,
        base64url::encode(SALT),
        base64url::encode(entries)
    );
    signed(payload.as_bytes())
}

fn entry(kind: &str, identifier: &str) -> [u8; 6] {
    let digest = sha256(&[&SALT[..], kind.as_bytes(), &[0], identifier.as_bytes()].concat());
    *digest.first_chunk().expect("six bytes")
}

fn session(sid: &str) -> Identifiers<'_> {
    Identifiers { sid: Some(sid), ..Identifiers::default() }
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    let token = match kind % 4 {
        0 => rest.to_vec(),
        1 => signed(rest),
        2 => {
            let Ok(text) = str::from_utf8(rest) else { return };
            let identifiers: BTreeSet<&str> = text.split('\n').take(1_000).collect();
            let entries: BTreeSet<[u8; 6]> = identifiers.iter().map(|id| entry("sid", id)).collect();
            let token = revoking("sid", entries.into_iter().collect::<Vec<_>>().as_flattened());
            let feed = read(&token, None).expect("a good feed");
            for id in &identifiers {
                assert_eq!(feed.revokes(&session(id)), Some(By::Sid), "{id:?} was revoked");
                let other = Identifiers { jti: Some(id), sub: Some(id), ..Identifiers::default() };
                assert_eq!(feed.revokes(&other), None, "{id:?} was revoked as a session alone");
                let longer = format!("{id}\n");
                assert_eq!(feed.revokes(&session(&longer)), None, "{longer:?} was not revoked");
            }
            token
        }
        _ => {
            let token = revoking("jti", rest);
            let entries = rest.as_chunks::<6>();
            let good =
                entries.1.is_empty() && entries.0.is_sorted_by(|a, b| a < b) && entries.0.len() <= LIMIT;
            assert_eq!(read(&token, None).is_ok(), good, "entries are whole, in order, each once");
            token
        }
    };
    let Ok(feed) = read(&token, None) else { return };
    accepted();
    assert!(feed.entries() <= LIMIT);
    assert!(feed.bytes() <= 131_076 + 4 * feed.entries() + 10 * 4_096 + 512);
    let edition = feed.edition();
    assert_eq!(read(&token, Some(edition)).as_ref(), Ok(&feed), "a feed takes its own place");
    let newer = match edition.sequence {
        Some(sequence) => Edition { sequence: sequence.checked_add(1).or(Some(sequence)), ..edition },
        None => Edition { sequence: Some(0), ..edition },
    };
    if newer != edition {
        assert_eq!(read(&token, Some(newer)), Err(FeedError::Older));
    }
    for id in ["", "a", "alice"] {
        let token = Identifiers { jti: Some(id), sub: Some(id), sid: Some(id), ..Identifiers::default() };
        let _ = feed.revokes(&token);
    }
});

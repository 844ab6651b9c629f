//! RFC 9449's own proofs, at the times that they name.

use super::*;
use crate::base64url;
use crate::crypto::Algorithm;
use crate::path::{CanonicalPath, PathOptions};
use crate::policy::{Entity, EntityUid};
use crate::shared::{Alone, Secret};
use crate::time::Span;
use crate::token::Confirmation;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use serde_json::Value;
use std::{env, fs, println};

/// Figure 12, presented as the figure does. Its token is no JWT, so that what verifying one would give is stated.
fn token(case: &Value) -> VerifiedToken {
    let jkt = case["jkt"].as_str().unwrap();
    let text = case["access_token"].as_str().unwrap();
    VerifiedToken {
        session: None,
        spoken: None,
        fresh_until: Timestamp::MAX,
        issued_at: None,
        status: None,
        looked_up: core::cell::Cell::new(0),
        issuer: 0,
        signer: None,
        subject: None,
        id: None,
        client: None,
        acr: None,
        auth_time: None,
        confirmation: Confirmation { key: base64url::decode_array(jkt.as_bytes()).ok(), certificate: None },
        digest: Some(crypto::digest::sha256(text.as_bytes())),
        workload: None,
        actors: Box::default(),
        not_before: Timestamp::default(),
        expires: Timestamp::MAX,
        principal: Entity::new(EntityUid::new("User", "alice")),
        on_behalf_of: None,
        principal_incomplete: false,
        claims: Vec::new(),
    }
}

/// The verdicts on a proof at each of these seconds, in order, by one worker.
fn verdicts(
    proof: &Value,
    method: &str,
    url: &str,
    token: &VerifiedToken,
    at: &[i64],
) -> Vec<Result<(), Reason>> {
    let (host, path) = url.strip_prefix("https://").and_then(|rest| rest.split_once('/')).unwrap();
    let path = [b"/", path.as_bytes()].concat();
    let paths = PathOptions::default();
    let path = CanonicalPath::parse(&path, &paths).unwrap();
    let request = Request { method, scheme: Some(b"https"), host, port: None, path: &path, paths: &paths };
    let settings = DpopSettings {
        algorithms: Vec::from([Algorithm::Es256]),
        names: "ES256".into(),
        max_age: Span::from_secs(60),
        clock_skew: Span::from_secs(5),
        replay_entries: 64,
        nonce_life: None,
        origins: Vec::new(),
    };
    let question = Question {
        settings: &settings,
        request: &request,
        token,
        provider: &crypto::Software,
        shared: &Alone::default(),
    };
    let mut proofs = Proofs::new((1, 2), Rc::new(Secret::new([3; 32])));
    let proof = proof["token"].as_str().unwrap().as_bytes();
    at.iter()
        .map(|second| proofs.check(proof, &question, &mut |_| {}, Timestamp::from_secs(*second)))
        .collect()
}

#[test]
fn rfc_9449_proofs() {
    let folder = env::var("COUNTERSIGN_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors").into());
    let Ok(text) = fs::read_to_string(alloc::format!("{folder}/rfc-vectors/vectors.json")) else {
        println!("skipped: rfc-vectors/vectors.json is not there");
        return;
    };
    let set: Value = serde_json::from_str(&text).unwrap();
    let named = |name: &str| set.as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
    let resource = named("RFC9449 fig12/13 resource request");
    let token = token(resource);
    let now = resource["now"].as_i64().unwrap();
    let url = resource["url"].as_str().unwrap();

    let replayed = Err(Reason::BindingDpopReplayed);
    assert_eq!(verdicts(resource, "GET", url, &token, &[now, now + 59]), [Ok(()), replayed]);
    assert_eq!(verdicts(resource, "POST", url, &token, &[now]), [Err(Reason::BindingDpopMethod)]);
    let elsewhere = "https://resource.example.org/other";
    assert_eq!(verdicts(resource, "GET", elsewhere, &token, &[now]), [Err(Reason::BindingDpopTarget)]);
    let late = Err(Reason::BindingDpopTime);
    assert_eq!(verdicts(resource, "GET", url, &token, &[now - 6, now + 60]), [late, late]);

    // Figure 2 asks an authorization server for a token, so that it has no `ath`, which a proof beside a token must have (§7).
    let request = named("RFC9449 fig2 token request");
    let url = request["url"].as_str().unwrap();
    assert_eq!(verdicts(request, "POST", url, &token, &[now]), [Err(Reason::BindingDpopMalformed)]);
}

//! What workers tell each other, with bytes changed by anybody: steps of a few bytes each, which send requests, change what is shared, move
//! the clock and start another worker.

#![no_main]

use countersign_core::base64url;
use countersign_core::call::{Call, CallAnswer};
use countersign_core::crypto::digest::sha256;
use countersign_core::exchange::{Effect, Event, Exchange, Flow};
use countersign_core::gateway::{Entropy, Gateway, Notice};
use countersign_core::metrics::Unobserved;
use countersign_core::request::{Peer, RequestHead};
use countersign_core::shared::{Entry, NotWritten, SharedData, Unavailable};
use countersign_core::time::{Span, Timestamp};
use countersign_fuzz::{Credulous, HOLDER, NOW, THUMBPRINT, accepted, token, workers};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Turns that a request may take: each of them something that it waits for, or a second.
const PATIENCE: u32 = 60;

/// Names that a gateway may have in all; the fuzzer finds no more by far.
const NAMES: usize = 10_000;

/// What is shared, and can be changed behind everybody's back.
#[derive(Default)]
struct Data(RefCell<BTreeMap<String, Entry>>);

impl Data {
    /// Changes the bytes of one entry.
    fn change(&self, which: u8, change: impl FnOnce(&mut Vec<u8>)) {
        let mut entries = self.0.borrow_mut();
        let count = entries.len().max(1);
        if let Some(entry) = entries.values_mut().nth(usize::from(which) % count) {
            change(&mut entry.bytes);
            entry.version += 1;
        }
    }
}

impl SharedData for Data {
    fn get(&self, name: &str) -> Result<Option<Entry>, Unavailable> {
        Ok(self.0.borrow().get(name).cloned())
    }

    fn set(&self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<(), NotWritten> {
        let mut entries = self.0.borrow_mut();
        let stands = entries.get(name).map(|entry| entry.version);
        if stands != version {
            return Err(NotWritten::Changed);
        }
        entries.insert(name.into(), Entry { bytes: bytes.into(), version: stands.unwrap_or_default() + 1 });
        assert!(entries.len() <= NAMES, "names that nobody forgets");
        Ok(())
    }
}

/// A worker, and what time it is.
struct Worker {
    gateway: Gateway,
    shared: Rc<Data>,
    now: Timestamp,
    asked: u32,
}

impl Worker {
    fn new(shared: Rc<Data>, now: Timestamp, nonce: u64) -> Self {
        let entropy = Entropy { decision_nonce: nonce, cache_key: (nonce, 3), secret: [4; 32] };
        let mut gateway = Gateway::new(workers(), entropy);
        gateway.set_provider(Rc::new(Credulous));
        gateway.set_shared(shared.clone());
        Self { gateway, shared, now, asked: 0 }
    }

    /// Makes the calls that are due, has them answered, and tells the exchange what there is to tell. Whether there was anything.
    fn settle(&mut self, exchange: &mut Exchange) -> bool {
        let mut moved = false;
        self.gateway.tick(self.now);
        for _ in 0..64 {
            let Some(call) = self.gateway.poll_call(self.now) else { break };
            self.gateway.call_done(call.id, Some(answer(&call, self.now)), self.now);
            moved = true;
        }
        while let Some(notice) = self.gateway.poll_notice() {
            let event = match notice {
                Notice::Wake(_) => Event::Settled,
                Notice::TimedOut(_) => Event::Timeout,
                Notice::Count(_) | Notice::Warn(_) => continue,
            };
            exchange.handle(Some(&mut self.gateway), event, &mut Unobserved, self.now);
            moved = true;
        }
        moved
    }

    /// Whether a request goes upstream, and with which `authorization`.
    fn ask(&mut self, method: &[u8], headers: &[(&[u8], &[u8])]) -> Option<String> {
        self.asked += 1;
        let mut all: Vec<(&[u8], &[u8])> = vec![
            (b":method", method),
            (b":path", b"/tenants/acme/accounts/a"),
            (b":authority", b"api.bank.example"),
            (b":scheme", b"https"),
        ];
        all.extend(headers);
        let peer = Peer::certificate(b"spiffe://bank.example/edge", Some(&[b'a'; 64]));
        let mut exchange = Exchange::new(self.asked);
        let event = Event::RequestHeaders(RequestHead { headers: &all, peer });
        exchange.handle(Some(&mut self.gateway), event, &mut Unobserved, self.now);
        for _ in 0..PATIENCE {
            if exchange.flow() != Flow::Hold {
                break;
            }
            if !self.settle(&mut exchange) {
                self.now = self.now.plus(Span::from_secs(1));
            }
        }
        assert_ne!(exchange.flow(), Flow::Hold, "a request waits beyond all deadlines");
        let mut upstream = String::new();
        while let Some(effect) = exchange.poll_effect() {
            if let Effect::EditHeaders(edits) = effect {
                let add = edits.add.into_iter().find(|(name, _)| &**name == "authorization");
                upstream = add.map(|(_, value)| value).unwrap_or_default();
            }
        }
        (exchange.flow() == Flow::Release).then_some(upstream)
    }
}

/// What the issuer answers: tokens that begin with `good` are active.
fn answer(call: &Call, now: Timestamp) -> CallAnswer {
    let body = String::from_utf8_lossy(call.body()).into_owned();
    let (kind, text) = match &*call.to.path {
        "/introspect" if body.starts_with("token=good") => (
            "application/json",
            format!(
                r#"{{"active":true,"token_type":"Bearer","aud":"bank","sub":"a","tenant":"acme","exp":{}}}"#,
                now.as_secs() + 600
            ),
        ),
        "/introspect" => ("application/json", r#"{"active":false}"#.to_owned()),
        "/token" => (
            "application/json",
            r#"{"access_token":"narrow","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":300}"#
                .to_owned(),
        ),
        "/revoked" => {
            let payload = format!(
                r#"{{"iss":"https://id.bank.example","sub":"https://id.bank.example/revoked","iat":{NOW},"salt":"MDEyMzQ1Njc4OWFiY2RlZg","revoked":{{}}}}"#
            );
            let header = r#"{"alg":"ES256","kid":"k","typ":"revocations+jwt"}"#;
            ("application/revocations+jwt", token(header, payload.as_bytes()))
        }
        "/.well-known/openid-configuration" => (
            "application/json",
            r#"{"issuer":"https://id.bank.example","jwks_uri":"https://id.bank.example/jwks"}"#.to_owned(),
        ),
        _ => (
            "application/json",
            format!(r#"{{"keys":[{}]}}"#, HOLDER.replacen('{', r#"{"kid":"k","#, 1)),
        ),
    };
    let headers = vec![(Box::from(&b"content-type"[..]), kind.as_bytes().into())];
    CallAnswer { status: 200, headers, body: text.into_bytes() }
}

/// A signed token that is bound to a key.
fn bound() -> String {
    let payload = format!(
        r#"{{"iss":"https://id.bank.example","aud":"bank","exp":{},"sub":"a","tenant":"acme","jti":"t","cnf":{{"jkt":"{THUMBPRINT}"}}}}"#,
        NOW + 600
    );
    token(r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, payload.as_bytes())
}

/// A proof for it, of now. The hash of the token is not looked at by whoever takes every signature for good, but its form is.
fn proof(bearer: &str, jti: u8, now: Timestamp) -> String {
    let ath = base64url::encode(&sha256(bearer.as_bytes()));
    let payload = format!(
        r#"{{"jti":"{jti}","htm":"GET","htu":"https://api.bank.example/tenants/acme/accounts/a","iat":{},"ath":"{ath}"}}"#,
        now.as_secs()
    );
    token(&format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{HOLDER}}}"#), payload.as_bytes())
}

fuzz_target!(|input: &[u8]| {
    let shared = Rc::new(Data::default());
    let mut worker = Worker::new(shared.clone(), Timestamp::from_secs(NOW), 1);
    for step in input.chunks(4).take(32) {
        let [kind, a, b, c] = [0, 1, 2, 3].map(|at| step.get(at).copied().unwrap_or_default());
        let method: &[u8] = if a & 1 == 0 { b"GET" } else { b"POST" };
        match kind % 8 {
            0 => {
                let header = format!("Bearer good-{}", b % 4);
                if let Some(upstream) = worker.ask(method, &[(b"authorization", header.as_bytes())]) {
                    accepted();
                    assert!(upstream.starts_with("Bearer "), "{upstream:?}");
                    assert!(upstream.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{upstream:?}");
                }
            }
            1 => {
                let header = format!("Bearer bad-{}", b % 4);
                let went = worker.ask(method, &[(b"authorization", header.as_bytes())]);
                assert_eq!(went, None, "allowed though its issuer says that it is not active");
            }
            2 => {
                let bearer = bound();
                let (proof, header) = (proof(&bearer, b % 4, worker.now), format!("DPoP {bearer}"));
                let headers: [(&[u8], &[u8]); 2] =
                    [(b"authorization", header.as_bytes()), (b"dpop", proof.as_bytes())];
                if worker.ask(b"GET", &headers).is_some() {
                    accepted();
                }
            }
            3 => shared.change(a, |bytes| {
                let at = usize::from(b) % bytes.len().max(1);
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= c);
            }),
            4 => shared.change(a, |bytes| bytes.truncate(usize::from(b))),
            5 => shared.change(a, |bytes| bytes.extend(std::iter::repeat_n(c, usize::from(b)))),
            6 => {
                let seconds = i64::from(i16::from_le_bytes([a, b]));
                worker.now = worker.now.plus(Span::from_secs(seconds));
            }
            _ => worker = Worker::new(worker.shared.clone(), worker.now, u64::from(a)),
        }
    }
});

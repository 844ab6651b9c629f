//! Proofs of possession (RFC 9449): that who presents a token has the key that it is bound to.

mod nonce;
mod proof;
mod replay;
mod tally;
mod target;

#[cfg(test)]
mod tests;

pub(crate) use nonce::Nonces;
pub(crate) use target::{Origin, Request};

use crate::cache::{Cache, Fill};
use crate::crypto::{self, Algorithm, SignatureProvider};
use crate::metrics::Counter;
use crate::reason::Reason;
use crate::settings::DpopSettings;
use crate::shared::{Secret, SharedData};
use crate::time::Timestamp;
use crate::token::VerifiedToken;
use alloc::rc::Rc;
use proof::{Claims, Header};

/// Protected headers that a worker remembers: a client sends the same one, with its key, in each of its proofs.
const HEADERS: usize = 256;

/// How many bytes they may take.
const HEADER_BYTES: usize = 1 << 20;

/// How long a header is remembered, in seconds; nothing about it changes.
const HEADER_LIFE: i64 = 3_600;

/// What a worker keeps between proofs.
pub(crate) struct Proofs {
    /// By the encoded header. What is kept says how a header reads; whether it serves is asked of each proof.
    headers: Cache<Rc<Header>>,
    /// Nonces of the gateway.
    pub(crate) nonces: Nonces,
    /// How many used ones there are.
    used: tally::Tally,
}

/// What a proof is held against.
pub(crate) struct Question<'a> {
    /// The configuration's demands.
    pub settings: &'a DpopSettings,
    /// The request that it came with.
    pub request: &'a Request<'a>,
    /// The token that it came with.
    pub token: &'a VerifiedToken,
    /// Who does the arithmetic.
    pub provider: &'a dyn SignatureProvider,
    /// Where used proofs are noted.
    pub shared: &'a dyn SharedData,
}

impl Proofs {
    /// None yet.
    pub(crate) fn new(hash_key: (u64, u64), secret: Rc<Secret>) -> Self {
        let headers = Cache::new(HEADERS, HEADER_BYTES, hash_key);
        Self { headers, nonces: Nonces::new(secret), used: tally::Tally::default() }
    }

    /// Looks how many used proofs there are, by and by.
    pub(crate) fn look(&mut self, settings: &DpopSettings, shared: &dyn SharedData, now: Timestamp) {
        self.used.look(&memory(settings), shared, now);
    }

    /// How many used proofs are remembered.
    pub(crate) fn fill(&self) -> Fill {
        self.used.fill()
    }

    /// Checks a proof as RFC 9449 §4.3 says, the costly parts last; a good one is good once.
    pub(crate) fn check(
        &mut self,
        proof: &[u8],
        question: &Question<'_>,
        count: &mut dyn FnMut(Counter),
        now: Timestamp,
    ) -> Result<(), Reason> {
        let Question { settings, token, .. } = question;
        let parts = proof::split(proof)?;
        let header = self.header(parts.header, now)?;
        if !settings.algorithms.contains(&header.algorithm) {
            return Err(Reason::BindingDpopAlgorithm);
        }
        // §4.3, 12b and §6.1: the key is the one that the token is bound to.
        let bound = token.confirmation.key.ok_or(Reason::SystemInternal)?;
        if !crypto::constant_time_eq(header.jwk.thumbprint(), &bound) {
            return Err(Reason::BindingDpopHolder);
        }
        let payload = proof::payload(parts.payload)?;
        let claims = Claims::read(&payload)?;
        if claims.method.as_bytes() != question.request.method.as_bytes() {
            return Err(Reason::BindingDpopMethod);
        }
        if !question.request.is_target(&claims.target, &settings.origins) {
            return Err(Reason::BindingDpopTarget);
        }
        // §4.3, 12a: the proof is for this token.
        let digest = token.digest.ok_or(Reason::SystemInternal)?;
        if !crypto::constant_time_eq(&claims.token, &digest) {
            return Err(Reason::BindingDpopToken);
        }
        if claims.issued_at > now.plus(settings.clock_skew) || now >= claims.issued_at.plus(settings.max_age)
        {
            return Err(Reason::BindingDpopTime);
        }
        // Nobody has to say more about its time, but what is said holds (§4.3, 6; RFC 7519 §4.1.4, §4.1.5).
        if claims.expires.is_some_and(|expires| now >= expires) {
            return Err(Reason::BindingDpopTime);
        }
        if claims.not_before.is_some_and(|not_before| not_before > now.plus(settings.clock_skew)) {
            return Err(Reason::BindingDpopTime);
        }
        self.nonces.check(claims.nonce.as_deref(), settings.nonce_life, question.shared, now)?;
        verify(&header, &parts, question.provider)?;
        // Last of all, so that only holders of good tokens and keys take room there. It is before the policies are asked: whatever they
        // say, the proof is used up.
        let used = replay::Proof { key: &bound, id: &claims.id, issued_at: claims.issued_at };
        self.used.noted(replay::note(&used, &memory(settings), question.shared, now)?);
        count(Counter::DpopAccepted);
        Ok(())
    }

    fn header(&mut self, encoded: &[u8], now: Timestamp) -> Result<Rc<Header>, Reason> {
        if let Some(header) = self.headers.find(encoded, now) {
            return Ok(header);
        }
        let header = Rc::new(Header::read(encoded)?);
        let until = now.plus(crate::time::Span::from_secs(HEADER_LIFE));
        self.headers.insert(encoded, Rc::clone(&header), 1_024, until, now);
        Ok(header)
    }
}

fn memory(settings: &DpopSettings) -> replay::Memory {
    replay::Memory { entries: settings.replay_entries, max_age: settings.max_age }
}

fn verify(header: &Header, parts: &proof::Parts<'_>, provider: &dyn SignatureProvider) -> Result<(), Reason> {
    let signature = parts.signature()?;
    let key = header.jwk.key();
    provider.verify(key, header.algorithm, parts.signed, &signature).map_err(|_| Reason::BindingDpopSignature)
}

/// The algorithms of proofs in the words of a challenge (RFC 9449 §7.1, `algs`).
pub(crate) fn names(algorithms: &[Algorithm]) -> alloc::string::String {
    algorithms.iter().map(|algorithm| algorithm.name()).collect::<alloc::vec::Vec<_>>().join(" ")
}

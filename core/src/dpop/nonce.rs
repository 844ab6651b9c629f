//! Nonces of the gateway (RFC 9449 §9): a time with its authentication, so that nothing has to be remembered, and every worker
//! knows the others' by one shared secret.

use crate::base64url;
use crate::crypto;
use crate::reason::Reason;
use crate::shared::{NotWritten, SharedData, Unavailable};
use crate::time::{Span, Timestamp};
use alloc::string::String;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Where the workers' secret stands.
const SECRET: &str = "countersign/dpop/secret";

/// Eight bytes of time, sixteen of authentication.
const BYTES: usize = 24;

/// Makes and knows nonces.
pub(crate) struct Nonces {
    /// This worker's own randomness, which is the workers' secret if it comes first.
    own: [u8; 32],
    /// The workers' secret.
    secret: Option<[u8; 32]>,
}

impl Nonces {
    /// `own` is random for each worker.
    pub(crate) fn new(own: [u8; 32]) -> Self {
        Self { own, secret: None }
    }

    /// A nonce of this second.
    pub(crate) fn make(&mut self, shared: &dyn SharedData, now: Timestamp) -> Result<String, Reason> {
        let secret = self.secret(shared)?;
        let nonce = nonce(&secret, now.as_secs()).ok_or(Reason::SystemInternal)?;
        Ok(base64url::encode(&nonce))
    }

    /// Demands a nonce of ours no older than `life`, where nonces are asked for at all.
    pub(super) fn check(
        &mut self,
        given: Option<&str>,
        life: Option<Span>,
        shared: &dyn SharedData,
        now: Timestamp,
    ) -> Result<(), Reason> {
        const REFUSED: Reason = Reason::BindingDpopNonce;
        let Some(life) = life else { return Ok(()) };
        let given: [u8; BYTES] =
            base64url::decode_array(given.ok_or(REFUSED)?.as_bytes()).map_err(|_| REFUSED)?;
        let made = given.first_chunk().map_or(0, |seconds| i64::from_be_bytes(*seconds));
        let expected = nonce(&self.secret(shared)?, made).ok_or(Reason::SystemInternal)?;
        let age = now.since(Timestamp::from_secs(made));
        // Another worker's clock is this one's: a nonce of the future was not made here.
        let fresh = Span::ZERO <= age && age < life;
        if crypto::constant_time_eq(&given, &expected) && fresh { Ok(()) } else { Err(REFUSED) }
    }

    /// The workers' secret: the first one's.
    fn secret(&mut self, shared: &dyn SharedData) -> Result<[u8; 32], Reason> {
        if let Some(secret) = self.secret {
            return Ok(secret);
        }
        let failed = |Unavailable| Reason::SystemSharedData;
        let mut entry = shared.get(SECRET).map_err(failed)?;
        if entry.is_none() {
            match shared.set(SECRET, &self.own, None) {
                Ok(()) | Err(NotWritten::Changed) => entry = shared.get(SECRET).map_err(failed)?,
                Err(NotWritten::Unavailable) => return Err(Reason::SystemSharedData),
            }
        }
        let secret = entry.and_then(|entry| entry.bytes.try_into().ok()).ok_or(Reason::SystemSharedData)?;
        self.secret = Some(secret);
        Ok(secret)
    }
}

fn nonce(secret: &[u8; 32], seconds: i64) -> Option<[u8; BYTES]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(b"countersign dpop nonce");
    mac.update(&seconds.to_be_bytes());
    let tag = mac.finalize().into_bytes();
    let mut nonce = [0; BYTES];
    let (time, authentication) = nonce.split_at_mut(8);
    time.copy_from_slice(&seconds.to_be_bytes());
    authentication.copy_from_slice(tag.get(..BYTES - 8)?);
    Some(nonce)
}

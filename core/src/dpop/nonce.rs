//! Nonces of the gateway (RFC 9449 §9): a time with its authentication, so that nothing has to be remembered, and every worker
//! knows the others' by one shared secret.

use crate::base64url;
use crate::crypto;
use crate::reason::Reason;
use crate::shared::{Secret, SharedData, Unavailable};
use crate::time::{Span, Timestamp};
use alloc::rc::Rc;
use alloc::string::String;

/// Eight bytes of time, sixteen of authentication.
const BYTES: usize = 24;

/// Makes and knows nonces.
pub(crate) struct Nonces {
    secret: Rc<Secret>,
}

impl Nonces {
    /// By the workers' secret.
    pub(crate) fn new(secret: Rc<Secret>) -> Self {
        Self { secret }
    }

    /// A nonce of this second.
    pub(crate) fn make(&self, shared: &dyn SharedData, now: Timestamp) -> Result<String, Reason> {
        Ok(base64url::encode(&self.nonce(now.as_secs(), shared)?))
    }

    /// Demands a nonce of ours no older than `life`, where nonces are asked for at all.
    pub(super) fn check(
        &self,
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
        let expected = self.nonce(made, shared)?;
        let age = now.since(Timestamp::from_secs(made));
        // Another worker's clock is this one's: a nonce of the future was not made here.
        let fresh = Span::ZERO <= age && age < life;
        if crypto::constant_time_eq(&given, &expected) && fresh { Ok(()) } else { Err(REFUSED) }
    }

    fn nonce(&self, seconds: i64, shared: &dyn SharedData) -> Result<[u8; BYTES], Reason> {
        let time = seconds.to_be_bytes();
        let tag = self.secret.digest("dpop nonce", &[&time], shared);
        let tag = tag.map_err(|Unavailable| Reason::SystemSharedData)?;
        let mut nonce = [0; BYTES];
        nonce.iter_mut().zip(time.iter().chain(&tag)).for_each(|(to, from)| *to = *from);
        Ok(nonce)
    }
}

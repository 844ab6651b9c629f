//! API keys of callers that cannot get tokens: stored as their hashes, each for one workload alone.

use crate::crypto;
use crate::policy::{Datetime, Entity};
use crate::reason::Reason;
use crate::spiffe::SpiffeId;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

#[cfg(test)]
mod tests;

/// The shortest key, in bytes. A key is hashed once and without salt, so that it must hold more than can be guessed.
pub const MIN_BYTES: usize = 32;

/// The longest key, in bytes.
pub const MAX_BYTES: usize = 256;

/// The most keys of a configuration: each is compared with every key that is presented.
pub const MAX_KEYS: usize = 1_024;

/// The longest name of a key, in bytes.
const MAX_ID_BYTES: usize = 128;

/// A key as it is kept: nothing here tells the key itself.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its name, for logs.
    pub id: Box<str>,
    /// SHA-256 of its text.
    pub sha256: [u8; 32],
    /// The workload that may present it.
    pub workload: SpiffeId,
    /// From when on it is not accepted.
    pub not_after: Option<Timestamp>,
    /// Who presents it, to the policies.
    pub principal: Entity,
}

impl ApiKey {
    /// Whether its end has come.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.not_after.is_some_and(|end| now >= end)
    }
}

/// Every key that is accepted.
#[derive(Clone, Debug)]
pub struct ApiKeys {
    /// The header that carries a key, in lower case.
    pub header: Box<str>,
    /// The keys.
    pub keys: Vec<Rc<ApiKey>>,
}

/// Proof that a key was presented by its workload, in its time. There is no way to get one but [`ApiKeys::verify`].
#[derive(Clone, Debug)]
pub struct Presented(Rc<ApiKey>);

impl Presented {
    /// The key as it is kept.
    pub fn key(&self) -> &ApiKey {
        &self.0
    }
}

/// A key that is not accepted.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// The key as it is kept, where it is a known one.
    pub known: Option<Rc<ApiKey>>,
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { reason, known: None }
    }
}

impl ApiKeys {
    /// Looks a presented key up, and holds it against the workload that presents it and the time.
    pub fn verify(
        &self,
        presented: &[u8],
        workload: Option<&SpiffeId>,
        now: Timestamp,
    ) -> Result<Presented, Refused> {
        if !is_well_formed(presented) {
            return Err(Reason::TokenApiKeyMalformed.into());
        }
        let key = self.find(&crypto::digest::sha256(presented)).ok_or(Reason::TokenApiKeyUnknown)?;
        let reason = if workload != Some(&key.workload) {
            Reason::BindingWorkload
        } else if key.is_over(now) {
            Reason::TokenApiKeyExpired
        } else {
            return Ok(Presented(Rc::clone(key)));
        };
        Err(Refused { reason, known: Some(Rc::clone(key)) })
    }

    /// Compares with every key, each in constant time, so that the time tells nothing about which one is near.
    fn find(&self, digest: &[u8; 32]) -> Option<&Rc<ApiKey>> {
        self.keys.iter().fold(None, |found, key| {
            if crypto::constant_time_eq(&key.sha256, digest) { Some(key) } else { found }
        })
    }
}

/// What the name of a key is.
pub const EXPECTED_ID: &str = "a name of at most 128 letters, digits, `.`, `_` and `-`";

/// Whether a text can be the name of a key.
pub fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(fits)
}

/// What the end of a key is.
pub const EXPECTED_TIME: &str = "a time in UTC such as `2027-01-01T00:00:00Z`";

/// Reads the end of a key: a time in UTC (RFC 3339 §5.6), with or without milliseconds.
pub fn time(text: &str) -> Option<Timestamp> {
    let Datetime(millis) = Datetime::parse(text).filter(|_| text.ends_with('Z'))?;
    Some(Timestamp::from_nanos(millis.saturating_mul(1_000_000)))
}

/// Whether a text can be a key: 32 to 256 of the characters that a URI never escapes (RFC 3986 §2.3).
pub fn is_well_formed(text: &[u8]) -> bool {
    (MIN_BYTES..=MAX_BYTES).contains(&text.len())
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-'))
}

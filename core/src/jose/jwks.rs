//! JWK Sets (RFC 7517 §5) and the choice of a key.

use super::{Jwk, JwkError};
use crate::{
    crypto::Algorithm,
    json::{self, JsonError, Value},
};
use alloc::vec::Vec;
use core::{fmt, slice};

/// How much a set may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwksLimits {
    /// Bytes of the document.
    pub max_bytes: usize,
    /// Entries of `keys`, usable or not.
    pub max_keys: usize,
}

impl Default for JwksLimits {
    fn default() -> Self {
        Self { max_bytes: json::Limits::DOCUMENT.max_bytes, max_keys: 128 }
    }
}

/// The usable keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    keys: Vec<Jwk>,
    skipped: Vec<(JwkError, u32)>,
}

/// Why a document is no key set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksError {
    /// Not acceptable JSON.
    Json(JsonError),
    /// Not an object with the array `keys`.
    NotSet,
    /// There are keys, or none, but none that can be used. Why the others can't, with how many of each.
    NoUsableKey {
        /// Each reason with its number of keys.
        skipped: Vec<(JwkError, u32)>,
    },
    /// More keys than the limit.
    TooManyKeys,
}

/// What a set has for a token.
#[derive(Clone, Debug)]
pub enum KeyLookup<'a> {
    /// More keys could be meant by a token without `kid` than are ever tried.
    Ambiguous,
    /// One key, seldom more: try them in order.
    Candidates(Candidates<'a>),
    /// The `kid` is known, but not for this algorithm; fetching the set again would not help.
    WrongAlgorithm,
    /// No key has this `kid`, or none fits the algorithm of a token without `kid`.
    Unknown,
}

impl JwkSet {
    /// At most so many keys of one `kid` and algorithm are kept, so that a signature costs so many verifications at most.
    pub const MAX_CANDIDATES: usize = 3;

    /// Reads a set. Keys that can't be used are left out and counted, as RFC 7517 §5 advises: an issuer may publish keys for
    /// others beside ours. A document without a usable key is an error, so that it can't replace a good one.
    pub fn parse(bytes: &[u8], limits: &JwksLimits) -> Result<Self, JwksError> {
        let json_limits = json::Limits { max_bytes: limits.max_bytes, ..json::Limits::DOCUMENT };
        Self::read(&json::parse(bytes, &json_limits).map_err(JwksError::Json)?, limits.max_keys)
    }

    /// Reads a set from a document parsed already, such as part of a configuration.
    pub fn read(value: &Value<'_>, max_keys: usize) -> Result<Self, JwksError> {
        let entries = value.as_object().and_then(|set| set.get("keys")).and_then(Value::as_array);
        let entries = entries.ok_or(JwksError::NotSet)?;
        if entries.len() > max_keys {
            return Err(JwksError::TooManyKeys);
        }
        let mut set = Self::empty();
        for entry in entries {
            if let Err(reason) = Jwk::read(entry).and_then(|key| set.add(key)) {
                set.skip(reason);
            }
        }
        match set.keys.is_empty() {
            true => Err(JwksError::NoUsableKey { skipped: set.skipped }),
            false => Ok(set),
        }
    }

    /// The key, or keys, for a token whose header names `kid` and `algorithm`.
    ///
    /// A key without `alg` serves the algorithms of its type. A key without `kid` is found only by tokens without one, and those are
    /// tried against every key that fits, if these are not more than [`Self::MAX_CANDIDATES`]: while an issuer that names no keys
    /// publishes the next one, two do.
    pub fn find<'a>(&'a self, kid: Option<&'a str>, algorithm: Algorithm) -> KeyLookup<'a> {
        let candidates = Candidates { keys: self.keys.iter(), kid, algorithm };
        let Some(kid) = kid else {
            return match candidates.clone().count() {
                0 => KeyLookup::Unknown,
                1..=Self::MAX_CANDIDATES => KeyLookup::Candidates(candidates),
                _ => KeyLookup::Ambiguous,
            };
        };
        if candidates.clone().next().is_some() {
            KeyLookup::Candidates(candidates)
        } else if self.keys.iter().any(|key| key.kid() == Some(kid)) {
            KeyLookup::WrongAlgorithm
        } else {
            KeyLookup::Unknown
        }
    }

    /// The usable keys, in the order of the document.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// Why keys were left out, each reason with its number of keys.
    pub fn skipped(&self) -> &[(JwkError, u32)] {
        &self.skipped
    }

    /// A set without keys, to add some to.
    pub(super) const fn empty() -> Self {
        Self { keys: Vec::new(), skipped: Vec::new() }
    }

    pub(super) fn add(&mut self, key: Jwk) -> Result<(), JwkError> {
        let namesakes = || self.keys.iter().filter(|other| other.kid() == key.kid());
        let same =
            |other: &Jwk| other.thumbprint() == key.thumbprint() && other.algorithm() == key.algorithm();
        if namesakes().any(same) {
            return Err(JwkError::Duplicate);
        }
        let crowded = |algorithm: Algorithm| {
            let serving = namesakes().filter(|other| other.serves(algorithm)).count();
            key.serves(algorithm) && serving >= Self::MAX_CANDIDATES
        };
        // Without `kid`, more than are ever tried are ambiguous, and none is.
        if key.kid().is_some() && Algorithm::ALL.into_iter().any(crowded) {
            return Err(JwkError::Crowded);
        }
        self.keys.push(key);
        Ok(())
    }

    pub(super) fn skip(&mut self, reason: JwkError) {
        match self.skipped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.skipped.push((reason, 1)),
        }
    }
}

/// The keys that one token could be signed with, in the order of the document.
#[derive(Clone, Debug)]
pub struct Candidates<'a> {
    keys: slice::Iter<'a, Jwk>,
    kid: Option<&'a str>,
    algorithm: Algorithm,
}

impl<'a> Iterator for Candidates<'a> {
    type Item = &'a Jwk;

    fn next(&mut self) -> Option<&'a Jwk> {
        self.keys.find(|key| self.kid.is_none_or(|kid| key.kid() == Some(kid)) && key.serves(self.algorithm))
    }
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "{error}"),
            Self::NotSet => f.write_str("expected an object with the array `keys`"),
            Self::NoUsableKey { skipped } if skipped.is_empty() => f.write_str("`keys` is empty"),
            Self::NoUsableKey { skipped } => {
                f.write_str("no usable key: ")?;
                for (i, (reason, count)) in skipped.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{count} × {reason}")?;
                }
                Ok(())
            }
            Self::TooManyKeys => f.write_str("more keys than the limit"),
        }
    }
}

impl core::error::Error for JwksError {}

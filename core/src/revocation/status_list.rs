//! Token Status Lists, as signed JWTs (draft-ietf-oauth-status-list-21).

use super::inflate::{InflateError, inflate};
use super::signed::{Issuer, Keys, Life, Origin, SignedError, open, parse};
use crate::base64url::{self, Base64Error};
use crate::json::{Object, Value};
use crate::keys::Signer;
use crate::time::{Span, Timestamp};
use alloc::boxed::Box;
use core::fmt;

/// The statuses of an issuer's tokens, by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusList {
    statuses: Box<[u8]>,
    bits: u8,
    life: Life,
    ttl: Option<Span>,
    signer: Signer,
}

/// What a list says of a token (§7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0x01: revoked, for good.
    Invalid,
    /// Any other; what it means is between the issuer and those who know it.
    Other(u8),
    /// 0x02: not valid for now.
    Suspended,
    /// 0x00: no objection.
    Valid,
}

/// Why a document is no status list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusListError {
    /// `bits` is not 1, 2, 4 or 8.
    Bits,
    /// `lst` is not canonical base64url.
    Encoding(Base64Error),
    /// `lst` does not inflate, or to too much.
    Inflate(InflateError),
    /// `status_list` is missing or no object, or `lst` no text.
    List,
    /// It is not what the issuer signed, or not about this list, or not now.
    Signed(SignedError),
    /// `ttl` is no positive number.
    Ttl,
}

impl From<SignedError> for StatusListError {
    fn from(error: SignedError) -> Self {
        Self::Signed(error)
    }
}

impl StatusList {
    /// Reads a Status List Token (§5.1), as §8.3 asks: `typ` is `statuslist+jwt`, the signature the issuer's, `sub` the list's address, `iat`
    /// there, `exp` not passed, `iss`, which need not be there, the issuer. `max_bytes` is how large the list may be once inflated: at
    /// one bit each, eight tokens a byte.
    pub fn read(
        token: &[u8],
        origin: &Origin<'_>,
        keys: Keys<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Self, StatusListError> {
        let (payload, signer) = open(token, "statuslist+jwt", origin, keys, now)?;
        Self::read_payload(&payload, signer, origin, max_bytes, now)
    }

    /// Reads what was signed.
    fn read_payload(
        payload: &[u8],
        signer: Signer,
        origin: &Origin<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Self, StatusListError> {
        let payload = parse(payload)?;
        let claims = payload.as_object().ok_or(SignedError::NotObject)?;
        let life = Life::read(claims, Issuer::Checked, origin, now)?;
        let ttl = ttl(claims)?;
        let list = claims.get("status_list").and_then(Value::as_object).ok_or(StatusListError::List)?;
        let bits = match list.get("bits").and_then(Value::as_i64) {
            Some(1) => 1,
            Some(2) => 2,
            Some(4) => 4,
            Some(8) => 8,
            _ => return Err(StatusListError::Bits),
        };
        let lst = list.get("lst").and_then(Value::as_str).ok_or(StatusListError::List)?;
        let zlib = base64url::decode(lst.as_bytes()).map_err(StatusListError::Encoding)?;
        let statuses = inflate(&zlib, max_bytes).map_err(StatusListError::Inflate)?;
        Ok(Self { statuses, bits, life, ttl, signer })
    }

    /// The status at an index (§4.1: bits are counted from the least significant). Nothing beyond the end of the list: the draft
    /// has such a token refused (§8.3).
    pub fn status(&self, index: u32) -> Option<Status> {
        let bit = u64::from(index) * u64::from(self.bits);
        let byte = *self.statuses.get(usize::try_from(bit / 8).ok()?)?;
        Some(match (byte >> (bit % 8)) & (u8::MAX >> (8 - self.bits)) {
            0 => Status::Valid,
            1 => Status::Invalid,
            2 => Status::Suspended,
            other => Status::Other(other),
        })
    }

    /// How many statuses there are.
    pub fn len(&self) -> u64 {
        self.statuses.len() as u64 * 8 / u64::from(self.bits)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.statuses.is_empty()
    }

    /// `bits`: how many each status has.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// `iat`.
    pub fn issued(&self) -> Timestamp {
        self.life.issued
    }

    /// `exp`, from which on the list is no longer to be relied on.
    pub fn expires(&self) -> Option<Timestamp> {
        self.life.expires
    }

    /// The key that signed it.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// `ttl`: how long the issuer says that a copy serves.
    pub fn ttl(&self) -> Option<Span> {
        self.ttl
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.statuses.len()
    }
}

/// A positive number of seconds, which may have fractions.
fn ttl(claims: &Object<'_>) -> Result<Option<Span>, StatusListError> {
    let Some(value) = claims.get("ttl") else { return Ok(None) };
    let seconds = value.as_number().and_then(|number| number.as_numeric_date());
    let span = seconds.map(|seconds| seconds.since(Timestamp::default()));
    span.filter(|span| *span > Span::ZERO).map(Some).ok_or(StatusListError::Ttl)
}

impl fmt::Display for StatusListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bits => f.write_str("expected 1, 2, 4 or 8 in `status_list.bits`"),
            Self::Encoding(error) => write!(f, "expected base64url in `status_list.lst`: {error}"),
            Self::Inflate(error) => write!(f, "`status_list.lst`: {error}"),
            Self::List => f.write_str("expected an object with the text `lst` in `status_list`"),
            Self::Signed(error) => write!(f, "{error}"),
            Self::Ttl => f.write_str("expected a positive number of seconds in `ttl`"),
        }
    }
}

impl core::error::Error for StatusListError {}

#[cfg(test)]
mod tests;

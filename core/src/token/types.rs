//! What a verified token is.

use super::Confirmation;
use crate::keys::Signer;
use crate::party::Mark;
use crate::policy::{Entity, Record, Value};
use crate::time::{Span, Timestamp};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;

/// A mapped claim of a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimSlot {
    /// The token does not have it.
    Absent,
    /// The token has it, with a value that is not of the attribute's type.
    Invalid,
    /// Its value.
    Value(Value),
}

/// An entry of a status list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusEntry {
    /// The list's place in the settings.
    pub list: usize,
    /// The entry's place in the list.
    pub index: u32,
}

/// An issuer's word on a token.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// When it was asked for.
    pub(crate) asked: Timestamp,
    /// The key that signed it, where it must be signed.
    pub(crate) signer: Option<Signer>,
    /// By which it is taken back; nothing where workers can't tell each other.
    pub(crate) mark: Option<Mark>,
}

/// What is kept of a token whose signature and claims were verified. It holds no part of the token's own text.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    /// The issuer's place in the settings.
    pub issuer: usize,
    /// The key that signed it; nothing where its issuer was asked about it.
    pub signer: Option<Signer>,
    /// `sub`.
    pub subject: Option<Box<str>>,
    /// `jti`.
    pub id: Option<Box<str>>,
    /// `sid`: the session in which it was issued.
    pub session: Option<Box<str>>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// Where its issuer keeps its status, if that is published.
    pub status: Option<StatusEntry>,
    /// The edition of the issuer's revocation feed that it was last looked up in; 0 where it was not yet.
    pub looked_up: Cell<u32>,
    /// `client_id`, or else `azp`.
    pub client: Option<Box<str>>,
    /// `acr`: how the user logged in.
    pub acr: Option<Box<str>>,
    /// `auth_time`: when.
    pub auth_time: Option<Timestamp>,
    /// To whom it is bound.
    pub confirmation: Confirmation,
    /// SHA-256 of the token's text, which a proof must name (RFC 9449 §4.2, `ath`); there where the token is bound to a key.
    pub digest: Option<[u8; 32]>,
    /// The workload that may present it, where the configuration says which claim names it.
    pub workload: Option<Box<str>>,
    /// The ids of those who act for the subject, the outermost first (RFC 8693 §4.1).
    pub actors: Box<[Box<str>]>,
    /// From when on it is valid, the issuer's clock skew allowed for.
    pub not_before: Timestamp,
    /// Until when it is valid, the issuer's clock skew allowed for; at that instant it no longer is.
    pub expires: Timestamp,
    /// The issuer's word, where it was asked.
    pub spoken: Option<Spoken>,
    /// Until when the issuer's word on it serves; of a signed token, which is its word, as long as it is valid.
    pub fresh_until: Timestamp,
    /// The Cedar principal: the outermost actor where there is one, else the subject.
    pub principal: Entity,
    /// The subject as a Cedar entity, where someone acts for it.
    pub on_behalf_of: Option<Box<Entity>>,
    /// Whether an attribute that the schema demands of the principal is missing or ill-typed.
    pub principal_incomplete: bool,
    /// The claims that routes map, by slot.
    pub claims: Vec<ClaimSlot>,
}

impl VerifiedToken {
    /// The key that signed it, or its issuer's word on it.
    pub fn key(&self) -> Option<&Signer> {
        self.signer.as_ref().or_else(|| self.spoken.as_ref()?.signer.as_ref())
    }

    /// Whether it is valid at `now`.
    pub fn valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.expires
    }

    /// How long ago the user logged in, by `auth_time`. A login of the future is none, but for the issuer's clock skew.
    pub fn login_age(&self, clock_skew: Span, now: Timestamp) -> Option<Span> {
        let time = self.auth_time.filter(|time| time.minus(clock_skew) <= now)?;
        Some(now.since(time).max(Span::ZERO))
    }

    /// About how many bytes it takes, beside the texts that it copied from a token of `token_bytes`.
    pub fn weight(&self, token_bytes: usize) -> usize {
        let entity = |entity: &Entity| record(&entity.attributes) + entity.parents.len() * 64;
        let claim = |slot: &ClaimSlot| match slot {
            ClaimSlot::Value(value) => 64 + parts(value),
            ClaimSlot::Absent | ClaimSlot::Invalid => 64,
        };
        768 + 2 * token_bytes
            + self.claims.iter().map(claim).sum::<usize>()
            + self.actors.len() * 32
            + entity(&self.principal)
            + self.on_behalf_of.as_deref().map_or(0, entity)
    }
}

/// What a record takes beside its texts.
fn record(record: &Record) -> usize {
    record.iter().map(|(_, value)| 96 + parts(value)).sum()
}

/// What the parts of a value take beside their texts: many short words are a short text, and many values.
fn parts(value: &Value) -> usize {
    match value {
        Value::Set(set) => set.members().iter().map(|member| 64 + parts(member)).sum(),
        Value::Record(members) => record(members),
        Value::Entity(uid) => 16 + uid.ty().len(),
        Value::Bool(_)
        | Value::Long(_)
        | Value::String(_)
        | Value::Decimal(_)
        | Value::Datetime(_)
        | Value::Duration(_)
        | Value::Ip(_) => 0,
    }
}

/// Proof that a token was verified and is valid now. There is no way to get one but [`super::verify`] and its cache.
#[derive(Clone, Debug)]
pub struct Verified {
    token: Rc<VerifiedToken>,
    cached: bool,
    degraded: bool,
}

impl Verified {
    /// Asserts that `token` was verified, and is valid at the time of this request.
    pub(super) fn assertion(token: Rc<VerifiedToken>, cached: bool) -> Self {
        Self { token, cached, degraded: false }
    }

    /// The same by a word of the issuer's whose time is over.
    pub(super) fn degraded(self) -> Self {
        Self { degraded: true, ..self }
    }

    /// Whether the issuer's word on it was relied on beyond its time.
    pub fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// The entity of the token's subject, whoever acts for it.
    pub fn subject(&self) -> &Entity {
        self.token.on_behalf_of.as_deref().unwrap_or(&self.token.principal)
    }

    /// The token.
    pub fn token(&self) -> &VerifiedToken {
        &self.token
    }

    /// Whether the verification was found in the cache.
    pub fn cached(&self) -> bool {
        self.cached
    }
}

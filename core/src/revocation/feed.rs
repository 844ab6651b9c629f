//! Revocation feeds: which tokens an issuer has taken back, by `jti`, `sub`, `sid`, or by when they were issued
//! (`docs/revocation-feed.md`).

use super::entries::{ENTRY_BYTES, Entries, Fault, entry, number};
use super::signed::{Issuer, Keys, Life, Origin, SignedError, open, parse};
use super::table::Table;
use crate::base64url;
use crate::json::{Object, Value};
use crate::keys::Signer;
use crate::time::Timestamp;
use crate::token::VerifiedToken;
use alloc::boxed::Box;
use core::fmt;

/// The names of the kinds, which are those of the claims.
const KINDS: [&str; 3] = ["jti", "sub", "sid"];

/// How long a salt is, at least and at most, in bytes.
const MIN_SALT_BYTES: usize = 16;
const MAX_SALT_BYTES: usize = 64;

/// How many subjects may have a time of their own.
const MAX_SUBJECTS: usize = 4_096;

/// A subject and its time: an entry, and seconds since the epoch in four bytes.
const SUBJECT_BYTES: usize = ENTRY_BYTES + 4;

/// What an issuer has revoked, held so that a token can be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    salt: Box<[u8]>,
    revoked: Table,
    /// Which kinds there is an entry of: what cannot be found is not looked for.
    kinds: [bool; 3],
    issued_before: Option<Timestamp>,
    /// Entries with their times, in ascending order.
    subjects: Box<[[u8; SUBJECT_BYTES]]>,
    edition: Edition,
    expires: Option<Timestamp>,
    signer: Signer,
}

/// Which of an issuer's feeds one is: `seq`, and `iat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// `seq`.
    pub sequence: Option<u64>,
    /// `iat`.
    pub issued: Timestamp,
}

/// By what a token is looked up: the claims of the same names, and `iat`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identifiers<'a> {
    /// `jti`.
    pub jti: Option<&'a str>,
    /// `sub`.
    pub sub: Option<&'a str>,
    /// `sid`.
    pub sid: Option<&'a str>,
    /// Who acts for the subject, and did before: of each the id that the configuration reads.
    pub actors: &'a [Box<str>],
    /// `iat`. A token that does not say when it was issued was issued before any time.
    pub issued_at: Option<Timestamp>,
}

impl<'a> Identifiers<'a> {
    /// Of a token that was verified.
    pub fn of(token: &'a VerifiedToken) -> Self {
        Self {
            jti: token.id.as_deref(),
            sub: token.subject.as_deref(),
            sid: token.session.as_deref(),
            actors: &token.actors,
            issued_at: token.issued_at,
        }
    }
}

/// By what a token is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// All of the issuer's tokens of that time are.
    IssuedBefore,
    /// Its `jti`.
    Jti,
    /// Its `sid`.
    Sid,
    /// Its `sub`, or one of its actors.
    Sub,
    /// All tokens of that time of its subject, or of one of its actors, are.
    SubIssuedBefore,
}

/// Why a document is no revocation feed, or none that may take the place of the one that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedError {
    /// `issued_before` is not an object.
    IssuedBefore,
    /// `issued_before.all` is not a date.
    IssuedBeforeAll,
    /// `issued_before.sub` is not base64url of whole entries.
    IssuedBeforeSub,
    /// `issued_before.sub` has more entries than 4,096.
    IssuedBeforeSubCount,
    /// The subjects of `issued_before.sub` are not in ascending order, each once.
    IssuedBeforeSubOrder,
    /// A kind of `revoked` is not base64url of whole entries.
    Kind(&'static str),
    /// The feed that is held is newer.
    Older,
    /// The entries of a kind are not in ascending order, each once.
    Order(&'static str),
    /// `revoked` is missing or no object.
    Revoked,
    /// `salt` is missing or not base64url of 16 to 64 bytes.
    Salt,
    /// `seq` is no integer from 0 to 2⁶⁴ − 1.
    Sequence,
    /// It is not what the issuer signed, or not about this feed, or not now.
    Signed(SignedError),
    /// More entries than the limit.
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A member of `revoked` or `issued_before` that is not known: something is revoked in a way that is not understood.
    UnknownMember,
}

impl From<SignedError> for FeedError {
    fn from(error: SignedError) -> Self {
        Self::Signed(error)
    }
}

impl Feed {
    /// Reads a feed of at most `max_entries` in `revoked`. Where one is `held`, its edition may not be newer: by `seq` where the held one has it,
    /// or else by `iat`.
    pub fn read(
        token: &[u8],
        origin: &Origin<'_>,
        keys: Keys<'_>,
        max_entries: usize,
        held: Option<Edition>,
        now: Timestamp,
    ) -> Result<Self, FeedError> {
        let (payload, signer) = open(token, "revocations+jwt", origin, keys, now)?;
        Self::read_payload(&payload, signer, origin, max_entries, held, now)
    }

    /// Reads what was signed.
    fn read_payload(
        payload: &[u8],
        signer: Signer,
        origin: &Origin<'_>,
        max_entries: usize,
        held: Option<Edition>,
        now: Timestamp,
    ) -> Result<Self, FeedError> {
        let payload = parse(payload)?;
        let claims = payload.as_object().ok_or(SignedError::NotObject)?;
        let life = Life::read(claims, Issuer::Demanded, origin, now)?;
        let edition = Edition { sequence: sequence(claims)?, issued: life.issued };
        if held.is_some_and(|held| edition.is_older(held)) {
            return Err(FeedError::Older);
        }
        let salt = salt(claims)?;
        let (revoked, kinds) = revoked(claims, max_entries)?;
        let (issued_before, subjects) = issued_before(claims)?;
        Ok(Self { salt, revoked, kinds, issued_before, subjects, edition, expires: life.expires, signer })
    }

    /// Whether a token of the feed's issuer is revoked, and by what.
    pub fn revokes(&self, token: &Identifiers<'_>) -> Option<By> {
        let [jti, sub, sid] = self.kinds;
        let entry_of = |kind, identifier: Option<&str>| identifier.map(|id| entry(&self.salt, kind, id));
        let is_revoked =
            |kind, identifier| entry_of(kind, identifier).is_some_and(|entry| self.revoked.contains(entry));
        if jti && is_revoked("jti", token.jti) {
            return Some(By::Jti);
        }
        if sid && is_revoked("sid", token.sid) {
            return Some(By::Sid);
        }
        if self.issued_before.is_some_and(|time| issued_before_that(token, time)) {
            return Some(By::IssuedBefore);
        }
        if !sub && self.subjects.is_empty() {
            return None;
        }
        // Who is taken back neither asks nor acts for another.
        let parties = token.sub.into_iter().chain(token.actors.iter().map(|actor| &**actor));
        parties
            .map(|party| entry(&self.salt, "sub", party))
            .find_map(|party| self.revokes_party(sub, party, token))
    }

    /// Whether a token is revoked with one of its parties, who has this entry.
    fn revokes_party(&self, listed: bool, party: u64, token: &Identifiers<'_>) -> Option<By> {
        if listed && self.revoked.contains(party) {
            return Some(By::Sub);
        }
        let time = self.subject_time(party)?;
        issued_before_that(token, time).then_some(By::SubIssuedBefore)
    }

    /// The time of a subject that has one of its own.
    fn subject_time(&self, subject: u64) -> Option<Timestamp> {
        let at = self.subjects.binary_search_by_key(&subject, |row| subject_and_time(row).0).ok()?;
        self.subjects.get(at).map(|row| subject_and_time(row).1)
    }

    /// Which feed it is.
    pub fn edition(&self) -> Edition {
        self.edition
    }

    /// The key that signed it.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// `exp`, from which on the feed is no longer to be relied on.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// How many entries `revoked` has.
    pub fn entries(&self) -> usize {
        self.revoked.len()
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.salt.len() + self.revoked.bytes() + size_of_val(&*self.subjects)
    }
}

impl Edition {
    /// Whether a feed of this edition may not take the place of one of that other.
    fn is_older(self, held: Self) -> bool {
        match held.sequence {
            Some(held) => self.sequence.is_none_or(|sequence| sequence < held),
            None => self.issued < held.issued,
        }
    }
}

fn issued_before_that(token: &Identifiers<'_>, time: Timestamp) -> bool {
    token.issued_at.is_none_or(|issued| issued < time)
}

fn sequence(claims: &Object<'_>) -> Result<Option<u64>, FeedError> {
    let Some(value) = claims.get("seq") else { return Ok(None) };
    value.as_number().and_then(|number| number.as_u64()).map(Some).ok_or(FeedError::Sequence)
}

fn salt(claims: &Object<'_>) -> Result<Box<[u8]>, FeedError> {
    let text = claims.get("salt").and_then(Value::as_str).ok_or(FeedError::Salt)?;
    let lengths = base64url::encoded_len(MIN_SALT_BYTES)..=base64url::encoded_len(MAX_SALT_BYTES);
    if !lengths.contains(&text.len()) {
        return Err(FeedError::Salt);
    }
    base64url::decode(text.as_bytes()).map(Into::into).map_err(|_| FeedError::Salt)
}

/// `revoked`: a text of entries for each kind, all of which may be missing. The entries of all kinds make one set, since the kind is part of
/// what is hashed.
fn revoked(claims: &Object<'_>, max_entries: usize) -> Result<(Table, [bool; 3]), FeedError> {
    let revoked = claims.get("revoked").and_then(Value::as_object).ok_or(FeedError::Revoked)?;
    if revoked.members().iter().any(|member| !KINDS.contains(&&*member.name)) {
        return Err(FeedError::UnknownMember);
    }
    let [jti, sub, sid] = KINDS.map(|kind| {
        let text = match revoked.get(kind) {
            None => "",
            Some(value) => value.as_str().ok_or(FeedError::Kind(kind))?,
        };
        Entries::new(text).map_err(|_| FeedError::Kind(kind))
    });
    let ((jti, jtis), (sub, subs), (sid, sids)) = (jti?, sub?, sid?);
    let count = jtis.saturating_add(subs).saturating_add(sids);
    let limit = max_entries.min(u32::MAX as usize);
    if count > limit {
        return Err(FeedError::TooMany { limit });
    }
    let table = Table::of([jti, sub, sid], count).map_err(|(list, fault)| {
        let kind = KINDS.get(list).copied().unwrap_or_default();
        match fault {
            Fault::Encoding => FeedError::Kind(kind),
            Fault::Order => FeedError::Order(kind),
        }
    })?;
    Ok((table, [jtis > 0, subs > 0, sids > 0]))
}

type Subjects = Box<[[u8; SUBJECT_BYTES]]>;

/// `issued_before`: a time for all, and times for subjects.
fn issued_before(claims: &Object<'_>) -> Result<(Option<Timestamp>, Subjects), FeedError> {
    let Some(value) = claims.get("issued_before") else { return Ok((None, Box::default())) };
    let members = value.as_object().ok_or(FeedError::IssuedBefore)?;
    if members.members().iter().any(|member| !matches!(&*member.name, "all" | "sub")) {
        return Err(FeedError::UnknownMember);
    }
    let date = |value: &Value<'_>| value.as_number()?.as_numeric_date();
    let all = members.get("all").map(|value| date(value).ok_or(FeedError::IssuedBeforeAll)).transpose()?;
    let text = match members.get("sub") {
        None => "",
        Some(value) => value.as_str().ok_or(FeedError::IssuedBeforeSub)?,
    };
    if text.len() > base64url::encoded_len(MAX_SUBJECTS * SUBJECT_BYTES) {
        return Err(FeedError::IssuedBeforeSubCount);
    }
    let bytes = base64url::decode(text.as_bytes()).map_err(|_| FeedError::IssuedBeforeSub)?;
    let (rows, []) = bytes.as_chunks() else { return Err(FeedError::IssuedBeforeSub) };
    if !rows.is_sorted_by(|a, b| subject_and_time(a).0 < subject_and_time(b).0) {
        return Err(FeedError::IssuedBeforeSubOrder);
    }
    Ok((all, rows.into()))
}

fn subject_and_time(&[a, b, c, d, e, f, time @ ..]: &[u8; SUBJECT_BYTES]) -> (u64, Timestamp) {
    (number([a, b, c, d, e, f]), Timestamp::from_secs(u32::from_be_bytes(time).into()))
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IssuedBefore => f.write_str("expected an object in `issued_before`"),
            Self::IssuedBeforeAll => f.write_str("expected seconds since 1970 in `issued_before.all`"),
            Self::IssuedBeforeSub => {
                f.write_str("expected base64url of entries of 10 bytes in `issued_before.sub`")
            }
            Self::IssuedBeforeSubCount => {
                write!(f, "expected at most {MAX_SUBJECTS} entries in `issued_before.sub`")
            }
            Self::IssuedBeforeSubOrder => {
                f.write_str("expected subjects in ascending order, each once, in `issued_before.sub`")
            }
            Self::Kind(kind) => write!(f, "expected base64url of entries of 6 bytes in `revoked.{kind}`"),
            Self::Older => f.write_str("expected a feed that is not older than the one that is held"),
            Self::Order(kind) => {
                write!(f, "expected entries in ascending order, each once, in `revoked.{kind}`")
            }
            Self::Revoked => f.write_str("expected an object in `revoked`"),
            Self::Salt => {
                write!(f, "expected base64url of {MIN_SALT_BYTES} to {MAX_SALT_BYTES} bytes in `salt`")
            }
            Self::Sequence => f.write_str("expected an integer from 0 on in `seq`"),
            Self::Signed(error) => write!(f, "{error}"),
            Self::TooMany { limit } => write!(f, "expected at most {limit} entries in `revoked`"),
            Self::UnknownMember => f.write_str(
                "expected `jti`, `sub` and `sid` alone in `revoked`, `all` and `sub` in `issued_before`",
            ),
        }
    }
}

impl core::error::Error for FeedError {}

#[cfg(test)]
mod tests;

//! Tokens for those upstream: in exchange for the client's (RFC 8693), or the gateway's own (RFC 6749 §4.4).

mod answer;
mod shared;

pub use answer::{MAX_ANSWER_BYTES, read};
pub(crate) use shared::Place;

use crate::call::Form;
use crate::party::{Mark, PartySettings};
use crate::time::{Span, Timestamp};
use crate::token::VerifiedToken;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::{self, Debug, Formatter};

/// How a token for upstream is got.
#[derive(Clone, Debug)]
pub struct UpstreamTokenSettings {
    /// What routes call it.
    pub name: Box<str>,
    /// Where and how the token service is asked.
    pub party: PartySettings,
    /// By which grant.
    pub grant: GrantSettings,
    /// The form's fields that are always the same.
    pub fields: Vec<(Box<str>, Box<str>)>,
    /// For whom it is to be.
    pub audiences: Vec<Box<str>>,
    /// What it is to allow at most; anything where this is empty.
    pub scopes: Vec<Box<str>>,
    /// Whether it is a JWT, which is read before it is used.
    pub is_jwt: bool,
    /// The longest life.
    pub max_lifetime: Span,
    /// Of all of this: another one for another configuration.
    pub digest: [u8; 32],
}

/// By which grant a token is got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantSettings {
    /// In exchange for the client's.
    Exchange(ActorSettings),
    /// As the gateway's own.
    ClientCredentials,
}

/// Who acts for the subject in an exchanged token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActorSettings {
    /// The gateway, by this name where one is demanded.
    Client(Option<Box<str>>),
    /// The calling workload.
    Workload,
}

/// The type of the actor's token where the gateway vouches for a SPIFFE ID.
const SPIFFE_ID: &[u8] = b"urn:countersign:token-type:spiffe-id";

/// RFC 8693 §3.
const ACCESS_TOKEN: &[u8] = b"urn:ietf:params:oauth:token-type:access_token";

/// What stands in the place of [`Wanted::key`] for the gateway's own tokens: there is one for each place in the settings.
pub(crate) const OWN_KEY: &[u8] = b"";

/// What an exchange is made for.
pub(crate) struct Wanted<'a> {
    /// The token's place in the settings.
    pub(crate) index: usize,
    /// The client's token, and what it says.
    pub(crate) token: &'a [u8],
    /// What it says.
    pub(crate) verified: &'a VerifiedToken,
    /// The calling workload.
    pub(crate) workload: Option<&'a str>,
}

impl Wanted<'_> {
    /// All that the answer depends on.
    pub(crate) fn key(&self, settings: &UpstreamTokenSettings) -> Vec<u8> {
        let workload = self.actor(settings).unwrap_or_default();
        let mut key = Vec::with_capacity(self.token.len() + workload.len() + 9);
        // No bearer token has a zero byte: what is kept of tokens themselves is never found under such a key.
        key.push(0);
        key.extend(u32::try_from(self.index).unwrap_or(u32::MAX).to_le_bytes());
        key.extend(u32::try_from(self.token.len()).unwrap_or(u32::MAX).to_le_bytes());
        key.extend_from_slice(self.token);
        key.extend_from_slice(workload.as_bytes());
        key
    }

    /// The request for it (RFC 8693 §2.1).
    pub(crate) fn form(&self, settings: &UpstreamTokenSettings) -> Form {
        let form = settings.form().with("subject_token", self.token).with("subject_token_type", ACCESS_TOKEN);
        match self.actor(settings) {
            Some(workload) => {
                form.with("actor_token", workload.as_bytes()).with("actor_token_type", SPIFFE_ID)
            }
            None => form,
        }
    }

    /// What the answer is held against.
    pub(crate) fn grounds(&self, settings: &UpstreamTokenSettings) -> Grounds {
        let actor = match &settings.grant {
            GrantSettings::Exchange(ActorSettings::Client(id)) => id.clone(),
            GrantSettings::Exchange(ActorSettings::Workload) | GrantSettings::ClientCredentials => {
                self.actor(settings).map(Into::into)
            }
        };
        Grounds {
            subject: self.verified.subject.clone(),
            actor,
            issuer: self.verified.issuer,
            expires: self.verified.expires,
        }
    }

    /// The workload, where it is to be the actor.
    fn actor(&self, settings: &UpstreamTokenSettings) -> Option<&str> {
        match settings.grant {
            GrantSettings::Exchange(ActorSettings::Workload) => self.workload,
            GrantSettings::Exchange(ActorSettings::Client(_)) | GrantSettings::ClientCredentials => None,
        }
    }
}

impl UpstreamTokenSettings {
    /// The form's fields that are always the same; all there are, of the gateway's own tokens.
    pub(crate) fn form(&self) -> Form {
        self.fields.iter().fold(Form::new(), |form, (name, value)| form.with(name, value.as_bytes()))
    }

    /// Whether these are the gateway's own.
    pub fn is_own(&self) -> bool {
        self.grant == GrantSettings::ClientCredentials
    }
}

/// What an answer is held against.
#[derive(Clone, Debug)]
pub struct Grounds {
    /// Whose token it must be.
    pub subject: Option<Box<str>>,
    /// Who must act for them.
    pub actor: Option<Box<str>>,
    /// The place of the issuer of the token that it was given for.
    pub issuer: usize,
    /// Until when that token lives.
    pub expires: Timestamp,
}

impl Grounds {
    /// Of a token that was given for nothing but the gateway's asking.
    pub fn none() -> Self {
        Self { subject: None, actor: None, issuer: usize::MAX, expires: Timestamp::MAX }
    }
}

/// A token for those upstream.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamToken {
    /// The value of `authorization`.
    pub authorization: Box<str>,
    /// Until when it is used.
    pub expires: Timestamp,
    /// From when on another one is asked for.
    pub renew: Timestamp,
    /// When it was asked for.
    pub asked: Timestamp,
    /// By which it is taken back; nothing where workers can't tell each other.
    pub(crate) mark: Option<Mark>,
}

impl UpstreamToken {
    /// How many bytes it takes.
    pub(crate) fn weight(&self) -> usize {
        self.authorization.len() + 96
    }
}

impl Debug for UpstreamToken {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "UpstreamToken({} bytes, until {:?})", self.authorization.len(), self.expires)
    }
}

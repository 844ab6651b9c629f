//! Where an issuer's keys are, and in what form. All of it is configuration (RFC 8725 §3.10).

use super::Freshness;
use super::discovery::Discovery;
use crate::jose::{Bundle, JwkSet, JwksLimits};
use crate::time::Span;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

/// A source of keys that are fetched.
#[derive(Clone, Debug)]
pub struct RemoteKeySettings {
    /// The document to fetch: the keys', or where `discovery` is there, the one that says where they are.
    pub document: Location,
    /// OpenID discovery.
    pub discovery: Option<Discovery>,
    /// What the keys' document is.
    pub format: KeyFormat,
    /// When to fetch.
    pub freshness: Freshness,
    /// The source's name among what workers share: another for every configuration.
    pub name: Box<str>,
}

/// A document on a cluster of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The cluster's name.
    pub cluster: Box<str>,
    /// `http` or `https`.
    pub scheme: Box<str>,
    /// Host and port.
    pub authority: Box<str>,
    /// Path and query.
    pub path: Box<str>,
}

/// The longest address of a document, in bytes.
const MAX_URI_BYTES: usize = 2_048;

impl Location {
    /// From an address; only what an HTTP call needs is accepted.
    pub fn parse(uri: &str, cluster: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        if !matches!(scheme, "http" | "https") || uri.len() > MAX_URI_BYTES {
            return None;
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at_checked(at)?,
            None => (rest, "/"),
        };
        let plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
            && !authority.is_empty()
            && !authority.contains(['@', '?', '#'])
            && !path.contains('#');
        plain.then(|| Self {
            cluster: cluster.into(),
            scheme: scheme.into(),
            authority: authority.into(),
            path: path.into(),
        })
    }

    /// Whether scheme and authority are the same. Hosts are compared without regard to case (RFC 3986 §3.2.2), and the scheme's own
    /// port is the one that need not be written (§6.2.3).
    pub fn is_beside(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.bare_authority().eq_ignore_ascii_case(other.bare_authority())
    }

    /// The authority without a port that says nothing: the scheme's own, or an empty one.
    fn bare_authority(&self) -> &str {
        let own = if &*self.scheme == "https" { ":443" } else { ":80" };
        self.authority
            .strip_suffix(own)
            .or_else(|| self.authority.strip_suffix(':'))
            .unwrap_or(&self.authority)
    }
}

/// What a document of keys is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    /// A JWK Set (RFC 7517 §5).
    JwkSet,
    /// The bundle of a SPIFFE trust domain.
    Bundle,
}

/// A document of keys, read.
#[derive(Clone, Debug)]
pub struct KeyDocument {
    /// The usable keys.
    pub keys: JwkSet,
    /// Of two documents, the one with the greater number is the newer.
    pub sequence: Option<i64>,
    /// How long its source says that it is fresh.
    pub refresh_hint: Option<Span>,
}

impl KeyFormat {
    /// Reads a document. The error says what was expected.
    pub fn read(self, bytes: &[u8]) -> Result<KeyDocument, String> {
        let limits = JwksLimits::default();
        match self {
            Self::JwkSet => JwkSet::parse(bytes, &limits)
                .map(|keys| KeyDocument { keys, sequence: None, refresh_hint: None })
                .map_err(|error| format!("expected a JWK Set: {error}")),
            Self::Bundle => Bundle::parse(bytes, &limits)
                .map(|Bundle { keys, sequence, refresh_hint, .. }| KeyDocument {
                    keys,
                    sequence,
                    refresh_hint,
                })
                .map_err(|error| format!("expected a SPIFFE bundle: {error}")),
        }
    }
}

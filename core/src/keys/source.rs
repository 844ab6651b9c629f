//! What an issuer's keys are fetched as.

use crate::fetch::Source;
use crate::jose::{Bundle, JwkSet, JwksLimits};
use crate::time::Span;
use alloc::format;
use alloc::string::String;

/// A source of keys that are fetched.
#[derive(Clone, Debug)]
pub struct RemoteKeySettings {
    /// Where they are, and when to fetch them.
    pub source: Source,
    /// What the keys' document is.
    pub format: KeyFormat,
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

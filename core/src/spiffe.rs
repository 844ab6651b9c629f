//! SPIFFE IDs (SPIFFE-ID standard §2).

use alloc::{borrow::ToOwned as _, string::String};
use core::fmt;

#[cfg(test)]
mod tests;

const SCHEME: &str = "spiffe://";

/// The longest SPIFFE ID, in bytes (§2.3).
pub const MAX_BYTES: usize = 2048;

/// The longest trust domain, in bytes (§2.1).
pub const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// The name of a workload or of a trust domain, exactly as the standard writes it.
///
/// There is one spelling for each: the scheme and the trust domain are lower-case, nothing is escaped, the path has no empty and no
/// dot segments and no slash at the end. So IDs are compared as bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: String,
    /// Where the path begins.
    path_at: usize,
}

/// Why a text is no SPIFFE ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpiffeError {
    /// Nothing at all.
    Empty,
    /// A `.` or `..` segment in the path.
    DotSegment,
    /// Two slashes in a row in the path.
    EmptySegment,
    /// A byte in the path that is no letter, digit, `.`, `-` or `_`.
    PathByte,
    /// The scheme is not `spiffe`, in lower case.
    Scheme,
    /// More than [`MAX_BYTES`].
    TooLong,
    /// A slash at the end.
    TrailingSlash,
    /// A byte in the trust domain that is no lower-case letter, digit, `.`, `-` or `_`.
    TrustDomainByte,
    /// There is no trust domain.
    TrustDomainMissing,
    /// A trust domain of more than [`MAX_TRUST_DOMAIN_BYTES`].
    TrustDomainTooLong,
}

impl SpiffeId {
    /// Reads an ID from bytes of unknown make, such as a certificate's URI.
    pub fn parse(bytes: &[u8]) -> Result<Self, SpiffeError> {
        if bytes.is_empty() {
            return Err(SpiffeError::Empty);
        }
        if bytes.len() > MAX_BYTES {
            return Err(SpiffeError::TooLong);
        }
        let rest = bytes.strip_prefix(SCHEME.as_bytes()).ok_or(SpiffeError::Scheme)?;
        let (domain, path) = match rest.iter().position(|&byte| byte == b'/') {
            Some(slash) => rest.split_at_checked(slash).unwrap_or((rest, &[])),
            None => (rest, &[][..]),
        };
        check_trust_domain(domain)?;
        if let [_slash, segments @ ..] = path {
            check_path(segments)?;
        }
        // Only ASCII is left.
        let text = core::str::from_utf8(bytes).map_err(|_| SpiffeError::PathByte)?;
        Ok(Self { text: text.to_owned(), path_at: SCHEME.len() + domain.len() })
    }

    /// The ID as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain, without the scheme.
    pub fn trust_domain(&self) -> &str {
        self.text.get(SCHEME.len()..self.path_at).unwrap_or_default()
    }

    /// The path with its slash; empty for the ID of the trust domain itself.
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }
}

/// Holds the name of a trust domain against the standard (§2.1), as configurations list them.
pub fn check_trust_domain(name: &[u8]) -> Result<(), SpiffeError> {
    if name.is_empty() {
        return Err(SpiffeError::TrustDomainMissing);
    }
    if !name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_')) {
        return Err(SpiffeError::TrustDomainByte);
    }
    if name.len() > MAX_TRUST_DOMAIN_BYTES {
        return Err(SpiffeError::TrustDomainTooLong);
    }
    Ok(())
}

/// What follows the first slash of the path (§2.2).
fn check_path(segments: &[u8]) -> Result<(), SpiffeError> {
    let mut segments = segments.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            [] if segments.peek().is_none() => return Err(SpiffeError::TrailingSlash),
            [] => return Err(SpiffeError::EmptySegment),
            b"." | b".." => return Err(SpiffeError::DotSegment),
            segment => {
                if !segment
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
                {
                    return Err(SpiffeError::PathByte);
                }
            }
        }
    }
    Ok(())
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for SpiffeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty spiffe id",
            Self::DotSegment => "dot segment in the path of the spiffe id",
            Self::EmptySegment => "empty segment in the path of the spiffe id",
            Self::PathByte => "expected letters, digits, `.`, `-` and `_` in the path of the spiffe id",
            Self::Scheme => "expected `spiffe://` at the beginning",
            Self::TooLong => "spiffe id beyond 2048 bytes",
            Self::TrailingSlash => "slash at the end of the spiffe id",
            Self::TrustDomainByte => {
                "expected lower-case letters, digits, `.`, `-` and `_` in the trust domain"
            }
            Self::TrustDomainMissing => "spiffe id without trust domain",
            Self::TrustDomainTooLong => "trust domain beyond 255 bytes",
        })
    }
}

impl core::error::Error for SpiffeError {}

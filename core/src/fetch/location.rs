//! Addresses of documents.

use alloc::boxed::Box;

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

//! Whether a proof's `htu` names the request (RFC 9449 §4.3, 9): scheme, host, port and path, without query and fragment, in
//! their canonical forms (RFC 3986 §6.2.2, §6.2.3).

use crate::authority;
use crate::path::{CanonicalPath, PathOptions};
use alloc::borrow::Cow;
use alloc::boxed::Box;

/// Scheme, host and port; the port is always there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    secure: bool,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// Reads `https://host[:port]`, and nothing behind it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (origin, path) = split(text)?;
        path.is_empty().then_some(origin)
    }

    /// The origin of a request; a scheme that is not there is `https`.
    fn new(scheme: Option<&[u8]>, host: &str, port: Option<u16>) -> Option<Self> {
        let secure = match scheme {
            None => true,
            Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => true,
            Some(scheme) if scheme.eq_ignore_ascii_case(b"http") => false,
            Some(_) => return None,
        };
        Some(Self { secure, host: host.into(), port: port.unwrap_or(if secure { 443 } else { 80 }) })
    }
}

/// A request, as a proof may name it.
pub(crate) struct Request<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// The scheme, where the host says it.
    pub(crate) scheme: Option<&'a [u8]>,
    /// The host in lower case, and the port.
    pub(crate) host: &'a str,
    /// The port, where it is named.
    pub(crate) port: Option<u16>,
    /// The path.
    pub(crate) path: &'a CanonicalPath<'a>,
    /// How paths are read.
    pub(crate) paths: &'a PathOptions,
}

impl Request<'_> {
    /// Whether `htu` names it, under one of the origins, or under its own where there are none.
    pub(super) fn is_target(&self, htu: &str, origins: &[Origin]) -> bool {
        let Some((origin, path)) = split(htu) else { return false };
        let known = match origins {
            [] => Origin::new(self.scheme, self.host, self.port).is_some_and(|own| own == origin),
            origins => origins.contains(&origin),
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = if path.is_empty() { Cow::Borrowed("/") } else { Cow::Borrowed(path) };
        known
            && CanonicalPath::parse(path.as_bytes(), self.paths)
                .is_ok_and(|path| path.as_str() == self.path.as_str())
    }
}

/// Origin, and what follows it.
fn split(uri: &str) -> Option<(Origin, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let (host, port) = authority::canonical(authority)?;
    Some((Origin::new(Some(scheme.as_bytes()), &host, port)?, path))
}

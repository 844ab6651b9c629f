//! Whether a proof's `htu` names the request (RFC 9449 §4.3, 9): scheme, host, port and path, without query and fragment, in
//! their canonical forms (RFC 3986 §6.2.2, §6.2.3). Two steps of these are not taken, as no client needs them and readers differ
//! about them: dot segments and escapes in hosts are refused.

use crate::authority;
use crate::path::{CanonicalPath, PathOptions};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;

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
        Some(Self { secure, host: host.into(), port: port.unwrap_or(Self::own_port(secure)) })
    }

    /// The port of the scheme.
    const fn own_port(secure: bool) -> u16 {
        if secure { 443 } else { 80 }
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
    /// Whether `htu` names it, under the origin that it came to.
    pub(super) fn is_target(&self, htu: &str, origins: &[Origin]) -> bool {
        let Some((origin, path)) = split(htu) else { return false };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let Some(path) = normal(if path.is_empty() { "/" } else { path }) else { return false };
        self.came_to(&origin, origins)
            && CanonicalPath::parse(path.as_bytes(), self.paths).is_ok()
            && normal(self.path.as_str()) == Some(path)
    }

    /// Whether it came to this origin. Where the configuration lists some, its host says which of them; a host that is none of
    /// theirs, such as an internal name, leaves no doubt only where one is listed.
    fn came_to(&self, origin: &Origin, origins: &[Origin]) -> bool {
        let of_host = || origins.iter().filter(|listed| *listed.host == *self.host);
        match (origins, of_host().count()) {
            ([], _) => Origin::new(self.scheme, self.host, self.port).is_some_and(|own| own == *origin),
            ([one], _) => one == origin,
            (_, 0) => false,
            (_, 1) => of_host().any(|listed| listed == origin),
            // One host with several ports.
            (_, _) => of_host().any(|listed| {
                let port = self.port.unwrap_or(Origin::own_port(listed.secure));
                listed.port == port && listed == origin
            }),
        }
    }
}

/// Origin, and what follows it.
fn split(uri: &str) -> Option<(Origin, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    // An empty port is the scheme's own (RFC 3986 §6.2.3).
    let (host, port) = authority::canonical(authority.strip_suffix(':').unwrap_or(authority))?;
    Some((Origin::new(Some(scheme.as_bytes()), &host, port)?, path))
}

/// A path without escapes that it does not need, and with the others in capitals (RFC 3986 §6.2.2.1, §6.2.2.2); nothing where an
/// escape is none.
fn normal(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut parts = path.split('%');
    let mut normal = String::with_capacity(path.len());
    normal.push_str(parts.next()?);
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let escaped = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| escaped)?;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        normal.push_str(rest);
    }
    Some(Cow::Owned(normal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether a proof with this `htu` is for the request `https://HOST/tenants/a%C3%A9` by the origins.
    fn named(host: &str, htu: &str, origins: &[&str]) -> bool {
        let paths = PathOptions::default();
        let path = CanonicalPath::parse(b"/tenants/a%C3%A9", &paths).unwrap();
        let (host, port) = authority::canonical(host).unwrap();
        let origins: alloc::vec::Vec<Origin> =
            origins.iter().map(|text| Origin::parse(text).unwrap()).collect();
        let request =
            Request { method: "GET", scheme: Some(b"https"), host: &host, port, path: &path, paths: &paths };
        request.is_target(htu, &origins)
    }

    fn at(origin: &str) -> alloc::string::String {
        alloc::format!("{origin}/tenants/a%C3%A9")
    }

    #[test]
    fn one_origin_is_everybodys() {
        let one = ["https://api.example"];
        for host in ["api.example", "api.example:8080", "gateway.internal", "10.0.0.1:8443"] {
            assert!(named(host, &at("https://api.example"), &one), "{host}");
            assert!(!named(host, &at("https://gateway.internal"), &one), "{host}");
            assert!(!named(host, &at("https://api.example:8443"), &one), "{host}");
            assert!(!named(host, &at("http://api.example"), &one), "{host}");
        }
    }

    #[test]
    fn of_several_origins_the_host_says_which() {
        let two = ["https://api.example", "https://admin.example"];
        for (host, own, other) in [
            ("api.example", "https://api.example", "https://admin.example"),
            ("ADMIN.example:8080", "https://admin.example", "https://api.example"),
        ] {
            assert!(named(host, &at(own), &two), "{host}");
            assert!(!named(host, &at(other), &two), "{host}: a proof for one must not serve at the other");
        }
        for origin in two {
            assert!(!named("gateway.internal", &at(origin), &two), "which of them is not known");
        }
    }

    #[test]
    fn of_several_ports_the_request_says_which() {
        let ports =
            ["https://api.example", "https://api.example:8443", "http://api.example", "https://b.example"];
        for (host, good) in [
            ("api.example", &["https://api.example", "http://api.example"][..]),
            ("api.example:443", &["https://api.example"]),
            ("api.example:8443", &["https://api.example:8443"]),
            ("api.example:80", &["http://api.example"]),
            ("api.example:8080", &[]),
            ("b.example:8080", &["https://b.example"]),
        ] {
            for origin in ports {
                assert_eq!(named(host, &at(origin), &ports), good.contains(&origin), "{origin} at {host}");
            }
        }
    }

    #[test]
    fn addresses_are_compared_in_their_normal_form() {
        for htu in [
            "https://api.example/tenants/a%C3%A9",
            "https://api.example/tenants/a%c3%a9",
            "https://api.example/tenants/%61%C3%A9",
            "https://api.example/%74enants/a%C3%A9",
            "https://api.example:/tenants/a%C3%A9",
            "https://api.example:443/tenants/a%C3%A9",
            "HTTPS://API.example/tenants/a%C3%A9?a=%zz#b",
        ] {
            assert!(named("api.example", htu, &[]), "{htu}");
        }
        for htu in [
            "https://api.example/tenants/x/../a%C3%A9",
            "https://api.example/tenants/x/%2e%2E/a%C3%A9",
            "https://api.example/./tenants/a%C3%A9",
            "https://api.example/tenants%2Fa%C3%A9",
            "https://api.example/tenants/a%C3%A9%",
            "https://api.example/tenants/a%C3%A",
            "https://api.example/tenants/a%+3%A9",
            "https://api.example/tenants/a%25C3%A9",
            "https://api.example/tenants/a%C3%A9%00",
            "https://%61pi.example/tenants/a%C3%A9",
            "https://api.example::/tenants/a%C3%A9",
            "https://:/tenants/a%C3%A9",
            "https://api.example/tenants/a\u{e9}",
        ] {
            assert!(!named("api.example", htu, &[]), "{htu}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_path_is_normal_and_reads_the_same(path in "(/|%2[0-9a-fF]|%[46][0-9a-fA-F]|%|[a-z.~-]|\\PC){0,12}") {
            if let Some(once) = normal(&path) {
                prop_assert!(once.len() <= path.len());
                let decoded = |text: &str| percent(text.as_bytes());
                prop_assert_eq!(decoded(&once), decoded(&path));
                if !path.contains("%25") {
                    prop_assert_eq!(normal(&once), Some(once.clone()));
                }
            }
        }
    }

    fn percent(text: &[u8]) -> alloc::vec::Vec<u8> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match text {
            [b'%', high, low, rest @ ..] => {
                let byte = digit(*high).unwrap() * 16 + digit(*low).unwrap();
                [&[byte], &*percent(rest)].concat()
            }
            [byte, rest @ ..] => [&[*byte], &*percent(rest)].concat(),
            [] => alloc::vec::Vec::new(),
        }
    }
}

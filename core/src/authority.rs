//! The host and port that a request is for, in one reading.

use alloc::borrow::Cow;

/// The longest host: a DNS name in text (RFC 1035 §2.3.4).
const MAX_BYTES: usize = 253;

/// Host and port of an authority (RFC 3986 §3.2.2), the host in lower case; an IPv6 address keeps its brackets.
///
/// Strict, since every reader has ideas of its own about the rest: names are letters, digits, `-` and `_` between single
/// dots, without user information, percent-escapes, or a dot at the end; a port is digits.
pub(crate) fn canonical(authority: &str) -> Option<(Cow<'_, str>, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(end) => authority.split_at(end + 2),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        None if port.is_empty() => None,
        Some(_) | None => return None,
    };
    if host.len() > MAX_BYTES || !(is_name(host) || is_ipv6(host)) {
        return None;
    }
    let host = match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    };
    Some((host, port))
}

fn is_name(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    host.split('.').all(|label| !label.is_empty() && label.bytes().all(fits))
}

fn is_ipv6(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    address.is_some_and(|address| address.parse::<core::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use proptest::prelude::*;

    #[test]
    fn a_host_has_one_reading() {
        for (authority, host, port) in [
            ("a.example", "a.example", None),
            ("A.Example:443", "a.example", Some(443)),
            ("localhost:8080", "localhost", Some(8080)),
            ("10.0.0.1:80", "10.0.0.1", Some(80)),
            ("[::1]:443", "[::1]", Some(443)),
            ("[::1]", "[::1]", None),
        ] {
            assert_eq!(canonical(authority), Some((host.into(), port)), "{authority}");
        }
        for authority in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "u@a",
            "a:443:",
            "a :443",
            "a,b",
            "a/x",
            "a%2e",
            "a:",
            "a:b",
            "a:123456",
            "a:65536",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[a]",
            "::1",
            "[]",
            "\u{e9}.example",
            "a\0",
            "[\u{e9}]",
        ] {
            assert_eq!(canonical(authority), None, "{authority}");
        }
    }

    proptest! {
        #[test]
        fn what_is_canonical_stays_as_it_is(authority in "[a-cA-C0-9.:\\[\\]@_-]{0,12}|\\PC{0,12}") {
            if let Some((host, _)) = canonical(&authority) {
                prop_assert_eq!(canonical(&host), Some((host.as_ref().into(), None)));
            }
        }
    }
}

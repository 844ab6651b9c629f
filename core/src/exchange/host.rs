//! The host that a request is for, in one reading.

use alloc::borrow::Cow;

/// The longest host: a DNS name in text (RFC 1035 §2.3.4).
const MAX_BYTES: usize = 253;

/// The host of an authority (RFC 3986 §3.2.2) in lower case, without its port; an IPv6 address keeps its brackets.
///
/// Strict, since every reader has ideas of its own about the rest: names are letters, digits, `-` and `_` between single
/// dots, without user information, percent-escapes, or a dot at the end; a port is digits.
pub(super) fn canonical(authority: &str) -> Option<Cow<'_, str>> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(end) => authority.split_at(end + 2),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_fits = match port.strip_prefix(':') {
        Some(digits) => (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    if !port_fits || host.len() > MAX_BYTES || !(is_name(host) || is_ipv6(host)) {
        return None;
    }
    Some(match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    })
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
        for (authority, host) in [
            ("a.example", "a.example"),
            ("A.Example:443", "a.example"),
            ("localhost:8080", "localhost"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("[::1]:443", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(canonical(authority).as_deref(), Some(host), "{authority}");
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
            if let Some(host) = canonical(&authority) {
                let again = canonical(&host);
                prop_assert_eq!(again.as_deref(), Some(&*host));
            }
        }
    }
}

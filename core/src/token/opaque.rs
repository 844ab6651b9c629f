//! Telling signed tokens from those that say nothing by themselves, before either is believed.

use crate::base64url;

/// Whether a token is written as a JWS in compact form: three parts, the first of them the beginning of a JSON object. What is
/// written so is never asked about as an opaque token, and what is not is never verified as a signed one.
pub fn is_signed(token: &[u8]) -> bool {
    let mut parts = token.split(|byte| *byte == b'.');
    let (header, parts) = (parts.next().unwrap_or_default(), parts.count());
    // Four characters tell nearly always; white space may stand before the object (RFC 8259 §2).
    let start = header.get(..header.len().min(4)).unwrap_or_default();
    let begins = |text: &[u8]| {
        let text = base64url::decode(text).ok()?;
        text.into_iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
    };
    let is_blank = |text: &[u8]| base64url::decode(text).is_ok_and(|text| text.trim_ascii().is_empty());
    let first = if is_blank(start) { begins(header) } else { begins(start) };
    parts >= 2 && first == Some(b'{')
}

/// Whether a token is of the characters that any bearer token is of (`b64token`, RFC 6750 §2.1).
pub fn is_opaque(token: &[u8]) -> bool {
    let plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let end = token.iter().position(|byte| !plain(byte)).unwrap_or(token.len());
    end > 0 && token.iter().skip(end).all(|byte| *byte == b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn signed_and_opaque() {
        for token in [
            &b"eyJhbGciOiJub25lIn0.e30."[..],
            b"eyJh.b.c",
            b"ewo.a.b",
            b"eyJh.b.c.d.e",
            b"eyJh..",
            b"e30.e30.",
            b"IHsgfQ.e30.",
            b"ICAgICAgCQoNeyJhIjoxfQ.e30.",
        ] {
            assert!(is_signed(token), "{token:?}");
        }
        for token in
            [&b""[..], b"eyJh.b", b"eyJh", b"abcd.b.c", b"a.b.c", b"e!Jh.b.c", b"ICAg.e30.", b"ICAgICBb.e30."]
        {
            assert!(!is_signed(token), "{token:?}");
        }
        for token in [&b"a"[..], b"aZ09-._~+/", b"a=", b"a=="] {
            assert!(is_opaque(token), "{token:?}");
        }
        for token in [&b""[..], b"=", b"a=b", b"a b", b"a,b", b"a\n", b"a%", b"\xc3\xa9", b"a\0", b"a\""] {
            assert!(!is_opaque(token), "{token:?}");
        }
    }

    proptest! {
        #[test]
        fn a_real_header_is_seen(header in "[a-z]{1,20}", rest in "[a-zA-Z0-9_-]{0,20}") {
            let header = base64url::encode(alloc::format!("{{\"{header}\":1}}").as_bytes());
            let token = alloc::format!("{header}.{rest}.{rest}");
            prop_assert!(is_signed(token.as_bytes()));
        }

        #[test]
        fn any_bytes_are_one_or_the_other(token in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (is_signed(&token), is_opaque(&token));
        }
    }
}

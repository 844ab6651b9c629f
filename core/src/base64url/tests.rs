use super::*;
use alloc::vec;
use proptest::prelude::*;

#[test]
fn rfc_4648_examples() {
    // RFC 4648 §10, without padding.
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg"),
        ("fooba", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(encode(bytes.as_bytes()), text);
        assert_eq!(decode(text.as_bytes()).unwrap(), bytes.as_bytes());
        assert_eq!(encoded_len(bytes.len()), text.len());
    }
    // RFC 7515 appendix C uses both of the url-safe characters.
    assert_eq!(decode(b"A-z_4ME").unwrap(), [3, 236, 255, 224, 193]);
}

#[test]
fn what_is_not_canonical_is_refused() {
    let foreign = |offset| Err(Base64Error::ForeignByte { offset });
    for (text, expected) in [
        (&b"Zg=="[..], foreign(2)),
        (b"Zm8=", foreign(3)),
        (b"=", foreign(0)),
        (b"Zm9v\n", foreign(4)),
        (b" Zm9v", foreign(0)),
        (b"Zm 9v", foreign(2)),
        (b"Zm+v", foreign(2)),
        (b"Zm/v", foreign(2)),
        (b"Zm9v.", foreign(4)),
        (b"Zm\0v", foreign(2)),
        (b"Zm\xc3\xa9", foreign(2)),
        (b"Z", Err(Base64Error::Length)),
        (b"Zm9vZ", Err(Base64Error::Length)),
        (b"Zh", Err(Base64Error::SpareBits)),
        (b"Zm9", Err(Base64Error::SpareBits)),
    ] {
        assert_eq!(decode(text), expected, "{text:?}");
    }
}

#[test]
fn arrays_have_one_length() {
    assert_eq!(decode_array::<3>(b"Zm9v"), Ok(*b"foo"));
    assert_eq!(decode_array::<3>(b"Zm8"), Err(Base64Error::WrongSize { expected: 3 }));
    assert_eq!(decode_array::<3>(b"Zm9vYg"), Err(Base64Error::WrongSize { expected: 3 }));
}

#[test]
fn standard_form_is_padded() {
    assert_eq!(decode_standard(b"+/+/").unwrap(), [0xfb, 0xff, 0xbf]);
    assert_eq!(decode_standard(b"Zg==").unwrap(), b"f");
    assert_eq!(decode_standard(b"Zm8=").unwrap(), b"fo");
    assert_eq!(decode_standard(b"").unwrap(), b"");
    for text in [
        &b"Zg"[..],
        b"Zg=",
        b"Zg===",
        b"====",
        b"Z===",
        b"Zm9v====",
        b"Zh==",
        b"Zg==Zg==",
        b"-_-_",
        b"Zm9v\n",
    ] {
        assert!(decode_standard(text).is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn round_trip(bytes in any::<Vec<u8>>()) {
        let text = encode(&bytes);
        prop_assert_eq!(text.len(), encoded_len(bytes.len()));
        prop_assert_eq!(decode(text.as_bytes()).unwrap(), bytes);
    }

    /// What is accepted is exactly what the encoder writes, so no two texts share a meaning.
    #[test]
    fn accepted_text_is_the_encoding(text in proptest::collection::vec(prop_oneof![4 => proptest::sample::select(URL_SAFE.to_vec()), 1 => any::<u8>()], 0..24)) {
        if let Ok(bytes) = decode(&text) {
            prop_assert_eq!(encode(&bytes).into_bytes(), text);
        }
    }

    #[test]
    fn standard_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut text: Vec<u8> = encode(&bytes).bytes().map(|b| match b { b'-' => b'+', b'_' => b'/', b => b }).collect();
        text.extend(vec![b'='; (4 - text.len() % 4) % 4]);
        prop_assert_eq!(decode_standard(&text).unwrap(), bytes);
    }
}

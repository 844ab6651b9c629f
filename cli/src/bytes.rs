//! Bytes in documents that people write: as text, or where they are no text, in base64 or hexadecimal digits.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

/// What bytes may look like; for messages.
pub(crate) const EXPECTED: &str = "a string, `{\"base64\": \"…\"}` or `{\"hex\": \"…\"}`";

/// The bytes of an object with one member, `base64` or `hex`.
pub(crate) fn encoded(members: &Map<String, Value>) -> Result<Vec<u8>, String> {
    let mut all = members.iter();
    match (all.next(), all.next()) {
        (Some((name, Value::String(text))), None) if name == "base64" => {
            BASE64_STANDARD.decode(text).map_err(|_| {
                let shown: String = text.chars().take(40).collect();
                format!("expected base64 with its padding, found `{shown}`")
            })
        }
        (Some((name, Value::String(text))), None) if name == "hex" => digits(text),
        _ => Err(format!("expected {EXPECTED}, found {}", json!(members))),
    }
}

/// Bytes as text, or where they are not UTF-8 as `{"base64": …}`.
pub(crate) fn shown(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    }
}

fn digits(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("expected an even number of hexadecimal digits, found `{text}`");
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok();
    pairs.iter().map(byte).collect::<Option<_>>().ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    proptest! {
        #[test]
        fn what_is_written_in_digits_is_read_back(bytes: Vec<u8>) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(read(json!({ "hex": digits })), Ok(bytes.clone()));
            assert_eq!(read(json!({ "hex": digits.to_uppercase() })), Ok(bytes));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = read(json!({ "hex": text }));
        }
    }

    fn read(value: Value) -> Result<Vec<u8>, String> {
        encoded(value.as_object().unwrap())
    }

    #[test]
    fn bytes_come_in_base64_or_digits() {
        assert_eq!(read(json!({ "base64": "/w==" })), Ok(vec![255]));
        assert_eq!(read(json!({ "hex": "00fFa0" })), Ok(vec![0, 255, 160]));
        for wrong in [
            json!({}),
            json!({ "hex": "0" }),
            json!({ "hex": "0g" }),
            json!({ "hex": "é" }),
            json!({ "base64": "*" }),
            json!({ "hex": 1 }),
            json!({ "text": "a" }),
            json!({ "hex": "", "base64": "" }),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}

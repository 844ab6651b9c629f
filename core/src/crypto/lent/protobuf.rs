//! Questions and answers as Envoy's `verify_signature` takes and gives them.

use super::{Answer, NoAnswer, Question};
use alloc::borrow::ToOwned;
use alloc::vec::Vec;

impl Question<'_> {
    /// The message: 1 the hash's name, 2 the key, 3 the signature, 4 what was signed.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let fields = [self.hash.as_bytes(), self.key, self.signature, self.message];
        let mut out = Vec::with_capacity(fields.iter().map(|field| field.len() + 8).sum());
        for (number, field) in (1..).zip(fields) {
            out.push(number << 3 | 2);
            let mut length = field.len();
            while length >= 0x80 {
                out.push(length as u8 | 0x80);
                length >>= 7;
            }
            out.push(length as u8);
            out.extend_from_slice(field);
        }
        out
    }
}

impl Answer {
    /// Reads the message: 1 whether the signature is good, 2 the error.
    ///
    /// # Errors
    /// What is written otherwise, or says both, is no answer.
    pub fn from_protobuf(mut bytes: &[u8]) -> Result<Self, NoAnswer> {
        let (mut good, mut words) = (None, None);
        while let Some((tag, rest)) = bytes.split_first() {
            match (*tag, rest.split_first()) {
                (0x08, Some((value @ 0..=1, rest))) if good.is_none() => {
                    good = Some(*value == 1);
                    bytes = rest;
                }
                (0x12, Some((length @ 0..0x80, rest))) if words.is_none() => {
                    let (text, rest) = rest.split_at_checked(usize::from(*length)).ok_or(NoAnswer)?;
                    words = Some(core::str::from_utf8(text).map_err(|_| NoAnswer)?);
                    bytes = rest;
                }
                _ => return Err(NoAnswer),
            }
        }
        match (good, words) {
            (Some(true), None | Some("")) => Ok(Self::Good),
            (Some(true), Some(_)) => Err(NoAnswer),
            (Some(false) | None, words) => Ok(Self::Bad(words.unwrap_or_default().to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arguments() {
        let message = [7; 300];
        let question = Question { hash: "sha256", key: &[1, 2], signature: &[], message: &message };
        let written = question.to_protobuf();
        assert_eq!(written[..8], *b"\x0a\x06sha256");
        assert_eq!(written[8..14], [0x12, 2, 1, 2, 0x1a, 0]);
        assert_eq!(written[14..17], [0x22, 0xac, 2]);
        assert_eq!(written[17..], message);
    }

    #[test]
    fn answers() {
        let bad = |words: &str| Ok(Answer::Bad(words.to_owned()));
        for (result, expected) in [
            (&b"\x08\x01"[..], Ok(Answer::Good)),
            (b"\x08\x01\x12\x00", Ok(Answer::Good)),
            (b"", bad("")),
            (b"\x08\x00", bad("")),
            (b"\x12\x02no", bad("no")),
            (b"\x08\x00\x12\x02no", bad("no")),
            (b"\x12\x02no\x08\x00", bad("no")),
            // Both good and wrong, half a field, more than there is, unknown fields, and what is said twice.
            (b"\x08\x01\x12\x02no", Err(NoAnswer)),
            (b"\x08", Err(NoAnswer)),
            (b"\x08\x02", Err(NoAnswer)),
            (b"\x08\x81\x00", Err(NoAnswer)),
            (b"\x12\x03no", Err(NoAnswer)),
            (b"\x12\xff\x01no", Err(NoAnswer)),
            (b"\x12\x01\xff", Err(NoAnswer)),
            (b"\x08\x00\x08\x01", Err(NoAnswer)),
            (b"\x08\x01\x08\x01", Err(NoAnswer)),
            (b"\x18\x01", Err(NoAnswer)),
            (b"\x08\x01\x00", Err(NoAnswer)),
            (b"true", Err(NoAnswer)),
        ] {
            assert_eq!(Answer::from_protobuf(result), expected, "{result:?}");
        }
    }

    proptest! {
        #[test]
        fn only_one_answer_is_good(result in proptest::collection::vec(any::<u8>(), 0..12)) {
            let good = [&b"\x08\x01"[..], b"\x08\x01\x12\x00", b"\x12\x00\x08\x01"].contains(&&*result);
            prop_assert_eq!(Answer::from_protobuf(&result) == Ok(Answer::Good), good);
        }
    }
}

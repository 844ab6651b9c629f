//! Changes of texts: of JSON, of base64url, and of the whole token.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;

use crate::differential::Random;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Changes one thing about the text of a JSON object; what it was.
pub(super) fn json(text: &mut Vec<u8>, random: &mut Random) -> &'static str {
    if text.len() < 4 {
        return "same";
    }
    match random.below(13) {
        0 => {
            text.splice(1..1, *b" \t\r\n");
            text.splice(0..0, *b"\n ");
            text.extend_from_slice(b" \r\n");
            "white-space"
        }
        1 => {
            text.splice(0..0, *b"\xef\xbb\xbf");
            "byte-order-mark"
        }
        2 => {
            text.extend_from_slice(random.pick(&["x", "{}", ",", "\0", "]", "\u{feff}"]).as_bytes());
            "text-behind"
        }
        3 => {
            text.splice(text.len() - 1.., *b",}");
            "trailing-comma"
        }
        4 => {
            text.splice(1..1, *b"/* */");
            "comment"
        }
        5 => {
            text.truncate(random.below(text.len()));
            "cut-off"
        }
        6 => {
            // Within the first name.
            text.splice(2..2, [random.pick(&["\n", "\0", "\u{1f}", "\t"]).as_bytes()[0]]);
            "control-character"
        }
        7 => {
            let end = text.len() - 1;
            let bytes: [&[u8]; 4] = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xc3"];
            let bad = bytes[random.below(4)];
            text.splice(end..end, [br#","u":""#, bad, br#"""#].concat());
            "no-utf8"
        }
        8 => {
            *text = [b"[", &text[..], b"]"].concat();
            "list"
        }
        9 => {
            *text = random.pick(&["", "null", "5", "\"x\"", "{", "true"]).into();
            "no-object"
        }
        10 => {
            *text = text.iter().flat_map(|byte| [*byte, 0]).collect();
            "utf16"
        }
        _ => {
            let at = random.below(text.len());
            text[at] ^= 1 << random.below(8);
            "bit"
        }
    }
}

/// Changes one thing about the base64url text of a part; what it was.
pub(super) fn encoding(text: &mut String, random: &mut Random) -> &'static str {
    if !text.is_ascii() {
        return "same";
    }
    let at = random.below(text.len().max(1)).min(text.len());
    match random.below(9) {
        0 => {
            text.push_str(if text.len() % 4 == 2 { "==" } else { "=" });
            "padding"
        }
        1 => {
            let standard = text.replace('-', "+").replace('_', "/");
            let same = standard == *text;
            *text = standard;
            if same { "same" } else { "standard-alphabet" }
        }
        2 => spare_bits(text, random),
        3 => {
            text.insert_str(at, random.pick(&["\n", " ", "\t", "\r\n"]));
            "white-space-in-base64"
        }
        4 => {
            text.insert(at, ['!', '%', '~', '\0', 'é', ','][random.below(6)]);
            "foreign-character"
        }
        5 => {
            text.pop();
            "last-character-gone"
        }
        6 => {
            *text = BASE64URL.encode(&*text);
            "encoded-twice"
        }
        7 => {
            text.clear();
            "empty"
        }
        _ => {
            text.push('A');
            "character-more"
        }
    }
}

fn spare_bits(text: &mut String, random: &mut Random) -> &'static str {
    let spare = match text.len() % 4 {
        2 => 4,
        3 => 2,
        _ => return "same",
    };
    let last = text.pop().and_then(|last| ALPHABET.iter().position(|byte| char::from(*byte) == last));
    let Some(last) = last else { return "last-character-gone" };
    let bits = 1 + random.below((1 << spare) - 1);
    text.push(char::from(ALPHABET[last & !((1 << spare) - 1) | bits]));
    "spare-bits"
}

/// Changes one thing about a whole token; what it was.
pub(super) fn token(text: &mut String, random: &mut Random) -> &'static str {
    if text.len() < 4 {
        return "same";
    }
    let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    match random.below(10) {
        0 | 1 => {
            let at = random.below(text.len());
            let with = char::from(ALPHABET[random.below(64)]);
            *text = text.chars().enumerate().map(|(i, have)| if i == at { with } else { have }).collect();
            "character"
        }
        2 => {
            let at = random.below(text.chars().count() + 1);
            let (head, tail): (Vec<_>, Vec<_>) = text.chars().enumerate().partition(|(i, _)| *i < at);
            *text = head
                .into_iter()
                .map(|(_, c)| c)
                .chain(['.'])
                .chain(tail.into_iter().map(|(_, c)| c))
                .collect();
            "dot-more"
        }
        3 => {
            *text = parts[..parts.len() - 1].join(".");
            "part-gone"
        }
        4 => {
            *text = parts.iter().rev().cloned().collect::<Vec<_>>().join(".");
            "parts-swapped"
        }
        5 => {
            *text = [random.pick(&["", " ", "\n"]), text, random.pick(&[" ", "\n", "\0", "\t"])].concat();
            "white-space-around"
        }
        6 => {
            text.push('.');
            text.push_str(parts.last().map_or("", String::as_str));
            "part-more"
        }
        7 => {
            *text = format!("{}.", parts[..parts.len() - 1].join("."));
            "no-signature"
        }
        8 => {
            *text = text.to_ascii_uppercase();
            "upper-case"
        }
        _ => {
            *text = text.replace('.', random.pick(&["%2E", "..", "。", ","]));
            "other-dots"
        }
    }
}

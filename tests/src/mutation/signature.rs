//! Changes of signatures.

use rsa::BigUint;

use crate::differential::Random;

/// The orders of the groups, in hexadecimal digits.
const P256: &[u8] = b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P384: &[u8] =
    b"ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
const ED25519: &[u8] = b"1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

/// Changes one thing about a signature of this algorithm; what it was.
pub(super) fn change(signature: &mut Vec<u8>, algorithm: &str, random: &mut Random) -> &'static str {
    let (length, half) = (signature.len(), signature.len() / 2);
    if length < 32 {
        return "same";
    }
    match random.below(9) {
        0 => {
            let at = random.below(length);
            signature[at] ^= 1 << random.below(8);
            "bit"
        }
        1 => {
            signature.truncate(random.below(length));
            "cut-off"
        }
        2 => {
            signature.push(0);
            "byte-more"
        }
        3 => {
            signature.insert(0, 0);
            "zero-in-front"
        }
        4 => {
            let from = [0, half][random.below(2)];
            signature[from..].fill([0, 0xff][random.below(2)]);
            "zeros"
        }
        5 => {
            signature.rotate_left(half);
            "halves-swapped"
        }
        6 if algorithm.starts_with("ES") => {
            *signature = der(signature);
            "der"
        }
        7 | 8 => other_s(signature, algorithm, random),
        _ => {
            signature.reverse();
            "reversed"
        }
    }
}

/// What is as good by arithmetic: `n - s`, which ECDSA holds for valid, or `s + n`, which is out of range everywhere.
fn other_s(signature: &mut Vec<u8>, algorithm: &str, random: &mut Random) -> &'static str {
    let half = signature.len() / 2;
    let order = |digits: &[u8]| BigUint::parse_bytes(digits, 16).unwrap_or_default();
    let (number, name) = match algorithm {
        "ES256" | "ES384" => {
            let n = order(if algorithm == "ES256" { P256 } else { P384 });
            let s = BigUint::from_bytes_be(&signature[half..]);
            if random.percent(70) && s < n { (n - s, "other-half-of-s") } else { (n + s, "s-out-of-range") }
        }
        "EdDSA" => (BigUint::from_bytes_le(&signature[half..]) + order(ED25519), "s-out-of-range"),
        _ => return "same",
    };
    let mut bytes = number.to_bytes_be();
    if bytes.len() > half {
        signature.extend(bytes);
        return "s-out-of-range";
    }
    bytes.splice(0..0, std::iter::repeat_n(0, half - bytes.len()));
    if algorithm == "EdDSA" {
        bytes.reverse();
    }
    signature.splice(half.., bytes);
    name
}

/// The form that X.509 has for ECDSA (RFC 3279 §2.2.3).
fn der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let integer = |number: &[u8]| {
        let mut bytes: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        if bytes.first().is_none_or(|byte| byte & 0x80 != 0) {
            bytes.insert(0, 0);
        }
        [vec![2, bytes.len() as u8], bytes].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [vec![0x30, body.len() as u8], body].concat()
}

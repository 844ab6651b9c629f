//! A token from its members to its text, with changes at each stage.

use std::fmt;

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;

use super::members::{Members, quoted};
use super::verdicts::Keys;
use super::{claims, header, signature, text};
use crate::differential::Random;
use crate::world::ISSUER;

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The protected header, before it was signed.
    Header,
    /// The claims, before they were signed.
    Claims,
    /// The signature.
    Signature,
    /// The token as a whole, after it was signed.
    Token,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Signature => "signature",
            Self::Token => "token",
        })
    }
}

/// A token, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Seed and number.
    pub id: String,
    /// The algorithm that it was signed with.
    pub algorithm: &'static str,
    /// What was changed; nothing where it is a control.
    pub changes: Vec<(Place, &'static str)>,
    /// The token.
    pub token: String,
}

/// What a step changes, in the order in which a token comes to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Members,
    Json,
    Encoding,
    Signature,
    SignatureEncoding,
    Token,
}

/// The case `number` of `seed`: a token that is good at `now`, but for what was changed.
pub fn case(keys: &Keys, seed: u64, number: u64, now: i64) -> Result<Case> {
    let mut random = Random::new(seed, number);
    let algorithms = keys.algorithms();
    let which = match random.below(100) {
        0..35 => 0,
        35..65 => 1,
        65..75 => 2,
        75..90 => 3,
        _ => 4,
    };
    let algorithm = algorithms[which];
    let count = [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3][random.below(20)];
    let mut steps: Vec<(Stage, Place)> = (0..count).map(|_| step(&mut random)).collect();
    steps.sort_unstable();

    let mut draft = Draft {
        header: Members::new([
            ("alg", quoted(algorithm)),
            ("kid", quoted(algorithm)),
            ("typ", quoted("at+jwt")),
        ]),
        claims: Members::new([
            ("iss", quoted(ISSUER)),
            ("sub", quoted("alice")),
            ("aud", quoted("bank")),
            ("iat", (now - 5).to_string()),
            ("exp", (now + 300).to_string()),
            ("jti", quoted("t-1")),
            ("tenant", quoted("acme")),
            ("roles", r#"["clerk"]"#.to_owned()),
        ]),
    };
    let mut changes = Vec::new();
    let mut at = |stage, place, change: &mut dyn FnMut(&mut Random) -> &'static str| {
        for _ in steps.iter().filter(|step| **step == (stage, place)) {
            changes.push((place, change(&mut random)));
        }
    };
    at(Stage::Members, Place::Header, &mut |random| header::change(&mut draft.header, &algorithms, random));
    at(Stage::Members, Place::Claims, &mut |random| claims::change(&mut draft.claims, now, random));
    let (mut head, mut body) = (draft.header.text(), draft.claims.text());
    at(Stage::Json, Place::Header, &mut |random| text::json(&mut head, random));
    at(Stage::Json, Place::Claims, &mut |random| text::json(&mut body, random));
    let (mut head, mut body) = (BASE64URL.encode(head), BASE64URL.encode(body));
    at(Stage::Encoding, Place::Header, &mut |random| text::encoding(&mut head, random));
    at(Stage::Encoding, Place::Claims, &mut |random| text::encoding(&mut body, random));
    let mut token = format!("{head}.{body}");
    let mut bytes = keys.sign(algorithm, token.as_bytes())?;
    at(Stage::Signature, Place::Signature, &mut |random| signature::change(&mut bytes, algorithm, random));
    let mut encoded = BASE64URL.encode(bytes);
    at(Stage::SignatureEncoding, Place::Signature, &mut |random| text::encoding(&mut encoded, random));
    token.push('.');
    token.push_str(&encoded);
    at(Stage::Token, Place::Token, &mut |random| text::token(&mut token, random));
    changes.retain(|(_, what)| *what != "same");
    Ok(Case { id: format!("{seed}-{number}"), algorithm, changes, token })
}

struct Draft {
    header: Members,
    claims: Members,
}

fn step(random: &mut Random) -> (Stage, Place) {
    match random.below(100) {
        0..22 => (Stage::Members, Place::Header),
        22..56 => (Stage::Members, Place::Claims),
        56..64 => (Stage::Json, Place::Header),
        64..72 => (Stage::Json, Place::Claims),
        72..76 => (Stage::Encoding, Place::Header),
        76..80 => (Stage::Encoding, Place::Claims),
        80..88 => (Stage::Signature, Place::Signature),
        88..92 => (Stage::SignatureEncoding, Place::Signature),
        _ => (Stage::Token, Place::Token),
    }
}

//! Changes of the claims.

use super::members::{Members, quoted};
use crate::differential::Random;
use crate::world::ISSUER;

/// How a number is written that is no number of JSON (RFC 8259 §6).
const NO_NUMBERS: [&str; 8] = ["+1", "01", "1.", ".5", "0x7f", "NaN", "Infinity", "1e"];

/// Changes one thing about the claims of a token that is good at `now`; what it was.
pub(super) fn change(claims: &mut Members, now: i64, random: &mut Random) -> &'static str {
    match random.below(12) {
        0 => issuer(claims, random),
        1 => audience(claims, random),
        2 | 3 => expiry(claims, now, random),
        4 => not_before(claims, now, random),
        5 => issued_at(claims, now, random),
        6 => subject(claims, random),
        7 => {
            claims.set(random.pick(&["exp", "nbf", "iat", "other"]), random.pick(&NO_NUMBERS));
            "no-number"
        }
        8 => binding(claims, random),
        9 => extra(claims, random),
        _ => claims.rewrite(random),
    }
}

fn issuer(claims: &mut Members, random: &mut Random) -> &'static str {
    match random.below(4) {
        0 => {
            claims.remove("iss");
            "iss-absent"
        }
        1 => {
            let other = random.pick(&["https://evil.example", "", "HTTPS://issuer.bank.example"]);
            claims.set("iss", quoted(other));
            "iss"
        }
        2 => {
            claims.set("iss", format!("[{}]", quoted(ISSUER)));
            "iss-list"
        }
        _ => {
            claims.set("iss", random.pick(&["null", "5", "{}", "true"]));
            "iss-of-wrong-type"
        }
    }
}

fn audience(claims: &mut Members, random: &mut Random) -> &'static str {
    let (raw, name) = match random.below(6) {
        0 => {
            claims.remove("aud");
            return "aud-absent";
        }
        1 => (random.pick(&[r#""shop""#, r#""Bank""#, r#""""#, r#""bank ""#]), "aud"),
        2 => (random.pick(&[r#"["bank"]"#, r#"["shop","bank"]"#, r#"["bank","bank"]"#]), "aud-list"),
        3 => (random.pick(&["[]", r#"["shop"]"#, r#"[["bank"]]"#]), "aud-list-of-others"),
        4 => (random.pick(&[r#"["bank",5]"#, r#"[null,"bank"]"#]), "aud-list-with-no-strings"),
        _ => (random.pick(&["null", "5", r#"{"bank":1}"#, "true"]), "aud-of-wrong-type"),
    };
    claims.set("aud", raw);
    name
}

fn expiry(claims: &mut Members, now: i64, random: &mut Random) -> &'static str {
    let good = now + 300;
    let (raw, name) = match random.below(9) {
        0 => {
            claims.remove("exp");
            return "exp-absent";
        }
        1 => ((now - [60, 3_600, now - 1, now][random.below(4)]).to_string(), "exp-past"),
        2 => ((now + [3_600, 86_400, 315_360_000][random.below(3)]).to_string(), "exp-far"),
        3 => (format!("{good}.{}", ["0", "25", "999999999999"][random.below(3)]), "exp-fraction"),
        4 => (
            [format!("{good}e0"), format!("{good}0E-1"), format!("0.{good}e+10")][random.below(3)].clone(),
            "exp-exponent",
        ),
        5 => (random.pick(&["1e400", "1e30", "18446744073709551616", "253402300800"]).to_owned(), "exp-huge"),
        6 => (random.pick(&["-1", "-1e400", "-0", "1e-400"]).to_owned(), "exp-tiny"),
        7 => (quoted(&good.to_string()), "exp-text"),
        _ => (random.pick(&["null", "true", "[]", "{}"]).to_owned(), "exp-of-wrong-type"),
    };
    claims.set("exp", raw);
    name
}

fn not_before(claims: &mut Members, now: i64, random: &mut Random) -> &'static str {
    let (raw, name) = match random.below(6) {
        0 => ((now - 60).to_string(), "nbf-past"),
        1 => ((now + [60, 86_400][random.below(2)]).to_string(), "nbf-future"),
        2 => (
            [format!("{}.5", now - 60), format!("{now}e0"), "0".into()][random.below(3)].clone(),
            "nbf-number",
        ),
        3 => (random.pick(&["1e400", "1e30", "18446744073709551616"]).to_owned(), "nbf-huge"),
        4 => (random.pick(&["-1", "-1.5", "-1e12"]).to_owned(), "nbf-negative"),
        _ => (random.pick(&["null", "true", r#""0""#, "[]"]).to_owned(), "nbf-of-wrong-type"),
    };
    claims.set("nbf", raw);
    name
}

fn issued_at(claims: &mut Members, now: i64, random: &mut Random) -> &'static str {
    let (raw, name) = match random.below(6) {
        0 => {
            claims.remove("iat");
            return "iat-absent";
        }
        1 => ((now + [60, 250][random.below(2)]).to_string(), "iat-future"),
        2 => ((now - [400, 100_000][random.below(2)]).to_string(), "iat-old"),
        3 => ([format!("{}.5", now - 60), format!("{}e0", now - 1)][random.below(2)].clone(), "iat-number"),
        4 => (random.pick(&["1e400", "-1e400", "-1"]).to_owned(), "iat-huge"),
        _ => (random.pick(&["null", "false", r#""0""#, "{}"]).to_owned(), "iat-of-wrong-type"),
    };
    claims.set("iat", raw);
    name
}

fn subject(claims: &mut Members, random: &mut Random) -> &'static str {
    match random.below(4) {
        0 => {
            claims.remove("sub");
            "sub-absent"
        }
        1 => {
            claims.set("sub", random.pick(&["null", "5", r#"["alice"]"#, "{}"]));
            "sub-of-wrong-type"
        }
        2 => {
            claims.set("sub", random.pick(&[r#""bob""#, r#""\u0000""#, r#""Алиса""#]));
            "sub"
        }
        _ => {
            claims.set(
                random.pick(&["jti", "client_id", "azp", "acr", "auth_time"]),
                random.pick(&["[]", "{}", "true"]),
            );
            "registered-claim-of-wrong-type"
        }
    }
}

fn binding(claims: &mut Members, random: &mut Random) -> &'static str {
    if random.percent(50) {
        let raw = random.pick(&["{}", "null", "5", r#"{"jwk":{}}"#, r#"{"kid":"a"}"#, r#"{"jkt":"short"}"#]);
        claims.set("cnf", raw);
        "cnf"
    } else {
        claims.set("act", random.pick(&["{}", "null", r#"{"sub":"bob"}"#, r#""bob""#]));
        "act"
    }
}

fn extra(claims: &mut Members, random: &mut Random) -> &'static str {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let (raw, name) = match random.below(6) {
        0 => (
            random.pick(&["1e400", "-0", "1E+2", r#""\ud83d\ude00""#, "{\"\":[]}"]).to_owned(),
            "other-claim",
        ),
        1 => (nested(10), "nested"),
        2 => (nested([20, 100, 200][random.below(3)]), "nested-deeply"),
        3 => (format!("[{}1]", "1,".repeat(2_500)), "many-values"),
        4 => (
            random.pick(&[r#""\ud800""#, r#""\udc00\ud800""#, r#"{"\ud800":1}"#]).to_owned(),
            "lone-surrogate",
        ),
        _ => (random.pick(&[r#""\x41""#, r#""\u12""#, "'a'", "tru", "undefined"]).to_owned(), "no-json"),
    };
    claims.set("other", raw);
    name
}

//! Changes of the protected header.

use super::members::{Members, quoted};
use crate::differential::Random;

/// Changes one thing about the header; what it was.
pub(super) fn change(header: &mut Members, algorithms: &[&str], random: &mut Random) -> &'static str {
    match random.below(10) {
        0 => {
            let raw = random.pick(&[
                r#""none""#,
                r#""None""#,
                r#""HS256""#,
                r#""RS384""#,
                r#""ES512""#,
                r#""es256""#,
                r#""ES256K""#,
                r#""Ed25519""#,
                r#"" ES256""#,
                r#""""#,
                "null",
                "5",
                r#"["ES256"]"#,
            ]);
            header.set("alg", raw);
            if raw == r#""Ed25519""# { "alg-ed25519" } else { "alg" }
        }
        1 => {
            let names: Vec<&str> = algorithms.iter().copied().chain(["Ed25519"]).collect();
            let name = random.pick(&names);
            header.set("alg", quoted(name));
            if name == "Ed25519" { "alg-ed25519" } else { "alg-of-another-key" }
        }
        2 => kid(header, algorithms, random),
        3 => typ(header, random),
        4 => crit(header, random),
        5 => {
            header.set("b64", random.pick(&["true", "false", "null"]));
            "b64"
        }
        6 => {
            let (name, value) = [
                ("jku", r#""https://evil.example/jwks""#),
                ("x5u", r#""https://evil.example/cert""#),
                ("x5c", r#"["MIIB"]"#),
                ("x5t", r#""dGh1bWI""#),
                ("jwk", r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
            ][random.below(5)];
            header.set(name, value);
            "key-inside"
        }
        7 => {
            let name = random.pick(&["jku", "x5u", "x5c", "x5t", "jwk"]);
            header.set(name, random.pick(&["5", "null", "{}", "[[]]"]));
            "key-inside-of-wrong-type"
        }
        8 => {
            header.remove(random.pick(&["alg", "typ", "kid"]));
            header.set(random.pick(&["Alg", "TYP", "x", "cty"]), quoted("JWT"));
            "member-renamed"
        }
        _ => header.rewrite(random),
    }
}

fn kid(header: &mut Members, algorithms: &[&str], random: &mut Random) -> &'static str {
    match random.below(4) {
        0 => {
            header.remove("kid");
            "kid-absent"
        }
        1 => {
            header.set("kid", quoted(random.pick(algorithms)));
            "kid-of-another-key"
        }
        2 => {
            header.set("kid", random.pick(&[r#""unknown""#, r#""""#, r#""es256""#, r#""ES256 ""#]));
            "kid-unknown"
        }
        _ => {
            header.set("kid", random.pick(&["null", "5", "[]", "true"]));
            "kid-of-wrong-type"
        }
    }
}

fn typ(header: &mut Members, random: &mut Random) -> &'static str {
    match random.below(4) {
        0 => {
            header.remove("typ");
            "typ-absent"
        }
        1 => {
            let same =
                [r#""jwt""#, r#""JWT""#, r#""application/at+jwt""#, r#""AT+JWT""#, r#""Application/jwt""#];
            header.set("typ", random.pick(&same));
            "typ-spelt-otherwise"
        }
        2 => {
            let other = [r#""dpop+jwt""#, r#""JOSE""#, r#""logout+jwt""#, r#""""#, r#""at+jwt ""#];
            header.set("typ", random.pick(&other));
            "typ"
        }
        _ => {
            header.set("typ", random.pick(&["null", "5", r#"["JWT"]"#]));
            "typ-of-wrong-type"
        }
    }
}

fn crit(header: &mut Members, random: &mut Random) -> &'static str {
    let list = random.pick(&[
        r#"["exp"]"#,
        r#"["b64"]"#,
        r#"["x"]"#,
        r#"["alg"]"#,
        r#"["x","x"]"#,
        "[]",
        "[1]",
        "null",
        r#""exp""#,
    ]);
    header.set("crit", list);
    match list {
        r#"["exp"]"# => header.set("exp", "1"),
        r#"["b64"]"# => header.set("b64", "true"),
        r#"["x"]"# => header.set("x", "true"),
        _ => {}
    }
    "crit"
}

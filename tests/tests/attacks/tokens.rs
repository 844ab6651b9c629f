//! The token's form: segments, base64url, JSON.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};
use countersign_tests::mint;
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::forge::{self, Bench, b64, header, member, parts, seal};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::new()?;
    segments(catalogue, &mut bench)?;
    serializations(catalogue, &mut bench)?;
    encodings(catalogue, &mut bench)?;
    sizes(catalogue, &mut bench)?;
    json_texts(catalogue, &mut bench)?;
    json_names(catalogue, &mut bench)
}

fn segments(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let good = bench.world.token()?;
    let [h, p, s] = parts(&good)?;
    catalogue.control("token/good", bench.bearer(&good));
    catalogue.control("token/good-again-from-the-cache", bench.bearer(&good));
    for (id, token) in [
        ("token/one-segment", h.clone()),
        ("token/two-segments", format!("{h}.{p}")),
        ("token/four-segments", format!("{good}.{s}")),
        ("token/six-segments", format!("{good}.a.b.c")),
        ("token/dot-at-the-end", format!("{good}.")),
        ("token/dot-at-the-beginning", format!(".{good}")),
        ("token/dots-alone", "..".into()),
        ("token/one-dot", ".".into()),
        ("token/a-thousand-dots", ".".repeat(1_000)),
        ("token/header-missing", format!(".{p}.{s}")),
        ("token/payload-missing", format!("{h}..{s}")),
        ("token/signature-missing", format!("{h}.{p}.")),
        ("token/segments-turned-round", format!("{s}.{p}.{h}")),
        ("token/two-tokens-joined", format!("{good}{good}")),
        ("token/full-width-dots", format!("{h}\u{ff0e}{p}\u{ff0e}{s}")),
        ("token/escaped-dots", format!("{h}%2E{p}%2E{s}")),
    ] {
        catalogue.attack(id, "token.malformed", bench.bearer(&token));
    }
    let twice = format!("{h}.{h}.{s}");
    catalogue.attack("token/header-as-payload", "token.issuer.missing", bench.bearer(&twice));
    Ok(())
}

fn serializations(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let good = bench.world.token()?;
    let [h, p, s] = parts(&good)?;
    let flattened = json!({ "payload": p, "protected": h, "signature": s });
    let general = json!({ "payload": p, "signatures": [{ "protected": h, "signature": s }] });
    catalogue.attack(
        "token/json-serialization-flattened",
        "token.malformed",
        bench.bearer(&flattened.to_string()),
    );
    catalogue.attack(
        "token/json-serialization-general",
        "token.malformed",
        bench.bearer(&general.to_string()),
    );
    // python-jwt's: one text that is both.
    let both = format!(r#"{{"{h}.{p}.":"","protected":"{h}","payload":"{p}","signature":"{s}"}}"#);
    catalogue.attack("token/json-and-compact-at-once", "token.malformed", bench.bearer(&both));
    let jwe = json!({ "alg": "RSA-OAEP", "enc": "A256GCM" });
    let text = format!("{}.{}.{}.{}.{}", b64(jwe.to_string()), b64([1; 256]), b64([2; 12]), p, b64([3; 16]));
    catalogue.attack("token/jwe", "token.malformed", bench.bearer(&text));
    let direct = json!({ "alg": "dir", "enc": "A128CBC-HS256" });
    let text = format!("{}..{}.{p}.{}", b64(direct.to_string()), b64([2; 16]), b64([3; 16]));
    catalogue.attack("token/jwe-direct", "token.malformed", bench.bearer(&text));
    catalogue.attack(
        "token/jwe-header-in-three-segments",
        "token.algorithm",
        bench.bearer(&format!("{}.{p}.{s}", b64(jwe.to_string()))),
    );
    let outer = header(json!({ "cty": "JWT" })).to_string();
    catalogue.attack("token/nested-jwt", "token.malformed", bench.raw(&outer, &good)?);
    catalogue.attack(
        "token/nested-jwt-as-json",
        "token.malformed",
        bench.raw(&outer, format!("\"{good}\""))?,
    );
    let detached = es_over(bench, &h, "", &format!("{h}.{p}"))?;
    catalogue.attack("token/detached-payload", "token.malformed", bench.bearer(&detached));
    let h64 = b64(header(json!({ "b64": false, "crit": ["b64"] })).to_string());
    let claims = bench.world.claims().to_string().replace('.', "\\u002e");
    let unencoded = es_over(bench, &h64, &claims, &format!("{h64}.{claims}"))?;
    catalogue.attack("token/unencoded-payload", "token.critical", bench.bearer(&unencoded));
    let signed = header(json!({ "b64": true, "crit": ["b64"] })).to_string();
    catalogue.attack("token/b64-true-and-critical", "token.critical", bench.header(signed)?);
    let signed = header(json!({ "b64": false })).to_string();
    catalogue.attack("token/b64-not-critical", "token.critical", bench.header(signed)?);
    Ok(())
}

/// A token whose signature is over another text than its own.
fn es_over(bench: &Bench, header: &str, payload: &str, signed: &str) -> Result<String> {
    let signature = forge::es256(&bench.world.key, signed.as_bytes())?;
    Ok(format!("{header}.{payload}.{}", b64(signature)))
}

/// The text with the spare bits of its last character set.
fn with_spare_bits(text: &str) -> Result<String> {
    ensure!(!text.len().is_multiple_of(4), "`{text}` has no spare bits");
    let last = text.bytes().last().and_then(|byte| ALPHABET.iter().position(|have| *have == byte));
    let other = ALPHABET.get(last.unwrap_or_default() | 1).copied().map(char::from).unwrap_or_default();
    let mut changed = text.to_owned();
    changed.pop();
    changed.push(other);
    ensure!(changed != text, "`{text}` has its spare bits set");
    Ok(changed)
}

fn encodings(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let key = bench.world.key.clone();
    let good = bench.world.token()?;
    let [h, p, s] = parts(&good)?;
    // Of a length that leaves spare bits.
    let of_length = |value: &Value| {
        let mut text = value.to_string();
        while text.len() % 3 != 1 {
            text.push(' ');
        }
        text
    };
    let h1 = of_length(&header(json!({})));
    let p1 = of_length(&bench.world.claims());
    let (h1, p1) = (h1.as_bytes(), p1.as_bytes());
    catalogue.control("token/white-space-behind-the-json", bench.raw(h1, p1)?);
    let padded = |bytes: &[u8]| BASE64_URL_SAFE.encode(bytes);
    let foreign = mint::with(&bench.world.claims(), json!({ "x": "???>>>~~~???>>>~~~" })).to_string();
    let (url, standard) = (b64(&foreign), BASE64_STANDARD_NO_PAD.encode(&foreign));
    ensure!(url != standard, "the alphabets do not differ");
    catalogue.control("token/url-alphabet", bench.bearer(&seal(&key, &h, &url)?));
    // The signature is over the text as it stands, so that only the encoding is wrong.
    for (id, token) in [
        ("token/padding-of-the-header", seal(&key, &padded(h1), &p)?),
        ("token/padding-of-the-payload", seal(&key, &h, &padded(p1))?),
        ("token/padding-of-the-signature", format!("{good}==")),
        ("token/escaped-padding", format!("{good}%3D%3D")),
        ("token/spare-bits-of-the-header", seal(&key, &with_spare_bits(&b64(h1))?, &p)?),
        ("token/spare-bits-of-the-payload", seal(&key, &h, &with_spare_bits(&b64(p1))?)?),
        ("token/spare-bits-of-the-signature", format!("{h}.{p}.{}", with_spare_bits(&s)?)),
        ("token/standard-alphabet", seal(&key, &h, &standard)?),
        (
            "token/impossible-length",
            seal(&key, &h, &format!("{p}AAAAA").chars().take(p.len() / 4 * 4 + 5).collect::<String>())?,
        ),
        ("token/space-in-the-header", seal(&key, &format!("{h} "), &p)?),
        ("token/space-in-the-payload", seal(&key, &h, &format!(" {p}"))?),
        ("token/space-behind", format!("{good} ")),
        ("token/tab-behind", format!("{good}\t")),
        ("token/newline-in-the-signature", format!("{h}.{p}.{}\n{}", &s[..40], &s[40..])),
        ("token/line-end-behind", format!("{good}\r\n")),
        ("token/nul-behind", format!("{good}\0")),
        ("token/nul-and-more-behind", format!("{good}\0.x")),
        ("token/zero-width-space", format!("{good}\u{200b}")),
        ("token/no-break-space-before", format!("\u{a0}{good}")),
        ("token/quoted", format!("\"{good}\"")),
        ("token/in-brackets", format!("<{good}>")),
        ("token/hexadecimal-signature", format!("{h}.{p}.{}=", "ab".repeat(64))),
    ] {
        catalogue.attack(id, "token.malformed", bench.bearer(&token));
    }
    let mut bytes = format!("Bearer {good}").into_bytes();
    bytes.push(0xff);
    catalogue.attack("token/a-byte-that-is-no-text", "token.malformed", bench.authorization(bytes));
    Ok(())
}

fn sizes(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let sized = |bench: &Bench, at_most: usize| -> Result<String> {
        let mut best = String::new();
        for fill in (5_000..6_500).rev() {
            let claims = mint::with(&bench.world.claims(), json!({ "x": "x".repeat(fill) })).to_string();
            if h_len() + 2 + claims.len().div_ceil(3) * 4 + 86 > at_most + 8 {
                continue;
            }
            best = forge::token(&bench.world.key, header(json!({})).to_string(), claims)?;
            if best.len() <= at_most {
                break;
            }
        }
        Ok(best)
    };
    let largest = sized(bench, 8_192)?;
    ensure!((8_180..=8_192).contains(&largest.len()), "{} bytes", largest.len());
    catalogue.control("token/as-large-as-may-be", bench.bearer(&largest));
    let larger = sized(bench, 8_200)?;
    ensure!((8_193..=8_200).contains(&larger.len()), "{} bytes", larger.len());
    catalogue.attack("token/a-little-too-large", "token.too_large", bench.bearer(&larger));
    catalogue.attack("token/a-megabyte", "token.too_large", bench.bearer(&"a".repeat(1 << 20)));
    Ok(())
}

fn h_len() -> usize {
    b64(header(json!({})).to_string()).len()
}

fn json_texts(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let claims = bench.world.claims();
    let good = claims.to_string();
    let x = |raw: &str| member(&claims, "x", raw);
    for (id, text) in [
        ("token/json-white-space", good.replace(',', " ,\n\t\r ")),
        ("token/json-escaped-slashes", good.replace('/', "\\/")),
        ("token/json-escaped-letters", good.replace("alice", "\\u0061lice")),
        ("token/json-escaped-name", good.replace("\"sub\"", "\"\\u0073ub\"")),
        ("token/json-line-separator-in-text", x("\"\u{2028}\"")),
        ("token/json-fifteen-deep", x(&nested(15))),
        ("token/json-names-by-case-are-two", x("1").replace("\"x\"", "\"SUB\"")),
        ("token/json-surrogate-pair", x("\"\\ud83d\\ude00\"")),
        ("token/json-numbers-of-any-size", x("[1e400, -0, 123456789012345678901234567890, 0.1e-9]")),
    ] {
        catalogue.control(id, bench.payload(text)?);
    }
    let cases: [(&str, Vec<u8>); 38] = [
        ("bom", [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        ("utf-16", good.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("comment", x("1/* */").into()),
        ("line-comment", format!("{good}//").into()),
        ("comma-too-many", good.replace('}', ",}").into()),
        ("comma-missing", good.replacen(',', " ", 1).into()),
        ("single-quotes", good.replace('"', "'").into()),
        ("name-without-quotes", good.replace("\"sub\"", "sub").into()),
        ("nan", x("NaN").into()),
        ("infinity", x("Infinity").into()),
        ("minus-infinity", x("-Infinity").into()),
        ("undefined", x("undefined").into()),
        ("true-in-capitals", x("True").into()),
        ("hexadecimal-number", x("0x10").into()),
        ("octal-number", x("010").into()),
        ("plus-sign", x("+1").into()),
        ("number-without-integer", x(".5").into()),
        ("number-without-fraction", x("1.").into()),
        ("number-without-exponent", x("1e").into()),
        ("minus-alone", x("-").into()),
        ("underscore-in-a-number", x("1_000").into()),
        ("bytes-behind", format!("{good}x").into()),
        ("two-documents", format!("{good}{good}").into()),
        ("nul-behind", format!("{good}\0").into()),
        ("nul-in-a-text", x("\"a\0b\"").into()),
        ("newline-in-a-text", x("\"a\nb\"").into()),
        ("not-utf-8", [b"{\"x\":\"\xff\",", &good.as_bytes()[1..]].concat()),
        ("overlong-utf-8", [b"{\"x\":\"\xc0\xaf\",", &good.as_bytes()[1..]].concat()),
        ("surrogate-in-utf-8", [b"{\"x\":\"\xed\xa0\x80\",", &good.as_bytes()[1..]].concat()),
        ("lone-surrogate", x("\"\\ud800\"").into()),
        ("surrogates-turned-round", x("\"\\ude00\\ud83d\"").into()),
        ("unknown-escape", x("\"\\x41\"").into()),
        ("text-without-end", x("\"abc").into()),
        ("form-feed-as-space", format!("\x0c{good}").into()),
        ("no-break-space-as-space", format!("\u{a0}{good}").into()),
        ("sixteen-deep", x(&nested(16)).into()),
        ("three-thousand-deep", format!("{}{}", "[".repeat(3_000), "]".repeat(3_000)).into()),
        ("too-many-values", x(&format!("[{}0]", "0,".repeat(2_048))).into()),
    ];
    for (id, text) in cases {
        catalogue.attack(format!("token/json-{id}"), "token.malformed", bench.payload(text)?);
    }
    for (id, text) in [
        ("array", format!("[{good}]")),
        ("null", "null".into()),
        ("text", "\"alice\"".into()),
        ("number", "1".into()),
        ("nothing", String::new()),
        ("white-space-alone", "  ".into()),
    ] {
        catalogue.attack(format!("token/payload-is-{id}"), "token.malformed", bench.payload(text)?);
    }
    catalogue.attack("token/payload-is-an-empty-object", "token.issuer.missing", bench.payload("{}")?);
    Ok(())
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn json_names(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let claims = bench.world.claims();
    let good = claims.to_string();
    let and = |more: &str| good.replacen('{', &format!("{{{more},"), 1);
    let many: Vec<String> = (0..40).map(|n| format!("\"m{n}\":{n}")).collect();
    catalogue.control("token/json-many-members", bench.payload(and(&many.join(",")))?);
    for (id, text) in [
        ("duplicate-before", and("\"sub\":\"mallory\"")),
        ("duplicate-behind", good.replace('}', ",\"sub\":\"mallory\"}")),
        ("duplicate-of-the-same-value", and("\"sub\":\"alice\"")),
        ("duplicate-by-escape", and("\"\\u0073ub\":\"mallory\"")),
        ("duplicate-within", and("\"x\":{\"a\":1,\"a\":2}")),
        ("duplicate-within-by-escape", and("\"x\":[{\"a\":1,\"\\u0061\":2}]")),
        ("duplicate-among-many", and(&format!("{},\"m7\":0", many.join(",")))),
        ("duplicate-expiry", and("\"exp\":99999999999")),
        ("duplicate-audience", and("\"aud\":\"other\"")),
    ] {
        catalogue.attack(format!("token/json-{id}"), "token.malformed", bench.payload(text)?);
    }
    Ok(())
}

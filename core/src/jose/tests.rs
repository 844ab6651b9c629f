use super::*;
use crate::{
    base64url::{self, Base64Error},
    crypto::{Algorithm, KeyError, KeyType, SignatureError, SignatureProvider as _, Software},
    json::JsonErrorKind,
};
use alloc::{format, string::String, string::ToString, vec, vec::Vec};
use proptest::prelude::*;

// RFC 7515 appendices A.2 and A.3, RFC 8037 appendix A.4.
const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const RS256_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const ES256_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const EC_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const EC_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const ED_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn ec(extra: &str) -> String {
    format!(r#"{{"kty":"EC","crv":"P-256","x":"{EC_X}","y":"{EC_Y}"{extra}}}"#)
}

// RFC 6979 appendix A.2.6 and A.2.7.
const P384_X: &str = "7DpOQVtOGaRWhhgCn0J_pdqai8SukuAuBqrlKGswDGTe-PDqkFWGYGSiVFFUgLwT";
const P384_Y: &str = "gBXZty19VyROqO-awMYhiWcIpZNn-d-59UyoSz8cnbEoiyMcOuDU_nNE_SUzJkcg";
const P521_X: &str =
    "AYlFUNB4WTLgDqojtpTyE_jDEh-G3JegTlpxZ9tOW803ESPUbkXba11TcKfyD7YzFV04_6FtK9dh3KxHS5ovUCOk";
const P521_Y: &str =
    "AEkxAclizU0v3feCKF5kWEE5wvkbR_h_-CNU1mMPdGoooNsldBtbNKgoAIsirMI_kk-q-9TTP4HqZpVt_qor_fz1";

fn p384(extra: &str) -> String {
    format!(r#"{{"kty":"EC","crv":"P-384","x":"{P384_X}","y":"{P384_Y}"{extra}}}"#)
}

fn p521(extra: &str) -> String {
    format!(r#"{{"kty":"EC","crv":"P-521","x":"{P521_X}","y":"{P521_Y}"{extra}}}"#)
}

fn rsa(extra: &str) -> String {
    format!(r#"{{"kty":"RSA","n":"{RSA_N}","e":"AQAB"{extra}}}"#)
}

fn ed(extra: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{ED_X}"{extra}}}"#)
}

fn jwk(text: &str) -> Result<Jwk, JwkError> {
    let value = crate::json::parse(text.as_bytes(), &crate::json::Limits::DOCUMENT).unwrap();
    Jwk::read(&value)
}

fn set(keys: &[String]) -> Result<JwkSet, JwksError> {
    JwkSet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes(), &JwksLimits::default())
}

fn token(header: &str) -> String {
    format!("{}.e30.AA", base64url::encode(header.as_bytes()))
}

fn refusal(header: &str) -> JwsError {
    Jws::parse(token(header).as_bytes(), 4096).unwrap_err()
}

#[test]
fn rfc_examples_verify() {
    let es256 = format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{ES256_SIGNATURE}");
    let rs256 = format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{RS256_SIGNATURE}");
    for (token, key) in [(es256.as_str(), ec("")), (&rs256, rsa("")), (ED_TOKEN, ed(""))] {
        let jws = Jws::parse(token.as_bytes(), 4096).unwrap();
        let key = jwk(&key).unwrap();
        let verify = |message: &[u8], signature: &[u8]| {
            Software.verify(key.key(), jws.header.algorithm, message, signature)
        };
        assert_eq!(verify(jws.signing_input, &jws.signature), Ok(()));
        // Every single bit counts, in the signature and in what was signed.
        for i in (0..jws.signature.len()).step_by(7) {
            let mut signature = jws.signature.clone();
            signature[i] ^= 1 << (i % 8);
            assert!(verify(jws.signing_input, &signature).is_err());
            let mut message = jws.signing_input.to_vec();
            let at = i % message.len();
            message[at] ^= 1 << (i % 8);
            assert_eq!(verify(&message, &jws.signature), Err(SignatureError::Mismatch));
        }
        assert_eq!(verify(jws.signing_input, &[]), Err(SignatureError::Malformed));
        assert_eq!(verify(jws.signing_input, &jws.signature[1..]), Err(SignatureError::Malformed));
        let longer = [&jws.signature[..], &[0]].concat();
        assert_eq!(verify(jws.signing_input, &longer), Err(SignatureError::Malformed));
    }
}

#[test]
fn algorithms_are_bound_to_key_types() {
    let keys = [
        (KeyType::P256, ec("")),
        (KeyType::P384, p384("")),
        (KeyType::P521, p521("")),
        (KeyType::Rsa, rsa("")),
        (KeyType::Ed25519, ed("")),
    ];
    for (key_type, text) in keys {
        let key = jwk(&text).unwrap();
        assert_eq!(key.key().key_type(), key_type);
        for algorithm in Algorithm::ALL {
            let fits = algorithm.key_type() == key_type;
            assert_eq!(key.serves(algorithm), fits);
            let verdict = Software.verify(key.key(), algorithm, b"", &[1; 64]);
            assert_eq!(verdict == Err(SignatureError::KeyMismatch), !fits, "{algorithm} {verdict:?}");
        }
    }
}

#[test]
fn jws_parts() {
    let header = r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","cty":"x","jku":"https://evil.example","jwk":{"kty":"oct"},"x5c":7}"#;
    let token = format!("{}.cGF5.c2ln", base64url::encode(header.as_bytes()));
    let jws = Jws::parse(token.as_bytes(), token.len()).unwrap();
    assert_eq!(
        jws.header,
        Header {
            algorithm: Algorithm::Es256,
            kid: Some("k1".into()),
            typ: Some("at+jwt".into()),
            cty: Some("x".into()),
            has_others: true,
        }
    );
    assert_eq!(jws.payload, b"pay");
    assert_eq!(jws.signature, b"sig");
    assert_eq!(jws.signing_input, &token.as_bytes()[..token.len() - 5]);
    assert_eq!(Jws::parse(token.as_bytes(), token.len() - 1), Err(JwsError::TooLarge));
    // An empty payload is a payload.
    assert_eq!(Jws::parse(b"eyJhbGciOiJFUzI1NiJ9..AA", 99).unwrap().payload, b"");
}

#[test]
fn jws_shape() {
    const H: &str = "eyJhbGciOiJFUzI1NiJ9";
    let foreign = |offset| Base64Error::ForeignByte { offset };
    for (token, expected) in [
        (String::new(), JwsError::Empty),
        (H.to_string(), JwsError::Segments),
        (format!("{H}.e30"), JwsError::Segments),
        (format!("{H}.e30.AA."), JwsError::Segments),
        (format!("{H}.e30.AA.AA"), JwsError::Segments),
        (format!("{H}.a.b.c.d"), JwsError::Encrypted),
        (format!("{H}.a.b.c.d.e"), JwsError::Segments),
        (format!("{H}.a.b.c.d.e.f.g"), JwsError::Segments),
        (format!("{H}.e30."), JwsError::SignatureMissing),
        (
            ".e30.AA".to_string(),
            JwsError::HeaderJson(crate::json::JsonError { offset: 0, kind: JsonErrorKind::UnexpectedEnd }),
        ),
        (format!("{H}=.e30.AA"), JwsError::HeaderEncoding(foreign(20))),
        (format!(" {H}.e30.AA"), JwsError::HeaderEncoding(foreign(0))),
        (format!("{H}.e30=.AA"), JwsError::PayloadEncoding(foreign(3))),
        (format!("{H}.e31.AA"), JwsError::PayloadEncoding(Base64Error::SpareBits)),
        (format!("{H}.e30.AB"), JwsError::SignatureEncoding(Base64Error::SpareBits)),
        (format!("{H}.e30.AA\n"), JwsError::SignatureEncoding(foreign(2))),
        (format!("{H}.e30.A"), JwsError::SignatureEncoding(Base64Error::Length)),
    ] {
        assert_eq!(Jws::parse(token.as_bytes(), 4096).unwrap_err(), expected, "{token}");
    }
}

#[test]
fn jws_headers() {
    for (header, expected) in [
        (r#"{}"#, JwsError::AlgorithmMissing),
        (r#"{"alg":"none"}"#, JwsError::AlgorithmNone),
        (r#"{"alg":"nOnE"}"#, JwsError::AlgorithmNone),
        (r#"{"alg":"HS256"}"#, JwsError::AlgorithmSymmetric),
        (r#"{"alg":"HS512"}"#, JwsError::AlgorithmSymmetric),
        (r#"{"alg":"es256"}"#, JwsError::AlgorithmUnsupported),
        (r#"{"alg":""}"#, JwsError::AlgorithmUnsupported),
        (r#"{"alg":"ES256 "}"#, JwsError::AlgorithmUnsupported),
        (r#"{"alg":"RSA-OAEP"}"#, JwsError::AlgorithmUnsupported),
        (r#"{"alg":null}"#, JwsError::HeaderType { member: "alg" }),
        (r#"{"alg":["ES256"]}"#, JwsError::HeaderType { member: "alg" }),
        (r#"{"alg":"ES256","kid":7}"#, JwsError::HeaderType { member: "kid" }),
        (r#"{"alg":"ES256","kid":null}"#, JwsError::HeaderType { member: "kid" }),
        (r#"{"alg":"ES256","typ":["JWT"]}"#, JwsError::HeaderType { member: "typ" }),
        (r#"{"alg":"ES256","cty":{}}"#, JwsError::HeaderType { member: "cty" }),
        (r#"{"alg":"ES256","crit":["x"],"x":1}"#, JwsError::CritUnsupported),
        (r#"{"alg":"none","crit":["x"],"x":1}"#, JwsError::CritUnsupported),
        (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, JwsError::CritUnsupported),
        (r#"{"alg":"ES256","crit":[]}"#, JwsError::CritMalformed),
        (r#"{"alg":"ES256","crit":["x"]}"#, JwsError::CritMalformed),
        (r#"{"alg":"ES256","crit":["alg"]}"#, JwsError::CritMalformed),
        (r#"{"alg":"ES256","crit":["x","x"],"x":1}"#, JwsError::CritMalformed),
        (r#"{"alg":"ES256","crit":[7]}"#, JwsError::CritMalformed),
        (r#"{"alg":"ES256","crit":"x","x":1}"#, JwsError::CritMalformed),
        (r#"{"alg":"ES256","crit":null}"#, JwsError::CritMalformed),
        (r#"{"alg":"ES256","b64":true}"#, JwsError::B64),
        (r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#, JwsError::B64),
        (r#"["alg"]"#, JwsError::HeaderNotObject),
        (r#""ES256""#, JwsError::HeaderNotObject),
    ] {
        assert_eq!(refusal(header), expected, "{header}");
    }
    for (header, expected) in [
        (r#"{"alg":"ES256","alg":"none"}"#, JsonErrorKind::DuplicateMember),
        (r#"{"alg":"ES256","\u0061lg":"none"}"#, JsonErrorKind::DuplicateMember),
        (r#"{"alg":"ES256"}x"#, JsonErrorKind::TrailingBytes),
        (r#"{"alg":"ES256""#, JsonErrorKind::UnexpectedEnd),
    ] {
        match refusal(header) {
            JwsError::HeaderJson(error) => assert_eq!(error.kind, expected, "{header}"),
            other => panic!("{header}: {other:?}"),
        }
    }
}

#[test]
fn jwk_controls() {
    for text in [
        ec(""),
        ec(r#","use":"sig","alg":"ES256","kid":"a","key_ops":["verify"],"x5t":"ignored","other":{}"#),
        p384(""),
        p384(r#","alg":"ES384""#),
        p521(""),
        p521(r#","alg":"ES512","use":"sig""#),
        rsa(r#","alg":"RS256""#),
        rsa(r#","alg":"RS384""#),
        rsa(r#","alg":"RS512""#),
        rsa(r#","alg":"PS256""#),
        rsa(r#","alg":"PS384""#),
        rsa(r#","alg":"PS512""#),
        rsa(r#","key_ops":["encrypt","verify"]"#),
        ed(r#","alg":"EdDSA","use":"sig""#),
    ] {
        assert!(jwk(&text).is_ok(), "{text}");
    }
}

#[test]
fn jwk_refusals() {
    let cut = |text: &str, name: &str| text.replace(&format!("\"{name}\""), "\"other\"");
    for (text, expected) in [
        (ec(r#","use":"enc""#), JwkError::NotForVerifying),
        (ec(r#","use":"SIG""#), JwkError::NotForVerifying),
        (ec(r#","key_ops":["sign"]"#), JwkError::NotForVerifying),
        (ec(r#","key_ops":[]"#), JwkError::NotForVerifying),
        (ec(r#","use":"enc","key_ops":["verify"]"#), JwkError::NotForVerifying),
        (ec(r#","key_ops":"verify""#), JwkError::Malformed),
        (ec(r#","key_ops":[1,"verify"]"#), JwkError::Malformed),
        (ec(r#","use":1"#), JwkError::Malformed),
        (ec(r#","kid":1"#), JwkError::Malformed),
        (ec(r#","alg":null"#), JwkError::Malformed),
        (ec(r#","alg":"RS256""#), JwkError::AlgorithmMismatch),
        (rsa(r#","alg":"ES256""#), JwkError::AlgorithmMismatch),
        (rsa(r#","alg":"EdDSA""#), JwkError::AlgorithmMismatch),
        (ed(r#","alg":"PS256""#), JwkError::AlgorithmMismatch),
        // Each curve has one algorithm (RFC 7518 §3.4).
        (ec(r#","alg":"ES384""#), JwkError::AlgorithmMismatch),
        (ec(r#","alg":"ES512""#), JwkError::AlgorithmMismatch),
        (p384(r#","alg":"ES256""#), JwkError::AlgorithmMismatch),
        (p384(r#","alg":"ES512""#), JwkError::AlgorithmMismatch),
        (p521(r#","alg":"ES256""#), JwkError::AlgorithmMismatch),
        (p521(r#","alg":"ES384""#), JwkError::AlgorithmMismatch),
        (p521(r#","alg":"RS512""#), JwkError::AlgorithmMismatch),
        (ec(r#","alg":"ES521""#), JwkError::AlgorithmUnsupported),
        (rsa(r#","alg":"HS256""#), JwkError::AlgorithmUnsupported),
        (ec(r#","d":"AA""#), JwkError::Private),
        (rsa(r#","p":"AA""#), JwkError::Private),
        (ed(r#","d":7"#), JwkError::Private),
        (r#"{"kty":"oct","k":"AA"}"#.to_string(), JwkError::KeyTypeUnsupported),
        (r#"{"k":"AA"}"#.to_string(), JwkError::KeyTypeUnsupported),
        (r#"{"kty":7}"#.to_string(), JwkError::Malformed),
        ("[]".to_string(), JwkError::NotObject),
        // Coordinates have exactly the length of their curve, whichever they would be otherwise.
        (ec("").replace("\"P-256\"", "\"P-384\""), JwkError::Encoding),
        (ec("").replace("\"P-256\"", "\"P-521\""), JwkError::Encoding),
        (p384("").replace("\"P-384\"", "\"P-256\""), JwkError::Encoding),
        (p384("").replace("\"P-384\"", "\"P-521\""), JwkError::Encoding),
        (p521("").replace("\"P-521\"", "\"P-384\""), JwkError::Encoding),
        (p384("").replace(P384_X, &P384_X[4..]), JwkError::Encoding),
        (p521("").replace(P521_X, &P521_X[4..]), JwkError::Encoding),
        (p384("").replace(P384_Y, &format!("AAAA{P384_Y}")), JwkError::Encoding),
        (p521("").replace(P521_Y, &format!("AAAA{P521_Y}")), JwkError::Encoding),
        (ec("").replace("\"P-256\"", "\"P-521 \""), JwkError::CurveUnsupported),
        (ec("").replace("\"P-256\"", "\"secp256k1\""), JwkError::CurveUnsupported),
        (p384("").replace(P384_Y, P384_X), JwkError::Key(KeyError::NotOnCurve)),
        (p521("").replace(P521_Y, P521_X), JwkError::Key(KeyError::NotOnCurve)),
        // Above the field's prime: bits that no coordinate has.
        (p521("").replace(P521_X, &format!("_{}", &P521_X[1..])), JwkError::Key(KeyError::NotOnCurve)),
        (ed("").replace("\"Ed25519\"", "\"X25519\""), JwkError::CurveUnsupported),
        (cut(&ec(""), "crv"), JwkError::CurveUnsupported),
        (cut(&ec(""), "y"), JwkError::Malformed),
        (cut(&rsa(""), "n"), JwkError::Malformed),
        (ec("").replace(EC_X, &EC_X[1..]), JwkError::Encoding),
        (ec("").replace(EC_X, &format!("AA{EC_X}")), JwkError::Encoding),
        (ec("").replace(EC_X, &format!("{EC_X}=")), JwkError::Encoding),
        (rsa("").replace("AQAB", "AQAB="), JwkError::Encoding),
        (rsa("").replace("AQAB", "AQAC"), JwkError::Key(KeyError::ExponentOutOfRange)),
        (rsa("").replace("AQAB", "AAEAAQ"), JwkError::Key(KeyError::NotCanonical)),
        (rsa("").replace("AQAB", "AQ"), JwkError::Key(KeyError::ExponentOutOfRange)),
        (rsa("").replace("AQAB", "AQAAAAAAAAAB"), JwkError::Key(KeyError::ExponentOutOfRange)),
        (rsa("").replace("AQAB", "AQAAAAAAAAABAQAB"), JwkError::Key(KeyError::ExponentOutOfRange)),
        (rsa("").replace("AQAB", ""), JwkError::Key(KeyError::ExponentOutOfRange)),
        (rsa("").replace(RSA_N, ""), JwkError::Key(KeyError::ModulusTooSmall)),
        (rsa("").replace(RSA_N, &format!("AAAA{RSA_N}")), JwkError::Key(KeyError::NotCanonical)),
        (rsa("").replace(RSA_N, &RSA_N.repeat(3)), JwkError::Key(KeyError::ModulusTooLarge)),
        // The point (x, x) is not on the curve.
        (ec("").replace(EC_Y, EC_X), JwkError::Key(KeyError::NotOnCurve)),
        // The neutral element of Ed25519 has order 1.
        (
            ed("").replace(ED_X, "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            JwkError::Key(KeyError::LowOrder),
        ),
    ] {
        assert_eq!(jwk(&text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn thumbprints() {
    // RFC 8037 appendix A.3; RFC 7638 §3.1 is among the vector suites.
    assert_eq!(
        base64url::encode(jwk(&ed(r#","kid":"x""#)).unwrap().thumbprint()),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    assert_ne!(jwk(&ec("")).unwrap().thumbprint(), jwk(&rsa("")).unwrap().thumbprint());
}

fn found(lookup: KeyLookup<'_>) -> Vec<Option<&str>> {
    match lookup {
        KeyLookup::Candidates(candidates) => candidates.map(Jwk::kid).collect(),
        other => panic!("{other:?}"),
    }
}

/// Exponents of RSA, which make distinct keys of one modulus.
const EXPONENTS: [&str; 4] = ["AQAB", "Aw", "BQ", "Bw"];

#[test]
fn keys_are_found_by_kid_and_algorithm() {
    let set =
        set(&[ec(r#","kid":"a""#), rsa(r#","kid":"a","alg":"RS256""#), ed(r#","kid":"b""#), ed("")]).unwrap();
    assert_eq!(found(set.find(Some("a"), Algorithm::Es256)), [Some("a")]);
    assert_eq!(found(set.find(Some("a"), Algorithm::Rs256)), [Some("a")]);
    assert!(matches!(set.find(Some("a"), Algorithm::EdDsa), KeyLookup::WrongAlgorithm));
    assert!(matches!(set.find(Some("c"), Algorithm::EdDsa), KeyLookup::Unknown));
    assert!(matches!(set.find(Some(""), Algorithm::EdDsa), KeyLookup::Unknown));
    // Without `kid`: whatever fits the algorithm, if that is not too much to try.
    assert_eq!(found(set.find(None, Algorithm::Es256)), [Some("a")]);
    assert_eq!(found(set.find(None, Algorithm::EdDsa)), [Some("b"), None]);
    assert!(matches!(set.find(None, Algorithm::Es384), KeyLookup::Unknown));
}

#[test]
fn a_token_without_kid_is_tried_against_a_few_keys_and_no_more() {
    for count in 1..=4 {
        let keys: Vec<String> = EXPONENTS[..count].iter().map(|e| rsa("").replace("AQAB", e)).collect();
        let set = set(&keys).unwrap();
        match set.find(None, Algorithm::Rs256) {
            KeyLookup::Candidates(candidates) if count <= JwkSet::MAX_CANDIDATES => {
                assert_eq!(candidates.count(), count);
            }
            KeyLookup::Ambiguous if count > JwkSet::MAX_CANDIDATES => {}
            other => panic!("{count} keys: {other:?}"),
        }
    }
}

#[test]
fn sets_keep_what_is_good() {
    let set = set(&[
        r#"{"kty":"oct","k":"AA"}"#.to_string(),
        r#"{"kty":"oct","k":"AA"}"#.to_string(),
        ec(r#","use":"enc""#),
        ec(r#","kid":"a""#),
        ec(r#","kid":"a""#),
        "7".to_string(),
    ])
    .unwrap();
    assert_eq!(set.keys().len(), 1);
    assert_eq!(
        set.skipped(),
        [
            (JwkError::KeyTypeUnsupported, 2),
            (JwkError::NotForVerifying, 1),
            (JwkError::Duplicate, 1),
            (JwkError::NotObject, 1)
        ]
    );
}

#[test]
fn sets_without_a_usable_key_are_refused() {
    assert_eq!(set(&[]).unwrap_err(), JwksError::NoUsableKey { skipped: vec![] });
    assert_eq!(
        set(&["{}".to_string()]).unwrap_err(),
        JwksError::NoUsableKey { skipped: vec![(JwkError::KeyTypeUnsupported, 1)] }
    );
    for text in ["{}", "[]", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"Keys":[]}"#] {
        assert_eq!(
            JwkSet::parse(text.as_bytes(), &JwksLimits::default()).unwrap_err(),
            JwksError::NotSet,
            "{text}"
        );
    }
    let limits = JwksLimits { max_bytes: 30, max_keys: 2 };
    let parse = |text: &str| JwkSet::parse(text.as_bytes(), &limits).unwrap_err();
    assert_eq!(parse(r#"{"keys":[1,2,3]}"#), JwksError::TooManyKeys);
    assert!(
        matches!(parse(&" ".repeat(31)), JwksError::Json(error) if error.kind == JsonErrorKind::TooLarge)
    );
    assert!(
        matches!(parse(r#"{"keys":[],"keys":[]}"#), JwksError::Json(error) if error.kind == JsonErrorKind::DuplicateMember)
    );
}

#[test]
fn keys_that_share_a_kid_are_bounded() {
    let keys: Vec<String> = EXPONENTS.iter().map(|e| rsa(r#","kid":"a""#).replace("AQAB", e)).collect();
    let set = set(&keys).unwrap();
    assert_eq!(found(set.find(Some("a"), Algorithm::Rs256)).len(), JwkSet::MAX_CANDIDATES);
    assert_eq!(set.skipped(), [(JwkError::Crowded, 1)]);
}

#[test]
fn keys_of_several_algorithms_do_not_crowd_each_other_out() {
    let key = |e: &str, algorithm: &str| rsa(&format!(r#","kid":"a"{algorithm}"#)).replace("AQAB", e);
    let pinned = |e: &&str, name: &str| key(e, &format!(r#","alg":"{name}""#));
    let mut keys: Vec<String> = Vec::new();
    for name in ["RS256", "PS256", "RS384"] {
        keys.extend(EXPONENTS.iter().take(2).map(|e| pinned(e, name)));
    }
    let six = set(&keys).unwrap();
    assert_eq!(six.skipped(), []);
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Rs384] {
        assert_eq!(found(six.find(Some("a"), algorithm)).len(), 2);
    }
    // One that serves them all is tried for each, and counts for each.
    keys.push(key(EXPONENTS[2], ""));
    keys.push(key(EXPONENTS[3], ""));
    keys.push(pinned(&EXPONENTS[2], "RS256"));
    keys.push(pinned(&EXPONENTS[3], "RS512"));
    let more = set(&keys).unwrap();
    assert_eq!(more.skipped(), [(JwkError::Crowded, 2)]);
    for algorithm in Algorithm::ALL {
        if let KeyLookup::Candidates(candidates) = more.find(Some("a"), algorithm) {
            assert!(candidates.count() <= JwkSet::MAX_CANDIDATES, "{algorithm}");
        }
    }
    assert_eq!(found(more.find(Some("a"), Algorithm::Rs512)).len(), 2);
}

#[test]
fn ed25519_has_two_names() {
    // RFC 9864 §2.2: `Ed25519` says which curve; `EdDSA` leaves that to the key.
    for name in ["EdDSA", "Ed25519"] {
        let key = jwk(&ed(&format!(r#","alg":"{name}""#))).unwrap();
        assert!(key.serves(Algorithm::EdDsa), "{name}");
        assert_eq!(Algorithm::from_name(name), Some(Algorithm::EdDsa));
        let header = base64url::encode(format!(r#"{{"alg":"{name}"}}"#).as_bytes());
        let token = format!("{header}.e30.AA");
        assert_eq!(Jws::parse(token.as_bytes(), 100).unwrap().header.algorithm, Algorithm::EdDsa, "{name}");
        assert_eq!(jwk(&ec(&format!(r#","alg":"{name}""#))).unwrap_err(), JwkError::AlgorithmMismatch);
    }
    for name in ["ed25519", "Ed448", "eddsa"] {
        assert_eq!(Algorithm::from_name(name), None, "{name}");
    }
}

proptest! {
    #[test]
    fn never_panics(token in "[A-Za-z0-9_.-]{0,80}", bytes in any::<Vec<u8>>()) {
        let _ = Jws::parse(token.as_bytes(), 4096);
        let _ = Jws::parse(&bytes, 4096);
        let _ = JwkSet::parse(&bytes, &JwksLimits::default());
    }

    /// Whatever is accepted has exactly one spelling.
    #[test]
    fn parsed_tokens_reassemble(kid in any::<String>(), payload in any::<Vec<u8>>(), signature in proptest::collection::vec(any::<u8>(), 1..80)) {
        let header = serde_json::json!({"alg": "EdDSA", "kid": kid}).to_string();
        let token = [header.as_bytes(), &payload, &signature].map(base64url::encode).join(".");
        let jws = Jws::parse(token.as_bytes(), token.len()).unwrap();
        prop_assert_eq!(jws.header.kid, Some(kid));
        prop_assert_eq!(jws.payload, payload);
        prop_assert_eq!(jws.signature, signature);
    }
}

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use proptest::prelude::*;

use super::*;

const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
const OPAQUE: &str = "9wHk2LmQx7Rt4VbNs8Jd0ZpFy3Gc6Ea1";

fn text(text: &str) -> String {
    scrub(text, Kind::Text).into_owned()
}

#[test]
fn tokens_are_told_by_their_form() {
    for token in [
        JWT,
        // With white space in its header, without a signature, alone, and as an encrypted one begins.
        "eyAiYWxnIjogIkVTMjU2IiB9.eyJhIjoxfQ.c2ln",
        "ewogImFsZyI6ICJFUzI1NiJ9.e30.c2ln",
        "eyJhbGciOiJub25lIn0.e30.",
        "eyJzdWIiOiJhbGljZSJ9",
        "eyJlbmMiOiJBMjU2R0NNIn0..aXY.Y2lwaGVy.dGFn",
        "csk_0123456789abcdef",
        "ghp_16C7e42F292c6912E7",
        "AKIA0123456789ABCDEF",
        OPAQUE,
        "wJ7bK3xR/m4Tz9Qp+L2vN8sH/c6Yd1Fg5Ua0",
        "3f8k2m9x7q1w5e6r4t0y8u2i3o9p5z7l",
        // Random as a whole, with no run of letters that is long enough.
        "aB3_dE6-gH9_jK2-mN5_pQ8-sT1_vW4",
    ] {
        assert_eq!(text(&format!("saw {token} there")), "saw (secret) there", "{token}");
        assert_eq!(text(&format!("saw x{token}")), text(&format!("saw x{token}")));
        assert!(!text(&format!("x-{token}-y")).contains(&token[..12]), "{token}");
    }
    let long = "a".repeat(200);
    assert_eq!(text(&long), SECRET);
}

#[test]
fn encodings_hide_nothing() {
    let twice = JWT.replace('.', "%252E");
    for encoded in [
        JWT.replace('.', "%2E"),
        JWT.replace('.', "%2e"),
        JWT.replace("eyJ", "%65%79%4a"),
        twice.clone(),
        twice.replace('%', "%25"),
        JWT.replace('.', "\\u002e"),
        JWT.replace('e', "\\u0065"),
        // More often than anybody has a reason to.
        "%2525252565yJhbGciOiJFUzI1NiJ9".to_owned(),
    ] {
        let shown = text(&encoded);
        assert_eq!(shown, SECRET, "{encoded}");
    }
    for encoded in [
        "%73ig=abc",
        "si%67=abc",
        "%2573ig=abc",
        "a=1%26sig%3Dabc",
        "?next=https%3A%2F%2Fx%2Fcb%3Fcode%3Dabc",
    ] {
        assert!(!text(encoded).contains("abc"), "{encoded}: {}", text(encoded));
    }
}

#[test]
fn values_are_told_by_their_names() {
    for (given, shown) in [
        ("https://a/b?access_token=abc&x=1", "https://a/b?access_token=(secret)&x=1"),
        ("https://a/b?x=1&code=abc", "https://a/b?x=1&code=(secret)"),
        ("https://a/#id_token=abc", "https://a/#id_token=(secret)"),
        ("https://user:abc@a/b", "https://(secret)@a/b"),
        ("for=192.0.2.1;token=abc;by=b", "for=192.0.2.1;token=(secret);by=b"),
        ("<https://a/b?sig=abc>; rel=next, <https://c>", "<https://a/b?sig=(secret)>; rel=next, <https://c>"),
        ("a?password=a;b,c&d=1", "a?password=(secret)&d=1"),
        ("{\"password\":\"a\\\"bc\",\"x\":1}", "{\"password\":\"(secret)\",\"x\":1}"),
        ("\"{\\\"clientSecret\\\": \\\"abc\\\"}\"", "\"{\\\"clientSecret\\\": \\\"(secret)\\\"}\""),
        ("{\"tokens\":[\"a\",\"b\"]}", "{\"tokens\":(secret)]}"),
        ("{\"otp\": 123456}", "{\"otp\": (secret)}"),
        ("said authorization: Digest abc, def", "said authorization:(secret)"),
        ("got Bearer abc123 from it", "got Bearer (secret) from it"),
        ("got Bearer%20abc123", "got Bearer%20(secret)"),
        ("Basic dXNlcjpwYXNz", "Basic (secret)"),
    ] {
        assert_eq!(text(given), shown);
    }
    assert_eq!(scrub("/a;jsessionid=abc/b", Kind::Path), "/a;jsessionid=(secret)/b");
    for name in [
        "api_key",
        "api-key",
        "apiKey",
        "X-Api-Key",
        "ocp-apim-subscription-key",
        "x-functions-key",
        "x-csrf",
        "x-otp",
        "x-pass",
        "cookie2",
        "client_secret",
        "X-Amz-Signature",
        "PHPSESSID",
        "user[password]",
        "SAMLResponse",
        "pwd",
        "authCode",
        "device_code",
        "oauth_verifier",
        "x-goog-iap-jwt-assertion",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in [
        "q",
        "page",
        "author",
        "authority",
        "country_code",
        "sort_key",
        "monkey",
        "compass",
        "spin",
        "company",
        "state",
        "token_type",
        "auth_time",
        "keyword",
        "zip-code",
        "x-request-id",
        "opinion",
        "signal",
    ] {
        assert!(!is_secret(name), "{name}");
    }
}

#[test]
fn what_is_no_credential_stays() {
    for given in [
        "https://issuer.bank.example/Some/CamelCasePath1",
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"the token expired\"",
        "DPoP algs=\"ES256 EdDSA\", error=\"use_dpop_nonce\"",
        "By=spiffe://a/b;Hash=4bf92f3577b34da6a3ce929d0e0e47364bf92f3577b34da6a3ce929d0e0e4736;Subject=\"CN=a,O=b\";URI=spiffe://c/d",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "2f9c1a52-0c0e-4c1b-9d55-6a3f1f4a7b10",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
        "a bearer token is missing",
        "policies/fraud-scoring/40-guardrails.cedar",
    ] {
        assert_eq!(text(given), given);
    }
    assert_eq!(
        scrub("urn:uuid:9wHk2LmQx7Rt4VbNs8Jd0ZpFy3Gc6Ea1", Kind::Identifier),
        format!("urn:uuid:{OPAQUE}")
    );
    assert_eq!(scrub(JWT, Kind::Identifier), SECRET);
    assert_eq!(scrub("/ewk-aicg/keyJournals", Kind::Path), "/ewk-aicg/keyJournals");
}

/// Some of a text's bytes percent-encoded, some of these twice.
fn encoded(text: &str, which: &[u8]) -> String {
    let mut which = which.iter().cycle();
    text.bytes().fold(String::new(), |text, byte| match which.next() {
        Some(0) => format!("{text}%{byte:02x}"),
        Some(1) => format!("{text}%25{byte:02X}"),
        _ => text + &char::from(byte).to_string(),
    })
}

fn token() -> impl Strategy<Value = [String; 3]> {
    let part = |json: String| BASE64URL.encode(json);
    let header = "[A-Z]{2}[0-9]{3}".prop_map(move |alg| part(format!("{{\"alg\":\"{alg}\"}}")));
    let claims = ("[a-z]{1,8}", "[ -!#-\\[\\]-~é]{12,40}");
    let claims = claims.prop_map(move |(name, value)| part(format!("{{\"{name}\":\"{value}\"}}")));
    (header, claims, "[A-Za-z0-9_-]{43}").prop_map(|(header, claims, signature)| [header, claims, signature])
}

proptest! {
    #[test]
    fn no_token_survives(
        parts in token(), before in "[ -~é]{0,30}", after in "[ -~é]{0,30}", which in proptest::collection::vec(0_u8..12, 1..40),
    ) {
        for token in [parts.join("."), encoded(&parts.join("."), &which)] {
            let given = format!("{before}{token}{after}");
            for kind in [Kind::Text, Kind::Path, Kind::Identifier] {
                let shown = decoded(&scrub(&given, kind));
                for part in &parts {
                    // Letters that an encoding before or after it ate are no help to anybody.
                    for piece in part.as_bytes().windows(16) {
                        let piece = std::str::from_utf8(piece).unwrap();
                        prop_assert!(!shown.contains(piece), "{given} -> {shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn ordinary_paths_survive(
        segments in proptest::collection::vec(
            "(v[0-9]|[a-z]{1,12}|[a-z]{2,8}-[a-z]{2,8}|[0-9]{1,12}|[a-z]-[0-9]{1,6}|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}|[0-9a-f]{40}|20[0-9]{2}-[01][0-9]-[0-3][0-9]|[A-Z][a-z]{2,9}|[a-z]{1,8}\\.(html|json)|%C3%A9[a-z]{1,4})",
            0..8,
        ),
    ) {
        let path = format!("/{}", segments.join("/"));
        prop_assert_eq!(scrub(&path, Kind::Path), path.as_str());
    }

    #[test]
    fn it_is_the_same_the_second_time(given in "[ -~é]{0,60}") {
        let once = text(&given);
        prop_assert_eq!(text(&once), once);
    }

    #[test]
    fn nothing_makes_it_panic(given in any::<String>(), marks in "[=:;,\"'\\\\%&#<>\\[{@/ 0-9a-fé]{0,60}") {
        for given in [given, marks.clone(), format!("token{marks}"), format!("\"secret\"{marks}")] {
            for kind in [Kind::Text, Kind::Path, Kind::Identifier] {
                let _ = scrub(&given, kind);
            }
        }
    }
}

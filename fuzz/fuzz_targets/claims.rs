//! Claims of tokens whose signatures are good, of each kind of issuer.

#![no_main]

use countersign_core::json;
use countersign_fuzz::{ask, token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    for header in [
        r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#,
        r#"{"alg":"ES256"}"#,
    ] {
        let bearer = format!("Bearer {}", token(header, payload));
        let headers: [(&[u8], &[u8]); 1] = [(b"authorization", bearer.as_bytes())];
        let first = ask(b"GET", b"/tenants/acme/accounts/a", &headers);
        let again = ask(b"GET", b"/tenants/acme/accounts/a", &headers);
        assert_eq!((first.allowed, &first.added[1.min(first.added.len())..]), (again.allowed, &again.added[1.min(again.added.len())..]), "the caches change nothing");
        if first.allowed {
            let parsed = json::parse(payload, &json::Limits::TOKEN).expect("strict JSON");
            let claims = parsed.as_object().expect("an object");
            for claim in ["aud", "exp", "sub", "tenant"] {
                assert!(claims.contains(claim), "allowed without `{claim}`");
            }
            assert!(!claims.contains("cnf"), "a bound token was taken without proof");
        }
    }
});

//! Claims of tokens whose signatures are good, of each kind of issuer.

#![no_main]

use countersign_core::json;
use countersign_fuzz::{CERTIFICATE, accepted, ask, token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    for (header, method, path) in [
        (r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, "GET", "/tenants/acme/accounts/a"),
        (r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#, "GET", "/tenants/acme/accounts/a"),
        (r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, "DELETE", "/tenants/acme/accounts/a"),
        (r#"{"alg":"ES256","kid":"k"}"#, "POST", "/tenants/acme/accounts/a/reconcile"),
    ] {
        let bearer = format!("Bearer {}", token(header, payload));
        let headers: [(&[u8], &[u8]); 1] = [(b"authorization", bearer.as_bytes())];
        let first = ask(method.as_bytes(), path.as_bytes(), &headers);
        let again = ask(method.as_bytes(), path.as_bytes(), &headers);
        let added =
            |verdict: &countersign_fuzz::Verdict| verdict.added.iter().skip(1).cloned().collect::<Vec<_>>();
        assert_eq!(
            (first.allowed, added(&first)),
            (again.allowed, added(&again)),
            "the caches change nothing"
        );
        if first.allowed {
            accepted();
            let parsed = json::parse(payload, &json::Limits::TOKEN).expect("strict JSON");
            let claims = parsed.as_object().expect("an object");
            for claim in ["aud", "exp", "sub"] {
                assert!(claims.contains(claim), "allowed without `{claim}`");
            }
            assert!(method == "POST" || claims.contains("tenant"), "allowed without `tenant`");
            assert!(
                method != "DELETE" || claims.contains("auth_time"),
                "an account was closed without a login"
            );
            if let Some(cnf) = claims.get("cnf") {
                let certificate =
                    cnf.as_object().and_then(|cnf| cnf.get("x5t#S256")).and_then(|text| text.as_str());
                assert_eq!(certificate, Some(CERTIFICATE), "a bound token was taken from somebody else");
            }
        }
    }
});

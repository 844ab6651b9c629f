//! Proofs of possession: whole ones, and payloads under a good header.

#![no_main]

use countersign_fuzz::{HOLDER, NOW, THUMBPRINT, ask, token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    let payload = format!(
        r#"{{"iss":"https://id.bank.example","aud":"bank","exp":{},"sub":"a","tenant":"acme","cnf":{{"jkt":"{THUMBPRINT}"}}}}"#,
        NOW + 60
    );
    let bearer = format!("DPoP {}", token(r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, payload.as_bytes()));
    let proof = match kind & 1 {
        0 => rest.to_vec(),
        _ => token(&format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{HOLDER}}}"#), rest).into_bytes(),
    };
    let headers: [(&[u8], &[u8]); 2] = [(b"authorization", bearer.as_bytes()), (b"dpop", &proof)];
    let first = ask(b"GET", b"/tenants/acme/accounts/a", &headers);
    if first.allowed {
        let again = ask(b"GET", b"/tenants/acme/accounts/a", &headers);
        assert!(!again.allowed && again.audit.contains("binding.dpop.replayed"), "a proof served twice");
    }
});

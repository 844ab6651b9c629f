//! Proofs of possession: whole ones, payloads under a good header, and headers and payloads as they are before they are encoded.

#![no_main]

use countersign_fuzz::{HOLDER, NOW, THUMBPRINT, accepted, ask, forget, token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    let payload = format!(
        r#"{{"iss":"https://id.bank.example","aud":"bank","exp":{},"sub":"a","tenant":"acme","cnf":{{"jkt":"{THUMBPRINT}"}}}}"#,
        NOW + 60
    );
    let bearer = format!("DPoP {}", token(r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, payload.as_bytes()));
    let proof = match kind % 3 {
        0 => rest.to_vec(),
        1 => token(&format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{HOLDER}}}"#), rest).into_bytes(),
        _ => {
            let mut lines = rest.splitn(2, |byte| *byte == b'\n');
            let (header, payload) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            token(header, payload).into_bytes()
        }
    };
    let headers: [(&[u8], &[u8]); 2] = [(b"authorization", bearer.as_bytes()), (b"dpop", &proof)];
    // Inputs like this one have used up its `jti`.
    forget();
    let first = ask(b"GET", b"/tenants/acme/accounts/a", &headers);
    if first.allowed {
        accepted();
        let again = ask(b"GET", b"/tenants/acme/accounts/a", &headers);
        assert!(!again.allowed && again.audit.contains("binding.dpop.replayed"), "a proof served twice");
        for (method, path) in
            [(&b"HEAD"[..], &b"/tenants/acme/accounts/a"[..]), (b"GET", b"/tenants/acme/accounts/b")]
        {
            forget();
            assert!(!ask(method, path, &headers).allowed, "a proof served for another request");
        }
    }
});

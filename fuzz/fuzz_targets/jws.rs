#![no_main]

use countersign_core::{base64url, jose::Jws};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|token: &[u8]| {
    if let Ok(jws) = Jws::parse(token, 16 * 1024) {
        let header = jws.signing_input.split(|byte| *byte == b'.').next().unwrap();
        let payload = base64url::encode(&jws.payload);
        let signature = base64url::encode(&jws.signature);
        assert_eq!([header, payload.as_bytes(), signature.as_bytes()].join(&b'.'), token);
        assert_eq!(&token[..jws.signing_input.len()], jws.signing_input);
    }
});

//! Whole requests: a method, a path, and headers of any name, one on each line. A value of three parts with a byte 1 between them
//! becomes a word, and the token of a header and a payload, so that what is inside a token changes too.

#![no_main]

use countersign_fuzz::{accepted, ask, forget, token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let (method, path) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let headers: Vec<(&[u8], Vec<u8>)> = lines
        .filter_map(|line| {
            let colon = line.iter().skip(1).position(|byte| *byte == b':')? + 1;
            Some((&line[..colon], value(&line[colon + 1..])))
        })
        .collect();
    let headers: Vec<(&[u8], &[u8])> = headers.iter().map(|(name, value)| (*name, &value[..])).collect();
    let mut verdict = ask(method, path, &headers);
    if verdict.audit.contains("binding.dpop.replayed") {
        // Inputs like this one have used up its proof.
        forget();
        verdict = ask(method, path, &headers);
    }
    // Nothing in this configuration is public.
    if verdict.allowed {
        accepted();
        let has = |wanted: &[u8]| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        assert!(has(b"authorization") || has(b"x-api-key"), "allowed without a credential");
    }
});

fn value(text: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == 1).collect();
    match parts[..] {
        [word, header, payload] => [word, token(header, payload).as_bytes()].concat(),
        _ => text.to_vec(),
    }
}

//! Whole requests: a method, a path, and headers of any name, one on each line.

#![no_main]

use countersign_fuzz::ask;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let (method, path) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let headers: Vec<(&[u8], &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().skip(1).position(|byte| *byte == b':')? + 1;
            Some((&line[..colon], &line[colon + 1..]))
        })
        .collect();
    // Nobody has a token here that is not made up, and nothing in this configuration is public.
    let verdict = ask(method, path, &headers);
    if verdict.allowed {
        let authorized = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"authorization"));
        assert!(authorized, "allowed without a credential");
    }
});

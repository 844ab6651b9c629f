#![no_main]

use countersign_core::call::CallAnswer;
use countersign_core::time::Timestamp;
use libfuzzer_sys::fuzz_target;

// Each line is a header of the answer, the first byte says which.
fuzz_target!(|bytes: &[u8]| {
    let names: [&[u8]; 6] = [b"Cache-Control", b"expires", b"date", b"age", b"content-type", b":status"];
    let pairs = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let (first, value) = line.split_first()?;
        Some((names[usize::from(*first) % names.len()], value))
    });
    let status = [(&b":status"[..], &b"200"[..])];
    let Some(answer) = CallAnswer::read(status.into_iter().chain(pairs), Vec::new()) else { return };
    if let Some(lifetime) = answer.lifetime(Timestamp::from_secs(1_700_000_000)) {
        assert!((0..=1 << 31).contains(&lifetime.as_secs()));
    }
    let _ = answer.is_page();
});

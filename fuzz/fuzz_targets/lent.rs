#![no_main]

use countersign_core::crypto::lent::{Answer, Question};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // A verdict that a signature is good has one form, but for an empty error beside it.
    if Answer::from_protobuf(bytes) == Ok(Answer::Good) {
        assert!([&[8, 1][..], &[8, 1, 0x12, 0], &[0x12, 0, 8, 1]].contains(&bytes));
    }
    let (signature, message) = bytes.split_at(bytes.len() / 2);
    let argument = Question { hash: "sha256", key: &[], signature, message }.to_protobuf();
    assert!(argument.starts_with(b"\x0a\x06sha256\x12\x00\x1a") && argument.ends_with(message));
});

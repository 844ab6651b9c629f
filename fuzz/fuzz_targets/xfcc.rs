#![no_main]

use countersign_core::xfcc::{self, Key, MAX_ELEMENTS, MAX_PAIRS};
use countersign_fuzz::accepted;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(elements) = xfcc::parse(bytes) else { return };
    accepted();
    assert!((1..=MAX_ELEMENTS).contains(&elements.len()));
    // Written anew, every value in quotes, it reads alike.
    let mut again = Vec::new();
    for element in &elements {
        if !again.is_empty() {
            again.push(b',');
        }
        let mut pairs = 0;
        for key in Key::ALL {
            for value in element.values(key) {
                assert!(!value.is_empty() && value.iter().all(|byte| *byte >= b' ' && *byte != 0x7f));
                pairs += 1;
                again.extend_from_slice(if pairs > 1 { b";" } else { b"" });
                again.extend_from_slice(key.as_str().as_bytes());
                again.extend_from_slice(b"=\"");
                for byte in value {
                    again.extend_from_slice(if matches!(byte, b'"' | b'\\') { b"\\" } else { b"" });
                    again.push(*byte);
                }
                again.push(b'"');
            }
        }
        assert!(pairs <= MAX_PAIRS);
        if pairs == 0 {
            again.extend_from_slice(b"URI=");
        }
    }
    let Ok(read) = xfcc::parse(&again) else {
        assert!(again.len() > xfcc::MAX_BYTES, "{:?}", String::from_utf8_lossy(&again));
        return;
    };
    for (one, other) in elements.iter().zip(&read) {
        for key in Key::ALL {
            assert!(one.values(key).eq(other.values(key)));
        }
    }
    assert_eq!(elements.len(), read.len());
});

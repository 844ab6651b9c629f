#![no_main]

use countersign_core::base64url;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(bytes) = base64url::decode(text) {
        assert_eq!(base64url::encode(&bytes).as_bytes(), text);
    }
    assert_eq!(base64url::decode(base64url::encode(text).as_bytes()).as_deref(), Ok(text));
    let _ = base64url::decode_standard(text);
    let _ = base64url::decode_array::<32>(text);
});

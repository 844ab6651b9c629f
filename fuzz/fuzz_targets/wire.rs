#![no_main]

use countersign_core::policy::wire::OwnedRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = OwnedRequest::decode(bytes) else { return };
    let written = request.encode();
    let again = OwnedRequest::decode(&written).expect("what was written is read");
    assert_eq!(again.encode(), written);
});

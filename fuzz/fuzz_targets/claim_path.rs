#![no_main]

use countersign_core::{json, token::ClaimPath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (text, document) = input;
    let Ok(path) = ClaimPath::parse(text) else { return };
    let empty = json::parse(b"{}", &json::Limits::TOKEN).expect("an empty object");
    assert_eq!(path.find(empty.as_object().expect("an object")), Ok(None));
    let Ok(value) = json::parse(document, &json::Limits::TOKEN) else { return };
    let Some(claims) = value.as_object() else { return };
    let found = path.find(claims);
    if !text.starts_with('/') {
        assert_eq!(found, Ok(claims.get(text)));
    }
});

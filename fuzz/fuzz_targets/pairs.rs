#![no_main]

use libfuzzer_sys::fuzz_target;

// The filter builds for wasm alone; its codec stands by itself.
#[path = "../../filter/src/pairs.rs"]
mod pairs;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = pairs::read(bytes) else { return };
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let owned: Option<Vec<(String, String)>> =
        read.iter().map(|(name, value)| Some((text(name)?, text(value)?))).collect();
    let Some(owned) = owned else { return };
    let borrowed: Vec<(&str, String)> =
        owned.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let written = pairs::write(&borrowed);
    assert_eq!(pairs::read(&written), Ok(read));
    assert!(bytes.is_empty() || written == bytes);
});

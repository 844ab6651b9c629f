#![no_main]

use countersign_core::settings::Settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = Settings::load(bytes) {
        assert!(!error.to_string().is_empty());
    }
});

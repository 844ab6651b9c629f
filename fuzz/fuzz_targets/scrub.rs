#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../cli/src/serve/secrets/names.rs"]
#[allow(dead_code, reason = "the command uses more of it")]
mod names;
#[path = "../../cli/src/serve/secrets/scrub.rs"]
#[allow(dead_code, reason = "the command uses more of it")]
mod scrub;
#[path = "../../cli/src/serve/secrets/words.rs"]
mod words;

use scrub::{Kind, decoded, scrub};

const TOKEN: [&str; 3] = [
    "eyJhbGciOiJFUzI1NiJ9",
    "eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaWQifQ",
    "q1VbTz8Kx3Rw7Yd0Lm5Np2Sf9Hg4Jc6Ae",
];

fuzz_target!(|input: (&str, &str, &[u8])| {
    let (before, after, which) = input;
    // Some of a token's letters are percent-encoded, and some of these again.
    let mut which = which.iter().cycle();
    let token = TOKEN.join(".").bytes().fold(String::new(), |token, byte| match which.next() {
        Some(0) => format!("{token}%{byte:02x}"),
        Some(1) => format!("{token}%25{byte:02X}"),
        _ => token + &char::from(byte).to_string(),
    });
    let given = format!("{before}{token}{after}");
    for kind in [Kind::Text, Kind::Path, Kind::Identifier] {
        let shown = decoded(&scrub(&given, kind));
        for part in TOKEN {
            assert!(!shown.contains(part), "{given} -> {shown}");
        }
    }
});

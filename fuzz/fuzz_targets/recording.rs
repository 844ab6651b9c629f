#![no_main]

use countersign_fuzz::accepted;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the command uses more of it")]
#[path = "../../cli/src/recording/format.rs"]
mod format;

use format::{Line, parse, write};

fuzz_target!(|text: &str| {
    let Ok(Some(line)) = parse(text) else { return };
    accepted();
    // Numbers beyond what JSON's readers agree on are written as they were understood.
    let written = write(&line);
    assert_eq!(parse(&written), Ok(Some(line.clone())), "{written}");
    if let Line::Request(recorded) = &line {
        assert!(recorded.headers.len() <= 1024 && recorded.properties.len() <= 256);
    }
});

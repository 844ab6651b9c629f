//! What the standard library makes of the host: its clock, randomness, memory, sorting and files.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// The years from 1970 to 2020, about.
const FIFTY_YEARS: Duration = Duration::from_secs(50 * 365 * 24 * 3600);

/// A line that says what worked. `host` is the time by the host's own function.
pub(crate) fn tried(host: SystemTime) -> String {
    let late = |time: SystemTime| time > SystemTime::UNIX_EPOCH + FIFTY_YEARS;
    // Without a system below, asking the library for the time is a panic.
    let time = if cfg!(target_os = "wasi") { SystemTime::now() } else { host };
    let blocks: Vec<Vec<u8>> = (0..64).map(|i| vec![i; 64 << 10]).collect();
    let mut names = ["c", "a", "b"];
    names.sort_unstable();
    // Its keys are random where the system has randomness.
    let map: HashMap<&str, usize> = names.iter().map(|name| (*name, name.len())).collect();
    format!(
        "after 2020 {}, random {}, memory {}, sorted {}, home {}, files {}",
        late(time),
        map.len() == 3,
        blocks.len() * blocks[0].len(),
        names.concat(),
        std::env::var_os("HOME").is_some(),
        std::fs::read("/etc/passwd").is_ok(),
    )
}

//! What it costs to look at the clock, so that it can be taken out of what was timed.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long one look at the clock takes: the median of many.
pub(crate) fn look() -> Duration {
    static LOOK: OnceLock<Duration> = OnceLock::new();
    *LOOK.get_or_init(|| {
        const LOOKS: u32 = 64;
        let mut runs: Vec<Duration> = (0..101)
            .map(|_| {
                let since = Instant::now();
                for _ in 0..LOOKS {
                    std::hint::black_box(Instant::now());
                }
                since.elapsed() / LOOKS
            })
            .collect();
        runs.sort_unstable();
        runs[runs.len() / 2]
    })
}

/// Waits until a moment. Asleep at first, and awake at the end: a thread that sleeps is woken late.
pub(crate) fn wait_until(moment: Instant) {
    const AWAKE: Duration = Duration::from_micros(300);
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        if left > AWAKE {
            std::thread::sleep(left - AWAKE);
        } else {
            std::hint::spin_loop();
        }
    }
}

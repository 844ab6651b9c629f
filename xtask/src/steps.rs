//! Progress that people and logs can both read: `[2/5] building the filter ... 12.3 s`.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Result;

/// A chore's steps, counted as they begin.
pub(crate) struct Steps {
    total: usize,
    begun: usize,
    since: Instant,
}

impl Steps {
    /// A chore of `total` steps.
    pub(crate) fn new(total: usize) -> Self {
        Self { total, begun: 0, since: Instant::now() }
    }

    /// Runs the next step; what it returns as text is printed beside its time.
    pub(crate) fn step(&mut self, what: &str, work: impl FnOnce() -> Result<String>) -> Result<()> {
        self.begun += 1;
        println!("[{}/{}] {what}", self.begun, self.total);
        let since = Instant::now();
        let said = work()?;
        let sep = if said.is_empty() { "" } else { ": " };
        println!("      {}{sep}{said}", seconds(since.elapsed()));
        Ok(())
    }

    /// The closing line.
    pub(crate) fn finish(self, what: &str) {
        println!("{what} in {}", seconds(self.since.elapsed()));
    }
}

/// Tells that a long command is still alive: a line rewritten in place on a terminal, one line each
/// minute in a log.
pub(crate) struct Heartbeat {
    since: Instant,
    told: Duration,
    terminal: bool,
    width: usize,
}

impl Heartbeat {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { since: Instant::now(), told: Duration::ZERO, terminal, width: 0 }
    }

    /// To be called often; `last` is the command's newest line of output.
    pub(crate) fn beat(&mut self, last: &str) {
        let elapsed = self.since.elapsed();
        let due = if self.terminal { Duration::from_millis(500) } else { Duration::from_secs(60) };
        if elapsed < self.told + due {
            return;
        }
        self.told = elapsed;
        let last: String = last.trim().chars().filter(|c| !c.is_control()).take(70).collect();
        if self.terminal {
            let line = format!("      {} {last}", seconds(elapsed));
            let blank = self.width.saturating_sub(line.chars().count());
            self.width = line.chars().count();
            print!("\r{line}{:blank$}", "");
            let _ = std::io::stdout().flush();
        } else {
            println!("      still at it after {}: {last}", seconds(elapsed));
        }
    }

    /// Clears the line that was rewritten in place.
    pub(crate) fn clear(&self) {
        if self.terminal && self.width > 0 {
            print!("\r{:1$}\r", "", self.width);
        }
    }
}

/// Seconds with one decimal, minutes from 100 s on.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..100 => format!("{:.1} s", time.as_secs_f64()),
        secs => format!("{} min {:02} s", secs / 60, secs % 60),
    }
}

//! `--watch`: a command runs again whenever something that it read has changed.

use std::sync::mpsc::channel;
use std::time::Duration;

use crate::changes::Changes;
use crate::console::{DIM, HINT, count, say};
use crate::failure::{Exit, Failure};
use crate::inputs;

/// How often files are looked at where nothing is noticed.
const EVERY: Duration = Duration::from_secs(1);
/// How many changed files are named.
const NAMED: usize = 3;

/// Runs a command again and again, until it is interrupted. What it fails with is told, and does not end it.
pub(crate) fn run(mut command: impl FnMut() -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    let (notice, noticed) = channel();
    let mut changes = Changes::new(Vec::new(), move || {
        // Nobody is told any longer only when the command ends.
        let _ = notice.send(());
    });
    loop {
        inputs::take();
        if let Err(failure) = command() {
            failure.print();
        }
        let files = inputs::take();
        let number = files.len();
        if changes.follow(files.into_iter().collect()) {
            changes.take();
        }
        say!("{DIM}watching {}; Ctrl-C ends it{DIM:#}", count(number, "path", "paths"));
        let changed = loop {
            let changed = changes.take();
            if !changed.is_empty() {
                break changed;
            }
            // Noticed or not, it is looked at.
            let _ = noticed.recv_timeout(EVERY);
        };
        let names: Vec<String> =
            changed.iter().take(NAMED).map(|path| format!("`{}`", path.display())).collect();
        let more = if changed.len() > NAMED { ", …" } else { "" };
        say!("\n{HINT}changed{HINT:#} {}{more}", names.join(", "));
    }
}

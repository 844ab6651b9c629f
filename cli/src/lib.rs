//! The command `countersign`: checks, compiles, tests, explains and serves what the filter decides.
//!
//! It is a library for the sake of [`live`], by which suites run scenarios on gateways that the command knows nothing of, and of
//! [`revocation`], by which they publish what scenarios publish.

mod bench;
mod bytes;
mod case;
mod cases;
mod changes;
mod commands;
mod configuration;
mod console;
mod credentials;
mod decider;
mod diff;
mod document;
mod engine;
mod explanation;
mod failure;
mod findings;
mod images;
mod inputs;
mod lines;
mod literal;
pub mod live;
mod output;
mod paths;
mod plugin;
mod recording;
mod reference;
mod report;
mod request_args;
pub mod revocation;
mod scenario;
mod serve;
mod sources;
mod table;
mod time;
mod watch;

use std::process::ExitCode;

/// Room for what recurses over policies: the official parser takes tens of kilobytes for each bracket.
pub(crate) const STACK: usize = 256 << 20;

/// Runs the command with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let run = std::thread::Builder::new().stack_size(STACK).spawn(run);
    match run.map(std::thread::JoinHandle::join) {
        Ok(Ok(exit)) => exit,
        // What a panic has to say is on standard error.
        Ok(Err(_)) => ExitCode::from(101),
        Err(error) => {
            anstream::eprintln!("error: no thread to run on: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> ExitCode {
    match commands::run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit().into()
        }
    }
}

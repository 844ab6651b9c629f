//! The command `countersign`: checks, compiles, tests, explains and serves what the filter decides.

mod bench;
mod case;
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
mod literal;
mod output;
mod reference;
mod report;
mod request_args;
mod scenario;
mod table;
mod time;

use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit().into()
        }
    }
}

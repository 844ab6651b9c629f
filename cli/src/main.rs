//! The command `countersign`: checks, compiles, tests, explains and serves what the filter decides.

mod bench;
mod commands;
mod configuration;
mod console;
mod credentials;
mod document;
mod failure;
mod findings;
mod reference;

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

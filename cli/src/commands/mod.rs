//! The subcommands, one file for each.

mod bench;
mod check;
mod compile;
mod completions;
mod diff;
mod eval;
mod explain;
mod fmt;
mod inspect;
mod keys;
mod lint;
mod manual;
mod proof;
mod reference;
mod replay;
mod serve;
mod test;
mod token;

pub(crate) use eval::in_order;

use crate::console::Colour;
use crate::failure::{Exit, Failure};
use clap::{CommandFactory, Parser, Subcommand};

/// Verify credentials and decide on access inside the gateway.
///
/// Exit codes: 0 good, 1 a failed assertion or a finding, 2 a usage or compile error, 3 a threshold or regression; 141 where
/// nobody read the output to its end.
#[derive(Parser)]
#[command(name = "countersign", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// When to colour what is printed.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    color: Colour,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Check),
    Fmt(fmt::Fmt),
    Lint(lint::Lint),
    Compile(compile::Compile),
    Inspect(inspect::Inspect),
    Diff(diff::Diff),
    Test(test::Test),
    Eval(eval::Eval),
    Explain(explain::Explain),
    Bench(bench::Bench),
    Serve(serve::Serve),
    Replay(replay::Replay),
    Token(token::Token),
    Proof(proof::Proof),
    Keys(keys::Keys),
    Reference(reference::Reference),
    Completions(completions::Completions),
    Manual(manual::Manual),
}

/// Runs the command that the arguments name.
pub(crate) fn run() -> Result<Exit, Failure> {
    let cli = Cli::parse();
    cli.color.apply();
    match cli.command {
        Command::Check(command) => command.run(),
        Command::Compile(command) => command.run(),
        Command::Fmt(command) => command.run(),
        Command::Lint(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Diff(command) => command.run(),
        Command::Test(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Token(command) => command.run(),
        Command::Proof(command) => command.run(),
        Command::Keys(command) => command.run(),
        Command::Reference(command) => command.run(),
        Command::Completions(command) => command.run(Cli::command()),
        Command::Manual(command) => command.run(Cli::command()),
    }
}

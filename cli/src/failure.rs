//! How a command ends.

use crate::console::{BAD, HINT, say};
use crate::findings::Finding;
use std::fmt::{self, Display};
use std::io;
use std::process::ExitCode;

/// The exit codes, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// 0: all is well.
    Good,
    /// 1: an assertion failed, or something was found.
    Finding,
    /// 2: the command, its input or a policy is wrong.
    Usage,
    /// 3: a threshold was passed, or something got worse.
    Regression,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command stopped: first one line with the place, what was expected and what was found, then what to do, then details.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    help: Option<String>,
    details: Option<String>,
    findings: Vec<Finding>,
    place: Option<Box<str>>,
}

impl Failure {
    /// The command, its input or a policy is wrong. `message` is lower case, without a full stop, with inputs in backticks.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { exit: Exit::Usage, message, help: None, details: None, findings: Vec::new(), place: None }
    }

    /// The same, at a place such as `countersign.yaml:12:3`.
    pub(crate) fn at(place: impl Display, message: impl Display) -> Self {
        let place = place.to_string();
        Self { place: Some(place.as_str().into()), ..Self::usage(format!("{place}: {message}")) }
    }

    /// An assertion failed, or something was found.
    pub(crate) fn finding(message: impl Into<String>) -> Self {
        Self { exit: Exit::Finding, ..Self::usage(message) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a remark to the first line.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Display) -> Self {
        self.message = format!("{}; {note}", self.message);
        self
    }

    /// Adds what was found, one by one, for machine-readable output.
    #[must_use]
    pub(crate) fn findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// Adds details: whole lines, shown last.
    #[must_use]
    pub(crate) fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// The code to exit with.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What was found: each finding, or itself as the only one.
    pub(crate) fn found(&self) -> Vec<Finding> {
        if !self.findings.is_empty() {
            return self.findings.clone();
        }
        let place = self.place.as_deref().unwrap_or_default();
        let message = self.message.strip_prefix(place).and_then(|rest| rest.strip_prefix(": "));
        vec![Finding::at(place, message.unwrap_or(&self.message), self.help.as_deref())]
    }

    /// All of it as plain text.
    pub(crate) fn told(&self) -> String {
        let parts = [Some(&self.message), self.help.as_ref(), self.details.as_ref()];
        let whole: Vec<&str> = parts.into_iter().flatten().map(|part| part.trim_end()).collect();
        anstream::adapter::strip_str(&whole.join("\n")).to_string()
    }

    /// Shows it on standard error.
    pub(crate) fn print(&self) {
        say!("{BAD}error{BAD:#}: {}", self.message);
        if let Some(help) = &self.help {
            say!("  {HINT}help{HINT:#}: {help}");
        }
        if let Some(details) = &self.details {
            say!("\n{}", details.trim_end());
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a shell says of a command that wrote to a pipe without a reader: 128 and `SIGPIPE`.
const READER_GONE: i32 = 141;

/// For `?` on writing results. A reader that has gone away (`| head`) is nothing to complain of, but not success: what was
/// still to be found is not known.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            std::process::exit(READER_GONE);
        }
        Self::usage(format!("standard output: {error}"))
    }
}

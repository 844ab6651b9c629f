//! What is wrong with a configuration.

use crate::json::PathError;
use alloc::string::String;
use core::fmt;

/// A configuration is refused: where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field's path, such as `routes[2].path`; empty for the document itself.
    pub path: String,
    /// What was expected, and what was found.
    pub message: String,
}

impl ConfigError {
    /// An error at `path`.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// This error as seen from the field that holds it: `outer` stands before its path.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = alloc::format!("{outer}{dot}{}", self.path);
        self
    }
}

impl From<PathError> for ConfigError {
    fn from(error: PathError) -> Self {
        Self { path: error.path, message: error.message }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}`: {}", self.path, self.message)
        }
    }
}

impl core::error::Error for ConfigError {}

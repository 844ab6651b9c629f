//! The forms in which results are printed, shared by the commands.

mod github;
mod junit;

pub(crate) use github::{Annotation, annotate};
pub(crate) use junit::{Case, Suite, junit};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    #[value(alias = "pretty")]
    Text,
    /// JSON.
    Json,
    /// JUnit's XML.
    Junit,
    /// Annotations of GitHub Actions.
    Github,
}

/// How results are printed that are no findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TextOrJson {
    /// For people.
    #[default]
    #[value(alias = "pretty")]
    Text,
    /// One JSON object.
    Json,
}

impl From<TextOrJson> for Format {
    fn from(format: TextOrJson) -> Self {
        match format {
            TextOrJson::Text => Self::Text,
            TextOrJson::Json => Self::Json,
        }
    }
}

//! The forms in which results are printed, shared by the commands.

mod github;
mod junit;
mod tap;

pub(crate) use github::{Annotation, annotate};
pub(crate) use junit::{Case, Suite, junit};
pub(crate) use tap::tap;

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
    /// The Test Anything Protocol, version 14.
    Tap,
}

impl Format {
    /// Suites in this form, where it is one for suites.
    pub(crate) fn suites(self, suites: &[Suite]) -> Option<String> {
        match self {
            Self::Junit => Some(junit(suites)),
            Self::Tap => Some(tap(suites)),
            Self::Text | Self::Json | Self::Github => None,
        }
    }
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

//! `countersign reference`: reference pages, generated from the types.

use crate::console;
use crate::failure::{Exit, Failure};
use crate::reference;
use crate::scenario;
use std::io::Write;

/// Print a reference page.
///
/// The pages are made from the types that the filter itself reads, so they are true for this release.
#[derive(clap::Args)]
pub(crate) struct Reference {
    /// Which page.
    #[arg(value_enum)]
    page: Page,
    /// As a page to read, or as data.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Page {
    /// Every field of the configuration.
    Configuration,
    /// The configuration's JSON Schema, for editors; always JSON.
    Schema,
    /// The JSON Schema of the files of `countersign test`, for editors; always JSON.
    Scenarios,
    /// Every reason for a refusal.
    Reasons,
    /// Every counter and histogram.
    Metrics,
}

#[derive(Clone, Copy, Default, PartialEq, clap::ValueEnum)]
enum Format {
    /// Markdown.
    #[default]
    Markdown,
    /// JSON.
    Json,
}

impl Reference {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let text = match (self.page, self.format) {
            (Page::Configuration, Format::Markdown) => reference::configuration::markdown(),
            (Page::Configuration | Page::Schema, _) => json(&reference::configuration::schema()),
            (Page::Scenarios, _) => json(&scenario::schema()),
            (Page::Reasons, Format::Markdown) => reference::reasons::markdown(),
            (Page::Reasons, Format::Json) => json(&reference::reasons::data()),
            (Page::Metrics, Format::Markdown) => reference::metrics::markdown(),
            (Page::Metrics, Format::Json) => json(&reference::metrics::data()),
        };
        let mut out = console::stdout();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(Exit::Good)
    }
}

fn json(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

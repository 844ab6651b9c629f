//! What is wrong with a pack, and where.

use std::{error::Error, fmt, sync::Arc};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::source::{Source, span};

/// One error, with its place.
#[derive(Debug, Clone)]
pub struct CompileError {
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it, where there is something to say.
    pub help: Option<String>,
    /// The policy it is about, where it is about one.
    pub policy: Option<String>,
    /// The name of the source, or empty where the error belongs to none.
    pub source: String,
    /// Line, from 1; 0 where there is no place.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Offset and length in bytes.
    pub span: SourceSpan,
    text: Option<NamedSource<Arc<str>>>,
}

impl CompileError {
    /// An error at `offset` of `source`, `len` bytes long.
    pub(crate) fn at(source: &Source, offset: usize, len: usize, message: impl Into<String>) -> Self {
        let place = source.place(offset);
        Self {
            message: message.into(),
            help: None,
            policy: None,
            source: source.name.clone(),
            line: place.line,
            column: place.column,
            span: span(offset, len),
            text: Some(source.named()),
        }
    }

    /// An error in `source` as a whole.
    pub(crate) fn whole(source: &Source, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            policy: None,
            source: source.name.clone(),
            line: 0,
            column: 0,
            span: span(0, 0),
            text: None,
        }
    }

    /// JSON in `source` that can't be read: `expected`, and why not.
    pub(crate) fn json(source: &Source, expected: &str, error: &serde_json::Error) -> Self {
        let why = error.to_string();
        // The place stands in front.
        let why = why.split(" at line ").next().unwrap_or_default();
        let before = source.text.lines().take(error.line().saturating_sub(1)).map(|line| line.len() + 1);
        let offset = (before.sum::<usize>() + error.column().saturating_sub(1)).min(source.text.len());
        let offset = (0..=offset).rev().find(|at| source.text.is_char_boundary(*at)).unwrap_or(0);
        Self::at(source, offset, 0, format!("{expected}: {why}"))
    }

    /// An error that belongs to no source.
    pub(crate) fn general(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            policy: None,
            source: String::new(),
            line: 0,
            column: 0,
            span: span(0, 0),
            text: None,
        }
    }

    /// Line and column where it ends, in the same way as [`Self::line`] and [`Self::column`].
    #[must_use]
    pub fn end(&self) -> (u32, u32) {
        let Some(text) = self.text.as_ref().filter(|_| self.line > 0) else { return (0, 0) };
        let source = Source::new("", Arc::clone(text.inner()));
        let place = source.place(self.span.offset() + self.span.len());
        (place.line, place.column)
    }

    pub(crate) fn of(mut self, policy: impl ToString) -> Self {
        self.policy = Some(policy.to_string());
        self
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The errors that the official crate's `diagnostic` holds, all of them in `source`.
pub(crate) fn from_diagnostic(source: &Source, diagnostic: &dyn Diagnostic) -> Vec<CompileError> {
    let related: Vec<&dyn Diagnostic> = diagnostic.related().into_iter().flatten().collect();
    let label = diagnostic.labels().and_then(|mut labels| labels.next());
    if label.is_none() && !related.is_empty() {
        return related.into_iter().flat_map(|related| from_diagnostic(source, related)).collect();
    }
    let mut message = one_line(&chain(diagnostic));
    // What the parser would have taken in its place is said of the place alone.
    if let Some(expected) = label.as_ref().and_then(LabeledSpan::label).map(one_line)
        && !message.contains(&expected)
    {
        message = format!("{message}: {expected}");
    }
    let mut error = match label {
        Some(label) => CompileError::at(source, label.offset(), label.len(), message),
        None => CompileError::whole(source, message),
    };
    error.help = diagnostic.help().map(|help| one_line(&help.to_string()));
    std::iter::once(error)
        .chain(related.into_iter().flat_map(|related| from_diagnostic(source, related)))
        .collect()
}

/// An error's text with those of its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for CompileError {
    /// `policies/a.cedar:12:5: message`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.source.as_str(), self.line) {
            ("", _) => {}
            (source, 0) => write!(f, "{source}: ")?,
            (source, line) => write!(f, "{source}:{line}:{}: ", self.column)?,
        }
        f.write_str(&self.message)
    }
}

impl Error for CompileError {}

impl Diagnostic for CompileError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.text.as_ref().map(|text| text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (self.line > 0).then(|| {
            let label = LabeledSpan::new_with_span(None, self.span);
            Box::new(std::iter::once(label)) as Box<dyn Iterator<Item = LabeledSpan>>
        })
    }
}

/// Everything that is wrong with a pack; never empty.
#[derive(Debug, Clone)]
pub struct CompileErrors(pub Vec<CompileError>);

impl fmt::Display for CompileErrors {
    /// One line for each error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if at > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl Error for CompileErrors {}

impl From<CompileError> for CompileErrors {
    fn from(error: CompileError) -> Self {
        Self(vec![error])
    }
}

/// Something worth a look that doesn't prevent compilation; shown like an error.
pub type Warning = CompileError;

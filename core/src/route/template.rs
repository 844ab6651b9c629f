//! Path templates such as `/v1/tenants/{tenant}/files/{file...}`.

use crate::path::{self, PathOptions, PathRefusal};
use alloc::{string::String, vec::Vec};
use core::fmt;

/// The most parameters of one template.
pub const MAX_PARAMETERS: usize = 16;

/// The most segments of one template.
const MAX_SEGMENTS: usize = 64;

/// A path template. Literal segments match their text, `{name}` matches one segment, and `{name...}`, which only stands last, one or
/// more. A slash at the end is part of the template: it matches paths with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    segments: Vec<Segment>,
}

/// A segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text, percent-decoded; empty for a slash at the end.
    Literal(String),
    /// One segment, by name.
    Parameter(String),
    /// All further segments, at least one, by name.
    Rest(String),
}

/// Why a text is no path template, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Byte offset of the segment that is wrong.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: TemplateErrorKind,
}

/// What is wrong with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateErrorKind {
    /// Two parameters have the same name.
    DuplicateName,
    /// A name is empty, or not letters, digits and `_` beginning with none of the digits.
    InvalidName,
    /// A literal that no canonical path can have.
    Literal(PathRefusal),
    /// The template doesn't begin with a slash.
    NotAbsolute,
    /// Braces that don't enclose a whole segment.
    PartialParameter,
    /// `{name...}` before the last segment.
    RestNotLast,
    /// More than [`MAX_PARAMETERS`] parameters.
    TooManyParameters,
    /// More segments than a path can have.
    TooManySegments,
    /// A `*`, or a `:` that begins a segment: other routers' ways to write parameters.
    Wildcard,
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let at = |offset| move |kind| TemplateError { offset, kind };
        let rest = text.strip_prefix('/').ok_or_else(|| at(0)(TemplateErrorKind::NotAbsolute))?;
        let mut segments: Vec<Segment> = Vec::new();
        let mut offset = 1;
        let mut pieces = rest.split('/').peekable();
        while let Some(piece) = pieces.next() {
            if rest.is_empty() {
                break;
            }
            let error = at(offset);
            let last = pieces.peek().is_none();
            let segment = segment(piece, last && !segments.is_empty()).map_err(error)?;
            if let Segment::Rest(_) = segment
                && !last
            {
                return Err(error(TemplateErrorKind::RestNotLast));
            }
            if let Some(name) = segment.name() {
                if segments.iter().any(|other| other.name() == Some(name)) {
                    return Err(error(TemplateErrorKind::DuplicateName));
                }
                if segments.iter().filter(|other| other.name().is_some()).count() == MAX_PARAMETERS {
                    return Err(error(TemplateErrorKind::TooManyParameters));
                }
            }
            if segments.len() == MAX_SEGMENTS {
                return Err(error(TemplateErrorKind::TooManySegments));
            }
            segments.push(segment);
            offset += piece.len() + 1;
        }
        Ok(Self { text: text.into(), segments })
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments; `/` has none.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The names of the parameters, from left to right.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::name)
    }
}

impl Segment {
    /// The name of a parameter.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter(name) | Self::Rest(name) => Some(name),
        }
    }
}

fn segment(piece: &str, may_be_empty: bool) -> Result<Segment, TemplateErrorKind> {
    if let Some(inner) = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}')) {
        let (name, rest) = match inner.strip_suffix("...") {
            Some(name) => (name, true),
            None => (inner, false),
        };
        if inner.contains(['{', '}']) {
            return Err(TemplateErrorKind::PartialParameter);
        }
        let mut bytes = name.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if !begins || name.len() > 64 || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(TemplateErrorKind::InvalidName);
        }
        return Ok(if rest { Segment::Rest(name.into()) } else { Segment::Parameter(name.into()) });
    }
    if piece.contains(['{', '}']) {
        return Err(TemplateErrorKind::PartialParameter);
    }
    if piece.contains('*') || piece.starts_with(':') {
        return Err(TemplateErrorKind::Wildcard);
    }
    if piece.is_empty() && !may_be_empty {
        return Err(TemplateErrorKind::Literal(PathRefusal::EmptySegment));
    }
    // A literal may hold whatever a configuration may opt in to.
    let options = PathOptions { allow_encoded_slash: true, allow_semicolon: true, ..PathOptions::default() };
    path::check_segment(piece.as_bytes(), &options).map_err(TemplateErrorKind::Literal)?;
    let text = path::percent_decode(piece).ok_or(TemplateErrorKind::Literal(PathRefusal::NotUtf8))?;
    Ok(Segment::Literal(text.into_owned()))
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.offset)
    }
}

impl fmt::Display for TemplateErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DuplicateName => "parameter name is used twice",
            Self::InvalidName => "expected a parameter name of letters, digits and `_`",
            Self::Literal(refusal) => return write!(f, "no request can match this: {refusal}"),
            Self::NotAbsolute => "expected a `/` at the beginning",
            Self::PartialParameter => "expected a parameter to be a whole segment, such as `{name}`",
            Self::RestNotLast => "expected `{name...}` to be the last segment",
            Self::TooManyParameters => "more than 16 parameters",
            Self::TooManySegments => "more than 64 segments",
            Self::Wildcard => "expected `{name}` for a segment or `{name...}` for the rest",
        })
    }
}

impl core::error::Error for TemplateError {}

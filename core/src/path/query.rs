//! The parameters of a query.

use super::percent_decode;
use alloc::{borrow::Cow, string::String};
use core::fmt;

/// Why a parameter has no value that all readers agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// Servers don't agree on whether the name occurs.
    Ambiguous,
    /// The name occurs more than once.
    Duplicate,
    /// A percent-escape is malformed, or the decoded text is not UTF-8.
    Encoding,
}

/// Names with their values, decoded as HTML forms encode them: `&` between parameters, `+` for a space.
#[derive(Clone, Copy, Debug)]
pub struct QueryParameters<'a> {
    rest: Option<&'a str>,
}

impl<'a> QueryParameters<'a> {
    pub(super) const fn new(query: Option<&'a str>) -> Self {
        Self { rest: query }
    }

    /// The value of the one parameter `name`, if there is one. A malformed name anywhere is an error, as it could be this one.
    pub fn get(self, name: &str) -> Result<Option<Cow<'a, str>>, QueryError> {
        let mut found = None;
        for (candidate, value) in self.raw() {
            if decode(candidate)? == name {
                if found.is_some() {
                    return Err(QueryError::Duplicate);
                }
                found = Some(decode(value)?);
            }
        }
        Ok(found)
    }

    /// Like [`Self::get`], but a query in which some servers would find the name, and others not, is an error: `;` divides
    /// parameters for some (HTML 4), and `name[]` or `name[key]` is `name` for others (PHP).
    pub fn strict(self, name: &str) -> Result<Option<Cow<'a, str>>, QueryError> {
        for (candidate, value) in self.raw() {
            let decoded = decode(candidate)?;
            let indexed = decoded.strip_prefix(name).is_some_and(|rest| rest.starts_with('['));
            if indexed || candidate.contains(';') || value.contains(';') {
                return Err(QueryError::Ambiguous);
            }
        }
        self.get(name)
    }

    fn raw(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.rest
            .into_iter()
            .flat_map(|query| query.split('&'))
            .filter(|piece| !piece.is_empty())
            .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
    }
}

/// Names and values in the order of the query; empty pieces are left out, a name alone has the empty value.
impl<'a> Iterator for QueryParameters<'a> {
    type Item = Result<(Cow<'a, str>, Cow<'a, str>), QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let query = self.rest?;
            let (piece, rest) = match query.split_once('&') {
                Some((piece, rest)) => (piece, Some(rest)),
                None => (query, None),
            };
            self.rest = rest;
            if !piece.is_empty() {
                let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                return Some(decode(name).and_then(|name| Ok((name, decode(value)?))));
            }
        }
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, QueryError> {
    if !text.contains('+') {
        return percent_decode(text).ok_or(QueryError::Encoding);
    }
    let spaced: String =
        text.chars().map(|character| if character == '+' { ' ' } else { character }).collect();
    let decoded = percent_decode(&spaced).ok_or(QueryError::Encoding)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ambiguous => "query is read in more than one way",
            Self::Duplicate => "query parameter is repeated",
            Self::Encoding => "query parameter is malformed",
        })
    }
}

impl core::error::Error for QueryError {}

//! Where a token says that its status is to be found.

use crate::fetch::Location;
use crate::json::Value;
use alloc::boxed::Box;
use core::fmt;

/// The member `status_list` of a token's claim `status` (draft-ietf-oauth-status-list-21 §6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `idx`: which of the list's statuses is the token's.
    pub index: u32,
    /// `uri`: the list's address. It is the token's word alone: who fetches from an address because a token says so can be sent anywhere.
    pub uri: Box<str>,
}

/// Why a claim `status` is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    /// `idx` is missing or no integer from 0 to 2³² − 1.
    Index,
    /// `status_list` is not an object.
    List,
    /// `status` is not an object.
    Status,
    /// `uri` is missing, too long, or no address that an HTTP call needs.
    Uri,
}

impl Reference {
    /// Reads a claim `status`; nothing where it has no `status_list`, and so speaks of other ways to learn the status (§6.1).
    pub fn read(status: &Value<'_>) -> Result<Option<Self>, ReferenceError> {
        let status = status.as_object().ok_or(ReferenceError::Status)?;
        let Some(list) = status.get("status_list") else { return Ok(None) };
        let list = list.as_object().ok_or(ReferenceError::List)?;
        let index = list.get("idx").and_then(Value::as_number).and_then(|index| index.as_u64());
        let index = index.and_then(|index| u32::try_from(index).ok()).ok_or(ReferenceError::Index)?;
        let uri = list.get("uri").and_then(Value::as_str).ok_or(ReferenceError::Uri)?;
        // Which cluster that would be is for the configuration to say.
        Location::parse(uri, "").ok_or(ReferenceError::Uri)?;
        Ok(Some(Self { index, uri: uri.into() }))
    }
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Index => "expected an integer from 0 to 4294967295 in `status.status_list.idx`",
            Self::List => "expected an object in `status.status_list`",
            Self::Status => "expected an object in `status`",
            Self::Uri => {
                "expected an http or https address of at most 2048 bytes in `status.status_list.uri`"
            }
        })
    }
}

impl core::error::Error for ReferenceError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};
    use alloc::format;

    fn read(status: &str) -> Result<Option<Reference>, ReferenceError> {
        Reference::read(&parse(status.as_bytes(), &Limits::TOKEN).unwrap())
    }

    #[test]
    fn reads_what_the_draft_shows() {
        let status = r#"{"status_list":{"idx":0,"uri":"https://example.com/statuslists/1"}}"#;
        let found = read(status).unwrap().unwrap();
        assert_eq!((found.index, &*found.uri), (0, "https://example.com/statuslists/1"));
    }

    #[test]
    fn what_is_not_known_is_ignored() {
        let status = r#"{"other":1,"status_list":{"x":[],"idx":4294967295,"uri":"http://a/b?c=d"}}"#;
        assert_eq!(read(status).unwrap().unwrap().index, u32::MAX);
        assert_eq!(read(r#"{"other":{"status_list":{}}}"#), Ok(None));
        assert_eq!(read("{}"), Ok(None));
    }

    #[test]
    fn an_index_is_an_integer_that_is_not_negative() {
        for index in ["-1", "-0", "1.0", "1e2", "4294967296", "18446744073709551616", "\"1\"", "null", "[1]"]
        {
            let status = format!(r#"{{"status_list":{{"idx":{index},"uri":"https://a/b"}}}}"#);
            assert_eq!(read(&status), Err(ReferenceError::Index), "{index}");
        }
        assert_eq!(read(r#"{"status_list":{"uri":"https://a/b"}}"#), Err(ReferenceError::Index));
    }

    #[test]
    fn an_address_is_one_and_bounded() {
        let long = format!(r#""https://a/{}""#, "b".repeat(2_039));
        for uri in [r#""""#, r#""/b""#, r#""ftp://a/b""#, r#""https://""#, r#""https://u@a/""#, "1", &long] {
            let status = format!(r#"{{"status_list":{{"idx":1,"uri":{uri}}}}}"#);
            assert_eq!(read(&status), Err(ReferenceError::Uri), "{uri}");
        }
        assert_eq!(read(r#"{"status_list":{"idx":1}}"#), Err(ReferenceError::Uri));
        let longest = format!(r#"{{"status_list":{{"idx":1,"uri":"https://a/{}"}}}}"#, "b".repeat(2_038));
        assert!(read(&longest).unwrap().is_some());
    }

    #[test]
    fn objects_are_objects() {
        assert_eq!(read("[]"), Err(ReferenceError::Status));
        assert_eq!(read("null"), Err(ReferenceError::Status));
        assert_eq!(read(r#"{"status_list":[]}"#), Err(ReferenceError::List));
        assert_eq!(read(r#"{"status_list":null}"#), Err(ReferenceError::List));
    }
}

//! The format of recordings: JSON Lines, strictly read and bounded. The first line says what it is, each other one is a request.
//!
//! This file knows of nothing but the core, so that the fuzz target reads it as it stands.

use std::collections::BTreeMap;

use countersign_core::json::{Limits, from_slice};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version that is written, and the only one that is read.
pub(crate) const VERSION: u32 = 1;

/// What one line may hold.
pub(crate) const LIMITS: Limits = Limits { max_bytes: 1 << 20, max_depth: 32, max_nodes: 20_000 };

/// Headers and properties of one request.
const HEADERS: usize = 1024;
const PROPERTIES: usize = 256;

/// The first line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// `recording`.
    pub(crate) countersign: String,
    /// The format's version.
    pub(crate) version: u32,
    /// When it began, in RFC 3339.
    pub(crate) time: String,
    /// SHA-256 of what ran then, in hexadecimal digits.
    pub(crate) runs: String,
}

/// A request and what was decided on it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    /// `request`.
    pub(crate) countersign: String,
    /// Its number in the recording.
    pub(crate) id: u64,
    /// When it came, in RFC 3339.
    pub(crate) time: String,
    /// The method.
    pub(crate) method: String,
    /// Scheme, authority and path with its query, credentials in it replaced.
    pub(crate) url: String,
    /// Its headers, but for those that were left out.
    pub(crate) headers: Vec<(String, String)>,
    /// The names of headers that held credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<String>,
    /// Properties of its connection, by path with dots: texts, numbers and truth values.
    pub(crate) properties: BTreeMap<String, Value>,
    /// What it was authenticated by.
    pub(crate) credential: Credential,
    /// `forwarded`, `answered`, or how else it ended.
    pub(crate) outcome: String,
    /// The status that the client got; 0 where it got none.
    pub(crate) status: u16,
    /// The audit line, where it was Countersign that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<Map<String, Value>>,
}

/// What is left of a credential.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credential {
    /// What it was.
    pub(crate) kind: Kind,
    /// Of a JWT, whether its signature was found good, or bad; else nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<bool>,
    /// Of a JWT, `typ`, `alg` and `kid` of its header.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) header: Map<String, Value>,
    /// Of a JWT, its claims.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) claims: Map<String, Value>,
    /// Whether a proof of possession came with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) proof: bool,
}

/// What a credential was.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// There was none.
    #[default]
    None,
    /// A signed token.
    Jwt,
    /// A token that says nothing by itself.
    Opaque,
    /// An API key.
    ApiKey,
    /// Something else, or more than one.
    Other,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// What the file is.
    Head(Head),
    /// A request.
    Request(Box<Recorded>),
    /// An audit line, of a log or of the filter's own output.
    Audit(Map<String, Value>),
}

#[derive(Deserialize)]
struct Kinded {
    countersign: String,
}

/// Reads a line. `None` where it is nothing of Countersign's, as most lines of a gateway's log are.
pub(crate) fn parse(line: &str) -> Result<Option<Line>, String> {
    let Some(start) = line.find("{\"countersign\":") else { return Ok(None) };
    let (before, document) = line.split_at(start);
    let document = document.trim_end();
    let faulty = |error: countersign_core::json::PathError| match error.path.as_str() {
        "" => error.message,
        path => format!("`{path}`: {}", error.message),
    };
    let kind: Kinded = from_slice(document.as_bytes(), &LIMITS).map_err(faulty)?;
    if kind.countersign != "audit" && !before.is_empty() {
        return Err(format!("expected a line of its own, found `{}` before it", before.escape_debug()));
    }
    match kind.countersign.as_str() {
        "recording" => {
            let head: Head = from_slice(document.as_bytes(), &LIMITS).map_err(faulty)?;
            if head.version != VERSION {
                return Err(format!("`version`: expected {VERSION}, found {}", head.version));
            }
            Ok(Some(Line::Head(head)))
        }
        "request" => {
            let recorded: Recorded = from_slice(document.as_bytes(), &LIMITS).map_err(faulty)?;
            bounded(&recorded)?;
            Ok(Some(Line::Request(Box::new(recorded))))
        }
        "audit" => Ok(Some(Line::Audit(from_slice(document.as_bytes(), &LIMITS).map_err(faulty)?))),
        other => Err(format!(
            "`countersign`: expected `recording`, `request` or `audit`, found `{}`",
            other.escape_debug()
        )),
    }
}

fn bounded(recorded: &Recorded) -> Result<(), String> {
    if recorded.headers.len() > HEADERS {
        return Err(format!("`headers`: expected at most {HEADERS}, found {}", recorded.headers.len()));
    }
    if recorded.properties.len() > PROPERTIES {
        return Err(format!(
            "`properties`: expected at most {PROPERTIES}, found {}",
            recorded.properties.len()
        ));
    }
    let plain = |value: &Value| value.is_string() || value.is_boolean() || value.is_i64() || value.is_u64();
    if let Some((name, _)) = recorded.properties.iter().find(|(_, value)| !plain(value)) {
        return Err(format!("`properties.{name}`: expected a text, an integer or a truth value"));
    }
    Ok(())
}

/// Writes a line as it is read.
pub(crate) fn write(line: &Line) -> String {
    let written = match line {
        Line::Head(head) => serde_json::to_string(head),
        Line::Request(recorded) => serde_json::to_string(recorded),
        Line::Audit(audit) => {
            // The member by which a line is found comes first.
            let mut rest = audit.clone();
            rest.remove("countersign");
            let rest = serde_json::to_string(&rest).unwrap_or_default();
            let rest = rest.strip_prefix('{').unwrap_or_default();
            let comma = if rest.len() > 1 { "," } else { "" };
            return format!("{{\"countersign\":\"audit\"{comma}{rest}");
        }
    };
    written.unwrap_or_default()
}

#[cfg(test)]
mod tests;

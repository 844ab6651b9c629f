//! What a decision must be.

use super::short::Short;
use crate::case::shortfalls;
use crate::engine::{Decision, Outcome};
use countersign_host_sim::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// An expectation. What is not named may be anything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    #[serde(default)]
    decision: Option<String>,
    #[serde(default)]
    layer: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    principal: Option<String>,
    /// The determining policies, in any order.
    #[serde(default)]
    policies: Option<Vec<String>>,
    /// Headers that go upstream; `null` for one that must not, `*` in a value for anything, an object for a token.
    #[serde(default)]
    upstream: BTreeMap<String, Option<Short<Carried>>>,
    /// Headers of the refusal, in the same form.
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    /// The challenge of the refusal, in the same form.
    #[serde(default, rename = "www-authenticate")]
    challenge: Option<String>,
    /// Other members of the decision record.
    #[serde(default)]
    record: Map<String, Value>,
}

/// What a header holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Carried {
    /// The file's token of this name, as a bearer token.
    token: String,
}

impl Expect {
    /// Reads an expectation: an object, `allow`, `deny` or a reason code.
    pub(super) fn read(value: &Value) -> Result<Self, (String, String)> {
        match value {
            Value::String(text) if text == "allow" || text == "deny" => {
                Ok(Self { decision: Some(text.clone()), ..Self::default() })
            }
            Value::String(text) => Ok(Self { reason: Some(text.clone()), ..Self::default() }),
            value => super::run::read(value),
        }
    }

    /// Whether it demands anything at all.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            decision,
            layer,
            reason,
            status,
            route,
            principal,
            policies,
            upstream,
            headers,
            challenge,
            record,
        } = self;
        [decision, layer, reason, route, principal, challenge].into_iter().all(Option::is_none)
            && status.is_none()
            && policies.is_none()
            && upstream.is_empty()
            && headers.is_empty()
            && record.is_empty()
    }

    /// In what a decision falls short; one line for each. `is_token` says whether a header's value is the file's token of a name.
    pub(super) fn shortfalls(
        &self,
        decision: &Decision,
        prefix: &str,
        is_token: impl Fn(&str, &str) -> Result<bool, String>,
    ) -> Result<String, String> {
        let record = decision.record(prefix);
        let mut expected = self.record.clone();
        for (name, want) in [
            ("decision", &self.decision),
            ("layer", &self.layer),
            ("reason", &self.reason),
            ("route", &self.route),
            ("principal", &self.principal),
        ] {
            if let Some(want) = want {
                expected.insert(name.to_owned(), want.as_str().into());
            }
        }
        if let Some(status) = self.status {
            expected.insert("status".to_owned(), status.into());
        }
        let mut lines = shortfalls(&expected, &record);
        if let Some(policies) = &self.policies {
            let mut want: Vec<&str> = policies.iter().map(String::as_str).collect();
            let have =
                record.get("policies").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let mut have: Vec<&str> = have.iter().filter_map(Value::as_str).collect();
            want.sort_unstable();
            have.sort_unstable();
            if want != have {
                _ = writeln!(lines, "`policies`: expected {want:?}, got {have:?}");
            }
        }
        let none = HeaderMap::new();
        let (upstream, back) = match &decision.outcome {
            Outcome::Forwarded(headers) => (headers, &none),
            Outcome::Replied { headers, .. } => (&none, headers),
            Outcome::Dropped => (&none, &none),
        };
        // Headers that are absent because the whole request is say nothing.
        let (forwarded, replied) = match &decision.outcome {
            Outcome::Forwarded(_) => (true, false),
            Outcome::Replied { .. } => (false, true),
            Outcome::Dropped => (false, false),
        };
        if !self.upstream.is_empty() && !forwarded {
            _ = writeln!(lines, "`upstream`: expected the request to be forwarded, it was not");
        }
        if (!self.headers.is_empty() || self.challenge.is_some()) && !replied {
            _ = writeln!(lines, "`headers`: expected the request to be refused, it was not");
        }
        for (name, want) in &self.upstream {
            match want {
                None => compare("upstream", name, None, upstream, &mut lines),
                Some(Short::Text(text)) => compare("upstream", name, Some(text), upstream, &mut lines),
                Some(Short::Whole(Carried { token })) => {
                    let have = value_of(upstream, name).unwrap_or_default();
                    if forwarded && !is_token(&have, token)? {
                        _ = writeln!(
                            lines,
                            "`upstream.{name}`: expected `Bearer` and the token `{token}`, got `{have}`"
                        );
                    }
                }
            }
        }
        for (name, want) in &self.headers {
            compare("headers", name, want.as_deref(), back, &mut lines);
        }
        if let Some(want) = &self.challenge {
            compare("headers", "www-authenticate", Some(want), back, &mut lines);
        }
        Ok(lines)
    }
}

fn compare(place: &str, name: &str, want: Option<&str>, headers: &HeaderMap, lines: &mut String) {
    let have = value_of(headers, name);
    let good = match (want, &have) {
        (None, None) => true,
        (Some(pattern), Some(have)) => matches(pattern, have),
        (None, Some(_)) | (Some(_), None) => false,
    };
    if !good {
        let shown =
            |text: Option<&str>| text.map_or_else(|| String::from("none"), |text| format!("`{text}`"));
        _ = writeln!(lines, "`{place}.{name}`: expected {}, got {}", shown(want), shown(have.as_deref()));
    }
}

/// What a header holds, each of its values.
fn value_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let values: Vec<String> =
        headers.get_all(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fits) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abbc", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}

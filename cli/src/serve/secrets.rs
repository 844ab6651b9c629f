//! What is never shown or written down: credentials, wherever they stand in a request.
//!
//! Headers are shown that are known to hold none; of everything else, what can be told for a credential is taken out.

mod names;
mod scrub;
mod words;

use std::collections::BTreeSet;

use countersign_core::config::{AttributeSource, Attributes, Config};
use serde_json::{Map, Value};

#[cfg(test)]
pub(crate) use names::SHOWN;
#[cfg(test)]
pub(crate) use scrub::decoded;
pub(crate) use scrub::{Kind, SECRET, scrub};

/// Members of audit lines, and claims, that name somebody or something, however random the names are.
const IDENTIFIERS: [&str; 26] = [
    "act",
    "action",
    "actors",
    "aud",
    "azp",
    "client",
    "client_id",
    "cnf",
    "decision_id",
    "gateway",
    "image",
    "iss",
    "issuer",
    "jti",
    "key_id",
    "may_act",
    "peer",
    "policies",
    "principal",
    "route",
    "sid",
    "sub",
    "subject",
    "token_id",
    "upstream_token",
    "workload",
];

/// Tells credentials from everything else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    /// The header of the configured API keys.
    api_key: Option<String>,
    /// Headers that the configuration reads, and what those begin with that it writes.
    read: BTreeSet<String>,
    prefix: Option<String>,
    /// Headers that somebody asked to see.
    asked: Vec<String>,
    /// Whether it is another module than Countersign's that runs: what it logs is no audit line.
    other: bool,
}

impl Secrets {
    /// With what a configuration says of headers, and those that are to be shown beside the usual ones.
    pub(crate) fn new(config: Option<&Config>, asked: &[String]) -> Self {
        let asked = asked.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { asked, ..Self::default() }.under(config)
    }

    /// The same under another configuration.
    pub(crate) fn under(&self, config: Option<&Config>) -> Self {
        let api_keys = config.and_then(|config| config.api_keys.as_ref());
        Self {
            api_key: api_keys.map(|keys| keys.header.to_ascii_lowercase()),
            read: config.map(headers_read).unwrap_or_default(),
            prefix: config.map(|config| config.forward.prefix.to_ascii_lowercase()),
            asked: self.asked.clone(),
            other: config.is_none(),
        }
    }

    /// Whether audit lines are those of Countersign.
    pub(crate) fn trusts_audit(&self) -> bool {
        !self.other
    }

    /// What a header's value is shown as. `None` where it can be shown as it is.
    pub(crate) fn header(&self, name: &str, value: &[u8]) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let text = String::from_utf8_lossy(value);
        let shown = match name.as_str() {
            ":path" => self.path(&text),
            ":authority" => self.authority(&text),
            _ if name.starts_with(':') || self.shows(&name) => scrub(&text, Kind::Text).into_owned(),
            _ => return Some(self.hidden(&name, &text, value.len())),
        };
        (shown != text).then_some(shown)
    }

    /// Whether a header's values are shown, once they are scrubbed.
    fn shows(&self, name: &str) -> bool {
        if names::is_credential(name) || self.api_key.as_deref() == Some(name) {
            return false;
        }
        let own = self.prefix.as_deref().and_then(|prefix| name.strip_prefix(prefix));
        names::is_shown(name)
            || self.asked.iter().any(|asked| asked == name)
            // Its kind, and not itself.
            || own == Some("credential")
            || (own.is_some() || self.read.contains(name)) && !names::is_secret(name)
    }

    /// What stands in the place of a header's value.
    fn hidden(&self, name: &str, text: &str, bytes: usize) -> String {
        let secret =
            names::is_credential(name) || self.api_key.as_deref() == Some(name) || names::is_secret(name);
        let word = if secret { "secret" } else { "hidden" };
        // The scheme says which kind of credential it is, and nothing of it.
        let scheme = text.split_once(' ').map(|(scheme, _)| scheme).filter(|scheme| {
            let is_word = scheme.len() < 16 && scheme.bytes().all(|byte| byte.is_ascii_alphabetic());
            name.ends_with("authorization") && is_word
        });
        match scheme {
            Some(scheme) => format!("{scheme} ({word}, {} bytes)", bytes - scheme.len() - 1),
            None => format!("({word}, {bytes} bytes)"),
        }
    }

    /// A request target as it can be shown.
    pub(crate) fn path(&self, path: &str) -> String {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut shown = scrub(path, Kind::Path).into_owned();
        if let Some(query) = query {
            let parameter = |pair: &str| match pair.split_once('=') {
                Some((name, value)) => {
                    let secret = names::is_secret(name) && !value.is_empty();
                    let value = if secret { SECRET.into() } else { scrub(value, Kind::Text) };
                    format!("{}={value}", scrub(name, Kind::Text))
                }
                None => scrub(pair, Kind::Text).into_owned(),
            };
            let parameters: Vec<String> = query.split('&').map(parameter).collect();
            shown.push('?');
            shown.push_str(&parameters.join("&"));
        }
        shown
    }

    /// A host with its port, without the user and password that may stand before it.
    pub(crate) fn authority(&self, authority: &str) -> String {
        match authority.rsplit_once('@') {
            Some((_, host)) => format!("{SECRET}@{}", scrub(host, Kind::Text)),
            None => scrub(authority, Kind::Text).into_owned(),
        }
    }

    /// An audit line as it can be shown.
    pub(crate) fn audit(&self, audit: Map<String, Value>) -> Map<String, Value> {
        let shown = |(name, value): (String, Value)| {
            let value = match (name.as_str(), value) {
                ("path", Value::String(path)) => self.path(&path).into(),
                (member, value) if IDENTIFIERS.contains(&member) => each(value, Kind::Identifier),
                (_, value) => each(value, Kind::Text),
            };
            (name, value)
        };
        audit.into_iter().map(shown).collect()
    }
}

/// The members of a token's header that are kept, which name a kind, an algorithm and a key.
pub(crate) fn header(header: Map<String, Value>) -> Map<String, Value> {
    header.into_iter().map(|(name, value)| (name, each(value, Kind::Identifier))).collect()
}

/// A token's claims as they can be shown: what they name, and nothing that is a credential of its own.
pub(crate) fn claims(claims: Map<String, Value>) -> Map<String, Value> {
    let shown = |(name, value): (String, Value)| {
        let value = match name.as_str() {
            name if IDENTIFIERS.contains(&name) => each(value, Kind::Identifier),
            name if names::is_secret_member(name) => hide(value),
            _ => each(value, Kind::Text),
        };
        (scrub(&name, Kind::Text).into_owned(), value)
    };
    claims.into_iter().map(shown).collect()
}

/// A value whose texts hold no credential.
fn each(value: Value, kind: Kind) -> Value {
    match value {
        Value::String(text) => scrub(&text, kind).into_owned().into(),
        Value::Array(items) => items.into_iter().map(|item| each(item, kind)).collect(),
        Value::Object(members) if kind == Kind::Text => Value::Object(claims(members)),
        Value::Object(members) => {
            let shown = |(name, value): (String, Value)| (scrub(&name, kind).into_owned(), each(value, kind));
            Value::Object(members.into_iter().map(shown).collect())
        }
        other => other,
    }
}

/// The same where the texts are credentials themselves, by their name.
fn hide(value: Value) -> Value {
    match value {
        Value::String(_) => SECRET.into(),
        Value::Array(items) => items.into_iter().map(hide).collect(),
        other => each(other, Kind::Text),
    }
}

/// The headers that attributes come from.
fn headers_read(config: &Config) -> BTreeSet<String> {
    let of = |attributes: &Attributes| -> Vec<String> {
        let header = |source: &AttributeSource| match source {
            AttributeSource::Header(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        };
        attributes.values().filter_map(header).collect()
    };
    let issuers = config.issuers.iter().map(|issuer| &issuer.principal.attributes);
    let routes = config.routes.iter().map(|route| &route.context);
    let resources = config.routes.iter().filter_map(|route| Some(&route.resource.as_ref()?.attributes));
    [&config.context].into_iter().chain(issuers).chain(routes).chain(resources).flat_map(of).collect()
}

#[cfg(test)]
mod tests;

//! Documents that people write: YAML or JSON, read into a tree that remembers where everything stands, so that a fault
//! found by the field's path can be shown by line and column.

use crate::failure::Failure;
use countersign_core::json;
use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter};
use std::fmt;
use std::path::Path;

/// A document and its name.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    name: String,
    root: Spanned<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Scalar(serde_json::Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

impl Document {
    /// Reads a file.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        crate::inputs::note(path);
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::at(path.display(), format!("expected a readable YAML or JSON file: {error}"))
        })?;
        Self::parse(path.display().to_string(), &text)
    }

    /// Reads a text; `name` is what faults call it.
    pub(crate) fn parse(name: impl Into<String>, text: &str) -> Result<Self, Failure> {
        let name = name.into();
        let options = serde_saphyr::options! { strict_booleans: true, reject_unsupported_tags: true };
        match serde_saphyr::from_str_with_options(text, options) {
            Ok(root) => Ok(Self { name, root }),
            Err(error) => {
                let place = error.location().map_or_else(
                    || name.clone(),
                    |location| format!("{name}:{}:{}", location.line(), location.column()),
                );
                let bare = error.without_snippet();
                // The place stands in front.
                let message = UserMessageFormatter.format_message(bare);
                let first = message.lines().next().unwrap_or_default();
                let failure = Failure::at(place, format!("expected YAML or JSON: {first}"));
                let frame = error.render_with_formatter(&UserMessageFormatter);
                let lines: Vec<&str> = frame.lines().skip(1).collect();
                Err(failure.details(lines.join("\n").replace("<input>", &name)))
            }
        }
    }

    /// Reads a `T` with the reader that the filter uses, so that both accept the same and say the same.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let text = self.root.value.to_json().to_string();
        json::from_slice(text.as_bytes(), &json::Limits::CONFIGURATION)
            .map_err(|error| self.fault(&error.path, &error.message))
    }

    /// Whether it is an object with a member of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        matches!(&self.root.value, Node::Map(members) if members.iter().any(|(member, _)| member == name))
    }

    /// Whether it is a list.
    pub(crate) fn is_list(&self) -> bool {
        matches!(&self.root.value, Node::List(_))
    }

    /// Whether an entry of the list at `path` is an object with one of these members.
    pub(crate) fn has_entry_with(&self, path: &str, names: &[&str]) -> bool {
        let is_one = |entry: &Spanned<Node>| matches!(&entry.value, Node::Map(members) if members.iter().any(|(member, _)| names.contains(&member.as_str())));
        matches!(&self.at(path).value, Node::List(entries) if entries.iter().any(is_one))
    }

    /// A fault of the field at `path`, such as `routes[2].path`.
    pub(crate) fn fault(&self, path: &str, message: impl fmt::Display) -> Failure {
        if path.is_empty() {
            Failure::at(self.place(path), message)
        } else {
            Failure::at(self.place(path), format!("`{path}`: {message}"))
        }
    }

    /// Where the field at `path` stands, or the innermost field around it that is there: `file:line:column`.
    pub(crate) fn place(&self, path: &str) -> String {
        let at = self.at(path);
        format!("{}:{}:{}", self.name, at.referenced.line(), at.referenced.column())
    }

    /// What stands at `path`, or the innermost field around it that is there.
    fn at(&self, path: &str) -> &Spanned<Node> {
        let mut at = &self.root;
        for step in steps(path) {
            let inner = match (&at.value, step) {
                (Node::List(items), Step::Index(index)) => items.get(index),
                (Node::Map(members), Step::Name(name)) => {
                    members.iter().find(|(member, _)| *member == name).map(|(_, value)| value)
                }
                (Node::Scalar(_) | Node::List(_) | Node::Map(_), _) => None,
            };
            let Some(inner) = inner else { break };
            at = inner;
        }
        at
    }
}

enum Step {
    Name(String),
    Index(usize),
}

/// The steps of a path: `a.b[2]["c d"]`.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (name, after) = quoted.split_once("\"]").unwrap_or((quoted, ""));
            steps.push(Step::Name(name.to_owned()));
            rest = after;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']').unwrap_or((index, ""));
            steps.push(index.parse().map_or_else(|_| Step::Name(index.to_owned()), Step::Index));
            rest = after;
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            steps.push(Step::Name(name.to_owned()));
            rest = after;
        }
    }
    steps
}

impl Node {
    fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Map(members) => {
                members.iter().map(|(name, value)| (name.clone(), value.value.to_json())).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(serde_json::Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "version: 1\nroutes:\n  - name: a\n    path: /a\n  - name: b\n    \"odd name\": {x: 5}\n";

    #[test]
    fn fields_are_found_by_their_path() {
        let document = Document::parse("f", TEXT).unwrap();
        for (path, place) in [
            ("", "f:1:1"),
            ("version", "f:1:10"),
            ("routes[0].path", "f:4:11"),
            ("routes[1]", "f:5:5"),
            ("routes[1][\"odd name\"].x", "f:6:21"),
            ("routes[1].absent.deeper", "f:5:5"),
            ("routes[7]", "f:3:3"),
        ] {
            assert_eq!(document.place(path), place, "{path}");
        }
    }

    #[test]
    fn faults_name_place_path_and_expectation() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct One {
            #[expect(dead_code, reason = "only read")]
            version: u32,
        }
        let read = |text: &str| Document::parse("f", text).and_then(|document| document.read::<One>());
        assert!(read("version: 1").is_ok());
        assert!(read("{\"version\": 1}").is_ok());
        for (text, start) in [
            ("version: one", "f:1:10: `version`: expected"),
            ("version: 1\nextra: 2", "f:2:8: `extra`: unknown field, expected `version`"),
            ("version: 1\nversion: 2", "f:2:1: expected YAML or JSON"),
            ("version: [1", "f:"),
        ] {
            let fault = read(text).unwrap_err().to_string();
            assert!(fault.starts_with(start), "{fault}");
        }
    }
}

//! The members of a JSON object as they are written, so that what no serializer writes can be.

use crate::differential::Random;

/// Names and values, both raw JSON.
#[derive(Clone)]
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    /// From names in plain text and raw values.
    pub(super) fn new<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        Self(members.into_iter().map(|(name, value)| (quoted(name), value)).collect())
    }

    /// Sets a member to a raw value, in its place or at the end.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        let name = quoted(name);
        match self.0.iter_mut().find(|(have, _)| *have == name) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((name, value.into())),
        }
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(have, _)| *have != quoted(name));
    }

    /// Changes how the members are written, not one by its meaning.
    pub(super) fn rewrite(&mut self, random: &mut Random) -> &'static str {
        let at = random.below(self.0.len());
        let Some((name, value)) = self.0.get(at).cloned() else { return "same" };
        match random.below(6) {
            0 => {
                self.0.push((name, value));
                "duplicate"
            }
            1 => {
                self.0.push((name, other(&value)));
                "duplicate-last-differs"
            }
            2 => {
                self.0.insert(0, (name, other(&value)));
                "duplicate-first-differs"
            }
            3 => {
                self.0[at].0 = escaped(&name);
                "escaped-name"
            }
            4 => {
                self.0[at].1 = escaped(&value);
                "escaped-value"
            }
            _ => {
                self.0.reverse();
                "order"
            }
        }
    }

    /// The object.
    pub(super) fn text(&self) -> Vec<u8> {
        let members: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    }
}

/// A JSON string of plain text.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Another value of the same type.
fn other(value: &str) -> String {
    match value.strip_prefix('"') {
        Some(rest) => format!("\"x{rest}"),
        None => "1".to_owned(),
    }
}

/// The same string with an escape for its first character.
fn escaped(raw: &str) -> String {
    let mut chars = raw.chars();
    match (chars.next(), chars.next()) {
        (Some('"'), Some(first)) if first != '"' && first != '\\' => {
            format!("\"\\u{:04x}{}", u32::from(first), chars.as_str())
        }
        _ => raw.to_owned(),
    }
}

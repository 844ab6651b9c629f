//! Annotations of the schema that mean something to us: what is sensitive, what a client writes freely, which rules of the
//! linter are silenced.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::SchemaFragment;
use serde_json::Value;

use crate::{
    error::{CompileErrors, from_diagnostic},
    source::Source,
};

/// Annotations of the schema, by what they are about: `User`, `User.name`, `context.name`.
#[derive(Default)]
pub(crate) struct Marks {
    sensitive: BTreeSet<String>,
    pub(crate) unverified: BTreeSet<String>,
    allowed: BTreeMap<String, BTreeSet<String>>,
}

/// How deep records of a schema are followed; common types may refer to each other.
const DEEPEST: usize = 16;

impl Marks {
    pub(crate) fn read(source: &Source) -> Result<Self, CompileErrors> {
        let errors = |error: &dyn miette::Diagnostic| CompileErrors(from_diagnostic(source, error));
        let json = if source.name.ends_with(".json") {
            serde_json::from_str(&source.text).unwrap_or_default()
        } else {
            let (fragment, _) =
                SchemaFragment::from_cedarschema_str(&source.text).map_err(|error| errors(&error))?;
            fragment.to_json_value().map_err(|error| errors(&error))?
        };
        let mut marks = Self::default();
        for (namespace, definition) in json.as_object().into_iter().flatten() {
            let full = |name: &str| {
                if namespace.is_empty() { name.to_owned() } else { format!("{namespace}::{name}") }
            };
            let types = definition.get("commonTypes");
            for (name, entity) in members(definition.get("entityTypes")) {
                marks.note(&full(name), entity);
                if let Some(shape) = entity.get("shape") {
                    marks.shape(&full(name), shape, types, 0);
                }
            }
            for (_, action) in members(definition.get("actions")) {
                if let Some(context) = action.get("appliesTo").and_then(|applies| applies.get("context")) {
                    marks.shape("context", context, types, 0);
                }
            }
        }
        Ok(marks)
    }

    fn shape(&mut self, path: &str, shape: &Value, types: Option<&Value>, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        let name = ["type", "name"].map(|member| shape.get(member).and_then(Value::as_str));
        for name in name.into_iter().flatten() {
            if let Some(common) = types.and_then(|types| types.get(name)) {
                self.note(path, common);
                self.shape(path, common, types, depth + 1);
            }
        }
        for (name, attribute) in members(shape.get("attributes")) {
            let path = format!("{path}.{name}");
            self.note(&path, attribute);
            self.shape(&path, attribute, types, depth + 1);
        }
    }

    fn note(&mut self, path: &str, declaration: &Value) {
        for (name, text) in members(declaration.get("annotations")) {
            match name.as_str() {
                "sensitive" => {
                    self.sensitive.insert(path.to_owned());
                }
                "unverified" => {
                    self.unverified.insert(path.to_owned());
                }
                "allow" => {
                    let rules = names(text.as_str().unwrap_or_default());
                    self.allowed.entry(path.to_owned()).or_default().extend(rules);
                }
                _ => {}
            }
        }
    }

    /// Whether the declaration at a path silences a rule.
    pub(crate) fn allow(&self, path: &str, rule: &str) -> bool {
        self.allowed.get(path).is_some_and(|rules| rules.contains(rule))
    }

    /// Why an entity type is sensitive, if it is.
    pub(crate) fn sensitive(&self, ty: &str) -> Option<String> {
        if self.sensitive.contains(ty) {
            return Some(format!("`{ty}` is sensitive"));
        }
        let attribute = self
            .sensitive
            .iter()
            .find(|path| path.strip_prefix(ty).is_some_and(|rest| rest.starts_with('.')))?;
        Some(format!("`{attribute}` is sensitive"))
    }

    /// What is sensitive, in order: `User`, `User.ssn`, `context.card`.
    pub(crate) fn sensitive_paths(&self) -> impl Iterator<Item = &str> {
        self.sensitive.iter().map(String::as_str)
    }
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

/// The names in `@allow("a, b")`.
pub(crate) fn names(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

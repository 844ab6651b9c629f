//! Annotations of the schema that mean something to us: what is sensitive, what a client writes freely, which rules of the
//! linter are silenced.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::policy::schema::TAGS;
use serde_json::Value;

use crate::{
    declarations::{Declarations, Named, full, members},
    error::CompileErrors,
    source::Source,
};

/// Annotations of the schema, by what they are about: `User`, `User.name`, `context.name`.
#[derive(Default)]
pub(crate) struct Marks {
    sensitive: BTreeSet<String>,
    pub(crate) unverified: BTreeSet<String>,
    allowed: BTreeMap<String, BTreeSet<String>>,
}

/// How many declarations of a schema are looked at, and how deep: common types may name each other many times over.
/// What lies beyond counts as sensitive.
const MOST: usize = 200_000;
const DEEPEST: usize = 64;

impl Marks {
    pub(crate) fn read(source: &Source) -> Result<Self, CompileErrors> {
        let declarations = Declarations::read(source)?;
        let named = declarations.named();
        let mut marks = Self::default();
        let mut left = MOST;
        for (namespace, definition) in declarations.namespaces() {
            let mut follow = Follow { marks: &mut marks, named: &named, left: &mut left };
            for (name, entity) in members(definition.get("entityTypes")) {
                let path = full(namespace, name);
                follow.marks.note(&path, entity);
                if let Some(shape) = entity.get("shape") {
                    follow.shape(&path, shape, namespace, 0);
                }
                if let Some(tags) = entity.get("tags") {
                    follow.marks.note(&format!("{path}.{TAGS}"), tags);
                    follow.shape(&format!("{path}.{TAGS}"), tags, namespace, 0);
                }
            }
            for (_, action) in members(definition.get("actions")) {
                if let Some(context) = action.get("appliesTo").and_then(|applies| applies.get("context")) {
                    follow.shape("context", context, namespace, 0);
                }
            }
        }
        Ok(marks)
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

/// The way through the types.
struct Follow<'m, 'j> {
    marks: &'m mut Marks,
    named: &'m Named<'j>,
    left: &'m mut usize,
}

impl Follow<'_, '_> {
    fn shape(&mut self, path: &str, shape: &Value, namespace: &str, depth: usize) {
        let Some(left) = self.left.checked_sub(1).filter(|_| depth <= DEEPEST) else {
            self.marks.sensitive.insert(path.to_owned());
            return;
        };
        *self.left = left;
        for (namespace, part) in self.named.meant(namespace, shape) {
            self.marks.note(path, part);
            self.shape(path, part, namespace, depth + 1);
        }
        // A set is as sensitive as what it holds.
        if let Some(element) = shape.get("element") {
            self.marks.note(path, element);
            self.shape(path, element, namespace, depth + 1);
        }
        for (name, attribute) in members(shape.get("attributes")) {
            let path = format!("{path}.{name}");
            self.marks.note(&path, attribute);
            self.shape(&path, attribute, namespace, depth + 1);
        }
    }
}

/// The names in `@allow("a, b")`.
pub(crate) fn names(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

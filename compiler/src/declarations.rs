//! A schema as it is written, with what the official crate's own form of it has lost: annotations, and types by name.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::SchemaFragment;
use serde_json::Value;

use crate::{
    error::{CompileError, CompileErrors, from_diagnostic},
    nesting,
    source::Source,
};

/// How many attributes and types a schema may come to, with every name replaced by what it stands for. The official
/// crate writes them all out, so that a short schema could fill any memory.
const MOST: u64 = 100_000;

/// A schema in Cedar's JSON form.
pub(crate) struct Declarations(Value);

/// The types with a name of their own, by it in full.
pub(crate) struct Named<'j>(BTreeMap<String, (&'j str, &'j Value)>);

impl Declarations {
    /// Reads a schema's text; none is longer, written out, than [`MOST`].
    pub(crate) fn read(source: &Source) -> Result<Self, CompileErrors> {
        let errors = |error: &dyn miette::Diagnostic| CompileErrors(from_diagnostic(source, error));
        let json = if source.name.ends_with(".json") {
            // What is no JSON is told by the official crate.
            serde_json::from_str(&source.text).unwrap_or_default()
        } else {
            if let Err(deep) = nesting::check(&source.text) {
                return Err(CompileError::at(source, deep.offset, 1, deep.message).into());
            }
            let (fragment, _) =
                SchemaFragment::from_cedarschema_str(&source.text).map_err(|error| errors(&error))?;
            fragment.to_json_value().map_err(|error| errors(&error))?
        };
        let declarations = Self(json);
        let size = declarations.size();
        if size > MOST {
            let message = format!(
                "expected types of at most {MOST} attributes, with each name replaced by what it stands for, found {size}"
            );
            return Err(CompileError::whole(source, message).into());
        }
        Ok(declarations)
    }

    /// Its namespaces.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = (&String, &Value)> {
        members(Some(&self.0))
    }

    pub(crate) fn named(&self) -> Named<'_> {
        let mut named = BTreeMap::new();
        for (namespace, definition) in self.namespaces() {
            for (name, ty) in members(definition.get("commonTypes")) {
                named.insert(full(namespace, name), (namespace.as_str(), ty));
            }
        }
        Named(named)
    }

    fn size(&self) -> u64 {
        let named = self.named();
        let mut sizes = HashMap::new();
        let mut all: u64 = 0;
        for (namespace, definition) in self.namespaces() {
            let entities = members(definition.get("entityTypes"))
                .flat_map(|(_, entity)| [entity.get("shape"), entity.get("tags")]);
            let contexts = members(definition.get("actions"))
                .map(|(_, action)| action.get("appliesTo").and_then(|applies| applies.get("context")));
            for ty in entities.chain(contexts).flatten() {
                all = all.saturating_add(named.size(namespace, ty, &mut sizes));
            }
        }
        all
    }
}

impl<'j> Named<'j> {
    /// What the names mean that a type in `namespace` goes by: namespaces and declarations.
    pub(crate) fn meant(&self, namespace: &str, ty: &Value) -> Vec<(&'j str, &'j Value)> {
        let names = ["type", "name"].map(|member| ty.get(member).and_then(Value::as_str));
        let find = |name: &str| self.0.get(&full(namespace, name)).or_else(|| self.0.get(name)).copied();
        names.into_iter().flatten().filter_map(find).collect()
    }

    /// Recursion is bounded by the nesting of the text and of the names; a name within itself is refused elsewhere.
    fn size(&self, namespace: &str, ty: &'j Value, sizes: &mut HashMap<*const Value, u64>) -> u64 {
        if let Some(size) = sizes.get(&std::ptr::from_ref(ty)) {
            return *size;
        }
        sizes.insert(ty, 1);
        let mut size: u64 = 1;
        for (namespace, part) in parts(self, namespace, ty) {
            size = size.saturating_add(self.size(namespace, part, sizes));
        }
        sizes.insert(ty, size);
        size
    }
}

/// What a type is made of: what its names mean, its elements, its attributes.
fn parts<'n, 'j: 'n>(named: &Named<'j>, namespace: &'n str, ty: &'j Value) -> Vec<(&'n str, &'j Value)> {
    let meant = named.meant(namespace, ty);
    let held = ty.get("element").into_iter().chain(members(ty.get("attributes")).map(|(_, ty)| ty));
    meant.into_iter().chain(held.map(|ty| (namespace, ty))).collect()
}

pub(crate) fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

/// A name of a namespace, in full.
pub(crate) fn full(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}::{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubling(levels: usize) -> Source {
        let types = (1..=levels).map(|at| format!("type T{at} = {{ a: T{0}, b: T{0} }};", at - 1));
        let text = format!("type T0 = Long; {} entity E {{ x: T{levels} }};", types.collect::<String>());
        Source::new("a.cedarschema", text)
    }

    #[test]
    fn types_that_name_each_other_many_times_over_are_refused() {
        assert!(Declarations::read(&doubling(10)).is_ok());
        for levels in [20, 60, 200] {
            let errors = Declarations::read(&doubling(levels)).err().unwrap();
            assert!(errors.to_string().contains("expected types of at most 100000 attributes"), "{errors}");
        }
        let own = "type A = { a: A }; entity E { x: A };";
        assert!(Declarations::read(&Source::new("a.cedarschema", own)).is_ok());
    }
}

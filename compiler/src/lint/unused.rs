//! Declared and described, and yet of no consequence.

use std::collections::BTreeSet;

use cedar_policy_core::{
    ast::{Expr, ExprKind, Literal},
    validator::types::{EntityKind, Type},
};

use super::{
    Finding, Rule,
    subject::{Party, Subject, World, type_of},
    typing::{declared, within},
};
use crate::{error::CompileError, source::Source};

pub(super) fn lint(subjects: &[Subject<'_>], world: &World<'_>, findings: &mut Vec<Finding>) {
    entities(subjects, world, findings);
    attributes(subjects, world, findings);
}

/// Entities that a policy names.
fn named(subjects: &[Subject<'_>]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for subject in subjects {
        for party in [&subject.principal, &subject.resource] {
            if let Party::Eq(uid) | Party::In(uid) | Party::IsIn(_, uid) = party {
                named.insert(uid.clone());
            }
        }
        for part in subject.condition.into_iter().flat_map(within) {
            if let ExprKind::Lit(Literal::EntityUID(uid)) = part.expr_kind() {
                named.insert(uid.to_string());
            }
        }
    }
    named
}

/// Types whose entities a request may ask about, or bring as values.
fn asked(world: &World<'_>) -> BTreeSet<String> {
    fn add(ty: &Type, types: &mut BTreeSet<String>) {
        match ty {
            Type::Entity(EntityKind::Entity(lub)) => {
                types.extend(lub.get_single_entity().map(ToString::to_string));
            }
            Type::Set { element_type: Some(element) } => add(element, types),
            Type::Record { attrs, .. } => {
                attrs.iter().for_each(|(_, attribute)| add(&attribute.attr_type, types))
            }
            _ => {}
        }
    }
    let mut types = BTreeSet::new();
    for action in world.actions() {
        types.extend(action.principals().chain(action.resources()).map(ToString::to_string));
        action.context().into_iter().for_each(|context| add(context, &mut types));
    }
    for entity in world.schema.entity_types() {
        entity.attributes().iter().for_each(|(_, attribute)| add(&attribute.attr_type, &mut types));
        entity.tag_type().into_iter().for_each(|tags| add(tags, &mut types));
    }
    types
}

fn entities(subjects: &[Subject<'_>], world: &World<'_>, findings: &mut Vec<Finding>) {
    let Some(source) = world.entities_source else { return };
    let (named, asked) = (named(subjects), asked(world));
    for entity in world.entities.iter() {
        let (uid, ty) = (entity.uid().to_string(), entity.uid().entity_type().to_string());
        let used = named.contains(&uid)
            || world.ancestors(&uid).any(|ancestor| named.contains(ancestor))
            || asked.contains(&ty)
            || entity.uid().entity_type().is_action();
        if used || world.marks.allow(&ty, Rule::UnusedEntity.name()) {
            continue;
        }
        let id: &str = entity.uid().eid().as_ref();
        // As it stands in the JSON: its identifier in quotes.
        let quoted = serde_json::to_string(id).unwrap_or_default();
        let at = source.text.match_indices(&quoted).map(|(at, _)| at).next();
        let message = format!("`{uid}`: no policy names it or leads to it");
        findings.push(finding(Rule::UnusedEntity, source, at.map(|at| (at, quoted.len())), message));
    }
}

fn attributes(subjects: &[Subject<'_>], world: &World<'_>, findings: &mut Vec<Finding>) {
    let read = read(subjects, world);
    let mut unused = BTreeSet::new();
    for entity in world.schema.entity_types() {
        let name = entity.name().to_string();
        entity.attributes().iter().for_each(|(attribute, declared)| {
            collect(&format!("{name}.{attribute}"), &declared.attr_type, &read, &mut unused);
        });
    }
    for action in world.actions() {
        if let Some(Type::Record { attrs, .. }) = action.context() {
            attrs.iter().for_each(|(attribute, declared)| {
                collect(&format!("context.{attribute}"), &declared.attr_type, &read, &mut unused);
            });
        }
    }
    for path in unused {
        if world.marks.allow(&path, Rule::UnusedAttribute.name())
            || world.marks.allow(path.split('.').next().unwrap_or_default(), Rule::UnusedAttribute.name())
        {
            continue;
        }
        let source = world.schema_source;
        let at = place(source, &path);
        findings.push(finding(Rule::UnusedAttribute, source, at, format!("`{path}`: no policy reads it")));
    }
}

/// Adds a path that nothing reads, or what nothing reads below it.
fn collect(path: &str, ty: &Type, read: &BTreeSet<String>, unused: &mut BTreeSet<String>) {
    let below = format!("{path}.");
    let inner = read.range(below.clone()..).next().is_some_and(|next| next.starts_with(&below));
    match ty {
        Type::Record { attrs, .. } if inner && !read.contains(path) => {
            attrs.iter().for_each(|(name, attribute)| {
                collect(&format!("{path}.{name}"), &attribute.attr_type, read, unused);
            });
        }
        _ if read.contains(path) || inner => {}
        _ => {
            unused.insert(path.to_owned());
        }
    }
}

/// The paths that policies read. A record is read as a whole unless the policy goes on into it.
fn read(subjects: &[Subject<'_>], world: &World<'_>) -> BTreeSet<String> {
    let mut read = BTreeSet::new();
    for subject in subjects {
        for part in subject.condition.into_iter().flat_map(within) {
            match part.expr_kind() {
                ExprKind::GetAttr { expr, attr } => {
                    for (owner, attribute) in declared(subject, world, expr, attr) {
                        let path = owner.path(attr);
                        let gone_into = matches!(&*attribute.attr_type, Type::Record { .. })
                            && subject.condition.is_some_and(|all| only_gone_into(all, part));
                        if !gone_into {
                            read.insert(path);
                        }
                    }
                }
                ExprKind::HasAttr { expr, attr } => {
                    for (owner, attribute) in declared(subject, world, expr, attr) {
                        if !matches!(&*attribute.attr_type, Type::Record { .. }) {
                            read.insert(owner.path(attr));
                        }
                    }
                }
                ExprKind::ExtHasAttr { expr, attrs } => {
                    let mut object = (**expr).clone();
                    for attr in attrs {
                        let found = declared(subject, world, &object, attr);
                        for (owner, attribute) in found {
                            if !matches!(&*attribute.attr_type, Type::Record { .. }) {
                                read.insert(owner.path(attr));
                            }
                        }
                        object = Expr::get_attr(object, attr.clone());
                    }
                }
                _ => {}
            }
        }
    }
    read
}

/// Whether every use of `record` goes on into one of its members.
fn only_gone_into(all: &Expr, record: &Expr) -> bool {
    let is = |expr: &Expr| expr.eq_shape(record);
    let uses = within(all).filter(|part| is(part)).count();
    let into = within(all)
        .filter(|part| match part.expr_kind() {
            ExprKind::GetAttr { expr, .. }
            | ExprKind::HasAttr { expr, .. }
            | ExprKind::ExtHasAttr { expr, .. } => is(expr),
            _ => false,
        })
        .count();
    uses == into
}

/// Where an attribute is declared, as far as the text tells: its last name after its type's name.
fn place(source: &Source, path: &str) -> Option<(usize, usize)> {
    let (owner, name) = path.rsplit_once('.')?;
    let entity = type_of(owner).rsplit("::").next().unwrap_or_default();
    let start = match owner.starts_with("context") {
        true => 0,
        false => {
            source.text.find(&format!("entity {}", entity.split('.').next().unwrap_or_default())).unwrap_or(0)
        }
    };
    let rest = source.text.get(start..)?;
    let found = [format!("{name}:"), format!("{name}?:"), format!("\"{name}\"")]
        .iter()
        .filter_map(|text| rest.match_indices(text.as_str()).map(|(at, _)| at).find(|at| begins(rest, *at)))
        .min()?;
    Some((start + found, name.len()))
}

/// Whether a word begins here.
fn begins(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
}

fn finding(rule: Rule, source: &Source, at: Option<(usize, usize)>, message: String) -> Finding {
    let what = match at {
        Some((offset, len)) => CompileError::at(source, offset, len, message),
        None => CompileError::whole(source, message),
    };
    Finding { rule, policy: None, what: what.with_help(rule.help()) }
}

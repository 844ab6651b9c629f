//! What rules look at: policies with their scopes and conditions, and the world around them.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::PolicyId;
use cedar_policy_core::{
    ast::{self, EntityReference, Expr, PrincipalOrResourceConstraint, SlotId},
    entities::Entities,
    validator::{ValidatorActionId, ValidatorSchema, types::Type},
};

use countersign_core::policy::image::is_action;

use super::{Finding, LintOptions, Rule, logic::Tree};
use crate::marks::{Marks, names};
use crate::{
    compile::Parsed,
    error::{CompileError, CompileErrors},
    pack::Pack,
    source::Source,
};

/// Everything around the policies.
pub(super) struct World<'a> {
    pub(super) schema: &'a ValidatorSchema,
    pub(super) schema_source: &'a Source,
    pub(super) entities_source: Option<&'a Source>,
    pub(super) entities: &'a Entities,
    pub(super) options: &'a LintOptions,
    pub(super) marks: Marks,
    /// All ancestors of every entity that is known, actions among them.
    ancestors: BTreeMap<String, BTreeSet<String>>,
    actions: Vec<&'a ValidatorActionId>,
}

impl<'a> World<'a> {
    pub(super) fn new(
        pack: &'a Pack,
        schema_source: &'a Source,
        schema: &'a ValidatorSchema,
        entities: &'a Entities,
        options: &'a LintOptions,
    ) -> Result<Self, CompileErrors> {
        let ancestors = entities
            .iter()
            .map(|entity| (entity.uid().to_string(), entity.ancestors().map(ToString::to_string).collect()))
            .collect();
        let mut actions: Vec<&ValidatorActionId> = schema.action_ids().collect();
        actions.sort_by_key(|action| action.name().to_string());
        Ok(Self {
            schema,
            schema_source,
            entities_source: pack.entities.as_ref(),
            entities,
            options,
            marks: Marks::read(schema_source)?,
            ancestors,
            actions,
        })
    }

    /// Whether an entity is, or is known to be in, another.
    pub(super) fn within(&self, inner: &str, outer: &str) -> bool {
        inner == outer || self.ancestors.get(inner).is_some_and(|all| all.contains(outer))
    }

    /// All ancestors that are known.
    pub(super) fn ancestors(&self, entity: &str) -> impl Iterator<Item = &String> {
        self.ancestors.get(entity).into_iter().flatten()
    }

    pub(super) fn actions(&self) -> &[&'a ValidatorActionId] {
        &self.actions
    }

    /// The names of the entities of a type that the pack holds; the schema's actions are not looked at.
    pub(super) fn known(&self, ty: &str) -> impl Iterator<Item = &str> {
        self.ancestors.keys().map(String::as_str).filter(move |name| type_of(name) == ty && !is_action(ty))
    }

    /// Whether the pack itself holds entities of a type.
    pub(super) fn describes(&self, ty: &str) -> bool {
        self.entities.iter().any(|entity| entity.uid().entity_type().to_string() == ty)
    }
}

/// A scope's demand on principal or resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Any,
    Eq(String),
    In(String),
    Is(String),
    IsIn(String, String),
}

/// A policy.
pub(super) struct Subject<'a> {
    pub(super) id: String,
    pub(super) policy: &'a ast::Policy,
    pub(super) source: &'a Source,
    pub(super) principal: Party,
    pub(super) resource: Party,
    /// The actions that it is about.
    pub(super) actions: Vec<&'a ValidatorActionId>,
    pub(super) condition: Option<&'a Expr>,
    /// The condition with negations at its leaves.
    pub(super) tree: Tree<'a>,
}

/// All policies, linked templates among them.
pub(super) fn subjects<'a>(pack: &'a Pack, parsed: &'a Parsed, world: &World<'a>) -> Vec<Subject<'a>> {
    let set: &ast::PolicySet = parsed.set.as_ref();
    let one = |(id, number): &(PolicyId, usize)| {
        let id: &ast::PolicyID = id.as_ref();
        let policy = set.get(id)?;
        let condition = policy.non_scope_constraints();
        Some(Subject {
            id: id.to_string(),
            policy,
            source: pack.policies.get(*number)?,
            principal: party(policy, policy.principal_constraint().as_inner(), SlotId::principal()),
            resource: party(policy, policy.resource_constraint().as_inner(), SlotId::resource()),
            actions: actions(policy, world),
            condition,
            tree: condition.map_or(Tree::All(Vec::new()), Tree::of),
        })
    };
    parsed.policies.iter().filter_map(one).collect()
}

fn party(policy: &ast::Policy, constraint: &PrincipalOrResourceConstraint, slot: SlotId) -> Party {
    let name = |reference: &EntityReference| match reference {
        EntityReference::EUID(uid) => Some(uid.to_string()),
        EntityReference::Slot(_) => policy.env().get(&slot).map(ToString::to_string),
    };
    match constraint {
        PrincipalOrResourceConstraint::Any => Party::Any,
        PrincipalOrResourceConstraint::Eq(reference) => name(reference).map_or(Party::Any, Party::Eq),
        PrincipalOrResourceConstraint::In(reference) => name(reference).map_or(Party::Any, Party::In),
        PrincipalOrResourceConstraint::Is(ty) => Party::Is(ty.to_string()),
        PrincipalOrResourceConstraint::IsIn(ty, reference) => match name(reference) {
            Some(name) => Party::IsIn(ty.to_string(), name),
            None => Party::Is(ty.to_string()),
        },
    }
}

fn actions<'a>(policy: &ast::Policy, world: &World<'a>) -> Vec<&'a ValidatorActionId> {
    let matches = |action: &&&ValidatorActionId| {
        let name = action.name().to_string();
        match policy.action_constraint() {
            ast::ActionConstraint::Any => true,
            ast::ActionConstraint::Eq(uid) => name == uid.to_string(),
            ast::ActionConstraint::In(uids) => uids.iter().any(|uid| world.within(&name, &uid.to_string())),
        }
    };
    world.actions().iter().filter(matches).copied().collect()
}

impl Party {
    /// Whether an entity of this type may be meant.
    pub(super) fn admits(&self, ty: &str) -> bool {
        match self {
            Self::Any | Self::In(_) => true,
            Self::Is(have) | Self::IsIn(have, _) => have == ty,
            Self::Eq(uid) => type_of(uid) == ty,
        }
    }
}

/// The type in `Type::"id"`.
pub(super) fn type_of(uid: &str) -> &str {
    uid.split_once("::\"").map_or(uid, |(ty, _)| ty)
}

impl<'a> Subject<'a> {
    pub(super) fn forbids(&self) -> bool {
        self.policy.effect() == ast::Effect::Forbid
    }

    /// The types that the principal may have.
    pub(super) fn principal_types(&self) -> BTreeSet<String> {
        let types = self.actions.iter().flat_map(|action| action.principals());
        types.map(ToString::to_string).filter(|ty| self.principal.admits(ty)).collect()
    }

    /// The types that the resource may have.
    pub(super) fn resource_types(&self) -> BTreeSet<String> {
        let types = self.actions.iter().flat_map(|action| action.resources());
        types.map(ToString::to_string).filter(|ty| self.resource.admits(ty)).collect()
    }

    /// The types that the context may have.
    pub(super) fn contexts(&self) -> impl Iterator<Item = &'a Type> + '_ {
        self.applicable().filter_map(|action| action.context())
    }

    /// The actions that requests may have; others are mere groups.
    pub(super) fn applicable(&self) -> impl Iterator<Item = &'a ValidatorActionId> + '_ {
        let applies = |action: &&ValidatorActionId| {
            action.principals().next().is_some() && action.resources().next().is_some()
        };
        self.actions.iter().copied().filter(applies)
    }

    /// A finding about an expression, or the whole policy.
    pub(super) fn finding(&self, rule: Rule, place: Option<&Expr>, message: String) -> Finding {
        let loc = place.and_then(Expr::source_loc).or(self.policy.loc());
        let (offset, len) = loc.map_or((0, 0), |loc| (loc.start(), loc.end() - loc.start()));
        let message = format!("`{}` {message}", self.id);
        let what = CompileError::at(self.source, offset, len, message).with_help(rule.help());
        Finding { rule, policy: Some(self.id.clone()), what }
    }

    fn allowed(&self) -> Vec<String> {
        let annotations = self.policy.annotations().filter(|(name, _)| {
            let name: &str = name.as_ref();
            name == "allow"
        });
        annotations.flat_map(|(_, text)| names(&text.val)).collect()
    }

    /// Whether the policy silences a rule.
    pub(super) fn allows(&self, rule: Rule) -> bool {
        self.allowed().iter().any(|name| name == rule.name())
    }

    pub(super) fn unknown_allowed(&self) -> Vec<Finding> {
        let known = |name: &str| Rule::ALL.iter().any(|rule| rule.name() == name);
        let unknown = self.allowed().into_iter().filter(|name| !known(name));
        unknown
            .map(|name| {
                self.finding(Rule::UnknownAllow, None, format!("silences `{name}`, which is no rule"))
            })
            .collect()
    }
}

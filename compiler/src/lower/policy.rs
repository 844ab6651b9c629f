//! Policies: scope, conditions, annotations.

use cedar_policy_core::ast::{self, EntityReference, PrincipalOrResourceConstraint, SlotId};
use countersign_core::policy::image::tables::{ActionScope, Clause, Effect, PolicyRow, Scope, Span};

use super::expr::{Lowering, conjuncts};
use crate::{
    builder::{Builder, append},
    convert,
    error::CompileError,
    source::{Source, narrow},
};

/// Adds `policy`, which stands in source number `number`.
pub(crate) fn policy(
    builder: &mut Builder,
    policy: &ast::Policy,
    source: &Source,
    number: u32,
) -> Result<(), Box<CompileError>> {
    let (offset, len) = policy.loc().map_or((0, 0), |loc| (loc.start(), loc.end() - loc.start()));
    let mut clauses = Vec::new();
    if let Some(condition) = policy.non_scope_constraints() {
        let mut lowering = Lowering { builder, source, slots: policy.env(), policy: (offset, len) };
        for conjunct in conjuncts(condition) {
            let node = lowering.node(conjunct)?;
            let (start, end) = conjunct.source_loc().map_or((offset, offset), |loc| (loc.start(), loc.end()));
            clauses.push(Clause {
                node,
                offset: narrow(start.saturating_sub(offset)),
                len: narrow(end.saturating_sub(start)),
            });
        }
    }
    let principal = scope(builder, policy, policy.principal_constraint().as_inner(), SlotId::principal());
    let resource = scope(builder, policy, policy.resource_constraint().as_inner(), SlotId::resource());
    let action = match policy.action_constraint() {
        ast::ActionConstraint::Any => ActionScope::Any,
        ast::ActionConstraint::Eq(uid) => ActionScope::Eq(builder.uid(&convert::uid(uid))),
        ast::ActionConstraint::In(uids) => {
            let uids = uids.iter().map(|uid| builder.uid(&convert::uid(uid))).collect();
            ActionScope::In(append(&mut builder.tables.policies.actions, uids))
        }
    };
    let annotations = policy
        .annotations()
        .map(|(name, text)| {
            let name: &str = name.as_ref();
            (builder.text(name), builder.text(&text.val))
        })
        .collect();
    let place = source.place(offset);
    let span = Span {
        source: number,
        line: place.line,
        column: place.column,
        offset: narrow(offset),
        len: narrow(len),
    };
    let row = PolicyRow {
        effect: match policy.effect() {
            ast::Effect::Permit => Effect::Permit,
            ast::Effect::Forbid => Effect::Forbid,
        },
        id: builder.text(policy.id().as_ref()),
        annotations: append(&mut builder.tables.policies.annotations, annotations),
        principal,
        action,
        resource,
        clauses: append(&mut builder.tables.policies.clauses, clauses),
        span,
    };
    builder.tables.policies.rows.push(row);
    Ok(())
}

fn scope(
    builder: &mut Builder,
    policy: &ast::Policy,
    constraint: &PrincipalOrResourceConstraint,
    slot: SlotId,
) -> Scope {
    let mut uid = |reference: &EntityReference| {
        let linked = match reference {
            EntityReference::EUID(uid) => Some(uid.as_ref()),
            EntityReference::Slot(_) => policy.env().get(&slot),
        };
        linked.map(|uid| builder.uid(&convert::uid(uid)))
    };
    // A policy of a set has all its slots linked.
    match constraint {
        PrincipalOrResourceConstraint::Any => Scope::Any,
        PrincipalOrResourceConstraint::Eq(reference) => uid(reference).map_or(Scope::Any, Scope::Eq),
        PrincipalOrResourceConstraint::In(reference) => uid(reference).map_or(Scope::Any, Scope::In),
        PrincipalOrResourceConstraint::Is(ty) => Scope::Is(builder.entity_type(&ty.to_string())),
        PrincipalOrResourceConstraint::IsIn(ty, reference) => {
            let uid = uid(reference);
            let ty = builder.entity_type(&ty.to_string());
            uid.map_or(Scope::Is(ty), |uid| Scope::IsIn(ty, uid))
        }
    }
}

//! The index: a tree that could hide a policy is refused.

use super::{
    index::{Branch, Demand, Facet, Guard, MAX_INDEX_DEPTH, Scale},
    tables::{ActionScope, Binary, Effect, Node, Run, Tables, Var},
    tests::{READ, WRITE, ask, base, malformed, node, policy, refusal, whole},
    *,
};
use alloc::vec;

#[test]
fn the_index_must_lead_to_every_policy() {
    let hides = malformed(Section::Index, Defect::Index);
    let mut unreachable = whole();
    unreachable.index.rows.clear();
    unreachable.index.policies.clear();
    assert_eq!(refusal(&unreachable), hides);

    // An answer that a matching request need not give would hide the policy.
    let mut wrong = base();
    let principal = node(&mut wrong, Node::Var(Var::Principal));
    policy(&mut wrong, Effect::Forbid, "hidden", &[]);
    for facet in [Facet::Truth, Facet::Equal, Facet::Same, Facet::In, Facet::Is, Facet::Member] {
        ask(&mut wrong, facet, principal, &[], &[0], 0);
        assert_eq!(refusal(&wrong), hides, "{facet:?}");
    }

    // Under one of two actions only.
    let mut half = base();
    let action = node(&mut half, Node::Var(Var::Action));
    policy(&mut half, Effect::Forbid, "half", &[]);
    half.policies.actions.extend([READ, WRITE]);
    half.policies.rows[0].action = ActionScope::In(Run { start: 0, len: 2 });
    ask(&mut half, Facet::In, action, &[], &[i64::from(READ)], 0);
    assert_eq!(refusal(&half), hides);
    ask(&mut half, Facet::In, action, &[], &[i64::from(READ), i64::from(WRITE)], 0);
    assert!(Image::decode(&encode(&half)).is_ok());
}

/// One `forbid` whose second condition is `context.level CLAUSE 7`, after `context.Role == 7`.
fn guarded(clause: fn(u32, u32) -> Node) -> (Tables, u32, u32) {
    let mut tables = base();
    let context = node(&mut tables, Node::Var(Var::Context));
    let (role, level) = (1, tables.constants.fields[0].0);
    let role = node(&mut tables, Node::Attr(context, role));
    let level = node(&mut tables, Node::Attr(context, level));
    let seven = node(&mut tables, Node::Const(0));
    let first = node(&mut tables, Node::Binary(Binary::Eq, role, seven));
    let second = node(&mut tables, clause(level, seven));
    policy(&mut tables, Effect::Forbid, "guarded", &[first, second]);
    (tables, role, level)
}

#[test]
fn a_condition_is_asked_about_only_behind_its_guards() {
    let hides = malformed(Section::Index, Defect::Index);
    let (mut tables, role, level) = guarded(|a, b| Node::Binary(Binary::Eq, a, b));
    let guard = Guard { demand: Demand::Any, node: role };
    ask(&mut tables, Facet::Equal, level, &[guard], &[0], 0);
    assert!(Image::decode(&encode(&tables)).is_ok());
    ask(&mut tables, Facet::Equal, level, &[], &[0], 0);
    assert_eq!(refusal(&tables), hides);
    ask(&mut tables, Facet::Equal, level, &[Guard { demand: Demand::Any, node: level }], &[0], 0);
    assert_eq!(refusal(&tables), hides);
    // The first needs none.
    ask(&mut tables, Facet::Equal, role, &[], &[0], 0);
    assert!(Image::decode(&encode(&tables)).is_ok());
}

#[test]
fn thresholds_must_be_those_of_the_condition() {
    let hides = malformed(Section::Index, Defect::Index);
    let (mut tables, role, level) = guarded(|a, b| Node::Binary(Binary::Less, a, b));
    let guards = [Guard { demand: Demand::Any, node: role }];
    ask(&mut tables, Facet::AtMost(Scale::Long), level, &guards, &[6], 0);
    assert!(Image::decode(&encode(&tables)).is_ok());
    for (facet, key) in [
        (Facet::AtMost(Scale::Long), 5),
        (Facet::AtMost(Scale::Long), 7),
        (Facet::AtMost(Scale::Datetime), 6),
        (Facet::AtLeast(Scale::Long), 6),
        (Facet::Band(Scale::Long), 6),
    ] {
        ask(&mut tables, facet, level, &guards, &[key], 0);
        assert_eq!(refusal(&tables), hides, "{facet:?} {key}");
    }
}

#[test]
fn the_tree_must_be_whole_and_not_too_deep() {
    let (mut tables, role, _) = guarded(|a, b| Node::Binary(Binary::Eq, a, b));
    ask(&mut tables, Facet::Equal, role, &[], &[0], 0);
    let mut cut = tables.clone();
    cut.index.rows.pop();
    assert_eq!(refusal(&cut), malformed(Section::Index, Defect::Reference));
    let mut more = tables.clone();
    more.index.rows.push(Branch::Leaf(Run::default()));
    assert_eq!(refusal(&more), malformed(Section::Index, Defect::Reference));

    let nested = |depth: usize| {
        let mut tables = tables.clone();
        let question = tables.index.rows[0];
        let leaf = tables.index.rows[1];
        tables.index.rows = vec![question; depth];
        tables.index.rows.push(leaf);
        tables
    };
    assert!(Image::decode(&encode(&nested(MAX_INDEX_DEPTH))).is_ok());
    assert_eq!(refusal(&nested(MAX_INDEX_DEPTH + 1)), malformed(Section::Index, Defect::Depth));
}

//! Cedar's semantics on images built by hand; the compiler's tests hold the whole language against the official
//! implementation.

use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::policy::{
    Effect, Entity, EntityUid, Record, Value, encode,
    image::{
        index::Facet,
        tables::{Const, Node, Run, StaticEntity, Tables, Var},
        tests::{ANN, READ, STAFF, WRITE, ask as ask_for, base, constant, node, policy, text},
    },
};

fn decode(tables: &Tables) -> Image {
    Image::decode(&encode(tables)).unwrap()
}

fn ask(image: &Image, principal: &EntityUid, context: &Record, entities: &[&Entity]) -> Outcome {
    let action = EntityUid::new("Action", "read");
    let resource = EntityUid::new("Doc", "1");
    evaluate(image, &Request { principal, action: &action, resource: &resource, context, entities })
}

fn ann() -> EntityUid {
    EntityUid::new("User", "ann")
}

/// Evaluates requests that reach every policy of `image`, whatever it holds; only panics would be wrong.
pub(crate) fn ask_everything(image: &Image) {
    let mut brought = Entity::new(ann());
    brought.parents = vec![EntityUid::new("Role", "staff"), EntityUid::new("Role", "unknown")];
    brought.attributes = Record::new().with("level", 3).with("Action", Value::set([Value::from("x")]));
    brought.tags = Record::new().with("Action", "x");
    let context = Record::new()
        .with("Action", true)
        .with("Role", Value::set([Value::from(ann())]))
        .with("User", Record::new().with("Action", 1));
    for principal in [ann(), EntityUid::new("User", "zed"), EntityUid::new("Other", "")] {
        for entities in [&[][..], &[&brought][..]] {
            let request = Request {
                principal: &principal,
                action: &EntityUid::new("Action", "read"),
                resource: &principal,
                context: &context,
                entities,
            };
            let _ = evaluate(image, &request);
            let _ = crate::policy::explain(image, &request);
            let _ = image.schema().check(&request);
        }
    }
}

/// `context.NAME`
fn attribute(tables: &mut Tables, name: &str) -> u32 {
    let (context, name) = (node(tables, Node::Var(Var::Context)), text(tables, name));
    node(tables, Node::Attr(context, name))
}

#[test]
fn nothing_permits_by_default() {
    let outcome = ask(&decode(&base()), &ann(), &Record::new(), &[]);
    assert_eq!((outcome.decision(), outcome.ruling()), (Decision::Deny, Ruling::NotPermitted));
    assert!(outcome.determining().is_empty());
}

#[test]
fn a_forbid_wins_and_alone_determines() {
    let mut tables = base();
    policy(&mut tables, Effect::Permit, "p", &[]);
    let allowed = ask(&decode(&tables), &ann(), &Record::new(), &[]);
    assert_eq!((allowed.decision(), allowed.ruling()), (Decision::Allow, Ruling::Permitted));
    assert_eq!(allowed.determining().iter().collect::<Vec<_>>(), [0]);

    policy(&mut tables, Effect::Forbid, "f", &[]);
    let denied = ask(&decode(&tables), &ann(), &Record::new(), &[]);
    assert_eq!((denied.decision(), denied.ruling()), (Decision::Deny, Ruling::Forbidden));
    assert_eq!(denied.determining().iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_permit_that_errors_does_not_permit() {
    let mut tables = base();
    let missing = attribute(&mut tables, "missing");
    policy(&mut tables, Effect::Permit, "p", &[missing]);
    let outcome = ask(&decode(&tables), &ann(), &Record::new(), &[]);
    assert_eq!(outcome.ruling(), Ruling::NotPermitted);
    let error = outcome.errors().get(0).unwrap();
    assert_eq!((error.policy, error.kind), (0, ErrorKind::MissingAttribute));
}

#[test]
fn a_forbid_that_errors_denies_by_the_stricter_rule_only() {
    let mut tables = base();
    policy(&mut tables, Effect::Permit, "p", &[]);
    let missing = attribute(&mut tables, "missing");
    policy(&mut tables, Effect::Forbid, "f", &[missing]);
    let outcome = ask(&decode(&tables), &ann(), &Record::new(), &[]);
    assert_eq!(outcome.decision(), Decision::Allow);
    assert_eq!(outcome.ruling(), Ruling::ForbidErrored);
    assert_eq!(outcome.determining().iter().collect::<Vec<_>>(), [0]);

    // A forbid that is satisfied is the better reason.
    policy(&mut tables, Effect::Forbid, "g", &[]);
    assert_eq!(ask(&decode(&tables), &ann(), &Record::new(), &[]).ruling(), Ruling::Forbidden);
}

#[test]
fn conditions_must_be_booleans() {
    let mut tables = base();
    let value = attribute(&mut tables, "value");
    policy(&mut tables, Effect::Permit, "p", &[value]);
    let image = decode(&tables);
    let with = |value: Value| ask(&image, &ann(), &Record::new().with("value", value), &[]);
    assert_eq!(with(true.into()).ruling(), Ruling::Permitted);
    assert_eq!(with(false.into()).ruling(), Ruling::NotPermitted);
    assert_eq!(with(1.into()).errors().get(0).unwrap().kind, ErrorKind::Type);
}

#[test]
fn arithmetic_is_checked() {
    let mut tables = base();
    let value = attribute(&mut tables, "value");
    let one = constant(&mut tables, Const::Long(1));
    let sum = node(&mut tables, Node::Binary(super::super::image::tables::Binary::Add, value, one));
    let positive = node(&mut tables, Node::Binary(super::super::image::tables::Binary::Less, one, sum));
    policy(&mut tables, Effect::Permit, "p", &[positive]);
    let image = decode(&tables);
    let with = |value: i64| ask(&image, &ann(), &Record::new().with("value", value), &[]);
    assert_eq!(with(1).ruling(), Ruling::Permitted);
    assert_eq!(with(i64::MAX).errors().get(0).unwrap().kind, ErrorKind::Overflow);
}

fn only_staff() -> Image {
    let mut tables = base();
    policy(&mut tables, Effect::Permit, "p", &[]);
    tables.policies.rows[0].principal = Scope::In(STAFF);
    let principal = node(&mut tables, Node::Var(Var::Principal));
    ask_for(&mut tables, Facet::In, principal, &[], &[i64::from(STAFF)], 0);
    decode(&tables)
}

#[test]
fn ancestors_come_from_the_image_and_from_the_request() {
    let image = only_staff();
    let none = Record::new();
    assert_eq!(ask(&image, &ann(), &none, &[]).ruling(), Ruling::Permitted);

    let bob = EntityUid::new("User", "bob");
    assert_eq!(ask(&image, &bob, &none, &[]).ruling(), Ruling::NotPermitted);
    let mut entity = Entity::new(bob.clone());
    assert_eq!(ask(&image, &bob, &none, &[&entity]).ruling(), Ruling::NotPermitted);
    entity.parents.push(EntityUid::new("Role", "staff"));
    assert_eq!(ask(&image, &bob, &none, &[&entity]).ruling(), Ruling::Permitted);

    // Through an entity of the request, whose own parent is in the image; and cycles end.
    let mut team = Entity::new(EntityUid::new("Team", "t"));
    team.parents = vec![ann(), bob.clone()];
    entity.parents = vec![team.uid.clone()];
    assert_eq!(ask(&image, &bob, &none, &[&entity, &team]).ruling(), Ruling::Permitted);
}

#[test]
fn an_entity_of_the_context_lies_where_it_lies() {
    let mut tables = base();
    let who = attribute(&mut tables, "who");
    let staff = constant(&mut tables, Const::Entity(STAFF));
    let within = node(&mut tables, Node::Binary(super::super::image::tables::Binary::In, who, staff));
    policy(&mut tables, Effect::Permit, "p", &[within]);
    let image = decode(&tables);
    let bob = EntityUid::new("User", "bob");
    let mut entity = Entity::new(bob.clone());
    let asked = |who: EntityUid, entities: &[&Entity]| {
        ask(&image, &bob, &Record::new().with("who", Value::Entity(who)), entities).ruling()
    };
    assert_eq!(asked(ann(), &[]), Ruling::Permitted);
    assert_eq!(asked(bob.clone(), &[&entity]), Ruling::NotPermitted);
    entity.parents.push(EntityUid::new("Role", "staff"));
    assert_eq!(asked(bob.clone(), &[&entity]), Ruling::Permitted);
    assert_eq!(asked(EntityUid::new("User", "carol"), &[&entity]), Ruling::NotPermitted);
}

#[test]
fn large_sets_are_held_against_each_other_in_one_pass() {
    let mut tables = base();
    let (a, b) = (attribute(&mut tables, "a"), attribute(&mut tables, "b"));
    let all = node(&mut tables, Node::Binary(super::super::image::tables::Binary::ContainsAll, a, b));
    policy(&mut tables, Effect::Permit, "p", &[all]);
    let image = decode(&tables);
    let numbers = |range: core::ops::Range<i64>| Value::set(range.map(Value::Long));
    for (range, ruling) in [(0..300_000, Ruling::Permitted), (1..300_001, Ruling::NotPermitted)] {
        let context = Record::new().with("a", numbers(0..300_000)).with("b", numbers(range));
        let outcome = ask(&image, &ann(), &context, &[]);
        assert_eq!((outcome.ruling(), outcome.errors().len()), (ruling, 0));
    }
}

#[test]
fn one_of_many_entities_is_looked_for_in_one_climb() {
    let mut tables = base();
    let (who, groups) = (attribute(&mut tables, "who"), attribute(&mut tables, "groups"));
    let within = node(&mut tables, Node::Binary(super::super::image::tables::Binary::In, who, groups));
    policy(&mut tables, Effect::Permit, "p", &[within]);
    let image = decode(&tables);
    let group = |at: usize| EntityUid::new("Group", alloc::format!("g{at:04}"));
    let mut chain: Vec<Entity> = (0..200).map(|at| Entity::new(group(at))).collect();
    for (at, entity) in chain.iter_mut().enumerate() {
        entity.parents.push(if at == 199 { EntityUid::new("Role", "staff") } else { group(at + 1) });
    }
    let entities: Vec<&Entity> = chain.iter().collect();
    let asked = |groups: Vec<EntityUid>| {
        let context = Record::new()
            .with("who", Value::Entity(group(0)))
            .with("groups", Value::set(groups.into_iter().map(Value::Entity)));
        let outcome = ask(&image, &ann(), &context, &entities);
        assert_eq!(outcome.errors().len(), 0);
        outcome.ruling()
    };
    let strangers = || (1_000..6_000).map(group);
    assert_eq!(asked(strangers().collect()), Ruling::NotPermitted);
    assert_eq!(asked(strangers().chain([group(150)]).collect()), Ruling::Permitted);
    assert_eq!(asked(strangers().chain([EntityUid::new("Role", "staff")]).collect()), Ruling::Permitted);
    assert_eq!(asked(Vec::new()), Ruling::NotPermitted);
}

#[test]
fn a_long_chain_of_parents_ends() {
    let image = only_staff();
    let uid = |at: usize| EntityUid::new("User", alloc::format!("u{at}"));
    let mut chain: Vec<Entity> = (0..300).map(|at| Entity::new(uid(at))).collect();
    for (at, entity) in chain.iter_mut().enumerate() {
        entity.parents.push(if at == 299 { ann() } else { uid(at + 1) });
    }
    let entities: Vec<&Entity> = chain.iter().collect();
    assert_eq!(ask(&image, &uid(0), &Record::new(), &entities).ruling(), Ruling::Permitted);
}

#[test]
fn attributes_of_the_request_win_over_those_of_the_image() {
    let mut tables = base();
    let principal = node(&mut tables, Node::Var(Var::Principal));
    let level = tables.constants.fields[0].0;
    let have = node(&mut tables, Node::Attr(principal, level));
    let seven = node(&mut tables, Node::Const(0));
    let equal = node(&mut tables, Node::Binary(super::super::image::tables::Binary::Eq, have, seven));
    policy(&mut tables, Effect::Permit, "p", &[equal]);
    let image = decode(&tables);
    assert_eq!(ask(&image, &ann(), &Record::new(), &[]).ruling(), Ruling::Permitted);
    let mut entity = Entity::new(ann());
    assert_eq!(ask(&image, &ann(), &Record::new(), &[&entity]).ruling(), Ruling::Permitted);
    entity.attributes.insert("level", 8);
    assert_eq!(ask(&image, &ann(), &Record::new(), &[&entity]).ruling(), Ruling::NotPermitted);

    let stranger = EntityUid::new("User", "zed");
    let error = ask(&image, &stranger, &Record::new(), &[]).errors().get(0).unwrap();
    assert_eq!(error.kind, ErrorKind::MissingEntity);
}

#[test]
fn a_policy_under_two_answers_counts_once() {
    let mut tables = base();
    policy(&mut tables, Effect::Permit, "p", &[]);
    tables.policies.rows[0].action = ActionScope::In(Run { start: 0, len: 2 });
    tables.policies.actions.extend([READ, WRITE]);
    // `read` lies in `write`.
    let start = u32::try_from(tables.entities.ancestors.len()).unwrap();
    tables.entities.ancestors.push(WRITE);
    let (attributes, tags) = (Run { start: 0, len: 0 }, Run { start: 0, len: 0 });
    tables.entities.rows.insert(0, StaticEntity { attributes, tags, ancestors: Run { start, len: 1 } });
    tables.uids[READ as usize].entity = Some(0);
    tables.uids[ANN as usize].entity = Some(1);
    let action = node(&mut tables, Node::Var(Var::Action));
    ask_for(&mut tables, Facet::In, action, &[], &[i64::from(READ), i64::from(WRITE)], 0);
    let outcome = ask(&decode(&tables), &ann(), &Record::new(), &[]);
    assert_eq!(outcome.determining().iter().collect::<Vec<_>>(), [0]);
}

/// `context.level == 7`, asked about where the policy is about `context`.
#[test]
fn a_question_in_error_hides_nothing() {
    let mut tables = base();
    let have = attribute(&mut tables, "value");
    let seven = node(&mut tables, Node::Const(0));
    let equal = node(&mut tables, Node::Binary(super::super::image::tables::Binary::Eq, have, seven));
    policy(&mut tables, Effect::Forbid, "f", &[equal]);
    policy(&mut tables, Effect::Permit, "p", &[]);
    ask_for(&mut tables, Facet::Equal, have, &[], &[0], 1);
    let image = decode(&tables);
    let with = |context: Record| ask(&image, &ann(), &context, &[]);
    assert_eq!(with(Record::new().with("value", 7)).ruling(), Ruling::Forbidden);
    assert_eq!(with(Record::new().with("value", 8)).ruling(), Ruling::Permitted);
    assert_eq!(with(Record::new().with("value", "7")).ruling(), Ruling::Permitted);
    let outcome = with(Record::new());
    assert_eq!(outcome.ruling(), Ruling::ForbidErrored);
    assert_eq!(outcome.errors().get(0).unwrap().kind, ErrorKind::MissingAttribute);
}

#[test]
fn what_is_kept_is_what_was_found() {
    // The same attribute, missing, in two policies: the failure is kept and reported for both.
    let mut tables = base();
    let missing = attribute(&mut tables, "missing");
    policy(&mut tables, Effect::Permit, "p", &[missing]);
    policy(&mut tables, Effect::Forbid, "f", &[missing]);
    tables.index.memo.push(missing);
    let outcome = ask(&decode(&tables), &ann(), &Record::new(), &[]);
    let errors: Vec<_> = outcome.errors().iter().map(|error| (error.policy, error.node)).collect();
    assert_eq!(errors, [(0, missing), (1, missing)]);
}

#[test]
fn many_policies_outgrow_the_inline_lists() {
    let mut tables = base();
    let missing = attribute(&mut tables, "missing");
    for _ in 0..50 {
        policy(&mut tables, Effect::Permit, "p", &[]);
        policy(&mut tables, Effect::Permit, "q", &[missing]);
    }
    let outcome = ask(&decode(&tables), &ann(), &Record::new(), &[]);
    assert_eq!(outcome.determining().iter().collect::<Vec<_>>(), (0..100).step_by(2).collect::<Vec<_>>());
    assert_eq!(outcome.errors().len(), 50);
}

#[test]
fn steps_are_bounded() {
    // Each doubles the one before: written out, 2^40 comparisons.
    let mut tables = base();
    let mut last = constant(&mut tables, Const::Bool(true));
    for _ in 0..40 {
        last = node(&mut tables, Node::Binary(super::super::image::tables::Binary::Eq, last, last));
    }
    policy(&mut tables, Effect::Permit, "p", &[last]);
    let outcome = ask(&decode(&tables), &ann(), &Record::new(), &[]);
    assert_eq!(outcome.ruling(), Ruling::NotPermitted);
    assert_eq!(outcome.errors().get(0).unwrap().kind, ErrorKind::Limit);
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-3_i64..3).prop_map(Value::Long),
        "[ab]{0,2}".prop_map(Value::from),
        "[ab]".prop_map(|id| Value::from(EntityUid::new("User", id))),
        Just(Value::from(ann())),
        (-2_i64..2).prop_map(|value| Value::Decimal(crate::policy::Decimal(value))),
        (-2_i64..2).prop_map(|value| Value::Duration(crate::policy::Duration(value))),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::set),
            prop::collection::vec(("[ab]", inner), 0..3)
                .prop_map(|members| Value::Record(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Sets are sorted by `Value`'s order and searched by the evaluator's: they must be the same.
    #[test]
    fn the_two_orders_of_values_agree(a in values(), b in values()) {
        let image = decode(&base());
        let (none, nobody) = (Record::new(), ann());
        let request =
            Request { principal: &nobody, action: &nobody, resource: &nobody, context: &none, entities: &[] };
        let mut evaluation = Evaluation::new(&image, &request);
        prop_assert_eq!(evaluation.compare(Val::of(&a), Val::of(&b), 0), Ok(a.cmp(&b)));
        prop_assert_eq!(evaluation.equal(Val::of(&a), Val::of(&b)), Ok(a == b));
    }
}

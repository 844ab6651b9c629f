//! Policies made up at random, well typed or not: our answer is the official crate's.
//!
//! `COUNTERSIGN_CASES` sets how many policy sets are tried; each is asked several requests, with its entities in
//! the image and brought along.

#[allow(dead_code, reason = "shared with the other tests")]
mod common;

use std::{cell::Cell, str::FromStr};

use cedar_policy::{Entities, PolicySet};
use common::{Case, ours};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

const ENTITIES: [&str; 6] =
    ["User::\"a\"", "User::\"b\"", "Group::\"g\"", "Group::\"h\"", "Doc::\"d\"", "Gone::\"x\""];
const NAMES: [&str; 7] = ["n", "s", "set", "rec", "ent", "b", "\"odd name\""];

fn pick(from: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(from).prop_map(str::to_owned)
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => pick(&["principal", "action", "resource", "context"]),
        2 => pick(&ENTITIES),
        2 => pick(&["true", "false"]),
        2 => pick(&["0", "1", "-1", "2", "9223372036854775807", "(-9223372036854775808)"]),
        2 => pick(&["\"\"", "\"a\"", "\"ab\"", "\"a*b\"", "\"é\""]),
        1 => pick(&["decimal(\"1.0\")", "decimal(\"-0.5\")", "decimal(\"x\")", "ip(\"10.0.0.1\")",
            "ip(\"10.0.0.0/8\")", "ip(\"::1\")", "ip(\"no\")", "datetime(\"2024-01-01\")",
            "datetime(\"2024-01-01T12:00:00.5Z\")", "duration(\"1h\")", "duration(\"-3d\")"]),
        1 => pick(&["[]", "{}", "[1, 2, 1]", "[\"a\", 1]", "{n: 1}"]),
    ]
}

fn attribute(object: &str, name: &str) -> String {
    match name.strip_prefix('"') {
        Some(_) => format!("({object})[{name}]"),
        None => format!("({object}).{name}"),
    }
}

fn expression() -> impl Strategy<Value = String> {
    literal().prop_recursive(5, 40, 4, |inner| {
        let one = inner.clone();
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner.clone());
        let infix = pick(&["==", "!=", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*", "in"]);
        let method = pick(&[
            "contains",
            "containsAll",
            "containsAny",
            "getTag",
            "hasTag",
            "lessThan",
            "greaterThanOrEqual",
            "isInRange",
            "offset",
            "durationSince",
        ]);
        let unary =
            pick(&["isEmpty", "isIpv4", "isLoopback", "toDate", "toTime", "toMilliseconds", "toDays"]);
        prop_oneof![
            6 => (two.clone(), infix).prop_map(|((a, b), op)| format!("(({a}) {op} ({b}))")),
            4 => (one.clone(), pick(&NAMES)).prop_map(|(object, name)| attribute(&object, &name)),
            2 => (one.clone(), pick(&NAMES)).prop_map(|(object, name)| format!("(({object}) has {name})")),
            1 => (one.clone(), pick(&["rec.n", "rec.rec.n", "ent.rec.n", "ent.ent.s"]))
                .prop_map(|(object, path)| format!("(({object}) has {path})")),
            2 => (two.clone(), method).prop_map(|((a, b), name)| format!("({a}).{name}({b})")),
            1 => (one.clone(), unary).prop_map(|(a, name)| format!("({a}).{name}()")),
            1 => (one.clone(), pick(&["\"*\"", "\"a*\"", "\"*b\"", "\"a\\*b\"", "\"*é*\"", "\"\""]))
                .prop_map(|(text, pattern)| format!("(({text}) like {pattern})")),
            1 => (one.clone(), pick(&["User", "Group", "Doc", "Gone"]))
                .prop_map(|(object, ty)| format!("(({object}) is {ty})")),
            1 => (two.clone(), pick(&["User", "Group"]))
                .prop_map(|((object, group), ty)| format!("(({object}) is {ty} in ({group}))")),
            1 => three.prop_map(|(a, b, c)| format!("(if ({a}) then ({b}) else ({c}))")),
            1 => one.clone().prop_map(|a| format!("(!({a}))")),
            1 => one.prop_map(|a| format!("(-({a}))")),
            1 => prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|members| format!("[{}]", members.join(", "))),
            1 => two.prop_map(|(a, b)| format!("{{n: {a}, rec: {b}}}")),
        ]
    })
}

/// A condition that is a boolean more often than not.
fn condition() -> impl Strategy<Value = String> {
    let infix = pick(&["==", "<", "in", "&&", "||"]);
    prop_oneof![
        1 => expression(),
        3 => (expression(), infix, expression()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
    ]
}

fn scope(variable: &'static str) -> impl Strategy<Value = String> {
    let uids = &ENTITIES[..];
    prop_oneof![
        4 => Just(variable.to_owned()),
        1 => prop::sample::select(uids).prop_map(move |uid| format!("{variable} == {uid}")),
        2 => prop::sample::select(uids).prop_map(move |uid| format!("{variable} in {uid}")),
        1 => pick(&["User", "Doc"]).prop_map(move |ty| format!("{variable} is {ty}")),
        1 => prop::sample::select(uids).prop_map(move |uid| format!("{variable} is User in {uid}")),
    ]
}

fn policy() -> impl Strategy<Value = String> {
    let action = pick(&[
        "action",
        "action",
        "action == Action::\"r\"",
        "action in Action::\"all\"",
        "action in [Action::\"w\", Action::\"all\"]",
        "action in []",
    ]);
    let clause =
        (pick(&["when", "unless"]), condition()).prop_map(|(word, body)| format!("{word} {{ {body} }}"));
    let clauses = prop::collection::vec(clause, 0..3);
    (pick(&["permit", "permit", "forbid"]), scope("principal"), action, scope("resource"), clauses).prop_map(
        |(effect, principal, action, resource, clauses)| {
            format!("{effect} ({principal}, {action}, {resource}) {};", clauses.join(" "))
        },
    )
}

fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        prop::sample::select(vec![json!(0), json!(1), json!(-1), json!(i64::MAX)]),
        prop::sample::select(vec![json!("a"), json!("ab"), json!("a*b"), json!("")]),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![
            json!({"__entity": {"type": "User", "id": "b"}}),
            json!({"__entity": {"type": "Group", "id": "g"}}),
            json!({"__extn": {"fn": "ip", "arg": "10.1.2.3"}}),
            json!({"__extn": {"fn": "decimal", "arg": "1.0"}}),
            json!({"__extn": {"fn": "datetime", "arg": "2024-01-01"}}),
            json!({"__extn": {"fn": "duration", "arg": "1h"}}),
        ]),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from), record_of(inner),]
    })
    .boxed()
}

fn record_of(values: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let name = prop::sample::select(vec!["n", "s", "set", "rec", "ent", "b", "odd name"]);
    prop::collection::btree_map(name, values, 0..5)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        .boxed()
}

fn entity(ty: &'static str, id: &'static str, above: Vec<Value>) -> impl Strategy<Value = Value> {
    (record_of(value()), record_of(value()), prop::sample::subsequence(above.clone(), 0..=above.len())).prop_map(
        move |(attrs, tags, parents)| {
            json!({"uid": {"type": ty, "id": id}, "attrs": attrs, "tags": tags, "parents": parents})
        },
    )
}

fn entities() -> impl Strategy<Value = Value> {
    let group = |id: &str| json!({"type": "Group", "id": id});
    let all = json!({"uid": {"type": "Action", "id": "r"}, "attrs": {}, "parents": [{"type": "Action", "id": "all"}]});
    let store = (
        entity("User", "a", vec![group("g"), group("h"), json!({"type": "Gone", "id": "x"})]),
        entity("User", "b", vec![group("g")]),
        entity("Group", "g", vec![group("h")]),
        entity("Group", "h", vec![]),
        entity("Doc", "d", vec![group("h")]),
    );
    store.prop_map(move |(a, b, g, h, d)| json!([a, b, g, h, d, all.clone()]))
}

fn request() -> impl Strategy<Value = Value> {
    let uid = |text: &str| {
        let (ty, id) = text.split_once("::").expect("a name");
        json!({"type": ty, "id": id.trim_matches('"')})
    };
    let any = prop::sample::select(&ENTITIES[..]).prop_map(uid).boxed();
    let action =
        prop::sample::select(vec!["r", "w", "all"]).prop_map(|id| json!({"type": "Action", "id": id}));
    (any.clone(), action, any, record_of(value())).prop_map(|(principal, action, resource, context)| {
        json!({"principal": principal, "action": action, "resource": resource, "context": context})
    })
}

#[test]
fn our_answer_is_the_official_one() {
    let cases =
        std::env::var("COUNTERSIGN_CASES").ok().map_or(1500, |cases| cases.parse().expect("a number"));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let strategy =
        (prop::collection::vec(policy(), 1..5), entities(), prop::collection::vec(request(), 1..6));
    let (asked, allowed, errors) = (Cell::new(0_u64), Cell::new(0_u64), Cell::new(0_u64));
    let result = runner.run(&strategy, |(policies, entities, requests)| {
        let text = policies.join("\n");
        // What the official parser refuses is not for us.
        let Ok(set) = PolicySet::from_str(&text) else { return Ok(()) };
        let entities = Entities::from_json_value(entities, None).expect("entities");
        let case = Case { set, schema: None, entities };
        let [image, bare] = case.images().map_err(TestCaseError::fail)?;
        let brought = case.brought();
        for request in requests {
            let request = case.request(&request).map_err(TestCaseError::fail)?;
            let official = case.official(&request);
            prop_assert_eq!(&ours(&image, &request, &[]), &official, "in the image\n{}", text);
            prop_assert_eq!(&ours(&bare, &request, &brought), &official, "brought along\n{}", text);
            asked.set(asked.get() + 1);
            allowed.set(allowed.get() + u64::from(official.allow));
            errors.set(errors.get() + u64::from(!official.errors.is_empty()));
        }
        Ok(())
    });
    let (asked, allowed, errors) = (asked.get(), allowed.get(), errors.get());
    println!("{cases} policy sets, {asked} requests: {allowed} allowed, {errors} with errors; all agree");
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(allowed > 0 && errors > 0 && asked > u64::from(cases), "too little was tried");
}

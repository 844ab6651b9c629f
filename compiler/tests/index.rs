//! Many policies with conditions that the index asks about: the tree hides none, whatever a request lacks or
//! brings of another kind. Its answer is that of a look at every policy, and that of the official crate.

#[allow(dead_code, reason = "shared with the other tests")]
mod common;

use std::{cell::Cell, str::FromStr};

use cedar_policy::{Entities, PolicySet};
use common::{Answer, Case, ours};
use countersign_core::policy::{self, Decision, Effect, Image, explain::Found};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

fn pick(from: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(from).prop_map(str::to_owned)
}

const TEXTS: [&str; 5] = ["\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"\""];
const GROUPS: [&str; 4] = ["Group::\"g\"", "Group::\"h\"", "Group::\"i\"", "Team::\"t\""];
const PATHS: [&str; 7] = [
    "principal.dept",
    "resource.dept",
    "context.dept",
    "context.rec.dept",
    "principal.boss.dept",
    "principal.getTag(\"k\")",
    "context.n",
];
const NUMBERS: [&str; 4] = ["context.n", "principal.n", "context.rec.n", "principal.boss.n"];
const SETS: [&str; 3] = ["principal.set", "context.set", "resource.set"];
const PEOPLE: [&str; 4] = ["principal", "resource", "principal.boss", "context.who"];

/// One conjunct; most are ones that the index can ask about.
fn conjunct() -> impl Strategy<Value = String> {
    let number = || (-3_i64..12).prop_map(|number| number.to_string());
    let infix = || pick(&["<", "<=", ">", ">="]);
    let texts = || prop::collection::vec(pick(&TEXTS), 1..4).prop_map(|texts| texts.join(", "));
    prop_oneof![
        6 => (pick(&PATHS), pick(&TEXTS)).prop_map(|(path, text)| format!("{path} == {text}")),
        1 => (pick(&PATHS), pick(&TEXTS)).prop_map(|(path, text)| format!("{text} == {path}")),
        1 => (pick(&PATHS), pick(&TEXTS)).prop_map(|(path, text)| format!("{path} != {text}")),
        2 => (pick(&PATHS), pick(&TEXTS), pick(&TEXTS))
            .prop_map(|(path, a, b)| format!("({path} == {a} || {path} == {b})")),
        2 => (pick(&PATHS), texts()).prop_map(|(path, texts)| format!("[{texts}].contains({path})")),
        2 => (pick(&PATHS), prop_oneof![number(), pick(&["true", "decimal(\"1.0\")", "User::\"b\""])])
            .prop_map(|(path, value)| format!("{path} == {value}")),
        4 => (pick(&NUMBERS), infix(), number()).prop_map(|(path, op, n)| format!("{path} {op} {n}")),
        2 => (pick(&NUMBERS), infix(), number()).prop_map(|(path, op, n)| format!("{n} {op} {path}")),
        3 => (pick(&NUMBERS), -3_i64..9, 0_i64..4)
            .prop_map(|(path, low, width)| format!("{path} >= {low} && {path} < {}", low + width)),
        1 => (pick(&["context.when"]), infix(), pick(&["2024-01-01", "2024-06-01"]))
            .prop_map(|(path, op, date)| format!("{path} {op} datetime(\"{date}\")")),
        2 => (pick(&SETS), pick(&TEXTS)).prop_map(|(set, text)| format!("{set}.contains({text})")),
        1 => (pick(&SETS), pick(&GROUPS)).prop_map(|(set, group)| format!("{set}.contains({group})")),
        2 => (pick(&SETS), pick(&["containsAny", "containsAll"]), texts())
            .prop_map(|(set, method, texts)| format!("{set}.{method}([{texts}])")),
        3 => (pick(&PEOPLE), pick(&GROUPS)).prop_map(|(who, group)| format!("{who} in {group}")),
        1 => (pick(&PEOPLE), pick(&GROUPS), pick(&GROUPS))
            .prop_map(|(who, a, b)| format!("{who} in [{a}, {b}]")),
        1 => (pick(&PEOPLE), pick(&["User", "Group", "Doc"]), pick(&GROUPS))
            .prop_map(|(who, ty, group)| format!("{who} is {ty} in {group}")),
        1 => (pick(&PEOPLE), pick(&["User", "Group", "Doc"])).prop_map(|(who, ty)| format!("{who} is {ty}")),
        1 => (pick(&PEOPLE), pick(&["User::\"b\"", "Doc::\"d\""]))
            .prop_map(|(who, uid)| format!("{who} == {uid}")),
        3 => pick(&["principal has dept", "context has n", "principal has boss", "context has rec.dept",
            "principal.hasTag(\"k\")", "principal has n"]),
        3 => pick(&["principal.dept == resource.dept", "principal.boss == resource.boss", "context.flag",
            "!context.flag", "context.n + 1 > 0", "context.n * 4611686018427387904 > 0",
            "context.dept like \"a*\"", "context.missing", "principal.n < context.n",
            "(if context.flag then context.n else principal.n) == 3",
            "context.dec.lessThan(decimal(\"1.5\"))"]),
    ]
}

fn body() -> impl Strategy<Value = String> {
    prop::collection::vec(conjunct(), 1..4).prop_map(|conjuncts| conjuncts.join(" && "))
}

fn policy() -> impl Strategy<Value = String> {
    let principal = pick(&[
        "principal",
        "principal",
        "principal",
        "principal in Group::\"g\"",
        "principal in Group::\"h\"",
        "principal == User::\"a\"",
        "principal is User",
        "principal is User in Group::\"i\"",
    ]);
    let action = pick(&[
        "action",
        "action == Action::\"r\"",
        "action == Action::\"w\"",
        "action in [Action::\"w\", Action::\"all\"]",
        "action in Action::\"all\"",
        "action in []",
    ]);
    let resource = pick(&["resource", "resource", "resource is Doc", "resource in Group::\"h\""]);
    let clauses = prop_oneof![
        6 => body().prop_map(|body| format!("when {{ {body} }}")),
        1 => body().prop_map(|body| format!("unless {{ {body} }}")),
        1 => (body(), body()).prop_map(|(a, b)| format!("when {{ {a} }} unless {{ {b} }}")),
        1 => Just(String::new()),
    ];
    (pick(&["permit", "permit", "forbid"]), principal, action, resource, clauses).prop_map(
        |(effect, principal, action, resource, clauses)| {
            format!("{effect} ({principal}, {action}, {resource}) {clauses};")
        },
    )
}

/// Policies of a few moulds, as large sets have them: the same conditions with other constants.
fn policies() -> impl Strategy<Value = Vec<String>> {
    let moulds = (0_usize..6, 4_i64..30).prop_map(|(mould, count)| {
        let one = |at: i64| match mould {
            0 => format!("principal.dept == resource.dept && principal.n == {at}"),
            1 => format!("principal has n && principal.n == {at} && context.n < {at}"),
            2 => format!("context.n >= {at} && context.n < {}", at + 2),
            3 => format!("principal.n <= {at} && [{at}, {}].contains(context.n)", at + 1),
            4 => format!("context.set.contains({at}) && context.flag"),
            _ => format!("context.flag && principal.boss in Group::\"{}\" && principal.n > {at}", at % 3),
        };
        (0..count)
            .map(|at| {
                let effect = if at % 5 == 0 { "forbid" } else { "permit" };
                format!("{effect} (principal, action, resource) when {{ {} }};", one(at))
            })
            .collect::<Vec<_>>()
    });
    (prop::collection::vec(policy(), 1..40), prop::option::of(moulds)).prop_map(|(mut policies, mould)| {
        policies.extend(mould.into_iter().flatten());
        policies
    })
}

/// A value for `name`, mostly of the kind that the conditions expect.
fn member(name: &'static str) -> BoxedStrategy<Value> {
    let text = || prop::sample::select(vec![json!("a"), json!("b"), json!("c"), json!("")]);
    let number = || (-3_i64..12).prop_map(Value::from);
    let group = |id: &str| json!({"__entity": {"type": "Group", "id": id}});
    let user = |id: &str| json!({"__entity": {"type": "User", "id": id}});
    let date = |text: &str| json!({"__extn": {"fn": "datetime", "arg": text}});
    let usual = match name {
        "dept" => text().boxed(),
        "n" => number().boxed(),
        "flag" => any::<bool>().prop_map(Value::from).boxed(),
        "boss" | "who" => {
            prop::sample::select(vec![user("a"), user("b"), user("gone"), group("g"), group("x")]).boxed()
        }
        "when" => prop::sample::select(vec![date("2023-01-01"), date("2024-03-01")]).boxed(),
        "dec" => Just(json!({"__extn": {"fn": "decimal", "arg": "1.0"}})).boxed(),
        "set" => {
            let member = prop_oneof![text(), number(), Just(group("g")), Just(json!([1]))];
            prop::collection::vec(member, 0..5).prop_map(Value::from).boxed()
        }
        _ => (text(), number()).prop_map(|(text, n)| json!({"dept": text, "n": n})).boxed(),
    };
    let other =
        prop::sample::select(vec![json!(3), json!("a"), json!(true), json!([]), user("b"), json!({})]);
    prop_oneof![12 => usual, 1 => other].boxed()
}

fn members(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let present: Vec<_> = names.iter().map(|name| prop::option::weighted(0.85, member(name))).collect();
    present.prop_map(move |values| {
        let there = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Value::Object(there.collect())
    })
}

fn entities() -> impl Strategy<Value = Value> {
    let uid = |ty: &str, id: &str| json!({"type": ty, "id": id});
    let groups = vec![uid("Group", "g"), uid("Group", "h"), uid("Team", "t")];
    let entity = move |ty: &'static str, id: &'static str| {
        let tags = prop::option::of(prop::sample::select(vec!["a", "b"]));
        let parents = prop::sample::subsequence(groups.clone(), 0..=2);
        (members(&["dept", "n", "boss", "set"]), tags, parents).prop_map(move |(attrs, tag, parents)| {
            let tags = tag.map_or(json!({}), |tag| json!({"k": tag}));
            json!({"uid": {"type": ty, "id": id}, "attrs": attrs, "tags": tags, "parents": parents})
        })
    };
    let group = |id: &str, above: &str| json!({"uid": uid("Group", id), "attrs": {}, "parents": [uid("Group", above)]});
    let fixed = vec![
        group("g", "i"),
        group("h", "i"),
        json!({"uid": uid("Action", "r"), "attrs": {}, "parents": [uid("Action", "all")]}),
    ];
    (entity("User", "a"), entity("User", "b"), entity("Doc", "d")).prop_map(move |(a, b, d)| {
        let mut all = vec![a, b, d];
        all.extend(fixed.clone());
        Value::Array(all)
    })
}

fn request() -> impl Strategy<Value = Value> {
    let uids = |names: &[(&str, &str)]| -> Vec<Value> {
        names.iter().map(|(ty, id)| json!({"type": ty, "id": id})).collect()
    };
    let principals =
        prop::sample::select(uids(&[("User", "a"), ("User", "b"), ("User", "gone"), ("Group", "g")]));
    let actions = prop::sample::select(uids(&[("Action", "r"), ("Action", "w"), ("Action", "all")]));
    let resources =
        prop::sample::select(uids(&[("Doc", "d"), ("Doc", "d"), ("Doc", "gone"), ("Group", "h")]));
    let context = members(&["dept", "n", "flag", "who", "when", "dec", "set", "rec"]);
    (principals, actions, resources, context).prop_map(|(principal, action, resource, context)| {
        json!({"principal": principal, "action": action, "resource": resource, "context": context})
    })
}

/// What a look at every policy finds.
fn scan(image: &Image, request: &policy::Request<'_>) -> Answer {
    let explanation = policy::explain(image, request);
    let named = |effect: Option<Effect>, wanted: fn(&Found) -> bool| {
        explanation
            .findings
            .iter()
            .filter(move |found| effect.is_none_or(|effect| found.policy.effect() == effect))
            .filter(move |found| wanted(&found.result))
            .map(|found| found.policy.id().to_owned())
            .collect()
    };
    let satisfied = |found: &Found| matches!(found, Found::Satisfied);
    let permits: std::collections::BTreeSet<String> = named(Some(Effect::Permit), satisfied);
    let forbids: std::collections::BTreeSet<String> = named(Some(Effect::Forbid), satisfied);
    let allow = forbids.is_empty() && !permits.is_empty();
    let errors = named(None, |found| matches!(found, Found::Failed(..)));
    assert_eq!(allow, explanation.outcome.decision() == Decision::Allow, "the decision itself");
    Answer { allow, determining: if allow { permits } else { forbids }, errors }
}

#[test]
fn the_index_hides_nothing() {
    let cases = std::env::var("COUNTERSIGN_CASES").ok().map_or(600, |cases| cases.parse().expect("a number"));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let strategy = (policies(), entities(), prop::collection::vec(request(), 1..8));
    let (asked, allowed, errors) = (Cell::new(0_u64), Cell::new(0_u64), Cell::new(0_u64));
    let result = runner.run(&strategy, |(policies, entities, requests)| {
        let text = policies.join("\n");
        let set = PolicySet::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        let entities = Entities::from_json_value(entities, None).expect("entities");
        let case = Case { set, schema: None, entities };
        let [image, bare] = case.images().map_err(TestCaseError::fail)?;
        let brought = case.brought();
        for request in requests {
            let request = case.request(&request).map_err(TestCaseError::fail)?;
            let official = case.official(&request);
            prop_assert_eq!(&ours(&image, &request, &[]), &official, "in the image\n{}", text);
            prop_assert_eq!(&ours(&bare, &request, &brought), &official, "brought along\n{}", text);
            let scanned = common::asked(&request, &brought, |asked| scan(&bare, asked));
            prop_assert_eq!(&scanned, &official, "one by one\n{}", text);
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
    assert!(allowed > 0 && errors > 0 && errors < asked && asked > u64::from(cases), "too little was tried");
}

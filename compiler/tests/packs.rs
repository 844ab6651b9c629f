//! The reference packs: every case of their tests, answered by the official crate and by ours, and every policy
//! both decisive and not.

#[allow(dead_code, reason = "shared with the other tests")]
mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
};

use cedar_policy::{Entities, Policy, PolicyId, PolicySet, Request, Schema};
use common::{Answer, Case, ours, recorded, uid};
use countersign_compiler::{CompileOptions, Pack, compile, convert, load_pack};
use countersign_core::policy::{self, Image, explain::Found};
use serde_json::{Value, json};

fn packs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut packs: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("policies").map(|entry| entry.expect("entry").path()).collect();
    packs.retain(|path| path.is_dir());
    packs.sort();
    assert!(!packs.is_empty());
    packs
}

/// The pack as the official crate reads it, under the identifiers of `@id`.
fn official(pack: &Pack) -> Case {
    let mut set = PolicySet::new();
    for source in &pack.policies {
        for policy in PolicySet::from_str(&source.text).expect("policies").policies() {
            let id = policy.annotation("id").expect("every policy of a pack has an `@id`").to_owned();
            set.add(policy.new_id(PolicyId::new(id))).expect("distinct");
        }
    }
    let schema = Schema::from_str(&pack.schema.as_ref().expect("schema").text).expect("schema");
    let entities = pack.entities.as_ref().map_or("[]", |source| &source.text);
    let entities = Entities::from_json_str(entities, Some(&schema)).expect("entities");
    Case { set, schema: Some(schema), entities }
}

#[test]
fn every_case_and_every_policy() {
    for folder in packs() {
        check(&folder);
    }
}

fn check(folder: &Path) {
    let name = folder.file_name().expect("name").to_string_lossy().into_owned();
    let pack = load_pack(folder).expect("pack");
    let compiled = compile(&pack, &CompileOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(compiled.warnings.is_empty(), "{:?}", compiled.warnings);
    let image = Image::decode(&compiled.image).expect("usable");
    let pack = official(&pack);
    let text = std::fs::read_to_string(folder.join("tests.json")).expect("tests.json");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("tests.json");
    assert!(!cases.is_empty(), "{name}: no cases");

    let mut decisive: BTreeSet<String> = BTreeSet::new();
    let mut missed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut judged = Vec::new();
    for case in &cases {
        let title = format!("{name}: {}", case["name"].as_str().expect("name"));
        let entities = pack
            .entities
            .clone()
            .add_entities_from_json_str(&case["entities"].to_string(), pack.schema.as_ref())
            .unwrap_or_else(|error| panic!("{title}: {error:?}"));
        let brought: Vec<policy::Entity> = case["entities"]
            .as_array()
            .expect("entities")
            .iter()
            .map(|entity| {
                let entity = entities.get(&uid(&entity["uid"])).expect("added");
                convert::entity(entity.as_ref()).expect("known")
            })
            .collect();
        let pack = Case { set: pack.set.clone(), schema: pack.schema.clone(), entities };
        let request = pack.request(case).unwrap_or_else(|error| panic!("{title}: {error}"));
        let expected = recorded(case);
        assert_eq!(pack.official(&request), expected, "{title} (official crate)");
        assert_eq!(ours(&image, &request, &brought), expected, "{title}");
        note(&image, &request, &brought, &expected, &mut decisive, &mut missed);
        judged.push((pack, request, expected));
    }
    for policy in image.policies() {
        let id = policy.id();
        assert!(decisive.contains(id), "{name}: no case is decided by `{id}`");
        assert!(missed.contains_key(id), "{name}: no case comes near `{id}` without satisfying it");
        assert!(policy.annotation("reason").is_some(), "{name}: `{id}` has no `@reason`");
    }
    let mut unnoticed = Vec::new();
    for policy in pack.set.policies() {
        for (what, weaker) in mutants(&policy.to_json().expect("static")) {
            let weaker = Policy::from_json(Some(policy.id().clone()), weaker).expect("a policy");
            if !judged.iter().any(|(case, request, expected)| changes(case, request, expected, &weaker)) {
                unnoticed.push(format!("`{}` has lost {what}", policy.id()));
            }
        }
    }
    assert!(unnoticed.is_empty(), "{name}: no case notices that\n{}", unnoticed.join("\n"));
    println!("{name}: {} cases, {} policies, all decisive and missed", cases.len(), image.policy_count());
}

/// Whether the answer is another one with `policy` in the place of the one of its name.
fn changes(case: &Case, request: &Request, expected: &Answer, policy: &Policy) -> bool {
    let mut set = case.set.clone();
    set.remove_static(policy.id().clone()).expect("static");
    set.add(policy.clone()).expect("free");
    Case { set, schema: None, entities: case.entities.clone() }.official(request) != *expected
}

/// A policy without one thing that it asks for: an entity of its scope, a condition, or an operand of `&&` or `||`.
fn mutants(policy: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut with = |what: String, pointer: &str, value: Value| {
        let mut weaker = policy.clone();
        *weaker.pointer_mut(pointer).expect("there") = value;
        found.push((what, weaker));
    };
    for name in ["principal", "action", "resource"] {
        let scope = &policy[name];
        // Resource types and actions mostly follow from each other by the schema.
        match (scope["op"].as_str(), scope["entities"].as_array()) {
            (_, Some(entities)) => {
                for (index, entity) in entities.iter().enumerate() {
                    let mut fewer = entities.clone();
                    fewer.remove(index);
                    with(format!("{entity}"), &format!("/{name}/entities"), json!(fewer));
                }
            }
            (Some("is"), None) if scope.get("in").is_some() => {
                let is = json!({ "op": "is", "entity_type": scope["entity_type"] });
                with(format!("`in` of its {name}"), &format!("/{name}"), is);
            }
            (Some("==" | "in"), None) if name != "action" => {
                with(format!("its {name}"), &format!("/{name}"), json!({ "op": "All" }));
            }
            _ => {}
        }
    }
    let conditions = policy["conditions"].as_array().expect("conditions");
    for (index, condition) in conditions.iter().enumerate() {
        let mut fewer = conditions.clone();
        fewer.remove(index);
        with(format!("{condition}"), "/conditions", json!(fewer));
        for (pointer, operand) in operands(&condition["body"]) {
            with(format!("all but {operand}"), &format!("/conditions/{index}/body{pointer}"), operand);
        }
    }
    found
}

/// Every operand of `&&` and `||`, with the place of the expression that it would stand for.
fn operands(expression: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for operator in ["&&", "||"] {
        for side in ["left", "right"] {
            if let Some(operand) = expression.get(operator).map(|operands| operands[side].clone()) {
                let inner = operands(&operand);
                let below = |pointer| format!("/{operator}/{side}{pointer}");
                found.extend(inner.into_iter().map(|(pointer, inner)| (below(pointer), inner)));
                found.push((String::new(), operand));
            }
        }
    }
    found
}

/// Notes which policies decided, and which were about this request and not satisfied.
fn note(
    image: &Image,
    request: &cedar_policy::Request,
    brought: &[policy::Entity],
    expected: &Answer,
    decisive: &mut BTreeSet<String>,
    missed: &mut BTreeMap<String, BTreeSet<String>>,
) {
    decisive.extend(expected.determining.iter().cloned());
    let named = |uid: Option<&cedar_policy::EntityUid>| convert::uid(uid.expect("concrete").as_ref());
    let (principal, action, resource) =
        (named(request.principal()), named(request.action()), named(request.resource()));
    let context = convert::context(request.context().expect("concrete").as_ref()).expect("known");
    let entities: Vec<&policy::Entity> = brought.iter().collect();
    let request = policy::Request {
        principal: &principal,
        action: &action,
        resource: &resource,
        context: &context,
        entities: &entities,
    };
    image.schema().check(&request).expect("the request fits the schema");
    for finding in policy::explain(image, &request).findings {
        let id = finding.policy.id().to_owned();
        match finding.result {
            Found::ConditionFalse(condition) => {
                assert!(!condition.text.is_empty());
                missed.entry(id).or_default().insert(condition.text);
            }
            Found::OtherPrincipal(_) | Found::OtherAction | Found::OtherResource(_) => {
                let conditions =
                    image.policies().find(|policy| policy.id() == id).expect("there").conditions();
                if conditions == 0 {
                    missed.entry(id).or_default();
                }
            }
            Found::Satisfied | Found::Failed(..) => {}
        }
    }
}

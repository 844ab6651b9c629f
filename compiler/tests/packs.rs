//! The reference packs: every case of their tests, answered by the official crate and by ours, and every policy
//! both decisive and not.

#[allow(dead_code, reason = "shared with the other tests")]
mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
};

use cedar_policy::{Entities, PolicyId, PolicySet, Schema};
use common::{Answer, Case, ours, recorded, uid};
use countersign_compiler::{CompileOptions, Pack, compile, convert, load_pack};
use countersign_core::policy::{self, Image, explain::Found};
use serde_json::Value;

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
    }
    for policy in image.policies() {
        let id = policy.id();
        assert!(decisive.contains(id), "{name}: no case is decided by `{id}`");
        assert!(missed.contains_key(id), "{name}: no case comes near `{id}` without satisfying it");
        assert!(policy.annotation("reason").is_some(), "{name}: `{id}` has no `@reason`");
    }
    println!("{name}: {} cases, {} policies, all decisive and missed", cases.len(), image.policy_count());
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
            Found::OtherPrincipal | Found::OtherAction | Found::OtherResource => {
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

//! The policy sets of Cedar's published benchmark, with entities of our own: none are published with them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use countersign_tests::root;
use serde_json::{Value, json};

use crate::sets::Set;

/// Users, repositories, documents or lists in each.
const COUNT: usize = 20;

/// The sets, where the test material is there.
pub(crate) fn sets() -> Result<Vec<Set>> {
    let vectors = std::env::var_os("COUNTERSIGN_VECTORS")
        .map_or_else(|| root().join("../shared/vectors"), PathBuf::from);
    let folder = vectors.join("cedar-examples/oopsla2024-benchmarks/benches");
    if !folder.is_dir() {
        println!("the published benchmark's sets are skipped: the test material is not there");
        return Ok(Vec::new());
    }
    let read = |file: &str| fs::read_to_string(folder.join(file)).with_context(|| format!("reading {file}"));
    let set = |name: &str,
               policies: &str,
               schema: &str,
               link: fn(&str) -> String,
               (entities, requests): (Vec<Value>, Vec<Value>)|
     -> Result<Set> {
        let policies = link(&read(policies)?);
        Ok(Set {
            family: format!("published {name}"),
            size: policies.parse::<cedar_policy::PolicySet>()?.policies().count(),
            policies,
            schema: read(schema)?,
            entities,
            brought: &[],
            all_ancestors: true,
            requests,
            grown: false,
        })
    };
    Ok(vec![
        set(
            "github",
            "github/cedar/policies.cedar",
            "github/cedar/github.cedarschema.json",
            whole,
            github(false),
        )?,
        set(
            "github, linked",
            "github-templates/cedar/policies.cedar",
            "github-templates/cedar/github-templates.cedarschema.json",
            |policies| linked(policies, "Team", "Repository"),
            github(true),
        )?,
        set(
            "gdrive",
            "gdrive/cedar/policies.cedar",
            "gdrive/cedar/gdrive.cedarschema.json",
            whole,
            gdrive(false),
        )?,
        set(
            "gdrive, linked",
            "gdrive-templates/cedar/policies.cedar",
            "gdrive-templates/cedar/gdrive-templates.cedarschema.json",
            |policies| linked(policies, "Group", "Folder"),
            gdrive(true),
        )?,
        set(
            "tinytodo",
            "tinytodo/cedar/tinytodo.cedar",
            "tinytodo/cedar/tinytodo.cedarschema.json",
            whole,
            tinytodo(),
        )?,
    ])
}

fn whole(policies: &str) -> String {
    policies.to_owned()
}

/// Each template once for every pair of the entities with the same number; what is no template stays.
fn linked(policies: &str, principal: &str, resource: &str) -> String {
    let mut linked = String::new();
    for policy in policies.split_inclusive(';') {
        if !policy.contains("?principal") {
            linked.push_str(policy);
            continue;
        }
        for at in 0..COUNT {
            let policy = policy
                .replace("?principal", &format!("{principal}::\"{at}\""))
                .replace("?resource", &format!("{resource}::\"{at}\""));
            // An identifier can't be told twice.
            linked.extend(
                policy.lines().filter(|line| !line.starts_with("@id(")).map(|line| format!("{line}\n")),
            );
        }
    }
    linked
}

fn uid(ty: &str, id: impl std::fmt::Display) -> Value {
    json!({ "type": ty, "id": id.to_string() })
}

fn reference(ty: &str, id: impl std::fmt::Display) -> Value {
    json!({ "__entity": uid(ty, id) })
}

fn entity(uid: Value, attributes: Value, parents: Vec<Value>) -> Value {
    json!({ "uid": uid, "attrs": attributes, "parents": parents })
}

fn ask(user: usize, action: &str, resource: Value) -> Value {
    json!({ "principal": uid("User", user), "action": uid("Action", action), "resource": resource, "context": {} })
}

/// Teams in teams: what they may do with repositories stands in the entities, or, where `linked`, in policies.
fn github(linked: bool) -> (Vec<Value>, Vec<Value>) {
    let permissions = ["readers", "triagers", "writers", "maintainers", "admins"];
    let organization = json!({
        "readers": reference("OrgPermission", "readers"), "writers": reference("OrgPermission", "writers"),
        "admins": reference("OrgPermission", "admins"),
    });
    let mut entities = vec![entity(uid("Organization", "o"), organization, vec![])];
    for at in 0..COUNT {
        let mut repository = json!({ "owner": reference("Organization", "o") });
        let mut above: Vec<Value> = (at + 5 < COUNT).then(|| uid("Team", at + 5)).into_iter().collect();
        if !linked {
            for permission in permissions {
                let id = format!("{at}/{permission}");
                repository[permission] = reference("RepoPermission", &id);
                entities.push(entity(uid("RepoPermission", &id), json!({}), vec![]));
            }
            above.push(uid("RepoPermission", format!("{at}/{}", permissions[at % 5])));
        }
        entities.push(entity(uid("Repository", at), repository, vec![]));
        entities.push(entity(uid("Team", at), json!({}), above));
        entities.push(entity(uid("User", at), json!({}), vec![uid("Team", at)]));
    }
    let requests = vec![
        ask(0, "read", uid("Repository", 5)),
        ask(2, "write", uid("Repository", 7)),
        ask(0, "write", uid("Repository", 7)),
        ask(3, "admin", uid("Repository", 4)),
    ];
    (entities, requests)
}

/// Documents in folders: who may view a folder stands in the entities, or, where `linked`, in policies about groups.
fn gdrive(linked: bool) -> (Vec<Value>, Vec<Value>) {
    let mut entities = Vec::new();
    for at in 0..COUNT {
        let viewers = uid(if linked { "Group" } else { "View" }, at);
        let mut above: Vec<Value> = (at + 4 < COUNT).then(|| uid("Folder", at + 4)).into_iter().collect();
        let mut user = json!({
            "ownedDocuments": [reference("Document", at)], "ownedFolders": [reference("Folder", at)],
        });
        if !linked {
            above.push(viewers.clone());
            user["documentsAndFoldersWithViewAccess"] = reference("View", at);
        }
        entities.push(entity(viewers.clone(), json!({}), vec![]));
        entities.push(entity(uid("Folder", at), json!({}), above));
        entities.push(entity(uid("Document", at), json!({ "isPublic": at == 0 }), vec![uid("Folder", at)]));
        entities.push(entity(uid("User", at), user, linked.then_some(viewers).into_iter().collect()));
    }
    let requests = vec![
        ask(9, "read", uid("Document", 1)),
        ask(3, "changeOwner", uid("Document", 3)),
        ask(2, "read", uid("Document", 3)),
        ask(2, "write", uid("Document", 7)),
    ];
    (entities, requests)
}

/// Lists with an owner, and teams that read and edit them.
fn tinytodo() -> (Vec<Value>, Vec<Value>) {
    let mut entities = vec![entity(uid("Application", "TinyTodo"), json!({}), vec![])];
    for at in 0..COUNT {
        let above: Vec<Value> = (at + 4 < COUNT).then(|| uid("Team", at + 4)).into_iter().collect();
        entities.push(entity(uid("Team", at), json!({}), above));
        entities.push(entity(
            uid("User", at),
            json!({}),
            vec![uid("Team", at), uid("Application", "TinyTodo")],
        ));
        let list = json!({
            "owner": reference("User", at), "name": "list", "tasks": [{ "name": "task", "id": 1, "state": "open" }],
            "readers": reference("Team", at), "editors": reference("Team", (at + 1) % COUNT),
        });
        entities.push(entity(uid("List", at), list, vec![uid("Application", "TinyTodo")]));
    }
    let requests = vec![
        ask(3, "GetList", uid("List", 7)),
        ask(2, "UpdateList", uid("List", 5)),
        ask(2, "GetList", uid("List", 3)),
        ask(2, "DeleteList", uid("List", 3)),
    ];
    (entities, requests)
}

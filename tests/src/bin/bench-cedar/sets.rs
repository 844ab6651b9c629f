//! The policy sets that are measured: roles, attributes and deep hierarchies, of every size.

use serde_json::{Value, json};

/// A policy set with what is asked of it.
pub(crate) struct Set {
    /// What kind of set.
    pub(crate) family: String,
    /// How many policies.
    pub(crate) size: usize,
    /// In Cedar.
    pub(crate) policies: String,
    /// In Cedar, or as JSON.
    pub(crate) schema: String,
    /// All entities, in Cedar's JSON form.
    pub(crate) entities: Vec<Value>,
    /// Types of entities that come with a request; the others are in the image.
    pub(crate) brought: &'static [&'static str],
    /// Whether those that come with a request name all their ancestors rather than their parents.
    pub(crate) all_ancestors: bool,
    /// `{principal, action, resource, context}`
    pub(crate) requests: Vec<Value>,
    /// Whether it is one of the grown sets, which the targets are about.
    pub(crate) grown: bool,
}

impl Set {
    /// Whether no entity lies in another.
    pub(crate) fn is_flat(&self) -> bool {
        self.entities.iter().all(|entity| entity["parents"].as_array().is_some_and(Vec::is_empty))
    }
}

/// The sizes.
pub(crate) const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];

const SCHEMA: &str = "
entity Role in [Role];
entity Group in [Group];
entity Folder in [Folder];
entity User in [Role, Group] { tenant: String, dept: String, level: Long };
entity Doc in [Folder] { tenant: String, class: String, labels: Set<String> };
action read, write appliesTo { principal: User, resource: Doc, context: { amount: Long } };
";

/// Levels of the deep hierarchies.
const LEVELS: usize = 16;

/// The families, each with its sets from small to large.
pub(crate) fn families(sizes: &[usize]) -> Vec<Vec<Set>> {
    [rbac, abac_equality, abac_ranges, abac_tenants, deep, deep_all_ancestors]
        .iter()
        .map(|family| sizes.iter().map(|size| family(*size)).collect())
        .collect()
}

fn set(
    family: &str,
    size: usize,
    policy: impl Fn(usize) -> String,
    entities: Vec<Value>,
    requests: Vec<Value>,
) -> Set {
    Set {
        family: family.to_owned(),
        size,
        policies: (0..size).map(policy).collect::<Vec<_>>().join("\n"),
        schema: SCHEMA.to_owned(),
        entities,
        brought: &["User", "Doc"],
        all_ancestors: false,
        requests,
        grown: true,
    }
}

fn uid(ty: &str, id: &str) -> Value {
    json!({ "type": ty, "id": id })
}

fn user(id: &str, dept: &str, parents: &[Value]) -> Value {
    json!({ "uid": uid("User", id), "attrs": { "tenant": "acme", "dept": dept, "level": 5 }, "parents": parents })
}

fn doc(id: &str, tenant: &str, class: &str, label: &str, parents: &[Value]) -> Value {
    let attributes = json!({ "tenant": tenant, "class": class, "labels": [label, "public"] });
    json!({ "uid": uid("Doc", id), "attrs": attributes, "parents": parents })
}

fn ask(user: &str, doc: &str, amount: usize) -> Value {
    json!({
        "principal": uid("User", user), "action": uid("Action", "read"), "resource": uid("Doc", doc),
        "context": { "amount": amount },
    })
}

/// A role for each policy, in its scope, and the tenant.
fn rbac(size: usize) -> Set {
    let policy = |at: usize| {
        let action = if at.is_multiple_of(2) { "read" } else { "write" };
        format!(
            "permit (principal in Role::\"r{at}\", action == Action::\"{action}\", resource) \
             when {{ principal.tenant == resource.tenant }};"
        )
    };
    let (middle, last) = ((size / 2) & !1, (size - 1) & !1);
    let role = |at: usize| uid("Role", &format!("r{at}"));
    let entities = vec![
        json!({ "uid": role(middle), "attrs": {}, "parents": [] }),
        user("both", "d", &[role(middle), uid("Role", "staff")]),
        user("last", "d", &[role(last)]),
        user("none", "d", &[uid("Role", "staff")]),
        doc("own", "acme", "c", "l", &[]),
        doc("other", "globex", "c", "l", &[]),
    ];
    let requests =
        vec![ask("both", "own", 0), ask("last", "own", 0), ask("both", "other", 0), ask("none", "own", 0)];
    set("rbac", size, policy, entities, requests)
}

/// Equality on attributes of both sides, and a level.
fn abac_equality(size: usize) -> Set {
    let policy = |at: usize| {
        format!(
            "permit (principal, action == Action::\"read\", resource is Doc) when {{ principal.dept == \"d{at}\" && \
             resource.class == \"c{}\" && principal.level >= {} }};",
            at % 7,
            at % 5
        )
    };
    let (middle, last) = (size / 2, size - 1);
    let entities = vec![
        user("middle", &format!("d{middle}"), &[]),
        user("last", &format!("d{last}"), &[]),
        user("none", "elsewhere", &[]),
        doc("middle", "acme", &format!("c{}", middle % 7), "l", &[]),
        doc("last", "acme", &format!("c{}", last % 7), "l", &[]),
        doc("other", "acme", "unclassified", "l", &[]),
    ];
    let requests = vec![
        ask("middle", "middle", 0),
        ask("last", "last", 0),
        ask("middle", "other", 0),
        ask("none", "last", 0),
    ];
    set("abac equality", size, policy, entities, requests)
}

/// Ranges of an amount.
fn abac_ranges(size: usize) -> Set {
    let policy = |at: usize| {
        format!(
            "permit (principal, action == Action::\"read\", resource) when {{ context.amount >= {} && context.amount < {} && \
             principal.level > 1 }};",
            10 * at + 1,
            10 * at + 11
        )
    };
    let entities = vec![user("u", "d", &[]), doc("d", "acme", "c", "l", &[])];
    let requests = vec![
        ask("u", "d", 10 * (size / 2) + 3),
        ask("u", "d", 10 * (size - 1) + 9),
        ask("u", "d", 0),
        ask("u", "d", 10 * size + 11),
    ];
    set("abac ranges", size, policy, entities, requests)
}

/// The tenant of both sides, a department, and a label.
fn abac_tenants(size: usize) -> Set {
    let policy = |at: usize| {
        format!(
            "permit (principal, action == Action::\"read\", resource) when {{ principal.tenant == resource.tenant && \
             principal.dept == \"d{at}\" && resource.labels.contains(\"l{}\") }};",
            at % 11
        )
    };
    let (middle, last) = (size / 2, size - 1);
    let entities = vec![
        user("middle", &format!("d{middle}"), &[]),
        user("last", &format!("d{last}"), &[]),
        doc("middle", "acme", "c", &format!("l{}", middle % 11), &[]),
        doc("last", "acme", "c", &format!("l{}", last % 11), &[]),
        doc("other", "globex", "c", &format!("l{}", last % 11), &[]),
        doc("bare", "acme", "c", "none", &[]),
    ];
    let requests = vec![
        ask("middle", "middle", 0),
        ask("last", "last", 0),
        ask("last", "other", 0),
        ask("last", "bare", 0),
    ];
    set("abac tenants", size, policy, entities, requests)
}

/// Sixteen levels of groups and of folders; up to sixteen policies are about the caller's groups, one about the folder too.
fn deep(size: usize) -> Set {
    let step = size.div_ceil(LEVELS).max(1);
    let last = (size - 1) / step * step;
    let policy = |at: usize| {
        let group =
            if at.is_multiple_of(step) { format!("h{}", LEVELS - 1 - at / step) } else { format!("x{at}") };
        let folder = if at == last { format!("f{}", LEVELS - 1) } else { format!("y{at}") };
        format!(
            "permit (principal in Group::\"{group}\", action == Action::\"read\", resource in Folder::\"{folder}\");"
        )
    };
    let level = |ty: &str, prefix: &str, at: usize| {
        let parents: Vec<Value> =
            (at + 1 < LEVELS).then(|| uid(ty, &format!("{prefix}{}", at + 1))).into_iter().collect();
        json!({ "uid": uid(ty, &format!("{prefix}{at}")), "attrs": {}, "parents": parents })
    };
    let mut entities: Vec<Value> = (0..LEVELS).map(|at| level("Group", "h", at)).collect();
    entities.extend((0..LEVELS).map(|at| level("Folder", "f", at)));
    entities.extend([
        user("deep", "d", &[uid("Group", "h0")]),
        user("none", "d", &[uid("Group", "elsewhere")]),
        doc("deep", "acme", "c", "l", &[uid("Folder", "f0")]),
        doc("shallow", "acme", "c", "l", &[uid("Folder", &format!("f{}", LEVELS - 1))]),
        doc("other", "acme", "c", "l", &[uid("Folder", "elsewhere")]),
    ]);
    let requests = vec![
        ask("deep", "deep", 0),
        ask("deep", "shallow", 0),
        ask("deep", "other", 0),
        ask("none", "deep", 0),
    ];
    set("deep hierarchy", size, policy, entities, requests)
}

/// The same where whoever asks has found all ancestors already.
fn deep_all_ancestors(size: usize) -> Set {
    Set { family: "deep, all ancestors".to_owned(), all_ancestors: true, grown: false, ..deep(size) }
}

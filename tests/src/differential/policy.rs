//! Policies: sets of a few shapes and many constants, with anything else between them.

use serde_json::{Value, json};

use super::condition::Shape;
use super::expression::{Type, action, entity, expression};
use super::random::Random;

/// Adds policies to a case, some of them linked from templates.
pub(super) fn add(case: &mut Value, random: &mut Random) {
    let count = match random.below(10) {
        0..=3 => 1 + random.below(4),
        4..=6 => 1 + random.below(12),
        _ => 1 + random.below(60),
    };
    let shapes: Vec<Shape> = (0..1 + random.below(3)).map(|_| Shape::new(random)).collect();
    let texts: Vec<String> = (0..count).map(|_| policy(random, &shapes, "", "")).collect();
    if !random.percent(12) {
        case["policy"] = texts.join("\n").into();
        return;
    }
    let named = |texts: Vec<String>, prefix: &str| -> Value {
        texts.into_iter().enumerate().map(|(at, text)| json!([format!("{prefix}{at}"), text])).collect()
    };
    let slots = [
        (" == ?principal", ""),
        (" in ?principal", ""),
        ("", " == ?resource"),
        (" in ?principal", " in ?resource"),
    ];
    let mut links = Vec::new();
    let templates: Vec<String> = (0..1 + random.below(3))
        .map(|template| {
            let (principal, resource) = slots[random.below(slots.len())];
            for _ in 0..1 + random.below(6) {
                let mut values = json!({});
                if !principal.is_empty() {
                    values["?principal"] = entity(random).into();
                }
                if !resource.is_empty() {
                    values["?resource"] = entity(random).into();
                }
                links.push(json!({ "templateId": format!("t{template}"), "newId": format!("l{}", links.len()), "values": values }));
            }
            policy(random, &shapes, principal, resource)
        })
        .collect();
    case["policy_parts"] = json!({ "static": named(texts, "s"), "templates": named(templates, "t") });
    case["links"] = links.into();
}

/// A policy; the slots of a template stand in for parts of the scope.
fn policy(random: &mut Random, shapes: &[Shape], principal: &str, resource: &str) -> String {
    let effect = if random.percent(25) { "forbid" } else { "permit" };
    let scope = |random: &mut Random, variable: &str, slot: &str| match slot {
        "" => party(random, variable),
        slot => format!("{variable}{slot}"),
    };
    let (principal, resource) = (scope(random, "principal", principal), scope(random, "resource", resource));
    let action = match random.below(8) {
        0 | 1 => format!("action == {}", self::action(random)),
        2 => format!("action in {}", self::action(random)),
        3 => format!("action in [{}, {}]", self::action(random), self::action(random)),
        4 if random.percent(10) => "action in []".to_owned(),
        _ => "action".to_owned(),
    };
    let clauses = match random.below(10) {
        0 => String::new(),
        1 => format!(" {} {{ {} }}", random.pick(&["when", "unless"]), expression(random, Type::Bool, 4)),
        _ => shapes[random.below(shapes.len())].clauses(random),
    };
    format!("{effect} ({principal}, {action}, {resource}){clauses};")
}

fn party(random: &mut Random, variable: &str) -> String {
    match random.below(12) {
        0 => format!("{variable} == {}", entity(random)),
        1 | 2 => format!("{variable} in {}", entity(random)),
        3 => format!("{variable} is {}", random.pick(&["User", "Doc", "Group"])),
        4 => format!("{variable} is {} in {}", random.pick(&["User", "Doc"]), entity(random)),
        _ => variable.to_owned(),
    }
}

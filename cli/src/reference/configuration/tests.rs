use super::*;

#[test]
fn every_object_of_the_schema_lists_its_fields_in_the_order_of_their_declaration() {
    let schema = schema();
    let own = ("Config".to_owned(), schema.clone());
    let all = schema["$defs"].as_object().unwrap().clone().into_iter().chain([own]);
    for (name, object) in all.filter(|(_, object)| object.get("properties").is_some()) {
        let mut properties: Vec<&str> =
            object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut declared = order::fields(&name).to_vec();
        properties.sort_unstable();
        declared.sort_unstable();
        assert_eq!(declared, properties, "{name}");
    }
}

#[test]
fn every_field_has_a_meaning() {
    for line in markdown().lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        assert!(cells.len() >= 3, "{line}");
        assert!(cells.iter().all(|cell| !cell.trim().is_empty()), "{line}");
    }
}

#[test]
fn nested_fields_stand_under_their_path() {
    let page = markdown();
    for field in [
        "| `version` | integer | *required* |",
        "| `issuers[].keys.remote.cluster` | string | *required* |",
        "| `issuers[].clock_skew_seconds` | integer | `30` |",
        "| `routes[].resource.id` | string | *required* |",
        "| `forward.prefix` | string | `\"x-countersign-\"` |",
    ] {
        assert!(page.contains(field), "`{field}` in\n{page}");
    }
}

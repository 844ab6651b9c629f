use super::expand::expand;
use serde_json::json;

#[test]
fn a_case_stands_for_each_of_its_entries() {
    let case = json!({ "name": "${who} pays ${amount}", "request": { "body": "${amount}" }, "each": [
        { "who": "a", "amount": 1 }, { "who": "b", "amount": { "x": true } },
    ] });
    assert_eq!(
        expand(case).unwrap(),
        [
            json!({ "name": "a pays 1", "request": { "body": 1 } }),
            json!({ "name": "b pays {\"x\":true}", "request": { "body": { "x": true } } }),
        ]
    );
    assert_eq!(expand(json!({ "name": "${x}" })).unwrap(), [json!({ "name": "${x}" })]);
}

#[test]
fn an_entry_that_lacks_a_name_is_an_error() {
    for case in [
        json!({ "name": "${x}", "each": [{}] }),
        json!({ "name": "${x", "each": [{ "x": 1 }] }),
        json!({ "name": "a", "each": [] }),
        json!({ "name": "a", "each": {} }),
        json!({ "name": "a", "each": [1] }),
    ] {
        assert!(expand(case.clone()).is_err(), "{case}");
    }
}

use super::expand::expand;
use super::matrix;
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

#[test]
fn a_matrix_is_every_combination_that_is_not_excluded() {
    let case = json!({ "name": "${alg} ${n}", "request": { "url": "/${peer}" }, "each": [{ "n": 1 }, { "n": 2 }], "matrix": {
        "alg": ["ES256", "RS256"], "peer": ["a", { "name": "b", "x": 1 }], "exclude": [{ "alg": "RS256", "peer": "a" }],
    } });
    let cases = matrix::cases(case).unwrap();
    let names: Vec<&str> = cases.iter().map(|case| case["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "ES256 1 [alg=ES256, peer=a]",
            "ES256 1 [alg=ES256, peer=b]",
            "RS256 1 [alg=RS256, peer=b]",
            "ES256 2 [alg=ES256, peer=a]",
            "ES256 2 [alg=ES256, peer=b]",
            "RS256 2 [alg=RS256, peer=b]",
        ]
    );
    assert_eq!(cases[0]["request"], json!({ "url": "/a" }));
    let many: Vec<usize> = (0..101).collect();
    let both = json!({ "name": "${n}", "each": [{ "n": 1 }], "matrix": { "n": [1] } });
    for wrong in [both, json!({ "name": "${a}${b}", "matrix": { "a": many, "b": many } })] {
        assert!(matrix::cases(wrong.clone()).is_err(), "{wrong}");
    }
}

//! `x-forwarded-client-cert` headers, as Envoy and others write them, with what stands in them.

mod support;

use countersign_core::xfcc::{self, Key};
use serde_json::{Map, Value};
use support::{Tally, load};

#[test]
fn published_headers() {
    let Some(set) = load("xfcc/cases.json") else { return };
    let mut tally = Tally::new("x-forwarded-client-cert");
    for case in set["cases"].as_array().unwrap() {
        let (name, header) = (case["name"].as_str().unwrap(), case["header"].as_str().unwrap());
        let parsed = xfcc::parse(header.as_bytes());
        if let Ok(elements) = &parsed {
            let read: Vec<Value> = elements.iter().map(as_json).collect();
            assert_eq!(Value::Array(read), case["elements"], "{name}");
        }
        // A key that nobody knows may be refused or passed over: here it is refused.
        tally.case(name, case["expected"].is_null(), &parsed.map(drop));
    }
    tally.finish(12, 3);
}

/// By key, the values in order.
fn as_json(element: &xfcc::Element<'_>) -> Value {
    let mut members = Map::new();
    for key in Key::ALL {
        let values: Vec<Value> =
            element.values(key).map(|value| String::from_utf8_lossy(value).into_owned().into()).collect();
        if !values.is_empty() {
            members.insert(key.as_str().to_owned(), Value::Array(values));
        }
    }
    Value::Object(members)
}

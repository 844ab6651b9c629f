#![no_main]

use countersign_fuzz::accepted;
use libfuzzer_sys::fuzz_target;

#[path = "../../host-sim/src/cel/mod.rs"]
#[allow(dead_code, reason = "the simulator uses more of it")]
mod cel;

use cel::{Attribute, Attributes, Expression, Map, Value};

/// A request with one header.
struct Request;

impl Attributes for Request {
    fn find(&self, path: &[u8]) -> Option<Attribute> {
        match path {
            b"request" | b"request\0headers" => Some(Attribute::Object),
            b"request\0path" => Some(Attribute::Value(Value::String(b"/a".as_slice().into()))),
            b"request\0headers\0x-a" => Some(Attribute::Value(Value::String(b"\xff".as_slice().into()))),
            b"request\0time" => Some(Attribute::Value(Value::Time(1_750_000_000_000_000_000))),
            _ => None,
        }
    }

    fn members(&self, path: &[u8]) -> Option<Map> {
        (path == b"request\0headers").then(|| Map::of_texts([(b"x-a".to_vec(), b"\xff".to_vec())]))
    }
}

fuzz_target!(|text: &str| {
    let Ok(expression) = Expression::read(text) else { return };
    accepted();
    let value = || {
        let mut work = 100_000;
        let value = expression.evaluate(&Request, &mut work);
        assert!(work <= 100_000);
        format!("{value:?} {work}")
    };
    assert_eq!(value(), value(), "the same comes of the same");
});

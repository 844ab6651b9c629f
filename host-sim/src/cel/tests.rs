//! Expressions that are read and evaluated, and those that are refused.

use proptest::prelude::*;

use super::value::Value;
use super::{Attribute, Attributes, Expression, Map, Refused, Stop};

/// An attribute that is there, with headers below it.
struct Request;

impl Attributes for Request {
    fn find(&self, path: &[u8]) -> Option<Attribute> {
        match path {
            b"request" | b"request\0headers" | b"request\0many" => Some(Attribute::Object),
            b"request\0path" => Some(Attribute::Value(Value::String(b"/a".as_slice().into()))),
            b"request\0headers\0x-a" => Some(Attribute::Value(Value::String(b"\xff".as_slice().into()))),
            _ => None,
        }
    }

    fn members(&self, path: &[u8]) -> Option<Map> {
        if path == b"request\0many" {
            return Some(Map::of_texts((0..100).map(|number: u8| (vec![number], vec![b'a'; 800]))));
        }
        (path == b"request\0headers").then(|| Map::of_texts([(b"x-a".to_vec(), b"\xff".to_vec())]))
    }
}

const WORK: u64 = 1_000_000;

fn evaluated(text: &str) -> Result<Value, Stop> {
    let mut work = WORK;
    Expression::read(text)
        .unwrap_or_else(|refused| panic!("`{text}`: {refused:?}"))
        .evaluate(&Request, &mut work)
}

fn holds(text: &str) {
    assert!(matches!(evaluated(text), Ok(Value::Bool(true))), "`{text}`: {:?}", evaluated(text));
}

#[test]
fn attributes_have_their_values() {
    holds("request.path == '/a' && request['path'] == request.path");
    holds("has(request.path) && !has(request.absent) && 'x-a' in request.headers");
    holds("request.headers.exists(name, name == 'x-a') && size(request.headers) == 1");
    assert_eq!(evaluated("request.absent").err(), Some(Stop::Error));
    assert_eq!(evaluated("absent").err(), Some(Stop::Error));
}

#[test]
fn times_are_reckoned() {
    holds("timestamp('2020-02-29T12:34:56Z').getDayOfYear() == 59");
    holds("timestamp('1969-12-31T23:59:59.5Z') < timestamp(0)");
    holds("string(timestamp('0001-01-01T00:00:00Z') + duration('1h')) == '' || true");
    holds("duration('1h1.5s') == duration('3601500ms')");
}

#[test]
fn what_is_listed_and_sought_takes_work_by_its_bytes() {
    holds("size(request.many) == 100");
    let hundred = format!("[{}1]", "1,".repeat(99));
    for text in ["size(request.many)", "request.many == request.many", "request.many.all(name, false)"] {
        assert_eq!(evaluated(&format!("{hundred}.map(a, {text})")).err(), Some(Stop::Spent), "{text}");
    }
    let long = "a".repeat(90_000);
    let sought = format!("['{long}'].map(key, {hundred}.map(a, key in {{'b': 1}}))");
    assert_eq!(evaluated(&sought).err(), Some(Stop::Spent));
    // Two letters can stand for a class that takes a millisecond to build.
    assert_eq!(evaluated(&format!("''.matches('[{}]')", r"\\pL".repeat(500))).err(), Some(Stop::Spent));
}

#[test]
fn what_is_too_deep_is_refused() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{1:", "}"), ("size(", ")"), ("a[", "]"), ("true ? 1 : (", ")")]
    {
        let nested = |times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
        assert!(Expression::read(&nested(10)).is_ok(), "{open}");
        assert_eq!(Expression::read(&nested(40)).err(), Some(Refused::Malformed), "{open}");
        assert_eq!(Expression::read(&nested(10_000)).err(), Some(Refused::Malformed), "{open}");
    }
    for chain in ["1+", "a.b==", "true?1:", "1*"] {
        assert_eq!(
            Expression::read(&format!("{}1", chain.repeat(10_000))).err(),
            Some(Refused::Malformed),
            "{chain}"
        );
    }
    assert_eq!(Expression::read(&format!("a{}", ".a".repeat(300))).err(), Some(Refused::Malformed));
    assert_eq!(Expression::read(&format!("a{}", "[0]".repeat(300))).err(), Some(Refused::Malformed));
    // Logic is as wide as it likes to be.
    holds(&format!("{}true", "true && ".repeat(5_000)));
}

#[test]
fn what_is_too_long_is_refused() {
    assert!(Expression::read(&format!("'{}'", "\u{e9}".repeat(99_998))).is_ok());
    assert_eq!(Expression::read(&format!("'{}'", "a".repeat(99_999))).err(), Some(Refused::Malformed));
}

#[test]
fn loops_end() {
    let hundred = format!("[{}1]", "1,".repeat(99));
    holds(&format!("{hundred}.map(a, [1, 2, 3].map(b, 1)).size() == 100"));
    assert_eq!(evaluated(&format!("{hundred}.map(a, {hundred}.map(b, 1))")).err(), Some(Stop::Spent));
    // `||` and the loops that absorb errors don't go on where there's no work left.
    assert_eq!(
        evaluated(&format!("{hundred}.map(a, {hundred}.map(b, 1)).size() == 1 || true")).err(),
        Some(Stop::Spent)
    );
    assert_eq!(
        evaluated(&format!("{hundred}.exists(c, {hundred}.all(a, {hundred}.all(b, true)))")).err(),
        Some(Stop::Spent)
    );
}

#[test]
fn values_that_double_are_stopped() {
    let doubled = |start: &str| format!("[{start}]{}", ".map(x, x + x)".repeat(28));
    for start in ["'0123456789'", "b'0123456789'", "[1, 2, 3]"] {
        assert_eq!(evaluated(&doubled(start)).err(), Some(Stop::Spent), "{start}");
    }
    // What is held twice is small, and equal only after a long look.
    let held = format!("[1]{}", ".map(x, [x, x])".repeat(28));
    assert_eq!(evaluated(&format!("{held} == {held}")).err(), Some(Stop::Spent));
}

#[test]
fn values_are_not_deep() {
    let deep = |times: usize| format!("[1]{}", ".map(x, [[[[x]]]])".repeat(times));
    assert!(evaluated(&deep(10)).is_ok());
    assert_eq!(evaluated(&deep(25)).err(), Some(Stop::Spent));
}

#[test]
fn regular_expressions_are_bounded() {
    assert_eq!(evaluated("'a'.matches('((a{1000}){1000}){1000}')").err(), Some(Stop::Error));
    let hundred = format!("[{}1]", "1,".repeat(99));
    assert_eq!(evaluated(&format!("{hundred}.map(a, 'a'.matches('a'))")).err(), Some(Stop::Spent));
    holds(r"('a' + 'b').matches('^a.?b$')");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever the text is, reading and evaluating it ends and takes no more than it may.
    #[test]
    fn any_text_ends(parts in proptest::collection::vec(part(), 0..40)) {
        let text = parts.concat();
        if let Ok(expression) = Expression::read(&text) {
            let mut work = WORK;
            let _ = expression.evaluate(&Request, &mut work);
            prop_assert!(work <= WORK);
        }
    }

    #[test]
    fn any_bytes_end(text in "\\PC*") {
        let _ = Expression::read(&text);
    }

    /// Whole numbers are as they are in Rust.
    #[test]
    fn numbers_are_reckoned(one in any::<i64>(), other in any::<i64>()) {
        let of = |sign: &str| match evaluated(&format!("({one}) {sign} ({other})")) {
            Ok(Value::Int(number)) => Some(number),
            _ => None,
        };
        prop_assert_eq!(of("+"), one.checked_add(other));
        prop_assert_eq!(of("-"), one.checked_sub(other));
        prop_assert_eq!(of("*"), one.checked_mul(other));
        prop_assert_eq!(of("/"), one.checked_div(other));
        prop_assert_eq!(of("%"), one.checked_rem(other));
    }

    /// So are comparisons, between types too.
    #[test]
    fn numbers_are_compared(one in any::<i64>(), other in any::<u64>(), third in any::<i32>()) {
        let of = |text: String| matches!(evaluated(&text), Ok(Value::Bool(true)));
        prop_assert_eq!(of(format!("({one}) < {other}u")), i128::from(one) < i128::from(other));
        prop_assert_eq!(of(format!("({third}.5) > {other}u")), f64::from(third) + if third < 0 { -0.5 } else { 0.5 } > other as f64);
    }
}

fn part() -> impl Strategy<Value = String> {
    let words = [
        "request",
        ".path",
        ".headers",
        "['x-a']",
        "x",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ":",
        ",",
        "?",
        "1",
        "2u",
        "0.5",
        "'a'",
        "b'b'",
        " + ",
        " - ",
        " * ",
        " / ",
        " % ",
        " == ",
        " < ",
        " in ",
        " && ",
        " || ",
        "!",
        "-",
        ".map(x, ",
        ".all(x, ",
        ".exists(x, ",
        ".filter(x, ",
        "has(",
        "size(",
        "string(",
        "int(",
        "duration('1s')",
        ".matches(",
        ".contains(",
        "null",
        "true",
        "false",
        "[1, 2, 3]",
        "{'a': 1}",
        "// ",
        "\n",
        "'",
        "\\",
    ];
    proptest::sample::select(words.to_vec()).prop_map(str::to_owned)
}

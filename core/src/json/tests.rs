use super::*;
use crate::time::Timestamp;
use alloc::{
    borrow::Cow,
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use proptest::prelude::*;
use serde::Deserialize;

const LIMITS: Limits = Limits { max_bytes: 4096, max_depth: 16, max_nodes: 1000 };

fn parse_text(text: &str) -> Result<Value<'_>, JsonError> {
    parse(text.as_bytes(), &LIMITS)
}

fn kind(text: &str) -> JsonErrorKind {
    parse_text(text).unwrap_err().kind
}

#[test]
fn values() {
    let value = parse_text(r#" {"a":[1,-2.5e+3,true,false,null,"x\u00e9\ud83d\ude00\n"],"":{}} "#).unwrap();
    let object = value.as_object().unwrap();
    let array = object.get("a").unwrap().as_array().unwrap();
    assert_eq!(array[0].as_i64(), Some(1));
    assert_eq!(array[1].as_number().unwrap().lexeme(), "-2.5e+3");
    assert_eq!(array[1].as_i64(), None);
    assert_eq!(array[2].as_bool(), Some(true));
    assert_eq!(array[4], Value::Null);
    assert_eq!(array[5].as_str(), Some("xé😀\n"));
    assert!(object.get("").unwrap().as_object().unwrap().is_empty());
    assert!(object.get("b").is_none());
    assert!(matches!(parse_text(r#""plain""#), Ok(Value::String(Cow::Borrowed("plain")))));
}

#[test]
fn duplicates_are_refused_after_unescaping() {
    assert_eq!(kind(r#"{"a":1,"a":1}"#), JsonErrorKind::DuplicateMember);
    assert_eq!(kind(r#"{"exp":1,"\u0065xp":2}"#), JsonErrorKind::DuplicateMember);
    assert_eq!(kind(r#"[{"x":{"a":1,"b":2,"a":3}}]"#), JsonErrorKind::DuplicateMember);
    assert!(parse_text(r#"{"a":{"a":1},"A":1}"#).is_ok());
    // Large objects take the other way.
    let names: Vec<String> = (0..100).map(|i| format!("\"n{i}\":0")).collect();
    assert!(parse_text(&format!("{{{}}}", names.join(","))).is_ok());
    for duplicate in [0, 15, 16, 50, 99] {
        assert_eq!(
            kind(&format!("{{{},\"n{duplicate}\":0}}", names.join(","))),
            JsonErrorKind::DuplicateMember
        );
    }
}

#[test]
fn refusals() {
    use JsonErrorKind::*;
    for (text, expected) in [
        ("", UnexpectedEnd),
        (" ", UnexpectedEnd),
        ("{} {}", TrailingBytes),
        ("1,", TrailingBytes),
        ("\u{feff}{}", ByteOrderMark),
        ("\"a\nb\"", ControlCharacter),
        ("\"\0\"", ControlCharacter),
        ("\"abc", UnexpectedEnd),
        (r#""\x""#, InvalidEscape),
        (r#""\u12g4""#, InvalidEscape),
        (r#""\ud800""#, LoneSurrogate),
        (r#""\udc00\ud800""#, LoneSurrogate),
        (r#""\ud800\u0041""#, LoneSurrogate),
        ("01", InvalidNumber),
        ("-", InvalidNumber),
        ("+1", UnexpectedByte { expected: "a value" }),
        ("1.", InvalidNumber),
        (".5", UnexpectedByte { expected: "a value" }),
        ("1e", InvalidNumber),
        ("NaN", UnexpectedByte { expected: "a value" }),
        ("truth", UnexpectedByte { expected: "a value" }),
        ("[1,]", UnexpectedByte { expected: "a value" }),
        ("{\"a\":1,}", UnexpectedByte { expected: "a member name" }),
        ("{a:1}", UnexpectedByte { expected: "a member name" }),
        ("[1 2]", UnexpectedByte { expected: "`,` or `]`" }),
        ("'a'", UnexpectedByte { expected: "a value" }),
        ("/**/1", UnexpectedByte { expected: "a value" }),
    ] {
        assert_eq!(kind(text), expected, "{text:?}");
    }
    assert_eq!(parse(b"\"\xff\"", &LIMITS), Err(JsonError { offset: 1, kind: NotUtf8 }));
    assert_eq!(parse_text("{\"a\":1,\"a\":2}").unwrap_err().offset, 7);
}

#[test]
fn limits_hold() {
    let limits = Limits { max_bytes: 10, max_depth: 2, max_nodes: 3 };
    let kind = |text: &str| parse(text.as_bytes(), &limits).map_err(|error| error.kind).err();
    assert_eq!(kind("\"12345678\""), None);
    assert_eq!(kind("\"123456789\""), Some(JsonErrorKind::TooLarge));
    assert_eq!(kind("[[1]]"), None);
    assert_eq!(kind("[[[]]]"), Some(JsonErrorKind::TooDeep));
    assert_eq!(kind("[1,2]"), None);
    assert_eq!(kind("[1,2,3]"), Some(JsonErrorKind::TooManyNodes));
    // Depth counts what is open, not what was.
    assert!(parse_text(&format!("[{}1]", "[],".repeat(100))).is_ok());
    // A limit can't ask for more recursion than the stack holds.
    let deep = Limits { max_bytes: usize::MAX, max_depth: usize::MAX, max_nodes: usize::MAX };
    assert_eq!(parse("[".repeat(100_000).as_bytes(), &deep).unwrap_err().kind, JsonErrorKind::TooDeep);
}

#[test]
fn integers_are_exact() {
    let number = |text: &'static str| *parse_text(text).unwrap().as_number().unwrap();
    assert_eq!(number("9223372036854775807").as_i64(), Some(i64::MAX));
    assert_eq!(number("-9223372036854775808").as_i64(), Some(i64::MIN));
    assert_eq!(number("9223372036854775808").as_i64(), None);
    assert_eq!(number("18446744073709551615").as_u64(), Some(u64::MAX));
    for text in ["1.0", "1e0", "1E3"] {
        assert_eq!(number(text).as_i64(), None, "{text}");
    }
}

#[test]
fn numeric_dates() {
    let date = |text: &'static str| {
        parse_text(text).unwrap().as_number().unwrap().as_numeric_date().map(Timestamp::as_nanos)
    };
    for (text, nanos) in [
        ("0", 0),
        ("-0", 0),
        ("1500000000", 1_500_000_000_000_000_000),
        ("1.5e9", 1_500_000_000_000_000_000),
        ("1.5E+9", 1_500_000_000_000_000_000),
        ("15e8", 1_500_000_000_000_000_000),
        ("1500000000000e-3", 1_500_000_000_000_000_000),
        ("1500000000.25", 1_500_000_000_250_000_000),
        ("1500000000.0000000019", 1_500_000_000_000_000_001),
        ("0.0000000009", 0),
        ("-0.0000000009", -1),
        ("-1.5", -1_500_000_000),
        ("1e-400", 0),
        ("0e999999999999999999999999", 0),
        ("0.000000000000000000000000001500000000e36", 1_500_000_000_000_000_000),
        // Beyond 2262 a timestamp says "as far away as can be said".
        ("9999999999", i64::MAX),
        ("253402300799", i64::MAX),
        ("-253402300799", i64::MIN),
    ] {
        assert_eq!(date(text), Some(nanos), "{text}");
    }
    for text in [
        "253402300800",
        "-253402300800",
        "1e12",
        "1e400",
        // 2^128 seconds and nanoseconds, which no arithmetic may wrap to the epoch.
        "340282366920938463463374607431768211456",
        "340282366920938463463374607431768211456e-9",
        "1e999999999999999999999999",
        "99999999999999999999999999999999999999999999",
    ] {
        assert_eq!(date(text), None, "{text}");
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Config {
    name: String,
    #[serde(default)]
    routes: Vec<Route>,
    limit: Option<u16>,
    #[serde(default)]
    labels: BTreeMap<String, i64>,
    mode: Option<Mode>,
    pair: Option<(u8, u8)>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Route {
    r#match: Match,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Match {
    path: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Off,
    Fixed(i64),
    Range { from: i64, to: i64 },
}

fn read(text: &str) -> Result<Config, String> {
    from_slice(text.as_bytes(), &LIMITS).map_err(|error| error.to_string())
}

#[test]
fn typed_reading() {
    let config = read(
        r#"{"name":"n","routes":[{"match":{"path":"/a"}}],"limit":5,"labels":{"x":-1},"mode":{"range":{"from":1,"to":2}},"pair":[1,2]}"#,
    )
    .unwrap();
    assert_eq!(config.routes[0].r#match.path, "/a");
    assert_eq!(config.limit, Some(5));
    assert_eq!(config.labels["x"], -1);
    assert_eq!(config.mode, Some(Mode::Range { from: 1, to: 2 }));
    assert_eq!(read(r#"{"name":"n","limit":null,"mode":"off"}"#).unwrap().mode, Some(Mode::Off));
    assert_eq!(read(r#"{"name":"n","mode":{"fixed":7}}"#).unwrap().mode, Some(Mode::Fixed(7)));
}

#[test]
fn errors_name_the_field() {
    for (text, expected) in [
        (
            r#"{"name":"n","routes":[{"match":{"path":"/a"}},{"match":{"path":7}}]}"#,
            "`routes[1].match.path`: expected a string, got an integer",
        ),
        (
            r#"{"name":"n","routes":[{"match":{"path":"/a","pth":1}}]}"#,
            "`routes[0].match.pth`: unknown field, expected `path`",
        ),
        (r#"{"name":"n","routes":[{}]}"#, "`routes[0].match`: missing, but required"),
        (r#"{"routes":[]}"#, "`name`: missing, but required"),
        (r#"{"name":"n","limit":70000}"#, "`limit`: expected a whole number from 0 to 65535, got `70000`"),
        (r#"{"name":"n","limit":1.5}"#, "`limit`: expected a whole number of at most 64 bits, got `1.5`"),
        (r#"{"name":"n","limit":"5"}"#, "`limit`: expected a whole number from 0 to 65535, got a string"),
        (
            r#"{"name":"n","labels":{"a b":"x"}}"#,
            "`labels[\"a b\"]`: expected a whole number of at most 64 bits, got a string",
        ),
        (r#"{"name":"n","mode":"on"}"#, "`mode`: expected `off`, `fixed` or `range`, got `on`"),
        (
            r#"{"name":"n","mode":{"fixed":"x"}}"#,
            "`mode.fixed`: expected a whole number of at most 64 bits, got a string",
        ),
        (r#"{"name":"n","mode":{"range":{"from":1}}}"#, "`mode.range.to`: missing, but required"),
        (
            r#"{"name":"n","mode":"fixed"}"#,
            "`mode`: expected an object with the member `fixed`, got a string",
        ),
        (r#"{"name":"n","mode":7}"#, "`mode`: expected `off`, `fixed` or `range`, got a number"),
        (r#"{"name":"n","pair":[1,2,3]}"#, "`pair`: 1 elements too many"),
        (r#"{"name":"n","routes":[[{"path":"/a"}]]}"#, "`routes[0]`: expected an object, got an array"),
        (r#"{"name":"n","name":"m"}"#, "duplicate member name at byte 12"),
        (r#"[]"#, "expected an object, got an array"),
    ] {
        assert_eq!(read(text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn writing() {
    let mut writer = Writer::new();
    writer.object(|w| {
        w.name("s").str("a\"\\\n\r\t\u{1}\u{7f}\u{9b}\u{2028}\u{2029}é");
        w.name("b").bytes(b"x\xff\xc3\x28y");
        w.name("n").array(|w| {
            w.i64(-1).u64(2).bool(true).null();
            w.array(|_| ());
        });
        w.name("o").object(|w| {
            w.name("k").raw("{}");
        });
    });
    assert_eq!(
        writer.as_str(),
        "{\"s\":\"a\\\"\\\\\\n\\r\\t\\u0001\\u007f\\u009b\\u2028\\u2029é\",\"b\":\"x\u{fffd}\u{fffd}(y\",\"n\":[-1,2,true,null,[]],\"o\":{\"k\":{}}}"
    );
    assert!(parse(writer.finish().as_bytes(), &LIMITS).is_ok());
}

/// The same document for serde_json, where numbers keep their meaning.
fn agrees(value: &Value<'_>, other: &serde_json::Value) -> bool {
    match (value, other) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (Value::Number(a), serde_json::Value::Number(b)) => match b.as_i64() {
            Some(b) => a.as_i64() == Some(b) || a.lexeme() == "-0",
            None => a.lexeme().parse::<f64>().ok() == b.as_f64(),
        },
        (Value::String(a), serde_json::Value::String(b)) => a == b,
        (Value::Array(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agrees(a, b))
        }
        (Value::Object(a), serde_json::Value::Object(b)) => {
            a.len() == b.len()
                && a.members().iter().all(|m| b.get(&*m.name).is_some_and(|other| agrees(&m.value, other)))
        }
        _ => false,
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
            proptest::collection::btree_map(any::<String>(), inner, 0..20)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

const WIDE: Limits = Limits { max_bytes: 1 << 20, max_depth: 64, max_nodes: 1 << 16 };

proptest! {
    #[test]
    fn reads_what_serde_json_writes(document in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let value = parse(text.as_bytes(), &WIDE).unwrap();
        prop_assert!(agrees(&value, &document));
    }

    /// Near-JSON: what we accept serde_json accepts with the same meaning; what only we refuse is a duplicate or a number too large for it.
    #[test]
    fn agrees_with_serde_json_on_near_json(text in proptest::collection::vec(proptest::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"\\u0061\"", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "1", "-0", "0.5", "1e3", "01", ".", "-", "true", "null", " ", "\n", "\"", "\\", "é", "\u{b}",
    ]), 0..12)) {
        let text = text.concat();
        let ours = parse(text.as_bytes(), &WIDE);
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert!(agrees(ours, theirs), "{text}"),
            (Err(error), Ok(_)) => prop_assert_eq!(error.kind, JsonErrorKind::DuplicateMember, "{}", text),
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{text}: {error}"),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(Value::Number(number)) = parse(&bytes, &WIDE) {
            let _ = (number.as_i64(), number.as_numeric_date());
        }
    }

    #[test]
    fn written_strings_read_back(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let mut writer = Writer::new();
        writer.array(|w| { w.str(&text).bytes(&bytes); });
        let json = writer.finish();
        prop_assert!(!json.bytes().any(|byte| byte < 0x20 || byte == 0x7f));
        let value = parse(json.as_bytes(), &WIDE).unwrap();
        let elements = value.as_array().unwrap();
        prop_assert_eq!(elements[0].as_str(), Some(&*text));
        let lossy = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(elements[1].as_str(), Some(&*lossy));
    }

    #[test]
    fn integer_dates_are_exact(secs in -9_000_000_000i64..9_000_000_000, milli in 0u32..1000) {
        let text = format!("{}{}.{milli:03}", if secs < 0 { "-" } else { "" }, secs.unsigned_abs());
        let expected = (secs.unsigned_abs() as i64) * 1_000_000_000 + i64::from(milli) * 1_000_000;
        let date = parse_text(&text).unwrap().as_number().unwrap().as_numeric_date().unwrap();
        prop_assert_eq!(date.as_nanos(), if secs < 0 { -expected } else { expected });
    }
}

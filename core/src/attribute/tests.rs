use super::*;
use crate::json;
use crate::policy::{EntityUid, Value};
use alloc::boxed::Box;
use alloc::vec;

fn claim(document: &str, ty: &AttributeType) -> Result<Value, WrongType> {
    from_json(&json::parse(document.as_bytes(), &json::Limits::TOKEN).unwrap(), ty)
}

#[test]
fn a_claim_has_its_type_or_is_an_error() {
    assert_eq!(claim("true", &AttributeType::Bool), Ok(Value::Bool(true)));
    assert_eq!(claim("\"true\"", &AttributeType::Bool), Err(WrongType));
    assert_eq!(claim("12", &AttributeType::Long), Ok(Value::Long(12)));
    assert_eq!(claim("\"12\"", &AttributeType::Long), Err(WrongType), "a text is not a number in JSON");
    assert_eq!(claim("12.5", &AttributeType::Long), Err(WrongType));
    assert_eq!(claim("9223372036854775808", &AttributeType::Long), Err(WrongType));
    assert_eq!(claim("null", &AttributeType::String), Err(WrongType));
    assert_eq!(claim("[\"a\"]", &AttributeType::String), Err(WrongType));
    let user = AttributeType::Entity("User".into());
    assert_eq!(claim("\"a\"", &user), Ok(Value::Entity(EntityUid::new("User", "a"))));
}

#[test]
fn sets_come_as_arrays_or_as_words() {
    let set = AttributeType::Set(Box::new(AttributeType::String));
    let expected = Ok(Value::set([Value::from("a"), Value::from("b")]));
    assert_eq!(claim(r#"["b","a","a"]"#, &set), expected);
    assert_eq!(claim(r#""a b""#, &set), expected);
    assert_eq!(claim(r#""a  b""#, &set), Err(WrongType));
    assert_eq!(claim(r#"["a", 1]"#, &set), Err(WrongType));
    assert_eq!(claim("\"\"", &set), Ok(Value::set([])));
}

#[test]
fn records_keep_what_the_schema_knows_and_demand_what_it_requires() {
    let record = AttributeType::Record(vec![
        Field { name: "amount".into(), ty: AttributeType::Long, required: true },
        Field { name: "note".into(), ty: AttributeType::String, required: false },
    ]);
    let Ok(Value::Record(found)) = claim(r#"{"amount":5,"other":{}}"#, &record) else { panic!("a record") };
    assert_eq!((found.len(), found.get("amount")), (1, Some(&Value::Long(5))));
    assert_eq!(claim(r#"{"note":"n"}"#, &record), Err(WrongType));
    assert_eq!(claim(r#"{"amount":5,"note":1}"#, &record), Err(WrongType));
}

#[test]
fn integers_in_text_have_one_spelling() {
    for (text, expected) in
        [("0", Some(0)), ("-5", Some(-5)), ("10", Some(10)), ("9223372036854775807", Some(i64::MAX))]
    {
        assert_eq!(from_text(text, &AttributeType::Long).ok(), expected.map(Value::Long));
    }
    for text in ["", "-", "+1", "01", "-0", "00", "1.0", "1e3", " 1", "9223372036854775808", "٣"] {
        assert_eq!(from_text(text, &AttributeType::Long), Err(WrongType), "{text}");
    }
}

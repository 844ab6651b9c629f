#![no_main]

use countersign_core::json::{self, Limits, Value, Writer};
use libfuzzer_sys::fuzz_target;

/// Writes a value; numbers as they stand.
fn write(writer: &mut Writer, value: &Value<'_>) {
    match value {
        Value::Null => drop(writer.null()),
        Value::Bool(value) => drop(writer.bool(*value)),
        Value::Number(number) => {
            let _ = (number.as_u64(), number.as_numeric_date());
            match number.as_i64() {
                Some(integer) if number.lexeme() != "-0" => {
                    assert_eq!(integer.to_string(), number.lexeme());
                    writer.i64(integer);
                }
                _ => drop(writer.raw(number.lexeme())),
            }
        }
        Value::String(text) => drop(writer.str(text)),
        Value::Array(elements) => drop(writer.array(|writer| {
            for element in elements {
                write(writer, element);
            }
        })),
        Value::Object(object) => drop(writer.object(|writer| {
            for member in object.members() {
                writer.name(&member.name);
                write(writer, &member.value);
            }
        })),
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = json::parse(bytes, &Limits::DOCUMENT) {
        let mut writer = Writer::new();
        write(&mut writer, &value);
        let text = writer.finish();
        let limits = Limits { max_bytes: usize::MAX, ..Limits::DOCUMENT };
        assert_eq!(json::parse(text.as_bytes(), &limits).as_ref(), Ok(&value));
    }
});

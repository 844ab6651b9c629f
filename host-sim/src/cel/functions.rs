//! Operators and functions.

use std::cmp::Ordering;
use std::sync::Arc;

use regex::bytes::RegexBuilder;

use super::time::{self, Part};
use super::value::{List, of_bytes, spend};
use super::{Stop, Value};

/// Names that stand for types.
pub(super) const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// What compiling a regular expression takes of the work, and bytes of what it is compiled to.
const REGEX_WORK: u64 = 20_000;
/// And for each byte of it: two letters may name a class of thousands of code points.
const REGEX_BYTE_WORK: u64 = 1_000;
const REGEX_BYTES: usize = 256 << 10;

/// What is done with operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Index,
    Negate,
    Not,
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    ToBool,
    ToBytes,
    ToDouble,
    ToDuration,
    ToInt,
    ToString,
    ToTime,
    ToUint,
    Dyn,
    Type,
    Part(Part),
}

/// The function of a name, which is called behind a dot or not, with so many operands.
pub(super) fn named(name: &str, is_method: bool, operands: usize) -> Option<Function> {
    let unary = operands == 1;
    Some(match name {
        "size" if unary => Function::Size,
        "contains" if operands == 2 => Function::Contains,
        "startsWith" if operands == 2 => Function::StartsWith,
        "endsWith" if operands == 2 => Function::EndsWith,
        "matches" if operands == 2 => Function::Matches,
        "bool" if unary && !is_method => Function::ToBool,
        "bytes" if unary && !is_method => Function::ToBytes,
        "double" if unary && !is_method => Function::ToDouble,
        "duration" if unary && !is_method => Function::ToDuration,
        "int" if unary && !is_method => Function::ToInt,
        "string" if unary && !is_method => Function::ToString,
        "timestamp" if unary && !is_method => Function::ToTime,
        "uint" if unary && !is_method => Function::ToUint,
        "dyn" if unary && !is_method => Function::Dyn,
        "type" if unary && !is_method => Function::Type,
        // With a time zone they can be called, and are an error here.
        _ if is_method && operands <= 2 => Function::Part(Part::named(name)?),
        _ => return None,
    })
}

/// Its result, which takes work.
pub(super) fn call(function: Function, operands: &[Value], work: &mut u64) -> Result<Value, Stop> {
    match operands {
        [only] => unary(function, only, work),
        [left, right] => binary(function, left, right, work),
        _ => Err(Stop::Error),
    }
}

fn unary(function: Function, of: &Value, work: &mut u64) -> Result<Value, Stop> {
    use Value::{Bool, Bytes, Double, Duration, Int, Time, Uint};
    if let Value::String(bytes) | Bytes(bytes) = of {
        spend(work, of_bytes(bytes.len()))?;
    }
    let text = || match of {
        Value::String(bytes) => std::str::from_utf8(bytes).map_err(|_| Stop::Error),
        _ => Err(Stop::Error),
    };
    Ok(match (function, of) {
        (Function::Not, Bool(value)) => Bool(!value),
        (Function::Negate, Int(number)) => Int(number.checked_neg().ok_or(Stop::Error)?),
        (Function::Negate, Double(number)) => Double(-number),
        (Function::Size, Value::String(bytes)) => Int(String::from_utf8_lossy(bytes).chars().count() as i64),
        (Function::Size, Bytes(bytes)) => Int(bytes.len() as i64),
        (Function::Size, Value::List(list)) => Int(list.items().len() as i64),
        (Function::Size, Value::Map(map)) => Int(map.pairs().len() as i64),
        (Function::Dyn, _) => of.clone(),
        (Function::Type, _) => Value::Type(of.type_name()),
        (Function::ToBool, Bool(_))
        | (Function::ToBytes, Bytes(_))
        | (Function::ToDouble, Double(_))
        | (Function::ToDuration, Duration(_))
        | (Function::ToInt, Int(_))
        | (Function::ToString, Value::String(_))
        | (Function::ToTime, Time(_))
        | (Function::ToUint, Uint(_)) => of.clone(),
        (Function::ToBool, Value::String(_)) => match text()? {
            "1" | "t" | "true" | "TRUE" | "True" => Bool(true),
            "0" | "f" | "false" | "FALSE" | "False" => Bool(false),
            _ => return Err(Stop::Error),
        },
        (Function::ToBytes, Value::String(bytes)) => Bytes(Arc::clone(bytes)),
        (Function::ToDouble, Int(number)) => Double(*number as f64),
        (Function::ToDouble, Uint(number)) => Double(*number as f64),
        (Function::ToDouble, Value::String(_)) => Double(text()?.trim().parse().map_err(|_| Stop::Error)?),
        (Function::ToDuration, Value::String(_)) => Duration(time::duration(text()?).ok_or(Stop::Error)?),
        (Function::ToInt, Uint(number)) => Int(i64::try_from(*number).map_err(|_| Stop::Error)?),
        // What rounds to the first number beyond is beyond.
        (Function::ToInt, Double(number)) if number.abs() < 9_223_372_036_854_775_807.0 => {
            Int(*number as i64)
        }
        (Function::ToInt, Value::String(_)) => Int(text()?.trim().parse().map_err(|_| Stop::Error)?),
        (Function::ToInt, Time(at)) => Int(at.div_euclid(time::SECOND)),
        (Function::ToInt, Bool(value)) => Int((*value).into()),
        (Function::ToUint, Int(number)) => Uint(u64::try_from(*number).map_err(|_| Stop::Error)?),
        (Function::ToUint, Double(number)) if (0.0..18_446_744_073_709_551_615.0).contains(number) => {
            Uint(*number as u64)
        }
        (Function::ToUint, Value::String(_)) => Uint(text()?.trim().parse().map_err(|_| Stop::Error)?),
        (Function::ToString, Bytes(bytes)) => {
            std::str::from_utf8(bytes).map_err(|_| Stop::Error)?;
            Value::String(Arc::clone(bytes))
        }
        (Function::ToString, Bool(value)) => string(value.to_string()),
        (Function::ToString, Int(number)) => string(number.to_string()),
        (Function::ToString, Uint(number)) => string(number.to_string()),
        (Function::ToString, Double(number)) => string(shortest(*number)),
        (Function::ToString, Duration(length)) => string(time::duration_text(*length)),
        (Function::ToString, Time(at)) => string(time::text(*at)),
        (Function::ToTime, Value::String(_)) => Time(time::time(text()?).ok_or(Stop::Error)?),
        (Function::ToTime, Int(seconds)) => Time(seconds.checked_mul(time::SECOND).ok_or(Stop::Error)?),
        (Function::Part(part), Time(at)) => Int(part.of_time(*at)),
        (Function::Part(part), Duration(length)) => Int(part.of_duration(*length).ok_or(Stop::Error)?),
        _ => return Err(Stop::Error),
    })
}

fn binary(function: Function, left: &Value, right: &Value, work: &mut u64) -> Result<Value, Stop> {
    use Value::{Bool, Bytes, String};
    match function {
        Function::Equal => return left.equals(right, work).map(Bool),
        Function::Unequal => return left.equals(right, work).map(|equal| Bool(!equal)),
        Function::Less => return ordered(left, right, work, Ordering::is_lt),
        Function::LessOrEqual => return ordered(left, right, work, Ordering::is_le),
        Function::Greater => return ordered(left, right, work, Ordering::is_gt),
        Function::GreaterOrEqual => return ordered(left, right, work, Ordering::is_ge),
        _ => {}
    }
    match (function, left, right) {
        (Function::Add, String(one), String(other)) => joined(one, other, work).map(String),
        (Function::Add, Bytes(one), Bytes(other)) => joined(one, other, work).map(Bytes),
        (Function::Add, Value::List(one), Value::List(other)) => {
            spend(work, 1 + one.items().len() as u64 + other.items().len() as u64)?;
            List::new([one.items(), other.items()].concat()).map(Value::List)
        }
        (_, String(text), String(part)) => {
            spend(work, of_bytes(text.len()) + of_bytes(part.len()))?;
            Ok(Bool(match function {
                Function::Contains => contains(text, part),
                Function::StartsWith => text.starts_with(part),
                Function::EndsWith => text.ends_with(part),
                Function::Matches => matches(text, part, work)?,
                _ => return Err(Stop::Error),
            }))
        }
        _ => number(function, left, right).ok_or(Stop::Error),
    }
}

/// Arithmetic, which has no result where it is beyond its type.
fn number(function: Function, left: &Value, right: &Value) -> Option<Value> {
    use Function::{Add, Divide, Multiply, Remainder, Subtract};
    use Value::{Double, Duration, Int, Time, Uint};
    Some(match (function, left, right) {
        (Add, Int(one), Int(other)) => Int(one.checked_add(*other)?),
        (Subtract, Int(one), Int(other)) => Int(one.checked_sub(*other)?),
        (Multiply, Int(one), Int(other)) => Int(one.checked_mul(*other)?),
        (Divide, Int(one), Int(other)) => Int(one.checked_div(*other)?),
        (Remainder, Int(one), Int(other)) => Int(one.checked_rem(*other)?),
        (Add, Uint(one), Uint(other)) => Uint(one.checked_add(*other)?),
        (Subtract, Uint(one), Uint(other)) => Uint(one.checked_sub(*other)?),
        (Multiply, Uint(one), Uint(other)) => Uint(one.checked_mul(*other)?),
        (Divide, Uint(one), Uint(other)) => Uint(one.checked_div(*other)?),
        (Remainder, Uint(one), Uint(other)) => Uint(one.checked_rem(*other)?),
        (Add, Double(one), Double(other)) => Double(one + other),
        (Subtract, Double(one), Double(other)) => Double(one - other),
        (Multiply, Double(one), Double(other)) => Double(one * other),
        (Divide, Double(one), Double(other)) => Double(one / other),
        (Add, Time(at), Duration(length)) | (Add, Duration(length), Time(at)) => {
            Time(at.checked_add(*length)?)
        }
        (Add, Duration(one), Duration(other)) => Duration(one.checked_add(*other)?),
        (Subtract, Time(at), Duration(length)) => Time(at.checked_sub(*length)?),
        (Subtract, Time(one), Time(other)) | (Subtract, Duration(one), Duration(other)) => {
            Duration(one.checked_sub(*other)?)
        }
        _ => return None,
    })
}

fn ordered(left: &Value, right: &Value, work: &mut u64, is: fn(Ordering) -> bool) -> Result<Value, Stop> {
    Ok(Value::Bool(left.order(right, work)?.is_some_and(is)))
}

fn joined(one: &[u8], other: &[u8], work: &mut u64) -> Result<Arc<[u8]>, Stop> {
    spend(work, of_bytes(one.len() + other.len()))?;
    Ok([one, other].concat().into())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    // Bytes are looked for as characters: in time that grows with the text alone.
    match (std::str::from_utf8(text), std::str::from_utf8(part)) {
        (Ok(text), Ok(part)) => text.contains(part),
        _ => {
            let [text, part] =
                [text, part].map(|bytes| bytes.iter().copied().map(char::from).collect::<String>());
            text.contains(&part)
        }
    }
}

fn matches(text: &[u8], pattern: &[u8], work: &mut u64) -> Result<bool, Stop> {
    spend(work, REGEX_WORK + REGEX_BYTE_WORK * pattern.len() as u64)?;
    let pattern = std::str::from_utf8(pattern).map_err(|_| Stop::Error)?;
    if repeats_too_often(pattern) {
        return Err(Stop::Error);
    }
    let regex = RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES)
        .dfa_size_limit(REGEX_BYTES)
        .nest_limit(100)
        .build();
    Ok(regex.map_err(|_| Stop::Error)?.is_match(text))
}

/// Whether something is to be repeated more than 1,000 times, which is what Envoy's library takes.
fn repeats_too_often(pattern: &str) -> bool {
    let (mut rest, mut in_class) = (pattern, false);
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match first {
            '\\' => after.get(after.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default(),
            '{' if !in_class => {
                let (counts, _) = after.split_once('}').unwrap_or_default();
                if counts.split(',').any(|count| count.parse::<u32>().is_ok_and(|count| count > 1_000)) {
                    return true;
                }
                after
            }
            _ => after,
        };
        in_class = first == '[' || in_class && first != ']';
    }
    false
}

fn string(text: String) -> Value {
    Value::String(text.into_bytes().into())
}

/// A number in as many digits as tell it from others, as C's `%g` has it.
fn shortest(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

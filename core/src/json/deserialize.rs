//! Typed reading of a document through `serde`, with the path of the field that was wrong.
//!
//! Enums read in the externally tagged form (`"name"` or `{"name": …}`) keep exact paths. The `untagged` and
//! internally tagged forms work too, but serde buffers them, and an error within stops at the enum's own path.

use super::{Limits, Object, Value, parse};
use alloc::{
    borrow::Cow,
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::{self, Write as _};
use serde::{
    Deserialize,
    de::{self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor},
    forward_to_deserialize_any,
};

/// A document that isn't what the reader asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// The field, such as `routes[2].match.path`; empty for the document itself.
    pub path: String,
    /// What was wrong and what was expected, without the path.
    pub message: String,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "`{path}`: {}", self.message),
        }
    }
}

impl core::error::Error for PathError {}

/// Reads a `T` from a document.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T, PathError> {
    let value = parse(bytes, limits)
        .map_err(|error| PathError { path: String::new(), message: error.to_string() })?;
    from_value(&value)
}

/// Reads a `T` from a value, which it may borrow from.
pub fn from_value<'de, T: Deserialize<'de>>(value: &'de Value<'_>) -> Result<T, PathError> {
    T::deserialize(Reader(value)).map_err(Failure::into_path_error)
}

/// One step of a path.
#[derive(Debug)]
enum Step {
    Index(usize),
    Member(String),
}

/// An error on its way out; steps are added from the inside, hence last first.
// In a box: every reader of a field has code that hands it on.
#[derive(Debug)]
struct Failure(Box<Fault>);

#[derive(Debug)]
struct Fault {
    steps: Vec<Step>,
    message: String,
}

impl Failure {
    #[cold]
    #[inline(never)]
    fn new(message: String) -> Self {
        Self(Box::new(Fault { steps: Vec::new(), message }))
    }

    #[cold]
    #[inline(never)]
    fn within(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    // Off the path of each reader that it would else stand in.
    #[cold]
    #[inline(never)]
    fn within_member(self, name: &str) -> Self {
        self.within(Step::Member(name.to_string()))
    }

    fn into_path_error(self) -> PathError {
        let mut path = String::new();
        for step in self.0.steps.iter().rev() {
            match step {
                // Writing to a string can't fail.
                Step::Index(index) => {
                    let _ = write!(path, "[{index}]");
                }
                Step::Member(name) if is_plain(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                }
                Step::Member(name) => {
                    let _ = write!(path, "[{}]", quoted(name));
                }
            }
        }
        PathError { path, message: self.0.message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl core::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    #[cold]
    #[inline(never)]
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, got {}", wanted(expected), kind_of(&unexpected)))
    }

    #[cold]
    #[inline(never)]
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(match unexpected {
            Unexpected::Signed(value) => format!("expected {}, got `{value}`", wanted(expected)),
            Unexpected::Unsigned(value) => format!("expected {}, got `{value}`", wanted(expected)),
            Unexpected::Str(text) => format!("expected {}, got `{}`", wanted(expected), shortened(text)),
            other => format!("expected {}, got {}", wanted(expected), kind_of(&other)),
        })
    }

    #[cold]
    #[inline(never)]
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, got {length} elements", wanted(expected)))
    }

    #[cold]
    #[inline(never)]
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("expected {}, got `{}`", one_of(expected), shortened(variant)))
    }

    #[cold]
    #[inline(never)]
    fn unknown_field(_field: &str, expected: &'static [&'static str]) -> Self {
        // The reader of the object adds the field to the path.
        Self::new(match expected {
            [] => "unknown field, expected none".to_string(),
            names => format!("unknown field, expected {}", one_of(names)),
        })
    }

    #[cold]
    #[inline(never)]
    fn missing_field(field: &'static str) -> Self {
        Self::new("missing, but required".to_string()).within_member(field)
    }

    #[cold]
    #[inline(never)]
    fn duplicate_field(field: &'static str) -> Self {
        Self::new("given twice".to_string()).within_member(field)
    }
}

/// What was expected, in words that are not Rust's.
fn wanted(expected: &dyn Expected) -> Cow<'static, str> {
    let name = expected.to_string();
    let whole = |least: i64, most: u64| Cow::Owned(format!("a whole number from {least} to {most}"));
    match name.as_str() {
        "u8" => whole(0, u64::from(u8::MAX)),
        "u16" => whole(0, u64::from(u16::MAX)),
        "u32" => whole(0, u64::from(u32::MAX)),
        "u64" => whole(0, u64::MAX),
        "usize" => Cow::Borrowed("a whole number from 0 on"),
        "i64" => Cow::Borrowed("a whole number of at most 64 bits"),
        "a sequence" => Cow::Borrowed("an array"),
        "a map" => Cow::Borrowed("an object"),
        _ => Cow::Owned(name),
    }
}

fn kind_of(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        _ => "another kind of value",
    }
}

fn one_of(names: &[&str]) -> String {
    let mut text = String::new();
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            text.push_str(if i + 1 == names.len() { " or " } else { ", " });
        }
        let _ = write!(text, "`{name}`");
    }
    text
}

/// Names that a path shows bare.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn quoted(name: &str) -> String {
    let mut writer = super::Writer::new();
    writer.str(&shortened(name));
    writer.finish()
}

/// At most 64 characters, for messages.
fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(64) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or(""))),
        None => Cow::Borrowed(text),
    }
}

/// Reads one value.
struct Reader<'de, 'a>(&'de Value<'a>);

impl Reader<'_, '_> {
    #[cold]
    #[inline(never)]
    fn mismatch(&self, expected: &dyn Expected) -> Failure {
        let kind = match self.0 {
            Value::Number(number) if number.as_i64().is_some() || number.as_u64().is_some() => "an integer",
            other => other.kind(),
        };
        Failure::new(format!("expected {}, got {kind}", wanted(expected)))
    }
}

impl<'de> de::Deserializer<'de> for Reader<'de, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => visitor.visit_i64(value),
                (None, Some(value)) => visitor.visit_u64(value),
                // Numbers that aren't whole have no exact form, and nothing here asks for an inexact one.
                (None, None) => Err(Failure::new(format!(
                    "expected a whole number of at most 64 bits, got `{}`",
                    shortened(number.lexeme())
                ))),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(elements) => {
                let mut access = Elements { elements, next: 0 };
                let value = visitor.visit_seq(&mut access)?;
                match elements.len() - access.next {
                    0 => Ok(value),
                    left => Err(Failure::new(format!("{left} elements too many"))),
                }
            }
            Value::Object(object) => visitor.visit_map(Members { object, next: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Object(object) => match object.members() {
                [member] => visitor.visit_enum(Variant { name: &member.name, content: Some(&member.value) }),
                _ => Err(Failure::new(format!("expected an object with one member: {}", one_of(variants)))),
            },
            other => Err(Failure::new(format!("expected {}, got {}", one_of(variants), other.kind()))),
        }
    }

    // What is asked for is all that is tried: each reader that a visitor could have, and never needs, is code in the module. So an
    // array does not stand for a struct either, as serde's own form would have it; a configuration never means that.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Object(object) => visitor.visit_map(Members { object, next: 0 }),
            _ => Err(self.mismatch(&"an object")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Object(object) => visitor.visit_map(Members { object, next: 0 }),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Array(elements) => visitor.visit_seq(&mut Elements { elements, next: 0 }),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Bool(value) => visitor.visit_bool(*value),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_string(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char
        byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Elements<'de, 'a> {
    elements: &'de [Value<'a>],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for &mut Elements<'de, '_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let Some(element) = self.elements.get(self.next) else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(Reader(element)).map(Some).map_err(|failure| failure.within(Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len().saturating_sub(self.next))
    }
}

struct Members<'de, 'a> {
    object: &'de Object<'a>,
    next: usize,
}

impl<'de> de::MapAccess<'de> for Members<'de, '_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some(member) = self.object.members().get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(de::value::BorrowedStrDeserializer::new(&member.name))
            .map(Some)
            .map_err(|failure: Failure| failure.within_member(&member.name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let member = self.next.checked_sub(1).and_then(|index| self.object.members().get(index));
        let member = member.ok_or_else(|| Failure::new("value read before its name".to_string()))?;
        seed.deserialize(Reader(&member.value)).map_err(|failure| failure.within_member(&member.name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.object.len().saturating_sub(self.next))
    }
}

struct Variant<'de, 'a> {
    name: &'de str,
    content: Option<&'de Value<'a>>,
}

impl<'de, 'a> de::EnumAccess<'de> for Variant<'de, 'a> {
    type Error = Failure;
    type Variant = Content<'de, 'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'de, 'a>), Failure> {
        let value = seed.deserialize(IntoDeserializer::<Failure>::into_deserializer(self.name))?;
        Ok((value, Content { name: self.name, content: self.content }))
    }
}

struct Content<'de, 'a> {
    name: &'de str,
    content: Option<&'de Value<'a>>,
}

impl<'de, 'a> Content<'de, 'a> {
    fn required(&self) -> Result<Reader<'de, 'a>, Failure> {
        self.content.map(Reader).ok_or_else(|| {
            Failure::new(format!("expected an object with the member `{}`, got a string", self.name))
        })
    }

    fn within<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        result.map_err(|failure| failure.within_member(self.name))
    }
}

impl<'de> de::VariantAccess<'de> for Content<'de, '_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.content {
            None | Some(Value::Null) => Ok(()),
            Some(other) => self.within(Err(Failure::new(format!("expected null, got {}", other.kind())))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        let reader = self.required()?;
        self.within(seed.deserialize(reader))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Failure> {
        let reader = self.required()?;
        self.within(de::Deserializer::deserialize_tuple(reader, len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let reader = self.required()?;
        self.within(de::Deserializer::deserialize_struct(reader, "", fields, visitor))
    }
}

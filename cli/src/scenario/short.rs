//! What may be written in short: a text in the place of an object. A mistake within the object is told as such.

use super::format::Publication;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A text, or an object.
#[derive(Clone, Debug)]
pub(super) enum Short<T> {
    Text(String),
    Whole(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Short<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShortVisitor(PhantomData))
    }
}

impl<T: Serialize> Short<T> {
    /// What the file says, without what it leaves out.
    pub(super) fn shown(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Whole(whole) => {
                let mut shown = serde_json::to_value(whole).unwrap_or_default();
                if let Some(members) = shown.as_object_mut() {
                    members.retain(|_, value| match value {
                        Value::Null | Value::Bool(false) => false,
                        Value::Object(members) => !members.is_empty(),
                        _ => true,
                    });
                }
                shown
            }
        }
    }
}

impl<T: JsonSchema> JsonSchema for Short<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrName", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let whole = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "string" }, whole] })
    }
}

struct ShortVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ShortVisitor<T> {
    type Value = Short<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Short<T>, E> {
        Ok(Short::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Short<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Short::Whole)
    }
}

impl<'de> Deserialize<'de> for Publication {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PublicationVisitor)
    }
}

struct PublicationVisitor;

impl<'de> Visitor<'de> for PublicationVisitor {
    type Value = Publication;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of keys, or a string with what is published")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Publication, E> {
        Ok(Publication::Raw(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut keys: A) -> Result<Publication, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = keys.next_element()? {
            names.push(name);
        }
        Ok(Publication::Keys(names))
    }
}

//! The JSON Schema of expectations that may be written in several forms.

use super::{BodyExpect, CallKind, CallsExpect, HeadersExpect, Metric, Range, UpstreamExpect, ValueExpect};
use crate::scenario::format::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;
use std::borrow::Cow;

/// The schema of a type that is read in one of several forms.
macro_rules! schema_of {
    ($type:ty, $name:literal, $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let schema: fn(&mut SchemaGenerator) -> Schema = $schema;
                schema(generator)
            }
        }
    };
}

schema_of!(ValueExpect, "ValueExpect", |generator| {
    let one = json!([
        { "type": "string" },
        generator.subschema_for::<Bytes>(),
        { "type": "object", "required": ["token"], "additionalProperties": false, "properties": { "token": { "type": "string" } } },
    ]);
    json_schema!({
        "description": "What a header holds: a text in which `*` stands for anything, bytes, `null` where it is absent, the file's token of a name, or one of these for each header of the name.",
        "anyOf": [{ "type": "null" }, { "anyOf": one }, { "type": "array", "items": { "anyOf": one } }],
    })
});

schema_of!(BodyExpect, "BodyExpect", |generator| {
    let bytes = generator.subschema_for::<Bytes>();
    json_schema!({
        "description": "What a body holds: a text in which `*` stands for anything, bytes, or a value as JSON.",
        "anyOf": [bytes, { "type": "object", "required": ["json"], "additionalProperties": false, "properties": { "json": true } }],
    })
});

schema_of!(Metric, "Metric", |_| json_schema!({
    "description": "A value, `+1` for what was added, count and sum of a histogram, or `null` where it was not defined.",
    "anyOf": [
        { "type": ["integer", "null"], "minimum": 0 },
        { "type": "string", "pattern": "^[+-][0-9]+$" },
        { "type": "object", "minProperties": 1, "additionalProperties": false,
          "properties": { "count": { "type": "integer" }, "sum": { "type": "integer" } } },
    ],
}));

schema_of!(Range, "Range", |_| json_schema!({
    "description": "A number, or its bounds.",
    "anyOf": [
        { "type": "integer", "minimum": 0 },
        { "type": "object", "minProperties": 1, "additionalProperties": false,
          "properties": { "min": { "type": "integer" }, "max": { "type": "integer" } } },
    ],
}));

schema_of!(HeadersExpect, "HeadersExpect", |generator| {
    let value = generator.subschema_for::<ValueExpect>();
    let bytes = generator.subschema_for::<Bytes>();
    json_schema!({
        "description": "Headers by name, or all of them as pairs in their order; pseudo-headers count where one is named.",
        "anyOf": [
            { "type": "object", "additionalProperties": value },
            { "type": "array", "items": { "type": "array", "prefixItems": [bytes, value], "minItems": 2, "maxItems": 2 } },
        ],
    })
});

schema_of!(UpstreamExpect, "UpstreamExpect", |generator| {
    let headers = generator.subschema_for::<HeadersExpect>();
    let body = generator.subschema_for::<BodyExpect>();
    let value = generator.subschema_for::<ValueExpect>();
    json_schema!({
        "description": "The request as it went upstream: headers by name, beside `headers`, `body` and `trailers`.",
        "type": "object",
        "properties": { "headers": headers, "body": body, "trailers": headers },
        "additionalProperties": value,
    })
});

impl<T: CallKind + JsonSchema> JsonSchema for CallsExpect<T> {
    fn schema_name() -> Cow<'static, str> {
        T::MANY.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let call = generator.subschema_for::<T>();
        json_schema!({
            "description": "How many calls were made, each of them in order, or how many like this.",
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "array", "items": call }, call],
        })
    }
}

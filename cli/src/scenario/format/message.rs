//! Requests: headers, bodies, properties, and whom they come from.

use crate::bytes;
use crate::scenario::short::Short;
use crate::time;
use countersign_host_sim::{HeaderMap, PropertyValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct RequestSpec {
    /// The method; `GET` where it is absent.
    #[serde(default)]
    pub(in crate::scenario) method: Option<String>,
    /// `https://host/path`, or a path; taken byte for byte.
    #[serde(default)]
    pub(in crate::scenario) url: Option<String>,
    /// Pairs in order, repeats and pseudo-headers among them, or an object.
    #[serde(default)]
    pub(in crate::scenario) headers: Option<Headers>,
    /// The body, whole or as a list of the chunks that it comes in.
    #[serde(default)]
    pub(in crate::scenario) body: Chunks,
    /// Trailers, in the form of headers.
    #[serde(default)]
    pub(in crate::scenario) trailers: Option<Headers>,
    /// Maps of HTTP/2 metadata, each in the form of headers: they come after the headers, before the body.
    #[serde(default)]
    pub(in crate::scenario) metadata: Vec<Headers>,
    /// Properties by path, such as `connection.mtls`.
    #[serde(default)]
    pub(in crate::scenario) properties: BTreeMap<String, Option<Property>>,
    /// The worker that takes it, counted from 0.
    #[serde(default)]
    pub(in crate::scenario) worker: Option<usize>,
    /// The connection that it comes over, counted from 0: workers take connections in turn.
    #[serde(default)]
    pub(in crate::scenario) connection: Option<usize>,
    /// More of it follows in a step with `send`.
    #[serde(default)]
    pub(in crate::scenario) unfinished: bool,
}

/// Bytes: a text, or `{base64: …}` or `{hex: …}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::scenario) struct Bytes(pub(in crate::scenario) Vec<u8>);

/// The chunks of a body.
#[derive(Clone, Debug, Default)]
pub(in crate::scenario) struct Chunks(pub(in crate::scenario) Vec<Vec<u8>>);

/// Headers: pairs in order, or an object whose values are texts or lists of texts.
#[derive(Clone, Debug, Default)]
pub(in crate::scenario) struct Headers(pub(in crate::scenario) Vec<(Vec<u8>, Vec<u8>)>);

/// Demands that each map of metadata says something: HTTP/2 has no frame for one that does not.
///
/// # Errors
/// Which does not.
pub(in crate::scenario) fn check_metadata(maps: &[Headers]) -> Result<(), String> {
    match maps.iter().position(|map| map.0.is_empty()) {
        Some(index) => Err(format!("`metadata[{index}]`: expected at least one header, found none")),
        None => Ok(()),
    }
}

/// The value of a property.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Property(pub(in crate::scenario) PropertyValue);

/// A SPIFFE ID or `none`, or what is known of the client's certificate.
pub(in crate::scenario) type Peer = Short<Box<PeerSpec>>;

/// What the gateway knows of a connection's client.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct PeerSpec {
    /// The file's certificate of this name, which says what is not said here.
    #[serde(default)]
    pub(in crate::scenario) certificate: Option<String>,
    /// The URI in the certificate's subject alternative name (`connection.uri_san_peer_certificate`).
    #[serde(default)]
    uri_san: Option<Bytes>,
    /// The DNS name there (`connection.dns_san_peer_certificate`).
    #[serde(default)]
    dns_san: Option<Bytes>,
    /// Its subject (`connection.subject_peer_certificate`).
    #[serde(default)]
    subject: Option<Bytes>,
    /// Its SHA-256 in hexadecimal digits (`connection.sha256_peer_certificate_digest`).
    #[serde(default)]
    sha256: Option<Bytes>,
    /// The server's name that the client asked for (`connection.requested_server_name`).
    #[serde(default)]
    server_name: Option<Bytes>,
    /// Such as `TLSv1.3` (`connection.tls_version`).
    #[serde(default)]
    tls_version: Option<Bytes>,
    /// Whether a client certificate was verified (`connection.mtls`); `true` where it is absent.
    #[serde(default)]
    mtls: Option<bool>,
}

impl PeerSpec {
    /// Its properties, by path, but for those of its certificate.
    pub(in crate::scenario) fn properties(&self) -> impl Iterator<Item = (String, PropertyValue)> {
        let texts = [
            ("uri_san_peer_certificate", &self.uri_san),
            ("dns_san_peer_certificate", &self.dns_san),
            ("subject_peer_certificate", &self.subject),
            ("sha256_peer_certificate_digest", &self.sha256),
            ("requested_server_name", &self.server_name),
            ("tls_version", &self.tls_version),
        ];
        let texts =
            texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?.0.clone().into())));
        let all = texts.chain([("mtls", self.mtls.unwrap_or(true).into())]);
        all.map(|(name, value)| (format!("connection.{name}"), value))
    }
}

impl Headers {
    /// As a map.
    pub(in crate::scenario) fn map(&self) -> HeaderMap {
        self.0.iter().map(|(name, value)| (name, value)).collect()
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor).map(Self)
    }
}

/// Reads a text, or bytes as an object.
pub(super) struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(bytes::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.as_bytes().to_vec())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<u8>, A::Error> {
        let mut members = Map::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            members.insert(name, value);
        }
        bytes::encoded(&members).map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Chunks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChunksVisitor)
    }
}

struct ChunksVisitor;

impl<'de> Visitor<'de> for ChunksVisitor {
    type Value = Chunks;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or a list of these", bytes::EXPECTED)
    }

    fn visit_unit<E: Error>(self) -> Result<Chunks, E> {
        Ok(Chunks::default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Chunks, E> {
        Ok(Chunks(vec![text.as_bytes().to_vec()]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Chunks, A::Error> {
        BytesVisitor.visit_map(map).map(|bytes| Chunks(vec![bytes]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Chunks, A::Error> {
        let mut chunks = Vec::new();
        while let Some(Bytes(chunk)) = seq.next_element()? {
            chunks.push(chunk);
        }
        Ok(Chunks(chunks))
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of pairs `[name, value]`, or an object")
    }

    fn visit_unit<E: Error>(self) -> Result<Headers, E> {
        Ok(Headers::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Headers, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = seq.next_element::<Vec<Bytes>>()? {
            let [name, value] = pair.try_into().map_err(|pair: Vec<Bytes>| {
                A::Error::custom(format!(
                    "expected a pair `[name, value]`, found {}",
                    crate::console::count(pair.len(), "member", "members")
                ))
            })?;
            pairs.push((name.0, value.0));
        }
        Ok(Headers(pairs))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, values)) = map.next_entry::<String, Option<Chunks>>()? {
            let Some(Chunks(values)) = values else {
                // A path at the beginning of a message is a part of the field's.
                let message =
                    format!("`{name}`: expected {}, or a list of these, found null", bytes::EXPECTED);
                return Err(A::Error::custom(message));
            };
            pairs.extend(values.into_iter().map(|value| (name.clone().into_bytes(), value)));
        }
        Ok(Headers(pairs))
    }
}

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PropertyVisitor).map(Self)
    }
}

struct PropertyVisitor;

impl<'de> Visitor<'de> for PropertyVisitor {
    type Value = PropertyValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a boolean, an integer, a string, or an object with `base64`, `hex`, `time`, `duration`, `uint`, `double` or `map`",
        )
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<PropertyValue, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<PropertyValue, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<PropertyValue, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PropertyValue, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PropertyValue, A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return Err(A::Error::custom("expected an object with one member, found none"));
        };
        let value = match name.as_str() {
            "time" => {
                let value: Value = map.next_value()?;
                let time = time::from_json(&value).ok_or_else(|| {
                    A::Error::custom(format!("`time`: expected {}, found {value}", time::EXPECTED_TIME))
                })?;
                time.as_nanos().into()
            }
            "duration" => {
                let text: String = map.next_value()?;
                let span = time::span(&text).ok_or_else(|| {
                    A::Error::custom(format!("`duration`: expected a span such as `5s`, found `{text}`"))
                })?;
                i64::try_from(span.as_nanos()).unwrap_or(i64::MAX).into()
            }
            "uint" => map.next_value::<u64>()?.into(),
            "double" => {
                let value: Value = map.next_value()?;
                let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
                let number = number.ok_or_else(|| {
                    A::Error::custom(format!("`double`: expected a number such as `\"1.5\"`, found {value}"))
                })?;
                number.into()
            }
            "map" => PropertyValue::Map(map.next_value::<Headers>()?.0),
            "base64" | "hex" => {
                let members = Map::from_iter([(name, map.next_value::<Value>()?)]);
                bytes::encoded(&members).map_err(A::Error::custom)?.into()
            }
            other => {
                let known = "`base64`, `hex`, `time`, `duration`, `uint`, `double` or `map`";
                return Err(A::Error::custom(format!("expected an object with {known}, found `{other}`")));
            }
        };
        match map.next_key::<String>()? {
            None => Ok(value),
            Some(more) => Err(A::Error::custom(format!("expected one member, found `{more}` besides"))),
        }
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, or bytes as `{base64: …}` or `{hex: …}`.",
            "anyOf": [
                { "type": "string" },
                { "type": "object", "required": ["base64"], "additionalProperties": false,
                  "properties": { "base64": { "type": "string" } } },
                { "type": "object", "required": ["hex"], "additionalProperties": false,
                  "properties": { "hex": { "type": "string", "pattern": "^([0-9a-fA-F]{2})*$" } } },
            ],
        })
    }
}

impl JsonSchema for Chunks {
    fn schema_name() -> Cow<'static, str> {
        "Chunks".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let bytes = generator.subschema_for::<Bytes>();
        json_schema!({
            "description": "Bytes, whole or as a list of chunks.",
            "anyOf": [bytes, { "type": "array", "items": bytes }, { "type": "null" }],
        })
    }
}

impl JsonSchema for Headers {
    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let bytes = generator.subschema_for::<Bytes>();
        let values = generator.subschema_for::<Chunks>();
        json_schema!({
            "description": "Headers: pairs in order, or an object whose values are texts or lists of texts.",
            "anyOf": [
                { "type": "array", "items": { "type": "array", "items": bytes, "minItems": 2, "maxItems": 2 } },
                { "type": "object", "additionalProperties": values },
                { "type": "null" },
            ],
        })
    }
}

impl JsonSchema for Property {
    fn schema_name() -> Cow<'static, str> {
        "Property".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let bytes = generator.subschema_for::<Bytes>();
        let headers = generator.subschema_for::<Headers>();
        let one = |name: &str, schema: Value| json!({ "type": "object", "required": [name], "additionalProperties": false, "properties": { name: schema } });
        json_schema!({
            "description": "The value of a property, of one of the types that a gateway has.",
            "anyOf": [
                { "type": ["boolean", "integer"] },
                bytes,
                one("time", json!({ "type": ["string", "number"] })),
                one("duration", json!({ "type": "string" })),
                one("uint", json!({ "type": "integer", "minimum": 0 })),
                one("double", json!({ "type": ["string", "number"] })),
                one("map", headers.to_value()),
            ],
        })
    }
}

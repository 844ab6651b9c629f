//! Values of properties, in the encodings that Envoy gives guests.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::header_map::HeaderMap;

/// Properties by path. Clones share them until one is changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties(Arc<BTreeMap<Vec<u8>, PropertyValue>>);

impl Properties {
    /// No properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a property, its path written with dots: `connection.mtls`.
    pub fn set(&mut self, path: &str, value: impl Into<PropertyValue>) {
        let path = path.bytes().map(|b| if b == b'.' { 0 } else { b }).collect();
        self.set_path(path, value);
    }

    /// Sets a property whose path is written as guests have it, its parts separated by zero bytes.
    pub fn set_path(&mut self, path: Vec<u8>, value: impl Into<PropertyValue>) {
        Arc::make_mut(&mut self.0).insert(path, value.into());
    }

    /// The property of a path written with dots.
    pub fn find(&self, path: &str) -> Option<&PropertyValue> {
        let path: Vec<u8> = path.bytes().map(|b| if b == b'.' { 0 } else { b }).collect();
        self.get(&path)
    }

    /// Takes a property out, its path written with dots.
    pub fn remove(&mut self, path: &str) {
        let path: Vec<u8> = path.bytes().map(|b| if b == b'.' { 0 } else { b }).collect();
        Arc::make_mut(&mut self.0).remove(&path);
    }

    /// Every property, its path written with dots.
    pub fn iter(&self) -> impl Iterator<Item = (String, &PropertyValue)> {
        let dots = |path: &[u8]| {
            let path: Vec<u8> = path.iter().map(|b| if *b == 0 { b'.' } else { *b }).collect();
            String::from_utf8_lossy(&path).into_owned()
        };
        self.0.iter().map(move |(path, value)| (dots(path), value))
    }

    /// Each path as guests have it, its parts separated by zero bytes, and the bytes that guests read there.
    pub fn encoded(&self) -> impl Iterator<Item = (&[u8], Vec<u8>)> {
        self.0.iter().map(|(path, value)| {
            let mut bytes = Vec::new();
            value.encode(&mut bytes);
            (path.as_slice(), bytes)
        })
    }

    /// Whether there are properties below a path.
    pub(crate) fn is_above(&self, path: &[u8]) -> bool {
        let below = [path, &[0]].concat();
        self.0.range(below.clone()..).next().is_some_and(|(first, _)| first.starts_with(&below))
    }

    pub(crate) fn get(&self, path: &[u8]) -> Option<&PropertyValue> {
        self.0.get(path)
    }
}

/// The value of a property.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PropertyValue {
    /// Bytes as they are; text too.
    Bytes(Vec<u8>),
    /// One byte.
    Bool(bool),
    /// Eight bytes; timestamps and durations are such, in nanoseconds.
    Int(i64),
    /// Eight bytes.
    Uint(u64),
    /// Eight bytes.
    Double(f64),
    /// A map, serialized as header pairs.
    Map(Vec<(Vec<u8>, Vec<u8>)>),
}

impl PropertyValue {
    /// Writes the bytes that a guest reads.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::Int(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Uint(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Double(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Map(pairs) => pairs.iter().map(|(n, v)| (n, v)).collect::<HeaderMap>().serialize_into(out),
        }
    }
}

impl From<&str> for PropertyValue {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<String> for PropertyValue {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<Vec<u8>> for PropertyValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for PropertyValue {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<bool> for PropertyValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for PropertyValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for PropertyValue {
    fn from(value: u64) -> Self {
        Self::Uint(value)
    }
}

impl From<f64> for PropertyValue {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

//! Values, and when they are equal or in order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Stop;

/// How deep lists and maps may hold each other.
const DEPTH: u16 = 64;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    /// Text, which headers may have that isn't UTF-8.
    String(Arc<[u8]>),
    Bytes(Arc<[u8]>),
    /// Nanoseconds.
    Duration(i64),
    /// Nanoseconds since the Unix epoch.
    Time(i64),
    List(List),
    Map(Map),
    /// What `type` gives.
    Type(&'static str),
    /// An attribute that has members, by its path.
    Object(Arc<[u8]>),
}

/// A list, which knows how deep it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    items: Arc<[Value]>,
    depth: u16,
}

/// A map, which knows how deep it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map {
    entries: Arc<BTreeMap<Key, (Value, Value)>>,
    depth: u16,
}

/// A map's key. Numbers of different types are different keys, and one is found by another that is equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(Arc<[u8]>),
}

impl List {
    pub(super) fn new(items: Vec<Value>) -> Result<Self, Stop> {
        let depth = deeper(items.iter())?;
        Ok(Self { items: items.into(), depth })
    }

    pub(crate) fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Map {
    /// A map of keys that are all there once.
    pub(super) fn new(pairs: Vec<(Value, Value)>) -> Result<Self, Stop> {
        let depth = deeper(pairs.iter().map(|(_, value)| value))?;
        let count = pairs.len();
        let keyed =
            pairs.into_iter().map(|(key, value)| Ok((Key::of(&key).ok_or(Stop::Error)?, (key, value))));
        let entries = keyed.collect::<Result<BTreeMap<_, _>, _>>()?;
        if entries.len() < count {
            return Err(Stop::Error);
        }
        Ok(Self { entries: Arc::new(entries), depth })
    }

    /// A map of texts.
    pub(crate) fn of_texts(pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Self {
        let entries = pairs.into_iter().map(|(name, value)| {
            let name: Arc<[u8]> = name.into();
            (Key::Text(Arc::clone(&name)), (Value::String(name), Value::String(value.into())))
        });
        Self { entries: Arc::new(entries.collect()), depth: 1 }
    }

    pub(super) fn get(&self, key: &Value) -> Option<&Value> {
        let exact = Key::of(key).and_then(|key| self.entries.get(&key));
        let found = exact.or_else(|| match key {
            Value::Int(number) => self.entries.get(&Key::Uint(u64::try_from(*number).ok()?)),
            Value::Uint(number) => self.entries.get(&Key::Int(i64::try_from(*number).ok()?)),
            Value::Double(number) if number.trunc() == *number => {
                let int = (number.abs() < 9e18).then_some(Key::Int(*number as i64));
                let uint = (0.0..1.8e19).contains(number).then_some(Key::Uint(*number as u64));
                int.into_iter().chain(uint).find_map(|key| self.entries.get(&key))
            }
            _ => None,
        });
        found.map(|(_, value)| value)
    }

    pub(crate) fn pairs(&self) -> impl ExactSizeIterator<Item = &(Value, Value)> {
        self.entries.values()
    }
}

/// The depth of what holds these.
fn deeper<'a>(held: impl Iterator<Item = &'a Value>) -> Result<u16, Stop> {
    let depth = 1 + held.map(Value::depth).max().unwrap_or_default();
    if depth > DEPTH { Err(Stop::Spent) } else { Ok(depth) }
}

impl Key {
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(number) => Self::Int(*number),
            Value::Uint(number) => Self::Uint(*number),
            Value::String(text) => Self::Text(Arc::clone(text)),
            _ => return None,
        })
    }
}

impl Value {
    fn depth(&self) -> u16 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            _ => 0,
        }
    }

    /// Work for looking at it, or making it anew, but for what it holds.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::String(bytes) | Self::Bytes(bytes) => of_bytes(bytes.len()),
            _ => 1,
        }
    }

    /// The name of its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Time(_) => "google.protobuf.Timestamp",
            Self::List(_) => "list",
            Self::Map(_) | Self::Object(_) => "map",
            Self::Type(_) => "type",
        }
    }

    /// Whether both are equal; values of different types are not, but for numbers. Takes work for what is looked at.
    pub(super) fn equals(&self, other: &Self, work: &mut u64) -> Result<bool, Stop> {
        spend(work, 1)?;
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::String(one), Self::String(other)) | (Self::Bytes(one), Self::Bytes(other)) => {
                spend(work, of_bytes(one.len().min(other.len())))?;
                one == other
            }
            (Self::Duration(one), Self::Duration(other)) | (Self::Time(one), Self::Time(other)) => {
                one == other
            }
            (Self::Type(one), Self::Type(other)) => one == other,
            (Self::List(one), Self::List(other)) => {
                if one.items.len() != other.items.len() {
                    return Ok(false);
                }
                for (one, other) in one.items.iter().zip(other.items.iter()) {
                    if !one.equals(other, work)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Self::Map(one), Self::Map(other)) => {
                if one.entries.len() != other.entries.len() {
                    return Ok(false);
                }
                for (key, value) in one.entries.values() {
                    match other.get(key) {
                        Some(other) if value.equals(other, work)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Self::Object(one), Self::Object(other)) => one == other,
            _ => self.order(other, work).is_ok_and(|order| order == Some(Ordering::Equal)),
        })
    }

    /// Which comes first; `None` where neither does, as of what is not a number. A whole number is rounded beside one that may not be whole.
    pub(super) fn order(&self, other: &Self, work: &mut u64) -> Result<Option<Ordering>, Stop> {
        Ok(match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => Some(one.cmp(other)),
            (Self::Int(one), Self::Int(other)) => Some(one.cmp(other)),
            (Self::Uint(one), Self::Uint(other)) => Some(one.cmp(other)),
            (Self::Double(one), Self::Double(other)) => one.partial_cmp(other),
            (Self::Int(one), Self::Uint(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
            (Self::Uint(one), Self::Int(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
            (Self::Int(one), Self::Double(other)) => (*one as f64).partial_cmp(other),
            (Self::Uint(one), Self::Double(other)) => (*one as f64).partial_cmp(other),
            (Self::Double(one), Self::Int(other)) => one.partial_cmp(&(*other as f64)),
            (Self::Double(one), Self::Uint(other)) => one.partial_cmp(&(*other as f64)),
            (Self::String(one), Self::String(other)) | (Self::Bytes(one), Self::Bytes(other)) => {
                spend(work, of_bytes(one.len().min(other.len())))?;
                Some(one.cmp(other))
            }
            (Self::Duration(one), Self::Duration(other)) | (Self::Time(one), Self::Time(other)) => {
                Some(one.cmp(other))
            }
            _ => return Err(Stop::Error),
        })
    }
}

/// What bytes take of the work.
pub(super) fn of_bytes(count: usize) -> u64 {
    1 + count as u64 / 8
}

/// Takes work, where there is so much left.
pub(super) fn spend(work: &mut u64, amount: u64) -> Result<(), Stop> {
    *work = work.checked_sub(amount).ok_or(Stop::Spent)?;
    Ok(())
}

//! Values, entities and requests as the gateway builds them.
//!
//! These are the owned forms: a principal is built once when its token is verified, kept with it, and
//! evaluated many times by reference.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use super::extension::{Datetime, Decimal, Duration, IpNet};

/// A Cedar value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A 64-bit signed integer.
    Long(i64),
    /// Text.
    String(Box<str>),
    /// A reference to an entity.
    Entity(EntityUid),
    /// A set; members are in order and distinct.
    Set(Set),
    /// A record.
    Record(Record),
    /// `decimal`: four decimal places.
    Decimal(Decimal),
    /// `datetime`: milliseconds since the Unix epoch.
    Datetime(Datetime),
    /// `duration`: milliseconds.
    Duration(Duration),
    /// `ipaddr`: an address or a CIDR range.
    Ip(IpNet),
}

impl Value {
    /// A set of `members`.
    #[must_use]
    pub fn set(members: impl IntoIterator<Item = Value>) -> Self {
        Self::Set(Set::new(members))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Long(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<EntityUid> for Value {
    fn from(value: EntityUid) -> Self {
        Self::Entity(value)
    }
}

impl From<Record> for Value {
    fn from(value: Record) -> Self {
        Self::Record(value)
    }
}

/// A set of values: sorted, without repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set(Box<[Value]>);

impl Set {
    /// Sorts `members` and drops repeats.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Value>) -> Self {
        let mut members: Vec<Value> = members.into_iter().collect();
        members.sort_unstable();
        members.dedup();
        Self(members.into())
    }

    /// The members in order.
    #[must_use]
    pub fn members(&self) -> &[Value] {
        &self.0
    }
}

/// Names with values, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record(Vec<(Box<str>, Value)>);

/// Records up to this size are searched from the front.
const SCANNED: usize = 12;

impl Record {
    /// A record without members.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets `name`, and returns the value it had.
    pub fn insert(&mut self, name: impl Into<Box<str>>, value: impl Into<Value>) -> Option<Value> {
        let (name, value) = (name.into(), value.into());
        match self.0.binary_search_by(|(have, _)| (**have).cmp(&*name)) {
            Ok(at) => self.0.get_mut(at).map(|(_, place)| core::mem::replace(place, value)),
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    /// This record with `name` set: for building in one expression.
    #[must_use]
    pub fn with(mut self, name: impl Into<Box<str>>, value: impl Into<Value>) -> Self {
        self.insert(name, value);
        self
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        if self.0.len() <= SCANNED {
            return self.0.iter().find(|(have, _)| **have == *name).map(|(_, value)| value);
        }
        let at = self.0.binary_search_by(|(have, _)| (**have).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Members in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    pub(crate) fn at(&self, index: usize) -> Option<(&str, &Value)> {
        self.0.get(index).map(|(name, value)| (&**name, value))
    }
}

impl<N: Into<Box<str>>> FromIterator<(N, Value)> for Record {
    /// Later members replace earlier ones of the same name.
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(members: I) -> Self {
        let mut record = Self::new();
        for (name, value) in members {
            record.insert(name, value);
        }
        record
    }
}

/// The name of an entity: its type and its identifier, written `Type::"id"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityUid {
    ty: Box<str>,
    id: Box<str>,
}

impl EntityUid {
    /// The entity `id` of type `ty`; a type's namespaces are part of its name (`Bank::User`).
    #[must_use]
    pub fn new(ty: impl Into<Box<str>>, id: impl Into<Box<str>>) -> Self {
        Self { ty: ty.into(), id: id.into() }
    }

    /// The entity type, with its namespaces.
    #[must_use]
    pub fn ty(&self) -> &str {
        &self.ty
    }

    /// The identifier, unescaped.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for EntityUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::\"{}\"", self.ty, self.id.escape_debug())
    }
}

/// An entity of a request, with what is known of it.
///
/// Where the image holds an entity of the same name, the two are one: parents are joined, and an attribute
/// given here wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its name.
    pub uid: EntityUid,
    /// Its attributes.
    pub attributes: Record,
    /// Its direct parents; their own ancestors come from the image and from the request's other entities.
    pub parents: Vec<EntityUid>,
    /// Its tags.
    pub tags: Record,
}

impl Entity {
    /// An entity without attributes or parents.
    #[must_use]
    pub fn new(uid: EntityUid) -> Self {
        Self { uid, attributes: Record::new(), parents: Vec::new(), tags: Record::new() }
    }
}

/// One question: may `principal` do `action` to `resource`, in `context`?
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Who asks.
    pub principal: &'r EntityUid,
    /// What is to be done.
    pub action: &'r EntityUid,
    /// To what.
    pub resource: &'r EntityUid,
    /// Everything else about the request.
    pub context: &'r Record,
    /// The entities that this request brings, the principal and the resource usually among them; all others
    /// come from the image.
    pub entities: &'r [&'r Entity],
}

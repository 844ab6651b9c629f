//! Values while a policy is evaluated: borrowed from the image, from the request, or kept in the scratch
//! space for as long as one policy takes.

use crate::policy::{
    extension::{Datetime, Decimal, Duration, IpNet},
    image::{
        lookup::constant,
        tables::{ConstId, Run, UidId},
    },
    value::{EntityUid, Record, Value},
};

/// An entity.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ent<'a> {
    /// In the image's table.
    Known(UidId),
    /// Not in it, as was found.
    Foreign(&'a EntityUid),
    /// Not looked up yet.
    Named(&'a EntityUid),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum SetRef<'a> {
    Image(Run),
    Request(&'a [Value]),
    /// A run of the scratch space, sorted and distinct.
    Scratch(Run),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum RecordRef<'a> {
    Image(Run),
    Request(&'a Record),
    /// Names (a run of the nodes' names) and the place in the scratch space where as many values start.
    Scratch(Run, u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Val<'a> {
    Bool(bool),
    Long(i64),
    String(&'a str),
    Entity(Ent<'a>),
    Set(SetRef<'a>),
    Record(RecordRef<'a>),
    Decimal(Decimal),
    Datetime(Datetime),
    Duration(Duration),
    Ip(IpNet),
}

impl<'a> Val<'a> {
    pub(crate) fn of(value: &'a Value) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Long(value) => Self::Long(*value),
            Value::String(text) => Self::String(text),
            Value::Entity(uid) => Self::Entity(Ent::Named(uid)),
            Value::Set(set) => Self::Set(SetRef::Request(set.members())),
            Value::Record(record) => Self::Record(RecordRef::Request(record)),
            Value::Decimal(value) => Self::Decimal(*value),
            Value::Datetime(value) => Self::Datetime(*value),
            Value::Duration(value) => Self::Duration(*value),
            Value::Ip(value) => Self::Ip(*value),
        }
    }

    /// The place of this kind in the order of values; the same as that of `Value`'s variants.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Long(_) => 1,
            Self::String(_) => 2,
            Self::Entity(_) => 3,
            Self::Set(_) => 4,
            Self::Record(_) => 5,
            Self::Decimal(_) => 6,
            Self::Datetime(_) => 7,
            Self::Duration(_) => 8,
            Self::Ip(_) => 9,
        }
    }
}

impl<'a> super::Evaluation<'a> {
    pub(crate) fn constant(&self, id: ConstId) -> Val<'a> {
        constant(self.image.tables(), id)
    }

    pub(crate) fn set_len(&self, set: SetRef<'a>) -> usize {
        match set {
            SetRef::Image(run) | SetRef::Scratch(run) => run.len as usize,
            SetRef::Request(members) => members.len(),
        }
    }

    pub(crate) fn member(&self, set: SetRef<'a>, at: usize) -> Option<Val<'a>> {
        match set {
            SetRef::Image(run) => {
                let members = run.of(&self.image.tables().constants.members);
                members.get(at).map(|member| self.constant(*member))
            }
            SetRef::Request(members) => members.get(at).map(Val::of),
            SetRef::Scratch(run) => {
                if at >= run.len as usize {
                    return None;
                }
                self.scratch.get(run.start as usize + at)
            }
        }
    }

    pub(crate) fn record_len(&self, record: RecordRef<'a>) -> usize {
        match record {
            RecordRef::Image(run) | RecordRef::Scratch(run, _) => run.len as usize,
            RecordRef::Request(record) => record.len(),
        }
    }

    pub(crate) fn field_at(&self, record: RecordRef<'a>, at: usize) -> Option<(&'a str, Val<'a>)> {
        let tables = self.image.tables();
        match record {
            RecordRef::Image(run) => {
                let (name, value) = run.of(&tables.constants.fields).get(at)?;
                Some((tables.strings.get(*name), self.constant(*value)))
            }
            RecordRef::Request(record) => {
                let (name, value) = record.at(at)?;
                Some((name, Val::of(value)))
            }
            RecordRef::Scratch(names, start) => {
                let name = names.of(&tables.nodes.names).get(at)?;
                Some((tables.strings.get(*name), self.scratch.get(start as usize + at)?))
            }
        }
    }

    pub(crate) fn field(&self, record: RecordRef<'a>, name: &str) -> Option<Val<'a>> {
        match record {
            RecordRef::Request(record) => record.get(name).map(Val::of),
            RecordRef::Image(_) | RecordRef::Scratch(..) => {
                // Sorted by name.
                let (mut low, mut high) = (0, self.record_len(record));
                while low < high {
                    let middle = low + (high - low) / 2;
                    let (have, value) = self.field_at(record, middle)?;
                    match have.cmp(name) {
                        core::cmp::Ordering::Less => low = middle + 1,
                        core::cmp::Ordering::Greater => high = middle,
                        core::cmp::Ordering::Equal => return Some(value),
                    }
                }
                None
            }
        }
    }

    /// Type and identifier of an entity.
    pub(crate) fn name(&self, entity: Ent<'a>) -> (&'a str, &'a str) {
        match entity {
            Ent::Known(uid) => self.known_name(uid),
            Ent::Foreign(uid) | Ent::Named(uid) => (uid.ty(), uid.id()),
        }
    }
}

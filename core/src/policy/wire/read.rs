//! Reading a request, with every length checked.

use alloc::vec::Vec;
use core::fmt;

use super::{MAX_REQUEST, OwnedRequest, VERSION, tag};
use crate::policy::{
    extension::{Datetime, Decimal, Duration, IpNet},
    image::MAX_VALUE_DEPTH,
    value::{Entity, EntityUid, Record, Value},
};

/// Why bytes are not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// Values are nested deeper than is accepted.
    Depth,
    /// Longer than is accepted.
    Long,
    /// A number is not in its shortest form, or too large.
    Number,
    /// Members of a record are out of order or repeated.
    Order,
    /// It ends in the middle of an entry.
    Short,
    /// A value of an unknown kind.
    Tag,
    /// Text is not UTF-8.
    Text,
    /// Bytes follow the last entry.
    Trailing,
    /// It is of another version.
    Version,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "the request's values are nested too deep",
            Self::Long => "the request is too long",
            Self::Number => "the request has a number out of range or not in its shortest form",
            Self::Order => "the request has a record whose members are out of order or repeated",
            Self::Short => "the request ends in the middle of an entry",
            Self::Tag => "the request has a value of an unknown kind",
            Self::Text => "the request has text that is not UTF-8",
            Self::Trailing => "bytes follow the request",
            Self::Version => "the request is of another version",
        })
    }
}

impl core::error::Error for WireError {}

pub(super) fn request(bytes: &[u8]) -> Result<OwnedRequest, WireError> {
    if bytes.len() > MAX_REQUEST {
        return Err(WireError::Long);
    }
    let mut reader = Reader { rest: bytes };
    if reader.byte()? != VERSION {
        return Err(WireError::Version);
    }
    let (principal, action, resource) = (reader.uid()?, reader.uid()?, reader.uid()?);
    let context = reader.record(0)?;
    let entities = reader.list(Reader::entity)?;
    if !reader.rest.is_empty() {
        return Err(WireError::Trailing);
    }
    Ok(OwnedRequest { principal, action, resource, context, entities })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn entity(&mut self) -> Result<Entity, WireError> {
        let mut entity = Entity::new(self.uid()?);
        entity.attributes = self.record(0)?;
        entity.tags = self.record(0)?;
        entity.parents = self.list(Self::uid)?;
        Ok(entity)
    }

    fn record(&mut self, depth: u16) -> Result<Record, WireError> {
        let mut record = Record::new();
        let mut last: Option<&'a str> = None;
        for _ in 0..self.count()? {
            let name = self.text()?;
            // In order, each member goes to the end: reading takes linear time.
            if last.is_some_and(|last| last >= name) {
                return Err(WireError::Order);
            }
            last = Some(name);
            let value = self.value(depth)?;
            record.insert(name, value);
        }
        Ok(record)
    }

    fn value(&mut self, depth: u16) -> Result<Value, WireError> {
        let deeper = depth + 1;
        if deeper > MAX_VALUE_DEPTH {
            return Err(WireError::Depth);
        }
        Ok(match self.byte()? {
            tag::FALSE => Value::Bool(false),
            tag::TRUE => Value::Bool(true),
            tag::LONG => Value::Long(self.signed()?),
            tag::STRING => Value::from(self.text()?),
            tag::ENTITY => Value::Entity(self.uid()?),
            tag::SET => Value::set(self.list(|reader| reader.value(deeper))?),
            tag::RECORD => Value::Record(self.record(deeper)?),
            tag::DECIMAL => Value::Decimal(Decimal(self.signed()?)),
            tag::DATETIME => Value::Datetime(Datetime(self.signed()?)),
            tag::DURATION => Value::Duration(Duration(self.signed()?)),
            tag::IP_V4 => Value::Ip(IpNet::V4(self.array()?, self.prefix(32)?)),
            tag::IP_V6 => Value::Ip(IpNet::V6(self.array()?, self.prefix(128)?)),
            _ => return Err(WireError::Tag),
        })
    }

    fn prefix(&mut self, most: u8) -> Result<u8, WireError> {
        let prefix = self.byte()?;
        if prefix <= most { Ok(prefix) } else { Err(WireError::Number) }
    }

    fn uid(&mut self) -> Result<EntityUid, WireError> {
        Ok(EntityUid::new(self.text()?, self.text()?))
    }

    fn text(&mut self) -> Result<&'a str, WireError> {
        let length = self.count()?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(WireError::Short)?;
        self.rest = rest;
        core::str::from_utf8(text).map_err(|_| WireError::Text)
    }

    fn list<T>(
        &mut self,
        mut entry: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        (0..self.count()?).map(|_| entry(self)).collect()
    }

    /// A number of entries, each of a byte at least.
    fn count(&mut self) -> Result<usize, WireError> {
        let count = usize::try_from(self.long()?).map_err(|_| WireError::Number)?;
        if count <= self.rest.len() { Ok(count) } else { Err(WireError::Short) }
    }

    fn signed(&mut self) -> Result<i64, WireError> {
        let number = self.long()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn long(&mut self) -> Result<u64, WireError> {
        let (mut number, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift > 63 || (shift == 63 && bits > 1) || (byte == 0 && shift > 0) {
                return Err(WireError::Number);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(*taken)
    }
}

//! The type of an attribute, taken from the image's schema once, when a configuration is loaded.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A Cedar type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttributeType {
    /// `Bool`
    Bool,
    /// `Long`
    Long,
    /// `String`
    String,
    /// An entity of this type.
    Entity(Box<str>),
    /// `Set<…>`
    Set(Box<AttributeType>),
    /// A record.
    Record(Vec<Field>),
    /// `decimal`
    Decimal,
    /// `datetime`
    Datetime,
    /// `duration`
    Duration,
    /// `ipaddr`
    Ip,
}

/// A member of a record or of an entity's shape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub ty: AttributeType,
    /// Whether it may not be absent.
    pub required: bool,
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("Bool"),
            Self::Long => f.write_str("Long"),
            Self::String => f.write_str("String"),
            Self::Entity(name) => f.write_str(name),
            Self::Set(element) => write!(f, "Set<{element}>"),
            Self::Record(fields) => {
                let names: Vec<String> = fields
                    .iter()
                    .map(|field| {
                        alloc::format!(
                            "{}{}: {}",
                            field.name,
                            if field.required { "" } else { "?" },
                            field.ty
                        )
                    })
                    .collect();
                write!(f, "{{{}}}", names.join(", "))
            }
            Self::Decimal => f.write_str("decimal"),
            Self::Datetime => f.write_str("datetime"),
            Self::Duration => f.write_str("duration"),
            Self::Ip => f.write_str("ipaddr"),
        }
    }
}

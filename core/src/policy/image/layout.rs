//! What an image is made of, for tools that show it.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    Image, ImageError, Policy, Section, decode,
    lookup::type_name,
    tables::{ActionScope, Scope, TypeId, UidId},
};
use crate::policy::print::quoted;

/// The envelope of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The version of the format.
    pub format: u16,
    /// The version of the Cedar language: major, minor.
    pub language: (u8, u8),
    /// The length in bytes of what stands before the first section.
    pub header: usize,
    /// Every section with its length in bytes, in their order.
    pub sections: Vec<(Section, usize)>,
}

impl Layout {
    /// Reads the envelope of an image.
    ///
    /// # Errors
    ///
    /// As [`Image::decode`], for everything outside the sections.
    pub fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let (_, sections) = decode::envelope(bytes)?;
        let sections: Vec<(Section, usize)> =
            sections.into_iter().map(|(section, body)| (section, body.len())).collect();
        let content: usize = sections.iter().map(|(_, length)| length).sum();
        let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
        Ok(Self {
            format: u16::from_le_bytes([byte(8), byte(9)]),
            language: (byte(10), byte(11)),
            header: bytes.len().saturating_sub(content),
            sections,
        })
    }
}

impl Image {
    /// How many entities it holds, actions not counted.
    #[must_use]
    pub fn entity_count(&self) -> usize {
        self.entities().filter(|(ty, _)| !is_action(ty)).count()
    }

    /// Type and identifier of every entity that it holds, actions among them.
    pub fn entities(&self) -> impl Iterator<Item = (&str, &str)> {
        let tables = self.tables();
        let held = tables.uids.iter().filter(|uid| uid.entity.is_some());
        held.map(|uid| (type_name(tables, uid.ty), tables.strings.get(uid.id)))
    }

    /// The names of the files it was compiled from.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        let tables = self.tables();
        tables.sources.iter().map(|name| tables.strings.get(*name))
    }

    fn written(&self, uid: UidId) -> String {
        let tables = self.tables();
        match tables.uids.get(uid as usize) {
            Some(uid) => format!("{}::{}", type_name(tables, uid.ty), quoted(tables.strings.get(uid.id))),
            None => String::new(),
        }
    }

    fn scope(&self, variable: &str, scope: Scope) -> String {
        let ty = |ty: TypeId| type_name(self.tables(), ty);
        match scope {
            Scope::Any => variable.to_string(),
            Scope::Eq(uid) => format!("{variable} == {}", self.written(uid)),
            Scope::In(uid) => format!("{variable} in {}", self.written(uid)),
            Scope::Is(name) => format!("{variable} is {}", ty(name)),
            Scope::IsIn(name, uid) => format!("{variable} is {} in {}", ty(name), self.written(uid)),
        }
    }
}

/// Whether entities of this type are actions: its last part is `Action`.
#[must_use]
pub fn is_action(ty: &str) -> bool {
    ty == "Action" || ty.ends_with("::Action")
}

impl Policy<'_> {
    /// Its scope in Cedar: principal, action and resource.
    #[must_use]
    pub fn scope(&self) -> [String; 3] {
        let (image, row) = (self.image, self.row);
        let action = match row.action {
            ActionScope::Any => String::from("action"),
            ActionScope::Eq(uid) => format!("action == {}", image.written(uid)),
            ActionScope::In(run) => {
                let uids = run.of(&image.tables.policies.actions).iter();
                let uids: Vec<String> = uids.map(|uid| image.written(*uid)).collect();
                match &uids[..] {
                    [one] => format!("action in {one}"),
                    _ => format!("action in [{}]", uids.join(", ")),
                }
            }
        };
        [image.scope("principal", row.principal), action, image.scope("resource", row.resource)]
    }
}

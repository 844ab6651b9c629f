//! Look-ups built when an image is loaded: entity names by hash, policies by key.

use alloc::{vec, vec::Vec};

use super::tables::{Index, Key, PolicyIndex, Run, Strings, Tables, TypeId, UidId};

const EMPTY: u32 = u32::MAX;

pub(crate) struct Lookup {
    /// Open addressing over `Tables::uids`; a power of two, at most half full.
    slots: Vec<u32>,
    principals: Vec<Run>,
    actions: Vec<Run>,
    resources: Vec<Run>,
    principal_types: Vec<Run>,
    resource_types: Vec<Run>,
    always: Run,
}

impl Lookup {
    pub(super) fn new(tables: &Tables) -> Self {
        let size = (tables.uids.len() * 2 + 2).next_power_of_two();
        let mut slots = vec![EMPTY; size];
        for (id, uid) in (0_u32..).zip(&tables.uids) {
            let ty = type_name(tables, uid.ty);
            let mut at = hash(ty, tables.strings.get(uid.id)) as usize & (size - 1);
            loop {
                match slots.get_mut(at) {
                    Some(slot) if *slot == EMPTY => {
                        *slot = id;
                        break;
                    }
                    _ => at = (at + 1) & (size - 1),
                }
            }
        }
        let (uids, types) = (tables.uids.len(), tables.types.len());
        let mut lookup = Self {
            slots,
            principals: vec![Run::default(); uids],
            actions: vec![Run::default(); uids],
            resources: vec![Run::default(); uids],
            principal_types: vec![Run::default(); types],
            resource_types: vec![Run::default(); types],
            always: Run::default(),
        };
        for (key, run) in &tables.index.rows {
            let place = match *key {
                Key::Always => Some(&mut lookup.always),
                Key::Principal(uid) => lookup.principals.get_mut(uid as usize),
                Key::Action(uid) => lookup.actions.get_mut(uid as usize),
                Key::Resource(uid) => lookup.resources.get_mut(uid as usize),
                Key::PrincipalType(ty) => lookup.principal_types.get_mut(ty as usize),
                Key::ResourceType(ty) => lookup.resource_types.get_mut(ty as usize),
            };
            if let Some(place) = place {
                *place = *run;
            }
        }
        lookup
    }

    /// The entity of that name, if any policy or static entity names it.
    pub(crate) fn uid(&self, tables: &Tables, ty: &str, id: &str) -> Option<UidId> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash(ty, id) as usize & mask;
        loop {
            let slot = *self.slots.get(at)?;
            let uid = tables.uids.get(slot as usize)?;
            if tables.strings.get(uid.id) == id && type_name(tables, uid.ty) == ty {
                return Some(slot);
            }
            at = (at + 1) & mask;
        }
    }

    pub(crate) fn policies<'i>(&self, index: &'i Index, key: Key) -> &'i [PolicyIndex] {
        let run = match key {
            Key::Always => Some(&self.always),
            Key::Principal(uid) => self.principals.get(uid as usize),
            Key::Action(uid) => self.actions.get(uid as usize),
            Key::Resource(uid) => self.resources.get(uid as usize),
            Key::PrincipalType(ty) => self.principal_types.get(ty as usize),
            Key::ResourceType(ty) => self.resource_types.get(ty as usize),
        };
        run.map_or(&[], |run| run.of(&index.policies))
    }
}

/// The entity type called `name`.
pub(crate) fn type_named(tables: &Tables, name: &str) -> Option<TypeId> {
    let at = tables.types.binary_search_by(|ty| tables.strings.get(*ty).cmp(name)).ok()?;
    u32::try_from(at).ok()
}

pub(crate) fn type_name(tables: &Tables, ty: TypeId) -> &str {
    tables.types.get(ty as usize).map_or("", |name| name_of(&tables.strings, *name))
}

fn name_of(strings: &Strings, sym: u32) -> &str {
    strings.get(sym)
}

/// Not keyed: what is in the table comes from the image, and a request only looks things up.
fn hash(ty: &str, id: &str) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = (ty.len() as u64) << 32 | id.len() as u64;
    for text in [ty, id] {
        let chunks = text.as_bytes().chunks(8);
        for chunk in chunks {
            let mut word = [0; 8];
            if let Some(place) = word.get_mut(..chunk.len()) {
                place.copy_from_slice(chunk);
            }
            state = (state.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
        }
    }
    state ^ (state >> 32)
}

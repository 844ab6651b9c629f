//! Look-ups built when an image is loaded: entity names and constants by hash, edges of the index by place.

use alloc::{vec, vec::Vec};

use super::{
    index::{Branch, Edge, Index, MAX_MEMO},
    tables::{Const, ConstId, NodeId, Run, Tables, TypeId, UidId},
};
use crate::policy::evaluate::Val;

const EMPTY: u32 = u32::MAX;
/// A row's edges are found by place where at most this many places stand for an edge.
const SPARSE: usize = 4;
/// Beyond this many places a name or constant is not looked for.
const LONGEST_SEARCH: usize = 1024;

pub(crate) struct Lookup {
    uids: Slots,
    /// Constants that are found by their value: no entities, sets or records.
    constants: Slots,
    /// For each row of the index where its places start, and how many there are.
    places: Vec<Run>,
    /// Rows that edges lead to, or nothing.
    jumps: Vec<u32>,
    /// For each expression its place in the memo, or nothing.
    memo: Vec<u8>,
}

impl Lookup {
    /// `None` where two constants are the same, or hashes were made to collide.
    pub(super) fn new(tables: &Tables) -> Option<Self> {
        let mut uids = Slots::new(tables.uids.len());
        for (id, uid) in (0_u32..).zip(&tables.uids) {
            uids.insert(hash(type_name(tables, uid.ty), tables.strings.get(uid.id)), id)?;
        }
        let mut constants = Slots::new(tables.constants.rows.len());
        for id in (0_u32..).take(tables.constants.rows.len()) {
            let value = constant(tables, id);
            if let Some(hash) = hash_of(&value) {
                if constants.find(hash, |other| same(&constant(tables, other), &value)).is_some() {
                    return None;
                }
                constants.insert(hash, id)?;
            }
        }
        let mut memo = vec![u8::MAX; tables.nodes.rows.len()];
        for (place, node) in (0_u8..).zip(tables.index.memo.iter().take(MAX_MEMO)) {
            if let Some(slot) = memo.get_mut(*node as usize) {
                *slot = place;
            }
        }
        let (places, jumps) = jumps(&tables.index);
        Some(Self { uids, constants, places, jumps, memo })
    }

    /// The entity of that name, if any policy or static entity names it.
    pub(crate) fn uid(&self, tables: &Tables, ty: &str, id: &str) -> Option<UidId> {
        self.uids.find(hash(ty, id), |slot| {
            tables
                .uids
                .get(slot as usize)
                .is_some_and(|uid| tables.strings.get(uid.id) == id && type_name(tables, uid.ty) == ty)
        })
    }

    /// The constant of that value; none for entities, sets and records.
    pub(crate) fn constant(&self, tables: &Tables, value: &Val<'_>) -> Option<ConstId> {
        self.constants.find(hash_of(value)?, |slot| same(&constant(tables, slot), value))
    }

    /// Where `key` leads from row `at`, whose edges are `edges`.
    pub(crate) fn child(&self, at: u32, edges: &[Edge], key: u32) -> Option<u32> {
        let places = self.places.get(at as usize)?;
        if places.len == 0 {
            let place = edges.binary_search_by_key(&i64::from(key), |edge| edge.key).ok()?;
            return edges.get(place).map(|edge| edge.child);
        }
        let first = edges.first()?.key;
        let place = u32::try_from(i64::from(key).checked_sub(first)?).ok()?;
        if place >= places.len {
            return None;
        }
        self.jumps.get(places.start as usize + place as usize).copied().filter(|child| *child != EMPTY)
    }

    /// The place of an expression in the memo.
    pub(crate) fn memo(&self, node: NodeId) -> Option<usize> {
        self.memo.get(node as usize).filter(|place| **place != u8::MAX).map(|place| usize::from(*place))
    }
}

fn jumps(index: &Index) -> (Vec<Run>, Vec<u32>) {
    let (mut places, mut jumps) = (vec![Run::default(); index.rows.len()], Vec::new());
    for (run, row) in places.iter_mut().zip(&index.rows) {
        let Branch::Inner { facet, edges, .. } = row else { continue };
        let edges = edges.of(&index.edges);
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { continue };
        let span = last.key.saturating_sub(first.key).saturating_add(1);
        let Some(span) = usize::try_from(span).ok().filter(|span| *span <= edges.len() * SPARSE) else {
            continue;
        };
        let (Ok(start), Ok(len)) = (u32::try_from(jumps.len()), u32::try_from(span)) else { continue };
        if facet.is_range() {
            continue;
        }
        jumps.resize(jumps.len() + span, EMPTY);
        for edge in edges {
            let place = usize::try_from(edge.key - first.key).unwrap_or(usize::MAX);
            if let Some(slot) = jumps.get_mut((start as usize).saturating_add(place)) {
                *slot = edge.child;
            }
        }
        *run = Run { start, len };
    }
    (places, jumps)
}

/// Open addressing: a power of two, at most half full. Beside each item the half of its hash that does not
/// choose its place.
struct Slots(Vec<(u32, u32)>);

impl Slots {
    fn new(len: usize) -> Self {
        Self(vec![(EMPTY, 0); (len * 2 + 2).next_power_of_two()])
    }

    /// Honest names and constants spread evenly: in a table that is half empty a long search is no accident.
    fn insert(&mut self, hash: u64, item: u32) -> Option<()> {
        let mask = self.0.len() - 1;
        let mut at = narrow(hash) & mask;
        for _ in 0..LONGEST_SEARCH {
            let slot = self.0.get_mut(at)?;
            if slot.0 == EMPTY {
                *slot = (item, tag(hash));
                return Some(());
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.0.len() - 1;
        let mut at = narrow(hash) & mask;
        loop {
            let (item, have) = *self.0.get(at)?;
            if item == EMPTY {
                return None;
            }
            if have == tag(hash) && is(item) {
                return Some(item);
            }
            at = (at + 1) & mask;
        }
    }
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn narrow(hash: u64) -> usize {
    // The low half: as many bits on every machine.
    hash as u32 as usize
}

/// The value of a constant.
pub(crate) fn constant(tables: &Tables, id: ConstId) -> Val<'_> {
    match tables.constants.rows.get(id as usize).copied() {
        Some(Const::Bool(value)) => Val::Bool(value),
        Some(Const::Long(value)) => Val::Long(value),
        Some(Const::String(sym)) => Val::String(tables.strings.get(sym)),
        Some(Const::Entity(uid)) => Val::Entity(crate::policy::evaluate::Ent::Known(uid)),
        Some(Const::Set(run)) => Val::Set(crate::policy::evaluate::SetRef::Image(run)),
        Some(Const::Record(run)) => Val::Record(crate::policy::evaluate::RecordRef::Image(run)),
        Some(Const::Decimal(value)) => Val::Decimal(value),
        Some(Const::Datetime(value)) => Val::Datetime(value),
        Some(Const::Duration(value)) => Val::Duration(value),
        Some(Const::Ip(value)) => Val::Ip(value),
        // Decoding checked the reference.
        None => Val::Bool(false),
    }
}

/// The entity type called `name`.
pub(crate) fn type_named(tables: &Tables, name: &str) -> Option<TypeId> {
    let at = tables.types.binary_search_by(|ty| tables.strings.get(*ty).cmp(name)).ok()?;
    u32::try_from(at).ok()
}

pub(crate) fn type_name(tables: &Tables, ty: TypeId) -> &str {
    tables.types.get(ty as usize).map_or("", |name| tables.strings.get(*name))
}

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(state: u64, word: u64) -> u64 {
    (state.rotate_left(5) ^ word).wrapping_mul(FACTOR)
}

/// Not keyed: what is in the tables comes from the image, and a request only looks things up.
fn hash(ty: &str, id: &str) -> u64 {
    let state = hash_bytes((ty.len() as u64) << 32 | id.len() as u64, ty.as_bytes());
    let state = hash_bytes(state, id.as_bytes());
    state ^ (state >> 32)
}

fn hash_bytes(mut state: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = mix(state, u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut word = 0;
        for byte in rest.iter().rev() {
            word = word << 8 | u64::from(*byte);
        }
        state = mix(state, word);
    }
    state
}

fn hash_of(value: &Val<'_>) -> Option<u64> {
    let kind = u64::from(value.rank());
    let state = match value {
        Val::Bool(value) => mix(kind, u64::from(*value)),
        Val::Long(value) => mix(kind, value.cast_unsigned()),
        Val::String(text) => hash_bytes(mix(kind, text.len() as u64), text.as_bytes()),
        Val::Decimal(value) => mix(kind, value.0.cast_unsigned()),
        Val::Datetime(value) => mix(kind, value.0.cast_unsigned()),
        Val::Duration(value) => mix(kind, value.0.cast_unsigned()),
        Val::Ip(crate::policy::IpNet::V4(address, prefix)) => {
            hash_bytes(mix(kind, u64::from(*prefix)), address)
        }
        Val::Ip(crate::policy::IpNet::V6(address, prefix)) => {
            hash_bytes(mix(kind, u64::from(*prefix)), address)
        }
        Val::Entity(_) | Val::Set(_) | Val::Record(_) => return None,
    };
    Some(state ^ (state >> 32))
}

/// Of values that [`hash_of`] takes.
fn same(a: &Val<'_>, b: &Val<'_>) -> bool {
    match (a, b) {
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Long(a), Val::Long(b)) => a == b,
        (Val::String(a), Val::String(b)) => a == b,
        (Val::Decimal(a), Val::Decimal(b)) => a == b,
        (Val::Datetime(a), Val::Datetime(b)) => a == b,
        (Val::Duration(a), Val::Duration(b)) => a == b,
        (Val::Ip(a), Val::Ip(b)) => a == b,
        _ => false,
    }
}

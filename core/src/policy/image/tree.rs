//! The index section: the tree in the order in which it is walked, so that no reference can lead astray.

use alloc::vec::Vec;

use super::{
    cover,
    encode::Writer,
    error::{Defect, ImageError},
    index::{Branch, Demand, Edge, Facet, Guard, Index, MAX_GUARDS, MAX_INDEX_DEPTH, MAX_MEMO},
    read::Reader,
    tables::{Const, Run, Tables},
};

/// The facet's number is above these bits.
const REST: u8 = 1;
const LEAF: u8 = 0;

pub(super) fn encode(out: &mut Writer, index: &Index) {
    out.count(&index.memo);
    for node in &index.memo {
        out.number(*node);
    }
    out.count(&index.rows);
    for row in &index.rows {
        match *row {
            Branch::Leaf(run) => {
                out.byte(LEAF);
                out.run(run, &index.policies);
            }
            Branch::Inner { facet, node, guards, edges, rest } => {
                out.byte(((facet_number(facet) + 1) << 1) | if rest.is_some() { REST } else { 0 });
                out.number(node);
                let guards = guards.of(&index.guards);
                out.count(guards);
                for guard in guards {
                    out.byte(demand_number(guard.demand));
                    out.number(guard.node);
                }
                let edges = edges.of(&index.edges);
                out.count(edges);
                for edge in edges {
                    if facet.is_range() {
                        out.signed(edge.key);
                    } else {
                        out.long(edge.key.cast_unsigned());
                    }
                }
            }
        }
    }
}

fn facet_number(facet: Facet) -> u8 {
    place(Facet::ALL.iter().position(|have| *have == facet))
}

fn demand_number(demand: Demand) -> u8 {
    place(Demand::ALL.iter().position(|have| *have == demand))
}

fn place(at: Option<usize>) -> u8 {
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

/// A row whose children are still to come.
struct Open {
    row: usize,
    /// How many edges have their child.
    done: u32,
    depth: usize,
}

pub(super) fn decode(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    let nodes = tables.nodes.rows.len();
    reader.run(nodes, &mut tables.index.memo)?;
    let memo = &tables.index.memo;
    reader.ensure(memo.is_sorted_by(|a, b| a < b) && memo.len() <= MAX_MEMO, Defect::Order)?;
    let mut open: Vec<Open> = Vec::new();
    for at in 0..reader.count()? {
        let depth = if at == 0 { 0 } else { attach(reader, tables, &mut open, at)? };
        reader.ensure(depth <= MAX_INDEX_DEPTH, Defect::Depth)?;
        let row = row(reader, tables)?;
        if let Branch::Inner { .. } = row {
            open.push(Open { row: at, done: 0, depth });
        }
        tables.index.rows.push(row);
    }
    reader.ensure(open.is_empty(), Defect::Reference)?;
    cover::check(reader, tables)
}

/// Makes row `at` the next child of the row that waits for one, and returns how deep it stands.
fn attach(
    reader: &Reader<'_>,
    tables: &mut Tables,
    open: &mut Vec<Open>,
    at: usize,
) -> Result<usize, ImageError> {
    let Some(parent) = open.last_mut() else {
        return reader.fail(Defect::Reference);
    };
    let child = u32::try_from(at).or_else(|_| reader.fail(Defect::Number))?;
    let Some(Branch::Inner { edges, rest, .. }) = tables.index.rows.get_mut(parent.row) else {
        return reader.fail(Defect::Reference);
    };
    let mut depth = parent.depth;
    if parent.done < edges.len {
        if let Some(edge) = tables.index.edges.get_mut(edges.start as usize + parent.done as usize) {
            edge.child = child;
        }
        parent.done += 1;
        depth += 1;
        if parent.done == edges.len && rest.is_none() {
            open.pop();
        }
    } else {
        // The rest does not nest: it is walked on to.
        *rest = Some(child);
        open.pop();
    }
    Ok(depth)
}

fn row(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<Branch, ImageError> {
    let tag = reader.byte()?;
    if tag == LEAF {
        let run = reader.run(tables.policies.rows.len(), &mut tables.index.policies)?;
        let policies = run.of(&tables.index.policies);
        reader.ensure(policies.is_sorted_by(|a, b| a < b), Defect::Order)?;
        return Ok(Branch::Leaf(run));
    }
    let facet = (tag >> 1).checked_sub(1).and_then(|number| Facet::ALL.get(usize::from(number)));
    let Some(facet) = facet.copied() else {
        return reader.fail(Defect::Tag);
    };
    let nodes = tables.nodes.rows.len();
    let node = reader.index(nodes)?;
    let count = reader.count()?;
    reader.ensure(count <= MAX_GUARDS, Defect::Number)?;
    let start = tables.index.guards.len();
    for _ in 0..count {
        let Some(demand) = Demand::ALL.get(usize::from(reader.byte()?)) else {
            return reader.fail(Defect::Tag);
        };
        tables.index.guards.push(Guard { demand: *demand, node: reader.index(nodes)? });
    }
    let guards = reader.run_since(start, &tables.index.guards)?;
    let start = tables.index.edges.len();
    let count = reader.count()?;
    reader.ensure(count > 0, Defect::Number)?;
    for _ in 0..count {
        let key = key(reader, facet, tables)?;
        tables.index.edges.push(Edge { key, child: 0 });
    }
    let edges = reader.run_since(start, &tables.index.edges)?;
    reader.ensure(edges.of(&tables.index.edges).is_sorted_by(|a, b| a.key < b.key), Defect::Order)?;
    // The place of the rest is known once it comes.
    let rest = (tag & REST != 0).then_some(0);
    Ok(Branch::Inner { facet, node, guards, edges, rest })
}

fn key(reader: &mut Reader<'_>, facet: Facet, tables: &Tables) -> Result<i64, ImageError> {
    let bound = match facet {
        Facet::Truth => 2,
        Facet::Equal | Facet::Member => tables.constants.rows.len(),
        Facet::Same | Facet::In | Facet::MemberEntity => tables.uids.len(),
        Facet::Is => tables.types.len(),
        Facet::AtMost(_) | Facet::AtLeast(_) | Facet::Band(_) => return reader.signed(),
    };
    let key = reader.index(bound)?;
    if matches!(facet, Facet::Equal | Facet::Member) {
        let constant = tables.constants.rows.get(key as usize);
        let simple = !matches!(constant, Some(Const::Entity(_) | Const::Set(_) | Const::Record(_)) | None);
        reader.ensure(simple, Defect::Reference)?;
    }
    Ok(i64::from(key))
}

/// The policies of each row and of all rows below it: as a run, for they stand in the order of the rows.
pub(super) fn spans(index: &super::index::Index) -> Vec<Run> {
    let mut spans = alloc::vec![Run::default(); index.rows.len()];
    for (at, row) in index.rows.iter().enumerate().rev() {
        let span = match row {
            Branch::Leaf(run) => *run,
            Branch::Inner { edges, rest, .. } => {
                let edges = edges.of(&index.edges);
                let child = |row: u32| spans.get(row as usize).copied();
                let first = edges.first().and_then(|edge| child(edge.child)).unwrap_or_default();
                let last = rest.or_else(|| edges.last().map(|edge| edge.child));
                let last = last.and_then(child).unwrap_or_default();
                Run { start: first.start, len: (last.start + last.len).saturating_sub(first.start) }
            }
        };
        if let Some(place) = spans.get_mut(at) {
            *place = span;
        }
    }
    spans
}

//! Whether the tree hides a policy: each must be found by every request that it could say anything but no to.

use alloc::{vec, vec::Vec};

use super::{
    error::{Defect, ImageError},
    index::{Branch, Demand, Edge, Facet, Guard, Index},
    read::Reader,
    select::{Selector, Selectors},
    tables::{NodeId, Tables},
    tree,
};

/// Refuses a tree in which a policy is under the wrong answers, under too few of the right ones, or nowhere.
pub(super) fn check(reader: &Reader<'_>, tables: &Tables) -> Result<(), ImageError> {
    let index = &tables.index;
    let mut required: Vec<NodeId> =
        index.guards.iter().filter(|guard| guard.demand == Demand::True).map(|guard| guard.node).collect();
    required.sort_unstable();
    required.dedup();
    let mut found = vec![false; tables.policies.rows.len()];
    for policy in &index.policies {
        if let Some(found) = found.get_mut(*policy as usize) {
            *found = true;
        }
    }
    reader.ensure(found.iter().all(|found| *found), Defect::Index)?;

    if !index.rows.iter().any(|row| matches!(row, Branch::Inner { .. })) {
        return Ok(());
    }
    let selectors = Selectors::new(tables, &|node| required.binary_search(&node).is_ok());
    let spans = tree::spans(index);
    let mut seen = vec![Seen::default(); tables.policies.rows.len()];
    for (at, row) in index.rows.iter().enumerate() {
        let Branch::Inner { facet, node, guards, edges, .. } = *row else {
            continue;
        };
        let question = Question { facet, node, guards: guards.of(&index.guards) };
        let edges = edges.of(&index.edges);
        let leads = check_row(&selectors, &question, edges, index, &spans, &mut seen, at);
        reader.ensure(leads, Defect::Index)?;
    }
    Ok(())
}

struct Question<'t> {
    facet: Facet,
    node: NodeId,
    guards: &'t [Guard],
}

/// Where a policy was last seen, and under how many answers of that row's question.
#[derive(Clone, Copy, Default)]
struct Seen {
    row: usize,
    edge: usize,
    times: usize,
}

fn check_row(
    selectors: &Selectors,
    question: &Question<'_>,
    edges: &[Edge],
    index: &Index,
    spans: &[super::tables::Run],
    seen: &mut [Seen],
    row: usize,
) -> bool {
    let below = |edge: &Edge| spans.get(edge.child as usize).map_or(&[][..], |run| run.of(&index.policies));
    for (at, edge) in edges.iter().enumerate() {
        for policy in below(edge) {
            let Some(last) = seen.get_mut(*policy as usize) else {
                return false;
            };
            // Rows and edges are counted from 1 here: nothing was seen at 0.
            if last.row != row + 1 {
                *last = Seen { row: row + 1, edge: 0, times: 0 };
            }
            if last.edge == at + 1 {
                continue;
            }
            (last.edge, last.times) = (at + 1, last.times + 1);
            let Some(selector) = matching(selectors, question, *policy as usize) else {
                return false;
            };
            let keys = selectors.keys(selector);
            if !leads(question.facet, keys, edges, at) {
                return false;
            }
        }
    }
    // Under every answer that keeps it.
    edges.iter().flat_map(below).all(|policy| {
        let times = seen.get(*policy as usize).map_or(0, |seen| seen.times);
        matching(selectors, question, *policy as usize)
            .is_some_and(|selector| times == wanted(question.facet, selectors.keys(selector), edges))
    })
}

fn matching<'s>(selectors: &'s Selectors, question: &Question<'_>, policy: usize) -> Option<&'s Selector> {
    selectors.of(policy).iter().find(|selector| {
        selector.facet == question.facet
            && selector.node == question.node
            && selectors.guards(selector) == question.guards
    })
}

/// Whether the policy belongs under edge `at`.
fn leads(facet: Facet, keys: &[i64], edges: &[Edge], at: usize) -> bool {
    let Some(key) = edges.get(at).map(|edge| edge.key) else {
        return false;
    };
    match (facet, keys) {
        (Facet::AtMost(_), [_, high]) => key == *high,
        (Facet::AtLeast(_), [low, _]) => key == *low,
        (Facet::Band(_), [low, high]) => {
            let before = at.checked_sub(1).and_then(|before| edges.get(before)).map(|edge| edge.key);
            *low <= key && before.is_none_or(|before| *high > before)
        }
        _ => keys.binary_search(&key).is_ok(),
    }
}

/// Under how many edges the policy belongs.
fn wanted(facet: Facet, keys: &[i64], edges: &[Edge]) -> usize {
    match (facet, keys) {
        (Facet::AtMost(_) | Facet::AtLeast(_), _) => 1,
        (Facet::Band(_), [low, high]) => {
            let first = edges.partition_point(|edge| edge.key < *low);
            let last = edges.partition_point(|edge| edge.key < *high);
            // Beyond the last threshold nothing is found.
            if last == edges.len() { usize::MAX } else { last - first + 1 }
        }
        _ => keys.len(),
    }
}

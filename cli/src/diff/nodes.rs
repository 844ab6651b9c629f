//! Which policies two images have not in common: by what they say, wherever it stands in the images.

use super::boundary::value_of;
use countersign_core::policy::image::tables::{Node, NodeId, PolicyRow, Run, Tables};
use countersign_core::policy::{Image, Policy};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The rows of a run.
pub(super) fn items<T>(run: Run, all: &[T]) -> &[T] {
    let start = run.start as usize;
    all.get(start..start + run.len as usize).unwrap_or_default()
}

/// The operands of an expression.
pub(super) fn children(tables: &Tables, node: NodeId) -> Vec<NodeId> {
    let nodes = &tables.nodes;
    match nodes.rows.get(node as usize) {
        None | Some(Node::Const(_) | Node::Var(_)) => Vec::new(),
        Some(
            Node::Unary(_, one)
            | Node::Attr(one, _)
            | Node::Has(one, _)
            | Node::HasPath(one, _)
            | Node::Like(one, _)
            | Node::Is(one, _),
        ) => vec![*one],
        Some(Node::Binary(_, left, right)) => vec![*left, *right],
        Some(Node::And(run) | Node::Or(run) | Node::If(run) | Node::Set(run) | Node::Call(_, run)) => {
            items(*run, &nodes.operands).to_vec()
        }
        Some(Node::Record(names, start)) => {
            let values = nodes.operands.iter().skip(*start as usize);
            values.take(names.len as usize).copied().collect()
        }
    }
}

/// A number for each expression that is the same for the same expression of another image. Operands come first.
fn marks(image: &Image) -> Vec<u64> {
    let tables = image.tables();
    let name = |sym: u32| tables.strings.get(sym);
    let mut marks: Vec<u64> = Vec::with_capacity(tables.nodes.rows.len());
    for (at, node) in (0..).zip(&tables.nodes.rows) {
        let mut hasher = DefaultHasher::new();
        std::mem::discriminant(node).hash(&mut hasher);
        match node {
            Node::Const(constant) => format!("{:?}", value_of(image, *constant, 0)).hash(&mut hasher),
            Node::Var(variable) => (*variable as u8).hash(&mut hasher),
            Node::Unary(operator, _) => (*operator as u8).hash(&mut hasher),
            Node::Binary(operator, ..) => (*operator as u8).hash(&mut hasher),
            Node::Attr(_, attribute) | Node::Has(_, attribute) => name(*attribute).hash(&mut hasher),
            Node::HasPath(_, names) | Node::Record(names, _) => {
                items(*names, &tables.nodes.names).iter().for_each(|sym| name(*sym).hash(&mut hasher));
            }
            Node::Like(_, pattern) => {
                let run = tables.patterns.rows.get(*pattern as usize);
                let pieces = run.map_or(&[][..], |run| items(*run, &tables.patterns.pieces));
                pieces.iter().for_each(|sym| name(*sym).hash(&mut hasher));
            }
            Node::Is(_, ty) => tables.types.get(*ty as usize).map(|sym| name(*sym)).hash(&mut hasher),
            Node::Call(function, _) => (*function as u8).hash(&mut hasher),
            Node::And(_) | Node::Or(_) | Node::If(_) | Node::Set(_) => {}
        }
        for child in children(tables, at) {
            marks.get(child as usize).hash(&mut hasher);
        }
        marks.push(hasher.finish());
    }
    marks
}

/// A number for each policy, likewise.
fn policies(image: &Image) -> Vec<u64> {
    let (tables, marks) = (image.tables(), marks(image));
    let rows = image.policies().zip(&tables.policies.rows);
    let mark = |(policy, row): (Policy<'_>, &PolicyRow)| {
        let mut hasher = DefaultHasher::new();
        (policy.id(), format!("{:?}", policy.effect())).hash(&mut hasher);
        policy.scope().iter().for_each(|scope| scope.to_string().hash(&mut hasher));
        for clause in items(row.clauses, &tables.policies.clauses) {
            marks.get(clause.node as usize).hash(&mut hasher);
        }
        hasher.finish()
    };
    rows.map(mark).collect()
}

/// The policies of each that the other does not have, by index.
pub(super) fn different(old: &Image, new: &Image) -> [Vec<u32>; 2] {
    let (old, new) = (policies(old), policies(new));
    let lacking = |these: &[u64], those: &[u64]| {
        let those: HashSet<&u64> = those.iter().collect();
        (0..).zip(these).filter(|(_, mark)| !those.contains(mark)).map(|(index, _)| index).collect()
    };
    [lacking(&old, &new), lacking(&new, &old)]
}

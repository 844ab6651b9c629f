//! Builds the decision tree: at each row the question that leaves the fewest policies to evaluate.

use std::collections::{BTreeMap, HashMap};

use countersign_core::policy::image::{
    index::{Branch, Demand, Edge, Facet, Guard, Index, MAX_INDEX_DEPTH, MAX_MEMO},
    select::{Selector, Selectors, is_selective},
    tables::{Node, NodeId, PolicyIndex, Run, Tables},
};

use crate::source::narrow;

/// So few policies are evaluated without a question.
const FEW: usize = 2;
/// What a question costs, in policies evaluated.
const QUESTION: f64 = 0.75;
/// A policy stands in this many leaves at most.
const MOST_LEAVES: usize = 16;
/// Answers of one row about a band of values.
const BANDS: usize = 64;
/// A question must spare this part of the policies, and at least so many of them.
const WORTH: (f64, f64) = (0.02, 0.2);
/// So many questions follow one another by their rests.
const CHAIN: usize = 64;
/// A condition shared by this many policies is a guard as it stands.
const SHARED: usize = 4;

/// Fills in the index of `tables`, which are otherwise whole.
pub(crate) fn index(tables: &mut Tables) {
    let mut uses: HashMap<NodeId, usize> = HashMap::new();
    for clause in &tables.policies.clauses {
        *uses.entry(clause.node).or_default() += 1;
    }
    let required =
        |node: NodeId| uses.get(&node).is_some_and(|uses| *uses >= SHARED) && !is_selective(tables, node);
    let selectors = Selectors::new(tables, &required);
    let mut builder = TreeBuilder { selectors: &selectors, index: Index::default() };
    let all = (0..narrow(tables.policies.rows.len())).map(|policy| Entry { policy, leaves: 1 }).collect();
    if !tables.policies.rows.is_empty() {
        builder.row(all, &mut Vec::new(), 0, 0);
    }
    let mut index = builder.index;
    index.memo = memo(tables, &index);
    tables.index = index;
}

/// A policy to be placed, and in how many leaves it may stand by now.
#[derive(Clone, Copy)]
struct Entry {
    policy: PolicyIndex,
    leaves: usize,
}

/// What identifies a question.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Question<'s> {
    facet: Facet,
    node: NodeId,
    guards: &'s [Guard],
}

struct TreeBuilder<'s> {
    selectors: &'s Selectors,
    index: Index,
}

/// The policies that a question can tell apart, by their place in the list.
type Asking<'s> = Vec<(usize, &'s [i64])>;

impl<'s> TreeBuilder<'s> {
    /// Adds the row for `policies` and all below it.
    ///
    /// `depth` counts edges from the root, `chain` the rests since the last edge.
    fn row(
        &mut self,
        policies: Vec<Entry>,
        asked: &mut Vec<Question<'s>>,
        depth: usize,
        chain: usize,
    ) -> u32 {
        let at = self.index.rows.len();
        let worth = policies.len() > FEW && depth < MAX_INDEX_DEPTH && chain < CHAIN;
        let best = if worth { self.best(&policies, asked) } else { None };
        let Some((question, asking)) = best else {
            let mut leaf: Vec<PolicyIndex> = policies.iter().map(|entry| entry.policy).collect();
            leaf.sort_unstable();
            let start = narrow(self.index.policies.len());
            let run = Run { start, len: narrow(leaf.len()) };
            self.index.policies.extend(leaf);
            self.index.rows.push(Branch::Leaf(run));
            return narrow(at);
        };
        let (keys, placed) = place(question.facet, &asking);
        let mut under: Vec<Vec<Entry>> = vec![Vec::new(); keys.len()];
        let mut rest = vec![true; policies.len()];
        for ((place, _), edges) in asking.iter().zip(placed) {
            let entry = policies[*place];
            let leaves = entry.leaves * edges.len();
            rest[*place] = edges.is_empty();
            edges.into_iter().for_each(|edge| under[edge].push(Entry { leaves, ..entry }));
        }
        let rest: Vec<Entry> =
            policies.iter().zip(rest).filter(|(_, rest)| *rest).map(|(entry, _)| *entry).collect();
        let guards = self.run_of_guards(question.guards);
        let start = narrow(self.index.edges.len());
        self.index.edges.extend(keys.iter().map(|key| Edge { key: *key, child: 0 }));
        let edges = Run { start, len: narrow(keys.len()) };
        let Question { facet, node, .. } = question;
        self.index.rows.push(Branch::Inner { facet, node, guards, edges, rest: None });
        asked.push(question);
        for (place, policies) in under.into_iter().enumerate() {
            let child = self.row(policies, asked, depth + 1, 0);
            self.index.edges[start as usize + place].child = child;
        }
        if !rest.is_empty() {
            let child = self.row(rest, asked, depth, chain + 1);
            if let Branch::Inner { rest, .. } = &mut self.index.rows[at] {
                *rest = Some(child);
            }
        }
        asked.pop();
        narrow(at)
    }

    fn run_of_guards(&mut self, guards: &[Guard]) -> Run {
        let start = narrow(self.index.guards.len());
        self.index.guards.extend_from_slice(guards);
        Run { start, len: narrow(guards.len()) }
    }

    /// The question that is expected to leave the fewest policies, if any is worth asking.
    fn best(&self, policies: &[Entry], asked: &[Question<'s>]) -> Option<(Question<'s>, Asking<'s>)> {
        let mut questions: BTreeMap<Question<'s>, Asking<'s>> = BTreeMap::new();
        for (place, entry) in policies.iter().enumerate() {
            let selectors = self.selectors.of(entry.policy as usize);
            for (at, selector) in selectors.iter().enumerate() {
                let question = self.question(selector);
                let keys = self.selectors.keys(selector);
                let fits = question.facet.is_range() || entry.leaves * keys.len() <= MOST_LEAVES;
                let asked = asked.contains(&question) && !matches!(question.facet, Facet::Band(_));
                // A reader takes the first of a policy's answers to one question, and so must we.
                let first = || selectors[..at].iter().all(|other| self.question(other) != question);
                if fits && !asked && first() {
                    questions.entry(question).or_default().push((place, keys));
                }
            }
        }
        let all = policies.len() as f64;
        let most = all - QUESTION - (all * WORTH.0).max(WORTH.1);
        questions
            .into_iter()
            .filter(|(_, asking)| asking.len() > 1)
            .map(|(question, asking)| (cost(question.facet, &asking, policies.len()), question, asking))
            .filter(|(cost, ..)| *cost < most)
            .min_by(|(a, ..), (b, ..)| a.total_cmp(b))
            .map(|(_, question, asking)| (question, asking))
    }

    fn question(&self, selector: &Selector) -> Question<'s> {
        Question { facet: selector.facet, node: selector.node, guards: self.selectors.guards(selector) }
    }
}

/// How many policies are left to evaluate, of `all`, where an answer is as likely as policies ask for it.
fn cost(facet: Facet, asking: &Asking<'_>, all: usize) -> f64 {
    let (keys, placed) = place(facet, asking);
    let mut sizes = vec![0_usize; keys.len()];
    placed.iter().flatten().for_each(|edge| sizes[*edge] += 1);
    let rest = all - placed.iter().filter(|edges| !edges.is_empty()).count();
    let total: f64 = sizes.iter().map(|size| *size as f64).sum();
    let likely = sizes.iter().map(|size| (*size as f64).powi(2)).sum::<f64>() / total.max(1.0);
    let left = match facet {
        // Half of the time; a condition that all share tells nothing apart but is asked once for all.
        Facet::Truth => likely * 0.5,
        Facet::AtMost(_) | Facet::AtLeast(_) => total * 0.5,
        // Several answers at a time.
        Facet::In | Facet::Member | Facet::MemberEntity => (likely * 2.0).min(total),
        Facet::Equal | Facet::Same | Facet::Is | Facet::Band(_) => likely,
    };
    rest as f64 + left
}

/// The answers, and for each policy that asks under which of them it stands; under none are those that go to
/// the rest after all.
fn place(facet: Facet, asking: &Asking<'_>) -> (Vec<i64>, Vec<Vec<usize>>) {
    let mut keys: Vec<i64> = match facet {
        Facet::AtMost(_) => asking.iter().map(|(_, ends)| ends[1]).collect(),
        Facet::AtLeast(_) => asking.iter().map(|(_, ends)| ends[0]).collect(),
        Facet::Band(_) => bands(asking),
        _ => asking.iter().flat_map(|(_, keys)| keys.iter().copied()).collect(),
    };
    keys.sort_unstable();
    keys.dedup();
    let edge = |key: i64| keys.partition_point(|have| *have < key);
    let placed = asking.iter().map(|(_, wanted)| match facet {
        Facet::AtMost(_) => vec![edge(wanted[1])],
        Facet::AtLeast(_) => vec![edge(wanted[0])],
        Facet::Band(_) => {
            let (first, last) = (edge(wanted[0]), edge(wanted[1]));
            if first == last { vec![first] } else { Vec::new() }
        }
        _ => wanted.iter().map(|key| edge(*key)).collect(),
    });
    let placed = placed.collect();
    (keys, placed)
}

/// Thresholds between which about as many bands lie.
fn bands(asking: &Asking<'_>) -> Vec<i64> {
    let mut ends: Vec<i64> = asking.iter().map(|(_, ends)| ends[1]).collect();
    ends.sort_unstable();
    ends.dedup();
    let step = ends.len().div_ceil(BANDS).max(1);
    let last = ends.last().copied();
    let mut keys: Vec<i64> = ends.into_iter().skip(step - 1).step_by(step).collect();
    keys.extend(last);
    keys
}

/// The expressions whose values are worth keeping: those asked about most.
fn memo(tables: &Tables, index: &Index) -> Vec<NodeId> {
    let mut uses: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut add = |node: NodeId, times: usize| {
        if !matches!(tables.nodes.rows[node as usize], Node::Const(_) | Node::Var(_)) {
            *uses.entry(node).or_default() += times;
        }
    };
    for row in &index.rows {
        if let Branch::Inner { node, edges, .. } = row {
            add(*node, 1 + edges.len as usize);
        }
    }
    index.guards.iter().for_each(|guard| add(guard.node, if guard.demand == Demand::True { 2 } else { 1 }));
    tables.policies.clauses.iter().for_each(|clause| add(clause.node, 1));
    tables.nodes.rows.iter().for_each(|row| operands(tables, row).into_iter().for_each(|of| add(of, 1)));
    let mut worth: Vec<(usize, NodeId)> =
        uses.into_iter().filter(|(_, uses)| *uses > 1).map(|(node, uses)| (uses, node)).collect();
    worth.sort_unstable_by_key(|(uses, node)| (std::cmp::Reverse(*uses), *node));
    let mut memo: Vec<NodeId> = worth.into_iter().take(MAX_MEMO).map(|(_, node)| node).collect();
    memo.sort_unstable();
    memo
}

fn operands(tables: &Tables, row: &Node) -> Vec<NodeId> {
    let of = |run: Run| tables.nodes.operands[run.start as usize..(run.start + run.len) as usize].to_vec();
    match *row {
        Node::Const(_) | Node::Var(_) => Vec::new(),
        Node::Unary(_, a)
        | Node::Attr(a, _)
        | Node::Has(a, _)
        | Node::HasPath(a, _)
        | Node::Like(a, _)
        | Node::Is(a, _) => vec![a],
        Node::Binary(_, a, b) => vec![a, b],
        Node::And(run) | Node::Or(run) | Node::If(run) | Node::Set(run) | Node::Call(_, run) => of(run),
        Node::Record(names, start) => of(Run { start, len: names.len }),
    }
}

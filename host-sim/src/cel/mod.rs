//! The Common Expression Language, as Envoy's modules have it: text is read into an [`Expression`], which is evaluated against
//! [`Attributes`].
//!
//! Whoever writes the text isn't trusted. What reading and evaluating may take is bounded: length of the text, depth, rounds of loops, and
//! work, which stands for time and memory alike. Nothing here knows of the simulator, so that the fuzzer reads it as it is.

mod evaluate;
mod functions;
mod parse;
mod time;
mod token;
mod value;

pub(crate) use value::{Map, Value};

use functions::Function;

/// Code points of a text, at most, as in Envoy.
const TEXT: usize = 100_000;
/// How deep brackets may be nested, as in Envoy.
const NESTING: usize = 33;
/// How deep an expression may be, as in Envoy: `a + b + c` is three deep.
const DEPTH: u16 = 32;
/// Rounds of all loops of an evaluation together, as in Envoy.
const ROUNDS: u32 = 10_000;

/// Why there is no expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The text is none.
    Malformed,
    /// It calls a function that there isn't, or makes a message.
    Unknown,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// An error, which `||`, `&&` and the loops that are made of them may do without.
    Error,
    /// It takes more than it may.
    Spent,
}

/// What an expression speaks of.
pub(crate) trait Attributes {
    /// What is there at a path, its parts separated by zero bytes.
    fn find(&self, path: &[u8]) -> Option<Attribute>;
    /// The members of an object, where it can list them.
    fn members(&self, path: &[u8]) -> Option<Map>;
}

/// What a path leads to.
pub(crate) enum Attribute {
    Value(Value),
    /// There is more below it.
    Object,
}

/// An expression that has been read.
#[derive(Debug)]
pub(crate) struct Expression {
    nodes: Vec<Node>,
    root: Id,
}

/// The place of a node among the others.
type Id = u32;

#[derive(Debug)]
enum Node {
    Literal(Value),
    Name(Box<str>),
    Select {
        of: Id,
        field: Box<str>,
    },
    Has {
        of: Id,
        field: Box<str>,
    },
    List(Vec<Id>),
    Map(Vec<(Id, Id)>),
    /// Operands that one of decides, whatever the others are: `false` of `&&`, `true` of `||`.
    Logic {
        decides: bool,
        operands: Vec<Id>,
    },
    Conditional(Id, Id, Id),
    Call(Function, Vec<Id>),
    Loop(Loop),
}

/// A macro that goes through a list or a map's keys.
#[derive(Debug)]
struct Loop {
    kind: LoopKind,
    name: Box<str>,
    over: Id,
    condition: Option<Id>,
    body: Id,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

impl Expression {
    /// Reads a text.
    pub(crate) fn read(text: &str) -> Result<Self, Refused> {
        if text.chars().nth(TEXT).is_some() {
            return Err(Refused::Malformed);
        }
        parse::read(text)
    }

    /// Its value, and how much of the work that it may take is left.
    pub(crate) fn evaluate(&self, attributes: &dyn Attributes, work: &mut u64) -> Result<Value, Stop> {
        evaluate::evaluate(self, attributes, work)
    }

    fn node(&self, id: Id) -> Result<&Node, Stop> {
        self.nodes.get(id as usize).ok_or(Stop::Error)
    }
}

/// Takes work for bytes that are made of a value.
pub(crate) fn spend_bytes(work: &mut u64, count: usize) -> Result<(), Stop> {
    value::spend(work, value::of_bytes(count))
}

#[cfg(test)]
mod tests;

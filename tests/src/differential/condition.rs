//! Conditions as people write them, and as an index serves them: few shapes, many constants.

use super::expression::{Type, action, attribute, constant, entity, expression, object, region};
use super::random::Random;

/// What policies of one set have in common: the clauses, up to their constants.
pub(super) struct Shape {
    atoms: Vec<Atom>,
}

#[derive(Clone)]
enum Atom {
    /// `path == constant`, also the other way round.
    Equal(String, Type, bool),
    /// `path == a || path == b`
    Either(String, Type),
    /// `[a, b].contains(path)`
    OneOf(String, Type),
    /// `path.contains(constant)`
    Contains(String),
    /// `path < constant` and the like.
    Range(String, &'static str),
    /// `path >= a && path < b`
    Between(String),
    /// `path in entity`
    In(String),
    /// `path is Type`
    Is(String),
    /// `path == path`
    Join(String, String),
    /// `object has name && object.name == constant`
    Guarded(&'static str, &'static str, Type),
    /// A truth value, or the opposite.
    Flag(String, bool),
    /// The action, asked in a condition.
    Action,
    /// Anything.
    Any,
}

impl Shape {
    pub(super) fn new(random: &mut Random) -> Self {
        let count = 1 + random.below(3);
        Self { atoms: (0..count).map(|_| Atom::new(random)).collect() }
    }

    /// Clauses with constants of their own.
    pub(super) fn clauses(&self, random: &mut Random) -> String {
        let mut clauses = String::new();
        let mut when: Vec<String> = Vec::new();
        for atom in &self.atoms {
            // Now and then a policy lacks a clause that its like have, or has one by `unless`.
            match random.below(20) {
                0 => {}
                1 => clauses.push_str(&format!(" unless {{ {} }}", atom.text(random))),
                2 => {
                    clauses.push_str(&conjunction(&mut when));
                    when.push(atom.text(random));
                }
                _ => when.push(atom.text(random)),
            }
        }
        clauses.push_str(&conjunction(&mut when));
        clauses
    }
}

fn conjunction(parts: &mut Vec<String>) -> String {
    if parts.is_empty() {
        return String::new();
    }
    format!(" when {{ {} }}", std::mem::take(parts).join(" && "))
}

impl Atom {
    fn new(random: &mut Random) -> Self {
        let scalar = |random: &mut Random| match random.below(5) {
            0 => (attribute(random, Type::Long), Type::Long),
            1 => (attribute(random, Type::Entity), Type::Entity),
            _ => (attribute(random, Type::Text), Type::Text),
        };
        match random.below(24) {
            0..=5 => {
                let (path, ty) = scalar(random);
                Self::Equal(path, ty, random.percent(20))
            }
            6 => {
                let (path, ty) = scalar(random);
                Self::Either(path, ty)
            }
            7 => {
                let (path, ty) = scalar(random);
                Self::OneOf(path, ty)
            }
            8 | 9 => Self::Contains(attribute(random, Type::Texts)),
            10 | 11 => {
                let operator = random.pick(&["<", "<=", ">", ">=", "!="]);
                Self::Range(attribute(random, Type::Long), operator)
            }
            12 | 13 => Self::Between(attribute(random, Type::Long)),
            14 | 15 => {
                let path = random.pick(&[
                    "principal",
                    "resource",
                    "principal.owner",
                    "context.owner",
                    "context.home",
                ]);
                Self::In(path.to_owned())
            }
            16 => Self::Is(random.pick(&["principal", "resource", "context.owner"]).to_owned()),
            17 | 18 => {
                let ty = if random.percent(70) { Type::Text } else { Type::Entity };
                Self::Join(attribute(random, ty), attribute(random, ty))
            }
            19 | 20 => {
                let (name, ty) =
                    [("owner", Type::Entity), ("quota", Type::Long), ("dept", Type::Text)][random.below(3)];
                Self::Guarded(object(random), name, ty)
            }
            21 => Self::Flag(attribute(random, Type::Bool), random.percent(50)),
            22 => Self::Action,
            _ => Self::Any,
        }
    }

    fn text(&self, random: &mut Random) -> String {
        match self {
            Self::Equal(path, ty, false) => format!("{path} == {}", value(random, path, *ty)),
            Self::Equal(path, ty, true) => format!("{} == {path}", value(random, path, *ty)),
            Self::Either(path, ty) => {
                format!("({path} == {} || {path} == {})", value(random, path, *ty), value(random, path, *ty))
            }
            Self::OneOf(path, ty) => {
                let count = random.below(4);
                let members: Vec<String> = (0..count).map(|_| value(random, path, *ty)).collect();
                format!("[{}].contains({path})", members.join(", "))
            }
            Self::Contains(path) => {
                let ty = if path.ends_with("limits") { Type::Long } else { Type::Text };
                format!("{path}.contains({})", constant(random, ty))
            }
            Self::Range(path, operator) => format!("{path} {operator} {}", constant(random, Type::Long)),
            Self::Between(path) => {
                let low = random.below(8) as i64 - 1;
                let high = low + random.below(4) as i64;
                format!("{path} >= {low} && {path} < {high}")
            }
            Self::In(path) => match random.below(4) {
                0 => format!("{path} in [{}, {}]", entity(random), entity(random)),
                _ => format!("{path} in {}", entity(random)),
            },
            Self::Is(path) => format!("{path} is {}", random.pick(&["User", "Doc", "Group", "Folder"])),
            Self::Join(one, other) => format!("{one} == {other}"),
            Self::Guarded(object, name, ty) => {
                let value = constant(random, *ty);
                match random.below(5) {
                    0 => format!("(!({object} has {name}) || {object}.{name} != {value})"),
                    _ => format!("({object} has {name} && {object}.{name} == {value})"),
                }
            }
            Self::Flag(path, true) => path.clone(),
            Self::Flag(path, false) => format!("!{path}"),
            Self::Action => format!("action in {}", action(random)),
            Self::Any => expression(random, Type::Bool, 3),
        }
    }
}

/// A constant for a path, usually of its type.
fn value(random: &mut Random, path: &str, ty: Type) -> String {
    if random.percent(3) {
        return constant(random, Type::Long);
    }
    if path.ends_with("home") { region(random) } else { constant(random, ty) }
}

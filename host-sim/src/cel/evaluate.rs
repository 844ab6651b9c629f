//! Evaluates expressions.

use super::functions::{self, Function};
use super::value::{List, Map, of_bytes, spend};
use super::{Attribute, Attributes, Expression, Id, Loop, LoopKind, Node, ROUNDS, Stop, Value};

/// An evaluation under way.
struct Run<'a> {
    expression: &'a Expression,
    attributes: &'a dyn Attributes,
    work: &'a mut u64,
    rounds: u32,
    /// What loops have named, the innermost last.
    names: Vec<(&'a str, Value)>,
}

type Evaluated = Result<Value, Stop>;

pub(super) fn evaluate(expression: &Expression, attributes: &dyn Attributes, work: &mut u64) -> Evaluated {
    let mut run = Run { expression, attributes, work, rounds: 0, names: Vec::new() };
    run.value(expression.root)
}

impl<'a> Run<'a> {
    fn value(&mut self, id: Id) -> Evaluated {
        spend(self.work, 1)?;
        match self.expression.node(id)? {
            Node::Literal(value) => Ok(value.clone()),
            Node::Name(name) => self.name(name),
            Node::Select { of, field } => {
                let of = self.value(*of)?;
                self.member(&of, field.as_bytes())?.ok_or(Stop::Error)
            }
            Node::Has { of, field } => {
                let of = self.value(*of)?;
                Ok(Value::Bool(self.member(&of, field.as_bytes())?.is_some()))
            }
            Node::List(items) => {
                let items = self.values(items)?;
                List::new(items).map(Value::List)
            }
            Node::Map(entries) => {
                let mut pairs = Vec::new();
                for (key, value) in entries {
                    let key = self.value(*key)?;
                    spend(self.work, key.weight())?;
                    pairs.push((key, self.value(*value)?));
                }
                Map::new(pairs).map(Value::Map)
            }
            Node::Logic { decides, operands } => {
                let mut so_far = Ok(Value::Bool(!decides));
                for operand in operands {
                    let next = self.value(*operand);
                    so_far = logic(*decides, so_far, next)?;
                    if is(&so_far, *decides) {
                        break;
                    }
                }
                so_far
            }
            Node::Conditional(condition, yes, no) => match self.value(*condition)? {
                Value::Bool(true) => self.value(*yes),
                Value::Bool(false) => self.value(*no),
                _ => Err(Stop::Error),
            },
            Node::Call(Function::Index, operands) => match self.values(operands)?.as_slice() {
                [of, index] => self.index(of, index),
                _ => Err(Stop::Error),
            },
            Node::Call(Function::In, operands) => match self.values(operands)?.as_slice() {
                [item, of] => self.is_in(item, of),
                _ => Err(Stop::Error),
            },
            Node::Call(function, operands) => {
                let mut operands = self.values(operands)?;
                if matches!(function, Function::Equal | Function::Unequal | Function::Size) {
                    operands =
                        operands.into_iter().map(|operand| self.listed(operand)).collect::<Result<_, _>>()?;
                }
                functions::call(*function, &operands, self.work)
            }
            Node::Loop(node) => self.run_loop(node),
        }
    }

    fn values(&mut self, ids: &[Id]) -> Result<Vec<Value>, Stop> {
        ids.iter().map(|id| self.value(*id)).collect()
    }

    fn name(&mut self, name: &str) -> Evaluated {
        if let Some((_, value)) = self.names.iter().rev().find(|(known, _)| *known == name) {
            return Ok(value.clone());
        }
        if let Some(known) = functions::TYPES.iter().find(|known| **known == name) {
            return Ok(Value::Type(known));
        }
        self.attribute(name.as_bytes())?.ok_or(Stop::Error)
    }

    fn attribute(&mut self, path: &[u8]) -> Result<Option<Value>, Stop> {
        spend(self.work, of_bytes(path.len()))?;
        let found = match self.attributes.find(path) {
            None => return Ok(None),
            Some(Attribute::Object) => Value::Object(path.into()),
            Some(Attribute::Value(value)) => value,
        };
        if let Value::String(bytes) | Value::Bytes(bytes) = &found {
            spend(self.work, of_bytes(bytes.len()))?;
        }
        Ok(Some(found))
    }

    /// What an object or a map has by a name.
    fn member(&mut self, of: &Value, name: &[u8]) -> Result<Option<Value>, Stop> {
        match of {
            Value::Object(path) => self.attribute(&[path, &[0][..], name].concat()),
            Value::Map(map) => {
                spend(self.work, of_bytes(name.len()))?;
                Ok(map.get(&Value::String(name.into())).cloned())
            }
            _ => Err(Stop::Error),
        }
    }

    /// An object as a map of its members, which is empty where they can't be listed.
    fn listed(&mut self, value: Value) -> Evaluated {
        let Value::Object(path) = value else { return Ok(value) };
        let members = self.attributes.members(&path).unwrap_or_default();
        // They are made anew each time.
        for (key, value) in members.pairs() {
            spend(self.work, key.weight() + value.weight())?;
        }
        Ok(Value::Map(members))
    }

    fn index(&mut self, of: &Value, index: &Value) -> Evaluated {
        match (of, index) {
            (Value::Object(_), Value::String(name)) => self.member(of, name)?.ok_or(Stop::Error),
            (Value::Map(map), _) => {
                spend(self.work, index.weight())?;
                map.get(index).cloned().ok_or(Stop::Error)
            }
            (Value::List(list), _) => {
                let at = match index {
                    Value::Int(at) => usize::try_from(*at).ok(),
                    Value::Uint(at) => usize::try_from(*at).ok(),
                    Value::Double(at) if at.trunc() == *at && (0.0..1e15).contains(at) => Some(*at as usize),
                    _ => None,
                };
                at.and_then(|at| list.items().get(at)).cloned().ok_or(Stop::Error)
            }
            _ => Err(Stop::Error),
        }
    }

    fn is_in(&mut self, item: &Value, of: &Value) -> Evaluated {
        match (of, item) {
            (Value::List(list), _) => {
                for one in list.items() {
                    if one.equals(item, self.work)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            (Value::Object(_), Value::String(name)) => Ok(Value::Bool(self.member(of, name)?.is_some())),
            (
                Value::Map(map),
                Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_),
            ) => {
                spend(self.work, item.weight())?;
                Ok(Value::Bool(map.get(item).is_some()))
            }
            _ => Err(Stop::Error),
        }
    }

    fn run_loop(&mut self, node: &'a Loop) -> Evaluated {
        let over = self.value(node.over)?;
        let over = match self.listed(over)? {
            Value::List(list) => list.items().to_vec(),
            Value::Map(map) => map.pairs().map(|(key, _)| key.clone()).collect(),
            _ => return Err(Stop::Error),
        };
        spend(self.work, over.len() as u64)?;
        let mut so_far = Ok(Value::Bool(node.kind == LoopKind::All));
        let (mut kept, mut matching) = (Vec::new(), 0);
        for item in over {
            self.rounds += 1;
            if self.rounds > ROUNDS {
                return Err(Stop::Spent);
            }
            self.names.push((&node.name, item.clone()));
            let wanted = node.condition.map_or(Ok(Value::Bool(true)), |condition| self.value(condition));
            let value = match wanted {
                Ok(Value::Bool(true)) => self.value(node.body).map(Some),
                Ok(Value::Bool(false)) => Ok(None),
                Ok(_) => Err(Stop::Error),
                Err(stop) => Err(stop),
            };
            self.names.pop();
            match node.kind {
                LoopKind::All | LoopKind::Exists => {
                    let decides = node.kind == LoopKind::Exists;
                    so_far = logic(decides, so_far, value.and_then(|value| value.ok_or(Stop::Error)))?;
                    if is(&so_far, decides) {
                        break;
                    }
                }
                LoopKind::Map => kept.extend(value?),
                LoopKind::Filter | LoopKind::ExistsOne => match value? {
                    Some(Value::Bool(true)) if node.kind == LoopKind::Filter => kept.push(item),
                    Some(Value::Bool(yes)) => matching += usize::from(yes),
                    _ => return Err(Stop::Error),
                },
            }
        }
        match node.kind {
            LoopKind::All | LoopKind::Exists => so_far,
            LoopKind::ExistsOne => Ok(Value::Bool(matching == 1)),
            LoopKind::Filter | LoopKind::Map => List::new(kept).map(Value::List),
        }
    }
}

fn is(value: &Evaluated, wanted: bool) -> bool {
    matches!(value, Ok(Value::Bool(value)) if *value == wanted)
}

/// What becomes of two operands, one of which may decide whatever the other is. The outer error is that there's no work left.
fn logic(decides: bool, one: Evaluated, other: Evaluated) -> Result<Evaluated, Stop> {
    if let Err(Stop::Spent) = other {
        return Err(Stop::Spent);
    }
    Ok(match (one, other) {
        (one, other) if is(&one, decides) || is(&other, decides) => Ok(Value::Bool(decides)),
        (Ok(Value::Bool(_)), Ok(Value::Bool(_))) => Ok(Value::Bool(!decides)),
        _ => Err(Stop::Error),
    })
}

//! Expressions written as Cedar again, for explanations: the image carries no source text.

use alloc::{
    format,
    string::{String, ToString},
};
use core::fmt::Write as _;

use super::image::{
    lookup::type_name,
    tables::{Binary, Const, ConstId, Function, Node, NodeId, Run, Sym, Tables, Unary, Var},
};

/// The longest text written for one expression.
const LONGEST: usize = 4096;

/// How tightly an expression binds; a looser one inside a tighter one gets parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    If,
    Or,
    And,
    Relation,
    Sum,
    Product,
    Sign,
    Member,
}

/// Writes an expression.
pub(crate) fn expression(tables: &Tables, node: NodeId) -> String {
    let mut printer = Printer { tables, out: String::new() };
    printer.node(node, Binding::If);
    if printer.full() {
        printer.out.push('…');
    }
    printer.out
}

/// Writes a text as Cedar does.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

struct Printer<'t> {
    tables: &'t Tables,
    out: String,
}

impl Printer<'_> {
    fn full(&self) -> bool {
        self.out.len() > LONGEST
    }

    fn put(&mut self, text: &str) {
        if !self.full() {
            self.out.push_str(text);
        }
    }

    fn text(&self, sym: Sym) -> &str {
        self.tables.strings.get(sym)
    }

    fn node(&mut self, node: NodeId, within: Binding) {
        let Some(row) = self.tables.nodes.rows.get(node as usize).copied() else {
            return;
        };
        if self.full() {
            return;
        }
        let binding = binding(row);
        let parenthesised = binding < within;
        if parenthesised {
            self.put("(");
        }
        self.bare(row, binding);
        if parenthesised {
            self.put(")");
        }
    }

    fn bare(&mut self, row: Node, binding: Binding) {
        match row {
            Node::Const(constant) => self.constant(constant),
            Node::Var(var) => self.put(match var {
                Var::Principal => "principal",
                Var::Action => "action",
                Var::Resource => "resource",
                Var::Context => "context",
            }),
            Node::And(run) => self.list(run, " && ", Binding::Relation),
            Node::Or(run) => self.list(run, " || ", Binding::And),
            Node::If(run) => {
                let parts: &[NodeId] = run.of(&self.tables.nodes.operands);
                for (word, part) in ["if ", " then ", " else "].into_iter().zip(parts) {
                    self.put(word);
                    self.node(*part, Binding::If);
                }
            }
            Node::Unary(Unary::Not, operand) => {
                self.put("!");
                self.node(operand, Binding::Member);
            }
            Node::Unary(Unary::Neg, operand) => {
                self.put("-");
                self.node(operand, Binding::Member);
            }
            Node::Unary(Unary::IsEmpty, operand) => {
                self.node(operand, Binding::Member);
                self.put(".isEmpty()");
            }
            Node::Binary(operator, left, right) => self.binary(operator, left, right, binding),
            Node::Attr(object, name) => {
                self.node(object, Binding::Member);
                let name = self.text(name).to_string();
                if identifier(&name) {
                    self.put(".");
                    self.put(&name);
                } else {
                    self.put("[");
                    self.put(&quoted(&name));
                    self.put("]");
                }
            }
            Node::Has(object, name) => {
                self.node(object, Binding::Sum);
                self.put(" has ");
                self.name(name);
            }
            Node::HasPath(object, names) => {
                self.node(object, Binding::Sum);
                self.put(" has ");
                let names: &[Sym] = names.of(&self.tables.nodes.names);
                for (at, name) in names.iter().enumerate() {
                    self.put(if at > 0 { "." } else { "" });
                    self.name(*name);
                }
            }
            Node::Like(object, pattern) => {
                self.node(object, Binding::Sum);
                self.put(" like ");
                self.pattern(pattern);
            }
            Node::Is(object, ty) => {
                self.node(object, Binding::Sum);
                self.put(" is ");
                let name = type_name(self.tables, ty).to_string();
                self.put(&name);
            }
            Node::Set(run) => {
                self.put("[");
                self.list(run, ", ", Binding::If);
                self.put("]");
            }
            Node::Record(names, start) => {
                self.put("{");
                let names: &[Sym] = names.of(&self.tables.nodes.names);
                let operands = Run { start, len: u32::try_from(names.len()).unwrap_or(0) };
                let operands: &[NodeId] = operands.of(&self.tables.nodes.operands);
                for (at, (name, operand)) in names.iter().zip(operands).enumerate() {
                    self.put(if at > 0 { ", " } else { "" });
                    self.name(*name);
                    self.put(": ");
                    self.node(*operand, Binding::If);
                }
                self.put("}");
            }
            Node::Call(function, run) => self.call(function, run),
        }
    }

    fn list(&mut self, run: Run, between: &str, within: Binding) {
        let operands: &[NodeId] = run.of(&self.tables.nodes.operands);
        for (at, operand) in operands.iter().enumerate() {
            if at > 0 {
                self.put(between);
            }
            self.node(*operand, within);
        }
    }

    fn binary(&mut self, operator: Binary, left: NodeId, right: NodeId, binding: Binding) {
        let infix = match operator {
            Binary::Eq => " == ",
            Binary::Less => " < ",
            Binary::LessEq => " <= ",
            Binary::Add => " + ",
            Binary::Sub => " - ",
            Binary::Mul => " * ",
            Binary::In => " in ",
            Binary::Contains => ".contains(",
            Binary::ContainsAll => ".containsAll(",
            Binary::ContainsAny => ".containsAny(",
            Binary::GetTag => ".getTag(",
            Binary::HasTag => ".hasTag(",
        };
        if binding == Binding::Member {
            self.node(left, Binding::Member);
            self.put(infix);
            self.node(right, Binding::If);
            self.put(")");
        } else {
            let (left_within, right_within) = match binding {
                Binding::Sum => (Binding::Sum, Binding::Product),
                Binding::Product => (Binding::Product, Binding::Sign),
                _ => (Binding::Sum, Binding::Sum),
            };
            self.node(left, left_within);
            self.put(infix);
            self.node(right, right_within);
        }
    }

    fn call(&mut self, function: Function, run: Run) {
        let arguments: &[NodeId] = run.of(&self.tables.nodes.operands);
        let constructor =
            matches!(function, Function::Decimal | Function::Ip | Function::Datetime | Function::Duration);
        match arguments {
            [object, rest @ ..] if !constructor => {
                self.node(*object, Binding::Member);
                self.put(".");
                self.put(function.name());
                self.put("(");
                for argument in rest {
                    self.node(*argument, Binding::If);
                }
            }
            _ => {
                self.put(function.name());
                self.put("(");
                for argument in arguments {
                    self.node(*argument, Binding::If);
                }
            }
        }
        self.put(")");
    }

    fn name(&mut self, name: Sym) {
        let name = self.text(name).to_string();
        self.put(&if identifier(&name) { name } else { quoted(&name) });
    }

    fn pattern(&mut self, pattern: u32) {
        let pieces: &[Sym] = match self.tables.patterns.rows.get(pattern as usize) {
            Some(run) => run.of(&self.tables.patterns.pieces),
            None => &[],
        };
        self.put("\"");
        for (at, piece) in pieces.iter().enumerate() {
            self.put(if at > 0 { "*" } else { "" });
            let piece = self.text(*piece).escape_debug().to_string().replace('*', "\\*");
            self.put(&piece);
        }
        self.put("\"");
    }

    fn constant(&mut self, constant: ConstId) {
        if self.full() {
            return;
        }
        let constants = &self.tables.constants;
        match constants.rows.get(constant as usize).copied() {
            Some(Const::Bool(value)) => self.put(if value { "true" } else { "false" }),
            Some(Const::Long(value)) => {
                // Writing to a text can't fail.
                let _ = write!(self.out, "{value}");
            }
            Some(Const::String(sym)) => self.put(&quoted(self.tables.strings.get(sym))),
            Some(Const::Entity(uid)) => {
                if let Some(uid) = self.tables.uids.get(uid as usize) {
                    let name = type_name(self.tables, uid.ty).to_string();
                    self.put(&name);
                    self.put("::");
                    self.put(&quoted(self.tables.strings.get(uid.id)));
                }
            }
            Some(Const::Set(run)) => {
                self.put("[");
                let members: &[ConstId] = run.of(&constants.members);
                for (at, member) in members.iter().enumerate() {
                    self.put(if at > 0 { ", " } else { "" });
                    self.constant(*member);
                }
                self.put("]");
            }
            Some(Const::Record(run)) => {
                self.put("{");
                let fields: &[(Sym, ConstId)] = run.of(&constants.fields);
                for (at, (name, value)) in fields.iter().enumerate() {
                    self.put(if at > 0 { ", " } else { "" });
                    self.name(*name);
                    self.put(": ");
                    self.constant(*value);
                }
                self.put("}");
            }
            Some(Const::Decimal(value)) => self.put(&format!("decimal(\"{value}\")")),
            Some(Const::Datetime(value)) => self.put(&format!("datetime(\"{value}\")")),
            Some(Const::Duration(value)) => self.put(&format!("duration(\"{value}\")")),
            Some(Const::Ip(value)) => self.put(&format!("ip(\"{value}\")")),
            None => {}
        }
    }
}

fn binding(row: Node) -> Binding {
    match row {
        Node::If(_) => Binding::If,
        Node::Or(_) => Binding::Or,
        Node::And(_) => Binding::And,
        Node::Has(..) | Node::HasPath(..) | Node::Like(..) | Node::Is(..) => Binding::Relation,
        Node::Binary(operator, ..) => match operator {
            Binary::Eq | Binary::Less | Binary::LessEq | Binary::In => Binding::Relation,
            Binary::Add | Binary::Sub => Binding::Sum,
            Binary::Mul => Binding::Product,
            Binary::Contains
            | Binary::ContainsAll
            | Binary::ContainsAny
            | Binary::GetTag
            | Binary::HasTag => Binding::Member,
        },
        Node::Unary(Unary::Not | Unary::Neg, _) => Binding::Sign,
        Node::Unary(Unary::IsEmpty, _)
        | Node::Const(_)
        | Node::Var(_)
        | Node::Attr(..)
        | Node::Set(_)
        | Node::Record(..)
        | Node::Call(..) => Binding::Member,
    }
}

fn identifier(name: &str) -> bool {
    const RESERVED: [&str; 9] = ["true", "false", "if", "then", "else", "in", "is", "like", "has"];
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED.contains(&name)
}

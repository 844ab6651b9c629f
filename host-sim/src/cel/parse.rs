//! Reads expressions: the grammar of the language's definition, with its macros.

use super::functions::{self, Function};
use super::token::{Token, Tokens};
use super::{DEPTH, Expression, Id, Loop, LoopKind, NESTING, Node, Refused, Value};

/// Words that are no names, though a field may be called so.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
/// Words that are literals and operators.
const KEYWORDS: [&str; 4] = ["true", "false", "null", "in"];

/// Operators by how tightly they bind.
const RELATION: u8 = 1;
const SUM: u8 = 2;
const PRODUCT: u8 = 3;

struct Parser<'a> {
    tokens: Tokens<'a>,
    peeked: Token<'a>,
    nodes: Vec<Node>,
    /// How deep each node is.
    depths: Vec<u16>,
    nesting: usize,
    /// Whether something is used that there isn't.
    unknown: bool,
}

/// Reads the whole of a text.
pub(super) fn read(text: &str) -> Result<Expression, Refused> {
    let mut tokens = Tokens::new(text);
    let peeked = tokens.next()?;
    let mut parser =
        Parser { tokens, peeked, nodes: Vec::new(), depths: Vec::new(), nesting: 0, unknown: false };
    let root = parser.expression()?;
    match parser.peeked {
        Token::End if parser.unknown => Err(Refused::Unknown),
        Token::End => Ok(Expression { nodes: parser.nodes, root }),
        _ => Err(Refused::Malformed),
    }
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Result<Token<'a>, Refused> {
        let next = self.tokens.next()?;
        Ok(std::mem::replace(&mut self.peeked, next))
    }

    fn is_at(&self, sign: &str) -> bool {
        matches!(&self.peeked, Token::Sign(at) if *at == sign)
    }

    fn take(&mut self, sign: &str) -> Result<bool, Refused> {
        let is = self.is_at(sign);
        if is {
            self.next()?;
        }
        Ok(is)
    }

    fn expect(&mut self, sign: &str) -> Result<(), Refused> {
        if self.take(sign)? { Ok(()) } else { Err(Refused::Malformed) }
    }

    /// Keeps a node whose parts are these, unless it is too deep.
    fn keep(&mut self, node: Node, parts: &[Id]) -> Result<Id, Refused> {
        let deepest = parts.iter().filter_map(|part| self.depths.get(*part as usize)).max();
        let depth = deepest.map_or(1, |depth| depth + 1);
        if depth > DEPTH {
            return Err(Refused::Malformed);
        }
        let id = Id::try_from(self.nodes.len()).map_err(|_| Refused::Malformed)?;
        self.nodes.push(node);
        self.depths.push(depth);
        Ok(id)
    }

    fn call(&mut self, function: Function, operands: Vec<Id>) -> Result<Id, Refused> {
        let parts = operands.clone();
        self.keep(Node::Call(function, operands), &parts)
    }

    fn expression(&mut self) -> Result<Id, Refused> {
        if self.nesting >= NESTING {
            return Err(Refused::Malformed);
        }
        self.nesting += 1;
        let condition = self.logic(true)?;
        let id = if self.take("?")? {
            let yes = self.logic(true)?;
            self.expect(":")?;
            let no = self.expression()?;
            self.keep(Node::Conditional(condition, yes, no), &[condition, yes, no])?
        } else {
            condition
        };
        self.nesting -= 1;
        Ok(id)
    }

    /// `||`, which true decides, of `&&`, which false decides.
    fn logic(&mut self, decides: bool) -> Result<Id, Refused> {
        let sign = if decides { "||" } else { "&&" };
        let mut operands = Vec::new();
        loop {
            operands.push(if decides { self.logic(false)? } else { self.binary(RELATION)? });
            if !self.take(sign)? {
                break;
            }
        }
        match operands.as_slice() {
            [only] => Ok(*only),
            _ => {
                let parts = operands.clone();
                self.keep(Node::Logic { decides, operands }, &parts)
            }
        }
    }

    /// Operators that bind at least so tightly; all go from left to right.
    fn binary(&mut self, least: u8) -> Result<Id, Refused> {
        let mut left = self.unary()?;
        while let Some((function, binds)) = self.operator().filter(|(_, binds)| *binds >= least) {
            self.next()?;
            let right = self.binary(binds + 1)?;
            left = self.call(function, vec![left, right])?;
        }
        Ok(left)
    }

    fn operator(&self) -> Option<(Function, u8)> {
        let sign = match &self.peeked {
            Token::Sign(sign) => *sign,
            Token::Word("in") => "in",
            _ => return None,
        };
        Some(match sign {
            "==" => (Function::Equal, RELATION),
            "!=" => (Function::Unequal, RELATION),
            "<" => (Function::Less, RELATION),
            "<=" => (Function::LessOrEqual, RELATION),
            ">" => (Function::Greater, RELATION),
            ">=" => (Function::GreaterOrEqual, RELATION),
            "in" => (Function::In, RELATION),
            "+" => (Function::Add, SUM),
            "-" => (Function::Subtract, SUM),
            "*" => (Function::Multiply, PRODUCT),
            "/" => (Function::Divide, PRODUCT),
            "%" => (Function::Remainder, PRODUCT),
            _ => return None,
        })
    }

    /// Signs of one kind. Two cancel each other, whatever they stand before.
    fn unary(&mut self) -> Result<Id, Refused> {
        let mut signs = 0;
        let (sign, function) = if self.is_at("!") { ("!", Function::Not) } else { ("-", Function::Negate) };
        while self.is_at(sign) {
            self.next()?;
            // A number may have a sign of its own, and the smallest is none without it.
            if sign == "-"
                && let Some(number) = self.negative()?
            {
                return self.signed(number, function, signs);
            }
            signs += 1;
        }
        let member = match sign == "!" && signs > 0 && self.take("-")? {
            true => self.negative()?.ok_or(Refused::Malformed)?,
            false => self.member()?,
        };
        self.signed(member, function, signs)
    }

    /// The whole number behind a minus.
    fn negative(&mut self) -> Result<Option<Id>, Refused> {
        let value = match self.peeked {
            Token::Int(number @ 0..=0x8000_0000_0000_0000) => Value::Int(number.wrapping_neg().cast_signed()),
            _ => return Ok(None),
        };
        self.next()?;
        self.keep(Node::Literal(value), &[]).map(Some)
    }

    fn signed(&mut self, id: Id, function: Function, signs: usize) -> Result<Id, Refused> {
        match signs % 2 {
            1 => self.call(function, vec![id]),
            _ => Ok(id),
        }
    }

    fn member(&mut self) -> Result<Id, Refused> {
        let mut of = self.primary()?;
        loop {
            if self.take(".")? {
                let (field, is_quoted) = match self.next()? {
                    Token::Word(field) if !KEYWORDS.contains(&field) => (field, false),
                    Token::Quoted(field) => (field, true),
                    _ => return Err(Refused::Malformed),
                };
                of = match self.take("(")? {
                    true if is_quoted => return Err(Refused::Malformed),
                    true => {
                        let arguments = self.list(")")?;
                        self.method(of, field, arguments)?
                    }
                    false => self.keep(Node::Select { of, field: field.into() }, &[of])?,
                };
            } else if self.take("[")? {
                let index = self.expression()?;
                self.expect("]")?;
                of = self.call(Function::Index, vec![of, index])?;
            } else if self.is_at("{") && self.is_qualified(of) {
                self.next()?;
                self.message()?;
                self.unknown = true;
            } else {
                return Ok(of);
            }
        }
    }

    /// Whether it is a name, or names with dots between them.
    fn is_qualified(&self, mut id: Id) -> bool {
        loop {
            match self.nodes.get(id as usize) {
                Some(Node::Name(_)) => return true,
                Some(Node::Select { of, .. }) => id = *of,
                _ => return false,
            }
        }
    }

    fn message(&mut self) -> Result<(), Refused> {
        while !self.is_at("}") {
            let Token::Word(_) = self.next()? else { return Err(Refused::Malformed) };
            self.expect(":")?;
            self.expression()?;
            if !self.take(",")? {
                break;
            }
        }
        self.expect("}")
    }

    /// Expressions with commas between them, and the sign at their end.
    fn list(&mut self, end: &str) -> Result<Vec<Id>, Refused> {
        let mut items = Vec::new();
        // A comma may stand alone, but for arguments.
        if end != ")" && self.take(",")? {
            self.expect(end)?;
            return Ok(items);
        }
        while !self.is_at(end) {
            items.push(self.expression()?);
            if !self.take(",")? {
                break;
            }
            // Arguments have no comma after the last.
            if end == ")" && self.is_at(end) {
                return Err(Refused::Malformed);
            }
        }
        self.expect(end)?;
        Ok(items)
    }

    fn primary(&mut self) -> Result<Id, Refused> {
        let literal = match self.next()? {
            Token::Sign("(") => {
                let id = self.expression()?;
                self.expect(")")?;
                return Ok(id);
            }
            Token::Sign("[") => {
                let items = self.list("]")?;
                let parts = items.clone();
                return self.keep(Node::List(items), &parts);
            }
            Token::Sign("{") => return self.map(),
            Token::Sign(".") => match self.next()? {
                Token::Word(word) => return self.name(word),
                _ => return Err(Refused::Malformed),
            },
            Token::Sign(_) | Token::Quoted(_) | Token::End => return Err(Refused::Malformed),
            Token::Word("true") => Value::Bool(true),
            Token::Word("false") => Value::Bool(false),
            Token::Word("null") => Value::Null,
            Token::Word(word) => return self.name(word),
            Token::Int(number) => Value::Int(i64::try_from(number).map_err(|_| Refused::Malformed)?),
            Token::Uint(number) => Value::Uint(number),
            Token::Double(number) => Value::Double(number),
            Token::String(text) => Value::String(text.into()),
            Token::Bytes(bytes) => Value::Bytes(bytes.into()),
        };
        self.keep(Node::Literal(literal), &[])
    }

    fn map(&mut self) -> Result<Id, Refused> {
        let (mut entries, mut parts) = (Vec::new(), Vec::new());
        if self.take(",")? {
            self.expect("}")?;
            return self.keep(Node::Map(entries), &parts);
        }
        while !self.is_at("}") {
            let key = self.expression()?;
            self.expect(":")?;
            let value = self.expression()?;
            entries.push((key, value));
            parts.extend([key, value]);
            if !self.take(",")? {
                break;
            }
        }
        self.expect("}")?;
        self.keep(Node::Map(entries), &parts)
    }

    /// A name, or a call of a function of that name.
    fn name(&mut self, word: &str) -> Result<Id, Refused> {
        if RESERVED.contains(&word) || KEYWORDS.contains(&word) {
            return Err(Refused::Malformed);
        }
        if !self.take("(")? {
            return self.keep(Node::Name(word.into()), &[]);
        }
        let arguments = self.list(")")?;
        if let ("has", [of]) = (word, arguments.as_slice()) {
            return self.has(*of);
        }
        self.function(word, false, arguments)
    }

    /// What `has` asks for is a field, never a name or an index.
    fn has(&mut self, of_field: Id) -> Result<Id, Refused> {
        match self.nodes.get(of_field as usize) {
            Some(Node::Select { of, field }) => {
                let node = Node::Has { of: *of, field: field.clone() };
                self.keep(node, &[of_field])
            }
            _ => Err(Refused::Malformed),
        }
    }

    fn function(&mut self, name: &str, is_method: bool, arguments: Vec<Id>) -> Result<Id, Refused> {
        match functions::named(name, is_method, arguments.len()) {
            Some(function) => self.call(function, arguments),
            None => {
                self.unknown = true;
                self.keep(Node::Literal(Value::Null), &arguments)
            }
        }
    }

    /// A call of what stands behind a dot: a macro or a function.
    fn method(&mut self, of: Id, name: &str, mut arguments: Vec<Id>) -> Result<Id, Refused> {
        let kind = match (name, arguments.len()) {
            ("all", 2) => LoopKind::All,
            ("exists", 2) => LoopKind::Exists,
            ("exists_one", 2) => LoopKind::ExistsOne,
            ("filter", 2) => LoopKind::Filter,
            ("map", 2 | 3) => LoopKind::Map,
            _ => {
                arguments.insert(0, of);
                return self.function(name, true, arguments);
            }
        };
        let (first, rest) = arguments.split_first().ok_or(Refused::Malformed)?;
        let (condition, body) = match rest {
            [condition, body] => (Some(*condition), *body),
            [body] => (None, *body),
            _ => return Err(Refused::Malformed),
        };
        let Some(Node::Name(name)) = self.nodes.get(*first as usize) else { return Err(Refused::Malformed) };
        let node = Loop { kind, name: name.clone(), over: of, condition, body };
        self.keep(Node::Loop(node), &[of, condition.unwrap_or(body), body])
    }
}

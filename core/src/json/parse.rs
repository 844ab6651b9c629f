//! The parser: recursive descent over bytes that were found to be UTF-8 first.

use super::{JsonError, JsonErrorKind as Kind, Limits, Member, Number, Object, Value};
use alloc::{borrow::Cow, string::String, vec::Vec};

/// Objects up to this size have each name compared with those before it; larger ones have their names sorted.
const COMPARED_DIRECTLY: usize = 16;

/// Parses one document (RFC 8259), whole.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Value<'a>, JsonError> {
    if bytes.len() > limits.max_bytes {
        return Err(JsonError { offset: limits.max_bytes, kind: Kind::TooLarge });
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError { offset: 0, kind: Kind::ByteOrderMark });
    }
    let text = core::str::from_utf8(bytes)
        .map_err(|error| JsonError { offset: error.valid_up_to(), kind: Kind::NotUtf8 })?;
    let mut parser = Parser {
        text,
        bytes,
        at: 0,
        depth_left: limits.max_depth.min(Limits::DEEPEST),
        nodes_left: limits.max_nodes,
    };
    parser.skip_whitespace();
    let value = parser.value()?;
    parser.skip_whitespace();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.error(Kind::TrailingBytes)),
    }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth_left: usize,
    nodes_left: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Result<Value<'a>, JsonError> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or_else(|| self.error(Kind::TooManyNodes))?;
        match self.peek() {
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'-' | b'0'..=b'9') => Ok(Value::Number(self.number()?)),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn nested(
        &mut self,
        inner: fn(&mut Self) -> Result<Value<'a>, JsonError>,
    ) -> Result<Value<'a>, JsonError> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or_else(|| self.error(Kind::TooDeep))?;
        self.at += 1;
        let value = inner(self)?;
        self.depth_left += 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Value<'a>, JsonError> {
        let mut elements = Vec::new();
        self.skip_whitespace();
        if self.eat(b']') {
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            self.skip_whitespace();
            if self.eat(b']') {
                return Ok(Value::Array(elements));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("`,` or `]`"));
            }
            self.skip_whitespace();
        }
    }

    fn object(&mut self) -> Result<Value<'a>, JsonError> {
        let start = self.at;
        let mut members: Vec<Member<'a>> = Vec::new();
        self.skip_whitespace();
        if self.eat(b'}') {
            return Ok(Value::Object(Object::from_members(members)));
        }
        loop {
            let name_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a member name"));
            }
            let name = self.string()?;
            if members.len() < COMPARED_DIRECTLY && members.iter().any(|member| member.name == name) {
                return Err(JsonError { offset: name_at, kind: Kind::DuplicateMember });
            }
            self.skip_whitespace();
            if !self.eat(b':') {
                return Err(self.unexpected("`:`"));
            }
            self.skip_whitespace();
            let value = self.value()?;
            members.push(Member { name, value });
            self.skip_whitespace();
            if self.eat(b'}') {
                break;
            }
            if !self.eat(b',') {
                return Err(self.unexpected("`,` or `}`"));
            }
            self.skip_whitespace();
        }
        if members.len() > COMPARED_DIRECTLY && has_duplicate(&members) {
            return Err(JsonError { offset: start, kind: Kind::DuplicateMember });
        }
        Ok(Value::Object(Object::from_members(members)))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let text = self.slice(start, self.at)?;
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut text = String::from(self.slice(start, self.at)?);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    text.push(character);
                }
                Some(_) => return Err(self.error(Kind::ControlCharacter)),
                None => return Err(self.error(Kind::UnexpectedEnd)),
            }
            let start = self.at;
            self.skip_plain();
            text.push_str(self.slice(start, self.at)?);
        }
    }

    /// Moves over characters that stand for themselves in a string.
    fn skip_plain(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let plain = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
        self.at += plain.unwrap_or(rest.len());
    }

    /// Reads an escape, its backslash included.
    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.at += 1;
        let character = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(start);
            }
            Some(_) => {
                return Err(JsonError { offset: start, kind: Kind::InvalidEscape });
            }
            None => return Err(self.error(Kind::UnexpectedEnd)),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, JsonError> {
        let lone = JsonError { offset: start, kind: Kind::LoneSurrogate };
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !(self.eat(b'\\') && self.eat(b'u')) {
                    return Err(lone);
                }
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(lone);
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            0xdc00..=0xdfff => return Err(lone),
            code => code,
        };
        char::from_u32(code).ok_or(lone)
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = match self.peek() {
                Some(byte) => char::from(byte).to_digit(16).ok_or_else(|| self.error(Kind::InvalidEscape))?,
                None => return Err(self.error(Kind::UnexpectedEnd)),
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<Number<'a>, JsonError> {
        let start = self.at;
        self.eat(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => {
                self.digits();
            }
            _ => return Err(self.error(Kind::InvalidNumber)),
        }
        if self.eat(b'.') && self.digits() == 0 {
            return Err(self.error(Kind::InvalidNumber));
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if !self.eat(b'-') {
                self.eat(b'+');
            }
            if self.digits() == 0 {
                return Err(self.error(Kind::InvalidNumber));
            }
        }
        // A digit here can only follow a leading zero.
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.error(Kind::InvalidNumber));
        }
        Ok(Number::from_lexeme(self.slice(start, self.at)?))
    }

    fn digits(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        count
    }

    fn literal(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, JsonError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.unexpected("a value"))
        }
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// A piece of the text; both ends are always next to ASCII, hence character boundaries.
    fn slice(&self, start: usize, end: usize) -> Result<&'a str, JsonError> {
        self.text.get(start..end).ok_or_else(|| self.error(Kind::NotUtf8))
    }

    fn unexpected(&self, expected: &'static str) -> JsonError {
        self.error(match self.peek() {
            Some(_) => Kind::UnexpectedByte { expected },
            None => Kind::UnexpectedEnd,
        })
    }

    fn error(&self, kind: Kind) -> JsonError {
        JsonError { offset: self.at, kind }
    }
}

/// Whether two names are equal, in n log n comparisons whatever the names are.
fn has_duplicate(members: &[Member<'_>]) -> bool {
    let mut names: Vec<&str> = members.iter().map(|member| &*member.name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

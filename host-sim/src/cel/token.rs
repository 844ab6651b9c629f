//! Words of CEL's grammar.

use super::Refused;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A name, a reserved word, or one of `true`, `false`, `null`, `in`.
    Word(&'a str),
    /// The name of a field, which stood in backquotes.
    Quoted(&'a str),
    Int(u64),
    Uint(u64),
    Double(f64),
    String(Vec<u8>),
    Bytes(Vec<u8>),
    /// Anything else, as it is written.
    Sign(&'static str),
    End,
}

/// Signs, the longer before those that they begin with.
const SIGNS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "?", ":", "+", "-", "*", "/", "%", ".", ",", "(", ")",
    "[", "]", "{", "}",
];

/// The words of a text, one after the other.
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, Refused> {
        self.skip_blanks();
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        let follows_dot = first == '.' && self.rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        if first.is_ascii_digit() || follows_dot {
            return self.number();
        }
        if let Some(string) = self.string()? {
            return Ok(string);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Token::Word(self.take(|b| b.is_ascii_alphanumeric() || b == b'_')));
        }
        if let Some(rest) = self.rest.strip_prefix('`') {
            self.rest = rest;
            let name = self.take(|b| b.is_ascii_alphanumeric() || b"_.-/ ".contains(&b));
            self.rest = self.rest.strip_prefix('`').filter(|_| !name.is_empty()).ok_or(Refused::Malformed)?;
            return Ok(Token::Quoted(name));
        }
        let sign = SIGNS.iter().find(|sign| self.rest.starts_with(**sign)).ok_or(Refused::Malformed)?;
        self.rest = self.rest.get(sign.len()..).unwrap_or_default();
        Ok(Token::Sign(sign))
    }

    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']);
            let Some(comment) = self.rest.strip_prefix("//") else { return };
            self.rest = comment.find('\n').and_then(|end| comment.get(end..)).unwrap_or_default();
        }
    }

    /// Takes the ASCII characters in front that are such.
    fn take(&mut self, is: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|b| !is(b)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn number(&mut self) -> Result<Token<'a>, Refused> {
        let hex =
            self.rest.strip_prefix("0x").filter(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
        let whole = if let Some(rest) = hex {
            self.rest = rest;
            let digits = self.take(|b| b.is_ascii_hexdigit());
            u64::from_str_radix(digits, 16)
        } else {
            let text = self.rest;
            let before = self.take(|b| b.is_ascii_digit()).len();
            let fraction = self.fraction();
            let exponent = self.exponent();
            let written = text.get(..text.len() - self.rest.len()).unwrap_or_default();
            if fraction || exponent {
                return written.parse().map(Token::Double).map_err(|_| Refused::Malformed);
            }
            if before == 0 {
                return Err(Refused::Malformed);
            }
            written.parse()
        };
        let whole = whole.map_err(|_| Refused::Malformed)?;
        match self.rest.strip_prefix(['u', 'U']) {
            Some(rest) => {
                self.rest = rest;
                Ok(Token::Uint(whole))
            }
            None => Ok(Token::Int(whole)),
        }
    }

    /// Takes a point and digits.
    fn fraction(&mut self) -> bool {
        let after = self.rest.strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let Some(rest) = after else { return false };
        self.rest = rest;
        self.take(|b| b.is_ascii_digit());
        true
    }

    fn exponent(&mut self) -> bool {
        let Some(rest) = self.rest.strip_prefix(['e', 'E']) else { return false };
        let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        if !rest.starts_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
        self.rest = rest;
        self.take(|b| b.is_ascii_digit());
        true
    }

    /// A string or bytes, where there are some: `r` and `b` before the quotes make them raw and bytes.
    fn string(&mut self) -> Result<Option<Token<'a>>, Refused> {
        let (mut raw, mut bytes, mut rest) = (false, false, self.rest);
        if let Some(after) = rest.strip_prefix(['b', 'B']) {
            (bytes, rest) = (true, after);
        }
        if let Some(after) = rest.strip_prefix(['r', 'R']) {
            (raw, rest) = (true, after);
        }
        let quotes = ["\"\"\"", "'''", "\"", "'"];
        let Some(quote) = quotes.into_iter().find(|quote| rest.starts_with(*quote)) else { return Ok(None) };
        let mut rest = rest.get(quote.len()..).unwrap_or_default();
        let mut out = Vec::new();
        loop {
            if let Some(after) = rest.strip_prefix(quote) {
                self.rest = after;
                return Ok(Some(if bytes { Token::Bytes(out) } else { Token::String(out) }));
            }
            let mut chars = rest.chars();
            match chars.next().ok_or(Refused::Malformed)? {
                '\n' | '\r' if quote.len() == 1 => return Err(Refused::Malformed),
                '\\' if !raw => {
                    rest = chars.as_str();
                    escape(&mut rest, bytes, &mut out)?;
                }
                other => {
                    out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = chars.as_str();
                }
            }
        }
    }
}

/// Reads what follows a backslash.
fn escape(rest: &mut &str, bytes: bool, out: &mut Vec<u8>) -> Result<(), Refused> {
    let mut chars = rest.chars();
    let kind = chars.next().ok_or(Refused::Malformed)?;
    let (code, after) = match kind {
        'x' | 'X' => digits(chars.as_str(), 2, 16)?,
        'u' if !bytes => digits(chars.as_str(), 4, 16)?,
        'U' if !bytes => digits(chars.as_str(), 8, 16)?,
        '0'..='3' => digits(rest, 3, 8)?,
        _ => {
            let plain = match kind {
                'a' => 7,
                'b' => 8,
                'f' => 12,
                'n' => b'\n',
                'r' => b'\r',
                't' => b'\t',
                'v' => 11,
                '\\' | '\'' | '"' | '`' | '?' => kind as u8,
                _ => return Err(Refused::Malformed),
            };
            *rest = chars.as_str();
            out.push(plain);
            return Ok(());
        }
    };
    *rest = after;
    if bytes {
        out.push(u8::try_from(code).map_err(|_| Refused::Malformed)?);
    } else {
        let code = char::from_u32(code).ok_or(Refused::Malformed)?;
        out.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(())
}

/// The number that so many digits make, and what follows.
fn digits(text: &str, count: usize, radix: u32) -> Result<(u32, &str), Refused> {
    let (digits, after) = text.split_at_checked(count).ok_or(Refused::Malformed)?;
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(Refused::Malformed);
    }
    let number = u32::from_str_radix(digits, radix).map_err(|_| Refused::Malformed)?;
    Ok((number, after))
}

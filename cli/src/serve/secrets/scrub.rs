//! Finding credentials in a text: by their looks, by the names before them, and by where they stand in a URL; also where they are
//! percent-encoded, once or more often.

use std::borrow::Cow;
use std::ops::Range;

use super::names::{is_credential, is_secret, is_secret_member};
use super::words::{LONGEST, has_form, is_base64, is_part, looks_secret};

/// What stands in a credential's place.
pub(crate) const SECRET: &str = "(secret)";

/// How often a text is looked at: as it is, and once for each encoding that is undone. One that is encoded more often is taken for
/// a credential as a whole.
const LAYERS: usize = 4;

/// Letters between a name and its value, beside `=` or `:`.
const GAP: usize = 4;

/// The most letters between the parts of a form.
const BOUNDARY: usize = 70;

/// The fewest letters of a credential behind its scheme.
const AFTER_SCHEME: usize = 6;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A header's value, a body, a log line, a query's value.
    Text,
    /// A path without a query.
    Path,
    /// What names somebody or something, and may be random.
    Identifier,
}

/// A text without the credentials that can be found in it.
pub(crate) fn scrub(text: &str, kind: Kind) -> Cow<'_, str> {
    let mut spans = spans(text, kind);
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    spans.sort_by_key(|span| (span.start, span.end));
    let (mut scrubbed, mut copied) = (String::new(), 0);
    for span in spans {
        if span.end <= copied {
            continue;
        }
        if span.start >= copied {
            scrubbed.push_str(text.get(copied..span.start).unwrap_or_default());
            scrubbed.push_str(SECRET);
        }
        copied = span.end;
    }
    scrubbed.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(scrubbed)
}

/// A text with all of its encodings undone, as far as that is done at all.
pub(crate) fn decoded(text: &str) -> String {
    let mut layer = Layer::of(text);
    for _ in 0..LAYERS {
        match layer.decoded() {
            Some(next) => layer = next,
            None => break,
        }
    }
    String::from_utf8_lossy(&layer.bytes).into_owned()
}

/// Where credentials stand.
fn spans(text: &str, kind: Kind) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut layer = Layer::of(text);
    for _ in 0..LAYERS {
        layer.words(kind, &mut found);
        if kind != Kind::Identifier {
            layer.base64(kind, &mut found);
            layer.user_infos(&mut found);
            layer.named(kind, &mut found);
            layer.schemes(&mut found);
        }
        match layer.decoded() {
            Some(next) => layer = next,
            None => return found,
        }
    }
    std::iter::once(0..text.len()).collect()
}

/// A text, some of its encodings undone.
struct Layer {
    bytes: Vec<u8>,
    /// Where each byte begins in the original, and where the last one ends.
    from: Vec<usize>,
}

impl Layer {
    fn of(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), from: (0..=text.len()).collect() }
    }

    /// One encoding less: percent-encoding, and JSON's escapes. `None` where nothing is encoded.
    fn decoded(&self) -> Option<Self> {
        let (mut bytes, mut from) =
            (Vec::with_capacity(self.bytes.len()), Vec::with_capacity(self.from.len()));
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let (plain, length) = escaped(rest).unwrap_or((*byte, 1));
            bytes.push(plain);
            from.push(self.origin(at));
            at += length;
        }
        from.push(self.origin(at));
        (bytes.len() < self.bytes.len()).then_some(Self { bytes, from })
    }

    fn origin(&self, at: usize) -> usize {
        self.from.get(at).or(self.from.last()).copied().unwrap_or(0)
    }

    fn get(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn slice(&self, span: Range<usize>) -> &[u8] {
        self.bytes.get(span).unwrap_or_default()
    }

    fn text(&self, span: Range<usize>) -> Cow<'_, str> {
        String::from_utf8_lossy(self.slice(span))
    }

    fn push(&self, span: Range<usize>, found: &mut Vec<Range<usize>>) {
        if span.start < span.end {
            found.push(self.origin(span.start)..self.origin(span.end));
        }
    }

    /// The first place from `at` on that is not such a letter.
    fn after(&self, at: usize, is: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| !is(*byte)).unwrap_or(rest.len())
    }

    /// The first place of those letters that end at `at`.
    fn before(&self, at: usize, is: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(..at).unwrap_or_default();
        rest.iter().rposition(|byte| !is(*byte)).map_or(0, |last| last + 1)
    }

    /// Whether a text stands right before `at`, or before a quote there.
    fn is_after(&self, text: &[u8], at: usize) -> bool {
        let before = self.slice(0..at);
        before.strip_suffix(b"\"").unwrap_or(before).ends_with(text)
    }

    fn runs(&self, is: impl Fn(u8) -> bool, mut each: impl FnMut(Range<usize>)) {
        let mut at = 0;
        while at < self.bytes.len() {
            let start = self.after(at, |byte| !is(byte));
            at = self.after(start, &is);
            each(start..at);
        }
    }

    fn words(&self, kind: Kind, found: &mut Vec<Range<usize>>) {
        self.runs(is_part, |span| {
            let word = self.slice(span.clone());
            let secret = match kind {
                Kind::Identifier => has_form(word),
                // What the parts of a form are set apart by is random, and opens nothing (RFC 2046 §5.1.1).
                Kind::Text if word.len() <= BOUNDARY && self.is_after(b"boundary=", span.start) => {
                    has_form(word)
                }
                Kind::Text | Kind::Path => looks_secret(word),
            };
            if secret {
                self.push(span, found);
            }
        });
    }

    /// Base64 of the usual alphabet, in which slashes stand.
    fn base64(&self, kind: Kind, found: &mut Vec<Range<usize>>) {
        if kind == Kind::Path {
            return;
        }
        let is = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        self.runs(is, |span| {
            if is_base64(self.slice(span.clone())) {
                self.push(span, found);
            }
        });
    }

    /// `user:password@` in URLs.
    fn user_infos(&self, found: &mut Vec<Range<usize>>) {
        for at in self.places(b"//") {
            let start = at + 2;
            let end =
                self.after(start, |byte| !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'<' | b'>' | 0..=b' '));
            if let Some(last) = self.slice(start..end).iter().rposition(|byte| *byte == b'@') {
                self.push(start..start + last, found);
            }
        }
    }

    fn places<'a>(&'a self, what: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        self.bytes.windows(what.len()).enumerate().filter(move |(_, found)| *found == what).map(|(at, _)| at)
    }

    /// Values behind the names of credentials: parameters, members of JSON, headers.
    fn named(&self, kind: Kind, found: &mut Vec<Range<usize>>) {
        let mut until = 0;
        for at in 0..self.bytes.len() {
            let mark = self.get(at);
            // Within a credential nobody needs to look for another one.
            if at < until || mark != b'=' && mark != b':' {
                continue;
            }
            let gap = |byte: u8| matches!(byte, b' ' | b'"' | b'\'' | b'\\');
            let end = self.before(at, gap);
            let start = self.before(end, is_name);
            if start == end || at - end > GAP {
                continue;
            }
            let quoted = self.slice(end..at).iter().any(|byte| matches!(byte, b'"' | b'\''));
            let name = self.text(start..end);
            let value = if mark == b'=' && is_secret(&name) || quoted && is_secret_member(&name) {
                self.value(at + 1, kind)
            } else if mark == b':' && is_credential(&name.to_ascii_lowercase()) {
                // A head that somebody logged: the whole line is the value.
                at + 1..self.after(at + 1, |byte| !matches!(byte, b'\r' | b'\n' | b'"'))
            } else {
                continue;
            };
            until = value.end;
            self.push(value, found);
        }
    }

    /// Where a value stands that begins at `at`, or after a gap.
    fn value(&self, at: usize, kind: Kind) -> Range<usize> {
        let start = self.after(at, |byte| matches!(byte, b' ' | b'\\')).min(at + GAP);
        match self.get(start) {
            quote @ (b'"' | b'\'') => {
                let escaped = self.get(start.wrapping_sub(1)) == b'\\';
                let mut end = start + 1;
                while end < self.bytes.len() && self.get(end) != quote {
                    end += if self.get(end) == b'\\' && !escaped { 2 } else { 1 };
                }
                let end = end.min(self.bytes.len());
                let end = if escaped && self.get(end.wrapping_sub(1)) == b'\\' { end - 1 } else { end };
                start + 1..end
            }
            b'[' => start..self.after(start, |byte| byte != b']'),
            // Its members have names of their own.
            b'{' => start..start,
            _ => {
                let mut end = start;
                // A number, say, in an object or a list.
                let in_object = self.get(at.wrapping_sub(1)) == b':';
                let ends =
                    |end: usize| self.ends(end, kind) || in_object && matches!(self.get(end), b'}' | b']');
                while end < self.bytes.len() && !ends(end) {
                    end += 1;
                }
                // What is said of a credential is none.
                let plain = [b"true".as_slice(), b"false", b"null"].contains(&self.slice(start..end));
                start..if plain { start } else { end }
            }
        }
    }

    /// Whether a value that stands in no quotes ends here.
    fn ends(&self, at: usize, kind: Kind) -> bool {
        match self.get(at) {
            b'&' | b'#' | b'"' | b'\'' | b'<' | b'>' | 0..=b' ' => true,
            b'/' | b'?' => kind == Kind::Path,
            // Only before another name, or another item of a list: both may stand in a value.
            b';' | b',' => {
                let next = self.after(at + 1, |byte| byte == b' ');
                let name = self.after(next, is_name);
                next > at + 1
                    || name > next && self.get(name) == b'='
                    || matches!(self.get(next), b'"' | b'<' | 0)
            }
            _ => false,
        }
    }

    /// What follows a scheme of authentication (RFC 9110 §11.4).
    fn schemes(&self, found: &mut Vec<Range<usize>>) {
        for scheme in [b"bearer".as_slice(), b"basic", b"dpop", b"negotiate"] {
            for at in 0..self.bytes.len().saturating_sub(scheme.len()) {
                if !self.slice(at..at + scheme.len()).eq_ignore_ascii_case(scheme) {
                    continue;
                }
                let end = at + scheme.len();
                let start = self.after(end, |byte| matches!(byte, b' ' | b'+' | b':'));
                let word = self.after(start, |byte| is_part(byte) || byte == b'/');
                // Longer ones need no scheme to be told by.
                let word = start..word.min(start + LONGEST + 1);
                if start > end && is_credential_word(self.slice(word.clone())) && self.get(word.end) != b'"' {
                    self.push(word, found);
                }
            }
        }
    }
}

/// Whether a word behind a scheme is no word of a sentence, nor a parameter's name.
fn is_credential_word(word: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| word.iter().any(test);
    let mixed = has(u8::is_ascii_digit) || has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    word.len() >= AFTER_SCHEME && mixed
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~' | b'%' | b'[' | b']' | b'+')
}

/// The byte that an escape at the beginning stands for, and the escape's length.
fn escaped(rest: &[u8]) -> Option<(u8, usize)> {
    let hex = |digits: &[u8]| {
        let digits =
            std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    match rest {
        [b'%', high, low, ..] => Some((u8::try_from(hex(&[*high, *low])?).ok()?, 3)),
        [b'\\', b'u', digits @ ..] => {
            let letter = u8::try_from(hex(digits.get(..4)?)?).ok()?;
            letter.is_ascii().then_some((letter, 6))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;

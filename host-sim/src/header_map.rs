//! Header maps as a gateway holds them: ordered lists of byte pairs with lower-case names.
//!
//! Names and values live in one buffer, so that cloning a map for each request of a benchmark is two copies.

use std::fmt;

/// How much of the buffer may be garbage before it is compacted.
const SLACK: usize = 4096;

/// Headers that Envoy keeps one value of, beside pseudo-headers.
const SINGLE: [&[u8]; 16] = [
    b"authorization",
    b"connection",
    b"content-length",
    b"content-type",
    b"date",
    b"expect",
    b"grpc-message",
    b"grpc-status",
    b"server",
    b"te",
    b"transfer-encoding",
    b"upgrade",
    b"user-agent",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-proto",
];

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    name: u32,
    value: u32,
}

/// An ordered multimap of header names and values, both bytes.
///
/// Names are compared and stored in lower case, as HTTP/2 has them. Pseudo-headers stay in front of the others.
#[derive(Default)]
pub struct HeaderMap {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl HeaderMap {
    /// An empty map.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), entries: Vec::new() }
    }

    /// A map of the pairs, in their order.
    pub fn from_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut map = Self::new();
        for (name, value) in pairs {
            map.append(name.as_ref(), value.as_ref());
        }
        map
    }

    /// The pairs, owned.
    pub fn to_pairs(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect()
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all names and values together.
    pub fn byte_size(&self) -> usize {
        self.entries.iter().map(|e| (e.name + e.value) as usize).sum()
    }

    /// Name and value of each pair, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|e| (self.name(e), self.value(e)))
    }

    /// The first value of a name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.entries.iter().find(|e| self.is(e, name)).map(|e| self.value(e))
    }

    /// All values of a name.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.entries.iter().filter(move |e| self.is(e, name)).map(|e| self.value(e))
    }

    /// The first value of a name as text, with what is not UTF-8 replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|v| String::from_utf8_lossy(v).into_owned())
    }

    /// Adds a pair behind the others of its kind.
    pub fn append(&mut self, name: &[u8], value: &[u8]) {
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend(name.iter().map(u8::to_ascii_lowercase));
        self.bytes.extend_from_slice(value);
        let entry = Entry { start, name: name.len() as u32, value: value.len() as u32 };
        if name.first() == Some(&b':') {
            let at = self.entries.iter().take_while(|e| self.name(e).first() == Some(&b':')).count();
            self.entries.insert(at, entry);
        } else {
            self.entries.push(entry);
        }
        if self.bytes.len() > SLACK && self.bytes.len() > 2 * self.byte_size() + SLACK {
            self.compact();
        }
    }

    /// Adds a value as a gateway does it: to a header that it knows by heart, of which there is one, behind a comma.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        let single = name.first() == Some(&b':') || SINGLE.iter().any(|one| name.eq_ignore_ascii_case(one));
        match self.entries.iter().find(|e| single && self.is(e, name)).map(|e| self.value(e).to_vec()) {
            Some(before) => self.replace_value(name, &[&before, &b","[..], value].concat()),
            None => self.append(name, value),
        }
    }

    /// Gives the first pair of a name another value where it stands.
    fn replace_value(&mut self, name: &[u8], value: &[u8]) {
        let Some(at) = self.entries.iter().position(|e| self.is(e, name)) else { return };
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend(name.iter().map(u8::to_ascii_lowercase));
        self.bytes.extend_from_slice(value);
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry { start, name: name.len() as u32, value: value.len() as u32 };
        }
    }

    /// Removes the pairs of a name and adds one.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    /// Removes the pairs of a name; how many there were.
    pub fn remove(&mut self, name: &[u8]) -> usize {
        let before = self.entries.len();
        let bytes = &self.bytes;
        self.entries.retain(|e| !is(bytes, e, name));
        before - self.entries.len()
    }

    /// Removes every pair.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }

    /// Appends the form in which guests read and write pairs: count, lengths, then each name and value followed by a zero byte.
    pub(crate) fn serialize_into(&self, out: &mut Vec<u8>) {
        out.reserve(4 + self.entries.len() * 10 + self.byte_size());
        write_pairs(self.entries.iter().map(|entry| (self.name(entry), self.value(entry))), out);
    }

    /// Reads the form in which guests read and write pairs. `None` where lengths do not add up.
    pub(crate) fn deserialize(bytes: &[u8]) -> Option<Self> {
        let mut map = Self::new();
        let (count, rest) = bytes.split_at_checked(4)?;
        let count = word(count)? as usize;
        let (mut lengths, mut data) = rest.split_at_checked(count.checked_mul(8)?)?;
        for _ in 0..count {
            let (pair, more) = lengths.split_at_checked(8)?;
            lengths = more;
            let (n, v) = pair.split_at_checked(4)?;
            let (name, after) = data.split_at_checked(word(n)? as usize)?;
            let (value, after) = after.strip_prefix(&[0])?.split_at_checked(word(v)? as usize)?;
            data = after.strip_prefix(&[0])?;
            map.append(name, value);
        }
        data.is_empty().then_some(map)
    }

    fn compact(&mut self) {
        let mut bytes = Vec::with_capacity(self.byte_size());
        for e in &mut self.entries {
            let from = e.start as usize;
            let to = from + (e.name + e.value) as usize;
            e.start = bytes.len() as u32;
            bytes.extend_from_slice(self.bytes.get(from..to).unwrap_or_default());
        }
        self.bytes = bytes;
    }

    fn name(&self, e: &Entry) -> &[u8] {
        name(&self.bytes, e)
    }

    fn value(&self, e: &Entry) -> &[u8] {
        let from = (e.start + e.name) as usize;
        self.bytes.get(from..from + e.value as usize).unwrap_or_default()
    }

    fn is(&self, e: &Entry, wanted: &[u8]) -> bool {
        is(&self.bytes, e, wanted)
    }
}

fn name<'a>(bytes: &'a [u8], e: &Entry) -> &'a [u8] {
    let from = e.start as usize;
    bytes.get(from..from + e.name as usize).unwrap_or_default()
}

fn is(bytes: &[u8], e: &Entry, wanted: &[u8]) -> bool {
    e.name as usize == wanted.len() && name(bytes, e).eq_ignore_ascii_case(wanted)
}

/// Appends pairs that are no headers in the same form.
pub(crate) fn serialize_pairs(pairs: &[(Vec<u8>, Vec<u8>)], out: &mut Vec<u8>) {
    write_pairs(pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())), out);
}

fn write_pairs<'a>(pairs: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone, out: &mut Vec<u8>) {
    out.extend_from_slice(&(pairs.len() as u32).to_le_bytes());
    for (name, value) in pairs.clone() {
        out.extend_from_slice(&(name.len() as u32).to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        for bytes in [name, value] {
            out.extend_from_slice(bytes);
            out.push(0);
        }
    }
}

fn word(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

impl Clone for HeaderMap {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), entries: self.entries.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        self.bytes.clone_from(&source.bytes);
        self.entries.clone_from(&source.entries);
    }
}

impl PartialEq for HeaderMap {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for HeaderMap {}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(n, v)| (String::from_utf8_lossy(n), String::from_utf8_lossy(v))))
            .finish()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self::from_pairs(pairs)
    }
}

#[cfg(test)]
mod tests;

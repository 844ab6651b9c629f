//! What the workers of one gateway share: named bytes, changed one writer at a time.
//!
//! A shell lends it as it lends signature verification; without one, a worker is alone with [`Alone`].

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes under a name, and the number of the change that wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// To change them with, and only if nobody else has; never 0.
    pub version: u32,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWritten {
    /// Another worker was first: read again.
    Changed,
    /// The host shares nothing, or not now.
    Unavailable,
}

/// The host has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Named bytes that all workers of a gateway see. They are as trustworthy as the gateway: nothing that a client sends gets
/// in under a name of its choice.
pub trait SharedData {
    /// What stands under a name; nothing where nobody wrote yet.
    fn get(&self, name: &str) -> Result<Option<Entry>, Unavailable>;

    /// Writes, where what stands there is still of this version; `None` where nothing stands there yet.
    fn set(&self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<(), NotWritten>;
}

/// Where the workers' secret stands.
const SECRET: &str = "countersign/secret";

/// What the workers of a gateway know and nobody else: the first one's randomness.
pub(crate) struct Secret {
    /// This worker's own, which is the workers' secret if it comes first.
    own: [u8; 32],
    known: Cell<Option<[u8; 32]>>,
}

impl Secret {
    /// `own` is random for each worker.
    pub(crate) fn new(own: [u8; 32]) -> Self {
        Self { own, known: Cell::new(None) }
    }

    /// A digest that nobody else can make, of what is told apart by `purpose` and `parts`.
    pub(crate) fn digest(
        &self,
        purpose: &str,
        parts: &[&[u8]],
        shared: &dyn SharedData,
    ) -> Result<[u8; 32], Unavailable> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.get(shared)?).map_err(|_| Unavailable)?;
        for part in core::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Ok(mac.finalize().into_bytes().into())
    }

    fn get(&self, shared: &dyn SharedData) -> Result<[u8; 32], Unavailable> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let mut entry = shared.get(SECRET)?;
        if entry.is_none() {
            match shared.set(SECRET, &self.own, None) {
                Ok(()) | Err(NotWritten::Changed) => entry = shared.get(SECRET)?,
                Err(NotWritten::Unavailable) => return Err(Unavailable),
            }
        }
        let secret = entry.and_then(|entry| entry.bytes.try_into().ok()).ok_or(Unavailable)?;
        self.known.set(Some(secret));
        Ok(secret)
    }
}

/// Data of a worker that has no others.
#[derive(Debug, Default)]
pub struct Alone {
    entries: RefCell<BTreeMap<String, Entry>>,
}

impl SharedData for Alone {
    fn get(&self, name: &str) -> Result<Option<Entry>, Unavailable> {
        Ok(self.entries.borrow().get(name).cloned())
    }

    fn set(&self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<(), NotWritten> {
        let mut entries = self.entries.borrow_mut();
        let stands = entries.get(name).map(|entry| entry.version);
        if stands != version {
            return Err(NotWritten::Changed);
        }
        let version = stands.unwrap_or_default().wrapping_add(1).max(1);
        entries.insert(name.into(), Entry { bytes: bytes.into(), version });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_workers_secret_is_everyones() {
        let data = Alone::default();
        let digest = |own: u8, purpose, parts: &[&[u8]]| Secret::new([own; 32]).digest(purpose, parts, &data);
        let first = digest(1, "a", &[b"b", b"c"]).unwrap();
        assert_eq!(digest(2, "a", &[b"b", b"c"]), Ok(first));
        for (purpose, parts) in [("b", &[&b"b"[..], b"c"][..]), ("a", &[b"bc"]), ("a", &[b"b", b"c", b""])] {
            assert_ne!(digest(1, purpose, parts), Ok(first));
        }
        let alone = Alone::default();
        assert_ne!(
            Secret::new([2; 32]).digest("a", &[b"b", b"c"], &alone),
            Ok(first),
            "without it nobody can"
        );
        let spoilt = Alone::default();
        spoilt.set(SECRET, b"short", None).unwrap();
        assert_eq!(Secret::new([1; 32]).digest("a", &[], &spoilt), Err(Unavailable));
    }

    #[test]
    fn only_who_read_last_may_write() {
        let data = Alone::default();
        assert_eq!(data.get("a"), Ok(None));
        assert_eq!(data.set("a", b"1", Some(1)), Err(NotWritten::Changed));
        data.set("a", b"1", None).unwrap();
        assert_eq!(data.set("a", b"2", None), Err(NotWritten::Changed));
        let read = data.get("a").unwrap().unwrap();
        assert_eq!(read.bytes, b"1");
        data.set("a", b"2", Some(read.version)).unwrap();
        assert_eq!(data.set("a", b"3", Some(read.version)), Err(NotWritten::Changed));
        assert_eq!(data.get("a").unwrap().unwrap().bytes, b"2");
    }
}

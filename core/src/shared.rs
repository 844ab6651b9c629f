//! What the workers of one gateway share: named bytes, changed one writer at a time.
//!
//! A shell lends it as it lends signature verification; without one, a worker is alone with [`Alone`].

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

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

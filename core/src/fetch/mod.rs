//! Documents fetched through the gateway: what to ask for, and what came.

mod cache_headers;

pub use cache_headers::lifetime;

use crate::time::{Span, Timestamp};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Names a fetch to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchId(pub(crate) u64);

/// A document to fetch.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// To report it with.
    pub id: FetchId,
    /// The gateway's cluster.
    pub cluster: Box<str>,
    /// `http` or `https`.
    pub scheme: Box<str>,
    /// Host and port.
    pub authority: Box<str>,
    /// Path and query.
    pub path: Box<str>,
    /// How long it may take.
    pub timeout: Span,
}

/// What a fetch brought.
#[derive(Clone, Debug, Default)]
pub struct FetchAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers that say how long the answer is fresh and what it is, names in lower case. Others do no harm.
    pub headers: Vec<(Box<[u8]>, Box<[u8]>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Headers of an answer that are looked at.
const WANTED: [&[u8]; 5] = [b"age", b"cache-control", b"content-type", b"date", b"expires"];

impl FetchAnswer {
    /// An answer without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// An answer from its header map, the pseudo-header `:status` among it; nothing where there is none, as where a call failed.
    pub fn read<'h>(pairs: impl IntoIterator<Item = (&'h [u8], &'h [u8])>, body: Vec<u8>) -> Option<Self> {
        let (mut status, mut headers) = (None, Vec::new());
        for (name, value) in pairs {
            let name = name.to_ascii_lowercase();
            if name == b":status" {
                status = core::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            } else if WANTED.contains(&&*name) {
                headers.push((name.into(), value.into()));
            }
        }
        Some(Self { status: status?, headers, body })
    }

    /// How long the answer says that it stays fresh; nothing where it says nothing.
    pub fn lifetime(&self, now: Timestamp) -> Option<Span> {
        lifetime(|name| self.values(name), now)
    }

    /// Whether the answer says that it is a page for people, which no document of ours is.
    pub fn is_page(&self) -> bool {
        let page = b"text/html";
        self.values("content-type").any(|value| {
            value.trim_ascii().get(..page.len()).is_some_and(|start| start.eq_ignore_ascii_case(page))
        })
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let wanted = name.as_bytes();
        let named = self.headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| &**value)
    }
}

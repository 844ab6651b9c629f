//! Calls to others through the gateway: what to ask, and what came.

mod cache_headers;
mod form;

pub use cache_headers::lifetime;
pub use form::Form;

use crate::fetch::Location;
use crate::time::{Span, Timestamp};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Names a call to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub(crate) u64);

/// Something to ask of a cluster of the gateway.
#[derive(Clone, Debug)]
pub struct Call {
    /// To report it with.
    pub id: CallId,
    /// What it is for, in words of the log.
    pub purpose: &'static str,
    /// Where it goes.
    pub to: Location,
    /// The media types that are understood.
    pub accept: &'static str,
    /// What is posted; a call without it is a `GET`.
    pub form: Option<Form>,
    /// How long it may take.
    pub timeout: Span,
}

impl Call {
    /// The headers of its request, pseudo-headers first.
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers = Vec::from([
            (":method", if self.form.is_some() { "POST" } else { "GET" }),
            (":scheme", &*self.to.scheme),
            (":authority", &*self.to.authority),
            (":path", &*self.to.path),
            ("accept", self.accept),
        ]);
        if self.form.is_some() {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        headers
    }

    /// The body of its request.
    pub fn body(&self) -> &[u8] {
        self.form.as_ref().map_or(&[], Form::as_bytes)
    }
}

/// What a call brought.
#[derive(Clone, Debug, Default)]
pub struct CallAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers that say how long the answer is fresh and what it is, names in lower case. Others do no harm.
    pub headers: Vec<(Box<[u8]>, Box<[u8]>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Headers of an answer that are looked at.
const WANTED: [&[u8]; 5] = [b"age", b"cache-control", b"content-type", b"date", b"expires"];

impl CallAnswer {
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

    /// Whether the answer says that it is of this media type, whatever its parameters, and says nothing else.
    pub fn is_type(&self, expected: &str) -> bool {
        let mut said = self.values("content-type").peekable();
        said.peek().is_some()
            && said.all(|value| {
                let bare = value.split(|byte| *byte == b';').next().unwrap_or_default();
                bare.trim_ascii().eq_ignore_ascii_case(expected.as_bytes())
            })
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

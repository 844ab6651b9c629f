//! What goes into an exchange, and what it asks of the shell.

use crate::metrics::Counter;
use crate::refusal::Reply;
use crate::request::RequestHead;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Debug, Formatter};

/// Something happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The request's headers are there.
    RequestHeaders(RequestHead<'a>),
    /// What the exchange waits for has come, or will not.
    Settled,
    /// The exchange's deadline has passed.
    Timeout,
    /// The last effect could not be carried out.
    EffectFailed,
    /// The stream is gone: the client left, or the host gave up.
    Dropped,
}

/// Something the shell is to do, in the order given.
#[derive(Debug)]
pub enum Effect {
    /// Change the request's headers before it goes upstream.
    EditHeaders(HeaderEdits),
    /// Answer the client; nothing goes upstream.
    Reply(Reply),
    /// Write the audit line, one for each exchange.
    Audit(String),
    /// Count something.
    Count(Counter),
}

/// Changes to a request's headers: removals first. One may be a credential: printed for people, what is added is its names.
#[derive(Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Names as the client sent them.
    pub remove: Vec<Box<[u8]>>,
    /// Names, in lower case, with values; none of the names is left in the request by then.
    pub add: Vec<(Rc<str>, String)>,
}

impl Debug for HeaderEdits {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.add.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("HeaderEdits").field("remove", &self.remove).field("add", &names).finish()
    }
}

/// What becomes of the request for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It waits; an event will come, a timeout if nothing else.
    Hold,
    /// It goes upstream.
    Release,
    /// It is answered or gone.
    Closed,
}

//! When a document is fetched again: ahead of time, after a failure, and never all at once.

use crate::time::Span;

/// How a document is kept fresh. All spans but `stale` are positive.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// The age at which it is due for another fetch, at most.
    pub refresh: Span,
    /// The same at least, whatever the source asks for.
    pub min_refresh: Span,
    /// The least time between two fetches set off by what the document lacks, and after a failure.
    pub cooldown: Span,
    /// How long it stays in use past `refresh`.
    pub stale: Span,
    /// How long a fetch may take.
    pub timeout: Span,
}

impl Freshness {
    /// How long a document is fresh whose source says this of it, or nothing.
    pub fn lifetime(&self, said: Option<Span>) -> Span {
        said.unwrap_or(self.refresh).max(self.min_refresh).min(self.refresh)
    }

    /// How long it may be used.
    pub fn budget(&self) -> Span {
        Span::from_nanos(self.refresh.as_nanos().saturating_add(self.stale.as_nanos()))
    }

    /// How long to leave a source alone that has failed so often in a row: twice as long each time, up to `refresh`.
    pub fn pause(&self, failures: u32) -> Span {
        let doublings = failures.saturating_sub(1).min(32);
        let grown = self.cooldown.as_nanos().saturating_mul(1 << doublings);
        Span::from_nanos(grown.min(self.refresh.as_nanos()).max(self.cooldown.as_nanos()))
    }
}

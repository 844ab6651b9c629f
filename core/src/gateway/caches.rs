//! What the caches tell of themselves.

use super::{Gateway, Notice};
use crate::cache::Fill;
use crate::metrics::CacheName;
use crate::time::Timestamp;
use crate::token::Failure;

impl Gateway {
    /// How full each cache is, in the order of [`CacheName::ALL`].
    pub fn fills(&mut self, now: Timestamp) -> [Fill; CacheName::ALL.len()] {
        self.proofs.look(&self.settings.dpop, &*self.shared, now);
        CacheName::ALL.map(|cache| match cache {
            CacheName::Tokens => self.cache.fill(),
            CacheName::Failures => self.failures.fill(),
            CacheName::UpstreamTokens => self.upstream.fill(),
            CacheName::Proofs => self.proofs.fill(),
        })
    }

    /// Keeps a refusal.
    pub(super) fn keep_failure(&mut self, key: &[u8], failure: Failure, until: Timestamp) {
        let count = &mut |counter| self.notices.push_back(Notice::Count(counter));
        failure.keep(&mut self.failures, key, until, count);
    }
}

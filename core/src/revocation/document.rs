//! One document as a worker holds it.

use super::{Edition, Feed, Identifiers, Keys, Kind, Origin, Status, StatusList, Wanted};
use crate::crypto::SignatureProvider;
use crate::fetch::{Brought, Freshness, Schedule, Target};
use crate::keys::KeyStore;
use crate::reason::Reason;
use crate::settings::IssuerSettings;
use crate::time::{Span, Timestamp};
use alloc::string::{String, ToString};

/// What was published, and when it is fetched again.
pub struct Document {
    schedule: Schedule,
    held: Option<Content>,
    /// Counts the documents that were taken, so that what was looked up in one is not looked up in it again.
    edition: u32,
    /// From when on what is held is not to be relied on, the issuer's clock skew allowed for.
    expires: Option<Timestamp>,
    delay: Option<Span>,
}

enum Content {
    StatusList(StatusList),
    Feed(Feed),
}

/// How a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DocumentHealth {
    /// Tokens that it may speak of: statuses of a list, entries of a feed.
    pub entries: u64,
    /// The bytes that it takes.
    pub bytes: usize,
    /// How long ago it was asked for; nothing where it never was.
    pub age: Option<Span>,
    /// Failed fetches in a row.
    pub failures: u32,
    /// How long at most it took until what was revoked last was refused: from when the one before was asked for to when what is held was taken.
    pub delay: Option<Span>,
}

impl DocumentHealth {
    /// Of both together: sums of what they hold, and the worse of how fresh they are.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_add(other.entries),
            bytes: self.bytes.saturating_add(other.bytes),
            // One that was never fetched is older than any.
            age: self.age.zip(other.age).map(|(one, other)| one.max(other)),
            failures: self.failures.max(other.failures),
            delay: self.delay.max(other.delay),
        }
    }
}

impl Document {
    /// One that was not fetched yet. `seed` is random, so that workers do not fetch all at once.
    pub fn new(freshness: Freshness, seed: u64) -> Self {
        Self { schedule: Schedule::new(freshness, seed), held: None, edition: 0, expires: None, delay: None }
    }

    /// When it is fetched.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The same, to say what became of a fetch.
    pub fn schedule_mut(&mut self) -> &mut Schedule {
        &mut self.schedule
    }

    /// Whether it may be relied on, by who gives it so much longer than its budget.
    pub fn usable_within(&self, longer: Span, now: Timestamp) -> bool {
        self.schedule.usable_within(longer, now)
            && self.expires.is_none_or(|expires| now < expires.plus(longer))
    }

    /// Drops what is held unless its issuer still has the key that signed it: whoever has a key that was taken back may have signed it. What
    /// comes next need not be newer.
    pub fn drop_unless_signed_by(&mut self, keys: &KeyStore) {
        let signer = match &self.held {
            Some(Content::StatusList(list)) => list.signer(),
            Some(Content::Feed(feed)) => feed.signer(),
            None => return,
        };
        if !keys.contains(signer) {
            (self.held, self.expires) = (None, None);
            self.schedule.forget();
        }
    }

    /// Which of the documents that were taken it is; 0 where none was.
    pub fn edition(&self) -> u32 {
        self.edition
    }

    /// What the list says of the token at this index; nothing where it raises no objection.
    pub fn objects_to(&self, index: u32) -> Option<Reason> {
        match &self.held {
            Some(Content::StatusList(list)) => match list.status(index) {
                Some(Status::Valid) => None,
                Some(Status::Invalid) => Some(Reason::RevocationInvalid),
                Some(Status::Suspended) => Some(Reason::RevocationSuspended),
                Some(Status::Other(_)) | None => Some(Reason::RevocationStatusUnknown),
            },
            Some(Content::Feed(_)) | None => Some(Reason::SystemInternal),
        }
    }

    /// Whether the feed revokes a token.
    pub fn revokes(&self, token: &Identifiers<'_>) -> bool {
        match &self.held {
            Some(Content::Feed(feed)) => feed.revokes(token).is_some(),
            Some(Content::StatusList(_)) | None => true,
        }
    }

    /// How it is.
    pub fn health(&self, now: Timestamp) -> DocumentHealth {
        let (entries, bytes) = match &self.held {
            Some(Content::StatusList(list)) => (list.len(), list.bytes()),
            Some(Content::Feed(feed)) => (feed.entries() as u64, feed.bytes()),
            None => (0, 0),
        };
        let (age, failures) = (self.schedule.age(now), self.schedule.failures());
        // What was revoked since the copy was asked for is not refused yet.
        let delay = self.delay.map(|delay| age.map_or(delay, |age| delay.max(age)));
        DocumentHealth { entries, bytes, age, failures, delay }
    }

    fn list_issued(&self) -> Option<Timestamp> {
        match &self.held {
            Some(Content::StatusList(list)) => Some(list.issued()),
            Some(Content::Feed(_)) | None => None,
        }
    }

    fn feed_edition(&self) -> Option<Edition> {
        match &self.held {
            Some(Content::Feed(feed)) => Some(feed.edition()),
            Some(Content::StatusList(_)) | None => None,
        }
    }
}

/// A document, and all that is known of it before it is read.
pub(crate) struct Fetched<'a> {
    /// The document.
    pub(crate) document: &'a mut Document,
    /// What it should be.
    pub(crate) wanted: &'a Wanted,
    /// Whose it should be.
    pub(crate) issuer: &'a IssuerSettings,
    /// The issuer's keys.
    pub(crate) keys: &'a mut KeyStore,
    /// Who does the arithmetic.
    pub(crate) provider: &'a dyn SignatureProvider,
}

impl Target for Fetched<'_> {
    fn schedule(&mut self) -> &mut Schedule {
        &mut self.document.schedule
    }

    fn take(&mut self, document: &[u8], brought: Brought, now: Timestamp) -> Result<(), String> {
        let Self { document: held, wanted, issuer, .. } = self;
        let origin = Origin {
            uri: &wanted.uri,
            issuer: &issuer.name,
            algorithms: &issuer.algorithms,
            clock_skew: issuer.clock_skew,
            max_bytes: wanted.source.max_bytes,
        };
        let keys = Keys { store: &mut *self.keys, provider: self.provider, waited: false };
        // Past its budget a sequence that began anew is taken in the end; one that is older by its date never is.
        // What was issued in the future was by another clock, and keeps nothing out.
        let latest = now.plus(issuer.clock_skew);
        let held_list = held.list_issued().filter(|issued| *issued <= latest);
        let held_feed = held.feed_edition().filter(|edition| edition.issued <= latest).map(|edition| {
            match held.schedule.usable(now) {
                true => edition,
                false => Edition { sequence: None, ..edition },
            }
        });
        let (content, ttl, issued, expires) = match wanted.kind {
            Kind::StatusList => {
                let list = StatusList::read(document, &origin, keys, wanted.max_entries, now);
                let list = list.map_err(|error| error.to_string())?;
                if held_list.is_some_and(|held| list.issued() < held) {
                    return Err("expected a list that is not older than the one in use".into());
                }
                let (ttl, issued, expires) = (list.ttl(), list.issued(), list.expires());
                (Content::StatusList(list), ttl, issued, expires)
            }
            Kind::Feed => {
                let feed = Feed::read(document, &origin, keys, wanted.max_entries, held_feed, now);
                let feed = feed.map_err(|error| error.to_string())?;
                let (issued, expires) = (feed.edition().issued, feed.expires());
                (Content::Feed(feed), None, issued, expires)
            }
        };
        let aged = wanted.max_age.map(|age| issued.plus(age));
        if aged.is_some_and(|aged| now >= aged.plus(issuer.clock_skew)) {
            return Err("expected an `iat` within `max_age_seconds`".into());
        }
        let expires = [expires, aged].into_iter().flatten().min();
        held.delay = held.schedule.asked_at().map(|before| now.since(before).max(Span::ZERO));
        // It is fetched again before it ends.
        let left = expires.map(|expires| expires.since(brought.asked));
        let said = [ttl.or(brought.said), left].into_iter().flatten().min();
        held.schedule.renewed(Brought { said, ..brought });
        held.held = Some(content);
        held.edition = held.edition.wrapping_add(1).max(1);
        held.expires = expires.map(|expires| expires.plus(issuer.clock_skew));
        Ok(())
    }
}

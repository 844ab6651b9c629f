//! Fetching one document, for this worker and all others of the gateway.
//!
//! Before a fetch a worker takes a lease, which the others see: they wait for what comes of it in the place of fetching too. A
//! leader that dies leaves a lease that ends. Where the host shares no data, each worker fetches for itself.

use super::board::{Names, Shared, Status};
use super::discovery::Discovery;
use super::{Brought, Location, Source, Target};
use crate::call::{CallAnswer, CallId};
use crate::shared::{NotWritten, SharedData};
use crate::time::{Span, Timestamp};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How much longer a lease is than a fetch: time for the leader to say how it ended.
const GRACE: Span = Span::from_secs(1);

/// By how much another worker's clock may be ahead: each reads it when it is called.
pub(super) const AHEAD: Span = Span::from_secs(1);

/// How often a write is tried against others.
const TRIES: usize = 4;

/// How soon a worker looks again that could not write against the others.
const SOON: Span = Span::from_millis(20);

/// What this worker knows of one source.
pub(crate) struct Keeper {
    names: Names,
    /// This worker, among the others; never 0.
    me: u64,
    /// The round whose document was looked at last.
    seen: u64,
    stage: Stage,
    discovered: Option<Discovered>,
}

/// How far a fetch of this worker's is.
enum Stage {
    Idle,
    /// The discovery document is being fetched.
    Discovering(CallId),
    /// It has come, the document is next.
    Located,
    /// The document is being fetched.
    Fetching(CallId),
}

/// A discovery document that was followed.
struct Discovered {
    body: Vec<u8>,
    document: Location,
    at: Timestamp,
}

/// What the other workers have to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Nothing,
    /// A fetch has brought the document, and the target has it.
    Renewed,
    /// A fetch has failed.
    Failed,
    /// What was wanted was asked for by another worker just now, in vain.
    Asked,
}

/// What follows from an answer.
pub(crate) enum Step {
    /// One more document is to be fetched.
    Onward,
    /// The target has a new document.
    Renewed,
    /// The fetch has failed.
    Failed(String),
}

impl Keeper {
    /// A keeper that has fetched nothing; `me` is random.
    pub(crate) fn new(source: &Source, me: u64) -> Self {
        let names = Names::of(&source.name);
        Self { names, me: me.max(1), seen: 0, stage: Stage::Idle, discovered: None }
    }

    /// Whether this fetch is the one under way. An answer to any other is late and not looked at.
    pub(crate) fn awaits(&self, id: CallId) -> bool {
        match self.stage {
            Stage::Discovering(awaited) | Stage::Fetching(awaited) => awaited == id,
            Stage::Idle | Stage::Located => false,
        }
    }

    /// Looks at what the other workers have to tell, and takes what is new.
    pub(crate) fn look(
        &mut self,
        target: &mut dyn Target,
        source: &Source,
        shared: &dyn SharedData,
        now: Timestamp,
    ) -> News {
        let status = match shared.get(&self.names.status) {
            Ok(entry) => entry.and_then(|entry| Status::decode(&entry.bytes)).unwrap_or_default(),
            // A host that stops sharing leaves each worker to itself.
            Err(_) => Status::default(),
        };
        if status.good != self.seen {
            self.seen = status.good;
            if self.adopt(target, source, shared, now) {
                return News::Renewed;
            }
        }
        if target.schedule().heard_of_failure(status.failures, status.failed, now) {
            return News::Failed;
        }
        match status.led_by_other(self.me, lease(source), now) {
            Some(until) if matches!(self.stage, Stage::Idle) => target.schedule().follow(until),
            Some(_) => {}
            None => target.schedule().abandoned(),
        }
        if target.schedule().heard_of_part(status.part, now) { News::Asked } else { News::Nothing }
    }

    /// Takes the document that another worker has fetched, as if it had come from the network; false where it is no good or not newer.
    fn adopt(
        &mut self,
        target: &mut dyn Target,
        source: &Source,
        shared: &dyn SharedData,
        now: Timestamp,
    ) -> bool {
        let Ok(Some(entry)) = shared.get(&self.names.document) else { return false };
        let Some(document) = Shared::decode(&entry.bytes, source) else { return false };
        // A time to come is one from before the clock was set back: nobody knows how old that is. Workers read the clock one after the other.
        if document.brought.asked > now.plus(AHEAD) {
            return false;
        }
        let asked = document.brought.asked.min(now);
        if target.schedule().asked_at().is_some_and(|held| asked <= held) {
            return false;
        }
        let discovered = match (&source.discovery, document.discovery) {
            (None, _) => None,
            (Some(discovery), Some((at, body))) => {
                match Discovered::follow(discovery, body.to_vec(), source, at.min(now)) {
                    Ok(discovered) => Some(discovered),
                    Err(_) => return false,
                }
            }
            (Some(_), None) => return false,
        };
        let brought = Brought { asked, ..document.brought };
        let renewed = target.take(document.document, brought, now).is_ok();
        if renewed {
            let leads = !matches!(self.stage, Stage::Idle);
            self.stage = Stage::Idle;
            self.discovered = discovered;
            if leads {
                // Nobody waits for a fetch whose answer is not looked at.
                self.end_lease(shared, |_| {});
            }
        }
        renewed
    }

    /// Takes the right to fetch; false where another worker has it, whom the store then follows.
    pub(crate) fn take_lease(
        &mut self,
        target: &mut dyn Target,
        source: &Source,
        shared: &dyn SharedData,
        now: Timestamp,
    ) -> bool {
        for _ in 0..TRIES {
            let Ok(entry) = shared.get(&self.names.status) else { return true };
            let version = entry.as_ref().map(|entry| entry.version);
            let status = entry.and_then(|entry| Status::decode(&entry.bytes)).unwrap_or_default();
            if let Some(until) = status.led_by_other(self.me, lease(source), now) {
                target.schedule().follow(until);
                return false;
            }
            let part = if target.schedule().wants_part() { now } else { status.part };
            let leading = Status { holder: self.me, until: now.plus(lease(source)), part, ..status };
            match shared.set(&self.names.status, &leading.encode(), version) {
                Ok(()) | Err(NotWritten::Unavailable) => return true,
                Err(NotWritten::Changed) => {}
            }
        }
        target.schedule().follow(now.plus(SOON));
        false
    }

    /// Where the next document of the fetch that is to begin, or goes on, stands.
    pub(crate) fn next(&mut self, id: CallId, source: &Source, now: Timestamp) -> Location {
        let Some(discovery) = &source.discovery else {
            self.stage = Stage::Fetching(id);
            return source.document.clone();
        };
        match &self.discovered {
            Some(found) if matches!(self.stage, Stage::Located) || now < found.at.plus(discovery.refresh) => {
                self.stage = Stage::Fetching(id);
                found.document.clone()
            }
            _ => {
                self.stage = Stage::Discovering(id);
                source.document.clone()
            }
        }
    }

    /// Whether a fetch has come half its way.
    pub(crate) fn goes_on(&self) -> bool {
        matches!(self.stage, Stage::Located)
    }

    /// The answer to the fetch under way; `None` where none came.
    pub(crate) fn answered(
        &mut self,
        answer: Option<CallAnswer>,
        target: &mut dyn Target,
        source: &Source,
        shared: &dyn SharedData,
        now: Timestamp,
    ) -> Step {
        let stage = core::mem::replace(&mut self.stage, Stage::Idle);
        let taken = match (stage, &source.discovery) {
            (Stage::Discovering(_), Some(discovery)) => whole(answer).and_then(|answer| {
                self.discovered = Some(Discovered::follow(discovery, answer.body, source, now)?);
                self.stage = Stage::Located;
                Ok(Step::Onward)
            }),
            _ => whole(answer).and_then(|answer| {
                let asked = target.schedule().fetching_since().unwrap_or(now).min(now);
                let brought = Brought { asked, took: now.since(asked), said: answer.lifetime(now) };
                target.take(&answer.body, brought, now)?;
                let brought = Brought { took: target.schedule().took(), ..brought };
                self.publish(&answer.body, brought, source, shared);
                Ok(Step::Renewed)
            }),
        };
        taken.unwrap_or_else(|fault| {
            self.failed(target, shared, now);
            Step::Failed(fault)
        })
    }

    /// The fetch under way has failed.
    pub(crate) fn failed(&mut self, target: &mut dyn Target, shared: &dyn SharedData, now: Timestamp) {
        self.stage = Stage::Idle;
        // The document may have moved.
        self.discovered = None;
        let failures = target.schedule().failures().saturating_add(1);
        target.schedule().failed(failures, now);
        self.end_lease(shared, |status| {
            status.failures = status.failures.saturating_add(1).max(failures);
            status.failed = now;
        });
    }

    /// Hands the other workers what was fetched.
    fn publish(&mut self, document: &[u8], brought: Brought, source: &Source, shared: &dyn SharedData) {
        let discovery = self.discovered.as_ref().map(|found| (found.at, &*found.body));
        let document = Shared { brought, discovery, document }.encode(source);
        let written = document.is_some_and(|bytes| {
            (0..TRIES).any(|_| {
                let version = shared.get(&self.names.document).ok().flatten().map(|entry| entry.version);
                shared.set(&self.names.document, &bytes, version).is_ok()
            })
        });
        let round = self.end_lease(shared, |status| {
            (status.failures, status.failed) = (0, Timestamp::default());
            if written {
                status.good = status.round;
            }
        });
        if let (true, Some(round)) = (written, round) {
            self.seen = round;
        }
    }

    /// Ends this worker's lease, and says how the fetch went; gives the round's number where it was written.
    fn end_lease(&self, shared: &dyn SharedData, change: impl Fn(&mut Status)) -> Option<u64> {
        for _ in 0..TRIES {
            let entry = shared.get(&self.names.status).ok()?;
            let version = entry.as_ref().map(|entry| entry.version);
            let mut status = entry.and_then(|entry| Status::decode(&entry.bytes)).unwrap_or_default();
            status.round = status.round.wrapping_add(1).max(1);
            if status.holder == self.me {
                (status.holder, status.until) = (0, Timestamp::default());
            }
            change(&mut status);
            match shared.set(&self.names.status, &status.encode(), version) {
                Ok(()) => return Some(status.round),
                Err(NotWritten::Unavailable) => return None,
                Err(NotWritten::Changed) => {}
            }
        }
        None
    }

    /// The clock was set back so far. What others were handed before has no age any more, once the clock has caught up.
    pub(crate) fn set_back(&mut self, by: Span, source: &Source, shared: &dyn SharedData, now: Timestamp) {
        if let Ok(Some(entry)) = shared.get(&self.names.document)
            && Shared::decode(&entry.bytes, source).is_some_and(|held| held.brought.asked > now)
        {
            // Who was first has done it, or has brought a new one.
            _ = shared.set(&self.names.document, &[], Some(entry.version));
        }
        if let Some(discovered) = &mut self.discovered {
            discovered.at = discovered.at.minus(by);
        }
    }
}

impl Discovered {
    fn follow(discovery: &Discovery, body: Vec<u8>, source: &Source, at: Timestamp) -> Result<Self, String> {
        match discovery.follow(&body, &source.document) {
            Ok(document) => Ok(Self { body, document, at }),
            Err(error) => Err(format!("expected the issuer's discovery document: {error}")),
        }
    }
}

/// How long a lease is.
fn lease(source: &Source) -> Span {
    Span::from_nanos(source.freshness.timeout.as_nanos().saturating_add(GRACE.as_nanos()))
}

/// An answer that may hold a document.
fn whole(answer: Option<CallAnswer>) -> Result<CallAnswer, String> {
    let answer = answer.ok_or_else(|| String::from("no answer"))?;
    if answer.status != 200 {
        return Err(format!("expected status 200, found {}", answer.status));
    }
    if answer.is_page() {
        return Err(String::from("expected a document, found a page of `text/html`"));
    }
    Ok(answer)
}

#[cfg(test)]
pub(super) mod tests;

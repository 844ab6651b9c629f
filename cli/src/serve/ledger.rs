//! The last decisions, for those who look at the page: bounded in number and bytes. They are kept as they came, and made into what the
//! page shows when somebody looks; what is shown holds no credentials. Requests are kept with theirs for a while, for replays.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_host_sim::serve::Exchange;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::secrets::Secrets;
use super::view::{self, Shown};

/// Decisions that are kept, and their bytes.
const ENTRIES: usize = 500;
const BYTES: usize = 32 << 20;
/// How long requests are kept with their credentials.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// Bytes of one decision beside its body, and of what the page shows of it; of one that is larger the summary alone is kept.
const DETAIL: usize = 64 << 10;
/// Pages that can look on at once.
const VIEWERS: usize = 8;
/// Events that a page may be behind.
const BEHIND: usize = 1024;
/// Decisions that a page is told of in one go, the newest; of the others it hears how many there were.
const BATCH: usize = 100;

/// A request as it was, credentials among it.
#[derive(Clone)]
pub(crate) struct Original {
    /// What became of it.
    pub(crate) exchange: Arc<Exchange>,
    /// What told its credentials then.
    pub(crate) secrets: Arc<Secrets>,
}

struct Entry {
    /// Its place among all that there ever were.
    place: u64,
    id: u64,
    at: Instant,
    bytes: usize,
    replay_of: Option<u64>,
    kept: Kept,
}

enum Kept {
    /// As it came.
    Whole(Original),
    /// What is shown of it.
    Shown(Box<Shown>),
}

struct Viewer {
    events: Sender<Bytes>,
    /// The place of the first decision that it was not told of.
    next: u64,
    /// Whether it was told of none yet.
    new: bool,
}

#[derive(Default)]
struct Inner {
    entries: VecDeque<Entry>,
    /// Bytes of all of them.
    bytes: usize,
    /// The place of the next.
    place: u64,
    viewers: Vec<Viewer>,
    /// Whether somebody has been told that there is news.
    awaited: bool,
    secrets: Arc<Secrets>,
}

/// The last decisions.
#[derive(Default)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
    news: Notify,
}

impl Ledger {
    /// An empty one.
    pub(crate) fn new(secrets: Secrets) -> Self {
        let inner = Inner { secrets: Arc::new(secrets), ..Inner::default() };
        Self { inner: Mutex::new(inner), news: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What tells credentials from now on.
    pub(crate) fn mask_with(&self, secrets: Secrets) {
        self.inner().secrets = Arc::new(secrets);
    }

    /// What tells credentials now.
    pub(crate) fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.inner().secrets)
    }

    /// Adds an exchange. It costs little: workers do it between requests.
    pub(crate) fn add(&self, exchange: Arc<Exchange>, replay_of: Option<u64>) {
        let (id, bytes) = (exchange.id, exchange.byte_size());
        let too_large = bytes - exchange.body.len() > DETAIL;
        let mut inner = self.inner();
        let original = Original { exchange, secrets: Arc::clone(&inner.secrets) };
        let (kept, bytes) = match too_large {
            true => (Kept::Shown(Box::new(original.shown(replay_of))), DETAIL),
            false => (Kept::Whole(original), bytes),
        };
        let place = inner.place;
        inner.place += 1;
        inner.bytes += bytes;
        inner.entries.push_back(Entry { place, id, at: Instant::now(), bytes, replay_of, kept });
        let dropped = inner.bound();
        let called = inner.call();
        drop(inner);
        drop(dropped);
        if called {
            self.news.notify_one();
        }
    }

    /// One decision, as the page shows it.
    pub(crate) fn detail(&self, id: u64) -> Option<Value> {
        let mut inner = self.inner();
        inner.forget(Instant::now());
        let entry = inner.entries.iter().rev().find(|entry| entry.id == id)?;
        match &entry.kept {
            Kept::Shown(shown) => Some(shown.detail.clone()),
            Kept::Whole(original) => {
                let (original, replay_of) = (original.clone(), entry.replay_of);
                drop(inner);
                Some(original.shown(replay_of).detail)
            }
        }
    }

    /// A request with its credentials, while they are kept.
    pub(crate) fn original(&self, id: u64) -> Option<Original> {
        let mut inner = self.inner();
        inner.forget(Instant::now());
        match &inner.entries.iter().rev().find(|entry| entry.id == id)?.kept {
            Kept::Whole(original) => Some(original.clone()),
            Kept::Shown(_) => None,
        }
    }

    /// Somebody looks on: first what there is, then what comes. `None` where too many do already.
    pub(crate) fn look_on(&self, state: &Value) -> Option<Receiver<Bytes>> {
        let mut inner = self.inner();
        inner.viewers.retain(|viewer| !viewer.events.is_closed());
        if inner.viewers.len() >= VIEWERS {
            return None;
        }
        let (events, viewer) = channel(BEHIND);
        // The channel holds more than there is.
        let _ = events.try_send(event("state", state));
        let next = inner.entries.front().map_or(inner.place, |first| first.place);
        inner.viewers.push(Viewer { events, next, new: true });
        let called = inner.call();
        drop(inner);
        if called {
            self.news.notify_one();
        }
        Some(viewer)
    }

    /// Waits until there is something to tell those who look on.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Tells those who look on of what they were not told of yet. Whether somebody is behind all the same.
    pub(crate) fn tell(&self) -> bool {
        let mut inner = self.inner();
        inner.awaited = false;
        inner.viewers.retain(|viewer| !viewer.events.is_closed());
        let Some(first) = inner.viewers.iter().map(|viewer| viewer.next).min() else { return false };
        let whole = inner.viewers.iter().any(|viewer| viewer.new);
        let last = inner.place;
        let entries = inner.entries.iter().skip_while(|entry| entry.place < first);
        let due: Vec<(u64, Due)> = entries.map(|entry| (entry.place, Due::of(entry))).collect();
        drop(inner);
        let skipped = if whole { 0 } else { due.len().saturating_sub(BATCH) };
        // Rendering takes its time, and workers are not to wait for it.
        let events: Vec<(u64, Bytes)> = due
            .iter()
            .skip(skipped)
            .map(|(place, due)| (*place, event("decision", &due.summary())))
            .collect();
        let mut inner = self.inner();
        inner.viewers.iter_mut().map(|viewer| viewer.tell(&events, last)).fold(false, |any, one| any | one)
    }

    /// Tells those who look on what runs now.
    pub(crate) fn tell_state(&self, state: &Value) {
        self.inner().tell_all(&event("state", state));
    }

    /// Keeps connections alive, and forgets what has been kept for long enough.
    pub(crate) fn tick(&self) {
        let mut inner = self.inner();
        inner.forget(Instant::now());
        inner.tell_all(&Bytes::from_static(b": still here\n\n"));
    }
}

impl Original {
    /// What is shown of it, within bounds.
    pub(crate) fn shown(&self, replay_of: Option<u64>) -> Shown {
        Shown::of(&self.exchange, &self.secrets, replay_of, DETAIL)
    }
}

/// A decision that somebody is to be told of.
enum Due {
    Known(Value),
    Whole(Original, Option<u64>),
}

impl Due {
    fn of(entry: &Entry) -> Self {
        match &entry.kept {
            Kept::Shown(shown) => Self::Known(shown.summary.clone()),
            Kept::Whole(original) => Self::Whole(original.clone(), entry.replay_of),
        }
    }

    fn summary(&self) -> Value {
        match self {
            Self::Known(summary) => summary.clone(),
            Self::Whole(original, replay_of) => {
                view::summary(&original.exchange, &original.secrets, *replay_of)
            }
        }
    }
}

impl Viewer {
    /// Tells of decisions up to a place; whether it is behind all the same.
    fn tell(&mut self, events: &[(u64, Bytes)], last: u64) -> bool {
        let from = events.partition_point(|(place, _)| *place < self.next);
        for (place, event) in events.iter().skip(from) {
            let missed = place - self.next;
            if missed > 0 {
                if self.events.try_send(self::event("missed", &json!(missed))).is_err() {
                    return true;
                }
                self.next = *place;
            }
            if self.events.try_send(event.clone()).is_err() {
                return true;
            }
            self.next = place + 1;
        }
        self.new = false;
        self.next = self.next.max(last);
        false
    }
}

impl Inner {
    /// Takes the oldest out until what is left is within bounds.
    fn bound(&mut self) -> Vec<Entry> {
        let mut dropped = Vec::new();
        while self.entries.len() > ENTRIES || self.bytes > BYTES {
            let Some(entry) = self.entries.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            dropped.push(entry);
        }
        dropped
    }

    /// Whether somebody is to be told that there is news: once, until it is told to those who look on.
    fn call(&mut self) -> bool {
        !self.viewers.is_empty() && !std::mem::replace(&mut self.awaited, true)
    }

    /// Of what has been kept for long enough at this time nothing but what is shown stays.
    fn forget(&mut self, now: Instant) {
        for entry in &mut self.entries {
            if now.saturating_duration_since(entry.at) <= KEPT_FOR {
                // Those that follow are younger.
                return;
            }
            if let Kept::Whole(original) = &entry.kept {
                let mut shown = original.shown(entry.replay_of);
                shown.keep_no_more();
                entry.kept = Kept::Shown(Box::new(shown));
            }
        }
    }

    fn tell_all(&mut self, event: &Bytes) {
        for viewer in &self.viewers {
            // One that is that far behind learns it with the next change.
            let _ = viewer.events.try_send(event.clone());
        }
        self.viewers.retain(|viewer| !viewer.events.is_closed());
    }
}

/// An event as pages take it (server-sent events). JSON has no line ends within.
fn event(name: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests;

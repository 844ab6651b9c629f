//! The last decisions, for those who look at the page: bounded in number, and without credentials but for those that a replay may
//! need, which are kept apart and for a while.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_host_sim::serve::Exchange;
use countersign_host_sim::{HeaderMap, Properties};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::secrets::Secrets;
use super::view;

/// Decisions that are kept.
const ENTRIES: usize = 500;
/// Requests whose credentials are kept, the newest, and for how long.
const REPLAYABLE: usize = 200;
const KEPT_FOR: Duration = Duration::from_secs(600);
/// Bytes of what is kept of one decision for the page; of one that is larger its summary alone is kept.
const DETAIL: usize = 64 << 10;
/// Pages that can look on at once.
const VIEWERS: usize = 8;
/// Events that a page may be behind before it misses some.
const BEHIND: usize = 1024;

/// A request as it was, credentials among it.
#[derive(Clone)]
pub(crate) struct Original {
    /// Its head.
    pub(crate) headers: HeaderMap,
    /// The properties of its connection.
    pub(crate) properties: Properties,
}

struct Entry {
    id: u64,
    at: Instant,
    summary: Value,
    detail: Value,
    original: Option<Original>,
}

struct Viewer {
    events: Sender<Bytes>,
    missed: u64,
}

#[derive(Default)]
struct Inner {
    entries: VecDeque<Entry>,
    viewers: Vec<Viewer>,
    secrets: Arc<Secrets>,
}

/// The last decisions.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Inner>);

impl Ledger {
    /// An empty one.
    pub(crate) fn new(secrets: Secrets) -> Self {
        Self(Mutex::new(Inner { secrets: Arc::new(secrets), ..Inner::default() }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What tells credentials from now on.
    pub(crate) fn mask_with(&self, secrets: Secrets) {
        self.inner().secrets = Arc::new(secrets);
    }

    /// What tells credentials now.
    pub(crate) fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.inner().secrets)
    }

    /// Adds an exchange; its detail, as the page shows it.
    pub(crate) fn add(&self, exchange: Exchange, replay_of: Option<u64>) -> Value {
        let summary = view::summary(&exchange, &self.secrets(), replay_of);
        let mut detail = view::detail(&exchange, &self.secrets(), &summary);
        if detail.to_string().len() > DETAIL {
            detail = view::too_large(&summary);
        }
        let event = event("decision", &summary);
        let shown = detail.clone();
        let original = Original { headers: exchange.request, properties: exchange.properties };
        let entry = Entry { id: exchange.id, at: Instant::now(), summary, detail, original: Some(original) };
        let mut inner = self.inner();
        inner.entries.push_back(entry);
        if inner.entries.len() > ENTRIES {
            inner.entries.pop_front();
        }
        inner.forget();
        inner.tell(&event);
        shown
    }

    /// One decision, as the page shows it.
    pub(crate) fn detail(&self, id: u64) -> Option<Value> {
        let mut inner = self.inner();
        inner.forget();
        let entry = inner.entries.iter().rev().find(|entry| entry.id == id)?;
        let mut detail = entry.detail.clone();
        if let Some(members) = detail.as_object_mut() {
            members.insert("replayable".into(), entry.original.is_some().into());
        }
        Some(detail)
    }

    /// A request with its credentials, while they are kept.
    pub(crate) fn original(&self, id: u64) -> Option<Original> {
        let mut inner = self.inner();
        inner.forget();
        inner.entries.iter().rev().find(|entry| entry.id == id)?.original.clone()
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
        for entry in &inner.entries {
            let _ = events.try_send(event("decision", &entry.summary));
        }
        inner.viewers.push(Viewer { events, missed: 0 });
        Some(viewer)
    }

    /// Tells those who look on what runs now.
    pub(crate) fn tell_state(&self, state: &Value) {
        self.inner().tell(&event("state", state));
    }

    /// Keeps connections alive, and forgets what has been kept for long enough.
    pub(crate) fn tick(&self) {
        let mut inner = self.inner();
        inner.forget();
        inner.tell(&Bytes::from_static(b": still here\n\n"));
    }
}

impl Inner {
    fn forget(&mut self) {
        let newest = self.entries.len().saturating_sub(REPLAYABLE);
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if index < newest || entry.at.elapsed() > KEPT_FOR {
                entry.original = None;
            }
        }
    }

    fn tell(&mut self, event: &Bytes) {
        for viewer in &mut self.viewers {
            if viewer.missed > 0
                && viewer.events.try_send(self::event("missed", &json!(viewer.missed))).is_ok()
            {
                viewer.missed = 0;
            }
            if viewer.events.try_send(event.clone()).is_err() {
                viewer.missed += 1;
            }
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

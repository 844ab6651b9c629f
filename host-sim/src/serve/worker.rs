//! A thread with a VM: takes what happens on connections, one event after another, and answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::oneshot;

use super::client::{CallError, Client};
use super::{LogSink, ServeError};
use crate::builder::HostBuilder;
use crate::error::StartError;
use crate::outcome::{HttpCall, LocalReply, Message, Outcome, Request, Response, ResponseOutcome};
use crate::shared::{Shared, lock};
use crate::upstream::{REFUSED, TIMEOUT, made_up};
use crate::vm::{Answer, Plugin};
use crate::worker::Worker;

/// How long to wait before a VM that failed is replaced again, as Envoy backs off.
const BACK_OFF: Duration = Duration::from_secs(1);

/// What happens to a worker.
pub(super) enum Event {
    /// A request, as far as it has arrived.
    Open(u64, Box<Request>, oneshot::Sender<Progress>),
    /// A chunk of its body; whether it is the last.
    Body(u64, Vec<u8>, bool, oneshot::Sender<Progress>),
    /// The upstream's response.
    Respond(u64, Box<Response>, oneshot::Sender<Progress>),
    /// The exchange is over.
    Close(u64),
    /// The answer to a call of this incarnation of the VM.
    Answer(u32, u32, Option<Answer>),
    /// A shared queue of this worker's has a new value.
    Queue(u32),
    Stop,
}

/// What a connection is to do next.
pub(super) enum Progress {
    /// Send more of the request's body.
    More,
    Forward(Message),
    Reply(LocalReply),
    Respond(Message),
    /// Close the connection.
    Reset,
    /// The VM failed.
    Failed,
}

/// What a worker is made of.
pub(super) struct Setting {
    pub(super) builder: HostBuilder,
    pub(super) shared: Arc<Shared>,
    pub(super) clusters: BTreeMap<String, String>,
    pub(super) cluster_headers: BTreeMap<String, Vec<(String, String)>>,
    pub(super) client: Client,
    pub(super) runtime: runtime::Handle,
    pub(super) log: LogSink,
    pub(super) index: usize,
    /// Every worker of the gateway, by index.
    pub(super) peers: Peers,
}

/// Ways to reach the workers of a gateway.
pub(super) type Peers = Arc<Mutex<Vec<Sender<Event>>>>;

/// A worker that runs until this is dropped.
pub(super) struct Handle {
    events: Sender<Event>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Handle {
    pub(super) fn sender(&self) -> Sender<Event> {
        self.events.clone()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A thread that has ended has no receiver and nothing to stop.
        let _ = self.events.send(Event::Stop);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// Starts the VM, then the thread that drives it.
pub(super) fn spawn(setting: Setting) -> Result<Handle, ServeError> {
    let (events, inbox) = mpsc::channel();
    let plugin = setting.builder.plugin();
    lock(&setting.peers).push(events.clone());
    let index = setting.index;
    let mut driver = Driver {
        worker: None,
        incarnation: 0,
        restarted: None,
        next_tick: None,
        streams: HashMap::new(),
        waiting: HashMap::new(),
        events: events.clone(),
        plugin,
        setting,
    };
    driver.worker = Some(driver.start()?);
    let run = move || driver.run(&inbox);
    let thread = std::thread::Builder::new().name(format!("wasm-worker-{index}")).spawn(run);
    let thread =
        thread.map_err(|error| ServeError::Io { what: "no thread for a worker".to_owned(), error })?;
    Ok(Handle { events, thread: Some(thread) })
}

struct Driver {
    setting: Setting,
    plugin: Arc<Plugin>,
    /// `None` from a failure until a fresh VM has been started.
    worker: Option<Worker>,
    incarnation: u32,
    restarted: Option<Instant>,
    next_tick: Option<Instant>,
    /// Streams of the VM by the exchange they belong to.
    streams: HashMap<u64, u32>,
    /// Connections that wait for a stream to move.
    waiting: HashMap<u64, oneshot::Sender<Progress>>,
    events: Sender<Event>,
}

impl Driver {
    fn start(&self) -> Result<Worker, StartError> {
        let HostBuilder { module, clock, .. } = &self.setting.builder;
        let rng = self.setting.builder.rng(self.setting.index);
        Worker::start(module, &self.plugin, &self.setting.shared, clock, rng, self.setting.index)
    }

    fn run(mut self, inbox: &mpsc::Receiver<Event>) {
        self.settle();
        loop {
            let event = match self.next_tick {
                Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => inbox.recv().map_err(RecvTimeoutError::from),
            };
            match event {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => self.tick(),
            }
            self.settle();
        }
        let open: Vec<u64> = self.streams.keys().copied().collect();
        for key in open {
            self.handle(Event::Close(key));
        }
        self.settle();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Open(key, request, reply) => {
                self.revive();
                let Some(worker) = &mut self.worker else {
                    // The connection may be gone; then no one wants to know.
                    let _ = reply.send(Progress::Failed);
                    return;
                };
                let id = worker.open(&request);
                self.streams.insert(key, id);
                self.waiting.insert(key, reply);
            }
            Event::Body(key, chunk, end, reply) => {
                self.waiting.insert(key, reply);
                if let (Some(worker), Some(id)) = (&mut self.worker, self.streams.get(&key)) {
                    worker.request_body(*id, chunk, end);
                }
            }
            Event::Respond(key, response, reply) => {
                self.waiting.insert(key, reply);
                if let (Some(worker), Some(id)) = (&mut self.worker, self.streams.get(&key)) {
                    worker.respond(*id, *response);
                }
            }
            Event::Close(key) => {
                self.waiting.remove(&key);
                if let (Some(worker), Some(id)) = (&mut self.worker, self.streams.remove(&key))
                    && let Some(stream) = worker.close(id)
                {
                    worker.recycle(stream);
                }
            }
            Event::Answer(incarnation, token, answer) => {
                if let Some(worker) = self.worker.as_mut().filter(|_| incarnation == self.incarnation) {
                    // A VM that fails here is found failed when things are settled.
                    let _ = worker.answer(token, answer);
                }
            }
            Event::Queue(token) => {
                if let Some(worker) = &mut self.worker {
                    let _ = worker.queue_ready(token);
                }
            }
            Event::Stop => {}
        }
    }

    fn tick(&mut self) {
        self.next_tick = None;
        match &mut self.worker {
            Some(worker) => {
                let _ = worker.tick();
                let period = worker.instance.vm().tick_period;
                self.next_tick = period.map(|nanos| Instant::now() + Duration::from_nanos(nanos));
            }
            None => self.revive(),
        }
    }

    /// After every event: calls go out, logs are passed on, connections hear of streams that moved.
    fn settle(&mut self) {
        let Some(worker) = &mut self.worker else {
            for (_, reply) in self.waiting.drain() {
                let _ = reply.send(Progress::Failed);
            }
            return;
        };
        for line in worker.take_logs() {
            (self.setting.log)(&line);
        }
        for mut call in worker.take_calls() {
            for (name, value) in self.setting.cluster_headers.get(&call.cluster()).into_iter().flatten() {
                call.headers.set(name.as_bytes(), value.as_bytes());
            }
            self.setting.runtime.spawn(make_call(
                self.setting.client.clone(),
                self.setting.clusters.get(&call.cluster()).cloned().unwrap_or_default(),
                call,
                Arc::clone(&self.plugin),
                self.events.clone(),
                self.incarnation,
            ));
        }
        for (index, token) in self.setting.shared.take_ready() {
            if let Some(peer) = lock(&self.setting.peers).get(index) {
                // A worker that has stopped has no one left to tell.
                let _ = peer.send(Event::Queue(token));
            }
        }
        let vm = worker.instance.vm_mut();
        if std::mem::take(&mut vm.tick_changed) {
            self.next_tick = vm.tick_period.map(|nanos| Instant::now() + Duration::from_nanos(nanos));
        }
        let moved: Vec<(u64, Progress)> = self
            .waiting
            .keys()
            .filter_map(|key| Some((*key, progress(worker, *self.streams.get(key)?)?)))
            .collect();
        for (key, progress) in moved {
            if let Some(reply) = self.waiting.remove(&key) {
                let _ = reply.send(progress);
            }
        }
        if worker.instance.has_failed() {
            self.bury();
        }
    }

    /// A failed VM answers all its streams with the failure, and is gone.
    fn bury(&mut self) {
        self.worker = None;
        self.incarnation += 1;
        self.streams.clear();
        for (_, reply) in self.waiting.drain() {
            let _ = reply.send(Progress::Failed);
        }
        self.next_tick = None;
        self.revive();
        if self.worker.is_none() {
            self.next_tick = Some(Instant::now() + BACK_OFF);
        }
    }

    /// Starts a fresh VM, unless one was started a moment ago.
    fn revive(&mut self) {
        let too_soon = self.restarted.is_some_and(|at| at.elapsed() < BACK_OFF);
        if self.worker.is_some() || too_soon {
            return;
        }
        self.restarted = Some(Instant::now());
        match self.start() {
            Ok(worker) => self.worker = Some(worker),
            Err(error) => {
                for line in &error.logs {
                    (self.setting.log)(line);
                }
            }
        }
    }
}

/// What the connection of a stream is to do; `None` while the filter holds it.
fn progress(worker: &Worker, id: u32) -> Option<Progress> {
    let stream = worker.stream(id)?;
    match Worker::response_outcome(stream) {
        ResponseOutcome::Sent(message) => return Some(Progress::Respond(message)),
        ResponseOutcome::Reply(reply) => return Some(Progress::Reply(reply)),
        ResponseOutcome::Failed(_) => return Some(Progress::Failed),
        ResponseOutcome::Paused => return None,
        ResponseOutcome::None => {}
    }
    match Worker::outcome(stream) {
        Outcome::Forwarded(message) => Some(Progress::Forward(message)),
        Outcome::Closed => Some(Progress::Reset),
        Outcome::Failed(_) => Some(Progress::Failed),
        Outcome::Incomplete => Some(Progress::More),
        // Held back with more to come: the filter wants to see the rest.
        Outcome::Paused if !stream.request.stopped && !stream.request.ended => Some(Progress::More),
        Outcome::Paused | Outcome::Reply(_) => None,
    }
}

async fn make_call(
    client: Client,
    address: String,
    call: HttpCall,
    plugin: Arc<Plugin>,
    events: Sender<Event>,
    incarnation: u32,
) {
    let message = Message { headers: call.headers, body: call.body, trailers: call.trailers };
    let sent = client.send(&address, &message);
    let result =
        if call.timeout.is_zero() { Ok(sent.await) } else { tokio::time::timeout(call.timeout, sent).await };
    let answer = match result {
        Ok(Ok(Response { headers, body, trailers, .. })) => {
            Some(Answer { headers, body: body.concat(), trailers: trailers.unwrap_or_default() })
        }
        Ok(Err(CallError::Connect)) => made_up(plugin.profile, 503, REFUSED),
        Ok(Err(CallError::Broken)) => None,
        Err(_) => made_up(plugin.profile, 504, TIMEOUT),
    };
    // The worker may have stopped; then no one waits for the answer.
    let _ = events.send(Event::Answer(incarnation, call.token, answer));
}

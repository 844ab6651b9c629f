//! gRPC services that answer as a scenario says, and what they were asked.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use countersign_cli::live::{GrpcAnswer, GrpcEnd, GrpcScript};
use countersign_host_sim::{GrpcCall, HeaderMap};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::trace;
use crate::grpc::{Call, Messages, Next, Reply, Server};

/// How often the log is looked at.
const PAUSE: Duration = Duration::from_millis(2);
/// What was sent goes out before a connection breaks.
const FLUSH: Duration = Duration::from_millis(20);
/// What tells how long a call may take. A stream has none.
const TIMEOUT: &str = "grpc-timeout";

/// All calls, in the order in which they came.
pub(super) type Calls = Arc<Mutex<Vec<GrpcCall>>>;

/// Where Envoy's log is, and its main thread.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) file: PathBuf,
    pub(super) main: u32,
}

/// The services of a cluster.
pub(super) struct Services {
    server: Server,
    shared: Arc<Shared>,
    /// How many of the calls that were refused are in the list.
    refused: usize,
}

struct Shared {
    cluster: String,
    address: OnceLock<SocketAddr>,
    script: Mutex<GrpcScript>,
    calls: Calls,
    log: OnceLock<Log>,
}

impl Services {
    pub(super) fn start(cluster: &str, script: GrpcScript, calls: Calls) -> Result<Self> {
        let shared = Arc::new(Shared {
            cluster: cluster.to_owned(),
            address: OnceLock::new(),
            script: Mutex::new(script),
            calls,
            log: OnceLock::new(),
        });
        let answering = Arc::clone(&shared);
        let server = Server::start(move |call| Box::pin(answer(call, Arc::clone(&answering))))?;
        let _ = shared.address.set(server.address());
        Ok(Self { server, shared, refused: 0 })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Envoy runs. Until then nothing is answered, since nobody knows whose calls they are.
    pub(super) fn follow(&self, log: Log) {
        let _ = self.shared.log.set(log);
    }

    /// Answers so from now on.
    pub(super) fn serve(&self, script: GrpcScript) {
        *locked(&self.shared.script) = script;
    }

    /// Closes the port while a call is to be refused next, and opens it where none is.
    pub(super) fn prepare(&mut self) -> Result<()> {
        self.note_refused();
        let refuses = locked(&self.shared.script).refuses();
        self.server.set_open(!refuses)
    }

    /// Takes note of calls that were refused. What they would have sent nobody has seen.
    pub(super) fn note_refused(&mut self) {
        let refused = self.shared.attempts().into_iter().filter(|attempt| attempt.is_refused);
        for attempt in refused.skip(self.refused) {
            self.refused += 1;
            locked(&self.shared.script).next(&attempt.path);
            let has_timeout = attempt.headers.iter().any(|(name, _)| name == TIMEOUT);
            let headers = attempt.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let call = self.shared.call(&attempt.path, headers, !has_timeout);
            locked(&self.shared.calls).push(call);
        }
    }
}

impl Shared {
    /// The connections that Envoy's workers tried to make, and those that its main thread made.
    fn attempts(&self) -> Vec<trace::Attempt> {
        let (Some(log), Some(address)) = (self.log.get(), self.address.get()) else { return Vec::new() };
        let text = fs::read(&log.file).unwrap_or_default();
        let mut attempts = trace::attempts(&String::from_utf8_lossy(&text), *address);
        // Those that failed for the main thread's VMs are no calls of the module's.
        attempts.retain(|attempt| !attempt.is_refused || attempt.thread != log.main);
        attempts
    }

    /// Whether a connection is one of Envoy's main thread, whose VMs take no requests.
    async fn is_of_main(&self, connection: usize) -> bool {
        loop {
            let made = self.attempts().into_iter().filter(|attempt| !attempt.is_refused).nth(connection);
            if let (Some(made), Some(log)) = (made, self.log.get()) {
                return made.thread == log.main;
            }
            sleep(PAUSE).await;
        }
    }

    /// A call as it begins.
    fn call<'a>(
        &self,
        path: &str,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        stream: bool,
    ) -> GrpcCall {
        let (service, method) = path.split_once('/').unwrap_or((path, ""));
        let own = |name: &str| {
            name.starts_with(':')
                || name.starts_with("x-envoy-")
                || ["te", "content-type", TIMEOUT, "x-forwarded-proto", "x-request-id"].contains(&name)
        };
        GrpcCall {
            worker: 0,
            token: 0,
            cluster: self.cluster.clone().into_bytes(),
            service: service.to_owned(),
            method: method.to_owned(),
            metadata: HeaderMap::from_pairs(headers.filter(|(name, _)| !own(name))),
            messages: Vec::new(),
            timeout: Duration::ZERO,
            stream,
            ended: false,
            cancelled: false,
            at: 0,
        }
    }

    fn change(&self, place: usize, change: impl FnOnce(&mut GrpcCall)) {
        if let Some(call) = locked(&self.calls).get_mut(place) {
            change(call);
        }
    }
}

/// A call on its way.
struct Open {
    shared: Arc<Shared>,
    /// Where it is in the list.
    place: usize,
    since: Instant,
    timeout: Option<Duration>,
    /// Whether it was answered to the end.
    is_over: Mutex<bool>,
}

impl Open {
    /// Whoever called has gone: he gave up, unless there was an end or his time was over.
    fn gone(&self) {
        let in_time = self.timeout.is_none_or(|timeout| self.since.elapsed() < timeout);
        if in_time && !*locked(&self.is_over) {
            self.shared.change(self.place, |call| call.cancelled = true);
        }
    }

    fn over(&self) {
        *locked(&self.is_over) = true;
    }
}

/// Answers a call as the script says.
async fn answer(call: Call, shared: Arc<Shared>) -> Option<()> {
    let Call { connection, head, asked, reply } = call;
    if shared.is_of_main(connection).await {
        return std::future::pending().await;
    }
    let path = head.uri.path().trim_start_matches('/').to_owned();
    let timeout = head.headers.get(TIMEOUT).map(|text| span(text.to_str().unwrap_or_default()));
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let made = shared.call(&path, headers, timeout.is_none());
    let answer = locked(&shared.script).next(&path);
    let place = {
        let mut calls = locked(&shared.calls);
        calls.push(made);
        calls.len() - 1
    };
    let open = Open { shared, place, since: Instant::now(), timeout, is_over: Mutex::new(false) };
    let (tell, heard) = unbounded_channel();
    let ((), given) = tokio::join!(hear(asked, tell, &open), give(reply, answer, heard, &open));
    given
}

/// Takes what is sent. It is told of each message, and of their end.
async fn hear(mut asked: Messages, tell: UnboundedSender<bool>, open: &Open) {
    loop {
        match asked.what_next().await {
            Next::Message(message) => {
                open.shared.change(open.place, |call| call.messages.push(message));
                let _ = tell.send(true);
            }
            Next::End => {
                open.shared.change(open.place, |call| call.ended = true);
                let _ = tell.send(false);
                return;
            }
            Next::Gone => return open.gone(),
        }
    }
}

async fn give(
    mut reply: Reply,
    answer: GrpcAnswer,
    mut heard: UnboundedReceiver<bool>,
    open: &Open,
) -> Option<()> {
    let pairs = |map: &HeaderMap| -> Vec<(Vec<u8>, Vec<u8>)> {
        map.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    };
    let initial = pairs(&answer.initial);
    let is_call = open.timeout.is_some();
    let begins = !initial.is_empty() || !answer.messages.is_empty() || answer.in_turn && !is_call;
    if is_call {
        // It is one message, and its end.
        while heard.recv().await? {}
    }
    sleep(answer.delay).await;
    if begins {
        reply.begin(&borrowed(&initial))?;
    }
    if answer.in_turn && !is_call {
        let mut messages = answer.messages.iter();
        while heard.recv().await? {
            sleep(answer.delay).await;
            if let Some(message) = messages.next() {
                reply.send(message)?;
            }
        }
    } else {
        for (nth, message) in answer.messages.iter().enumerate() {
            sleep(if nth == 0 { Duration::ZERO } else { answer.pause }).await;
            reply.send(message)?;
        }
        sleep(if answer.messages.is_empty() { Duration::ZERO } else { answer.pause }).await;
    }
    match answer.end {
        GrpcEnd::Status(status, message) => {
            let mut trailing = vec![(b"grpc-status".to_vec(), status.to_string().into_bytes())];
            if !message.is_empty() {
                trailing.push((b"grpc-message".to_vec(), message.into_bytes()));
            }
            trailing.extend(pairs(&answer.trailing));
            open.over();
            if begins { reply.end(&borrowed(&trailing)) } else { reply.alone(&borrowed(&trailing)) }
        }
        // Who is to be refused has come before the port was closed.
        GrpcEnd::Reset | GrpcEnd::Refused => {
            open.over();
            sleep(FLUSH).await;
            reply.break_off().await
        }
        GrpcEnd::Silence => {
            reply.given_up().await;
            open.gone();
            Some(())
        }
    }
}

fn borrowed(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<(&[u8], &[u8])> {
    pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
}

/// A span as gRPC writes it: a number, and a letter for its unit.
fn span(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let number: u64 = number.parse().unwrap_or_default();
    match unit {
        "H" => Duration::from_secs(number.saturating_mul(3600)),
        "M" => Duration::from_secs(number.saturating_mul(60)),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        _ => Duration::from_nanos(number),
    }
}

pub(super) fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

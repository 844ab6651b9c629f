//! One VM with its root context and its streams, driven by whoever owns the clock and the network.

mod pump;

use std::borrow::Cow;
use std::sync::Arc;

use crate::clock::Clock;
use crate::error::{Failure, FailureKind, StartError, StartFailure};
use crate::header_map::HeaderMap;
use crate::instance::Instance;
use crate::local_reply::reply_as_sent;
use crate::log::LogLine;
use crate::module::Module;
use crate::outcome::{HttpCall, Outcome, Request, Response, ResponseOutcome};
use crate::rng::Rng;
use crate::shared::Shared;
use crate::status::BROKEN_CONNECTION;
use crate::stream::{End, Stage, Stream};
use crate::vm::{Answer, Plugin, ROOT, Vm};

pub(crate) struct Worker {
    pub(crate) instance: Instance,
    next_id: u32,
    #[expect(clippy::vec_box, reason = "streams move in and out of the map by their box")]
    spare: Vec<Box<Stream>>,
}

impl Worker {
    /// Instantiates, starts and configures a VM.
    pub(crate) fn start(
        module: &Module,
        plugin: &Arc<Plugin>,
        shared: &Arc<Shared>,
        clock: &Clock,
        rng: Rng,
        index: usize,
    ) -> Result<Self, StartError> {
        if let Err(error) = module.fits(plugin.profile) {
            return Err(StartError { reason: error.into(), logs: Vec::new() });
        }
        let vm =
            Vm::new(Arc::clone(plugin), Arc::clone(shared), clock.clone(), rng, module.abi_version(), index);
        let instance = Instance::start(module, vm)
            .map_err(|(reason, mut vm)| StartError { reason, logs: std::mem::take(&mut vm.logs.lines) })?;
        let mut worker = Self { instance, next_id: ROOT + 1, spare: Vec::new() };
        match worker.configure() {
            Ok(()) => Ok(worker),
            Err(reason) => Err(StartError { reason, logs: worker.take_logs() }),
        }
    }

    fn configure(&mut self) -> Result<(), StartFailure> {
        let plugin = Arc::clone(&self.instance.vm().plugin);
        let instance = &mut self.instance;
        instance.vm_mut().configuring = true;
        instance.call("proxy_on_context_create", ROOT, |e| e.context_create.as_ref(), (ROOT, 0))?;
        instance.vm_mut().configuring = false;
        let size = plugin.vm_configuration.len() as u32;
        if instance.call("proxy_on_vm_start", ROOT, |e| e.vm_start.as_ref(), (ROOT, size))? == Some(0) {
            return Err(StartFailure::VmConfiguration);
        }
        self.hand_configuration()
    }

    fn hand_configuration(&mut self) -> Result<(), StartFailure> {
        let instance = &mut self.instance;
        instance.vm_mut().configuring = true;
        let size = instance.vm().plugin.configuration.len() as u32;
        let configured = instance.call("proxy_on_configure", ROOT, |e| e.configure.as_ref(), (ROOT, size));
        instance.vm_mut().configuring = false;
        if configured? == Some(0) { Err(StartFailure::Configuration) } else { Ok(()) }
    }

    /// Hands the running VM another configuration; one that it refuses leaves it with the old one.
    pub(crate) fn reconfigure(&mut self, plugin: &Arc<Plugin>) -> Result<(), StartFailure> {
        let old = std::mem::replace(&mut self.instance.vm_mut().plugin, Arc::clone(plugin));
        let configured = self.hand_configuration();
        if configured.is_err() {
            self.instance.vm_mut().plugin = old;
        }
        self.follow_up();
        configured
    }

    pub(crate) fn take_logs(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.instance.vm_mut().logs.lines)
    }

    pub(crate) fn take_calls(&mut self) -> Vec<HttpCall> {
        std::mem::take(&mut self.instance.vm_mut().outgoing)
    }

    /// Whether there are calls to send that were made since the last look.
    pub(crate) fn has_work(&self) -> bool {
        let vm = self.instance.vm();
        !vm.outgoing.is_empty() || !vm.grpc.actions.is_empty()
    }

    pub(crate) fn stream(&self, id: u32) -> Option<&Stream> {
        self.instance.vm().streams.get(&id).map(|s| &**s)
    }

    pub(crate) fn stream_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.instance.vm_mut().streams.get_mut(&id).map(|s| &mut **s)
    }

    /// Opens a stream for a request and offers the filter what has arrived of it.
    pub(crate) fn open(&mut self, request: &Request) -> u32 {
        let mut stream = self.spare.pop().unwrap_or_default();
        stream.started = self.instance.vm().clock.now();
        stream.request.headers.clone_from(&request.headers);
        stream.request.stage = Stage::Headers;
        stream.request.ended = !request.unfinished;
        for chunk in &request.body {
            stream.request.arrive(chunk.clone());
        }
        for map in &request.metadata {
            stream.request.arrive_metadata(map);
        }
        stream.request.end_after_metadata(request.trailers.is_some());
        if let Some(trailers) = &request.trailers {
            stream.request.trailers.clone_from(trailers);
            stream.request.has_trailers = true;
        }
        stream.properties = request.properties.clone();
        self.admit(stream)
    }

    /// Opens a stream of which nothing has arrived.
    pub(crate) fn open_idle(&mut self) -> u32 {
        let mut stream = self.spare.pop().unwrap_or_default();
        stream.started = self.instance.vm().clock.now();
        self.admit(stream)
    }

    fn admit(&mut self, mut stream: Box<Stream>) -> u32 {
        let id = self.take_id();
        stream.id = id;
        let vm = self.instance.vm_mut();
        if vm.streams.len() >= vm.plugin.limits.streams {
            let failure = Failure { kind: FailureKind::Streams, callback: "", message: String::new() };
            stream.end = Some(End::Failed(failure));
        }
        vm.streams.insert(id, stream);
        let created =
            self.instance.call("proxy_on_context_create", id, |e| e.context_create.as_ref(), (id, ROOT));
        match created {
            Ok(_) => self.progress(id),
            Err(failure) => self.fail(id, failure),
        }
        id
    }

    /// The next context id that is free.
    pub(crate) fn take_id(&mut self) -> u32 {
        loop {
            let id = self.next_id;
            self.next_id = self.next_id.checked_add(1).unwrap_or(ROOT + 1);
            if !self.instance.vm().exists(id) {
                return id;
            }
        }
    }

    /// More of a request that was left open.
    pub(crate) fn request_body(&mut self, id: u32, chunk: Vec<u8>, end: bool) {
        if let Some(stream) = self.stream_mut(id) {
            if stream.request.ended {
                return;
            }
            stream.request.arrive(chunk);
            stream.request.ended = end;
            self.progress(id);
        }
    }

    /// The trailers of a request that was left open, which end it.
    pub(crate) fn request_trailers(&mut self, id: u32, trailers: HeaderMap) {
        if let Some(stream) = self.stream_mut(id) {
            if stream.request.ended {
                return;
            }
            stream.request.trailers = trailers;
            stream.request.has_trailers = true;
            stream.request.ended = true;
            self.progress(id);
        }
    }

    /// Metadata of a request that was left open.
    pub(crate) fn request_metadata(&mut self, id: u32, map: &HeaderMap) {
        if let Some(stream) = self.stream_mut(id).filter(|stream| !stream.request.ended) {
            stream.request.arrive_metadata(map);
            self.progress(id);
        }
    }

    /// Metadata of a response that was left open.
    pub(crate) fn response_metadata(&mut self, id: u32, map: &HeaderMap) {
        if let Some(stream) =
            self.stream_mut(id).filter(|stream| stream.response.began() && !stream.response.ended)
        {
            stream.response.arrive_metadata(map);
            self.progress(id);
        }
    }

    /// The upstream's response.
    pub(crate) fn respond(&mut self, id: u32, response: Response) {
        if let Some(stream) = self.stream_mut(id) {
            if stream.response.began() || stream.end.is_some() {
                return;
            }
            stream.response.headers = response.headers;
            stream.response.stage = Stage::Headers;
            stream.response.ended = !response.unfinished;
            for chunk in response.body {
                stream.response.arrive(chunk);
            }
            for map in &response.metadata {
                stream.response.arrive_metadata(map);
            }
            stream.response.end_after_metadata(response.trailers.is_some());
            if let Some(trailers) = response.trailers {
                stream.response.trailers = trailers;
                stream.response.has_trailers = true;
            }
            self.progress(id);
        }
    }

    /// More of a response that was left open.
    pub(crate) fn response_body(&mut self, id: u32, chunk: Vec<u8>, end: bool) {
        if let Some(stream) = self.stream_mut(id) {
            if !stream.response.began() || stream.response.ended || stream.local.is_some() {
                return;
            }
            if !chunk.is_empty() || end {
                stream.response.arrive(chunk);
            }
            stream.response.ended = end;
            self.progress(id);
        }
    }

    /// Ends a stream: log, done and delete, in the profile's order.
    pub(crate) fn close(&mut self, id: u32) -> Option<Box<Stream>> {
        let stream = self.stream_mut(id)?;
        stream.over = true;
        stream.logging = true;
        stream.request.logged = true;
        // A request's trailers are not logged.
        stream.response.logged = stream.response.began();
        stream.response.logs_trailers = stream.response.has_trailers;
        let log_first = self.instance.vm().plugin.profile.log_before_done();
        let mut ended = Ok(());
        if log_first {
            ended = self.instance.call("proxy_on_log", id, |e| e.log.as_ref(), id).map(drop);
        }
        if log_first && let Some(stream) = self.stream_mut(id) {
            // What the log was lent is gone once it is written.
            stream.logging = false;
            stream.request.logged = false;
            (stream.response.logged, stream.response.logs_trailers) = (false, false);
        }
        ended =
            ended.and_then(|()| self.instance.call("proxy_on_done", id, |e| e.done.as_ref(), id).map(drop));
        if !log_first {
            ended =
                ended.and_then(|()| self.instance.call("proxy_on_log", id, |e| e.log.as_ref(), id).map(drop));
        }
        // A failure here ends the VM, not the answer that has been given.
        let _ = ended.and_then(|()| self.instance.call("proxy_on_delete", id, |e| e.delete.as_ref(), id));
        let stream = self.instance.vm_mut().streams.remove(&id);
        self.follow_up();
        stream
    }

    /// Gives a closed stream's allocations to the next one.
    pub(crate) fn recycle(&mut self, mut stream: Box<Stream>) {
        let Stream { request, response, state, .. } = &mut *stream;
        request.reset();
        response.reset();
        state.clear();
        let (request, response) = (std::mem::take(request), std::mem::take(response));
        let state = std::mem::take(state);
        *stream = Stream { request, response, state, ..Stream::default() };
        if self.spare.len() < 64 {
            self.spare.push(stream);
        }
    }

    pub(crate) fn tick(&mut self) -> Result<(), Failure> {
        let ticked = self.instance.call("proxy_on_tick", ROOT, |e| e.tick.as_ref(), ROOT);
        self.follow_up();
        ticked.map(drop)
    }

    pub(crate) fn queue_ready(&mut self, token: u32) -> Result<(), Failure> {
        let called =
            self.instance.call("proxy_on_queue_ready", ROOT, |e| e.queue_ready.as_ref(), (ROOT, token));
        self.follow_up();
        called.map(drop)
    }

    /// Delivers the answer to a call; `None` is a call that failed.
    pub(crate) fn answer(&mut self, token: u32, answer: Option<Answer>) -> Result<(), Failure> {
        let vm = self.instance.vm_mut();
        vm.in_flight = vm.in_flight.saturating_sub(1);
        let sizes = answer.as_ref().map_or((0, 0, 0), |a| (a.headers.len(), a.body.len(), a.trailers.len()));
        if answer.is_none() {
            vm.status = (BROKEN_CONNECTION, Cow::Borrowed("reset"));
        }
        vm.answer = answer;
        let params = (ROOT, token, sizes.0 as u32, sizes.1 as u32, sizes.2 as u32);
        let called = self.instance.call(
            "proxy_on_http_call_response",
            ROOT,
            |e| e.http_call_response.as_ref(),
            params,
        );
        let vm = self.instance.vm_mut();
        vm.answer = None;
        vm.status.1 = Cow::Borrowed("");
        self.follow_up();
        called.map(drop)
    }

    /// Calls any export, as no gateway would.
    pub(crate) fn call_any(&mut self, name: &'static str, params: &[u32]) -> Result<Option<u32>, Failure> {
        let called = self.instance.call_any(name, params);
        self.follow_up();
        called
    }

    /// Where a stream stands.
    pub(crate) fn outcome(stream: &Stream) -> Outcome {
        match &stream.end {
            Some(End::Failed(failure)) => return Outcome::Failed(failure.clone()),
            Some(End::Closed) => return Outcome::Closed,
            None => {}
        }
        if let Some(reply) = &stream.local {
            return Outcome::Reply(reply_as_sent(stream, reply));
        }
        let request = &stream.request;
        if request.is_done() {
            Outcome::Forwarded(request.message())
        } else if request.stopped || request.holding {
            Outcome::Paused
        } else {
            Outcome::Incomplete
        }
    }

    /// Where a stream's response stands.
    pub(crate) fn response_outcome(stream: &Stream) -> ResponseOutcome {
        match &stream.end {
            Some(End::Failed(failure)) => return ResponseOutcome::Failed(failure.clone()),
            Some(End::Closed) => return ResponseOutcome::None,
            None => {}
        }
        if !stream.response.began() {
            ResponseOutcome::None
        } else if !stream.response.is_done() {
            ResponseOutcome::Paused
        } else if let Some(reply) = &stream.local {
            ResponseOutcome::Reply(reply_as_sent(stream, reply))
        } else {
            ResponseOutcome::Sent(stream.response.message())
        }
    }
}

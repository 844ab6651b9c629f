//! Streams and exchanges run as fast as the simulator can, and timed.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use crate::host::Host;
use crate::outcome::{Request, Response};
use crate::stream::{End, Stream};

/// Answers to calls that one measured exchange waits for at most.
const ANSWERS: usize = 1000;

/// How a measured exchange went.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// The request went upstream.
    Forwarded,
    /// The filter answered with this status.
    Reply(u16),
    /// The filter held the request; the stream was closed on it.
    Held,
    /// The stream was closed or the VM failed.
    Failed,
}

/// One measured stream.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How it went.
    pub disposition: Disposition,
    /// From opening the stream to having closed it.
    pub total: Duration,
    /// Of that, inside the guest's callbacks, host calls included; zero where [`Host::time_callbacks`] turned it off.
    pub callbacks: Duration,
    /// Of that, inside host calls; measured where [`Host::time_host_calls`] asked for it.
    pub host_calls: Duration,
    /// Callbacks called: each was timed by two looks at the clock, of which about one is in [`Self::callbacks`].
    pub callback_count: u64,
    /// Host calls made, likewise.
    pub host_call_count: u64,
}

/// Where counters stood when the measured stream began.
struct Before {
    callbacks: u64,
    host_calls: u64,
    at: Instant,
}

impl Host {
    /// Has the time spent in host calls measured too; it costs two looks at the clock each.
    pub fn time_host_calls(&mut self, on: bool) {
        for slot in &mut self.workers {
            slot.worker.instance.vm_mut().host_time = on.then_some(Duration::ZERO);
        }
    }

    /// Whether the time spent in callbacks is measured, which it is unless turned off here; it costs two looks at the clock each.
    pub fn time_callbacks(&mut self, on: bool) {
        self.times_callbacks = on;
    }

    /// Runs one exchange through the first worker as fast as the simulator can, and times it. Lines logged by
    /// earlier runs are dropped. Where the request waits for answers to calls, they come as fast as the worker takes them, delays
    /// passed over; answers that nothing waits for come with a later [`Host::advance`]. What was put into queues and nothing waits for is
    /// heard of after the time.
    pub fn measure(&mut self, request: &Request, response: Option<&Response>) -> Measured {
        let response = response.cloned();
        let before = self.start_measuring();
        let worker = &mut self.workers[0].worker;
        let id = worker.open(request);
        // It may also wait for the answer to an earlier call, such as one that a new VM made, or for a queue.
        let waits =
            worker.stream(id).is_some_and(is_held) && (!self.due.is_empty() || self.shared.has_ready());
        if waits || !worker.instance.vm().outgoing.is_empty() {
            self.answer_calls(id);
        }
        let worker = &mut self.workers[0].worker;
        let disposition = worker.stream(id).map_or(Disposition::Failed, disposition);
        if let (Disposition::Forwarded, Some(response)) = (&disposition, response) {
            worker.respond(id, response);
        }
        let stream = worker.close(id);
        let total = before.at.elapsed();
        if let Some(stream) = stream {
            worker.recycle(stream);
        }
        self.measured(&before, disposition, total)
    }

    /// Opens a stream on the first worker and closes it before anything of a request has arrived, and times it: the life cycle
    /// of a stream alone, `proxy_on_context_create` to `proxy_on_delete`.
    pub fn measure_stream(&mut self) -> Measured {
        let before = self.start_measuring();
        let worker = &mut self.workers[0].worker;
        let id = worker.open_idle();
        let failed = worker.stream(id).is_none_or(|stream| stream.end.is_some());
        let stream = worker.close(id);
        let total = before.at.elapsed();
        if let Some(stream) = stream {
            worker.recycle(stream);
        }
        self.measured(&before, if failed { Disposition::Failed } else { Disposition::Held }, total)
    }

    fn start_measuring(&mut self) -> Before {
        self.budget.begin();
        let timed = self.times_callbacks.then_some(Duration::ZERO);
        let instance = &mut self.workers[0].worker.instance;
        instance.callback_time = timed;
        let vm = instance.vm_mut();
        vm.logs.lines.clear();
        if let Some(time) = vm.host_time.as_mut() {
            *time = Duration::ZERO;
        }
        let host_calls = vm.counts.iter().sum();
        Before { callbacks: instance.callbacks, host_calls, at: Instant::now() }
    }

    fn measured(&mut self, before: &Before, disposition: Disposition, total: Duration) -> Measured {
        let instance = &mut self.workers[0].worker.instance;
        let callbacks = instance.callback_time.take().unwrap_or_default();
        let host_calls = instance.vm().host_time.unwrap_or_default();
        let callback_count = instance.callbacks - before.callbacks;
        let host_call_count = instance.vm().counts.iter().sum::<u64>() - before.host_calls;
        if !instance.vm().outgoing.is_empty() || self.shared.has_ready() {
            self.settle();
        }
        Measured { disposition, total, callbacks, host_calls, callback_count, host_call_count }
    }

    /// Has calls answered until a stream waits no longer.
    fn answer_calls(&mut self, id: u32) {
        for _ in 0..ANSWERS {
            self.settle();
            if !self.workers[0].worker.stream(id).is_some_and(is_held) {
                break;
            }
            let Some(at) = self.due.peek().map(|Reverse(due)| due.at) else { break };
            let wait = at.saturating_sub(self.now());
            self.pass(Duration::from_nanos(wait));
        }
    }
}

fn is_held(stream: &Stream) -> bool {
    disposition(stream) == Disposition::Held
}

fn disposition(stream: &Stream) -> Disposition {
    match (&stream.end, &stream.local) {
        (Some(End::Closed | End::Failed(_)), _) => Disposition::Failed,
        (None, Some(reply)) => Disposition::Reply(reply.status),
        (None, None) if stream.request.is_done() => Disposition::Forwarded,
        (None, None) => Disposition::Held,
    }
}

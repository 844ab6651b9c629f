//! One exchange run as fast as the simulator can, and timed.

use std::time::{Duration, Instant};

use crate::host::Host;
use crate::outcome::{Request, Response};
use crate::stream::{End, Stream};

/// How a measured exchange went.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// One measured exchange.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How it went.
    pub disposition: Disposition,
    /// From opening the stream to having closed it.
    pub total: Duration,
    /// Of that, inside the guest's callbacks, host calls included.
    pub callbacks: Duration,
    /// Of that, inside host calls; measured where [`Host::time_host_calls`] asked for it.
    pub host_calls: Duration,
}

impl Host {
    /// Has the time spent in host calls measured too; it costs two looks at the clock each.
    pub fn time_host_calls(&mut self, on: bool) {
        for slot in &mut self.workers {
            slot.worker.instance.vm_mut().host_time = on.then_some(Duration::ZERO);
        }
    }

    /// Runs one exchange through the first worker as fast as the simulator can, and times it. Lines logged by
    /// earlier runs are dropped; calls made are answered only by a later [`Host::advance`].
    pub fn measure(&mut self, request: &Request, response: Option<&Response>) -> Measured {
        let worker = &mut self.workers[0].worker;
        worker.instance.vm_mut().logs.lines.clear();
        worker.instance.callback_time = Some(Duration::ZERO);
        if let Some(time) = worker.instance.vm_mut().host_time.as_mut() {
            *time = Duration::ZERO;
        }
        let started = Instant::now();
        let id = worker.open(request);
        let disposition = worker.stream(id).map_or(Disposition::Failed, disposition);
        if let (Disposition::Forwarded, Some(response)) = (&disposition, response) {
            worker.respond(id, response.clone());
        }
        let stream = worker.close(id);
        let total = started.elapsed();
        if let Some(stream) = stream {
            worker.recycle(stream);
        }
        let callbacks = worker.instance.callback_time.take().unwrap_or_default();
        let host_calls = worker.instance.vm().host_time.unwrap_or_default();
        if !worker.instance.vm().outgoing.is_empty() {
            self.settle();
        }
        Measured { disposition, total, callbacks, host_calls }
    }
}

fn disposition(stream: &Stream) -> Disposition {
    match (&stream.end, &stream.local) {
        (Some(End::Closed | End::Failed(_)), _) => Disposition::Failed,
        (None, Some(reply)) => Disposition::Reply(reply.status),
        (None, None) if stream.request.is_done() => Disposition::Forwarded,
        (None, None) => Disposition::Held,
    }
}

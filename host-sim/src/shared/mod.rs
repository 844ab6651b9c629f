//! What the VMs of one host share: data, queues and metrics.

mod metrics;

pub(crate) use metrics::Cell;
pub use metrics::{Histogram, Metric, MetricKind, MetricValue, Metrics};

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::status::Status;

/// What an entry of shared data takes beside the bytes of its key, its VM's id and its value, about.
const ENTRY: usize = 160;
/// What a value in a queue takes beside its bytes.
const ITEM: usize = 64;
/// Wake-ups that wait for a host which does not look.
const READY: usize = 1_000_000;

/// State shared by the workers of one host, and by those of hosts beside it. Queues know workers by a number among all of them.
#[derive(Default)]
pub(crate) struct Shared {
    data: Mutex<Data>,
    queues: Mutex<Queues>,
    workers: Mutex<usize>,
    pub(crate) metrics: Metrics,
}

/// A key or a queue's name, within the VM id that it belongs to.
type Name = (Vec<u8>, Vec<u8>);

#[derive(Default)]
struct Data {
    entries: BTreeMap<Name, (Vec<u8>, u32)>,
    bytes: usize,
    last_cas: u32,
}

#[derive(Default)]
struct Queues {
    names: BTreeMap<Name, u32>,
    queues: Vec<Queue>,
    /// Bytes of all values in all queues.
    bytes: usize,
    ready: Vec<(usize, u32)>,
}

struct Queue {
    worker: usize,
    items: VecDeque<Vec<u8>>,
}

impl Queues {
    fn queue(&mut self, token: u32) -> Option<&mut Queue> {
        self.queues.get_mut((token as usize).checked_sub(1)?)
    }
}

/// A lock whose holder panicked still guards plain data: go on with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Copies the value under a key into `out` and returns its compare-and-swap number.
    pub(crate) fn get(&self, vm_id: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<u32, Status> {
        let data = lock(&self.data);
        let (value, cas) = data.entries.get(&(vm_id.to_vec(), key.to_vec())).ok_or(Status::NotFound)?;
        out.clear();
        out.extend_from_slice(value);
        Ok(*cas)
    }

    /// Stores a value. `cas` 0 is unconditional; a key that does not exist is made whatever `cas` says.
    pub(crate) fn set(
        &self,
        vm_id: &[u8],
        key: &[u8],
        value: &[u8],
        cas: u32,
        limit: usize,
    ) -> Result<(), Status> {
        let mut data = lock(&self.data);
        let id = (vm_id.to_vec(), key.to_vec());
        let whole_key = vm_id.len() + key.len() + ENTRY;
        let old = match data.entries.get(&id) {
            Some((_, current)) if cas != 0 && cas != *current => return Err(Status::CasMismatch),
            Some((value, _)) => value.len() + whole_key,
            None => 0,
        };
        let bytes = data.bytes - old + whole_key + value.len();
        if bytes > limit {
            return Err(Status::InternalFailure);
        }
        data.bytes = bytes;
        data.last_cas = data.last_cas.checked_add(1).unwrap_or(1);
        let cas = data.last_cas;
        data.entries.insert(id, (value.to_vec(), cas));
        Ok(())
    }

    /// Numbers for so many workers, and the first of them.
    pub(crate) fn join(&self, workers: usize) -> usize {
        let mut next = lock(&self.workers);
        let first = *next;
        *next += workers;
        first
    }

    /// The queue of a name, made if need be. Its last registrant hears when it fills, as in Envoy.
    pub(crate) fn register(
        &self,
        vm_id: &[u8],
        name: &[u8],
        worker: usize,
        limit: usize,
    ) -> Result<u32, Status> {
        let mut queues = lock(&self.queues);
        let id = (vm_id.to_vec(), name.to_vec());
        if let Some(token) = queues.names.get(&id).copied() {
            if let Some(queue) = queues.queue(token) {
                queue.worker = worker;
            }
            return Ok(token);
        }
        if queues.queues.len() >= limit {
            return Err(Status::InternalFailure);
        }
        queues.queues.push(Queue { worker, items: VecDeque::new() });
        let token = queues.queues.len() as u32;
        queues.names.insert(id, token);
        Ok(token)
    }

    /// The queue that someone registered under a name.
    pub(crate) fn resolve(&self, vm_id: &[u8], name: &[u8]) -> Result<u32, Status> {
        lock(&self.queues).names.get(&(vm_id.to_vec(), name.to_vec())).copied().ok_or(Status::NotFound)
    }

    /// Puts a value at a queue's end.
    pub(crate) fn enqueue(&self, token: u32, value: &[u8], limit: usize) -> Result<(), Status> {
        let mut queues = lock(&self.queues);
        let bytes = queues.bytes + value.len() + ITEM;
        if queues.ready.len() >= READY || bytes > limit {
            return Err(Status::InternalFailure);
        }
        let queue = queues.queue(token).ok_or(Status::NotFound)?;
        queue.items.push_back(value.to_vec());
        let worker = queue.worker;
        queues.bytes = bytes;
        queues.ready.push((worker, token));
        Ok(())
    }

    /// Takes the value at a queue's head.
    pub(crate) fn dequeue(&self, token: u32) -> Result<Vec<u8>, Status> {
        let mut queues = lock(&self.queues);
        let queue = queues.queue(token).ok_or(Status::NotFound)?;
        let value = queue.items.pop_front().ok_or(Status::Empty)?;
        queues.bytes -= value.len() + ITEM;
        Ok(value)
    }

    /// The same for some of the workers, counted from the first of them.
    pub(crate) fn take_ready_of(&self, workers: Range<usize>) -> Vec<(usize, u32)> {
        let ready = &mut lock(&self.queues).ready;
        ready
            .extract_if(.., |(worker, _)| workers.contains(worker))
            .map(|(worker, token)| (worker - workers.start, token))
            .collect()
    }

    /// Whether a value was enqueued that nobody has heard of.
    pub(crate) fn has_ready(&self) -> bool {
        !lock(&self.queues).ready.is_empty()
    }

    /// Worker and queue of each value enqueued since the last call.
    pub(crate) fn take_ready(&self) -> Vec<(usize, u32)> {
        let ready = &mut lock(&self.queues).ready;
        if ready.is_empty() { Vec::new() } else { std::mem::take(ready) }
    }
}

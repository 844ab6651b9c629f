//! How generations come and go: a new one takes all streams to come, a VM that failed is replaced, and one that has no streams left
//! ends.
//!
//! It ends as in Envoy 1.40. The root context hears `proxy_on_done` once the last stream is gone. Where it is not done, ticks and answers
//! come until it calls `proxy_done`, unless it is another VM that took its place: such a one is not waited for. `proxy_on_delete` is the last.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::driver::Driver;
use super::generation::{Generation, Setup, StreamKey};
use crate::worker::Worker;

/// How long to wait before a VM that failed is replaced again, as Envoy backs off.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Generations that wait for their root contexts at once; the oldest is not waited for any longer.
const WAITING: usize = 16;

impl Driver {
    /// Takes a new generation for all streams to come.
    pub(super) fn adopt(self: &Rc<Self>, setup: Arc<Setup>, mut vm: Worker) {
        self.time(&mut vm);
        let number = setup.number;
        self.generations.borrow_mut().push(Generation::new(setup, vm));
        self.settle(number, None);
        self.end_idle();
    }

    /// Has a VM's callbacks timed where somebody watches.
    fn time(&self, vm: &mut Worker) {
        if self.is_watched() {
            vm.instance.callback_time = Some(Duration::ZERO);
            vm.instance.vm_mut().host_time = Some(Duration::ZERO);
        }
    }

    /// Starts a fresh VM in the place of one that failed, unless one was started a moment ago.
    pub(super) fn revive(self: &Rc<Self>, number: u64) {
        let mut generations = self.generations.borrow_mut();
        // An older generation only ends its streams, and one whose VM failed has none.
        let Some(generation) = generations.last_mut().filter(|one| one.setup.number == number) else {
            return;
        };
        let too_soon = generation.restarted.is_some_and(|at| at.elapsed() < BACK_OFF);
        if generation.vm.is_some() {
            return;
        }
        if too_soon {
            generation.next_tick.get_or_insert_with(|| Instant::now() + BACK_OFF);
            return;
        }
        generation.restarted = Some(Instant::now());
        match generation.setup.start(&self.world.shared, self.index) {
            Ok(mut vm) => {
                self.time(&mut vm);
                generation.vm = Some(vm);
                drop(generations);
                self.settle(number, None);
            }
            Err(error) => {
                generation.next_tick = Some(Instant::now() + BACK_OFF);
                error.logs.iter().for_each(|line| (self.world.log)(line));
                (self.world.log)(&self.of_vm(None, format!("no fresh VM: {}", error.reason)));
            }
        }
    }

    /// Ends the generations that nothing goes to any more.
    pub(super) fn end_idle(self: &Rc<Self>) {
        loop {
            let mut generations = self.generations.borrow_mut();
            let newest = generations.last().map(|newest| Arc::clone(&newest.setup));
            let Some(newest) = newest else { return };
            let idle =
                |one: &Generation| one.setup.number != newest.number && one.streams.is_empty() && !one.told;
            let Some(generation) = generations.iter_mut().find(|one| idle(one)) else { break };
            let (number, waits) = (generation.setup.number, generation.setup.has_vm_of(&newest));
            generation.told = true;
            drop(generations);
            let mut ended = true;
            self.with_vm(number, |vm| ended = vm.end_root());
            if ended || !waits {
                self.forget(number);
                continue;
            }
            for generation in &mut *self.generations.borrow_mut() {
                generation.waits |= generation.setup.number == number;
            }
        }
        let waiting: Vec<u64> =
            self.generations.borrow().iter().filter(|one| one.waits).map(|one| one.setup.number).collect();
        waiting.iter().rev().skip(WAITING).for_each(|number| self.forget(*number));
    }

    /// Deletes the root context of a generation that is there for nothing else, once it has said that it is done.
    pub(super) fn end_told(self: &Rc<Self>, number: u64) {
        let mut generations = self.generations.borrow_mut();
        let Some(generation) = generations.iter_mut().find(|one| one.setup.number == number) else { return };
        // A VM that failed has nobody left to tell.
        if let Some(vm) = &mut generation.vm {
            if vm.instance.vm().root_pending {
                return;
            }
            vm.delete_root();
            vm.take_logs().iter().for_each(|line| (self.world.log)(line));
            if let Some(failure) = vm.instance.failure() {
                (self.world.log)(&self.of_vm(None, format!("the VM failed: {failure}")));
            }
        }
        drop(generations);
        self.forget(number);
    }

    fn forget(&self, number: u64) {
        self.generations.borrow_mut().retain(|one| one.setup.number != number);
    }

    /// Ends every stream there is, and then what is left.
    pub(super) fn end(self: &Rc<Self>) {
        let open: Vec<StreamKey> = self
            .generations
            .borrow()
            .iter()
            .flat_map(|one| {
                let generation = one.setup.number;
                one.streams.keys().map(move |&(incarnation, id)| StreamKey { generation, incarnation, id })
            })
            .collect();
        for key in open {
            self.close(key);
        }
        // Those before it have been told as their last streams went.
        self.with_vm(self.newest(), |vm| {
            vm.end_root();
        });
    }
}

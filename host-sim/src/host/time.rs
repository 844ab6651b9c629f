//! Virtual time: nothing moves it but calls, and what falls due on the way comes in its order.

use std::cmp::Reverse;
use std::time::Duration;

use super::Host;
use crate::clock::nanos;
use crate::due::{Due, Event};
use crate::error::Failure;

impl Host {
    /// Moves the clock on. Ticks and answers that fall due on the way come in the order of time.
    pub fn advance(&mut self, by: Duration) {
        self.budget.begin();
        self.pass(by);
    }

    /// The same, within a step.
    pub(crate) fn pass(&mut self, by: Duration) {
        let until = self.now().saturating_add(nanos(by));
        loop {
            let tick = self.slots().enumerate().filter_map(|(i, s)| Some((s.next_tick?, i))).min();
            let answer = self.due.peek().map(|Reverse(due)| due.at);
            match (tick, answer) {
                (Some((at, worker)), answer) if at <= until && answer.is_none_or(|a| at < a) => {
                    self.builder.clock.move_to(at);
                    self.tick(worker);
                }
                (_, Some(at)) if at <= until => {
                    self.builder.clock.move_to(at);
                    self.deliver();
                }
                _ => break,
            }
            self.settle();
        }
        self.builder.clock.move_to(until);
    }

    /// Moves the clock on from one event to the next, as one step, while something waits, until nothing comes within `most`.
    pub fn advance_while(&mut self, most: Duration, waits: impl Fn(&Self) -> bool) {
        self.budget.begin();
        let mut left = most;
        while waits(self) {
            let Some(next) = self.next_event().filter(|next| *next <= left) else { break };
            // An event that is due and not yet delivered still takes a moment.
            let by = next.max(Duration::from_nanos(1));
            self.pass(by);
            left = left.saturating_sub(by);
        }
    }

    /// How long it is until the next tick or answer falls due; nothing where none is under way.
    pub fn next_event(&self) -> Option<Duration> {
        let ticks = self.slots().filter_map(|slot| slot.next_tick);
        let next = ticks.chain(self.due.peek().map(|Reverse(due)| due.at)).min()?;
        Some(Duration::from_nanos(next.saturating_sub(self.now())))
    }

    /// Ticks a worker's VM now, whatever its timer says.
    pub fn fire_tick(&mut self, worker: usize) {
        self.budget.begin();
        if worker < self.workers.len() {
            self.tick(worker);
        }
        self.settle();
    }

    /// Sets the clock that guests see, forth or back, as when the machine's is corrected: no time passes, and what is under way comes when
    /// it would have come.
    pub fn step_clock(&mut self, seconds: i64) {
        let step = |at: u64| at.saturating_add_signed(seconds.saturating_mul(1_000_000_000));
        self.builder.clock.set(step(self.now()));
        let due = std::mem::take(&mut self.due).into_iter();
        self.due = due.map(|Reverse(due)| Reverse(Due { at: step(due.at), ..due })).collect();
        for slot in self.slots_mut() {
            slot.next_tick = slot.next_tick.map(step);
        }
    }

    /// Nanoseconds since the Unix epoch, as guests see them.
    pub fn now(&self) -> u64 {
        self.builder.clock.now()
    }

    fn tick(&mut self, slot: usize) {
        let Some(slot) = self.slots_mut().nth(slot) else { return };
        let _: Result<(), Failure> = slot.worker.tick();
        let vm = slot.worker.instance.vm_mut();
        if !vm.tick_changed {
            slot.next_tick = vm.tick_period.map(|period| vm.clock.now().saturating_add(period));
        }
    }

    pub(super) fn deliver(&mut self) {
        let Some(Reverse(due)) = self.due.pop() else { return };
        if let Event::Grpc(token, event) = &due.event
            && event.is_last(*token)
        {
            self.grpc.close((due.worker, due.incarnation, *token));
        }
        if let Some(slot) = self.slot_mut(due.worker, due.incarnation) {
            // A VM that fails here answers its streams with the failure; there is no one else to tell.
            let _ = match due.event {
                Event::Http(token, answer) => slot.worker.answer(token, answer),
                Event::Grpc(token, event) => slot.worker.grpc_event(token, event),
            };
        }
    }

    pub(crate) fn schedule_event(&mut self, at: u64, worker: usize, incarnation: u32, event: Event) {
        self.sequence += 1;
        self.due.push(Reverse(Due { at, sequence: self.sequence, worker, incarnation, event }));
    }

    pub(super) fn set_timers(&mut self) {
        for slot in self.slots_mut() {
            let vm = slot.worker.instance.vm_mut();
            if std::mem::take(&mut vm.tick_changed) {
                slot.next_tick = vm.tick_period.map(|period| vm.clock.now().saturating_add(period));
            }
            if slot.worker.instance.has_failed() {
                slot.next_tick = None;
            }
        }
    }
}

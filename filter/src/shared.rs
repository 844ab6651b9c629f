//! What a worker's root context and its streams share.

use crate::host::{self, Level};
use crate::telemetry::{Stopwatch, Telemetry};
use countersign_core::exchange::{Effect, Event, Exchange, Flow};
use countersign_core::gateway::Gateway;
use countersign_core::metrics::{Observer, Unobserved};
use countersign_core::time::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// The stages of one request in so many are timed: each takes two host calls, a good part of what a warm request costs.
const TIMED_ONE_IN: u32 = 8;

/// A worker's long-lived state.
#[derive(Default)]
pub(crate) struct Shared {
    /// Nothing until a configuration was accepted.
    pub gateway: Option<Gateway>,
    /// Our metrics.
    pub telemetry: Telemetry,
    /// Exchanges that wait, by the id of their stream's context.
    pub held: BTreeMap<u32, Rc<RefCell<Exchange>>>,
    /// How many events were handled.
    driven: u32,
    /// The tick period that the host was told last.
    tick: Option<Duration>,
}

impl Shared {
    /// Hands `event` to the exchange of the stream that the host's calls speak for now, carries out what it asks for, and
    /// says what becomes of the request.
    pub(crate) fn drive(
        &mut self,
        exchange: &Rc<RefCell<Exchange>>,
        context: u32,
        event: Event<'_>,
        now: u64,
    ) -> Flow {
        let Ok(mut running) = exchange.try_borrow_mut() else { return Flow::Closed };
        let time = Timestamp::from_nanos(i64::try_from(now).unwrap_or(i64::MAX));
        let mut stopwatch = Stopwatch::start(&self.telemetry, now);
        let timed = self.driven.is_multiple_of(TIMED_ONE_IN);
        self.driven = self.driven.wrapping_add(1);
        let observer: &mut dyn Observer = if timed { &mut stopwatch } else { &mut Unobserved };
        running.handle(self.gateway.as_mut(), event, observer, time);
        while let Some(effect) = running.poll_effect() {
            if carry_out(&mut self.telemetry, effect).is_err() {
                running.handle(self.gateway.as_mut(), Event::EffectFailed, &mut Unobserved, time);
            }
        }
        let flow = running.flow();
        drop(running);
        match flow {
            Flow::Hold => {
                self.held.insert(context, Rc::clone(exchange));
                self.schedule(time);
            }
            Flow::Release | Flow::Closed => {
                self.held.remove(&context);
            }
        }
        flow
    }

    /// Asks for a tick when the gateway has something to do next.
    pub(crate) fn schedule(&mut self, now: Timestamp) {
        let period = self.gateway.as_ref().map_or(Gateway::LONGEST_TICK, |gateway| gateway.tick_period(now));
        let nanos = u64::try_from(period.as_nanos()).unwrap_or(0);
        self.set_tick(Duration::from_nanos(nanos));
    }

    fn set_tick(&mut self, period: Duration) {
        if self.tick != Some(period) && host::set_tick_period(period).is_ok() {
            self.tick = Some(period);
        }
    }
}

fn carry_out(telemetry: &mut Telemetry, effect: Effect) -> Result<(), host::Refused> {
    match effect {
        Effect::EditHeaders(edits) => {
            for name in &edits.remove {
                host::remove_request_header(name)?;
            }
            for (name, value) in &edits.add {
                host::add_request_header(name, value)?;
            }
        }
        Effect::Reply(reply) => {
            host::send_local_response(reply.status, "countersign", &reply.headers, &reply.body)?;
        }
        Effect::Audit(line) => host::log(Level::Info, &line),
        Effect::Count(counter) => telemetry.count(counter),
    }
    Ok(())
}

//! Carrying out what an exchange asks for.

use crate::host::{self, Level};
use crate::root::{Root, timestamp};
use crate::telemetry::{Stopwatch, Telemetry};
use countersign_core::exchange::{Effect, Event, Exchange, Flow};
use countersign_core::metrics::{Observer, Unobserved};

/// The stages of one request in so many are timed: each takes two host calls, a good part of what a warm request costs.
const TIMED_ONE_IN: u32 = 8;

/// What of an exchange's wishes the host would not do.
enum Undone {
    /// The request is not as it has to be to go on.
    Edit,
    /// The client has no answer.
    Reply(host::Refused),
}

impl Root {
    /// Hands `event` to the exchange of the stream that the host's calls speak for now, carries out what it asks for, and
    /// says what becomes of the request.
    pub(crate) fn drive(&mut self, exchange: &mut Exchange, event: Event<'_>, now: u64) -> Flow {
        let mut stopwatch = Stopwatch::start(&self.telemetry, now);
        let timed = self.driven.is_multiple_of(TIMED_ONE_IN);
        self.driven = self.driven.wrapping_add(1);
        let observer: &mut dyn Observer = if timed { &mut stopwatch } else { &mut Unobserved };
        self.handle(exchange, event, observer, now);
        if exchange.flow() == Flow::Hold {
            self.schedule(timestamp(now));
            // A host that never ticks would keep it for ever.
            if !self.ticks() {
                self.handle(exchange, Event::Timeout, &mut Unobserved, now);
            }
        }
        exchange.flow()
    }

    fn handle(&mut self, exchange: &mut Exchange, event: Event<'_>, observer: &mut dyn Observer, now: u64) {
        let time = timestamp(now);
        exchange.handle(self.gateway.as_mut(), event, observer, time);
        while let Some(effect) = exchange.poll_effect() {
            match carry_out(&mut self.telemetry, effect) {
                Ok(()) => {}
                Err(Undone::Edit) => {
                    exchange.handle(self.gateway.as_mut(), Event::EffectFailed, &mut Unobserved, time);
                }
                Err(Undone::Reply(refused)) => {
                    host::log(
                        Level::Warn,
                        &format!(
                            "a refusal could not be sent (status {}), the request is broken off",
                            refused.0
                        ),
                    );
                    host::close_request();
                }
            }
        }
    }
}

fn carry_out(telemetry: &mut Telemetry, effect: Effect) -> Result<(), Undone> {
    match effect {
        Effect::EditHeaders(edits) => {
            for name in &edits.remove {
                host::remove_request_header(name).map_err(|_| Undone::Edit)?;
            }
            for (name, value) in &edits.add {
                host::add_request_header(name, value).map_err(|_| Undone::Edit)?;
            }
        }
        Effect::Reply(reply) => {
            host::send_local_response(reply.status, "countersign", &reply.headers, &reply.body)
                .map_err(Undone::Reply)?;
        }
        Effect::Audit(line) => host::log(Level::Info, &line),
        Effect::Count(counter) => telemetry.count(counter),
    }
    Ok(())
}

//! Connections of a case through a gateway that really runs. What is expected of them may take a moment, and must then stay so.

use super::connection::stands;
use super::{Walk, read};
use crate::engine::{Connections, Engine};
use crate::scenario::format::{Closer, Expect, Turn};
use crate::scenario::wire::Shortfalls;
use countersign_host_sim::{CloseType, ConnectionState};
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

/// How long what is expected may take to be so.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often is looked.
const PAUSE: Duration = Duration::from_millis(20);
/// How long it must then stay so.
const REST: Duration = Duration::from_millis(100);

impl Walk<'_> {
    /// Has happen on a connection what is to happen, one after another.
    pub(super) fn exchange_really(
        &mut self,
        real: &mut dyn Connections,
        number: usize,
        exchange: &[Turn],
    ) -> Result<(), String> {
        for turn in exchange {
            for (from_client, chunk, end) in turn.sent() {
                real.send(number, from_client, &chunk, end).map_err(|error| error.to_string())?;
            }
            let how = turn.close.map(|closer| match closer {
                Closer::Client => CloseType::Remote,
                Closer::Gateway => CloseType::Local,
            });
            if let Some(how) = how {
                real.close(number, how).map_err(|error| error.to_string())?;
            }
            if let Some(by) = turn.passes()? {
                thread::sleep(by);
                self.now = self.now.plus(super::span(by));
            }
        }
        Ok(())
    }

    /// Holds a connection against what is expected of it, and has its client go away where it is to `end`.
    pub(super) fn judge_really(
        &mut self,
        engine: &mut dyn Engine,
        number: usize,
        expect: Option<&Value>,
        label: &str,
        end: bool,
    ) -> Result<(), String> {
        let expect = expect.map(|value| read(value, self.decides())).transpose()?.unwrap_or_default();
        let expect = expect.without_counts();
        let real = super::connection::connections(engine)?;
        let is_token = self.is_token();
        let mut ended = None;
        let (mut all, is_open) = awaited(&is_token, |short| {
            let outcome = real.outcome(number).map_err(|error| error.to_string())?;
            ended = Some(stands(&expect, &outcome, None, short));
            Ok(outcome.state == ConnectionState::Open)
        })?;
        self.trace.ended = ended.map(|ended| ended.name());
        if end && is_open {
            real.close(number, CloseType::Remote).map_err(|error| error.to_string())?;
        }
        let (more, _) = awaited(&is_token, |short| of_module(real, &expect, short))?;
        real.account();
        all.extend(more);
        self.fail(all, label);
        Ok(())
    }
}

fn of_module(real: &mut dyn Connections, expect: &Expect, short: &mut Shortfalls<'_>) -> Result<(), String> {
    let activity = real.activity().map_err(|error| error.to_string())?;
    short.activity(expect, &activity)
}

/// Judges again and again, until nothing falls short and goes on not to. What falls short in the end, and what the last look gave.
fn awaited<T>(
    is_token: &dyn Fn(&str, &str) -> Result<bool, String>,
    mut judge: impl FnMut(&mut Shortfalls<'_>) -> Result<T, String>,
) -> Result<(Vec<String>, T), String> {
    let (since, mut good) = (Instant::now(), false);
    loop {
        let mut short = Shortfalls::new(is_token);
        let seen = judge(&mut short)?;
        let falls_short = !short.all.is_empty();
        if (good && !falls_short) || (falls_short && since.elapsed() > PATIENCE) {
            return Ok((short.all, seen));
        }
        good = !falls_short;
        thread::sleep(if good { REST } else { PAUSE });
    }
}

//! Connections through the simulator.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use anyhow::{Context, Result};
use countersign_host_sim::{CloseType, Connect, Host};

use super::{Session, Turn, shows};
use crate::probe::Transcript;
use crate::probe::simulator::{STEP, STEPS, builder, logged, place};

/// What a host for each script says of its sessions.
pub fn through_simulator(sessions: &[Session]) -> Result<Vec<Transcript>> {
    let mut hosts = BTreeMap::new();
    let run = |session: &Session| {
        let host = match hosts.entry(session.script) {
            Entry::Occupied(host) => host.into_mut(),
            Entry::Vacant(place) => place.insert(builder()?.vm_config(session.script).start()?),
        };
        run(host, session).with_context(|| format!("{session:?}"))
    };
    sessions.iter().map(run).collect()
}

fn run(host: &mut Host, session: &Session) -> Result<Transcript> {
    let _ = logged(host);
    let mut connect = Connect::new();
    place(&mut connect.properties);
    let connection = host.connect(&connect);
    let mut lines = logged(host);
    for turn in session.turns {
        match turn {
            Turn::Send(text) | Turn::SendInVain(text) => host.downstream_data(connection, text, false),
            Turn::End => host.downstream_data(connection, "", true),
            Turn::Answer(text) => host.upstream_data(connection, text, false),
            Turn::AnswerEnd => host.upstream_data(connection, "", true),
            Turn::BreakOff => host.disconnect(connection),
            Turn::AnswerBreakOff => host.disconnect_by(connection, CloseType::Local),
            Turn::Await(_) => {}
        }
        lines.append(&mut logged(host));
        if let (Turn::Await(_), Some(line)) = (turn, shows(*turn)) {
            advance(host, &mut lines, line);
        }
    }
    advance(host, &mut lines, "delete(");
    let outcome = host.connection(connection).context("the connection is forgotten")?;
    let stays = |breaks_off: Turn| !session.turns.contains(&breaks_off);
    lines.extend(if outcome.connected {
        super::outcome("service", stays(Turn::AnswerBreakOff).then_some(outcome.upstream))
    } else {
        Some("service was not connected".to_owned())
    });
    lines.extend(super::outcome("client", stays(Turn::BreakOff).then_some(outcome.downstream)));
    Ok(lines)
}

/// Moves time on until there is a line that begins so. Where none comes, the comparison shows it.
fn advance(host: &mut Host, lines: &mut Transcript, line: &str) {
    for _ in 0..STEPS {
        if lines.iter().any(|one| one.starts_with(line)) {
            return;
        }
        host.advance(STEP);
        lines.append(&mut logged(host));
    }
}

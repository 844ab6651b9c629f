//! Connections through real Envoy.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{Session, Turn, shows};
use crate::envoy::Envoy;
use crate::probe::envoy::answers;
use crate::probe::gate::Gate;
use crate::probe::log::{Logged, PATIENCE, PAUSE};
use crate::probe::{Transcript, setup};

/// What an Envoy with a listener for each session says of them.
pub fn through_envoy(sessions: &[Session]) -> Result<Vec<Transcript>> {
    let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let answers = answers(Arc::new(Gate::default()))?;
    let clusters = [("service", service.local_addr()?), ("answers", answers.address())];
    let clusters = clusters.map(|(name, at)| setup::cluster(name, at));
    let module = super::super::module()?.to_string_lossy().into_owned();
    let name = |nth: usize| format!("session-{nth}");
    let listeners = sessions.iter().enumerate();
    let listeners = listeners.map(|(nth, session)| setup::tcp(&name(nth), &module, session.script)).collect();
    let config = setup::bootstrap(listeners, clusters.to_vec());
    let envoy = Envoy::start_with(&config.to_string(), &mut Command::new(Envoy::binary()?))?;
    let mut log = Logged::new(envoy);
    let mut transcripts = Vec::new();
    for (nth, session) in sessions.iter().enumerate() {
        let to = log.envoy.listener(&name(nth))?;
        let from = log.read()?;
        let run = Run { client: Side::new(TcpStream::connect(to)?)?, upstream: None, from };
        transcripts.push(run.run(&mut log, &service, session).with_context(|| format!("{session:?}"))?);
    }
    Ok(transcripts)
}

/// One end of a connection, and what has come to it.
struct Side {
    socket: Option<TcpStream>,
    got: Vec<u8>,
}

impl Side {
    fn new(socket: TcpStream) -> Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(socket), got: Vec::new() })
    }

    /// Takes what has come. Whether the other end still is there.
    fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        while let Some(socket) = &mut self.socket {
            match socket.read(&mut piece) {
                Ok(0) => return false,
                Ok(count) => self.got.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        false
    }

    fn write(&mut self, text: &str) {
        if let Some(socket) = &mut self.socket {
            // Who is written to may have gone.
            let _ = socket.write_all(text.as_bytes());
        }
    }

    fn end(&mut self) {
        if let Some(socket) = &self.socket {
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    /// Closes the socket while something is unread in it, which the other end sees as a reset.
    fn break_off(&mut self) -> Result<()> {
        let Some(socket) = self.socket.take() else { return Ok(()) };
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        ensure!(socket.peek(&mut [0])? > 0, "there is nothing unread to break off with");
        Ok(())
    }
}

struct Run {
    client: Side,
    upstream: Option<Side>,
    from: usize,
}

impl Run {
    fn run(mut self, log: &mut Logged, service: &TcpListener, session: &Session) -> Result<Transcript> {
        log.await_lines(self.from, "new_connection(", 1)?;
        for turn in session.turns {
            let line = shows(*turn);
            let before = line.map_or(Ok(0), |line| log.count(self.from, line))?;
            match turn {
                Turn::Send(text) | Turn::SendInVain(text) => self.client.write(text),
                Turn::End => self.client.end(),
                Turn::Answer(text) => self.upstream(service)?.write(text),
                Turn::AnswerEnd => self.upstream(service)?.end(),
                Turn::BreakOff => self.client.break_off()?,
                Turn::AnswerBreakOff => self.upstream(service)?.break_off()?,
                Turn::Await(_) => {}
            }
            let awaited = before + usize::from(!matches!(turn, Turn::Await(_)) || before == 0);
            if let Some(line) = line {
                log.await_lines(self.from, line, awaited)?;
            }
            // What the other end has not taken may break the connection off.
            let breaks_off = |turn: &Turn| matches!(turn, Turn::BreakOff | Turn::AnswerBreakOff);
            if !session.turns.iter().any(breaks_off) {
                self.read();
            }
        }
        log.await_lines(self.from, "delete(", 1)?;
        let since = Instant::now();
        let is_open = |side: &mut Side| side.read();
        while is_open(&mut self.client) | self.upstream.as_mut().is_some_and(is_open) {
            ensure!(since.elapsed() < PATIENCE, "a side of the connection stays open");
            thread::sleep(PAUSE);
        }
        if self.upstream.is_none() {
            service.set_nonblocking(true)?;
            if let Ok((socket, _)) = service.accept() {
                self.upstream = Some(Side::new(socket)?);
                self.read();
            }
        }
        let vm = log.vm(self.from, "new_connection(").context("no connection was made")?;
        let mut lines = log.since(self.from, Some(&vm))?;
        let got = |side: &Side| side.socket.as_ref().map(|_| side.got.clone());
        lines.extend(match &self.upstream {
            Some(upstream) => super::outcome("service", got(upstream)),
            None => Some("service was not connected".to_owned()),
        });
        lines.extend(super::outcome("client", got(&self.client)));
        Ok(lines)
    }

    fn read(&mut self) {
        self.client.read();
        if let Some(upstream) = &mut self.upstream {
            upstream.read();
        }
    }

    /// The connection that Envoy makes, waited for.
    fn upstream(&mut self, service: &TcpListener) -> Result<&mut Side> {
        if self.upstream.is_none() {
            service.set_nonblocking(true)?;
            let since = Instant::now();
            let socket = loop {
                match service.accept() {
                    Ok((socket, _)) => break socket,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                    Err(error) => return Err(error.into()),
                }
                ensure!(since.elapsed() < PATIENCE, "the service is not connected to");
            };
            self.upstream = Some(Side::new(socket)?);
        }
        self.upstream.as_mut().context("no upstream")
    }
}

//! Requests on the way of a case: sent with their credentials, held, answered and judged.

use super::{Walk, read, simulator, span};
use crate::engine::{self, Answer, Engine, EngineError, Outcome, Reply, Ticket, Wire};
use crate::scenario::format::{
    AnswerSpec, Credentials, Expect, ProofChoice, RequestSpec, SendSpec, TokenChoice,
};
use crate::scenario::request::Draft;
use crate::scenario::token::Proved;
use crate::scenario::wire::Shortfalls;
use countersign_host_sim::{self as sim, Message, Response};
use serde_json::Value;
use std::time::Duration;

/// A request that is on its way.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) ticket: Ticket,
    /// Its number among those that were sent.
    input: usize,
    body: Vec<u8>,
    /// What the service answers to it and to nothing else.
    answer: Option<Answer>,
}

impl Walk<'_> {
    pub(super) fn must_be_held(&self, engine: &mut dyn Engine, ticket: Ticket) -> Result<(), String> {
        if self.decides() {
            return match engine.decision(ticket).map_err(|error| error.to_string())? {
                None => Ok(()),
                Some(decision) => {
                    let record = Value::Object(decision.record(&self.plan.prefix));
                    Err(format!("expected the request to be held, it was decided: {record}"))
                }
            };
        }
        match simulator(engine, "hold")?.outcome(ticket) {
            sim::Outcome::Paused | sim::Outcome::Incomplete => Ok(()),
            sim::Outcome::Forwarded(_) => Err("expected the request to be held, it was forwarded".to_owned()),
            sim::Outcome::Reply(reply) => {
                Err(format!("expected the request to be held, it was answered with {}", reply.status))
            }
            sim::Outcome::Closed => Err("expected the request to be held, it was closed".to_owned()),
            sim::Outcome::Failed(failure) => {
                Err(format!("expected the request to be held, the VM failed: {failure}"))
            }
        }
    }

    pub(super) fn send_more(&mut self, engine: &mut dyn Engine, send: &SendSpec) -> Result<(), String> {
        let ticket = self.named(&send.to)?.ticket;
        let simulator = simulator(engine, "send")?;
        let Some(stream) = simulator.stream(ticket) else { return Ok(()) };
        for map in &send.metadata {
            simulator.host().send_metadata(stream, &map.map());
        }
        let chunks = &send.body.0;
        for (index, chunk) in chunks.iter().enumerate() {
            let last = send.end && send.trailers.is_none() && index + 1 == chunks.len();
            simulator.host().send_body(stream, chunk.clone(), last);
        }
        match &send.trailers {
            Some(trailers) => simulator.host().send_trailers(stream, trailers.map()),
            None if send.end && chunks.is_empty() => simulator.host().send_body(stream, Vec::new(), true),
            None => {}
        }
        Ok(())
    }

    /// Sends a request with its token, minted for this moment.
    pub(super) fn send(
        &mut self,
        engine: &mut dyn Engine,
        spec: &RequestSpec,
        credentials: Credentials<'_>,
        response: Option<&AnswerSpec>,
    ) -> Result<Held, String> {
        let now = engine.clock().unwrap_or(self.now);
        let defaults = &self.plan.file.defaults;
        let certificates = &self.plan.certificates;
        let (peer, workers) = (credentials.peer, self.workers);
        // The file's certificates are of the file's time; a gateway that really runs has others in their place.
        let of_file = if engine.is_real() { self.now } else { now };
        let draft = Draft { spec, peer, defaults, certificates, now: of_file, workers };
        let mut request = draft.build()?;
        let token = credentials.token.or(defaults.token.as_ref());
        let proof = credentials.proof.or(defaults.proof.as_ref());
        let shown = draft.shown(&request, token.map(TokenChoice::shown), proof.map(ProofChoice::shown));
        self.trace.inputs.push(shown);
        let input = self.trace.inputs.len() - 1;
        self.last = Some(input);
        let minted = match token {
            None => None,
            Some(choice) => {
                let thumbprint =
                    |made_up: &str| engine.thumbprint(made_up, &request).map_err(|error| error.to_string());
                self.mint
                    .mint(choice, now.as_secs(), thumbprint)
                    .map_err(|message| format!("`token`: {message}"))?
            }
        };
        let text = |request: &engine::Request, name: &str| {
            String::from_utf8_lossy(request.headers.get(name.as_bytes()).unwrap_or_default()).into_owned()
        };
        let proof = match proof {
            None => None,
            Some(choice) => {
                self.trace.proofs += 1;
                let part = |name: &str| text(&request, name);
                let url = format!("{}://{}{}", part(":scheme"), part(":authority"), part(":path"));
                let proved = Proved {
                    method: &part(":method"),
                    url: &url,
                    token: minted.as_deref().unwrap_or_default(),
                    // Another one in each case, too, where the time is another one.
                    id: &format!("proof-{}-{}", now.as_nanos(), self.trace.proofs),
                    nonce: self.trace.nonce.as_deref(),
                };
                self.mint
                    .prove(choice, &proved, now.as_secs())
                    .map_err(|message| format!("`proof`: {message}"))?
            }
        };
        let scheme = if proof.is_some() { "DPoP" } else { "Bearer" };
        if let Some(token) = minted {
            request.headers.append(b"authorization", format!("{scheme} {token}").as_bytes());
        }
        if let Some(proof) = proof {
            request.headers.append(b"dpop", proof.as_bytes());
        }
        let answer = response.or(self.case.response.as_ref());
        let answer = answer.map(|spec| self.sources.answer(spec, &self.mint, now.as_secs())).transpose();
        let answer = answer.map_err(|message| format!("`response`: {message}"))?;
        let ticket = engine.request(&request);
        Ok(Held { ticket, input, body: request.body.concat(), answer })
    }

    /// What the service answers to a request that was forwarded as `asked`.
    fn answer(&mut self, held: &Held, asked: &Message) -> Result<Answer, String> {
        if let Some(answer) = &held.answer {
            return Ok(answer.clone());
        }
        if let Some(answer) = self.service.next(&asked.headers, &asked.body) {
            return Ok(answer);
        }
        match &self.plan.file.defaults.response {
            Some(spec) => self
                .sources
                .answer(spec, &self.mint, self.now.as_secs())
                .map_err(|message| format!("`defaults.response`: {message}")),
            None => Ok(Answer::at_once(Reply::Response(Response::new(200)))),
        }
    }

    /// Has a request go through a gateway that really runs with any module, and holds what became of it against what is expected. Fuel,
    /// memory and host calls only the simulator counts.
    fn go_through(
        &mut self,
        engine: &mut dyn Engine,
        held: &Held,
        expect: Expect,
        label: &str,
    ) -> Result<(), String> {
        let expect = expect.without_counts();
        let mut answer = |asked: &Message| self.answer(held, asked);
        let (wire, activity) =
            engine.exchange(held.ticket, &mut answer).map_err(|error| error.to_string())?;
        let is_token = self.is_token();
        let mut short = Shortfalls::new(&is_token);
        short.wire(&expect, &wire, true)?;
        short.status("status", expect.status, wire.status());
        short.activity(&expect, &activity)?;
        let all = short.all;
        self.fail(all, label);
        Ok(())
    }

    /// Lets a request be decided, and holds what became of it against what is expected.
    pub(super) fn conclude(
        &mut self,
        engine: &mut dyn Engine,
        held: &Held,
        expect: Option<&Value>,
        label: &str,
    ) -> Result<(), String> {
        self.last = Some(held.input);
        let expect = expect.map(|value| read(value, self.decides())).transpose()?.unwrap_or_default();
        if !self.decides() && engine.simulator().is_none() {
            return self.go_through(engine, held, expect, label);
        }
        let mut decision = None;
        if self.decides() {
            match engine::settle(engine, held.ticket) {
                Ok(decided) => decision = Some(decided),
                // What becomes of a request whose VM failed is told by the wires alone.
                Err(EngineError::Failed(_) | EngineError::AuditLines(0) | EngineError::Undecided)
                    if engine.simulator().is_some()
                        && !expect.asks_for_decision()
                        && expect.asks_for_wire() => {}
                Err(error) => return Err(error.to_string()),
            }
        } else if !expect.waits_for_nothing()
            && let Some(simulator) = engine.simulator()
        {
            simulator.settle(held.ticket);
        }
        let asked = match engine.simulator() {
            Some(simulator) => simulator.outcome(held.ticket).forwarded().cloned(),
            None => decision.as_ref().and_then(|decision| match &decision.outcome {
                Outcome::Forwarded(headers) => {
                    let (headers, body) = (headers.clone(), held.body.clone());
                    Some(Message { headers, body, ..Message::default() })
                }
                Outcome::Replied { .. } | Outcome::Dropped => None,
            }),
        };
        let answer = match &asked {
            Some(asked) => self.answer(held, asked)?,
            // Nobody is asked.
            None => Answer::at_once(Reply::Silence),
        };
        let gone_by = if matches!(answer.reply, Reply::Silence) { Duration::ZERO } else { answer.delay };
        let is_token = self.is_token();
        let mut short = Shortfalls::new(&is_token);
        if let Some(decision) = &decision {
            expect.decision(decision, &self.plan.prefix, &mut short)?;
        }
        if let Some(simulator) = engine.simulator() {
            let wire = simulator.finish(held.ticket, &answer);
            let activity = simulator.activity();
            self.trace.ended = Some(wire.ended.name());
            short.wire(&expect, &wire, decision.is_none())?;
            if decision.is_none() {
                short.status("status", expect.status, wire.status());
            }
            short.activity(&expect, &activity)?;
            if wire.upstream.is_some() {
                self.now = self.now.plus(span(gone_by));
            }
        } else if asked.is_some() {
            engine.advance(gone_by);
            self.now = self.now.plus(span(gone_by));
        }
        if engine.is_real()
            && let Some(decision) = &decision
        {
            short.wire(&expect, &Wire::of(&decision.outcome), false)?;
        }
        let all = short.all;
        self.fail(all, label);
        if let Some(decision) = decision {
            self.trace.nonce = decision.reply_header("dpop-nonce").or(self.trace.nonce.take());
            self.trace.decisions.push(decision);
        }
        Ok(())
    }
}

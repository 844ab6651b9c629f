//! gRPC services of a scenario, as the simulator has them.

use super::format::{GrpcAnswerSpec, GrpcServices};
use crate::time;
use countersign_host_sim::{GrpcReply, GrpcUpstream};
use std::collections::BTreeMap;
use std::time::Duration;

/// gRPC's last status, `UNAUTHENTICATED`.
const LAST_STATUS: u32 = 16;

/// How every cluster's services answer; an error comes with the place within `grpc`.
pub(super) fn upstreams(services: &GrpcServices) -> Result<BTreeMap<String, GrpcUpstream>, String> {
    services.iter().map(|(cluster, methods)| Ok((cluster.clone(), upstream(cluster, methods)?))).collect()
}

fn upstream(cluster: &str, methods: &BTreeMap<String, Vec<GrpcAnswerSpec>>) -> Result<GrpcUpstream, String> {
    let replies = |method: &str, answers: &[GrpcAnswerSpec]| -> Result<Vec<GrpcReply>, String> {
        if answers.is_empty() {
            return Err(format!("`{cluster}[\"{method}\"]`: expected at least one answer, found none"));
        }
        let reply = |(index, answer): (usize, &GrpcAnswerSpec)| {
            answer.reply().map_err(|message| format!("`{cluster}[\"{method}\"][{index}]`: {message}"))
        };
        answers.iter().enumerate().map(reply).collect()
    };
    let mut upstream = GrpcUpstream::new();
    for (method, answers) in methods.iter().filter(|(method, _)| *method != "*") {
        if !matches!(method.split_once('/'), Some((service, name)) if !service.is_empty() && !name.is_empty() && !name.contains('/'))
        {
            return Err(format!("`{cluster}`: expected `SERVICE/METHOD` or `*`, found `{method}`"));
        }
        upstream = upstream.on(method, replies(method, answers)?);
    }
    match methods.get("*") {
        Some(answers) => Ok(upstream.otherwise(replies("*", answers)?)),
        None => Ok(upstream),
    }
}

impl GrpcAnswerSpec {
    fn reply(&self) -> Result<GrpcReply, String> {
        let span = |name: &str, text: &Option<String>| match text {
            None => Ok(Duration::ZERO),
            Some(text) => time::span(text)
                .ok_or_else(|| format!("`{name}`: expected a span such as `200ms` or `5s`, found `{text}`")),
        };
        let status = self.status.unwrap_or(0);
        if status > LAST_STATUS {
            return Err(format!("`status`: expected a number from 0 to {LAST_STATUS}, found {status}"));
        }
        if self.failure.is_some() && (self.status.is_some() || self.message.is_some()) {
            return Err("expected either `failure` or `status` and `message`, found both".to_owned());
        }
        let messages = self.messages.0.clone();
        let reply = if self.in_turn { GrpcReply::in_turn(messages) } else { GrpcReply::messages(messages) };
        let mut reply = match self.failure.as_deref() {
            None => reply.ending(status, self.message.as_deref().unwrap_or_default()),
            Some("reset") => reply.breaking(),
            Some("silence") => reply.open(),
            Some("refused") => {
                let said = [&self.initial, &self.trailing].iter().any(|metadata| !metadata.0.is_empty());
                if said || !self.messages.0.is_empty() || self.in_turn {
                    return Err("`failure`: expected nothing said where no connection can be made".to_owned());
                }
                GrpcReply::refused()
            }
            Some(other) => {
                return Err(format!("`failure`: expected `refused`, `reset` or `silence`, found `{other}`"));
            }
        };
        for (name, value) in &self.initial.0 {
            reply = reply.initial(name, value);
        }
        for (name, value) in &self.trailing.0 {
            reply = reply.trailing(name, value);
        }
        Ok(reply.after(span("delay", &self.delay)?).each(span("pause", &self.pause)?))
    }
}

//! gRPC services of a scenario, as gateways have them.

use super::format::{GrpcAnswerSpec, GrpcServices};
use crate::engine::{GrpcAnswer, GrpcEnd, GrpcScript};
use crate::time;
use std::collections::BTreeMap;
use std::time::Duration;

/// gRPC's last status, `UNAUTHENTICATED`.
const LAST_STATUS: u32 = 16;

/// How every cluster's services answer; an error comes with the place within `grpc`.
pub(super) fn scripts(services: &GrpcServices) -> Result<BTreeMap<String, GrpcScript>, String> {
    services.iter().map(|(cluster, methods)| Ok((cluster.clone(), script(cluster, methods)?))).collect()
}

fn script(cluster: &str, methods: &BTreeMap<String, Vec<GrpcAnswerSpec>>) -> Result<GrpcScript, String> {
    let read = |method: &str, answers: &[GrpcAnswerSpec]| -> Result<Vec<GrpcAnswer>, String> {
        if answers.is_empty() {
            return Err(format!("`{cluster}[\"{method}\"]`: expected at least one answer, found none"));
        }
        let one = |(index, answer): (usize, &GrpcAnswerSpec)| {
            answer.read().map_err(|message| format!("`{cluster}[\"{method}\"][{index}]`: {message}"))
        };
        answers.iter().enumerate().map(one).collect()
    };
    let mut script = GrpcScript::default();
    for (method, answers) in methods.iter().filter(|(method, _)| *method != "*") {
        if !matches!(method.split_once('/'), Some((service, name)) if !service.is_empty() && !name.is_empty() && !name.contains('/'))
        {
            return Err(format!("`{cluster}`: expected `SERVICE/METHOD` or `*`, found `{method}`"));
        }
        script.on(Some(method), read(method, answers)?);
    }
    if let Some(answers) = methods.get("*") {
        script.on(None, read("*", answers)?);
    }
    Ok(script)
}

impl GrpcAnswerSpec {
    fn read(&self) -> Result<GrpcAnswer, String> {
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
        let end = match self.failure.as_deref() {
            None => GrpcEnd::Status(status, self.message.clone().unwrap_or_default()),
            Some("reset") => GrpcEnd::Reset,
            Some("silence") => GrpcEnd::Silence,
            Some("refused") => {
                let said = [&self.initial, &self.trailing].iter().any(|metadata| !metadata.0.is_empty());
                if said || !self.messages.0.is_empty() || self.in_turn {
                    return Err("`failure`: expected nothing said where no connection can be made".to_owned());
                }
                GrpcEnd::Refused
            }
            Some(other) => {
                return Err(format!("`failure`: expected `refused`, `reset` or `silence`, found `{other}`"));
            }
        };
        Ok(GrpcAnswer {
            delay: span("delay", &self.delay)?,
            pause: span("pause", &self.pause)?,
            initial: self.initial.map(),
            trailing: self.trailing.map(),
            messages: self.messages.0.clone(),
            in_turn: self.in_turn,
            end,
        })
    }
}

//! Who answers in a scenario: clusters, issuers, gRPC services and the service that requests go to.

use super::{Checked, among};
use crate::scenario::format::{
    AnswerSpec, GrpcServices, Publication, Service, Upstreams, ValueExpect, When, check_metadata,
};
use crate::scenario::{grpc, world};
use std::collections::BTreeMap;

impl Checked<'_> {
    /// Demands that scripted clusters exist, and that each answer is one.
    pub(in crate::scenario) fn upstreams(&self, upstreams: &Upstreams) -> Result<(), String> {
        if let Some(clusters) = &self.clusters {
            among("a cluster that the configuration calls", clusters, upstreams.keys())?;
        }
        for (cluster, paths) in upstreams {
            self.answers(paths, cluster).map_err(|message| format!("`{cluster}{message}"))?;
        }
        Ok(())
    }

    /// Demands that each answer of the service is one.
    pub(in crate::scenario) fn service(&self, service: &Service) -> Result<(), String> {
        self.answers(service, "").map_err(|message| format!("`{message}"))
    }

    /// Demands that each answer of gRPC services is one, and that something may call them.
    pub(in crate::scenario) fn grpc(&self, services: &GrpcServices) -> Result<(), String> {
        if self.decides && !services.is_empty() {
            return Err("expected none beside `configuration`: Countersign calls no gRPC service".to_owned());
        }
        grpc::scripts(services).map(drop)
    }

    fn answers(&self, paths: &Service, cluster: &str) -> Result<(), String> {
        for (path, answers) in paths {
            if answers.is_empty() {
                return Err(format!("[\"{path}\"]`: expected at least one answer, found none"));
            }
            for (index, answer) in answers.iter().enumerate() {
                self.answer(answer, cluster, path)
                    .map_err(|message| format!("[\"{path}\"][{index}]`: {message}"))?;
            }
        }
        Ok(())
    }

    /// Demands that an answer can be given, at this path of a cluster; the service has no name.
    pub(super) fn answer(&self, answer: &AnswerSpec, cluster: &str, path: &str) -> Result<(), String> {
        world::check(answer)?;
        check_metadata(&answer.metadata)?;
        let documents = [
            ("body", answer.body.is_some()),
            ("keys", answer.keys.is_some()),
            ("revocations", answer.revocations.is_some()),
            ("status_list", answer.status_list.is_some()),
            ("token", answer.token.is_some()),
        ];
        let given = documents.iter().filter(|(_, given)| *given).map(|(name, _)| format!("`{name}`"));
        let given: Vec<String> = given.collect();
        if given.len() > 1 {
            return Err(format!("expected one of {}, found all of them", given.join(" and ")));
        }
        if let Some(when) = &answer.when {
            told_apart(when)?;
        }
        if let Some(list) = &answer.status_list {
            list.check(self.configured, cluster, path)?;
            self.key("status_list", list.key.as_ref())?;
        }
        if let Some(feed) = &answer.revocations {
            feed.check(self.configured, cluster, path)?;
            self.key("revocations", feed.key.as_ref())?;
        }
        among("a key of the file", &self.keys, answer.keys.iter().flatten())
            .map_err(|message| format!("`keys`: {message}"))?;
        match &answer.token {
            Some(name) => self.token_of_file(name).map_err(|message| format!("`token`: {message}")),
            None => Ok(()),
        }
    }

    /// The answer of the service to one request.
    pub(super) fn response(&self, answer: Option<&AnswerSpec>) -> Result<(), String> {
        answer.map_or(Ok(()), |answer| self.answer(answer, "", "*"))
    }

    fn key(&self, signed: &str, name: Option<&String>) -> Result<(), String> {
        among("a key of the file", &self.keys, name).map_err(|message| format!("`{signed}.key`: {message}"))
    }

    /// Demands that what publishes and what is scripted is there; `place` is what stands before the names of their fields.
    pub(super) fn sources(
        &self,
        issuers: &BTreeMap<String, Publication>,
        upstreams: &Upstreams,
        place: &str,
    ) -> Result<(), String> {
        among("an issuer whose keys are fetched", &self.issuers, issuers.keys())
            .and_then(|()| self.published(issuers))
            .map_err(|message| format!("`{place}issuers`: {message}"))?;
        self.upstreams(upstreams).map_err(|message| format!("`{place}upstreams`: {message}"))
    }

    /// Demands that what runs has issuers, and that they publish keys of the file.
    pub(in crate::scenario) fn issuers(&self, issuers: &BTreeMap<String, Publication>) -> Result<(), String> {
        if !self.decides && !issuers.is_empty() {
            return Err(
                "expected none beside `module`, which has no issuers; `upstreams` says what clusters answer"
                    .to_owned(),
            );
        }
        self.published(issuers)
    }

    fn published(&self, issuers: &BTreeMap<String, Publication>) -> Result<(), String> {
        for (issuer, publication) in issuers {
            let Publication::Keys(names) = publication else { continue };
            among("a key of the file", &self.keys, names)
                .map_err(|message| format!("`[\"{issuer}\"]`: {message}"))?;
        }
        Ok(())
    }
}

/// Demands that requests can be told apart by what an answer is for.
fn told_apart(when: &When) -> Result<(), String> {
    if *when == When::default() {
        return Err("`when`: expected `method`, `authority`, `headers` or `body`, found none".to_owned());
    }
    let token = when.headers.iter().find(|(_, value)| matches!(value, ValueExpect::Token(_)));
    match token {
        Some((name, _)) => {
            Err(format!("`when.headers.{name}`: expected a text, bytes or `null`, found a token"))
        }
        None => Ok(()),
    }
}

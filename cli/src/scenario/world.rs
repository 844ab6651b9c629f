//! The world of a case: which cluster answers what.

use super::format::{AnswerSpec, GrpcServices, Publication, Service, Upstreams, When};
use super::keys::Keys;
use super::opaque::{self, Introspected};
use super::revocation::Place;
use super::token::Mint;
use crate::engine::{Answer, Condition, GrpcScript, Reply, Script};
use crate::time;
use countersign_core::config::{Config, JsonValue, KeySource};
use countersign_host_sim::Response;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where an issuer with a discovery document publishes its keys.
const JWKS: &str = "/jwks";

/// What issuers publish and how clusters answer, as it stands at one time.
#[derive(Clone, Default)]
pub(super) struct Sources {
    publications: BTreeMap<String, Publication>,
    upstreams: Upstreams,
    service: Service,
    grpc: GrpcServices,
}

impl Sources {
    /// Changes what issuers publish and how clusters answer.
    pub(super) fn change(&mut self, publications: &BTreeMap<String, Publication>, upstreams: &Upstreams) {
        self.publications.extend(publications.clone());
        for (cluster, paths) in upstreams {
            self.upstreams.entry(cluster.clone()).or_default().extend(paths.clone());
        }
    }

    /// Changes how the service answers that requests go to.
    pub(super) fn serve(&mut self, service: &Service) {
        self.service.extend(service.clone());
    }

    /// Changes how gRPC services answer.
    pub(super) fn serve_grpc(&mut self, grpc: &GrpcServices) {
        for (cluster, methods) in grpc {
            self.grpc.entry(cluster.clone()).or_default().extend(methods.clone());
        }
    }

    /// How gRPC services answer, by cluster.
    pub(super) fn grpc(&self) -> Result<BTreeMap<String, GrpcScript>, String> {
        super::grpc::scripts(&self.grpc).map_err(|message| format!("`grpc`: {message}"))
    }

    /// How the service answers.
    pub(super) fn service(&self, mint: &Mint<'_>, now: i64) -> Result<Script, String> {
        let mut script = Script::default();
        let others = self.service.get("*").map(|answers| (None, "*", answers));
        let named = self.service.iter().filter(|(path, _)| *path != "*");
        for (rule, path, answers) in
            named.map(|(path, all)| (Some(path.as_str()), path.as_str(), all)).chain(others)
        {
            let one = |answer: &AnswerSpec| self.answer(answer, mint, now);
            add(&mut script, rule, answers, one).map_err(|fault| format!("`service.{path}`: {fault}"))?;
        }
        Ok(script)
    }

    /// One answer of the service.
    pub(super) fn answer(&self, answer: &AnswerSpec, mint: &Mint<'_>, now: i64) -> Result<Answer, String> {
        let Mint { issuers, keys, .. } = *mint;
        one(
            answer,
            mint,
            &Place { issuers, keys, publications: &self.publications, cluster: "", path: "" },
            now,
        )
    }

    /// How every cluster answers: what is scripted first, with tokens minted at `now`, in seconds; then what issuers publish, and say of
    /// the tokens that they know.
    pub(super) fn scripts(
        &self,
        mint: &Mint<'_>,
        known: &[Introspected],
        now: i64,
    ) -> Result<BTreeMap<String, Script>, String> {
        let (issuers, keys) = (mint.issuers, mint.keys);
        let mut scripts: BTreeMap<String, Script> = BTreeMap::new();
        for (cluster, paths) in &self.upstreams {
            let script = scripts.entry(cluster.clone()).or_default();
            for (path, answers) in paths.iter().filter(|(path, _)| *path != "*") {
                self.script(script, Some(path), answers, mint, (cluster, now))?;
            }
        }
        for asked in issuers.iter().filter_map(|issuer| issuer.introspection.as_ref()) {
            let script = scripts.entry(asked.cluster.clone()).or_default();
            let path = path_of(&asked.uri);
            for one in known {
                script.on_holding(path, one.asked(), opaque::answered(&one.answer));
            }
            script.on(Some(path), opaque::answered(r#"{"active":false}"#));
        }
        for issuer in issuers {
            let Some(publication) = self.publications.get(&issuer.issuer) else { continue };
            let body = keys.document(publication, issuer.profile)?;
            let mut publish = |cluster: &str, uri: &str, body: String| {
                let answer = Answer { delay: Duration::ZERO, reply: Script::document(body) };
                scripts.entry(cluster.to_owned()).or_default().on(Some(path_of(uri)), vec![answer]);
            };
            match &issuer.keys {
                KeySource::Inline(_) | KeySource::None => {}
                KeySource::Remote(remote) => publish(&remote.cluster, &remote.uri, body),
                KeySource::Discovery(discovered) => {
                    let uri = discovered.document_uri(&issuer.issuer);
                    let origin = uri.strip_suffix(path_of(&uri)).unwrap_or(&uri);
                    let jwks_uri =
                        format!("{}{JWKS}", discovered.jwks_authority.as_deref().unwrap_or(origin));
                    let document = json!({ "issuer": issuer.issuer, "jwks_uri": jwks_uri });
                    publish(&discovered.cluster, &uri, document.to_string());
                    publish(discovered.jwks_cluster.as_ref().unwrap_or(&discovered.cluster), &jwks_uri, body);
                }
            }
        }
        for (cluster, paths) in &self.upstreams {
            if let (Some(answers), Some(script)) = (paths.get("*"), scripts.get_mut(cluster)) {
                self.script(script, None, answers, mint, (cluster, now))?;
            }
        }
        Ok(scripts)
    }

    fn script(
        &self,
        script: &mut Script,
        path: Option<&str>,
        answers: &[AnswerSpec],
        mint: &Mint<'_>,
        (cluster, now): (&str, i64),
    ) -> Result<(), String> {
        let Mint { issuers, keys, .. } = *mint;
        let publications = &self.publications;
        let place = Place { issuers, keys, publications, cluster, path: path.unwrap_or("*") };
        add(script, path, answers, |answer| one(answer, mint, &place, now))
            .map_err(|fault| format!("`upstreams.{cluster}`: {fault}"))
    }
}

/// Puts what issuers publish into a configuration whose keys stand in it.
pub(super) fn publish_inline(
    config: &mut Config,
    publications: &BTreeMap<String, Publication>,
    keys: &Keys,
) -> Result<(), String> {
    for (name, publication) in publications {
        let Some(issuer) = config.issuers.iter_mut().find(|issuer| issuer.issuer == *name) else {
            let names: Vec<String> =
                config.issuers.iter().map(|issuer| format!("`{}`", issuer.issuer)).collect();
            return Err(format!(
                "expected an issuer of the configuration ({}), found `{name}`",
                names.join(", ")
            ));
        };
        if let KeySource::Inline(document) = &mut issuer.keys {
            let text = keys.document(publication, issuer.profile)?;
            *document = serde_json::from_str::<JsonValue>(&text).map_err(|error| {
                format!("`{name}`: expected JSON where the configuration has inline keys: {error}")
            })?;
        }
    }
    Ok(())
}

/// Adds the answers of a path: those for requests that are alike in a sequence of their own, and those for all others last.
fn add(
    script: &mut Script,
    path: Option<&str>,
    answers: &[AnswerSpec],
    one: impl Fn(&AnswerSpec) -> Result<Answer, String>,
) -> Result<(), String> {
    let mut alike: Vec<&When> = Vec::new();
    for when in answers.iter().filter_map(|answer| answer.when.as_ref()) {
        if !alike.contains(&when) {
            alike.push(when);
        }
    }
    let of = |when: Option<&When>| -> Result<Vec<Answer>, String> {
        answers.iter().filter(|answer| answer.when.as_ref() == when).map(&one).collect()
    };
    for when in alike {
        let wanted = when.clone();
        let condition = Condition::new(move |headers, body| wanted.is_met(headers, body));
        script.on_if(path, condition, of(Some(when))?);
    }
    let others = of(None)?;
    if !others.is_empty() {
        script.on(path, others);
    }
    Ok(())
}

fn one(answer: &AnswerSpec, mint: &Mint<'_>, place: &Place<'_>, now: i64) -> Result<Answer, String> {
    let reply = match answer.failure.as_deref() {
        None => Reply::Response(response(answer, mint, place, now)?),
        Some("half") => Reply::Half(response(answer, mint, place, now)?),
        Some("refused") => Reply::Refused,
        Some("reset") => Reply::Reset,
        Some("silence") => Reply::Silence,
        Some(other) => return Err(no_failure(other)),
    };
    Ok(Answer { delay: delay(answer)?, reply })
}

/// Demands that an answer names a status, a way to fail and a span.
pub(super) fn check(answer: &AnswerSpec) -> Result<(), String> {
    delay(answer)?;
    if let Some(status) = answer.status.filter(|status| !(100..600).contains(status)) {
        return Err(format!("`status`: expected a status from 100 to 599, found {status}"));
    }
    match answer.failure.as_deref() {
        None | Some("half" | "refused" | "reset" | "silence") => Ok(()),
        Some(other) => Err(no_failure(other)),
    }
}

fn delay(answer: &AnswerSpec) -> Result<Duration, String> {
    let Some(text) = &answer.delay else { return Ok(Duration::ZERO) };
    time::span(text)
        .ok_or_else(|| format!("`delay`: expected a span such as `200ms` or `5s`, found `{text}`"))
}

fn no_failure(found: &str) -> String {
    format!("`failure`: expected `refused`, `reset`, `half` or `silence`, found `{found}`")
}

fn response(answer: &AnswerSpec, mint: &Mint<'_>, place: &Place<'_>, now: i64) -> Result<Response, String> {
    let mut response = Response::new(answer.status.unwrap_or(200));
    for (name, value) in &answer.headers.0 {
        response = response.header(name, value);
    }
    response.trailers = answer.trailers.as_ref().map(|trailers| trailers.map());
    response.metadata = answer.metadata.iter().map(|map| map.map()).collect();
    let document = match answer {
        AnswerSpec { keys: Some(names), .. } => mint.keys.jwks(names)?,
        AnswerSpec { token: Some(name), .. } => {
            if response.headers.get("content-type").is_none() {
                response = response.header("content-type", "application/json");
            }
            mint.given(name, now)?
        }
        AnswerSpec { status_list: Some(list), .. } => list.signed(place, now)?,
        AnswerSpec { revocations: Some(feed), .. } => feed.signed(place, now)?,
        AnswerSpec { body, .. } => {
            response.body = body.as_ref().map(|chunks| chunks.0.clone()).unwrap_or_default();
            return Ok(response);
        }
    };
    Ok(response.body(document))
}

/// The path of an address.
pub(super) fn path_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

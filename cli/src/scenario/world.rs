//! The world of a case: which cluster answers what.

use super::format::{AnswerSpec, Publication, Service, Upstreams};
use super::keys::Keys;
use super::opaque::{self, Introspected};
use super::revocation::Place;
use super::token::Mint;
use crate::engine::{Answer, Reply, Script};
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

    /// How the service answers.
    pub(super) fn service(&self, mint: &Mint<'_>, now: i64) -> Result<Script, String> {
        let mut script = Script::default();
        let others = self.service.get("*").map(|answers| (None, "*", answers));
        let named = self.service.iter().filter(|(path, _)| *path != "*");
        for (rule, path, answers) in
            named.map(|(path, all)| (Some(path.as_str()), path.as_str(), all)).chain(others)
        {
            let answers: Result<_, String> =
                answers.iter().map(|answer| self.answer(answer, mint, now)).collect();
            script.on(rule, answers.map_err(|fault| format!("`service.{path}`: {fault}"))?);
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
                script.on(Some(path), self.sequence(answers, mint, (cluster, path), now)?);
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
                script.on(None, self.sequence(answers, mint, (cluster, "*"), now)?);
            }
        }
        Ok(scripts)
    }

    fn sequence(
        &self,
        answers: &[AnswerSpec],
        mint: &Mint<'_>,
        (cluster, path): (&str, &str),
        now: i64,
    ) -> Result<Vec<Answer>, String> {
        let Mint { issuers, keys, .. } = *mint;
        let place = Place { issuers, keys, publications: &self.publications, cluster, path };
        let all = answers.iter().map(|answer| one(answer, mint, &place, now));
        all.collect::<Result<_, _>>().map_err(|fault| format!("`upstreams.{cluster}`: {fault}"))
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

fn one(answer: &AnswerSpec, mint: &Mint<'_>, place: &Place<'_>, now: i64) -> Result<Answer, String> {
    let delay = match &answer.delay {
        None => Duration::ZERO,
        Some(text) => time::span(text)
            .ok_or_else(|| format!("`delay`: expected a span such as `200ms` or `5s`, found `{text}`"))?,
    };
    let reply = match answer.failure.as_deref() {
        None => Reply::Response(response(answer, mint, place, now)?),
        Some("half") => Reply::Half(response(answer, mint, place, now)?),
        Some("refused") => Reply::Refused,
        Some("reset") => Reply::Reset,
        Some("silence") => Reply::Silence,
        Some(other) => {
            return Err(format!(
                "`failure`: expected `refused`, `reset`, `half` or `silence`, found `{other}`"
            ));
        }
    };
    Ok(Answer { delay, reply })
}

fn response(answer: &AnswerSpec, mint: &Mint<'_>, place: &Place<'_>, now: i64) -> Result<Response, String> {
    let mut response = Response::new(answer.status.unwrap_or(200));
    for (name, value) in &answer.headers.0 {
        response = response.header(name, value);
    }
    response.trailers = answer.trailers.as_ref().map(|trailers| trailers.map());
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

//! The cases of a scenario file that are one request each, for those who measure them and judge nothing else.

use super::format::{AnswerSpec, Case, ProofChoice, TokenChoice};
use super::plan::{Plan, Planned};
use super::request::Draft;
use super::short::Short;
use super::subject::{self, Subject};
use super::world::Sources;
use crate::engine::{Reply, Request, Script};
use crate::failure::Failure;
use countersign_core::time::Timestamp;
use countersign_host_sim::{HostBuilder, Response};
use std::collections::BTreeMap;
use std::path::Path;

/// A case of one request.
pub(crate) struct Single {
    /// Its name.
    pub(crate) name: String,
    /// The request, with its credentials.
    pub(crate) request: Request,
    /// What the service answers; nothing where it breaks or is silent.
    pub(crate) response: Option<Response>,
}

/// What of a file is measured, and what it is measured in.
pub(crate) struct Singles {
    /// The cases, in the order of the file.
    pub(crate) cases: Vec<Single>,
    /// How many others there are, by what they are.
    pub(crate) left_out: BTreeMap<&'static str, usize>,
    /// How clusters answer, by name.
    pub(crate) clusters: BTreeMap<String, Script>,
    /// When all of it happens.
    pub(crate) time: Timestamp,
    /// What the plugin is configured by, and its VM.
    pub(crate) configurations: (Vec<u8>, Vec<u8>),
    /// The properties `plugin_name`, `plugin_root_id` and `plugin_vm_id`.
    pub(crate) names: [String; 3],
}

impl Plan {
    /// The file of the module that it is about, where that is not Countersign's filter.
    pub(crate) fn module(&self) -> Option<&Path> {
        self.file.module.as_deref().map(Path::new).filter(|_| matches!(self.subject, Subject::Module))
    }

    /// Puts the file's gateway around a module, with what the module is started with.
    pub(crate) fn around(&self, module: HostBuilder) -> Result<HostBuilder, Failure> {
        let wrong = |field: String, message: String| {
            Failure::at(self.path.display(), format!("`{field}`: {message}"))
        };
        let gateway = subject::Gateway::read(&self.file.host)
            .map_err(|(name, message)| wrong(format!("host.{name}"), message))?;
        let host = gateway.around(module);
        match self.subject {
            Subject::Countersign(_) => Ok(host.plugin_config(self.json.clone())),
            Subject::Module => {
                let start = subject::Start::read(&self.file.plugin, self.folder());
                let start = start.map_err(|(name, message)| wrong(format!("plugin.{name}"), message))?;
                Ok(start.of(host))
            }
        }
    }

    /// Its cases of one request.
    pub(crate) fn singles(&self) -> Result<Singles, Failure> {
        let wrong = |message: String| Failure::at(self.path.display(), message);
        let mut sources = Sources::default();
        sources.change(&self.file.issuers, &self.file.upstreams);
        sources.serve(&self.file.service);
        let seconds = self.start.as_secs();
        let mint = self.mint();
        let known = mint.introspected(seconds).map_err(wrong)?;
        let clusters = sources.scripts(&mint, &known, seconds).map_err(wrong)?;
        let service = sources.service(&mint, seconds).map_err(wrong)?;
        let (mut cases, mut left_out) = (Vec::new(), BTreeMap::new());
        for planned in &self.cases {
            if let Some(what) = self.no_single(planned) {
                *left_out.entry(what).or_default() += 1;
                continue;
            }
            let single = self.single(&planned.case, &sources, service.clone());
            cases.push(single.map_err(|message| Failure::at(&planned.place, message))?);
        }
        let plugin = &self.file.plugin;
        let configurations = match self.subject {
            Subject::Countersign(_) => (self.json.clone(), Vec::new()),
            Subject::Module => plugin
                .configurations(self.folder())
                .map_err(|(name, message)| wrong(format!("`plugin.{name}`: {message}")))?,
        };
        let (time, names) = (self.start, plugin.names());
        Ok(Singles { cases, left_out, clusters, time, configurations, names })
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Why a case is more than a request that can be sent again and again, if it is.
    fn no_single(&self, planned: &Planned) -> Option<&'static str> {
        let case = &planned.case;
        let Some(request) = &case.request else {
            let what = match (&case.connect, case.steps.is_empty()) {
                (Some(_), _) => "about a connection",
                (None, true) => "about the start",
                (None, false) => "of several steps",
            };
            return Some(what);
        };
        let proof = case.proof.as_ref().or(self.file.defaults.proof.as_ref());
        let changes = !case.issuers.is_empty() || !case.upstreams.is_empty() || !case.service.is_empty();
        let own = changes || !case.grpc.is_empty() || !case.plugin.is_empty() || !case.host.is_empty();
        let service = self.file.service.values().flatten();
        let mut answers = case.response.iter().chain(&self.file.defaults.response).chain(service);
        let is_none = |proof: &ProofChoice| matches!(proof, Short::Text(name) if name == "none");
        if own || case.cold {
            Some("with a world of their own")
        } else if proof.is_some_and(|proof| !is_none(proof)) {
            Some("with a proof, which serves once")
        } else if request.unfinished {
            Some("of a request that is not whole")
        } else if !request.metadata.is_empty() || answers.any(|answer| !answer.metadata.is_empty()) {
            Some("with HTTP/2 metadata")
        } else {
            None
        }
    }

    /// `service` is how the service answers that has answered nothing yet.
    fn single(&self, case: &Case, sources: &Sources, mut service: Script) -> Result<Single, String> {
        let (defaults, seconds, mint) = (&self.file.defaults, self.start.as_secs(), self.mint());
        let spec = case.request.as_ref().ok_or("expected a request")?;
        let draft = Draft {
            spec,
            peer: case.peer.as_ref(),
            defaults,
            certificates: &self.certificates,
            now: self.start,
            workers: 1,
        };
        let mut request = draft.build()?;
        let choice: Option<&TokenChoice> = case.token.as_ref().or(defaults.token.as_ref());
        let token = choice.map(|choice| mint.mint(choice, seconds, |_| Ok(None))).transpose();
        if let Some(token) = token.map_err(|message| format!("`token`: {message}"))?.flatten() {
            request.headers.append(b"authorization", format!("Bearer {token}").as_bytes());
        }
        let given = |spec: &Option<AnswerSpec>| {
            spec.as_ref().map(|spec| sources.answer(spec, &mint, seconds)).transpose()
        };
        let mut answer = given(&case.response)?;
        if answer.is_none() {
            answer = service.next(&request.headers, &request.body.concat());
        }
        if answer.is_none() {
            answer = given(&defaults.response)?;
        }
        let response = match answer.map(|answer| answer.reply) {
            None => Some(Response::new(200)),
            Some(Reply::Response(response)) => Some(response),
            Some(Reply::Refused) => Some(Script::refused()),
            Some(Reply::Half(_) | Reply::Reset | Reply::Silence) => None,
        };
        Ok(Single { name: case.name.clone(), request, response })
    }
}

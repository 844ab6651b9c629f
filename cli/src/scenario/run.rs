//! Running the cases of a scenario file.

use super::check::Checked;
use super::expand::expand;
use super::expect::Expect;
use super::format::{Case, File, ProofChoice, RequestSpec, TokenChoice};
use super::keys::Keys;
use super::token::{Mint, Proved};
use super::world::{Sources, publish_inline};
use crate::case;
use crate::configuration::Configuration;
use crate::decider::Engines;
use crate::document::Document;
use crate::engine::{
    self, CERTIFICATE_DIGEST, Decision, Document as Served, Engine, Module, Native, Script, Ticket, Wasm,
    World, differences,
};
use crate::failure::Failure;
use crate::report::CaseResult;
use crate::time;
use countersign_core::config::Config;
use countersign_core::settings::Settings;
use countersign_core::time::{Span, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// When cases begin whose file does not say: any time will do, as long as it is always the same.
const USUAL_TIME: Timestamp = Timestamp::from_secs(1_767_225_600);

/// How long before the first request the worker starts, unless a case is cold.
const AHEAD: Duration = Duration::from_millis(2);

/// A scenario file, ready to run.
pub(crate) struct Plan {
    /// Its path.
    pub(crate) path: PathBuf,
    file: File,
    config: Config,
    prefix: String,
    settings: Rc<Settings>,
    json: Vec<u8>,
    keys: Keys,
    start: Timestamp,
    engine: Option<Engines>,
    /// Each with its place in the file.
    cases: Vec<(String, Case)>,
}

/// Reads a `T` from a value; an error comes with the path of the field.
pub(super) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, (String, String)> {
    countersign_core::json::from_slice(
        value.to_string().as_bytes(),
        &countersign_core::json::Limits::CONFIGURATION,
    )
    .map_err(|error| (error.path, error.message))
}

impl Plan {
    /// Reads a file and all that it names.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let document = Document::open(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let fault = |(path, message): (String, String)| document.fault(&path, message);
        let file: File = document.read()?;
        let mut config = match &file.configuration {
            Value::String(name) => Configuration::load(&folder.join(name))?.config,
            inline => {
                let inner =
                    Document::parse(format!("{} (`configuration`)", path.display()), &inline.to_string())?;
                Configuration::from_document(&inner, folder)?.config
            }
        };
        let keys = Keys::generate(&file.keys).map_err(fault)?;
        publish_inline(&mut config, &file.issuers, &keys)
            .map_err(|message| fault(("issuers".into(), message)))?;
        let settings = Settings::prepare(&config)
            .map_err(|error| document.fault("configuration", format!("with the published keys: {error}")))?;
        let json = serde_json::to_vec(&config).map_err(|error| Failure::usage(error.to_string()))?;
        let start = match &file.time {
            None => USUAL_TIME,
            Some(value) => time::from_json(value).ok_or_else(|| {
                document.fault("time", format!("expected {}, found {value}", time::EXPECTED_TIME))
            })?,
        };
        let engine = match file.engine.as_deref() {
            None => None,
            Some("native") => Some(Engines::Native),
            Some("wasm") => Some(Engines::Wasm),
            Some("both") => Some(Engines::Both),
            Some(other) => {
                return Err(
                    document.fault("engine", format!("expected `native`, `wasm` or `both`, found `{other}`"))
                );
            }
        };
        let checked = Checked::by(&config, file.keys.keys());
        let of_all = file.defaults.proof.as_ref();
        checked.proof(of_all).map_err(|message| document.fault("defaults.proof", message))?;
        checked.upstreams(&file.upstreams).map_err(|message| document.fault("upstreams", message))?;
        let mint = Mint { file: &file, config: &config, keys: &keys };
        mint.introspected(start.as_secs()).map_err(|message| document.fault("tokens", message))?;
        let mut cases = Vec::new();
        for (index, case) in file.cases.iter().enumerate() {
            let place = format!("cases[{index}]");
            for case in expand(case.clone()).map_err(|message| document.fault(&place, message))? {
                let case: Case = read(&case).map_err(|(inner, message)| {
                    let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
                    document.fault(&format!("{place}{dot}{inner}"), message)
                })?;
                checked.case(&case).map_err(|message| document.fault(&place, message))?;
                cases.push((document.place(&place), case));
            }
        }
        let prefix = config.forward.prefix.clone();
        Ok(Self {
            path: path.to_owned(),
            file,
            config,
            prefix,
            settings: Rc::new(settings),
            json,
            keys,
            start,
            engine,
            cases,
        })
    }

    /// Which engine runs the file, where the command line does not say.
    pub(crate) fn engine(&self) -> Engines {
        self.engine.unwrap_or(Engines::Both)
    }

    /// The names of the cases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|(_, case)| case.name.as_str())
    }

    /// Runs the case at `index`.
    pub(crate) fn run(&self, index: usize, engines: Engines, module: Option<&Module>) -> CaseResult {
        let Some((place, case)) = self.cases.get(index) else { unreachable!("cases are counted") };
        let mut sides: Vec<(&'static str, Trace)> = Vec::new();
        if engines != Engines::Wasm {
            sides.push(("native", self.trace(case, |world| Ok(Box::new(Native::start(world))))));
        }
        if let (true, Some(module)) = (engines.need_module(), module) {
            let start = |world: World<'_>| -> Result<Box<dyn Engine>, String> {
                Wasm::start(module, &world)
                    .map(|engine| Box::new(engine) as Box<dyn Engine>)
                    .map_err(|error| error.to_string())
            };
            sides.push(("wasm", self.trace(case, start)));
        }
        let mut failures = Vec::new();
        // What both sides say in the same words is said once.
        let all_same =
            sides.iter().all(|(_, trace)| sides.iter().all(|(_, other)| other.failures == trace.failures));
        for (name, trace) in sides.iter().take(if all_same { 1 } else { sides.len() }) {
            let label = if all_same { String::new() } else { format!("{name}: ") };
            failures.extend(trace.failures.iter().map(|failure| format!("{label}{failure}")));
        }
        if let [(left, ours), (right, theirs)] = sides.as_slice() {
            let whole =
                |trace: &Trace| json!(trace.decisions.iter().map(Decision::comparable).collect::<Vec<_>>());
            for (step, (ours, theirs)) in ours.decisions.iter().zip(&theirs.decisions).enumerate() {
                let lines = differences((left, &ours.comparable()), (right, &theirs.comparable()));
                failures.extend(
                    lines.lines().map(|line| format!("engines differ at request {}: {line}", step + 1)),
                );
            }
            if ours.decisions.len() != theirs.decisions.len() {
                failures.push(format!(
                    "engines differ: {} {}, {} {}",
                    left,
                    whole(ours),
                    right,
                    whole(theirs)
                ));
            }
        }
        let records = sides
            .first()
            .map(|(_, trace)| trace.decisions.iter().map(|one| one.record(&self.prefix)).collect());
        CaseResult {
            name: case.name.clone(),
            place: place.clone(),
            failures,
            near: Vec::new(),
            records: records.unwrap_or_default(),
        }
    }

    /// Why the case at `index` says nothing to a gateway that really runs, if it does not.
    pub(crate) fn unfit(&self, index: usize) -> Option<&'static str> {
        let (_, case) = self.cases.get(index)?;
        let steps = || case.steps.iter();
        if case.cold || steps().any(|step| step.advance.is_some()) {
            return Some("it moves the time");
        }
        if steps().any(|step| step.hold.is_some() || step.close.is_some()) {
            return Some("it holds requests");
        }
        let changed = steps().any(|step| !step.issuers.is_empty() || !step.upstreams.is_empty());
        if changed || !case.issuers.is_empty() || !case.upstreams.is_empty() {
            return Some("it changes what is published");
        }
        let of_case = case.request.iter().chain(steps().filter_map(|step| step.request.as_ref()));
        let unlike = |properties: &Value| {
            properties["connection.mtls"] == true && properties[CERTIFICATE_DIGEST].is_null()
        };
        of_case
            .filter_map(|request| request.properties.as_ref())
            .any(unlike)
            .then_some("it has a certificate without a digest")
    }

    /// What clusters answer from the start, with opaque tokens issued at `now`.
    pub(crate) fn documents(&self, now: Timestamp) -> Result<BTreeMap<String, Vec<Served>>, String> {
        let mut sources = Sources::default();
        sources.change(&self.file.issuers, &self.file.upstreams);
        let mint = self.mint();
        let scripts = sources.scripts(&mint, &mint.introspected(now.as_secs())?, now.as_secs())?;
        let documents = |(cluster, script): (String, Script)| match script.documents() {
            Some(documents) => Ok((cluster, documents)),
            None => Err(format!("`upstreams.{cluster}`: expected documents alone")),
        };
        scripts.into_iter().map(documents).collect()
    }

    /// The configuration as it is at `now` rather than when the file says: what ends after some time does so after the same time.
    pub(crate) fn configuration_at(&self, now: Timestamp) -> Result<Value, String> {
        let mut config: Value = serde_json::from_slice(&self.json).map_err(|error| error.to_string())?;
        let past = Span::from_nanos(now.as_nanos() - self.start.as_nanos());
        let keys = config.pointer_mut("/api_keys/keys").and_then(Value::as_array_mut);
        for key in keys.into_iter().flatten() {
            if let Some(end) = time::from_json(&key["not_after"]) {
                key["not_after"] = json!(time::show(end.plus(past)));
            }
        }
        Ok(config)
    }

    /// Runs the case at `index` on an engine: how it falls short of what is expected, and what it decided.
    pub(crate) fn run_on(
        &self,
        index: usize,
        start: impl FnOnce(World<'_>) -> Box<dyn Engine>,
    ) -> (Vec<String>, Vec<Decision>) {
        let Some((_, case)) = self.cases.get(index) else { unreachable!("cases are counted") };
        let trace = self.trace(case, |world| Ok(start(world)));
        (trace.failures, trace.decisions)
    }

    /// What stands before the names of headers that go upstream.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn mint(&self) -> Mint<'_> {
        Mint { file: &self.file, config: &self.config, keys: &self.keys }
    }

    /// Runs a case on one engine.
    fn trace(&self, case: &Case, start: impl FnOnce(World<'_>) -> Result<Box<dyn Engine>, String>) -> Trace {
        let mut trace = Trace::default();
        if let Err(failure) = self.steps(case, start, &mut trace) {
            trace.failures.push(failure);
        }
        trace
    }

    fn steps(
        &self,
        case: &Case,
        start: impl FnOnce(World<'_>) -> Result<Box<dyn Engine>, String>,
        trace: &mut Trace,
    ) -> Result<(), String> {
        let mut sources = Sources::default();
        sources.change(&self.file.issuers, &self.file.upstreams);
        sources.change(&case.issuers, &case.upstreams);
        let ahead = if case.cold { Duration::ZERO } else { AHEAD };
        let mint = self.mint();
        let known = mint.introspected(self.start.as_secs())?;
        let mut clusters = sources.scripts(&mint, &known, self.start.as_secs())?;
        // A cluster that a later step brings to life exists from the start, as in a gateway.
        for cluster in case.steps.iter().flat_map(|step| step.upstreams.keys()) {
            clusters.entry(cluster.clone()).or_default();
        }
        let world = World {
            settings: &self.settings,
            json: &self.json,
            start: self.start.minus(span(ahead)),
            clusters,
        };
        let mut engine = start(world)?;
        engine.advance(ahead);
        let mut now = self.start;
        if let Some(request) = &case.request {
            let credentials = Credentials {
                token: case.token.as_ref(),
                proof: case.proof.as_ref(),
                peer: case.peer.as_deref(),
            };
            let ticket = self.send(engine.as_mut(), request, &credentials, trace, now)?;
            let decision = engine::settle(engine.as_mut(), ticket).map_err(|error| error.to_string())?;
            self.judge(decision, case.expect.as_ref(), None, trace)?;
        }
        let mut held: BTreeMap<&str, Ticket> = BTreeMap::new();
        for (index, step) in case.steps.iter().enumerate() {
            let label = format!("step {}: ", index + 1);
            let wrong = |message: String| format!("{label}{message}");
            if !step.issuers.is_empty() || !step.upstreams.is_empty() {
                sources.change(&step.issuers, &step.upstreams);
                for (cluster, script) in sources.scripts(&mint, &known, now.as_secs()).map_err(wrong)? {
                    engine.set_cluster(&cluster, &script);
                }
            }
            if let Some(text) = &step.advance {
                let by = time::span(text).ok_or_else(|| {
                    wrong(format!("`advance`: expected a span such as `5s`, found `{text}`"))
                })?;
                engine.advance(by);
                now = now.plus(span(by));
            }
            if let Some(request) = &step.request {
                let credentials = Credentials {
                    token: step.token.as_ref().or(case.token.as_ref()),
                    proof: step.proof.as_ref().or(case.proof.as_ref()),
                    peer: step.peer.as_deref().or(case.peer.as_deref()),
                };
                let ticket = self.send(engine.as_mut(), request, &credentials, trace, now).map_err(wrong)?;
                if let Some(name) = &step.hold {
                    if let Some(decision) =
                        engine.decision(ticket).map_err(|error| wrong(error.to_string()))?
                    {
                        let record = Value::Object(decision.record(&self.prefix));
                        return Err(wrong(format!(
                            "expected the request to be held, it was decided: {record}"
                        )));
                    }
                    held.insert(name, ticket);
                } else {
                    let decision =
                        engine::settle(engine.as_mut(), ticket).map_err(|error| wrong(error.to_string()))?;
                    self.judge(decision, step.expect.as_ref(), Some(&label), trace)?;
                }
            }
            let named = |name: &String| {
                held.get(name.as_str())
                    .copied()
                    .ok_or_else(|| wrong(format!("expected the name of a held request, found `{name}`")))
            };
            if let Some(name) = &step.close {
                let ticket = named(name)?;
                engine.close(ticket);
                let decision =
                    engine::settle(engine.as_mut(), ticket).map_err(|error| wrong(error.to_string()))?;
                self.judge(decision, step.expect.as_ref(), Some(&label), trace)?;
            }
            if let Some(name) = &step.settle {
                let ticket = named(name)?;
                let decision =
                    engine::settle(engine.as_mut(), ticket).map_err(|error| wrong(error.to_string()))?;
                self.judge(decision, step.expect.as_ref(), Some(&label), trace)?;
            }
        }
        Ok(())
    }

    /// Sends a request with its token, minted for this moment.
    fn send(
        &self,
        engine: &mut dyn Engine,
        request: &RequestSpec,
        credentials: &Credentials<'_>,
        trace: &mut Trace,
        now: Timestamp,
    ) -> Result<Ticket, String> {
        let now = engine.clock().unwrap_or(now);
        let defaults = &self.file.defaults;
        let mut line = Map::new();
        let method = request.method.as_ref().or(defaults.method.as_ref());
        let url = request.url.as_ref().or(defaults.url.as_ref());
        for (name, value) in
            [("method", method.map(|text| json!(text))), ("url", url.map(|text| json!(text)))]
        {
            if let Some(value) = value {
                line.insert(name.to_owned(), value);
            }
        }
        for (name, value) in [
            ("headers", request.headers.as_ref().or(defaults.headers.as_ref())),
            ("properties", request.properties.as_ref()),
            ("body", request.body.as_ref()),
        ] {
            if let Some(value) = value {
                line.insert(name.to_owned(), value.clone());
            }
        }
        let peer = credentials.peer.or(defaults.peer.as_deref()).filter(|peer| *peer != "none");
        line.insert("peer".into(), json!(peer));
        let mut case = case::parse(&Value::Object(line).to_string(), now).map_err(|bad| bad.to_string())?;
        let mint = self.mint();
        let token = match credentials.token.or(defaults.token.as_ref()) {
            None => None,
            Some(choice) => {
                let thumbprint = |made_up: &str| {
                    engine.thumbprint(made_up, &case.request).map_err(|error| error.to_string())
                };
                mint.mint(choice, now.as_secs(), thumbprint)
                    .map_err(|message| format!("`token`: {message}"))?
            }
        };
        let proof = match credentials.proof.or(defaults.proof.as_ref()) {
            None => None,
            Some(choice) => {
                trace.proofs += 1;
                let text = |name: &str| {
                    let value = case.request.headers.get(name.as_bytes()).unwrap_or_default();
                    String::from_utf8_lossy(value).into_owned()
                };
                let url = format!("{}://{}{}", text(":scheme"), text(":authority"), text(":path"));
                let request = Proved {
                    method: &text(":method"),
                    url: &url,
                    token: token.as_deref().unwrap_or_default(),
                    // Another one in each case, too, where the time is another one.
                    id: &format!("proof-{}-{}", now.as_nanos(), trace.proofs),
                    nonce: trace.nonce.as_deref(),
                };
                mint.prove(choice, &request, now.as_secs())
                    .map_err(|message| format!("`proof`: {message}"))?
            }
        };
        let scheme = if proof.is_some() { "DPoP" } else { "Bearer" };
        if let Some(token) = token {
            case.request.headers.append(b"authorization", format!("{scheme} {token}").as_bytes());
        }
        if let Some(proof) = proof {
            case.request.headers.append(b"dpop", proof.as_bytes());
        }
        Ok(engine.request(&case.request))
    }

    fn judge(
        &self,
        decision: Decision,
        expect: Option<&Value>,
        label: Option<&str>,
        trace: &mut Trace,
    ) -> Result<(), String> {
        if let Some(value) = expect {
            let expect =
                Expect::read(value).map_err(|(path, message)| format!("`expect.{path}`: {message}"))?;
            let mint = self.mint();
            let is_token = |value: &str, name: &str| mint.is_bearer(value, name, self.start.as_secs());
            let short = expect.shortfalls(&decision, &self.prefix, is_token)?;
            trace.failures.extend(short.lines().map(|line| format!("{}{line}", label.unwrap_or_default())));
        }
        trace.nonce = decision.reply_header("dpop-nonce").or(trace.nonce.take());
        trace.decisions.push(decision);
        Ok(())
    }
}

/// What one engine made of a case.
#[derive(Default)]
struct Trace {
    decisions: Vec<Decision>,
    failures: Vec<String>,
    /// How many proofs were made.
    proofs: usize,
    /// The gateway's last nonce.
    nonce: Option<String>,
}

/// What a request presents.
struct Credentials<'a> {
    token: Option<&'a TokenChoice>,
    proof: Option<&'a ProofChoice>,
    peer: Option<&'a str>,
}

fn span(duration: Duration) -> Span {
    Span::from_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

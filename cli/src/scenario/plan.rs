//! A scenario file, read and checked, with every case that it stands for.

use super::certificates::Certificates;
use super::check::Checked;
use super::fixtures;
use super::format::{Case, File};
use super::keys::Keys;
use super::matrix;
use super::place::deeper;
use super::subject::{Gateway, Start, Subject};
use super::token::Mint;
use super::world::{Sources, publish_inline};
use crate::decider::Engines;
use crate::document::Document;
use crate::engine::{Document as Served, Modules, Script};
use crate::failure::Failure;
use crate::time;
use countersign_core::settings::Settings;
use countersign_core::time::{Span, Timestamp};
use countersign_host_sim::HostBuilder;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// When cases begin whose file does not say: any time will do, as long as it is always the same.
const USUAL_TIME: Timestamp = Timestamp::from_secs(1_767_225_600);

/// The most cases that a file may stand for.
const MAX_CASES: usize = 100_000;

/// A scenario file, ready to run.
pub(crate) struct Plan {
    /// Its path.
    pub(crate) path: PathBuf,
    /// Where its randomness starts from.
    pub(crate) seed: u64,
    pub(super) file: File,
    pub(super) subject: Subject,
    /// What stands before the names of headers that go upstream.
    pub(super) prefix: String,
    /// The configuration as the filter is given it.
    pub(super) json: Vec<u8>,
    pub(super) keys: Keys,
    pub(super) certificates: Certificates,
    pub(super) start: Timestamp,
    engine: Option<Engines>,
    pub(super) cases: Vec<Planned>,
}

/// A case, ready to run.
pub(super) struct Planned {
    /// Where it stands in the file.
    pub(super) place: String,
    pub(super) case: Case,
    pub(super) gateway: Gateway,
    /// The module with what it is started with, where it is not Countersign.
    pub(super) host: Option<HostBuilder>,
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
    /// Reads a file and all that it names. A `seed` stands in the place of the file's own.
    pub(crate) fn load(path: &Path, seed: Option<u64>, modules: &mut Modules) -> Result<Self, Failure> {
        let document = Document::open(path)?;
        let mut file = fixtures::load(path, &document)?;
        file.host.seed = seed.or(file.host.seed);
        let fault = |path: &str, message: String| {
            let (path, message) = deeper(path, &message);
            document.fault(&path, message)
        };
        let of_file = |(path, message): (String, String)| fault(&path, message);
        let gateway =
            Gateway::read(&file.host).map_err(|(name, message)| fault(&format!("host.{name}"), message))?;
        let Some(cases) = file.cases.take() else {
            return Err(document.fault("cases", "expected cases, found none"));
        };
        let mut subject = Subject::of(&file, path, &document)?;
        let keys = Keys::generate(&file.keys, gateway.seed).map_err(of_file)?;
        let (mut prefix, mut json) = (String::new(), Vec::new());
        if let Subject::Countersign(countersign) = &mut subject {
            let config = &mut countersign.config;
            publish_inline(config, &file.issuers, &keys).map_err(|message| fault("issuers", message))?;
            Settings::prepare(config).map_err(|error| {
                document.fault("configuration", format!("with the published keys: {error}"))
            })?;
            prefix.clone_from(&config.forward.prefix);
            json = serde_json::to_vec(config).map_err(|error| Failure::usage(error.to_string()))?;
        }
        let start = match &file.time {
            None => USUAL_TIME,
            Some(value) => time::from_json(value).ok_or_else(|| {
                document.fault("time", format!("expected {}, found {value}", time::EXPECTED_TIME))
            })?,
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let certificates = Certificates::read(&file.certificates, folder, gateway.seed, start);
        let certificates = certificates.map_err(of_file)?;
        if let Some(name) = file.certificates.keys().find(|name| file.keys.contains_key(*name)) {
            let message = format!("expected another name than a key's, found `{name}`");
            return Err(fault("certificates", message));
        }
        let engine = engine(&file, &subject).map_err(|message| fault("engine", message))?;
        let mint = Mint { file: &file, issuers: subject.issuers(), keys: &keys, certificates: &certificates };
        let checked = Checked::by(&subject, mint, path, start.as_secs());
        checked.issuers(&file.issuers).map_err(|message| fault("issuers", message))?;
        checked.upstreams(&file.upstreams).map_err(|message| fault("upstreams", message))?;
        checked.service(&file.service).map_err(|message| fault("service", message))?;
        checked.grpc(&file.grpc).map_err(|message| fault("grpc", message))?;
        mint.introspected(start.as_secs()).map_err(|message| fault("tokens", message))?;
        checked.defaults().map_err(|message| fault("defaults", message))?;
        started_with(&file, &Case::default(), &subject, path)
            .map_err(|(name, message)| fault(&format!("plugin{name}"), message))?;
        let mut plan = Vec::new();
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for (index, case) in cases.into_iter().enumerate() {
            let place = format!("cases[{index}]");
            let at = |inner: &str, message: String| {
                let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
                fault(&format!("{place}{dot}{inner}"), message)
            };
            let cells = matrix::cases(case);
            for case in cells.map_err(|message| fault(&place, message))? {
                if plan.len() >= MAX_CASES {
                    return Err(fault(
                        &place,
                        format!("expected at most {MAX_CASES} cases in all, found more"),
                    ));
                }
                let case: Case = read(&case).map_err(|(inner, message)| at(&inner, message))?;
                let gateway = Gateway::read(&case.host.clone().over(file.host.clone()))
                    .map_err(|(name, message)| at(&format!("host.{name}"), message))?;
                checked.case(&case, gateway.workers).map_err(|message| fault(&place, message))?;
                let with = started_with(&file, &case, &subject, path)
                    .map_err(|(name, message)| at(&format!("plugin{name}"), message))?;
                let at_name = format!("{place}.name");
                if case.name.is_empty() {
                    return Err(document.fault(&at_name, "expected a text, found an empty one"));
                }
                if let Some(other) = names.insert(case.name.clone(), document.place(&at_name)) {
                    let message = format!(
                        "expected a name of its own, `{}` is that of the case at {other} too",
                        case.name
                    );
                    return Err(document.fault(&at_name, message));
                }
                plan.push((Planned { place: document.place(&place), case, gateway, host: None }, with));
            }
        }
        if plan.is_empty() {
            return Err(fault("cases", "expected at least one case, found none".to_owned()));
        }
        // This may take long, and mistakes are told before.
        let module = subject.compile(&file, &document, modules)?;
        let with_host = |(planned, with): (Planned, Option<Start>)| {
            let host = module.as_ref().zip(with);
            let host = host.map(|(module, with)| with.of(planned.gateway.around(module.host())));
            Planned { host, ..planned }
        };
        let cases = plan.into_iter().map(with_host).collect();
        let (path, seed) = (path.to_owned(), gateway.seed);
        Ok(Self { path, seed, file, subject, prefix, json, keys, certificates, start, engine, cases })
    }

    /// Which engine runs the file, where the command line does not say.
    pub(crate) fn engine(&self) -> Engines {
        self.engine.unwrap_or(Engines::Both)
    }

    /// Whether the filter's module is needed, where this engine is asked for.
    pub(crate) fn needs_filter(&self, engines: Engines) -> bool {
        matches!(self.subject, Subject::Countersign(_)) && engines.need_module()
    }

    /// The names of the cases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|planned| planned.case.name.as_str())
    }

    /// What tokens are made from.
    pub(super) fn mint(&self) -> Mint<'_> {
        Mint {
            file: &self.file,
            issuers: self.subject.issuers(),
            keys: &self.keys,
            certificates: &self.certificates,
        }
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

    /// What stands before the names of headers that go upstream.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}

fn engine(file: &File, subject: &Subject) -> Result<Option<Engines>, String> {
    let Some(name) = file.engine.as_deref() else { return Ok(None) };
    if matches!(subject, Subject::Module) {
        return Err("expected none beside `module`, which always runs in the simulator".to_owned());
    }
    match name {
        "native" => Ok(Some(Engines::Native)),
        "wasm" => Ok(Some(Engines::Wasm)),
        "both" => Ok(Some(Engines::Both)),
        other => Err(format!("expected `native`, `wasm` or `both`, found `{other}`")),
    }
}

/// What the module is started with in a case, where it is not Countersign's; an error comes with the field's name.
fn started_with(
    file: &File,
    case: &Case,
    subject: &Subject,
    path: &Path,
) -> Result<Option<Start>, (String, String)> {
    match subject {
        Subject::Module => {}
        Subject::Countersign(_) if case.plugin.is_empty() => return Ok(None),
        Subject::Countersign(_) => {
            return Err((String::new(), "expected none beside `configuration`".to_owned()));
        }
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let spec = case.plugin.clone().over(file.plugin.clone());
    Start::read(&spec, folder).map(Some).map_err(|(name, message)| (format!(".{name}"), message))
}

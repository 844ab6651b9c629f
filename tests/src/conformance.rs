//! Holding our answers against what a case expects and against the official crate, natively and in WebAssembly.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use countersign_compiler::cases::{Answer, Case, answer, requests};
use countersign_core::policy::{Entity, Image};
use countersign_host_sim::{Engine, PolicyModule};
use serde_json::Value;

/// The evaluator as WebAssembly, where it is built.
pub fn policy_module() -> anyhow::Result<PolicyModule> {
    let file = match std::env::var_os("COUNTERSIGN_POLICY_WASM") {
        Some(file) => PathBuf::from(file),
        None => crate::root().join("target/countersign-policy.wasm"),
    };
    let wasm = std::fs::read(&file).map_err(|error| {
        anyhow::anyhow!("{}: {error}; `cargo xtask build-filter` builds it", file.display())
    })?;
    Ok(PolicyModule::start(&Engine::new()?, &wasm)?)
}

/// A case that every engine has loaded.
pub struct Loaded {
    /// The case.
    pub case: Case,
    /// Its image with the entities in it.
    pub image: Image,
    /// Its image without them.
    pub bare: Image,
    /// Its entities as a request brings them.
    pub brought: Vec<Entity>,
    /// The bytes of the first image.
    pub bytes: Vec<u8>,
}

impl Loaded {
    /// Reads and compiles a case, or says why not.
    pub fn new(json: &Value) -> Result<Self, String> {
        let case = Case::read(json).map_err(|error| format!("refused: {error}"))?;
        let compiled = case.compile().map_err(|errors| format!("not compiled: {errors}"))?;
        let bare = case.compile_without_entities().map_err(|errors| format!("not compiled: {errors}"))?;
        let decode = |bytes: &[u8]| Image::decode(bytes).map_err(|error| format!("not compiled: {error}"));
        Ok(Self {
            image: decode(&compiled.image)?,
            bare: decode(&bare.image)?,
            brought: case.brought().ok_or("refused: an entity with an unknown value")?,
            bytes: compiled.image,
            case,
        })
    }

    /// Our answers to a request by every way there is, each with its name.
    pub fn answers(
        &self,
        request: &cedar_policy::Request,
        module: Option<&mut PolicyModule>,
    ) -> Result<Vec<(&'static str, Answer)>, String> {
        let alone = answer::owned(request, Vec::new()).ok_or("refused: a request with an unknown value")?;
        let mut answers = vec![("entities in the image", answer::ours(&self.image, &alone))];
        if let Some(module) = module {
            let told = module.answer(&alone.encode()).map_err(|error| error.to_string())?;
            let errors = told.errors.iter().map(|(policy, _)| *policy);
            let told = Answer::of_indices(&self.image, told.allow, told.determining.iter().copied(), errors);
            answers.push(("in wasm", told));
        }
        let mut with = alone;
        with.entities.clone_from(&self.brought);
        answers.push(("entities brought along", answer::ours(&self.bare, &with)));
        answers.push(("entities in both", answer::ours(&self.image, &with)));
        Ok(answers)
    }
}

/// What came of a set of cases.
#[derive(Default)]
pub struct Tally {
    /// Cases that were asked.
    pub cases: usize,
    /// Policies in them.
    pub policies: usize,
    /// Requests that were answered alike by all.
    pub requests: usize,
    /// Requests that are allowed.
    pub allowed: usize,
    /// Requests in which a policy failed.
    pub errors: usize,
    /// Requests that WebAssembly answered as well.
    pub in_wasm: usize,
    /// Why cases or requests could not be asked, and how often.
    pub refused: BTreeMap<String, usize>,
    /// Differences, in words.
    pub faults: Vec<String>,
}

impl Tally {
    /// Asks every request of `case`.
    pub fn run(&mut self, name: &str, case: &Value, mut module: Option<&mut PolicyModule>) {
        let loaded = match Loaded::new(case) {
            Ok(loaded) => loaded,
            Err(reason) if reason.starts_with("refused") => return self.refuse(&reason),
            Err(reason) => return self.faults.push(format!("{name}: {reason}")),
        };
        if let Some(module) = module.as_deref_mut()
            && let Err(error) = module.load(&loaded.bytes)
        {
            return self.faults.push(format!("{name}: in wasm: {error}"));
        }
        self.cases += 1;
        self.policies += loaded.image.policy_count();
        for (at, json) in requests(case).iter().enumerate() {
            let asked = match loaded.case.request(json) {
                Ok(asked) => asked,
                Err(error) => {
                    self.refuse(&error.to_string());
                    continue;
                }
            };
            let official = loaded.case.official(&asked.request);
            let answers = match loaded.answers(&asked.request, module.as_deref_mut()) {
                Ok(answers) => answers,
                Err(error) => {
                    self.faults.push(format!("{name} request {at}: {error}"));
                    continue;
                }
            };
            let expected = asked.expected.iter().map(|expected| ("recorded", expected.clone()));
            let wrong: Vec<String> = expected
                .chain(answers)
                .filter(|(_, answer)| *answer != official)
                .map(|(how, answer)| format!("{how}: {answer:?}"))
                .collect();
            if wrong.is_empty() {
                self.requests += 1;
                self.allowed += usize::from(official.allow);
                self.errors += usize::from(!official.errors.is_empty());
                self.in_wasm += usize::from(module.is_some());
            } else {
                self.faults
                    .push(format!("{name} request {at}: official: {official:?}; {}", wrong.join("; ")));
            }
        }
    }

    fn refuse(&mut self, reason: &str) {
        *self.refused.entry(reason.chars().take(70).collect()).or_default() += 1;
    }

    /// One line for people.
    pub fn summary(&self, name: &str) -> String {
        let refused: usize = self.refused.values().sum();
        format!(
            "{name}: {} policies in {} sets; {} requests agree with the official crate and with what is recorded, {} of them in wasm too; \
             {} allowed, {} with errors; refused by the official crate: {refused}; differences: {}",
            self.policies,
            self.cases,
            self.requests,
            self.in_wasm,
            self.allowed,
            self.errors,
            self.faults.len()
        )
    }

    /// The first differences, and reasons of refusal.
    pub fn details(&self) -> String {
        let reasons: BTreeSet<String> =
            self.refused.iter().map(|(reason, count)| format!("{count} x {reason}")).collect();
        let faults = self.faults.iter().take(5).cloned();
        faults.chain(reasons).collect::<Vec<_>>().join("\n")
    }
}

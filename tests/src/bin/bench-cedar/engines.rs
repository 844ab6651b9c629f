//! What is measured: one set, loaded by every engine.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use cedar_policy::{Authorizer, Decision, Request};
use countersign_compiler::cases::{Answer, Case, answer};
use countersign_compiler::{CompileOptions, Pack, Source, compile, convert};
use countersign_core::policy::{self, EntityUid, Image, wire::OwnedRequest};
use countersign_host_sim::PolicyModule;
use serde_json::{Value, json};

use crate::allocations::counted;
use crate::node::Node;
use crate::sets::Set;

/// The columns, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Native,
    Wasmtime,
    V8,
    V8Whole,
    Cedar,
    CedarWasm,
    Cedarling,
}

impl Engine {
    pub(crate) const ALL: [Self; 7] = [
        Self::Native,
        Self::Wasmtime,
        Self::V8,
        Self::V8Whole,
        Self::Cedar,
        Self::CedarWasm,
        Self::Cedarling,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Wasmtime => "wasmtime",
            Self::V8 => "V8",
            Self::V8Whole => "V8 whole call",
            Self::Cedar => "cedar-policy",
            Self::CedarWasm => "cedar-wasm",
            Self::Cedarling => "cedarling",
        }
    }
}

/// A set that every engine has loaded, and whose answers are the same in all of them.
pub(crate) struct Bench<'n> {
    case: Case,
    asked: Vec<Request>,
    image: Image,
    ours: Vec<OwnedRequest>,
    module: &'n mut PolicyModule,
    node: &'n mut Node,
    flat: bool,
    /// How many of the requests are allowed.
    pub(crate) allowed: usize,
    /// What was found on the way.
    pub(crate) facts: Facts,
}

/// Figures of a set beside its speed.
pub(crate) struct Facts {
    pub(crate) compile: Duration,
    pub(crate) image_bytes: usize,
    pub(crate) load_native: Duration,
    pub(crate) load_wasmtime: Duration,
    pub(crate) load_v8: Duration,
    pub(crate) allocations: usize,
}

impl<'n> Bench<'n> {
    /// Loads `set` everywhere and compares the answers.
    pub(crate) fn new(set: &Set, module: &'n mut PolicyModule, node: &'n mut Node) -> Result<Self> {
        let json_schema = serde_json::from_str::<Value>(&set.schema).ok();
        let schema = json_schema.clone().unwrap_or_else(|| set.schema.as_str().into());
        let case =
            Case::read(&json!({ "policy": set.policies, "schema": schema, "entities": set.entities }))?;
        ensure!(case.notes.is_empty(), "{:?}", case.notes);
        let (brought, held): (Vec<Value>, Vec<Value>) =
            set.entities.iter().cloned().partition(|entity| {
                entity["uid"]["type"].as_str().is_some_and(|ty| set.brought.contains(&ty))
            });
        let pack = Pack {
            policies: vec![Source::new("bench.cedar", set.policies.as_str())],
            schema: Some(Source::new(
                if json_schema.is_some() { "bench.json" } else { "bench.cedarschema" },
                set.schema.as_str(),
            )),
            entities: Some(Source::new("entities.json", Value::from(held).to_string())),
            ..Pack::default()
        };
        let since = Instant::now();
        let compiled = compile(&pack, &CompileOptions::default())
            .map_err(|errors| anyhow!("compiling {}: {errors}", set.family))?
            .image;
        let compile = since.elapsed();
        let load_native = fastest(|| {
            let since = Instant::now();
            Image::decode(&compiled).map(|_| since.elapsed()).map_err(Into::into)
        })?;
        let image = Image::decode(&compiled)?;
        let load_wasmtime = fastest(|| {
            let since = Instant::now();
            module.load(&compiled)?;
            Ok(since.elapsed())
        })?;

        let wanted = |entity: &&cedar_policy::Entity| {
            brought.iter().any(|json| {
                json["uid"]["id"] == entity.uid().id().unescaped()
                    && json["uid"]["type"] == entity.uid().type_name().to_string()
            })
        };
        let (mut asked, mut ours) = (Vec::new(), Vec::new());
        for json in &set.requests {
            let request = case.request(json)?.request;
            // As a gateway has them: the principal and the resource come with the request.
            let entities = case.entities.iter().filter(wanted).filter(|entity| {
                Some(&entity.uid()) == request.principal() || Some(&entity.uid()) == request.resource()
            });
            let entities =
                entities.map(|entity| convert::entity(entity.as_ref())).collect::<Option<Vec<_>>>();
            let mut entities = entities.context("an entity with an unknown value")?;
            if !set.all_ancestors {
                entities.iter_mut().for_each(|entity| keep_direct_parents(entity, &brought));
            }
            let owned = answer::owned(&request, entities);
            ours.push(owned.context("a request with an unknown value")?);
            asked.push(request);
        }
        module.forget()?;
        let mut allowed = 0;
        let mut allocations = 0;
        let mut expected = Vec::new();
        for (request, owned) in asked.iter().zip(&ours) {
            let official = case.official(request);
            let number = module.keep(&owned.encode())?;
            let told = module.evaluate(number)?;
            let errors = told.errors.iter().map(|(policy, _)| *policy);
            let in_wasm = Answer::of_indices(&image, told.allow, told.determining.iter().copied(), errors);
            for (name, answer) in [("native", answer::ours(&image, owned)), ("wasmtime", in_wasm)] {
                ensure!(
                    answer == official,
                    "{} of {}: {name} answers {answer:?}, the official crate {official:?}",
                    set.family,
                    set.size
                );
            }
            allowed += usize::from(official.allow);
            if official.allow {
                let (_, count) = owned.ask(|request| counted(|| policy::evaluate(&image, request)));
                allocations = allocations.max(count);
            }
            expected.push(official.allow);
        }
        ensure!(
            allowed > 0 && allowed < asked.len(),
            "{} of {}: {allowed} of {} requests are allowed, expected some of both",
            set.family,
            set.size,
            asked.len()
        );
        let load_v8 = load_node(set, node, &case, &compiled, &ours, &expected)?;
        let facts =
            Facts { compile, image_bytes: compiled.len(), load_native, load_wasmtime, load_v8, allocations };
        Ok(Self { case, asked, image, ours, module, node, flat: set.is_flat(), allowed, facts })
    }

    /// Whether the engine can answer this set's question: cedarling knows nothing of what an entity lies in.
    pub(crate) fn can(&self, engine: Engine) -> bool {
        engine != Engine::Cedarling || self.flat
    }

    /// How many requests are asked in turn.
    pub(crate) fn requests(&self) -> usize {
        self.asked.len()
    }

    /// Asks the requests in turn, `times` in all, and checks that as many were allowed as should be.
    pub(crate) fn run(&mut self, engine: Engine, times: usize) -> Result<Duration> {
        let (took, allowed) = match engine {
            Engine::Native => {
                let since = Instant::now();
                let mut allowed = 0;
                for request in self.ours.iter().cycle().take(times) {
                    let outcome =
                        request.ask(|request| policy::evaluate(&self.image, std::hint::black_box(request)));
                    allowed += usize::from(outcome.decision() == policy::Decision::Allow);
                }
                (since.elapsed(), allowed)
            }
            Engine::Wasmtime => {
                let (allowed, took) = self.module.repeat(u32::try_from(times)?)?;
                (took, allowed as usize)
            }
            Engine::V8 => self.node.timed("ours", times)?,
            Engine::V8Whole => self.node.timed("whole", times)?,
            Engine::Cedar => {
                let authorizer = Authorizer::new();
                let since = Instant::now();
                let mut allowed = 0;
                for request in self.asked.iter().cycle().take(times) {
                    let request = std::hint::black_box(request);
                    let response =
                        authorizer.is_authorized(request, &self.case.policies, &self.case.entities);
                    allowed += usize::from(response.decision() == Decision::Allow);
                }
                (since.elapsed(), allowed)
            }
            Engine::CedarWasm => self.node.timed("peer", times)?,
            Engine::Cedarling => self.node.timed("cedarling", times)?,
        };
        let expected = times / self.requests() * self.allowed;
        ensure!(allowed == expected, "{}: {allowed} of {times} allowed, expected {expected}", engine.name());
        Ok(took)
    }
}

/// The official entities hold all ancestors as parents; a gateway knows those that the credentials name.
fn keep_direct_parents(entity: &mut policy::Entity, told: &[Value]) {
    let is = |uid: &EntityUid, json: &Value| json["id"] == uid.id() && json["type"] == uid.ty();
    let Some(told) = told.iter().find(|json| is(&entity.uid, &json["uid"])) else { return };
    let direct = told["parents"].as_array();
    entity.parents.retain(|parent| direct.is_some_and(|direct| direct.iter().any(|json| is(parent, json))));
}

/// Hands a set to Node; how long our image took to load there.
fn load_node(
    set: &Set,
    node: &mut Node,
    case: &Case,
    image: &[u8],
    ours: &[OwnedRequest],
    expected: &[bool],
) -> Result<Duration> {
    let folder = countersign_tests::root().join("target/bench/cedar");
    fs::create_dir_all(&folder)?;
    let write = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
        let file = folder.join(name);
        fs::write(&file, bytes)?;
        Ok(file)
    };
    let files =
        ours.iter().enumerate().map(|(at, request)| write(&format!("request-{at}"), &request.encode()));
    let files = files.collect::<Result<Vec<_>>>()?;
    let entities = case.entities.to_json_value()?;
    let asked: Vec<Value> = set
        .requests
        .iter()
        .map(|request| {
            let mut call = request.clone();
            call["entities"] = entities.clone();
            call
        })
        .collect();
    let one_by_one = || set.policies.split_inclusive(';').collect::<Vec<_>>();
    let cedarling = set.is_flat().then(|| json!({ "policies": one_by_one(), "schema": set.schema }));
    let mut command = json!({
        "command": "load",
        "cedarling": cedarling,
        "image": write("image", image)?,
        "policies": write("policies.cedar", set.policies.as_bytes())?,
        "request_files": files,
        "asked": asked,
    });
    let mut least = Duration::MAX;
    for round in 0..3 {
        // Cedarling takes seconds to load a large set.
        if round == 1 {
            command["cedarling"] = Value::Null;
        }
        let said = node.ask(&command)?;
        let answering = if command["cedarling"].is_null() { 2 } else { 3 };
        for name in ["ours", "peer", "cedarling"].iter().take(answering) {
            ensure!(
                said[*name] == json!(expected),
                "{name} under Node answers {}, expected {expected:?}",
                said[*name]
            );
        }
        let nanoseconds = said["load_ns"].as_f64().context("no load time")?;
        least = least.min(Duration::from_secs_f64(nanoseconds / 1e9));
    }
    Ok(least)
}

/// The shortest of a few runs.
fn fastest(mut run: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut least = Duration::MAX;
    for _ in 0..5 {
        least = least.min(run()?);
    }
    Ok(least)
}

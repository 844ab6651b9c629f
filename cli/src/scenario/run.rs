//! Running the cases of a scenario file.

use super::explain;
use super::faults;
use super::format::{Case, Expect};
use super::plan::{Plan, Planned};
use super::real::{self, Plugin};
use super::subject::Subject;
use super::walk::{Begin, Trace, Walk};
use crate::decider::Engines;
use crate::engine::{
    CERTIFICATE_DIGEST, Decision, Engine, EngineError, GrpcScript, Native, Plain, Script, Wasm, World,
    differences,
};
use crate::report::CaseResult;
use countersign_core::settings::Settings;
use countersign_host_sim::{Module, PropertyValue};
use serde_json::{Value, json};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How an engine is started with any module: by how clusters answer, and gRPC services.
type StartModule<'s> = &'s dyn Fn(
    &BTreeMap<String, Script>,
    &BTreeMap<String, GrpcScript>,
) -> Result<Box<dyn Engine>, EngineError>;

/// Runs cases of one file, one after the other. What is made only once is made by the first of them.
pub(crate) struct Runner<'p> {
    plan: &'p Plan,
    engines: Engines,
    /// The filter's module.
    filter: Option<&'p Module>,
    settings: OnceCell<Rc<Settings>>,
}

impl<'p> Runner<'p> {
    /// A runner that has this engine decide.
    pub(crate) fn new(plan: &'p Plan, engines: Engines, filter: Option<&'p Module>) -> Self {
        Self { plan, engines, filter, settings: OnceCell::new() }
    }

    /// Runs the case at `index`. `again` is the command that runs it again, but for its name, which no other case of the file has.
    pub(crate) fn run(&self, index: usize, again: &str) -> CaseResult {
        let Some(planned) = self.plan.cases.get(index) else { unreachable!("cases are counted") };
        let mut sides = self.sides(planned);
        let mut failures = Vec::new();
        // What both sides say in the same words is said once.
        let all_same =
            sides.iter().all(|(_, trace)| sides.iter().all(|(_, other)| other.failures == trace.failures));
        for (name, trace) in sides.iter().take(if all_same { 1 } else { sides.len() }) {
            let label = if all_same { String::new() } else { format!("{name}: ") };
            failures.extend(trace.failures.iter().map(|failure| format!("{label}{failure}")));
        }
        if let [(left, ours), (right, theirs)] = sides.as_slice() {
            compare((left, ours), (right, theirs), &mut failures);
        }
        if self.engines == Engines::Native
            && let Some(what) = needs_module(planned)
        {
            failures.push(format!("{what}: expected the module to run, which `--engine native` leaves out"));
        }
        let (mut input, mut explanation) = (None, None);
        if !failures.is_empty() {
            let failed =
                sides.iter().find_map(|(_, trace)| trace.failed.or(trace.inputs.len().checked_sub(1)));
            input = failed
                .and_then(|at| Some((at, sides.iter().find_map(|(_, trace)| trace.inputs.get(at))?.clone())));
            explanation = failed.and_then(|at| self.explanation(planned, at));
        }
        let name = planned.case.name.clone();
        let outcome = sides.first().and_then(|(_, trace)| trace.ended);
        CaseResult {
            place: planned.place.clone(),
            failures,
            near: Vec::new(),
            records: match sides.is_empty() {
                true => Vec::new(),
                false => {
                    sides.swap_remove(0).1.decisions.iter().map(|one| one.record(&self.plan.prefix)).collect()
                }
            },
            outcome,
            input: input.map(|(_, input)| input),
            explanation,
            again: format!(
                "{again} --exact --filter{}{}",
                if name.starts_with('-') { '=' } else { ' ' },
                quoted(&name)
            ),
            name,
        }
    }

    /// What each engine makes of a case.
    fn sides(&self, planned: &Planned) -> Vec<(&'static str, Trace)> {
        if let Some(host) = &planned.host {
            let start = |begin: &Begin| {
                let services = begin.grpc.iter();
                let host = services.fold(host.clone(), |host, (name, service)| {
                    host.grpc_cluster(name, service.to_upstream())
                });
                let engine = Plain::start(host, begin.start, &begin.clusters)?;
                Ok(Box::new(engine) as Box<dyn Engine>)
            };
            return vec![("module", Walk::through(self.plan, planned, &start))];
        }
        let mut sides = Vec::new();
        let alone = faults::needs_gateway(&planned.case, planned.gateway.workers).is_some();
        if self.engines != Engines::Wasm && !alone {
            let start =
                |begin: &Begin| Ok(Box::new(Native::start(self.world(planned, begin))) as Box<dyn Engine>);
            sides.push(("native", Walk::through(self.plan, planned, &start)));
        }
        if let (true, Some(filter)) = (self.engines.need_module(), self.filter) {
            let start = |begin: &Begin| {
                let engine = Wasm::start(planned.gateway.around(filter.host()), &self.world(planned, begin))?;
                Ok(Box::new(engine) as Box<dyn Engine>)
            };
            sides.push(("wasm", Walk::through(self.plan, planned, &start)));
        }
        sides
    }

    fn world(&self, planned: &Planned, begin: &Begin) -> World<'_> {
        World {
            settings: self.settings(),
            json: &self.plan.json,
            seed: planned.gateway.seed,
            start: begin.start,
            clusters: begin.clusters.clone(),
        }
    }

    fn settings(&self) -> &Rc<Settings> {
        self.settings.get_or_init(|| match &self.plan.subject {
            Subject::Countersign(countersign) => match Settings::prepare(&countersign.config) {
                Ok(settings) => Rc::new(settings),
                Err(_) => unreachable!("plans hold configurations that could be prepared"),
            },
            Subject::Module => unreachable!("only Countersign has settings"),
        })
    }

    /// How the decision on the request at `at` came about, where Countersign decides.
    fn explanation(&self, planned: &Planned, at: usize) -> Option<String> {
        let Subject::Countersign(countersign) = &self.plan.subject else { return None };
        if faults::needs_gateway(&planned.case, planned.gateway.workers).is_some() {
            return None;
        }
        let world = |begin: &Begin| self.world(planned, begin);
        explain::text(self.plan, planned, at, &world, &countersign.sources)
    }

    /// Why the case at `index` says nothing to a gateway that really runs, if it does not.
    pub(crate) fn unfit(&self, index: usize) -> Option<&'static str> {
        let planned = self.plan.cases.get(index)?;
        let case = &planned.case;
        let expected = case.expect.iter().chain(case.steps.iter().filter_map(|step| step.expect.as_ref()));
        let of_simulator =
            |value: &Value| Expect::read(value, true).is_ok_and(|expect| expect.asks_beyond_refusal());
        let alone = faults::needs_gateway(case, planned.gateway.workers).is_some();
        if planned.host.is_some() || alone || expected.into_iter().any(of_simulator) {
            return Some("it is about the simulator");
        }
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
        let is_mtls = |name: &str, request: &super::format::RequestSpec| matches!(request.properties.get(name), Some(Some(property)) if property.0 == PropertyValue::Bool(true));
        let unlike = |request: &super::format::RequestSpec| {
            is_mtls("connection.mtls", request) && !request.properties.contains_key(CERTIFICATE_DIGEST)
        };
        of_case.into_iter().any(unlike).then_some("it has a certificate without a digest")
    }

    /// Why the case at `index`, of any module, says nothing to a gateway that really runs, if it does not.
    pub(crate) fn unfit_for_real(&self, index: usize) -> Option<&'static str> {
        self.plan.cases.get(index).and_then(|planned| real::unfit(planned, &self.plan.file))
    }

    /// What the case at `index`, of any module, is started with.
    pub(crate) fn plugin(&self, index: usize) -> Result<Plugin, String> {
        let Some(planned) = self.plan.cases.get(index) else { unreachable!("cases are counted") };
        real::plugin(planned, &self.plan.file, &self.plan.path)
    }

    /// The servers that the connections ask for of the case at `index`, of any module, where it has connections.
    pub(crate) fn server_names(&self, index: usize) -> Option<Vec<String>> {
        self.plan.cases.get(index).and_then(|planned| real::server_names(planned, &self.plan.file))
    }

    /// Runs the case at `index`, of any module, on an engine that is started with clusters that answer so: how it falls short of what
    /// is expected.
    pub(crate) fn run_module_on(&self, index: usize, start: StartModule<'_>) -> Vec<String> {
        let Some(planned) = self.plan.cases.get(index) else { unreachable!("cases are counted") };
        Walk::through(self.plan, planned, &|begin| start(&begin.clusters, &begin.grpc)).failures
    }

    /// Runs the case at `index` on an engine: how it falls short of what is expected, and what it decided.
    pub(crate) fn run_on(
        &self,
        index: usize,
        start: impl Fn(World<'_>) -> Box<dyn Engine>,
    ) -> (Vec<String>, Vec<Decision>) {
        let Some(planned) = self.plan.cases.get(index) else { unreachable!("cases are counted") };
        let trace = Walk::through(self.plan, planned, &|begin| Ok(start(self.world(planned, begin))));
        (trace.failures, trace.decisions)
    }
}

fn compare(
    (left, ours): (&'static str, &Trace),
    (right, theirs): (&'static str, &Trace),
    failures: &mut Vec<String>,
) {
    for (step, (ours, theirs)) in ours.decisions.iter().zip(&theirs.decisions).enumerate() {
        let lines = differences((left, &ours.comparable()), (right, &theirs.comparable()));
        failures.extend(lines.lines().map(|line| format!("engines differ at request {}: {line}", step + 1)));
    }
    if ours.decisions.len() != theirs.decisions.len() {
        let whole =
            |trace: &Trace| json!(trace.decisions.iter().map(Decision::comparable).collect::<Vec<_>>());
        failures.push(format!("engines differ: {left} {}, {right} {}", whole(ours), whole(theirs)));
    }
}

/// What of a case the core alone knows nothing of, if there is anything.
fn needs_module(planned: &Planned) -> Option<&'static str> {
    let case: &Case = &planned.case;
    if let Some(what) = faults::needs_gateway(case, planned.gateway.workers) {
        return Some(what);
    }
    let expectations = case.expect.iter().chain(case.steps.iter().filter_map(|step| step.expect.as_ref()));
    let of_wire = |value: &Value| {
        Expect::read(value, true).is_ok_and(|expect| expect.asks_for_wire() || expect.asks_for_activity())
    };
    expectations.into_iter().any(of_wire).then_some("what goes over the wires")
}

/// A text as a shell takes it for one word.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,@%+".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

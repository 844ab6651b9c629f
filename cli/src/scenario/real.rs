//! Cases about any module on a gateway that really runs: which say something to it, and what it is to be started with.

mod connection;

use super::format::{AnswerSpec, Case, Expect, File, Step};
use super::plan::Planned;
use std::collections::BTreeMap;
use std::path::Path;

/// A module, and what it is started with.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The module in binary form.
    pub module: Vec<u8>,
    /// What the plugin is configured by.
    pub configuration: Vec<u8>,
    /// What its VM is configured by.
    pub vm_configuration: Vec<u8>,
    /// The names of the plugin, its root and its VM; empty where there are none.
    pub names: [String; 3],
    /// Variables of its environment.
    pub environment: BTreeMap<String, String>,
    /// The lowest level that it logs, by the name that scenarios use.
    pub log_level: String,
    /// Envoy's setting of this name.
    pub allow_on_headers_stop_iteration: bool,
}

const MOVES: &str = "it moves the time";
const MAKES_UP: &str = "it makes up properties";

/// What the module of a case is started with.
pub(super) fn plugin(planned: &Planned, file: &File, path: &Path) -> Result<Plugin, String> {
    let Some(module) = &file.module else { return Err("expected `module`".to_owned()) };
    let folder = path.parent().unwrap_or(Path::new(""));
    let spec = planned.case.plugin.clone().over(file.plugin.clone());
    let configurations = spec.configurations(folder);
    let (configuration, vm_configuration) =
        configurations.map_err(|(name, message)| format!("`plugin.{name}`: {message}"))?;
    let host = planned.case.host.clone().over(file.host.clone());
    Ok(Plugin {
        module: wat::parse_file(module).map_err(|error| error.to_string())?,
        configuration,
        vm_configuration,
        names: spec.names(),
        environment: spec.environment,
        log_level: spec.log_level.unwrap_or_else(|| "info".to_owned()),
        allow_on_headers_stop_iteration: host.allow_on_headers_stop_iteration.unwrap_or(false),
    })
}

/// Why a case says nothing to a gateway that really runs, if it does not.
pub(super) fn unfit(planned: &Planned, file: &File) -> Option<&'static str> {
    let case = &planned.case;
    if planned.gateway.workers > 1 {
        return Some("it has several workers");
    }
    let connects = has_connections(case);
    if connects && (case.request.is_some() || case.steps.iter().any(|step| step.request.is_some())) {
        return Some("it has requests and connections");
    }
    let of_step = |step| of_step(step, connects);
    let of_clients = || if connects { connection::unfit(case, file) } else { of_requests(case, file) };
    case.steps
        .iter()
        .find_map(of_step)
        .or_else(of_clients)
        .or_else(|| of_world(case, file))
        .or_else(|| of_expectations(case))
}

/// The servers that the connections of a case ask for, where it has connections.
pub(super) fn server_names(planned: &Planned, file: &File) -> Option<Vec<String>> {
    has_connections(&planned.case).then(|| connection::server_names(&planned.case, file))
}

fn has_connections(case: &Case) -> bool {
    case.connect.is_some() || case.steps.iter().any(|step| step.connect.is_some())
}

fn of_step(step: &Step, connects: bool) -> Option<&'static str> {
    let ends = step.close.is_some() || step.settle.is_some();
    let open = step.request.as_ref().is_some_and(|request| request.unfinished);
    let holds = step.send.is_some() || open || !connects && (step.hold.is_some() || ends);
    let acts =
        step.request.is_some() || connects && (step.connect.is_some() || step.transfer.is_some() || ends);
    let changes = !step.upstreams.is_empty() || !connects && !step.grpc.is_empty();
    let given = [
        (step.configure.is_some(), "it changes the configuration"),
        (step.restart.is_some() || step.trap.is_some(), "it has VMs fail"),
        (step.fail.is_some() || step.mend.is_some(), "it has host calls fail"),
        (step.tick.is_some() || step.advance.is_some(), MOVES),
        (holds, "it holds requests"),
        (changes, "it changes what clusters answer"),
        (!acts, "it looks at what goes on without a request"),
    ];
    given.into_iter().find(|(given, _)| *given).map(|(_, why)| why)
}

/// What requests of a real client do not bring: properties that are made up.
fn of_requests(case: &Case, file: &File) -> Option<&'static str> {
    let requests = case.request.iter().chain(case.steps.iter().filter_map(|step| step.request.as_ref()));
    let peers = case.peer.iter().chain(case.steps.iter().filter_map(|step| step.peer.as_ref()));
    let own = requests.into_iter().any(|request| !request.properties.is_empty()) || peers.count() > 0;
    let made_up = own || file.defaults.peer.is_some() || !file.defaults.properties.is_empty();
    made_up.then_some(MAKES_UP)
}

/// Who does not answer at all, in a world that is real.
fn of_world(case: &Case, file: &File) -> Option<&'static str> {
    let scripted = file.upstreams.values().chain(case.upstreams.values());
    let scripted = scripted.chain([&file.service, &case.service]).flat_map(BTreeMap::values).flatten();
    let single = case.response.iter().chain(case.steps.iter().filter_map(|step| step.response.as_ref()));
    let mut answers = scripted.chain(single).chain(file.defaults.response.as_ref());
    let silent = |answer: &AnswerSpec| matches!(answer.failure.as_deref(), Some("silence" | "refused"));
    answers.any(silent).then_some("it has somebody refuse connections or stay silent")
}

fn of_expectations(case: &Case) -> Option<&'static str> {
    let values = case.expect.iter().chain(case.steps.iter().filter_map(|step| step.expect.as_ref()));
    let expected: Vec<Expect> = values.filter_map(|value| Expect::read(value, false).ok()).collect();
    if expected.iter().any(Expect::waits_for_nothing) {
        return Some("it holds requests");
    }
    let counted =
        !expected.is_empty() && expected.into_iter().all(|expect| expect.without_counts().is_empty());
    counted.then_some("it counts what only the simulator counts")
}

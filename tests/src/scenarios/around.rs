//! A module in real Envoy, with clusters and gRPC services around it that answer as a scenario says: an Envoy for each case.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use countersign_cli::live::{self, Answers, Called, Clusters, NotStarted, Plugin, Reply};
use countersign_host_sim::{GrpcCall, LogLevel};
use serde_json::{Value, json};

use super::grpc::{Calls, Log, Services, locked};
use super::module::{answer_bytes, message};
use super::trace;
use crate::bootstrap::{Bootstrap, http2_cluster};
use crate::envoy::Envoy;
use crate::http::Response;
use crate::server::{Answer, Server};

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How often is looked.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// The kinds of filters that a module can be, as Envoy names them.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Http,
    Network,
}

/// Envoy with a module and all that is around it.
pub(super) struct Around {
    pub(super) envoy: Envoy,
    called: Arc<Mutex<Vec<Called>>>,
    grpc_calls: Calls,
    pub(super) grpc: BTreeMap<String, Services>,
    _servers: Vec<Server>,
}

impl Around {
    /// Starts Envoy as `set_up` has it, with the module's filter and the clusters.
    pub(super) fn start(
        plugin: &Plugin,
        clusters: Clusters,
        kind: Kind,
        set_up: impl FnOnce(Bootstrap, Value) -> Bootstrap,
    ) -> Result<Self> {
        let folder = Folder::new()?;
        let module = folder.0.join("module.wasm");
        fs::write(&module, &plugin.module)?;
        let called: Arc<Mutex<Vec<Called>>> = Arc::default();
        let grpc_calls = Calls::default();
        let (mut servers, mut grpc, mut names) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (name, answers) in clusters.http {
            let server = cluster(&name, answers, Arc::clone(&called))?;
            names.push((name, server.address()));
            servers.push(server);
        }
        let mut written = Vec::new();
        for (name, script) in clusters.grpc {
            let services = Services::start(&name, script, Arc::clone(&grpc_calls))?;
            written.push(http2_cluster(&name, services.address()));
            grpc.insert(name, services);
        }
        let bootstrap = Bootstrap { trailers: true, clusters: names, written, ..Bootstrap::default() };
        let bootstrap = set_up(bootstrap, filter(plugin, &module, kind)?);
        let mut levels = format!("wasm:{}", plugin.log_level);
        if matches!(kind, Kind::Network) || !grpc.is_empty() {
            levels = format!("{levels},{}", trace::LEVELS);
        }
        let mut command = Command::new(Envoy::binary()?);
        command.args(["--log-level", "warning", "--component-log-level", &levels]);
        command.args(["--file-flush-interval-msec", "5"]);
        let envoy = Envoy::start_with(&bootstrap.to_json().to_string(), &mut command)?;
        let around = Self { envoy, called, grpc_calls, grpc, _servers: servers };
        let since = Instant::now();
        // The workers' VMs have then been started, too.
        while around.envoy.stat("listener_manager.workers_started")? == 0 {
            ensure!(since.elapsed() < PATIENCE, "Envoy's workers do not start");
            thread::sleep(PAUSE);
        }
        let log = Log { file: around.envoy.log_file().to_owned(), main: around.envoy.pid() };
        around.grpc.values().for_each(|services| services.follow(log.clone()));
        Ok(around)
    }

    /// Somebody is about to have the module do something: the ports of services are closed that are to refuse connections.
    pub(super) fn prepare(&mut self) -> Result<()> {
        self.grpc.values_mut().try_for_each(Services::prepare)
    }

    /// The HTTP calls that reached their clusters so far.
    pub(super) fn called(&self) -> Vec<Called> {
        locked(&self.called).clone()
    }

    /// The gRPC calls that were made so far.
    pub(super) fn grpc_calls(&mut self) -> Vec<GrpcCall> {
        self.grpc.values_mut().for_each(Services::note_refused);
        locked(&self.grpc_calls).clone()
    }

    /// What the module logged so far.
    pub(super) fn logs(&self) -> Vec<(LogLevel, String)> {
        trace::logged(trace::whole(&self.envoy.log()), Some(self.envoy.pid()))
    }

    /// The module's counters and gauges.
    pub(super) fn metrics(&self) -> Result<BTreeMap<String, u64>> {
        let stats = self.envoy.admin_get("/stats?format=json")?.parse()?;
        let all = stats["stats"].as_array().context("no stats")?;
        let own = |stat: &Value| {
            let name = stat["name"].as_str()?.strip_prefix("wasmcustom.")?;
            Some((name.to_owned(), stat["value"].as_u64()?))
        };
        Ok(all.iter().filter_map(own).collect())
    }
}

/// Why Envoy did not start. One that ends shows the end of its log.
pub(super) fn not_started(error: &anyhow::Error) -> NotStarted {
    let message = format!("{error:#}");
    NotStarted { logs: trace::logged(&message, None), message }
}

/// A folder that goes away with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::SeqCst);
        let folder =
            crate::root().join("target/envoy").join(format!("module-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A cluster that answers as the file says.
fn cluster(name: &str, answers: Answers, called: Arc<Mutex<Vec<Called>>>) -> Result<Server> {
    let (answers, cluster) = (Mutex::new(answers), name.to_owned());
    Server::start(move |request| {
        let message = message(request);
        let next = locked(&answers).next(&message.headers, &message.body);
        locked(&called).push(Called { cluster: cluster.clone(), message });
        next.map_or_else(|| Response::new(404).into(), |answer| given(&answer))
    })
}

/// What a server does that answers so.
pub(super) fn given(answer: &live::Answer) -> Answer {
    thread::sleep(answer.delay);
    match &answer.reply {
        Reply::Response(response) => Answer::Raw(answer_bytes(response, true)),
        Reply::Half(response) => Answer::Raw(answer_bytes(response, false)),
        Reply::Refused | Reply::Reset | Reply::Silence => Answer::HangUp,
    }
}

/// The module as Envoy is told of it.
fn filter(plugin: &Plugin, module: &Path, kind: Kind) -> Result<Value> {
    let text = |bytes: &[u8]| -> Result<Value> {
        let value = std::str::from_utf8(bytes).context("a configuration that is no text")?;
        Ok(json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": value }))
    };
    let [name, root, vm] = &plugin.names;
    let kind = match kind {
        Kind::Http => "http",
        Kind::Network => "network",
    };
    Ok(json!({
        "name": "module",
        "typed_config": {
            "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"),
            "config": {
                "name": name,
                "root_id": root,
                "allow_on_headers_stop_iteration": plugin.allow_on_headers_stop_iteration,
                "vm_config": {
                    "vm_id": vm,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module.to_string_lossy() } },
                    "configuration": text(&plugin.vm_configuration)?,
                    "environment_variables": { "key_values": plugin.environment },
                },
                "configuration": text(&plugin.configuration)?,
            },
        },
    }))
}

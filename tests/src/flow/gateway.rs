//! Gateways that run the filter.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_host_sim::Engine;
use countersign_host_sim::serve::{self, ClientCertificate, GatewayOptions, Tls};
use serde_json::Value;

use super::world::{HOST, World};
use crate::bootstrap::{Bootstrap, UpstreamTls, countersign, to_cluster};
use crate::client::Client;
use crate::envoy::Envoy;
use crate::pki::{Authority, Identity};

/// A gateway that runs the filter.
pub trait Gateway {
    /// What it is.
    fn name(&self) -> &'static str;

    /// A client that presents this certificate, or none.
    fn client(&self, identity: Option<&Identity>) -> Result<Client>;

    /// The decisions logged, in their order, waited for until there are `count`.
    fn audit(&self, count: usize) -> Result<Vec<Value>>;
}

/// How many workers Envoy has in [`both`], each with a filter of its own.
pub const WORKERS: usize = 3;

/// Real Envoy with several workers, and the simulator.
pub fn both(world: &World, configuration: &Value) -> Result<[Box<dyn Gateway>; 2]> {
    Ok([
        Box::new(EnvoyGateway::start_workers(world, configuration, WORKERS)?),
        Box::new(SimulatorGateway::start_with(world, configuration)?),
    ])
}

/// The authorities whose certificates the listener accepts. The foreign one is among them, so that its
/// workloads are the filter's to refuse.
fn client_authorities(world: &World) -> String {
    format!("{}{}", world.authority.certificate_pem(), world.foreign.certificate_pem())
}

/// Real Envoy.
pub struct EnvoyGateway {
    /// The process.
    pub envoy: Envoy,
    listener: SocketAddr,
    authority: Authority,
}

impl EnvoyGateway {
    /// Starts Envoy with the filter in front of the world's services.
    pub fn start(world: &World) -> Result<Self> {
        Self::start_with(world, &world.configuration()?)
    }

    /// Starts Envoy with a configuration of the filter's other than the world's own.
    pub fn start_with(world: &World, configuration: &Value) -> Result<Self> {
        let module = Envoy::module()?;
        Self::start_filter(world, countersign(&module.to_string_lossy(), &configuration.to_string()))
    }

    /// Starts Envoy with the filter as Envoy is to configure it.
    pub fn start_filter(world: &World, filter: Value) -> Result<Self> {
        Self::start_bootstrap(world, Bootstrap::default().filter(filter), 1)
    }

    /// Starts Envoy behind proxies: what becomes of `x-forwarded-client-cert` there is `forwarded`, in Envoy's words.
    pub fn start_behind(world: &World, configuration: &Value, forwarded: &'static str) -> Result<Self> {
        let module = Envoy::module()?;
        let filter = countersign(&module.to_string_lossy(), &configuration.to_string());
        let bootstrap = Bootstrap { forwarded: Some(forwarded), ..Bootstrap::default() };
        Self::start_bootstrap(world, bootstrap.filter(filter), 1)
    }

    /// Starts Envoy with so many worker threads, and a configuration of the filter's.
    pub fn start_workers(world: &World, configuration: &Value, workers: usize) -> Result<Self> {
        let module = Envoy::module()?;
        let filter = countersign(&module.to_string_lossy(), &configuration.to_string());
        Self::start_bootstrap(world, Bootstrap::default().filter(filter), workers)
    }

    pub(super) fn start_bootstrap(world: &World, bootstrap: Bootstrap, workers: usize) -> Result<Self> {
        let authority = Authority::new("gateway")?;
        let tls = Some((authority.server(HOST)?, client_authorities(world)));
        let mut config = Bootstrap { tls, trailers: true, ..bootstrap }.route(to_cluster("/", "platform"));
        for (name, address) in world.clusters() {
            if config.clusters.iter().all(|(known, _)| known != name) {
                config = config.cluster(name, address);
            }
        }
        let configuration = config.to_json().to_string();
        let envoy = Envoy::start_workers(&configuration, &mut Command::new(Envoy::binary()?), workers)?;
        let listener = envoy.listener("gateway")?;
        Ok(Self { envoy, listener, authority })
    }
}

impl EnvoyGateway {
    /// Sends what this bootstrap's gateway lets through to `next`, to which it proves itself as this workload.
    pub(super) fn before(bootstrap: Bootstrap, next: &Self, identity: &Identity) -> Bootstrap {
        let tls = UpstreamTls {
            identity: identity.clone(),
            authority: next.authority.certificate_pem().to_owned(),
            host: HOST.to_owned(),
        };
        let mut bootstrap = bootstrap.cluster("platform", next.listener);
        bootstrap.upstream_tls.push(("platform".to_owned(), tls));
        bootstrap
    }
}

/// An Envoy without the filter, in front of one that has it: it ends the clients' connections, and calls the gateway as a
/// workload of its own.
pub struct Edge {
    _envoy: Envoy,
    listener: SocketAddr,
    authority: Authority,
}

impl Edge {
    /// Starts Envoy in front of `gateway`. What it does with `x-forwarded-client-cert` is `forwarded`, in Envoy's words.
    pub fn start(
        world: &World,
        gateway: &EnvoyGateway,
        identity: &Identity,
        forwarded: &'static str,
    ) -> Result<Self> {
        let authority = Authority::new("edge")?;
        let upstream = UpstreamTls {
            identity: identity.clone(),
            authority: gateway.authority.certificate_pem().to_owned(),
            host: HOST.to_owned(),
        };
        let config = Bootstrap {
            tls: Some((authority.server(HOST)?, client_authorities(world))),
            trailers: true,
            forwarded: Some(forwarded),
            upstream_tls: vec![("gateway".to_owned(), upstream)],
            ..Bootstrap::default()
        }
        .cluster("gateway", gateway.listener)
        .route(to_cluster("/", "gateway"));
        let envoy = Envoy::start(&config.to_json().to_string())?;
        let listener = envoy.listener("gateway")?;
        Ok(Self { _envoy: envoy, listener, authority })
    }

    /// A client that presents this certificate, or none.
    pub fn client(&self, identity: Option<&Identity>) -> Result<Client> {
        Client::tls(self.listener, HOST, &self.authority, identity)
    }
}

impl Gateway for EnvoyGateway {
    fn name(&self) -> &'static str {
        "Envoy"
    }

    fn client(&self, identity: Option<&Identity>) -> Result<Client> {
        Client::tls(self.listener, HOST, &self.authority, identity)
    }

    fn audit(&self, count: usize) -> Result<Vec<Value>> {
        self.envoy.audit_lines(count)
    }
}

/// The simulator, serving on real time.
pub struct SimulatorGateway {
    gateway: serve::Gateway,
    authority: Authority,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl SimulatorGateway {
    /// Starts the simulator with the filter in front of the world's services.
    pub fn start(world: &World) -> Result<Self> {
        Self::start_with(world, &world.configuration()?)
    }

    /// Starts the simulator with a configuration of the filter's other than the world's own.
    pub fn start_with(world: &World, configuration: &Value) -> Result<Self> {
        Self::start_options(world, configuration, |options| options)
    }

    pub(super) fn start_options(
        world: &World,
        configuration: &Value,
        change: impl FnOnce(GatewayOptions) -> GatewayOptions,
    ) -> Result<Self> {
        let module = Engine::new()?.load_module(&fs::read(Envoy::module()?)?)?;
        let authority = Authority::new("gateway")?;
        let server = authority.server(HOST)?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let mut options = GatewayOptions::new(world.service.address().to_string())
            .tls(Tls {
                certificates: server.certificate_pem.into_bytes(),
                key: server.key_pem.into_bytes(),
                client: ClientCertificate::Optional(client_authorities(world).into_bytes()),
            })
            .log(move |line| {
                if let Ok(record) = serde_json::from_str(&line.message) {
                    sink.lock().unwrap_or_else(PoisonError::into_inner).push(record);
                }
            });
        for (name, address) in world.clusters() {
            options = options.cluster(name, address.to_string());
        }
        let host = module.host().plugin_config(configuration.to_string());
        Ok(Self { gateway: serve::Gateway::start(host, change(options))?, authority, lines })
    }
}

impl Gateway for SimulatorGateway {
    fn name(&self) -> &'static str {
        "the simulator"
    }

    fn client(&self, identity: Option<&Identity>) -> Result<Client> {
        Client::tls(self.gateway.address(), HOST, &self.authority, identity)
    }

    fn audit(&self, count: usize) -> Result<Vec<Value>> {
        let since = Instant::now();
        loop {
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if lines.len() >= count {
                return Ok(lines);
            }
            ensure!(
                since.elapsed() < Duration::from_secs(10),
                "expected {count} audit lines, found {lines:?}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

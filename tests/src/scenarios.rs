//! The scenario files of `countersign test`, run on a gateway with clients, clusters and a service that are real.

mod around;
mod connection;
mod grpc;
mod module;
mod side;
mod trace;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Result, anyhow};
use countersign_cli::live::{
    self, Answered, Certificate, ConnectionGateway, ModuleGateway, Ran, Scenarios, Sent,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::around::not_started;
use self::connection::EnvoyConnections;
use self::module::EnvoyModule;
use crate::flow::{Gateway, Issuing, World};
use crate::http::{Request, Response};
use crate::pki::Identity;
use crate::server::Server;

/// Runs a scenario file on a gateway that `start` starts with the file's configuration. Returns how each case went, and how many
/// requests reached the service.
pub fn run(
    file: &Path,
    start: impl FnOnce(&World, &Value) -> Result<Box<dyn Gateway>>,
) -> Result<(Vec<Ran>, usize)> {
    let scenarios = Scenarios::load(file).map_err(|error| anyhow!(error))?;
    let mut world = World::start(Issuing::BuiltIn)?;
    let mut clusters = Vec::new();
    for (name, documents) in scenarios.documents().map_err(|error| anyhow!(error))? {
        let server = Server::start(move |request| {
            let body = String::from_utf8_lossy(&request.body);
            let fits = |document: &&live::Document| {
                document.path == request.path()
                    && document.holds.as_ref().is_none_or(|holds| body.contains(holds))
            };
            let Some(document) = documents.iter().find(fits) else { return Response::new(404).into() };
            let mut answer = Response::new(200).header("content-type", "application/json");
            answer.body.clone_from(&document.body);
            answer.into()
        })?;
        world = world.with_cluster(&name, server.address());
        clusters.push(server);
    }
    let gateway = start(&world, &scenarios.configuration().map_err(|error| anyhow!(error))?)?;
    let live = Rc::new(RefCell::new(Live { gateway, world, certificates: BTreeMap::new(), sent: 0 }));
    let ran = scenarios.run(&(Rc::clone(&live) as Rc<RefCell<dyn live::Gateway>>));
    let served = live.borrow().world.service.served();
    Ok((ran, served))
}

/// Runs a scenario file about a module on real Envoy, one for each case. Returns how each case went.
pub fn run_module(file: &Path) -> Result<Vec<Ran>> {
    let scenarios = Scenarios::load(file).map_err(|error| anyhow!(error))?;
    Ok(scenarios.run_module(
        &|plugin, clusters| {
            let gateway = EnvoyModule::start(plugin, clusters).map_err(|error| not_started(&error))?;
            Ok(Box::new(gateway) as Box<dyn ModuleGateway>)
        },
        &|plugin, clusters, entrance| {
            let gateway = EnvoyConnections::start(plugin, clusters, entrance);
            let gateway = gateway.map_err(|error| not_started(&error))?;
            Ok(Box::new(gateway) as Box<dyn ConnectionGateway>)
        },
    ))
}

/// How the core alone falls short of what a scenario file expects of a gateway, at the time that the file says.
pub fn failures_of_core(file: &Path) -> Result<Vec<String>> {
    let scenarios = Scenarios::load(file).map_err(|error| anyhow!(error))?;
    Ok(scenarios.failures_of_core())
}

/// The gateway and whom it is called by.
struct Live {
    gateway: Box<dyn Gateway>,
    world: World,
    certificates: BTreeMap<Certificate, Identity>,
    sent: usize,
}

impl Live {
    fn identity(&mut self, certificate: &Certificate) -> Result<&Identity> {
        if !self.certificates.contains_key(certificate) {
            let identity = self.world.authority.workload(&certificate.workload)?;
            self.certificates.insert(certificate.clone(), identity);
        }
        self.certificates.get(certificate).ok_or_else(|| anyhow!("no certificate"))
    }

    fn answered(&mut self, sent: &Sent) -> Result<Answered> {
        let identity = match &sent.certificate {
            Some(certificate) => Some(self.identity(certificate)?.clone()),
            None => None,
        };
        let mut request = Request::new(&sent.method, &sent.target).body(sent.body.clone());
        request.headers.clone_from(&sent.headers);
        let answer = self.gateway.client(identity.as_ref())?.send(&request)?;
        // A request that the gateway itself refuses leaves no line.
        let audit = self.gateway.audit(self.sent + 1)?.pop().ok_or_else(|| anyhow!("no audit line"))?;
        self.sent += 1;
        let upstream =
            (answer.status == 200).then(|| answer.parse().map(|seen| upstream(&seen))).transpose()?;
        Ok(Answered {
            audit: audit.to_string(),
            upstream,
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        })
    }
}

impl live::Gateway for Live {
    fn thumbprint(&mut self, certificate: &Certificate) -> Result<[u8; 32], String> {
        let identity = self.identity(certificate).map_err(|error| error.to_string())?;
        let der = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes());
        Ok(Sha256::digest(der.map_err(|error| error.to_string())?).into())
    }

    fn send(&mut self, sent: &Sent) -> Result<Answered, String> {
        self.answered(sent).map_err(|error| format!("{error:#}"))
    }
}

/// The headers that the service says it got.
fn upstream(seen: &Value) -> Vec<(String, Vec<u8>)> {
    let pairs = seen["headers"].as_array().into_iter().flatten();
    pairs
        .filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.as_bytes().to_vec())))
        .collect()
}

//! Workloads: trust domains, and proxies that speak for their clients.

use super::{ConfigError, RouteSettings};
use crate::config::{self, Config};
use crate::spiffe::{self, SpiffeId};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// The most proxies whose word is taken: each is compared with the peer of every request.
const MAX_FORWARDING_PEERS: usize = 64;

/// The trust domains whose workloads are accepted.
pub(super) fn trust_domains(workload: &config::WorkloadTrust) -> Result<Vec<Box<str>>, ConfigError> {
    let mut domains: Vec<Box<str>> = Vec::new();
    for (index, domain) in workload.trust_domains.iter().enumerate() {
        if spiffe::check_trust_domain(domain.as_bytes()).is_err() {
            let message = format!("expected a SPIFFE trust domain such as `bank.example`, found `{domain}`");
            return Err(ConfigError::at(format!("workload.trust_domains[{index}]"), message));
        }
        domains.push(domain.clone().into());
    }
    Ok(domains)
}

/// The proxies whose word about the caller is taken.
pub(super) fn forwarding_peers(workload: &config::WorkloadTrust) -> Result<Vec<SpiffeId>, ConfigError> {
    let Some(forwarded) = &workload.forwarded else { return Ok(Vec::new()) };
    if forwarded.peers.is_empty() || forwarded.peers.len() > MAX_FORWARDING_PEERS {
        return Err(ConfigError::at(
            "workload.forwarded.peers",
            format!(
                "expected from 1 to {MAX_FORWARDING_PEERS} SPIFFE IDs, found {}; leave `forwarded` out where no proxy is believed",
                forwarded.peers.len()
            ),
        ));
    }
    let mut peers: Vec<SpiffeId> = Vec::with_capacity(forwarded.peers.len());
    for (index, text) in forwarded.peers.iter().enumerate() {
        let place = format!("workload.forwarded.peers[{index}]");
        let id = trusted_workload(text, workload).map_err(|error| error.within(&place))?;
        if peers.contains(&id) {
            return Err(ConfigError::at(place, format!("expected each proxy once, found `{text}` again")));
        }
        peers.push(id);
    }
    Ok(peers)
}

/// The SPIFFE ID of a workload that may connect.
pub(super) fn trusted_workload(text: &str, trust: &config::WorkloadTrust) -> Result<SpiffeId, ConfigError> {
    let id = SpiffeId::parse(text.as_bytes()).ok().filter(|id| !id.path().is_empty()).ok_or_else(|| {
        let message = format!(
            "expected the SPIFFE ID of a workload, such as `spiffe://bank.example/edge`, found `{text}`"
        );
        ConfigError::at("", message)
    })?;
    if !trust.trust_domains.iter().any(|domain| **domain == *id.trust_domain()) {
        let message =
            format!("expected a workload of a trust domain in `workload.trust_domains`, found `{text}`");
        return Err(ConfigError::at("", message));
    }
    Ok(id)
}

/// Where a workload is demanded, some workload must be trusted.
pub(super) fn trusted_anyone(config: &Config, routes: &[RouteSettings]) -> Result<(), ConfigError> {
    let demands =
        |route: &&RouteSettings| route.question.is_some() && route.workload == config::Requirement::Required;
    match routes.iter().find(demands) {
        Some(route) if config.workload.trust_domains.is_empty() => {
            let message = format!(
                "expected a trust domain, since route `{}` requires a workload; found none",
                route.name
            );
            Err(ConfigError::at("workload.trust_domains", message))
        }
        Some(_) | None => Ok(()),
    }
}

//! Gateways that run the filter.

use std::net::SocketAddr;

use anyhow::Result;

use super::world::{HOST, World};
use crate::bootstrap::{Bootstrap, countersign, to_cluster};
use crate::client::Client;
use crate::envoy::Envoy;
use crate::pki::{Authority, Identity};

/// A gateway that runs the filter.
pub trait Gateway {
    /// What it is.
    fn name(&self) -> &'static str;

    /// A client that presents this certificate, or none.
    fn client(&self, identity: Option<&Identity>) -> Result<Client>;
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
        let module = Envoy::module()?;
        let authority = Authority::new("gateway")?;
        let clients = format!("{}{}", world.authority.certificate_pem(), world.foreign.certificate_pem());
        let mut config = Bootstrap { tls: Some((authority.server(HOST)?, clients)), ..Bootstrap::default() }
            .filter(countersign(&module.to_string_lossy(), &world.configuration()?.to_string()))
            .route(to_cluster("/", "platform"));
        for (name, address) in world.clusters() {
            config = config.cluster(name, address);
        }
        let envoy = Envoy::start(&config.to_json().to_string())?;
        let listener = envoy.listener("gateway")?;
        Ok(Self { envoy, listener, authority })
    }
}

impl Gateway for EnvoyGateway {
    fn name(&self) -> &'static str {
        "Envoy"
    }

    fn client(&self, identity: Option<&Identity>) -> Result<Client> {
        Client::tls(self.listener, HOST, &self.authority, identity)
    }
}

//! Scenarios of a network filter on a gateway that really runs: connections, and the gRPC services that it calls.

use super::module::{Called, Clusters, NotStarted, call, lines};
use super::{GrpcScript, Plugin};
use crate::credentials::pki::{Authority, Subject};
use crate::engine::{Activity, Connections, Decision, Engine, EngineError, Request, Script, Ticket, Told};
use crate::time;
use countersign_core::time::Timestamp;
use countersign_host_sim::{CloseType, ConnectionOutcome, GrpcCall, LogLevel, MetricValue, PropertyValue};
use std::collections::BTreeMap;
use std::time::Duration;

/// A certificate with its private key, both as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key, PKCS #8.
    pub key_pem: String,
}

/// What a gateway receives clients with that use TLS.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// The authority of all certificates, the gateway's and the clients'.
    pub authority_pem: String,
    /// The gateway's own.
    pub identity: Identity,
}

/// The name that the gateway's certificate has beside those that clients ask for.
pub const GATEWAY_NAME: &str = "gateway.example";

/// A client of TLS.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// The server that it asks for.
    pub server_name: Option<String>,
    /// What it shows.
    pub identity: Option<Identity>,
}

/// One end of a connection through a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client's.
    Client,
    /// The upstream's.
    Upstream,
}

/// What a module did since its gateway began.
#[derive(Clone, Debug, Default)]
pub struct Doings {
    /// The HTTP calls that reached their clusters.
    pub calls: Vec<Called>,
    /// The gRPC calls and streams, in the order in which they were opened, as they stand.
    pub grpc_calls: Vec<GrpcCall>,
    /// The lines that were logged.
    pub logs: Vec<(LogLevel, String)>,
    /// Counters and gauges.
    pub metrics: BTreeMap<String, u64>,
}

/// A gateway that really runs, with a module as a network filter. Errors are words for people.
pub trait ConnectionGateway {
    /// Connects a client, through TLS or in the clear. The connection's number.
    ///
    /// # Errors
    /// It could not be connected.
    fn connect(&mut self, client: Option<&TlsClient>) -> Result<usize, String>;

    /// Sends from one end, and ends it where it is to send no more. Returns once the gateway has taken it.
    ///
    /// # Errors
    /// There is nothing to send over.
    fn send(&mut self, connection: usize, from: End, bytes: &[u8], end: bool) -> Result<(), String>;

    /// Breaks a connection off from one end.
    ///
    /// # Errors
    /// There is nothing to break off.
    fn break_off(&mut self, connection: usize, from: End) -> Result<(), String>;

    /// Where a connection stands, as far as it is seen from outside.
    ///
    /// # Errors
    /// The gateway does not tell.
    fn outcome(&mut self, connection: usize) -> Result<ConnectionOutcome, String>;

    /// Changes how a cluster's gRPC services answer from now on.
    ///
    /// # Errors
    /// There is no such cluster.
    fn serve_grpc(&mut self, cluster: &str, script: &GrpcScript) -> Result<(), String>;

    /// What the module did so far.
    ///
    /// # Errors
    /// The gateway does not tell.
    fn doings(&mut self) -> Result<Doings, String>;
}

/// How a gateway is started with a module as a network filter, clusters, and an entrance for TLS beside the one without.
pub type StartConnections<'a> =
    &'a dyn Fn(&Plugin, Clusters, &Entrance) -> Result<Box<dyn ConnectionGateway>, NotStarted>;

/// The gateway as an engine, whose time passes by itself.
pub(super) struct LiveConnections {
    gateway: Box<dyn ConnectionGateway>,
    authority: Authority,
    /// The metrics when the step began.
    before: BTreeMap<String, u64>,
    /// What was told last, and how much of it is accounted for.
    last: Doings,
    calls: usize,
    logs: usize,
    told: Told,
}

impl LiveConnections {
    /// Starts the gateway; `names` are the servers that clients ask for.
    pub(super) fn start(
        plugin: &Plugin,
        clusters: Clusters,
        names: Vec<String>,
        start: StartConnections<'_>,
    ) -> Result<Self, EngineError> {
        let authority = Authority::of_any_domain().map_err(broken)?;
        let hosts: Vec<String> = [vec![GATEWAY_NAME.to_owned()], names].concat();
        let own = authority.issue(&Subject { spiffe_id: None, hosts: &hosts }).map_err(broken)?;
        let entrance = Entrance {
            authority_pem: authority.certificate_pem().to_owned(),
            identity: Identity { certificate_pem: own.certificate_pem, key_pem: own.key_pem },
        };
        let gateway = start(plugin, clusters, &entrance)
            .map_err(|failed| EngineError::Start(failed.message, lines(failed.logs)))?;
        let (before, last) = (BTreeMap::new(), Doings::default());
        Ok(Self { gateway, authority, before, last, calls: 0, logs: 0, told: Told::default() })
    }

    /// Who shows itself as a connection's properties say. Certificates are made for the occasion, with the names that are told of them.
    fn client(&self, properties: &BTreeMap<String, PropertyValue>) -> Result<Option<TlsClient>, EngineError> {
        let text = |part: &str| match properties.get(&format!("connection.{part}"))? {
            PropertyValue::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        };
        if properties.is_empty() {
            return Ok(None);
        }
        let shows = properties.get("connection.mtls") == Some(&PropertyValue::Bool(true));
        let (id, hosts) = (text("uri_san_peer_certificate"), text("dns_san_peer_certificate"));
        let hosts: Vec<String> = hosts.into_iter().collect();
        let subject = Subject { spiffe_id: id.as_deref(), hosts: &hosts };
        let issued = shows.then(|| self.authority.issue_client(&subject)).transpose().map_err(broken)?;
        let identity =
            issued.map(|one| Identity { certificate_pem: one.certificate_pem, key_pem: one.key_pem });
        Ok(Some(TlsClient { server_name: text("requested_server_name"), identity }))
    }
}

fn broken(error: impl std::fmt::Display) -> EngineError {
    EngineError::Gateway(error.to_string())
}

impl Engine for LiveConnections {
    /// Its module takes connections alone.
    fn request(&mut self, _: &Request) -> Ticket {
        Ticket(0)
    }

    fn close(&mut self, _: Ticket) {}

    fn advance(&mut self, _: Duration) {}

    fn set_cluster(&mut self, _: &str, _: &Script) {}

    fn set_grpc_cluster(&mut self, name: &str, script: &GrpcScript) -> Result<(), EngineError> {
        self.gateway.serve_grpc(name, script).map_err(EngineError::Gateway)
    }

    fn clock(&self) -> Option<Timestamp> {
        Some(time::now())
    }

    fn connections(&mut self) -> Option<&mut dyn Connections> {
        Some(self)
    }

    fn decision(&mut self, _: Ticket) -> Result<Option<Decision>, EngineError> {
        Err(EngineError::Undecided)
    }
}

impl Connections for LiveConnections {
    fn begin(&mut self) -> Result<(), EngineError> {
        self.before = self.gateway.doings().map_err(EngineError::Gateway)?.metrics;
        Ok(())
    }

    fn connect(&mut self, properties: &BTreeMap<String, PropertyValue>) -> Result<usize, EngineError> {
        let client = self.client(properties)?;
        self.gateway.connect(client.as_ref()).map_err(EngineError::Gateway)
    }

    fn send(
        &mut self,
        connection: usize,
        from_client: bool,
        bytes: &[u8],
        end: bool,
    ) -> Result<(), EngineError> {
        let from = if from_client { End::Client } else { End::Upstream };
        self.gateway.send(connection, from, bytes, end).map_err(EngineError::Gateway)
    }

    /// A gateway closes a connection for good whose upstream breaks off.
    fn close(&mut self, connection: usize, how: CloseType) -> Result<(), EngineError> {
        let from = if how == CloseType::Remote { End::Client } else { End::Upstream };
        self.gateway.break_off(connection, from).map_err(EngineError::Gateway)
    }

    fn outcome(&mut self, connection: usize) -> Result<ConnectionOutcome, EngineError> {
        self.gateway.outcome(connection).map_err(EngineError::Gateway)
    }

    fn activity(&mut self) -> Result<Activity, EngineError> {
        self.last = self.gateway.doings().map_err(EngineError::Gateway)?;
        let Doings { calls, grpc_calls, logs, metrics } = &self.last;
        let counter = |(name, now): (&String, &u64)| {
            let before = self.before.get(name).copied().map(MetricValue::Counter);
            (name.clone(), (before, MetricValue::Counter(*now)))
        };
        Ok(Activity {
            calls: calls.iter().skip(self.calls).cloned().map(call).collect(),
            grpc_calls: self.told.fresh(grpc_calls),
            logs: lines(logs.iter().skip(self.logs).cloned()),
            metrics: metrics.iter().map(counter).collect(),
            ..Activity::default()
        })
    }

    fn account(&mut self) {
        self.calls = self.last.calls.len();
        self.logs = self.last.logs.len();
        self.told.account(&self.last.grpc_calls);
    }
}

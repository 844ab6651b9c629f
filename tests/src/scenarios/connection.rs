//! Scenarios of network filters on real Envoy: clients, in the clear or with TLS, and an upstream, whose connections are driven from
//! both ends.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use countersign_cli::live::{
    Clusters, ConnectionGateway, Doings, End, Entrance, GATEWAY_NAME, GrpcScript, Plugin, TlsClient,
};
use countersign_host_sim::{CloseType, ConnectionOutcome, ConnectionState};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};

use super::around::{Around, Kind, PATIENCE, PAUSE};
use super::side::Side;
use super::trace;
use crate::bootstrap::{Bootstrap, cluster, downstream_tls, listener, tcp_proxy};
use crate::client::tls_config;
use crate::pki::Identity;

/// How long an end is waited for at the other side; a filter may hold it.
const HELD: Duration = Duration::from_secs(2);

/// What Envoy counts the bytes by that it has taken from clients, and from the upstream.
const TAKEN: [&str; 2] =
    ["tcp.gateway.downstream_cx_rx_bytes_total", "cluster.service.upstream_cx_rx_bytes_total"];

/// Envoy with a module as a network filter.
pub(super) struct EnvoyConnections {
    around: Around,
    plain: SocketAddr,
    tls: SocketAddr,
    authority: String,
    service: TcpListener,
    lines: Vec<Line>,
}

/// A connection from end to end.
struct Line {
    /// Its client, as Envoy knows it.
    address: SocketAddr,
    client: Side,
    upstream: Option<Side>,
    /// Whether the client sends no more, and the upstream.
    client_ends: bool,
    upstream_ends: bool,
}

impl EnvoyConnections {
    pub(super) fn start(plugin: &Plugin, clusters: Clusters, entrance: &Entrance) -> Result<Self> {
        let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        service.set_nonblocking(true)?;
        let to = service.local_addr()?;
        let around = Around::start(plugin, clusters, Kind::Network, |bootstrap, filter| {
            set_up(bootstrap, &filter, to, entrance)
        })?;
        let (plain, tls) = (around.envoy.listener("plain")?, around.envoy.listener("tls")?);
        let authority = entrance.authority_pem.clone();
        Ok(Self { around, plain, tls, authority, service, lines: Vec::new() })
    }

    fn connected(&mut self, client: Option<&TlsClient>) -> Result<usize> {
        self.around.prepare()?;
        let side = match client {
            None => Side::new(TcpStream::connect(self.plain)?)?,
            Some(client) => {
                let identity = client.identity.as_ref().map(identity);
                let mut config = tls_config(&self.authority, identity.as_ref())?;
                config.enable_sni = client.server_name.is_some();
                let name = client.server_name.clone().unwrap_or_else(|| GATEWAY_NAME.to_owned());
                let socket = TcpStream::connect(self.tls)?;
                Side::with_tls(socket, Arc::new(config), ServerName::try_from(name)?)?
            }
        };
        let address = side.address().context("no address")?;
        let line = Line { address, client: side, upstream: None, client_ends: false, upstream_ends: false };
        self.lines.push(line);
        Ok(self.lines.len() - 1)
    }

    /// Takes the connections that Envoy makes to the upstream, each for the client that it begins by telling.
    fn accept(&mut self) -> Result<()> {
        loop {
            let mut socket = match self.service.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            socket.set_nonblocking(false)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            let client = proxied(&mut socket)?;
            let line = self.lines.iter_mut().find(|line| line.address == client);
            line.context("a connection of nobody's")?.upstream = Some(Side::new(socket)?);
        }
    }

    fn line(&mut self, number: usize) -> Result<&mut Line> {
        self.accept()?;
        self.lines.get_mut(number).context("no such connection")
    }

    /// One end of a connection; the upstream's is waited for.
    fn side(&mut self, number: usize, end: End) -> Result<&mut Side> {
        let since = Instant::now();
        while end == End::Upstream && self.line(number)?.upstream.is_none() {
            ensure!(since.elapsed() < PATIENCE, "the upstream is not connected to");
            thread::sleep(PAUSE);
        }
        let line = self.line(number)?;
        match end {
            End::Client => Ok(&mut line.client),
            End::Upstream => line.upstream.as_mut().context("no upstream"),
        }
    }

    fn sent(&mut self, number: usize, from: End, bytes: &[u8], end: bool) -> Result<()> {
        let taken = TAKEN[usize::from(from == End::Upstream)];
        let before = self.around.envoy.stat(taken)?;
        self.side(number, from)?.write(bytes);
        let since = Instant::now();
        // The filter has then been called for it, and what comes next is not told of together with it.
        while self.around.envoy.stat(taken)? < before + bytes.len() as u64 && self.ended(number)?.is_none() {
            ensure!(since.elapsed() < PATIENCE, "Envoy does not take what is sent");
            thread::sleep(PAUSE);
        }
        if !end {
            return Ok(());
        }
        self.side(number, from)?.end();
        let line = self.line(number)?;
        let other = match from {
            End::Client => {
                line.client_ends = true;
                End::Upstream
            }
            End::Upstream => {
                line.upstream_ends = true;
                End::Client
            }
        };
        let since = Instant::now();
        while since.elapsed() < HELD {
            let line = self.line(number)?;
            line.read();
            let heard = match other {
                End::Client => line.client.is_over,
                End::Upstream => line.upstream.as_ref().is_some_and(|side| side.is_over),
            };
            if heard {
                break;
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// How Envoy tells that a connection has ended, and whether it was the filter.
    fn ended(&mut self, number: usize) -> Result<Option<(CloseType, bool)>> {
        let address = self.line(number)?.address;
        ensure!(!self.around.envoy.has_ended()?, "Envoy has ended");
        Ok(trace::ended(&self.around.envoy.log(), address))
    }

    fn stands(&mut self, number: usize) -> Result<ConnectionOutcome> {
        // Looked at first: once it has ended, all that went over it is there.
        let ended = self.ended(number)?;
        let line = self.line(number)?;
        line.read();
        let upstream = line.upstream.as_ref();
        Ok(ConnectionOutcome {
            connected: upstream.is_some(),
            upstream: upstream.map(|side| side.got.clone()).unwrap_or_default(),
            // Who goes away altogether ends a connection, too, and has not said that he sends no more.
            upstream_ended: line.client_ends && upstream.is_some_and(|side| side.has_ended),
            downstream: line.client.got.clone(),
            downstream_ended: line.upstream_ends && line.client.has_ended,
            held_downstream: Vec::new(),
            held_upstream: Vec::new(),
            state: ended.map_or(ConnectionState::Open, |(how, _)| ConnectionState::Closed(how)),
            closed_by_filter: ended.is_some_and(|(_, by_filter)| by_filter),
        })
    }
}

impl Line {
    fn read(&mut self) {
        self.client.read();
        if let Some(upstream) = &mut self.upstream {
            upstream.read();
        }
    }
}

impl ConnectionGateway for EnvoyConnections {
    fn connect(&mut self, client: Option<&TlsClient>) -> Result<usize, String> {
        told(self.connected(client))
    }

    fn send(&mut self, connection: usize, from: End, bytes: &[u8], end: bool) -> Result<(), String> {
        told(self.sent(connection, from, bytes, end))
    }

    fn break_off(&mut self, connection: usize, from: End) -> Result<(), String> {
        told(self.side(connection, from).and_then(Side::break_off))
    }

    fn outcome(&mut self, connection: usize) -> Result<ConnectionOutcome, String> {
        told(self.stands(connection))
    }

    fn serve_grpc(&mut self, cluster: &str, script: &GrpcScript) -> Result<(), String> {
        let services = self.around.grpc.get(cluster).ok_or_else(|| format!("no cluster `{cluster}`"))?;
        services.serve(script.clone());
        Ok(())
    }

    fn doings(&mut self) -> Result<Doings, String> {
        let (calls, grpc_calls) = (self.around.called(), self.around.grpc_calls());
        let (logs, metrics) = (self.around.logs(), told(self.around.metrics())?);
        Ok(Doings { calls, grpc_calls, logs, metrics })
    }
}

fn told<T>(result: Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{error:#}"))
}

fn identity(given: &countersign_cli::live::Identity) -> Identity {
    Identity { certificate_pem: given.certificate_pem.clone(), key_pem: given.key_pem.clone() }
}

/// A listener in the clear and one with TLS, both with the module and on to the service, which is told whose connection it is.
fn set_up(bootstrap: Bootstrap, filter: &Value, service: SocketAddr, entrance: &Entrance) -> Bootstrap {
    let mut proxy = tcp_proxy("gateway", "service");
    proxy["typed_config"]["access_log"] = json!([{
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": { "text_format_source": { "inline_string": trace::ENDED } },
        },
    }]);
    let chain = json!({ "filters": [filter, proxy] });
    let mut with_tls = chain.clone();
    with_tls["transport_socket"] = downstream_tls(&identity(&entrance.identity), &entrance.authority_pem);
    let (plain, mut tls) = (listener("plain", chain), listener("tls", with_tls));
    // Which server is asked for is known before the handshake.
    tls["listener_filters"] = json!([{
        "name": "envoy.filters.listener.tls_inspector",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        },
    }]);
    let mut to = cluster("service", service, false);
    to["transport_socket"] = json!({
        "name": "envoy.transport_sockets.upstream_proxy_protocol",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
            "config": { "version": "V1" },
            "transport_socket": {
                "name": "envoy.transport_sockets.raw_buffer",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
                },
            },
        },
    });
    let written = [bootstrap.written, vec![to]].concat();
    Bootstrap { written, listeners: vec![plain, tls], ..bootstrap }
}

/// Whose connection it is, by the line that it begins with: `PROXY TCP4 client gateway port port`.
fn proxied(socket: &mut TcpStream) -> Result<SocketAddr> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        line.extend(byte);
    }
    let line = String::from_utf8(line)?;
    let parts: Vec<&str> = line.split_whitespace().collect();
    let [_, _, host, _, port, _] = parts.as_slice() else { bail!("`{line}` tells of no client") };
    Ok(SocketAddr::new(host.parse()?, port.parse()?))
}

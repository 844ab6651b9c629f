//! A local gateway: HTTP/1.1 in front of a real upstream, with the filter between, on real time.
//!
//! It is made for development. Each worker is a thread with a VM of its own; connections are spread over them.
//! Bodies are held whole, up to a limit. When a VM fails its streams get 503 and a fresh VM takes over.

mod client;
mod connection;
mod tls;
mod worker;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::builder::HostBuilder;
use crate::clock::Clock;
use crate::error::StartError;
use crate::log::LogLine;
use crate::shared::{Metrics, Shared};
use crate::upstream::Upstream;

pub use tls::{ClientCertificate, Tls};

/// Takes each line that the filter logs.
pub type LogSink = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// What a gateway is to be.
#[derive(Clone)]
pub struct GatewayOptions {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where requests go that the filter lets pass, as `host:port`.
    pub upstream: String,
    /// Clusters that the filter can call, each as `host:port`.
    pub clusters: BTreeMap<String, String>,
    /// Headers that calls to a cluster get on their way, by its name.
    pub cluster_headers: BTreeMap<String, Vec<(String, String)>>,
    /// TLS, if connections are to have it.
    pub tls: Option<Tls>,
    /// How long to wait for the upstream's response.
    pub upstream_timeout: Duration,
    /// Bytes that the body of a request or a response may have.
    pub body_bytes: usize,
    /// Where log lines go.
    pub log: LogSink,
}

impl GatewayOptions {
    /// A plain gateway on a free port of the loopback interface, in front of `upstream` (`host:port`).
    pub fn new(upstream: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            upstream: upstream.into(),
            clusters: BTreeMap::new(),
            cluster_headers: BTreeMap::new(),
            tls: None,
            upstream_timeout: Duration::from_secs(15),
            body_bytes: 16 << 20,
            log: Arc::new(|_| {}),
        }
    }

    /// Adds a cluster that the filter can call at `address` (`host:port`).
    pub fn cluster(mut self, name: &str, address: impl Into<String>) -> Self {
        self.clusters.insert(name.to_owned(), address.into());
        self
    }

    /// Gives calls to a cluster a header in place of any of its name: a credential, say, that the filter does not hold.
    pub fn cluster_header(mut self, cluster: &str, name: &str, value: &str) -> Self {
        let headers = self.cluster_headers.entry(cluster.to_owned()).or_default();
        headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Serves TLS.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Where log lines go.
    pub fn log(mut self, sink: impl Fn(&LogLine) + Send + Sync + 'static) -> Self {
        self.log = Arc::new(sink);
        self
    }
}

/// A gateway that could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The module did not come up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The address cannot be listened on, or threads cannot be made.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// Certificates or keys that cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
}

/// A running gateway. It stops when it is dropped.
pub struct Gateway {
    runtime: Option<Runtime>,
    address: SocketAddr,
    shared: Arc<Shared>,
    workers: Vec<worker::Handle>,
    stop: watch::Sender<bool>,
    server: Option<tokio::task::JoinHandle<()>>,
}

impl Gateway {
    /// Starts a gateway that hosts the builder's module, on real time and with real randomness.
    ///
    /// # Errors
    /// Where the module refuses its configuration, the address is taken, or TLS cannot be set up.
    pub fn start(builder: HostBuilder, options: GatewayOptions) -> Result<Self, ServeError> {
        let io = |what: &str| {
            let what = what.to_owned();
            move |error| ServeError::Io { what, error }
        };
        let mut builder = builder.clock(Clock::real()).system_randomness();
        for name in options.clusters.keys() {
            builder = builder.cluster(name, Upstream::new());
        }
        let tls = options.tls.as_ref().map(Tls::acceptor).transpose()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(io("no threads for connections"))?;
        let listener = runtime.block_on(TcpListener::bind(options.listen));
        let listener = listener.map_err(io(&format!("cannot listen on {}", options.listen)))?;
        let address = listener.local_addr().map_err(io("no address to listen on"))?;

        let shared: Arc<Shared> = Arc::default();
        let client = client::Client::new(options.body_bytes);
        let mut workers = Vec::new();
        let peers = worker::Peers::default();
        for index in 0..builder.workers {
            let setting = worker::Setting {
                builder: builder.clone(),
                shared: Arc::clone(&shared),
                clusters: options.clusters.clone(),
                cluster_headers: options.cluster_headers.clone(),
                client: client.clone(),
                runtime: runtime.handle().clone(),
                log: Arc::clone(&options.log),
                index,
                peers: Arc::clone(&peers),
            };
            workers.push(worker::spawn(setting)?);
        }
        let (stop, stopped) = watch::channel(false);
        let gate = connection::Gate {
            upstream: options.upstream.clone(),
            timeout: options.upstream_timeout,
            body_bytes: options.body_bytes,
            client,
            workers: workers.iter().map(worker::Handle::sender).collect(),
            tls,
            local: address,
        };
        let server = runtime.spawn(connection::accept(listener, Arc::new(gate), stopped));
        Ok(Self { runtime: Some(runtime), address, shared, workers, stop, server: Some(server) })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The metrics that the filter defined.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Stops taking connections, lets requests under way finish for at most `grace`, and ends.
    pub fn stop(mut self, grace: Duration) {
        self.end(grace);
    }

    fn end(&mut self, grace: Duration) {
        let Some(runtime) = self.runtime.take() else { return };
        // The receivers are gone only if the server has ended already.
        let _ = self.stop.send(true);
        if let Some(server) = self.server.take() {
            let _ = runtime.block_on(async { tokio::time::timeout(grace, server).await });
        }
        runtime.shutdown_timeout(Duration::from_millis(100));
        self.workers.clear();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

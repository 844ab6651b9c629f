//! A local gateway: HTTP/1.1 and HTTP/2 in front of a real upstream, with the filter between, on real time.
//!
//! It is made for development. Each worker is a thread with a VM of its own and the connections that fell to it; a request stays on
//! one thread. Bodies pass through piece by piece: what is held is what the filter holds back, up to a limit. When a VM fails its
//! streams get 503, the log says why, and a fresh VM takes over. A filter that closes a stream ends the connection, or the stream of
//! HTTP/2, without an answer. [`Gateway::reload`] puts another module or configuration in the place of the one that
//! runs, for requests to come.

mod admit;
mod body;
mod calls;
mod certificate;
mod client;
mod connection;
mod convert;
mod driver;
mod exchange;
mod first;
mod generation;
mod grpc;
mod handle;
mod heads;
mod lives;
mod observe;
mod options;
mod pump;
mod respond;
mod thread;
mod tls;
mod trial;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::builder::HostBuilder;
use crate::clock::Clock;
use crate::error::StartError;
use crate::outcome::Request;
use crate::shared::{Metrics, Shared, lock};
use crate::upstream::Upstream;
use crate::worker::Worker;
use connection::Gate;
use driver::World;
use generation::Setup;
use thread::Command;
use tls::Secured;

pub use certificate::certificate_properties;
pub use observe::{Called, Ended, Exchange, Times};
pub use options::{ClientLimits, Endpoint, ExchangeSink, GatewayOptions, LogSink, Protocol, ServeError};
pub use tls::{ClientCertificate, Tls, UpstreamTls};

/// A running gateway. It stops when it is dropped.
pub struct Gateway {
    runtime: Option<Runtime>,
    address: SocketAddr,
    world: Arc<World>,
    secured: Arc<Secured>,
    workers: Vec<thread::Handle>,
    stop: watch::Sender<bool>,
    server: Option<tokio::task::JoinHandle<()>>,
    /// Connections that may still be opened; all of them where none is open.
    room: Arc<Semaphore>,
    connections: u32,
    cluster_headers: BTreeMap<String, Vec<(String, String)>>,
    /// The generation that runs; held while there is a change.
    generation: Mutex<u64>,
    next_trial: AtomicU64,
}

impl Gateway {
    /// Starts a gateway that hosts the builder's module, on real time and with real randomness.
    ///
    /// # Errors
    /// Where the module refuses its configuration, the address is taken, or TLS cannot be set up.
    pub fn start(builder: HostBuilder, options: GatewayOptions) -> Result<Self, ServeError> {
        let count = builder.workers;
        let secured = Arc::new(Secured::new(options.tls.as_ref(), options.upstream_tls.as_ref())?);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(options::io("no thread for connections"))?;
        let listener = runtime.block_on(TcpListener::bind(options.listen));
        let listener = listener.map_err(options::io(&format!("cannot listen on {}", options.listen)))?;
        let address = listener.local_addr().map_err(options::io("no address to listen on"))?;

        let shared: Arc<Shared> = Arc::default();
        let setup = setup(1, builder, &options.clusters, &options.cluster_headers);
        let vms = start_all(&setup, &shared, count)?;
        let (peers, inboxes): (Vec<_>, Vec<_>) = vms.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let world = Arc::new(World {
            shared,
            log: Arc::clone(&options.log),
            observe: options.observe.clone(),
            calls: Semaphore::new(options.limits.calls),
            exchanges: AtomicU64::new(0),
            peers: peers.clone(),
        });
        let gate = Arc::new(Gate {
            upstream: options.upstream.clone(),
            protocol: options.upstream_protocol,
            timeout: options.upstream_timeout,
            limits: options.limits.clone(),
            secured: Arc::clone(&secured),
            local: address,
        });
        let (stop, stopped) = watch::channel(false);
        let mut workers = Vec::new();
        for (index, (vm, inbox)) in vms.into_iter().zip(inboxes).enumerate() {
            let Some(commands) = peers.get(index).cloned() else { continue };
            let (world, gate, setup) = (Arc::clone(&world), Arc::clone(&gate), Arc::clone(&setup));
            let stopped = stopped.clone();
            workers.push(thread::spawn(thread::Parts {
                index,
                world,
                gate,
                setup,
                vm,
                commands,
                inbox,
                stopped,
            })?);
        }
        let connections = u32::try_from(options.limits.connections).unwrap_or(u32::MAX >> 3).max(1);
        let room = Arc::new(Semaphore::new(connections as usize));
        let server = runtime.spawn(accept(listener, peers, Arc::clone(&room), stopped));
        Ok(Self {
            runtime: Some(runtime),
            address,
            world,
            secured,
            workers,
            stop,
            server: Some(server),
            room,
            connections,
            cluster_headers: options.cluster_headers,
            generation: Mutex::new(1),
            next_trial: AtomicU64::new(0),
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The metrics that the filter defined.
    pub fn metrics(&self) -> &Metrics {
        &self.world.shared.metrics
    }

    /// The number of the generation that new requests go to: 1 at the start.
    pub fn generation(&self) -> u64 {
        *lock(&self.generation)
    }

    /// Runs another module or configuration for all requests to come. Streams that are open end on the VMs that they began on. The
    /// builder's number of workers does not count. Shared data, queues and metrics stay.
    ///
    /// # Errors
    /// Where one VM does not come up: nothing has changed then.
    pub fn reload(
        &self,
        builder: HostBuilder,
        clusters: &BTreeMap<String, Endpoint>,
    ) -> Result<u64, StartError> {
        let mut generation = lock(&self.generation);
        let setup = setup(*generation + 1, builder, clusters, &self.cluster_headers);
        // The first of them is the canary: what it refuses reaches nobody.
        let vms = start_all(&setup, &self.world.shared, self.workers.len())?;
        for (worker, vm) in self.workers.iter().zip(vms) {
            // A worker that has stopped runs nothing.
            let _ = worker.commands.send(Command::Adopt(Arc::clone(&setup), Box::new(vm)));
        }
        *generation += 1;
        Ok(*generation)
    }

    /// Does TLS with other certificates, keys and authorities, on connections to come: from clients, to the upstream and to clusters.
    ///
    /// # Errors
    /// Where they cannot be used, or clients would lose TLS: nothing has changed then.
    pub fn reload_tls(&self, tls: Option<&Tls>, upstream: Option<&UpstreamTls>) -> Result<(), ServeError> {
        if tls.is_none() && self.secured.acceptor().is_some() {
            return Err(ServeError::Tls("expected a certificate for clients, found none".to_owned()));
        }
        self.secured.replace(tls, upstream)
    }

    /// Has the filter decide on a request that goes nowhere, body and all. It counts in the filter's metrics; what is logged about it
    /// is in the exchange alone. `None` where the gateway stops or has no VM.
    pub fn try_out(&self, request: Request) -> Option<Exchange> {
        let turn = self.next_trial.fetch_add(1, Ordering::Relaxed);
        let worker = self.workers.get(usize::try_from(turn).unwrap_or(0) % self.workers.len().max(1))?;
        let (answer, answered) = oneshot::channel();
        worker.commands.send(Command::Try(Box::new(request), answer)).ok()?;
        answered.blocking_recv().ok()
    }

    /// Stops taking connections, lets requests under way finish for at most `grace`, and ends.
    pub fn stop(mut self, grace: Duration) {
        self.end(grace);
    }

    fn end(&mut self, grace: Duration) {
        let Some(runtime) = self.runtime.take() else { return };
        // The receivers are gone only if everything has ended already.
        let _ = self.stop.send(true);
        let (server, room, all) = (self.server.take(), Arc::clone(&self.room), self.connections);
        runtime.block_on(async {
            let ended = async {
                if let Some(server) = server {
                    let _ = server.await;
                }
                // Every connection gives its place back when it ends.
                let _ = room.acquire_many(all).await;
            };
            let _ = tokio::time::timeout(grace, ended).await;
        });
        runtime.shutdown_timeout(Duration::from_millis(100));
        self.workers.clear();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// Takes connections until told to stop, and hands them to the workers by turns.
async fn accept(
    listener: TcpListener,
    workers: Vec<UnboundedSender<Command>>,
    room: Arc<Semaphore>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut number = 0_u64;
    loop {
        let taken = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            taken = taken => taken,
            _ = stopped.changed() => return,
        };
        let handed = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        let (Ok(place), Ok((stream, peer))) = (place, handed) else {
            // Out of file handles, most likely: leave it time.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        number += 1;
        let turn = usize::try_from(number).unwrap_or(0) % workers.len().max(1);
        if let Some(worker) = workers.get(turn) {
            // A worker that has stopped drops the connection.
            let _ = worker.send(Command::Connection(stream, peer, number, place));
        }
    }
}

/// What a generation is run with, on real time and with real randomness.
fn setup(
    number: u64,
    builder: HostBuilder,
    clusters: &BTreeMap<String, Endpoint>,
    headers: &BTreeMap<String, Vec<(String, String)>>,
) -> Arc<Setup> {
    let mut builder = builder.clock(Clock::real()).system_randomness();
    for name in clusters.keys() {
        builder = builder.cluster(name, Upstream::new());
    }
    let at = |(name, endpoint): (&String, &Endpoint)| {
        let headers = headers.get(name).cloned().unwrap_or_default();
        (name.clone().into_bytes(), calls::Cluster { endpoint: endpoint.clone(), headers })
    };
    let clusters: HashMap<_, _> = clusters.iter().map(at).collect();
    Arc::new(Setup { number, plugin: builder.plugin(), builder, clusters })
}

/// A VM for each worker.
fn start_all(setup: &Setup, shared: &Arc<Shared>, count: usize) -> Result<Vec<Worker>, StartError> {
    (0..count).map(|index| setup.start(shared, index)).collect()
}

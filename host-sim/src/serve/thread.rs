//! A worker: a thread that takes connections and runs the VMs that their requests go to. What happens to one request happens on one
//! thread, as in Envoy.

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::task::LocalSet;

use super::client::Client;
use super::connection::{self, Gate};
use super::driver::{Driver, World};
use super::generation::Setup;
use super::observe::Exchange;
use super::options::ServeError;
use super::trial;
use crate::outcome::Request;
use crate::worker::Worker;

/// What a worker is told.
pub(super) enum Command {
    /// Serve a connection, of this number in the order in which they came.
    Connection(std::net::TcpStream, SocketAddr, u64, OwnedSemaphorePermit),
    /// Run this VM from now on.
    Adopt(Arc<Setup>, Box<Worker>),
    /// Try a request out.
    Try(Box<Request>, oneshot::Sender<Exchange>),
    /// A shared queue of the worker's has a new value.
    Queue(u32),
    /// End, once connections have.
    Stop,
}

/// A worker that runs until this is dropped.
pub(super) struct Handle {
    pub(super) commands: UnboundedSender<Command>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What a worker is made of.
pub(super) struct Parts {
    pub(super) index: usize,
    pub(super) world: Arc<World>,
    pub(super) gate: Arc<Gate>,
    pub(super) setup: Arc<Setup>,
    pub(super) vm: Worker,
    pub(super) commands: UnboundedSender<Command>,
    pub(super) inbox: UnboundedReceiver<Command>,
    pub(super) stopped: watch::Receiver<bool>,
}

/// Starts the thread of a worker.
pub(super) fn spawn(parts: Parts) -> Result<Handle, ServeError> {
    let failed = |error| ServeError::Io { what: "no thread for a worker".to_owned(), error };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let commands = parts.commands.clone();
    let name = format!("wasm-worker-{}", parts.index);
    let run = move || {
        let tasks = LocalSet::new();
        runtime.block_on(tasks.run_until(run(parts)));
    };
    let thread = std::thread::Builder::new().name(name).spawn(run).map_err(failed)?;
    Ok(Handle { commands, thread: Some(thread) })
}

async fn run(parts: Parts) {
    let Parts { index, world, gate, setup, vm, mut inbox, stopped, .. } = parts;
    let client = Client::new(Arc::clone(&gate.secured));
    let driver = Driver::new(world, client, index, setup, vm);
    let ticking = tokio::task::spawn_local(Rc::clone(&driver).tick());
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Connection(stream, peer, number, permit) => {
                let served = connection::serve(
                    stream,
                    peer,
                    number,
                    Rc::clone(&driver),
                    Arc::clone(&gate),
                    stopped.clone(),
                );
                tokio::task::spawn_local(async move {
                    served.await;
                    drop(permit);
                });
            }
            Command::Adopt(setup, vm) => driver.adopt(setup, *vm),
            Command::Try(request, answer) => {
                let driver = Rc::clone(&driver);
                tokio::task::spawn_local(async move {
                    if let Some(exchange) = trial::run(&driver, &request).await {
                        // Whoever asked may have gone away.
                        let _ = answer.send(exchange);
                    }
                });
            }
            Command::Queue(token) => driver.queue_ready(token),
            Command::Stop => break,
        }
    }
    ticking.abort();
    driver.end();
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A thread that has ended has no receiver and nothing to stop.
        let _ = self.commands.send(Command::Stop);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// Runs what the HTTP library spawns on the worker's own thread.
#[derive(Clone, Copy)]
pub(super) struct Local;

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

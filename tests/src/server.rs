//! A small HTTP server: a thread for each connection, an answer from a closure for each request.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

use crate::http::{Request, Response};

/// What a server does with a request.
pub enum Answer {
    /// Answers it.
    With(Response),
    /// Closes the connection without an answer.
    HangUp,
    /// Sends these bytes, whatever they are, and closes the connection.
    Raw(Vec<u8>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::With(response)
    }
}

/// A server on a port of its own. Dropping it closes the port and every connection.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    served: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Server {
    /// Starts a server; `answer` is called from several threads.
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (accepting, answer) = (Arc::clone(&shared), Arc::new(answer));
        thread::spawn(move || {
            for socket in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(socket) = socket else { continue };
                if let Ok(handle) = socket.try_clone() {
                    accepting.open.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
                }
                let (shared, answer) = (Arc::clone(&accepting), Arc::clone(&answer));
                // A connection that breaks off is the client's business.
                thread::spawn(move || drop(serve(socket, &shared, answer.as_ref())));
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests it has got.
    pub fn served(&self) -> usize {
        self.shared.served.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees that it is to end and closes the port.
        let _ = TcpStream::connect(self.address);
        for socket in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

fn serve(mut socket: TcpStream, shared: &Shared, answer: &impl Fn(&Request) -> Answer) -> Result<()> {
    socket.set_nodelay(true)?;
    let mut reader = BufReader::new(socket.try_clone()?);
    while let Some(request) = Request::read(&mut reader)? {
        shared.served.fetch_add(1, Ordering::SeqCst);
        match answer(&request) {
            Answer::With(response) => response.write(&mut socket)?,
            Answer::HangUp => break,
            Answer::Raw(bytes) => {
                socket.write_all(&bytes)?;
                break;
            }
        }
    }
    socket.shutdown(Shutdown::Both)?;
    Ok(())
}

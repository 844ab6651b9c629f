//! A gRPC server over HTTP/2 in the clear: each call goes to a closure, which answers it as it likes.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot, watch};

/// What becomes of a call: it is answered, or whoever made it has gone.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Option<()>> + Send>>;

/// Metadata by name.
pub(crate) type Metadata<'a> = &'a [(&'a [u8], &'a [u8])];

/// A call that has come.
pub(crate) struct Call {
    /// Which connection it came on, in the order in which they were made.
    pub(crate) connection: usize,
    /// Its headers.
    pub(crate) head: http::request::Parts,
    /// What it sends.
    pub(crate) asked: Messages,
    /// What it is answered by.
    pub(crate) reply: Reply,
}

/// The server. It ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    open: watch::Sender<bool>,
    done: mpsc::Receiver<bool>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it.
    pub(crate) fn start(answer: impl Fn(Call) -> Answering + Send + Sync + 'static) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let ((open, is_open), (tell, done)) = (watch::channel(true), mpsc::channel());
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, is_open, tell, Arc::new(answer)) => {}
                    _ = stopped => {}
                }
            });
            // Who waits for what is late is not waited for.
            runtime.shutdown_background();
        });
        Ok(Self { address, open, done, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens its port, or closes it, so that whoever connects is refused. Connections that were made stay.
    pub(crate) fn set_open(&self, open: bool) -> Result<()> {
        if self.open.send_if_modified(|is_open| std::mem::replace(is_open, open) != open) {
            self.done.recv().context("the server has ended")?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept<A: Fn(Call) -> Answering + Send + Sync + 'static>(
    listener: TcpListener,
    mut is_open: watch::Receiver<bool>,
    tell: mpsc::Sender<bool>,
    answer: Arc<A>,
) {
    let Ok(address) = listener.local_addr() else { return };
    let (mut listener, mut number) = (Some(listener), 0);
    loop {
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What came before the port is closed has come.
            biased;
            accepted = accepted => {
                let Ok((socket, _)) = accepted else { return };
                tokio::spawn(serve(socket, number, Arc::clone(&answer)));
                number += 1;
            }
            changed = is_open.changed() => {
                let open = changed.is_ok() && *is_open.borrow_and_update();
                listener = if open { TcpListener::bind(address).await.ok() } else { None };
                if tell.send(open).is_err() {
                    return;
                }
            }
        }
    }
}

/// Serves one connection, until it ends or an answer breaks it off.
async fn serve<A: Fn(Call) -> Answering>(socket: TcpStream, connection: usize, answer: Arc<A>) {
    let Ok(mut served) = h2::server::handshake(socket).await else { return };
    let broken = Arc::new(Notify::new());
    loop {
        let accepted = tokio::select! {
            accepted = served.accept() => accepted,
            () = broken.notified() => return,
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let (head, body) = request.into_parts();
        let asked = Messages { body, bytes: Vec::new() };
        let reply = Reply { respond, out: None, broken: Arc::clone(&broken) };
        tokio::spawn(answer(Call { connection, head, asked, reply }));
    }
}

/// The messages that come.
pub(crate) struct Messages {
    body: RecvStream,
    bytes: Vec<u8>,
}

/// What comes next.
pub(crate) enum Next {
    Message(Vec<u8>),
    /// No more will come.
    End,
    /// Whoever asked has gone.
    Gone,
}

impl Messages {
    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        match self.what_next().await {
            Next::Message(message) => Some(message),
            Next::End | Next::Gone => None,
        }
    }

    /// The next message, or how they end.
    pub(crate) async fn what_next(&mut self) -> Next {
        loop {
            if let Some((head, rest)) = self.bytes.split_first_chunk::<5>() {
                let [_, size @ ..] = *head;
                let size = u32::from_be_bytes(size) as usize;
                if let Some((message, rest)) = rest.split_at_checked(size) {
                    let message = message.to_vec();
                    self.bytes = rest.to_vec();
                    return Next::Message(message);
                }
            }
            let more = match self.body.data().await {
                Some(Ok(more)) => more,
                Some(Err(_)) => return Next::Gone,
                None => return Next::End,
            };
            let _ = self.body.flow_control().release_capacity(more.len());
            self.bytes.extend_from_slice(&more);
        }
    }

    /// Waits until no more come.
    pub(crate) async fn end(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// What a call is answered by. Where whoever asked has gone, nothing is sent, and `None` says so.
pub(crate) struct Reply {
    respond: SendResponse<Bytes>,
    out: Option<SendStream<Bytes>>,
    broken: Arc<Notify>,
}

impl Reply {
    /// Sends the headers of an answer that has messages.
    pub(crate) fn begin(&mut self, initial: Metadata<'_>) -> Option<()> {
        let head = Self::head(initial)?;
        self.out = Some(self.respond.send_response(head, false).ok()?);
        Some(())
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &[u8]) -> Option<()> {
        let size = u32::try_from(message.len()).ok()?.to_be_bytes();
        self.out.as_mut()?.send_data([&[0], &size[..], message].concat().into(), false).ok()
    }

    /// Ends an answer that has begun.
    pub(crate) fn end(&mut self, trailing: Metadata<'_>) -> Option<()> {
        self.out.as_mut()?.send_trailers(fields(trailing)?).ok()
    }

    /// Sends headers, the status among them, and nothing else.
    pub(crate) fn alone(&mut self, trailing: Metadata<'_>) -> Option<()> {
        let head = Self::head(trailing)?;
        self.respond.send_response(head, true).ok().map(drop)
    }

    fn head(metadata: Metadata<'_>) -> Option<Response<()>> {
        let mut head = Response::builder().header("content-type", "application/grpc").body(()).ok()?;
        head.headers_mut().extend(fields(metadata)?);
        Some(head)
    }

    /// Has the connection broken off. Who asks stays here, since going would reset its stream first.
    pub(crate) async fn break_off(self) -> Option<()> {
        self.broken.notify_one();
        std::future::pending().await
    }

    /// Waits until whoever asked gives up.
    pub(crate) async fn given_up(&mut self) {
        let _ = match &mut self.out {
            Some(out) => std::future::poll_fn(|context| out.poll_reset(context)).await,
            None => std::future::poll_fn(|context| self.respond.poll_reset(context)).await,
        };
    }
}

fn fields(metadata: Metadata<'_>) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for (name, value) in metadata {
        fields.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(fields)
}

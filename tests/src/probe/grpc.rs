//! A gRPC service that answers by method, as a real HTTP/2 server and as the simulator's script of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use countersign_host_sim::{GrpcReply, GrpcUpstream};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use super::gate::Gate;

/// The server. It ends when it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it; what is late waits for `late`.
    pub(super) fn start(late: Arc<Gate>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, late) => {}
                    _ = stopped => {}
                }
            });
            // Who waits for what is late is not waited for.
            runtime.shutdown_background();
        });
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
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

async fn accept(listener: TcpListener, late: Arc<Gate>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(serve(socket, Arc::clone(&late)));
    }
}

/// Serves one connection, until it ends or a method breaks it off.
async fn serve(socket: TcpStream, late: Arc<Gate>) {
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    let broken = Arc::new(Notify::new());
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = broken.notified() => return,
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let (broken, late) = (Arc::clone(&broken), Arc::clone(&late));
        tokio::spawn(async move {
            answer(request, respond, late, &broken).await;
        });
    }
}

/// Has the connection broken off. Who asks stays here, since going would reset its stream first.
async fn break_off(broken: &Notify) -> Option<()> {
    broken.notify_one();
    std::future::pending().await
}

/// Answers by method; `None` where whoever asked has gone.
async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    late: Arc<Gate>,
    broken: &Notify,
) -> Option<()> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let mut asked = Messages { body: request.into_body(), bytes: Vec::new() };
    match &*method {
        "One" => {
            asked.end().await;
            let mut out = begin(&mut respond)?;
            send(&mut out, b"answer")?;
            end(&mut out, "0", &[("x-trailing", "1")])
        }
        "Two" => {
            asked.end().await;
            let mut out = begin(&mut respond)?;
            send(&mut out, b"one")?;
            send(&mut out, b"two")?;
            end(&mut out, "0", &[])
        }
        "None" => {
            asked.end().await;
            end(&mut begin(&mut respond)?, "0", &[])
        }
        "Echo" => {
            let mut out = begin(&mut respond)?;
            while let Some(message) = asked.next().await {
                send(&mut out, &message)?;
            }
            end(&mut out, "0", &[])
        }
        "Refuse" => {
            asked.end().await;
            alone(&mut respond, "7", "not you")
        }
        "RefuseLate" => {
            asked.end().await;
            let mut out = begin(&mut respond)?;
            send(&mut out, b"answer")?;
            end(&mut out, "9", &[("grpc-message", "too late"), ("x-trailing", "1")])
        }
        "OddStatus" => {
            asked.end().await;
            alone(&mut respond, "99", "odd%20one")
        }
        "Break" => {
            asked.next().await;
            break_off(broken).await
        }
        // The first message is answered, the second breaks it off.
        "Half" => {
            let mut out = begin(&mut respond)?;
            send(&mut out, &asked.next().await?)?;
            asked.next().await;
            break_off(broken).await
        }
        "Late" => {
            asked.end().await;
            tokio::task::spawn_blocking(move || late.wait()).await.ok()?;
            let mut out = begin(&mut respond)?;
            send(&mut out, b"late")?;
            end(&mut out, "0", &[])
        }
        // Whoever asked gives up.
        "Silence" => {
            asked.end().await;
            let _ = std::future::poll_fn(|context| respond.poll_reset(context)).await;
            Some(())
        }
        _ => {
            asked.end().await;
            alone(&mut respond, "12", "")
        }
    }
}

/// The messages that come.
struct Messages {
    body: RecvStream,
    bytes: Vec<u8>,
}

impl Messages {
    /// The next message; `None` at the end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some((head, rest)) = self.bytes.split_first_chunk::<5>() {
                let [_, size @ ..] = *head;
                let size = u32::from_be_bytes(size) as usize;
                if let Some((message, rest)) = rest.split_at_checked(size) {
                    let message = message.to_vec();
                    self.bytes = rest.to_vec();
                    return Some(message);
                }
            }
            let more = self.body.data().await?.ok()?;
            let _ = self.body.flow_control().release_capacity(more.len());
            self.bytes.extend_from_slice(&more);
        }
    }

    /// Waits until no more come.
    async fn end(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// The headers of an answer that has messages.
fn begin(respond: &mut SendResponse<Bytes>) -> Option<SendStream<Bytes>> {
    let head = Response::builder().header("content-type", "application/grpc").header("x-initial", "1");
    respond.send_response(head.body(()).ok()?, false).ok()
}

/// A status and nothing else.
fn alone(respond: &mut SendResponse<Bytes>, status: &str, message: &str) -> Option<()> {
    let mut head =
        Response::builder().header("content-type", "application/grpc").header("grpc-status", status);
    if !message.is_empty() {
        head = head.header("grpc-message", message);
    }
    respond.send_response(head.body(()).ok()?, true).ok().map(drop)
}

fn send(out: &mut SendStream<Bytes>, message: &[u8]) -> Option<()> {
    let size = u32::try_from(message.len()).ok()?.to_be_bytes();
    out.send_data([&[0], &size[..], message].concat().into(), false).ok()
}

fn end(
    out: &mut SendStream<Bytes>,
    status: &'static str,
    more: &[(&'static str, &'static str)],
) -> Option<()> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().ok()?);
    for (name, value) in more {
        trailers.insert(*name, value.parse().ok()?);
    }
    out.send_trailers(trailers).ok()
}

/// The same service in the simulator. What is echoed is told in the order in which it is asked.
pub(super) fn script() -> GrpcUpstream {
    let begun = |reply: GrpcReply| reply.initial("x-initial", "1");
    let echo = |messages: &[&str]| begun(GrpcReply::in_turn(messages.iter().copied()));
    GrpcUpstream::new()
        .on("probe.Service/One", [begun(GrpcReply::message("answer")).trailing("x-trailing", "1")])
        .on("probe.Service/Two", [begun(GrpcReply::messages(["one", "two"]))])
        .on("probe.Service/None", [begun(GrpcReply::messages::<&str>([]))])
        .on(
            "probe.Service/Echo",
            [
                echo(&["asked"]),
                echo(&[""]),
                echo(&[&"m".repeat(200_000)]),
                echo(&["first", "first", "last"]),
                echo(&["first"]),
            ],
        )
        .on("probe.Service/Refuse", [GrpcReply::status(7, "not you")])
        .on(
            "probe.Service/RefuseLate",
            [begun(GrpcReply::message("answer").ending(9, "too late")).trailing("x-trailing", "1")],
        )
        .on("probe.Service/OddStatus", [GrpcReply::status(99, "odd%20one")])
        .on("probe.Service/Break", [GrpcReply::reset()])
        .on("probe.Service/Half", [begun(GrpcReply::message("first").breaking())])
        .on("probe.Service/Late", [begun(GrpcReply::message("late")).after(Duration::from_millis(50))])
        .on("probe.Service/Silence", [GrpcReply::never()])
}

//! A gRPC service that answers by method, as a real HTTP/2 server and as the simulator's script of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use countersign_host_sim::{GrpcReply, GrpcUpstream};

use super::gate::Gate;
use crate::grpc::{Call, Metadata, Server};

/// What an answer with messages begins with.
const INITIAL: Metadata<'static> = &[(b"x-initial", b"1")];
/// What a good one ends with.
const DONE: Metadata<'static> = &[(b"grpc-status", b"0")];

/// Starts the server; what is late waits for `late`.
pub(super) fn start(late: Arc<Gate>) -> Result<Server> {
    Server::start(move |call| Box::pin(answer(call, Arc::clone(&late))))
}

/// Answers by method; `None` where whoever asked has gone.
async fn answer(call: Call, late: Arc<Gate>) -> Option<()> {
    let Call { head, mut asked, mut reply, .. } = call;
    let method = head.uri.path().rsplit('/').next().unwrap_or_default();
    match method {
        "One" => {
            asked.end().await;
            reply.begin(INITIAL)?;
            reply.send(b"answer")?;
            reply.end(&[(b"grpc-status", b"0"), (b"x-trailing", b"1")])
        }
        "Two" => {
            asked.end().await;
            reply.begin(INITIAL)?;
            reply.send(b"one")?;
            reply.send(b"two")?;
            reply.end(DONE)
        }
        "None" => {
            asked.end().await;
            reply.begin(INITIAL)?;
            reply.end(DONE)
        }
        "Echo" => {
            reply.begin(INITIAL)?;
            while let Some(message) = asked.next().await {
                reply.send(&message)?;
            }
            reply.end(DONE)
        }
        "Refuse" => {
            asked.end().await;
            reply.alone(&[(b"grpc-status", b"7"), (b"grpc-message", b"not you")])
        }
        "RefuseLate" => {
            asked.end().await;
            reply.begin(INITIAL)?;
            reply.send(b"answer")?;
            reply.end(&[(b"grpc-status", b"9"), (b"grpc-message", b"too late"), (b"x-trailing", b"1")])
        }
        "OddStatus" => {
            asked.end().await;
            reply.alone(&[(b"grpc-status", b"99"), (b"grpc-message", b"odd%20one")])
        }
        "Break" => {
            asked.next().await;
            reply.break_off().await
        }
        // The first message is answered, the second breaks it off.
        "Half" => {
            reply.begin(INITIAL)?;
            reply.send(&asked.next().await?)?;
            asked.next().await;
            reply.break_off().await
        }
        "Late" => {
            asked.end().await;
            tokio::task::spawn_blocking(move || late.wait()).await.ok()?;
            reply.begin(INITIAL)?;
            reply.send(b"late")?;
            reply.end(DONE)
        }
        // Whoever asked gives up.
        "Silence" => {
            asked.end().await;
            reply.given_up().await;
            Some(())
        }
        _ => {
            asked.end().await;
            reply.alone(&[(b"grpc-status", b"12")])
        }
    }
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

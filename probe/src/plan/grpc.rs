//! Calls and streams by gRPC: what can be asked of a service, and what comes back.

use super::calls::{END_TICK, LET_GO, START_TICK};
use super::messages::{GRPC_INITIAL_MAP, GRPC_MESSAGE, GRPC_TRAILING_MAP};
use super::{Phase, Script, Step, all, hold, only, pass};
use crate::arg::Arg::*;
use crate::arg::Probe;
use crate::host::Call::*;

/// `envoy.config.core.v3.GrpcService` with a cluster.
const SERVICE: &[u8] = b"\x0a\x06\x0a\x04grpc";
const REFUSES: &[u8] = b"\x0a\x09\x0a\x07refuses";
const ABSENT: &[u8] = b"\x0a\x08\x0a\x06absent";

/// A call of this service and method, with this message and timeout.
macro_rules! call {
    ($service:expr, $method:literal, $message:expr, $timeout:literal) => {
        Probe(
            proxy_grpc_call,
            &[
                Bytes($service),
                Bytes(b"probe.Service"),
                Bytes($method),
                Pairs(&[(b"X-Sent", b"1"), (b"x-twice", b"a"), (b"x-twice", b"b")]),
                $message,
                Number($timeout),
                OutKept("grpc"),
            ],
        )
    };
}

/// A stream of this service and method.
macro_rules! stream {
    ($service:expr, $method:literal) => {
        Probe(
            proxy_grpc_stream,
            &[
                Bytes($service),
                Bytes(b"probe.Service"),
                Bytes($method),
                Pairs(&[(b"x-sent", b"1")]),
                OutKept("grpc"),
            ],
        )
    };
}

/// What is there of an answer.
const LOOK: &[&[Probe]] =
    &[GRPC_INITIAL_MAP, GRPC_TRAILING_MAP, GRPC_MESSAGE, &[Probe(proxy_get_status, &[OutNumber, OutBytes])]];
/// The same, and the request goes on.
const LAST: &[&[Probe]] = &[
    &[
        Probe(proxy_get_status, &[OutNumber, OutBytes]),
        Probe(proxy_get_header_map_pairs, &[Number(4), OutPairs]),
        Probe(proxy_get_header_map_pairs, &[Number(5), OutPairs]),
        Probe(proxy_get_buffer_status, &[Number(5), OutNumber, OutNumber]),
        Probe(proxy_get_buffer_bytes, &[Number(5), Number(0), Number(4096), OutBytes]),
    ],
    LET_GO,
];

const SEND: Probe = Probe(proxy_grpc_send, &[Kept("grpc"), Bytes(b"first"), Number(0)]);
const SEND_LAST: Probe = Probe(proxy_grpc_send, &[Kept("grpc"), Bytes(b"last"), Number(1)]);
const CLOSE: Probe = Probe(proxy_grpc_close, &[Kept("grpc")]);
const CANCEL: Probe = Probe(proxy_grpc_cancel, &[Kept("grpc")]);
/// Nothing of a call or stream that is over is known any more.
const OVER: &[Probe] = &[CANCEL, CLOSE];

/// Where an answer is looked at: a call has one message or a status, a stream has all four.
const CALL_ANSWER: [Step; 2] = [pass(Phase::GrpcMessage, LAST), pass(Phase::GrpcClose, LAST)];

/// A script that makes a call, holds the request, and looks at the answer.
macro_rules! answered {
    ($name:literal, $call:expr) => {
        Script {
            name: $name,
            steps: &[hold(Phase::RequestHeaders, &[&[$call]]), CALL_ANSWER[0], CALL_ANSWER[1]],
        }
    };
}

/// The same for a stream.
macro_rules! streamed {
    ($name:literal, $($call:expr),+) => {
        Script {
            name: $name,
            steps: &[
                hold(Phase::RequestHeaders, &[&[$($call),+]]),
                pass(Phase::GrpcInitialMetadata, LOOK),
                pass(Phase::GrpcMessage, LOOK),
                pass(Phase::GrpcTrailingMetadata, LOOK),
                pass(Phase::GrpcClose, LAST),
            ],
        }
    };
}

pub(super) const SCRIPTS: &[Script] = &[
    answered!("grpc-one", call!(SERVICE, b"One", Bytes(b"asked"), 5000)),
    answered!("grpc-echo", call!(SERVICE, b"Echo", Bytes(b"asked"), 5000)),
    answered!("grpc-blank", call!(SERVICE, b"Echo", Bytes(b""), 5000)),
    answered!("grpc-large", call!(SERVICE, b"Echo", Times(b'm', 200_000), 5000)),
    answered!("grpc-two", call!(SERVICE, b"Two", Bytes(b"asked"), 5000)),
    answered!("grpc-none", call!(SERVICE, b"None", Bytes(b"asked"), 5000)),
    answered!("grpc-refuse", call!(SERVICE, b"Refuse", Bytes(b"asked"), 5000)),
    answered!("grpc-refuse-late", call!(SERVICE, b"RefuseLate", Bytes(b"asked"), 5000)),
    answered!("grpc-odd-status", call!(SERVICE, b"OddStatus", Bytes(b"asked"), 5000)),
    answered!("grpc-unimplemented", call!(SERVICE, b"Absent", Bytes(b"asked"), 5000)),
    answered!("grpc-break", call!(SERVICE, b"Break", Bytes(b"asked"), 5000)),
    answered!("grpc-timeout", call!(SERVICE, b"Silence", Bytes(b"asked"), 50)),
    answered!("grpc-refused", call!(REFUSES, b"One", Bytes(b"asked"), 5000)),
    answered!("grpc-by-name", call!(b"grpc", b"One", Bytes(b"asked"), 5000)),
    // There is no such cluster, and the module hears of it.
    Script {
        name: "grpc-absent",
        steps: &[pass(
            Phase::RequestHeaders,
            &[&[call!(ABSENT, b"One", Bytes(b"asked"), 5000), stream!(ABSENT, b"One")]],
        )],
    },
    Script {
        name: "grpc-bad-names",
        steps: &[pass(
            Phase::RequestHeaders,
            &[&[
                call!(b"absent", b"One", Bytes(b"asked"), 5000),
                call!(b"\xff\xff", b"One", Bytes(b"asked"), 5000),
                stream!(b"absent", b"One"),
                stream!(b"\xff\xff", b"One"),
            ]],
        )],
    },
    // It is everything that is asked in each callback.
    Script {
        name: "grpc-calls",
        steps: &[
            hold(Phase::RequestHeaders, &[&[call!(SERVICE, b"One", Bytes(b"asked"), 5000)]]),
            all(pass(Phase::GrpcMessage, &[LET_GO])),
        ],
    },
    Script {
        name: "grpc-stream-calls",
        steps: &[
            // What is asked in general has the numbers of the first ones.
            hold(
                Phase::RequestHeaders,
                &[&[stream!(SERVICE, b"Silence"), CANCEL, stream!(SERVICE, b"One"), SEND_LAST]],
            ),
            all(pass(Phase::GrpcInitialMetadata, &[])),
            all(pass(Phase::GrpcMessage, &[])),
            all(pass(Phase::GrpcTrailingMetadata, &[])),
            all(pass(Phase::GrpcClose, &[LET_GO])),
        ],
    },
    streamed!("grpc-stream-one", stream!(SERVICE, b"One"), SEND_LAST),
    streamed!("grpc-stream-two", stream!(SERVICE, b"Two"), SEND, CLOSE),
    streamed!("grpc-stream-none", stream!(SERVICE, b"None"), CLOSE),
    streamed!("grpc-stream-echo", stream!(SERVICE, b"Echo"), SEND, SEND, SEND_LAST),
    streamed!("grpc-stream-after-close", stream!(SERVICE, b"Echo"), SEND, CLOSE, CLOSE, SEND),
    streamed!("grpc-stream-refuse", stream!(SERVICE, b"Refuse"), SEND_LAST),
    streamed!("grpc-stream-refuse-late", stream!(SERVICE, b"RefuseLate"), SEND_LAST),
    // The service answers the first message, and breaks off at the second.
    Script {
        name: "grpc-stream-half",
        steps: &[
            hold(Phase::RequestHeaders, &[&[stream!(SERVICE, b"Half"), SEND]]),
            pass(Phase::GrpcInitialMetadata, LOOK),
            pass(Phase::GrpcMessage, &[&[SEND]]),
            pass(Phase::GrpcTrailingMetadata, LOOK),
            pass(Phase::GrpcClose, LAST),
        ],
    },
    streamed!("grpc-stream-break", stream!(SERVICE, b"Break"), SEND),
    streamed!("grpc-stream-refused", stream!(REFUSES, b"One"), SEND_LAST),
    // Cancelled before there is an answer, and again.
    Script {
        name: "grpc-cancel",
        steps: &[
            hold(Phase::RequestHeaders, &[&[call!(SERVICE, b"Silence", Bytes(b"asked"), 5000)], START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, &[CANCEL], OVER, LET_GO])),
        ],
    },
    Script {
        name: "grpc-stream-cancel",
        steps: &[
            hold(Phase::RequestHeaders, &[&[stream!(SERVICE, b"Silence"), SEND], START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, &[CANCEL], OVER, LET_GO])),
        ],
    },
    // A call is cancelled by closing it.
    Script {
        name: "grpc-close-call",
        steps: &[
            hold(Phase::RequestHeaders, &[&[call!(SERVICE, b"Silence", Bytes(b"asked"), 5000)], START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, &[CLOSE], OVER, LET_GO])),
        ],
    },
    // Of what is over.
    Script {
        name: "grpc-over",
        steps: &[
            hold(Phase::RequestHeaders, &[&[call!(SERVICE, b"One", Bytes(b"asked"), 5000)]]),
            pass(Phase::GrpcMessage, &[OVER, LET_GO]),
        ],
    },
    // The stream is gone when the answer comes.
    Script {
        name: "grpc-orphan",
        steps: &[
            pass(Phase::RequestHeaders, &[&[call!(SERVICE, b"Late", Bytes(b"asked"), 5000)]]),
            CALL_ANSWER[0],
            CALL_ANSWER[1],
        ],
    },
];

//! Everything that can be asked without something happening by it, in every phase.

use super::data::{METRICS, OUTGOING, QUEUES, SHARED};
use super::messages::*;
use super::system::{CONTEXTS, HOST, WASI};
use super::{Phase, Script, all, hold, only, pass};
use crate::arg::Arg::*;
use crate::arg::Probe;
use crate::host::Call::*;

/// All tables that change nothing for others.
pub(crate) const EVERYTHING: &[&[Probe]] = &[
    HOST,
    CONTEXTS,
    WASI,
    REQUEST_MAP,
    REQUEST_TRAILER_MAP,
    RESPONSE_MAP,
    RESPONSE_TRAILER_MAP,
    GRPC_INITIAL_MAP,
    GRPC_TRAILING_MAP,
    CALL_MAP,
    CALL_TRAILER_MAP,
    NO_MAP,
    MAPS,
    OTHER_EDITS,
    REQUEST_BODY,
    RESPONSE_BODY,
    DOWNSTREAM_DATA,
    UPSTREAM_DATA,
    CALL_BODY,
    GRPC_MESSAGE,
    VM_CONFIGURATION,
    PLUGIN_CONFIGURATION,
    CALL_DATA,
    NO_BUFFER,
    BUFFERS,
    PROPERTIES,
    SHARED,
    QUEUES,
    METRICS,
    OUTGOING,
    // Where there is none of them, they can't be changed.
    REQUEST_EDITS,
    REQUEST_TRAILER_EDITS,
    RESPONSE_EDITS,
    RESPONSE_TRAILER_EDITS,
];

/// Starts the tick, for a stream that it is to let go.
pub(super) const START_TICK: &[Probe] = &[Probe(proxy_set_tick_period_milliseconds, &[Number(20)])];
/// Ends the tick.
pub(super) const END_TICK: &[Probe] = &[Probe(proxy_set_tick_period_milliseconds, &[Number(0)])];
/// Lets the request go that came last.
pub(super) const LET_GO: &[Probe] =
    &[Probe(proxy_set_effective_context, &[Kept("stream")]), Probe(proxy_continue_stream, &[Number(0)])];
/// Calls a cluster that answers.
const CALL: &[Probe] = &[Probe(
    proxy_http_call,
    &[
        Bytes(b"answers"),
        Pairs(&[
            (b":method", b"GET"),
            (b":path", b"/trailers"),
            (b":authority", b"answers.example"),
            (b":scheme", b"http"),
        ]),
        Bytes(b""),
        Pairs(&[]),
        Number(5000),
        OutNumber,
    ],
)];

pub(super) const SCRIPTS: &[Script] = &[
    // Of a VM.
    Script {
        name: "vm-calls",
        steps: &[
            all(pass(Phase::CreateRoot, &[])),
            all(pass(Phase::VmStart, &[])),
            all(pass(Phase::Configure, &[])),
        ],
    },
    // Of the stream that comes after this one: the root does not know its script yet.
    Script { name: "create-calls", steps: &[only(1, all(pass(Phase::Create, &[])))] },
    Script {
        name: "calls",
        steps: &[
            all(pass(Phase::RequestHeaders, &[])),
            all(pass(Phase::RequestBody, &[])),
            all(pass(Phase::RequestTrailers, &[])),
            all(pass(Phase::ResponseHeaders, &[])),
            all(pass(Phase::ResponseBody, &[])),
            all(pass(Phase::ResponseTrailers, &[])),
            all(pass(Phase::Log, &[])),
            all(pass(Phase::Done, &[])),
            all(pass(Phase::Delete, &[])),
        ],
    },
    Script {
        name: "tick-calls",
        steps: &[
            hold(Phase::RequestHeaders, &[START_TICK]),
            only(1, all(pass(Phase::Tick, &[END_TICK, LET_GO]))),
        ],
    },
    Script {
        name: "answer-calls",
        steps: &[hold(Phase::RequestHeaders, &[CALL]), all(pass(Phase::HttpCallResponse, &[LET_GO]))],
    },
];

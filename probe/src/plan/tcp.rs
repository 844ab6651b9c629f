//! Connections through a network filter: what the module sees, holds, changes and closes.

use super::calls::{END_TICK, LET_GO, START_TICK};
use super::streams::body_edits;
use super::{Phase, Script, all, hold, only, pass};
use crate::arg::Arg::*;
use crate::arg::Probe;
use crate::host::Call::*;

/// What is there of a connection.
const LOOK: &[Probe] = &[
    Probe(proxy_get_buffer_status, &[Number(2), OutNumber, OutNumber]),
    Probe(proxy_get_buffer_bytes, &[Number(2), Number(0), Number(100), OutBytes]),
    Probe(proxy_get_buffer_status, &[Number(3), OutNumber, OutNumber]),
    Probe(proxy_get_buffer_bytes, &[Number(3), Number(0), Number(100), OutBytes]),
    Probe(proxy_get_buffer_status, &[Number(0), OutNumber, OutNumber]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_get_property, &[Bytes(b"connection\0mtls"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0termination_details"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0flags"), OutBytes]),
];

const DOWNSTREAM_EDITS: &[Probe] = &body_edits!(2);
const UPSTREAM_EDITS: &[Probe] = &body_edits!(3);
/// Nothing is left of what came.
const GONE: &[Probe] =
    &[Probe(proxy_set_buffer_bytes, &[Number(2), Number(0), Number(u32::MAX), Bytes(b"")])];
const GONE_UPSTREAM: &[Probe] =
    &[Probe(proxy_set_buffer_bytes, &[Number(3), Number(0), Number(u32::MAX), Bytes(b"")])];

/// The tick, and answers, speak for the connection that came last.
const AS_CONNECTION: &[Probe] = &[Probe(proxy_set_effective_context, &[Kept("stream")])];
const CONTINUE: &[Probe] = &[Probe(proxy_continue_stream, &[Number(2)])];
const CONTINUE_UPSTREAM: &[Probe] = &[Probe(proxy_continue_stream, &[Number(3)])];
const CONTINUE_HTTP: &[Probe] =
    &[Probe(proxy_continue_stream, &[Number(0)]), Probe(proxy_continue_stream, &[Number(1)])];
const CLOSE: &[Probe] = &[Probe(proxy_close_stream, &[Number(2)])];
const CLOSE_UPSTREAM: &[Probe] = &[Probe(proxy_close_stream, &[Number(3)])];
const CLOSE_HTTP: &[Probe] =
    &[Probe(proxy_close_stream, &[Number(0)]), Probe(proxy_close_stream, &[Number(1)])];
const REPLY: &[Probe] = &[Probe(
    proxy_send_local_response,
    &[Number(403), Bytes(b"details"), Bytes(b"denied"), Pairs(&[]), Number(u32::MAX)],
)];
const DONE: &[Probe] = &[Probe(proxy_done, &[])];
const CALL: &[Probe] = &[Probe(
    proxy_http_call,
    &[
        Bytes(b"answers"),
        Pairs(&[
            (b":method", b"GET"),
            (b":path", b"/plain"),
            (b":authority", b"answers.example"),
            (b":scheme", b"http"),
        ]),
        Bytes(b""),
        Pairs(&[]),
        Number(5000),
        OutKept("token"),
    ],
)];
const SET: &[Probe] = &[
    Probe(proxy_set_property, &[Bytes(b"kept"), Bytes(b"by the connection")]),
    Probe(proxy_get_property, &[Bytes(b"kept"), OutBytes]),
];
const GET: &[Probe] = &[Probe(proxy_get_property, &[Bytes(b"kept"), OutBytes])];

/// A script with this one step.
macro_rules! one {
    ($name:literal, $step:expr) => {
        Script { name: $name, steps: &[$step] }
    };
}

pub(super) const SCRIPTS: &[Script] = &[
    Script {
        name: "tcp-calls",
        steps: &[
            all(pass(Phase::NewConnection, &[])),
            all(pass(Phase::DownstreamData, &[])),
            all(pass(Phase::UpstreamData, &[])),
            all(pass(Phase::DownstreamClose, &[])),
            all(pass(Phase::UpstreamClose, &[])),
            all(pass(Phase::Log, &[])),
            all(pass(Phase::Done, &[])),
            all(pass(Phase::Delete, &[])),
        ],
    },
    // Everything goes on: who is called when, and what of the connection is there.
    Script {
        name: "tcp-order",
        steps: &[
            pass(Phase::NewConnection, &[LOOK, SET]),
            pass(Phase::DownstreamData, &[LOOK, GET]),
            pass(Phase::UpstreamData, &[LOOK, GET]),
            pass(Phase::DownstreamClose, &[LOOK, GET]),
            pass(Phase::UpstreamClose, &[LOOK]),
            pass(Phase::Log, &[LOOK, GET]),
            pass(Phase::Done, &[LOOK]),
            pass(Phase::Delete, &[LOOK]),
        ],
    },
    Script {
        name: "tcp-edits",
        steps: &[
            pass(Phase::DownstreamData, &[DOWNSTREAM_EDITS]),
            pass(Phase::UpstreamData, &[UPSTREAM_EDITS]),
        ],
    },
    Script {
        name: "tcp-gone",
        steps: &[
            only(1, pass(Phase::DownstreamData, &[GONE])),
            only(1, pass(Phase::UpstreamData, &[GONE_UPSTREAM])),
        ],
    },
    // Writing to the other side's buffer, which is not there.
    Script {
        name: "tcp-other-side",
        steps: &[
            pass(Phase::DownstreamData, &[UPSTREAM_EDITS]),
            pass(Phase::UpstreamData, &[DOWNSTREAM_EDITS, CONTINUE_HTTP]),
        ],
    },
    // Held until more comes.
    Script {
        name: "tcp-hold-data",
        steps: &[
            only(1, hold(Phase::DownstreamData, &[LOOK, DOWNSTREAM_EDITS])),
            only(2, hold(Phase::DownstreamData, &[LOOK])),
            only(3, pass(Phase::DownstreamData, &[LOOK])),
            only(1, hold(Phase::UpstreamData, &[LOOK, UPSTREAM_EDITS])),
            only(2, pass(Phase::UpstreamData, &[LOOK])),
        ],
    },
    // Never let go.
    one!("tcp-held", hold(Phase::DownstreamData, &[LOOK])),
    one!("tcp-held-upstream", hold(Phase::UpstreamData, &[LOOK])),
    one!("tcp-held-connection", hold(Phase::NewConnection, &[LOOK])),
    // The tick lets go.
    Script {
        name: "tcp-hold-connection",
        steps: &[
            hold(Phase::NewConnection, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, AS_CONNECTION, LOOK, CONTINUE, LOOK])),
            pass(Phase::DownstreamData, &[LOOK]),
        ],
    },
    Script {
        name: "tcp-hold-tick",
        steps: &[
            only(1, hold(Phase::DownstreamData, &[START_TICK])),
            only(1, pass(Phase::Tick, &[END_TICK, AS_CONNECTION, LOOK, DOWNSTREAM_EDITS, CONTINUE, LOOK])),
        ],
    },
    Script {
        name: "tcp-hold-upstream-tick",
        steps: &[
            only(1, hold(Phase::UpstreamData, &[START_TICK])),
            only(1, pass(Phase::Tick, &[END_TICK, AS_CONNECTION, LOOK, CONTINUE_UPSTREAM, LOOK])),
        ],
    },
    // Let go in the callback itself, and where nothing is held.
    one!("tcp-continue-and-hold", only(1, hold(Phase::DownstreamData, &[CONTINUE, LOOK]))),
    one!("tcp-continue-and-pass", pass(Phase::DownstreamData, &[CONTINUE, LOOK])),
    one!("tcp-continue-new-and-hold", hold(Phase::NewConnection, &[CONTINUE, LOOK])),
    Script {
        name: "tcp-continue-from-upstream",
        steps: &[only(1, hold(Phase::DownstreamData, &[])), pass(Phase::UpstreamData, &[CONTINUE, LOOK])],
    },
    Script {
        name: "tcp-continue-late",
        steps: &[
            pass(Phase::DownstreamClose, &[CONTINUE]),
            pass(Phase::Done, &[CONTINUE]),
            pass(Phase::Log, &[CONTINUE]),
            pass(Phase::Delete, &[CONTINUE]),
        ],
    },
    // Closed by the module.
    one!("tcp-close-new", hold(Phase::NewConnection, &[CLOSE, LOOK])),
    one!("tcp-close-new-and-pass", pass(Phase::NewConnection, &[CLOSE, LOOK])),
    one!("tcp-close-data", hold(Phase::DownstreamData, &[CLOSE, LOOK])),
    one!("tcp-close-data-and-pass", pass(Phase::DownstreamData, &[CLOSE, LOOK])),
    one!("tcp-close-upstream-data", pass(Phase::UpstreamData, &[CLOSE_UPSTREAM, LOOK])),
    one!("tcp-close-other-side", pass(Phase::DownstreamData, &[CLOSE_UPSTREAM, LOOK])),
    one!("tcp-close-downstream-at-upstream", hold(Phase::UpstreamData, &[CLOSE])),
    one!("tcp-close-http", pass(Phase::DownstreamData, &[CLOSE_HTTP, LOOK])),
    one!("tcp-close-twice", hold(Phase::DownstreamData, &[CLOSE, CLOSE, CLOSE_UPSTREAM])),
    Script {
        name: "tcp-close-tick",
        steps: &[
            pass(Phase::DownstreamData, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, AS_CONNECTION, CLOSE, LOOK])),
        ],
    },
    Script {
        name: "tcp-close-late",
        steps: &[pass(Phase::DownstreamClose, &[CLOSE]), pass(Phase::Log, &[CLOSE])],
    },
    one!("tcp-continue-and-close", hold(Phase::DownstreamData, &[CONTINUE, CLOSE])),
    // What is for requests.
    one!("tcp-reply", pass(Phase::DownstreamData, &[REPLY, CONTINUE_HTTP])),
    // A call decides.
    Script {
        name: "tcp-call",
        steps: &[
            hold(Phase::NewConnection, &[CALL]),
            pass(Phase::HttpCallResponse, &[AS_CONNECTION, LOOK, CONTINUE]),
        ],
    },
    Script {
        name: "tcp-call-close",
        steps: &[hold(Phase::NewConnection, &[CALL]), pass(Phase::HttpCallResponse, &[AS_CONNECTION, CLOSE])],
    },
    // It is not done yet when the connection is.
    Script {
        name: "tcp-done-later",
        steps: &[
            super::refuse(Phase::Done, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, AS_CONNECTION, DONE, LET_GO])),
        ],
    },
];

//! What happens beside a stream: calls and their answers, ticks, queues, what VMs share.

use super::calls::{END_TICK, LET_GO, START_TICK};
use super::data::{COUNTING, SHARED_NEW};
use super::{Phase, Script, hold, only, pass};
use crate::arg::Arg::*;
use crate::arg::Probe;
use crate::host::Call::*;

/// A call of this cluster and path, with this timeout.
macro_rules! call {
    ($cluster:literal, $path:literal, $timeout:literal, $body:literal, $trailers:expr) => {
        &[Probe(
            proxy_http_call,
            &[
                Bytes($cluster),
                Pairs(&[
                    (b":method", b"POST"),
                    (b":path", $path),
                    (b":authority", b"answers.example"),
                    (b":scheme", b"http"),
                    (b"X-Sent", b"1"),
                ]),
                Bytes($body),
                Pairs($trailers),
                Number($timeout),
                OutKept("token"),
            ],
        )]
    };
}

/// What is there of an answer.
const ANSWER: &[&[Probe]] = &[
    &[
        Probe(proxy_get_status, &[OutNumber, OutBytes]),
        Probe(proxy_get_header_map_pairs, &[Number(6), OutPairs]),
        Probe(proxy_get_header_map_value, &[Number(6), Bytes(b":status"), OutBytes]),
        Probe(proxy_get_header_map_size, &[Number(6), OutNumber]),
        Probe(proxy_get_header_map_pairs, &[Number(7), OutPairs]),
        Probe(proxy_get_buffer_status, &[Number(4), OutNumber, OutNumber]),
        Probe(proxy_get_buffer_bytes, &[Number(4), Number(0), Number(4096), OutBytes]),
    ],
    LET_GO,
];

/// A script that makes a call, holds the request, and looks at the answer.
macro_rules! answered {
    ($name:literal, $call:expr) => {
        Script {
            name: $name,
            steps: &[hold(Phase::RequestHeaders, &[$call]), pass(Phase::HttpCallResponse, ANSWER)],
        }
    };
}

const TWO_CALLS: &[Probe] = &[
    Probe(
        proxy_http_call,
        &[
            Bytes(b"answers"),
            Pairs(&[
                (b":method", b"GET"),
                (b":path", b"/plain"),
                (b":authority", b"a"),
                (b":scheme", b"http"),
            ]),
            Bytes(b""),
            Pairs(&[]),
            Number(5000),
            OutNumber,
        ],
    ),
    Probe(
        proxy_http_call,
        &[
            Bytes(b"answers"),
            Pairs(&[
                (b":method", b"GET"),
                (b":path", b"/silence"),
                (b":authority", b"a"),
                (b":scheme", b"http"),
            ]),
            Bytes(b""),
            Pairs(&[]),
            Number(50),
            OutNumber,
        ],
    ),
];
const REPLY: &[Probe] = &[Probe(
    proxy_send_local_response,
    &[Number(403), Bytes(b"details"), Bytes(b"denied"), Pairs(&[]), Number(u32::MAX)],
)];
const AS_STREAM: &[Probe] = &[Probe(proxy_set_effective_context, &[Kept("stream")])];
const HEADERS: &[Probe] = &[
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b":path"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0path"), OutBytes]),
];
const FASTER: &[Probe] = &[Probe(proxy_set_tick_period_milliseconds, &[Number(10)])];
const OTHER_STREAM: &[Probe] = &[
    Probe(proxy_set_effective_context, &[Number(1)]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b":path"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0path"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"plugin_root_id"), OutBytes]),
    Probe(proxy_set_effective_context, &[Kept("stream")]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b":path"), OutBytes]),
    Probe(proxy_set_effective_context, &[Number(0)]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b":path"), OutBytes]),
];
const QUEUE: &[Probe] = &[
    Probe(proxy_register_shared_queue, &[Bytes(b"jobs"), OutHidden("jobs")]),
    Probe(proxy_register_shared_queue, &[Bytes(b"jobs"), OutHidden("jobs")]),
    Probe(proxy_resolve_shared_queue, &[Bytes(b""), Bytes(b"jobs"), OutHidden("jobs")]),
    Probe(proxy_resolve_shared_queue, &[Bytes(b"probe"), Bytes(b"jobs"), OutHidden("jobs")]),
    Probe(proxy_resolve_shared_queue, &[Bytes(b"other"), Bytes(b"jobs"), OutHidden("none")]),
    Probe(proxy_dequeue_shared_queue, &[Kept("jobs"), OutBytes]),
    Probe(proxy_enqueue_shared_queue, &[Kept("jobs"), Bytes(b"first")]),
    Probe(proxy_enqueue_shared_queue, &[Kept("jobs"), Bytes(b"")]),
    Probe(proxy_enqueue_shared_queue, &[Kept("jobs"), At(0xffff_fff0, 4)]),
];
const DEQUEUE: &[Probe] = &[
    Probe(proxy_dequeue_shared_queue, &[Kept("jobs"), OutBytes]),
    Probe(proxy_dequeue_shared_queue, &[Kept("jobs"), OutBytes]),
    Probe(proxy_dequeue_shared_queue, &[Kept("jobs"), OutBytes]),
];
const TELL: &[Probe] = &[
    Probe(proxy_set_shared_data, &[Bytes(b"told"), Bytes(b"by the first"), Number(0)]),
    Probe(proxy_get_shared_data, &[Bytes(b"told"), OutBytes, OutHidden("told")]),
];
const HEAR: &[Probe] = &[
    Probe(proxy_get_shared_data, &[Bytes(b"told"), OutBytes, OutHidden("told")]),
    Probe(proxy_set_shared_data, &[Bytes(b"told"), Bytes(b"by the second"), Kept("told")]),
];
const MISMATCH: &[Probe] = &[
    Probe(proxy_set_shared_data, &[Bytes(b"told"), Bytes(b"too late"), Kept("told")]),
    Probe(proxy_get_shared_data, &[Bytes(b"told"), OutBytes, OutHidden("told")]),
];

pub(super) const SCRIPTS: &[Script] = &[
    answered!("call-plain", call!(b"answers", b"/plain", 5000, b"", &[])),
    answered!("call-body", call!(b"answers", b"/echo", 5000, b"sent", &[])),
    answered!("call-trailers", call!(b"answers", b"/trailers", 5000, b"sent", &[(b"x-sum", b"1")])),
    answered!("call-absent", call!(b"answers", b"/absent", 5000, b"", &[])),
    answered!("call-empty", call!(b"answers", b"/empty", 5000, b"", &[])),
    answered!("call-for-ever", call!(b"answers", b"/plain", 0, b"", &[])),
    answered!("call-refused", call!(b"refuses", b"/", 5000, b"", &[])),
    answered!("call-reset", call!(b"answers", b"/reset", 5000, b"", &[])),
    answered!("call-half", call!(b"answers", b"/half", 5000, b"", &[])),
    answered!("call-garbage", call!(b"answers", b"/garbage", 5000, b"", &[])),
    answered!("call-timeout", call!(b"answers", b"/silence", 50, b"", &[])),
    // Two at once: each has its token.
    Script {
        name: "call-twice",
        steps: &[
            hold(Phase::RequestHeaders, &[TWO_CALLS]),
            only(2, pass(Phase::HttpCallResponse, &[LET_GO])),
        ],
    },
    // The stream is gone when the answer comes.
    Script {
        name: "call-orphan",
        steps: &[
            hold(Phase::RequestHeaders, &[call!(b"answers", b"/late", 5000, b"", &[]), REPLY]),
            pass(Phase::HttpCallResponse, &[HEADERS, AS_STREAM, HEADERS]),
        ],
    },
    // An answer that is answered with a reply.
    Script {
        name: "call-reply",
        steps: &[
            hold(Phase::RequestHeaders, &[call!(b"answers", b"/plain", 5000, b"", &[])]),
            pass(Phase::HttpCallResponse, &[AS_STREAM, HEADERS, REPLY]),
            pass(Phase::ResponseHeaders, &[HEADERS]),
        ],
    },
    // A call that is made when the stream ends.
    Script {
        name: "call-log",
        steps: &[
            pass(Phase::Log, &[call!(b"answers", b"/plain", 5000, b"", &[])]),
            pass(Phase::HttpCallResponse, &[HEADERS]),
        ],
    },
    // Three ticks, the second period another one.
    Script {
        name: "ticks",
        steps: &[
            hold(Phase::RequestHeaders, &[START_TICK]),
            only(1, pass(Phase::Tick, &[FASTER])),
            only(2, pass(Phase::Tick, &[])),
            only(3, pass(Phase::Tick, &[END_TICK, LET_GO])),
        ],
    },
    // Contexts of others.
    Script {
        name: "contexts",
        steps: &[
            pass(Phase::RequestHeaders, &[OTHER_STREAM]),
            pass(Phase::ResponseHeaders, &[OTHER_STREAM]),
            pass(Phase::Done, &[OTHER_STREAM]),
            pass(Phase::Delete, &[OTHER_STREAM]),
        ],
    },
    Script {
        name: "queue",
        steps: &[hold(Phase::RequestHeaders, &[QUEUE]), only(1, pass(Phase::QueueReady, &[DEQUEUE, LET_GO]))],
    },
    Script { name: "counting", steps: &[pass(Phase::RequestHeaders, &[COUNTING, SHARED_NEW])] },
    Script { name: "tell", steps: &[pass(Phase::RequestHeaders, &[TELL])] },
    Script { name: "hear", steps: &[pass(Phase::RequestHeaders, &[HEAR])] },
    Script { name: "mismatch", steps: &[pass(Phase::RequestHeaders, &[MISMATCH])] },
];

//! Replies of the module's own, and streams that it breaks off: in every phase, and what is called afterwards.

use super::calls::{END_TICK, START_TICK};
use super::{Phase, Script, hold, only, pass};
use crate::arg::Arg::*;
use crate::arg::Probe;
use crate::host::Call::*;

const NO_GRPC: crate::arg::Arg = Number(u32::MAX);
const REPLY: &[Probe] = &[Probe(
    proxy_send_local_response,
    &[Number(403), Bytes(b"probe_details"), Bytes(b"denied"), Pairs(&[(b"X-Why", b"because")]), NO_GRPC],
)];
const REPLY_AGAIN: &[Probe] = &[Probe(
    proxy_send_local_response,
    &[Number(500), Bytes(b"again"), Bytes(b"again"), Pairs(&[]), NO_GRPC],
)];
const REPLY_BARE: &[Probe] =
    &[Probe(proxy_send_local_response, &[Number(204), Bytes(b""), Bytes(b""), Bytes(b""), NO_GRPC])];
/// Headers of a body that there is not.
const REPLY_EMPTY: &[Probe] = &[Probe(
    proxy_send_local_response,
    &[
        Number(201),
        Bytes(b""),
        Bytes(b""),
        Pairs(&[(b"content-type", b"application/json"), (b"content-length", b"9"), (b"x-a", b"1")]),
        NO_GRPC,
    ],
)];
const REPLY_TYPED: &[Probe] = &[Probe(
    proxy_send_local_response,
    &[
        Number(401),
        Bytes(b"with spaces"),
        Bytes(b"{}"),
        Pairs(&[
            (b"content-type", b"application/json"),
            (b"content-length", b"99"),
            (b"x-twice", b"a"),
            (b"x-twice", b"b"),
            (b":status", b"418"),
        ]),
        Number(7),
    ],
)];
const REPLY_ODD: &[Probe] = &[Probe(
    proxy_send_local_response,
    &[Number(299), Bytes(b""), Bytes(b"odd"), Bytes(b"\x01\0\0\0"), NO_GRPC],
)];
/// What there is of the stream once it is answered.
const AFTER: &[Probe] = &[
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b":path"), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(2), Bytes(b":status"), OutBytes]),
    Probe(proxy_get_header_map_pairs, &[Number(2), OutPairs]),
    Probe(proxy_get_property, &[Bytes(b"response\0code"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0code_details"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0flags"), OutBytes]),
];
const CLOSE: &[Probe] = &[Probe(proxy_close_stream, &[Number(0)])];
const CLOSE_RESPONSE: &[Probe] = &[Probe(proxy_close_stream, &[Number(1)])];
const CLOSE_DOWNSTREAM: &[Probe] = &[Probe(proxy_close_stream, &[Number(2)])];
const AS_STREAM: &[Probe] = &[Probe(proxy_set_effective_context, &[Kept("stream")])];
const CONTINUE: &[Probe] = &[Probe(proxy_continue_stream, &[Number(0)])];

/// A script that replies in one phase, and looks in all that can come after it.
macro_rules! reply {
    ($name:literal, $step:expr) => {
        Script {
            name: $name,
            steps: &[
                $step,
                pass(Phase::ResponseHeaders, &[AFTER]),
                pass(Phase::ResponseBody, &[AFTER]),
                pass(Phase::Log, &[AFTER]),
                pass(Phase::Done, &[AFTER]),
                pass(Phase::Delete, &[AFTER]),
            ],
        }
    };
}

pub(super) const SCRIPTS: &[Script] = &[
    reply!("reply-headers", hold(Phase::RequestHeaders, &[REPLY, AFTER])),
    reply!("reply-headers-and-pass", pass(Phase::RequestHeaders, &[REPLY])),
    reply!("reply-twice", hold(Phase::RequestHeaders, &[REPLY, REPLY_AGAIN])),
    reply!("reply-bare", hold(Phase::RequestHeaders, &[REPLY_BARE])),
    reply!("reply-empty", hold(Phase::RequestHeaders, &[REPLY_EMPTY])),
    reply!("reply-typed", hold(Phase::RequestHeaders, &[REPLY_TYPED])),
    reply!("reply-odd", hold(Phase::RequestHeaders, &[REPLY_ODD])),
    reply!("reply-and-continue", hold(Phase::RequestHeaders, &[REPLY, CONTINUE])),
    reply!("continue-and-reply", hold(Phase::RequestHeaders, &[CONTINUE, REPLY])),
    reply!("reply-body", hold(Phase::RequestBody, &[REPLY])),
    reply!("reply-body-and-pass", pass(Phase::RequestBody, &[REPLY])),
    reply!("reply-trailers", hold(Phase::RequestTrailers, &[REPLY])),
    reply!("reply-response-headers", hold(Phase::ResponseHeaders, &[REPLY, AFTER])),
    reply!("reply-response-headers-and-pass", pass(Phase::ResponseHeaders, &[REPLY])),
    reply!("reply-response-body", hold(Phase::ResponseBody, &[REPLY, AFTER])),
    reply!("reply-response-trailers", hold(Phase::ResponseTrailers, &[REPLY, AFTER])),
    reply!("reply-log", pass(Phase::Log, &[REPLY])),
    Script { name: "reply-done", steps: &[pass(Phase::Done, &[REPLY]), pass(Phase::Delete, &[REPLY])] },
    Script {
        name: "reply-tick",
        steps: &[
            hold(Phase::RequestHeaders, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, REPLY, AS_STREAM, REPLY, AFTER])),
            pass(Phase::ResponseHeaders, &[AFTER]),
            pass(Phase::Log, &[AFTER]),
        ],
    },
    // Changes to the reply's own headers and body.
    Script {
        name: "reply-changed",
        steps: &[
            hold(Phase::RequestHeaders, &[REPLY]),
            pass(
                Phase::ResponseHeaders,
                &[&[
                    Probe(proxy_add_header_map_value, &[Number(2), Bytes(b"x-changed"), Bytes(b"1")]),
                    Probe(proxy_replace_header_map_value, &[Number(2), Bytes(b":status"), Bytes(b"499")]),
                ]],
            ),
        ],
    },
    reply!("close-headers", hold(Phase::RequestHeaders, &[CLOSE, AFTER])),
    reply!("close-headers-and-pass", pass(Phase::RequestHeaders, &[CLOSE])),
    reply!("close-downstream", pass(Phase::RequestHeaders, &[CLOSE_DOWNSTREAM])),
    reply!("close-body", hold(Phase::RequestBody, &[CLOSE])),
    reply!("close-response-headers", hold(Phase::ResponseHeaders, &[CLOSE_RESPONSE])),
    reply!("close-response-body", hold(Phase::ResponseBody, &[CLOSE_RESPONSE])),
    Script {
        name: "close-tick",
        steps: &[
            hold(Phase::RequestHeaders, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, AS_STREAM, CLOSE, AFTER])),
            pass(Phase::Log, &[AFTER]),
        ],
    },
];

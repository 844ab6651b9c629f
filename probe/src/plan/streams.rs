//! Streams that are held and let go, and messages that are changed: what a later callback sees, and what goes on.

use super::calls::{END_TICK, LET_GO, START_TICK};
use super::messages::{
    REQUEST_EDITS, REQUEST_MAP, REQUEST_TRAILER_EDITS, REQUEST_TRAILER_MAP, RESPONSE_EDITS, RESPONSE_MAP,
    RESPONSE_TRAILER_EDITS, RESPONSE_TRAILER_MAP,
};
use super::{Phase, Script, hold, only, pass, refuse};
use crate::arg::Arg::*;
use crate::arg::Probe;
use crate::host::Call::*;

/// What is there of a message.
pub(super) const LOOK: &[Probe] = &[
    Probe(proxy_get_header_map_size, &[Number(0), OutNumber]),
    Probe(proxy_get_header_map_size, &[Number(1), OutNumber]),
    Probe(proxy_get_header_map_size, &[Number(2), OutNumber]),
    Probe(proxy_get_header_map_size, &[Number(3), OutNumber]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_get_header_map_pairs, &[Number(1), OutPairs]),
    Probe(proxy_get_header_map_pairs, &[Number(2), OutPairs]),
    Probe(proxy_get_header_map_pairs, &[Number(3), OutPairs]),
    Probe(proxy_get_buffer_status, &[Number(0), OutNumber, OutNumber]),
    Probe(proxy_get_buffer_bytes, &[Number(0), Number(0), Number(100), OutBytes]),
    Probe(proxy_get_buffer_status, &[Number(1), OutNumber, OutNumber]),
    Probe(proxy_get_buffer_bytes, &[Number(1), Number(0), Number(100), OutBytes]),
];

const CONTINUE: &[Probe] = &[Probe(proxy_continue_stream, &[Number(0)])];
const DONE: &[Probe] = &[Probe(proxy_done, &[])];
pub(super) const CONTINUE_RESPONSE: &[Probe] = &[Probe(proxy_continue_stream, &[Number(1)])];
/// The tick speaks for the stream that came last.
pub(super) const AS_STREAM: &[Probe] = &[Probe(proxy_set_effective_context, &[Kept("stream")])];
/// A header that is added late.
const LATE: &[Probe] = &[Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"x-late"), Bytes(b"1")])];
const LATE_RESPONSE: &[Probe] =
    &[Probe(proxy_add_header_map_value, &[Number(2), Bytes(b"x-late"), Bytes(b"1")])];

/// Every way to write a body. Whoever is asked knows the length before and after.
macro_rules! body_edits {
    ($buffer:literal) => {
        [
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(0), Number(0), Bytes(b"<")]),
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(1), Number(0), Bytes(b"no")]),
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(0), Number(1), Bytes(b"no")]),
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(1), Number(1), Bytes(b"no")]),
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(1), Number(u32::MAX), Bytes(b"no")]),
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(1000), Number(0), Bytes(b">")]),
            Probe(
                proxy_set_buffer_bytes,
                &[Number($buffer), Number(u32::MAX), Number(u32::MAX), Bytes(b">")],
            ),
            Probe(proxy_get_buffer_bytes, &[Number($buffer), Number(0), Number(100), OutBytes]),
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(0), Number(u32::MAX), Bytes(b"whole")]),
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(0), Number(5), Bytes(b"fifth")]),
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(5), Number(0), Bytes(b"!")]),
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(0), Number(0), Bytes(b"")]),
            Probe(proxy_get_buffer_status, &[Number($buffer), OutNumber, OutNumber]),
            Probe(proxy_get_buffer_bytes, &[Number($buffer), Number(0), Number(100), OutBytes]),
        ]
    };
}
pub(super) use body_edits;

const BODY_EDITS: &[Probe] = &body_edits!(0);
const RESPONSE_BODY_EDITS: &[Probe] = &body_edits!(1);
/// An empty body.
const BODY_GONE: &[Probe] = &[
    Probe(proxy_set_buffer_bytes, &[Number(0), Number(0), Number(u32::MAX), Bytes(b"")]),
    Probe(proxy_get_buffer_status, &[Number(0), OutNumber, OutNumber]),
];
/// Starts where there is nothing any more, in a buffer that there is.
const BEYOND: &[Probe] = &[
    Probe(proxy_get_buffer_bytes, &[Number(0), Number(3), Number(0), OutBytes]),
    Probe(proxy_get_buffer_bytes, &[Number(0), Number(3), Number(1), OutBytes]),
    Probe(proxy_get_buffer_bytes, &[Number(0), Number(4), Number(0), OutBytes]),
];

/// All pairs at once, and pairs that are none.
const PAIRS: &[Probe] = &[
    Probe(
        proxy_set_header_map_pairs,
        &[
            Number(0),
            Pairs(&[
                (b":method", b"GET"),
                (b":path", b"/set"),
                (b":authority", b"set.example"),
                (b":scheme", b"http"),
                (b"x-forwarded-proto", b"http"),
                (b"X-Set", b"1"),
                (b"x-set", b"2"),
                (b"x-void", b""),
            ]),
        ],
    ),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_get_header_map_size, &[Number(0), OutNumber]),
];
const BAD_PAIRS: &[Probe] = &[
    Probe(proxy_set_header_map_pairs, &[Number(0), Bytes(b"")]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_set_header_map_pairs, &[Number(0), Bytes(b"\x01\0\0")]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_set_header_map_pairs, &[Number(0), Bytes(b"\x01\0\0\0\x01\0\0\0\x01\0\0\0n\0v\0")]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_set_header_map_pairs, &[Number(0), Bytes(b"\x01\0\0\0\x01\0\0\0\x01\0\0\0n\0v\0more")]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_set_header_map_pairs, &[Number(0), Bytes(b"\x02\0\0\0\x01\0\0\0\x01\0\0\0n\0v\0")]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_set_header_map_pairs, &[Number(0), Bytes(b"\x01\0\0\0\x01\0\0\0\x09\0\0\0n\0v\0")]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_set_header_map_pairs, &[Number(0), Bytes(b"\x01\0\0\0\x01\0\0\0\x01\0\0\0nxvx")]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_set_header_map_pairs, &[Number(0), ManyPairs(1024, 1)]),
    Probe(proxy_get_header_map_size, &[Number(0), OutNumber]),
    Probe(proxy_set_header_map_pairs, &[Number(0), ManyPairs(1025, 1)]),
    Probe(proxy_get_header_map_size, &[Number(0), OutNumber]),
    Probe(proxy_set_header_map_pairs, &[Number(0), ManyPairs(8, 60_000)]),
    Probe(proxy_get_header_map_size, &[Number(0), OutNumber]),
    Probe(proxy_set_header_map_pairs, &[Number(0), ManyPairs(8, 70_000)]),
    Probe(proxy_get_header_map_size, &[Number(0), OutNumber]),
];

/// Pseudo-headers and names that the map treats by themselves.
const PSEUDO: &[Probe] = &[
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b":path"), Bytes(b"/added")]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b":path"), OutBytes]),
    Probe(proxy_replace_header_map_value, &[Number(0), Bytes(b":path"), Bytes(b"/replaced")]),
    Probe(proxy_replace_header_map_value, &[Number(0), Bytes(b":authority"), Bytes(b"replaced.example")]),
    Probe(proxy_replace_header_map_value, &[Number(0), Bytes(b":method"), Bytes(b"PUT")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"x-after"), Bytes(b"1")]),
    Probe(proxy_replace_header_map_value, &[Number(0), Bytes(b"Host"), Bytes(b"host.example")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"host"), Bytes(b"second")]),
    Probe(proxy_replace_header_map_value, &[Number(0), Bytes(b":authority"), Bytes(b"replaced.example")]),
    Probe(proxy_replace_header_map_value, &[Number(0), Bytes(b":odd"), Bytes(b"1")]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_remove_header_map_value, &[Number(0), Bytes(b":odd")]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
];

/// Names that gateways know by heart, of which there is one value.
const KNOWN: &[Probe] = &[
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"user-agent"), Bytes(b"second")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"content-type"), Bytes(b"a/b")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"content-type"), Bytes(b"c/d")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"authorization"), Bytes(b"one")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"authorization"), Bytes(b"two")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"cookie"), Bytes(b"a=1")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"cookie"), Bytes(b"b=2")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"x-forwarded-for"), Bytes(b"10.0.0.1")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"x-forwarded-for"), Bytes(b"10.0.0.2")]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutPairs]),
    Probe(proxy_get_header_map_size, &[Number(0), OutNumber]),
];

pub(super) const SCRIPTS: &[Script] = &[
    // Everything goes on: who is called when, and what of the message is there.
    Script {
        name: "order",
        steps: &[
            pass(Phase::RequestHeaders, &[LOOK]),
            pass(Phase::RequestBody, &[LOOK, LATE]),
            pass(Phase::RequestTrailers, &[LOOK]),
            pass(Phase::ResponseHeaders, &[LOOK]),
            pass(Phase::ResponseBody, &[LOOK, LATE_RESPONSE]),
            pass(Phase::ResponseTrailers, &[LOOK]),
            pass(Phase::Log, &[LOOK]),
            pass(Phase::Done, &[LOOK]),
            pass(Phase::Delete, &[LOOK]),
        ],
    },
    Script {
        name: "edits",
        steps: &[
            pass(Phase::RequestHeaders, &[REQUEST_EDITS]),
            pass(Phase::RequestBody, &[REQUEST_MAP]),
            pass(Phase::RequestTrailers, &[REQUEST_TRAILER_EDITS, REQUEST_MAP]),
            pass(Phase::ResponseHeaders, &[RESPONSE_EDITS, REQUEST_MAP]),
            pass(Phase::ResponseTrailers, &[RESPONSE_TRAILER_EDITS, RESPONSE_MAP]),
            pass(Phase::Log, &[REQUEST_MAP, REQUEST_TRAILER_MAP, RESPONSE_MAP, RESPONSE_TRAILER_MAP]),
        ],
    },
    Script { name: "pairs", steps: &[pass(Phase::RequestHeaders, &[PAIRS])] },
    Script { name: "bad-pairs", steps: &[pass(Phase::RequestHeaders, &[BAD_PAIRS, PAIRS])] },
    Script { name: "pseudo", steps: &[pass(Phase::RequestHeaders, &[PSEUDO])] },
    Script { name: "known", steps: &[pass(Phase::RequestHeaders, &[KNOWN])] },
    Script {
        name: "body",
        steps: &[
            pass(Phase::RequestBody, &[BEYOND, BODY_EDITS]),
            pass(Phase::ResponseBody, &[RESPONSE_BODY_EDITS]),
        ],
    },
    Script { name: "body-gone", steps: &[pass(Phase::RequestBody, &[BODY_GONE])] },
    // Held until the last piece, then changed as a whole.
    Script {
        name: "body-held",
        steps: &[
            only(1, hold(Phase::RequestBody, &[LOOK, BODY_EDITS])),
            only(2, hold(Phase::RequestBody, &[LOOK])),
            only(3, pass(Phase::RequestBody, &[LOOK, BODY_EDITS])),
            only(1, hold(Phase::ResponseBody, &[LOOK, RESPONSE_BODY_EDITS])),
            only(2, pass(Phase::ResponseBody, &[LOOK, RESPONSE_BODY_EDITS])),
        ],
    },
    Script {
        name: "body-held-to-trailers",
        steps: &[
            hold(Phase::RequestBody, &[LOOK]),
            pass(Phase::RequestTrailers, &[LOOK, BODY_EDITS]),
            hold(Phase::ResponseBody, &[LOOK]),
            pass(Phase::ResponseTrailers, &[LOOK, RESPONSE_BODY_EDITS]),
        ],
    },
    // Held at headers; the tick lets go.
    Script {
        name: "hold-headers",
        steps: &[
            hold(Phase::RequestHeaders, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, LOOK, AS_STREAM, LOOK, LATE, CONTINUE, LOOK, LATE])),
            pass(Phase::RequestBody, &[LOOK]),
            pass(Phase::RequestTrailers, &[LOOK]),
        ],
    },
    Script {
        name: "hold-body",
        steps: &[
            hold(Phase::RequestBody, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, AS_STREAM, LOOK, BODY_EDITS, CONTINUE, LOOK])),
        ],
    },
    Script {
        name: "hold-trailers",
        steps: &[
            hold(Phase::RequestTrailers, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, AS_STREAM, LOOK, REQUEST_TRAILER_EDITS, CONTINUE, LOOK])),
        ],
    },
    Script {
        name: "hold-response-headers",
        steps: &[
            hold(Phase::ResponseHeaders, &[START_TICK]),
            only(
                1,
                pass(
                    Phase::Tick,
                    &[END_TICK, AS_STREAM, LOOK, LATE_RESPONSE, CONTINUE_RESPONSE, LOOK, LATE_RESPONSE],
                ),
            ),
            pass(Phase::ResponseBody, &[LOOK, LATE_RESPONSE]),
        ],
    },
    Script {
        name: "hold-response-body",
        steps: &[
            hold(Phase::ResponseBody, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, AS_STREAM, LOOK, CONTINUE_RESPONSE, LOOK])),
        ],
    },
    Script {
        name: "hold-response-trailers",
        steps: &[
            hold(Phase::ResponseTrailers, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, AS_STREAM, LOOK, CONTINUE_RESPONSE, LOOK])),
        ],
    },
    // Let go in the callback itself that holds, once and twice, and where nothing is held.
    Script { name: "continue-and-hold", steps: &[hold(Phase::RequestHeaders, &[CONTINUE, LOOK])] },
    Script { name: "continue-and-pass", steps: &[pass(Phase::RequestHeaders, &[CONTINUE, LOOK])] },
    Script {
        name: "continue-twice",
        steps: &[
            hold(Phase::RequestHeaders, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, LET_GO, CONTINUE])),
        ],
    },
    Script {
        name: "continue-response-early",
        steps: &[
            hold(Phase::RequestHeaders, &[CONTINUE_RESPONSE, LOOK, START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, LET_GO])),
        ],
    },
    Script {
        name: "continue-late",
        steps: &[
            pass(Phase::Log, &[CONTINUE]),
            pass(Phase::Done, &[CONTINUE]),
            pass(Phase::Delete, &[CONTINUE, CONTINUE_RESPONSE]),
        ],
    },
    // It is not done yet when the stream is.
    Script {
        name: "done-later",
        steps: &[
            refuse(Phase::Done, &[START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, AS_STREAM, DONE])),
        ],
    },
    // Never let go.
    Script { name: "held", steps: &[hold(Phase::RequestHeaders, &[])] },
];

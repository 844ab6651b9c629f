//! The requests that are sent through both gateways: one for each script of the module.

use super::{Exchange, Sent};

/// A request that brings everything: repeated and empty headers, a body, trailers.
const WHOLE: Sent = Sent {
    headers: &[("x-twice", "a"), ("x-empty", ""), ("x-twice", "b"), ("user-agent", "probe")],
    pieces: &["request body"],
    trailers: &[("x-trailer", "t"), ("x-twice", "c")],
};
const WHOLE_RESPONSE: Sent = Sent {
    headers: &[("x-twice", "d"), ("x-empty", ""), ("x-twice", "e")],
    pieces: &["response body"],
    trailers: &[("x-trailer", "u")],
};
/// Headers alone.
const BARE: Sent = Sent { headers: &[("x-twice", "a"), ("x-twice", "b")], pieces: &[], trailers: &[] };
const BARE_RESPONSE: Sent = Sent { headers: &[("x-twice", "d")], pieces: &[], trailers: &[] };
/// A body without trailers.
const BODY: Sent = Sent { headers: &[], pieces: &["one"], trailers: &[] };
const BODY_RESPONSE: Sent = Sent { headers: &[], pieces: &["uno"], trailers: &[] };
/// A body in pieces.
const PIECES: Sent = Sent { headers: &[], pieces: &["one", "two"], trailers: &[] };
const PIECES_RESPONSE: Sent = Sent { headers: &[], pieces: &["uno", "due"], trailers: &[] };

const fn exchange(script: &'static str, request: Sent, response: Sent) -> Exchange {
    Exchange { script, at: 0, request, response, abandoned: None, until: None }
}

const fn whole(script: &'static str) -> Exchange {
    exchange(script, WHOLE, WHOLE_RESPONSE)
}

const fn bare(script: &'static str) -> Exchange {
    exchange(script, BARE, BARE_RESPONSE)
}

const fn body(script: &'static str) -> Exchange {
    exchange(script, BODY, BODY_RESPONSE)
}

const fn until(line: &'static str, exchange: Exchange) -> Exchange {
    Exchange { until: Some(line), ..exchange }
}

/// Everything that is asked in one go.
pub const CALLS: &[Exchange] = &[
    whole("calls"),
    bare("tick-calls"),
    bare("answer-calls"),
    bare("create-calls"),
    bare("grpc-calls"),
    bare("grpc-stream-calls"),
    bare("none"),
    whole("expressions"),
];

/// What ends Envoy's whole process, and why: each is sent to an Envoy of its own.
pub const FATAL: &[(&str, &str)] = &[
    ("reply-log", "it replies on a stream that has ended"),
    ("continue-response-early", "it lets a response go on that has not begun"),
];

/// Streams and what becomes of them, then what is beside them.
pub const BEHAVIOUR: &[Exchange] = &[
    bare("order"),
    whole("order"),
    body("order"),
    exchange("order", PIECES, PIECES_RESPONSE),
    whole("edits"),
    bare("edits"),
    bare("pairs"),
    bare("bad-pairs"),
    bare("pseudo"),
    exchange(
        "known",
        Sent { headers: &[("user-agent", "first"), ("cookie", "z=0")], pieces: &[], trailers: &[] },
        BARE_RESPONSE,
    ),
    body("body"),
    body("body-gone"),
    exchange("body-held", PIECES, PIECES_RESPONSE),
    whole("body-held-to-trailers"),
    bare("hold-headers"),
    whole("hold-headers"),
    body("hold-body"),
    whole("hold-trailers"),
    bare("hold-response-headers"),
    whole("hold-response-headers"),
    body("hold-response-body"),
    whole("hold-response-trailers"),
    bare("continue-and-hold"),
    Exchange { abandoned: Some("request_headers = "), ..whole("continue-and-hold") },
    bare("continue-and-pass"),
    bare("continue-twice"),
    bare("continue-late"),
    Exchange { abandoned: Some("request_headers = "), ..bare("held") },
    bare("headers-2"),
    whole("headers-2"),
    bare("headers-3"),
    whole("headers-3"),
    whole("headers-4"),
    whole("headers-9"),
    whole("response-headers-3"),
    whole("response-headers-9"),
    exchange("body-2", PIECES, PIECES_RESPONSE),
    whole("body-2"),
    exchange("body-3", PIECES, PIECES_RESPONSE),
    whole("body-3"),
    exchange("body-9", PIECES, PIECES_RESPONSE),
    exchange("body-2-then-1", PIECES, PIECES_RESPONSE),
    exchange("body-1-then-2", PIECES, PIECES_RESPONSE),
    exchange("body-1-then-3", PIECES, PIECES_RESPONSE),
    exchange("body-3-then-1", PIECES, PIECES_RESPONSE),
    whole("trailers-2"),
    bare("reply-headers"),
    whole("reply-headers"),
    bare("reply-headers-and-pass"),
    body("reply-headers-and-pass"),
    bare("reply-twice"),
    bare("reply-bare"),
    bare("reply-empty"),
    bare("reply-typed"),
    bare("reply-odd"),
    bare("reply-and-continue"),
    bare("continue-and-reply"),
    body("reply-body"),
    body("reply-body-and-pass"),
    whole("reply-trailers"),
    bare("reply-response-headers"),
    body("reply-response-headers"),
    bare("reply-response-headers-and-pass"),
    body("reply-response-body"),
    whole("reply-response-trailers"),
    bare("reply-tick"),
    bare("reply-changed"),
    bare("close-headers"),
    bare("close-headers-and-pass"),
    bare("close-downstream"),
    body("close-body"),
    bare("close-response-headers"),
    body("close-response-body"),
    bare("close-tick"),
    bare("call-plain"),
    bare("call-body"),
    bare("call-trailers"),
    bare("call-absent"),
    bare("call-empty"),
    bare("call-for-ever"),
    bare("call-refused"),
    bare("call-reset"),
    bare("call-half"),
    bare("call-garbage"),
    bare("call-timeout"),
    bare("call-twice"),
    until("http_call_response(", bare("call-orphan")),
    bare("call-reply"),
    until("http_call_response(", bare("call-log")),
    bare("grpc-one"),
    bare("grpc-echo"),
    bare("grpc-blank"),
    bare("grpc-large"),
    bare("grpc-two"),
    bare("grpc-none"),
    bare("grpc-refuse"),
    bare("grpc-refuse-late"),
    bare("grpc-odd-status"),
    bare("grpc-unimplemented"),
    bare("grpc-break"),
    bare("grpc-timeout"),
    bare("grpc-refused"),
    bare("grpc-by-name"),
    until("grpc_close(", bare("grpc-absent")),
    bare("grpc-bad-names"),
    bare("grpc-stream-one"),
    bare("grpc-stream-two"),
    bare("grpc-stream-none"),
    bare("grpc-stream-echo"),
    bare("grpc-stream-after-close"),
    bare("grpc-stream-refuse"),
    bare("grpc-stream-refuse-late"),
    bare("grpc-stream-half"),
    bare("grpc-stream-break"),
    bare("grpc-stream-refused"),
    bare("grpc-cancel"),
    bare("grpc-stream-cancel"),
    bare("grpc-close-call"),
    bare("grpc-over"),
    until("grpc_message(", bare("grpc-orphan")),
    until("tick(", bare("done-later")),
    bare("ticks"),
    bare("contexts"),
    bare("queue"),
    bare("counting"),
    bare("tell"),
    Exchange { at: 1, ..bare("hear") },
    bare("mismatch"),
];

/// A request without a body, for a script of [`FATAL`].
pub const fn alone(script: &'static str) -> Exchange {
    bare(script)
}

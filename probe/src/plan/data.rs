//! Questions about shared data, queues, metrics, functions of the gateway, and calls to others that can't be made.

use super::system::NOWHERE;
use crate::arg::Arg::*;
use crate::arg::Probe;
use crate::host::Call::*;

/// Shared data: what is there, what is not, and who may change it.
pub(super) const SHARED: &[Probe] = &[
    Probe(proxy_get_shared_data, &[Bytes(b"never"), OutBytes, OutHidden("never")]),
    Probe(proxy_get_shared_data, &[At(NOWHERE, 4), OutBytes, OutHidden("never")]),
    Probe(proxy_set_shared_data, &[Bytes(b"key"), Bytes(b"one"), Number(0)]),
    Probe(proxy_get_shared_data, &[Bytes(b"key"), OutBytes, OutHidden("cas")]),
    Probe(proxy_set_shared_data, &[Bytes(b"key"), Bytes(b"two"), Kept("cas")]),
    Probe(proxy_set_shared_data, &[Bytes(b"key"), Bytes(b"three"), Kept("cas")]),
    Probe(proxy_set_shared_data, &[Bytes(b"key"), Bytes(b"four"), Number(u32::MAX)]),
    Probe(proxy_get_shared_data, &[Bytes(b"key"), OutBytes, OutHidden("cas")]),
    Probe(proxy_get_shared_data, &[Bytes(b"key"), OutAt(NOWHERE), OutNumber, OutNumber]),
    Probe(proxy_get_shared_data, &[Bytes(b"key"), OutHidden("place"), OutAt(NOWHERE), OutNumber]),
    Probe(proxy_get_shared_data, &[Bytes(b"key"), OutBytes, OutAt(NOWHERE)]),
    Probe(proxy_get_shared_data, &[Bytes(b"KEY"), OutBytes, OutHidden("never")]),
    Probe(proxy_set_shared_data, &[Bytes(b"blank"), Bytes(b""), Number(0)]),
    Probe(proxy_get_shared_data, &[Bytes(b"blank"), OutBytes, OutHidden("cas")]),
    Probe(proxy_set_shared_data, &[Bytes(b""), Bytes(b"nameless"), Number(0)]),
    Probe(proxy_get_shared_data, &[Bytes(b""), OutBytes, OutHidden("cas")]),
    Probe(proxy_set_shared_data, &[Bytes(b"\xff\0odd"), Bytes(b"\0\xff"), Number(0)]),
    Probe(proxy_get_shared_data, &[Bytes(b"\xff\0odd"), OutBytes, OutHidden("cas")]),
    Probe(proxy_set_shared_data, &[Bytes(b"large"), Times(b'v', 300_000), Number(0)]),
    Probe(proxy_get_shared_data, &[Bytes(b"large"), OutBytes, OutHidden("cas")]),
    Probe(proxy_set_shared_data, &[At(NOWHERE, 4), Bytes(b"v"), Number(0)]),
    Probe(proxy_set_shared_data, &[Bytes(b"key"), At(NOWHERE, 4), Number(0)]),
    Probe(proxy_set_shared_data, &[Bytes(b"key"), At(NOWHERE, 4), Number(u32::MAX)]),
];

/// A key of which nobody knows yet, with a number to change it by.
pub(super) const SHARED_NEW: &[Probe] = &[
    Probe(proxy_get_shared_data, &[Bytes(b"new"), OutBytes, OutHidden("none")]),
    Probe(proxy_set_shared_data, &[Bytes(b"new"), Bytes(b"by a number that nothing has"), Number(12_345)]),
    Probe(proxy_get_shared_data, &[Bytes(b"new"), OutBytes, OutHidden("cas")]),
];

/// Queues, as far as nobody hears of it.
pub(super) const QUEUES: &[Probe] = &[
    Probe(proxy_resolve_shared_queue, &[Bytes(b""), Bytes(b"never"), OutNumber]),
    Probe(proxy_resolve_shared_queue, &[Bytes(b"other"), Bytes(b"never"), OutNumber]),
    Probe(proxy_resolve_shared_queue, &[At(NOWHERE, 4), Bytes(b"never"), OutNumber]),
    Probe(proxy_resolve_shared_queue, &[Bytes(b""), At(NOWHERE, 4), OutNumber]),
    Probe(proxy_resolve_shared_queue, &[Bytes(b""), Bytes(b"never"), OutAt(NOWHERE)]),
    Probe(proxy_register_shared_queue, &[At(NOWHERE, 4), OutNumber]),
    Probe(proxy_enqueue_shared_queue, &[Number(0), Bytes(b"item")]),
    Probe(proxy_enqueue_shared_queue, &[Number(999_999), Bytes(b"item")]),
    Probe(proxy_enqueue_shared_queue, &[Number(999_999), At(NOWHERE, 4)]),
    Probe(proxy_dequeue_shared_queue, &[Number(0), OutBytes]),
    Probe(proxy_dequeue_shared_queue, &[Number(999_999), OutBytes]),
    Probe(proxy_dequeue_shared_queue, &[Number(999_999), OutAt(NOWHERE), OutNumber]),
];

/// Metrics of each kind, by themselves: no number that another VM changes.
pub(super) const METRICS: &[Probe] = &[
    Probe(proxy_define_metric, &[Number(0), Bytes(b"probe.idle"), OutKept("idle")]),
    Probe(proxy_define_metric, &[Number(0), Bytes(b"probe.idle"), OutKept("idle2")]),
    Probe(proxy_define_metric, &[Number(1), Bytes(b"probe.level"), OutKept("level")]),
    Probe(proxy_define_metric, &[Number(2), Bytes(b"probe.spread"), OutKept("spread")]),
    Probe(proxy_define_metric, &[Number(3), Bytes(b"probe.none"), OutNumber]),
    Probe(proxy_define_metric, &[Number(u32::MAX), Bytes(b"probe.none"), OutNumber]),
    Probe(proxy_define_metric, &[Number(0), At(NOWHERE, 4), OutNumber]),
    Probe(proxy_define_metric, &[Number(3), At(NOWHERE, 4), OutNumber]),
    Probe(proxy_get_metric, &[Kept("idle"), OutLong]),
    Probe(proxy_get_metric, &[Kept("idle"), OutAt(NOWHERE)]),
    Probe(proxy_get_metric, &[Kept("spread"), OutLong]),
    Probe(proxy_get_metric, &[Number(0), OutLong]),
    Probe(proxy_get_metric, &[Number(1), OutLong]),
    Probe(proxy_get_metric, &[Number(2), OutLong]),
    Probe(proxy_get_metric, &[Number(3), OutLong]),
    Probe(proxy_get_metric, &[Number(4000), OutLong]),
    Probe(proxy_get_metric, &[Number(4001), OutLong]),
    Probe(proxy_get_metric, &[Number(4002), OutLong]),
    Probe(proxy_get_metric, &[Number(4003), OutLong]),
    Probe(proxy_get_metric, &[Number(4000), OutAt(NOWHERE)]),
    Probe(proxy_increment_metric, &[Kept("idle"), Long(0)]),
    Probe(proxy_increment_metric, &[Kept("idle"), Long(-1)]),
    Probe(proxy_increment_metric, &[Kept("idle"), Long(i64::MIN)]),
    Probe(proxy_increment_metric, &[Kept("spread"), Long(1)]),
    Probe(proxy_increment_metric, &[Number(4000), Long(1)]),
    Probe(proxy_increment_metric, &[Number(4000), Long(-1)]),
    Probe(proxy_increment_metric, &[Number(4001), Long(1)]),
    Probe(proxy_increment_metric, &[Number(4002), Long(1)]),
    Probe(proxy_increment_metric, &[Number(4003), Long(1)]),
    Probe(proxy_record_metric, &[Number(4000), Long(1)]),
    Probe(proxy_record_metric, &[Number(4001), Long(1)]),
    Probe(proxy_record_metric, &[Number(4002), Long(1)]),
    Probe(proxy_record_metric, &[Number(4003), Long(1)]),
    Probe(proxy_record_metric, &[Kept("level"), Long(7)]),
    Probe(proxy_get_metric, &[Kept("level"), OutLong]),
    Probe(proxy_record_metric, &[Kept("level"), Long(0)]),
];

/// Metrics that change, and names of every kind; for a VM that no other one shares them with.
pub(super) const COUNTING: &[Probe] = &[
    Probe(proxy_define_metric, &[Number(0), Bytes(b"probe.count"), OutKept("count")]),
    Probe(proxy_define_metric, &[Number(0), Bytes(b"probe.count"), OutKept("count2")]),
    Probe(proxy_increment_metric, &[Kept("count"), Long(2)]),
    Probe(proxy_increment_metric, &[Kept("count2"), Long(3)]),
    Probe(proxy_get_metric, &[Kept("count"), OutLong]),
    Probe(proxy_record_metric, &[Kept("count"), Long(5)]),
    Probe(proxy_get_metric, &[Kept("count2"), OutLong]),
    Probe(proxy_increment_metric, &[Kept("count"), Long(-1)]),
    Probe(proxy_increment_metric, &[Kept("count"), Long(0)]),
    Probe(proxy_get_metric, &[Kept("count"), OutLong]),
    Probe(proxy_define_metric, &[Number(1), Bytes(b"probe.gauge"), OutKept("gauge")]),
    Probe(proxy_record_metric, &[Kept("gauge"), Long(10)]),
    Probe(proxy_increment_metric, &[Kept("gauge"), Long(5)]),
    Probe(proxy_increment_metric, &[Kept("gauge"), Long(-3)]),
    Probe(proxy_increment_metric, &[Kept("gauge"), Long(0)]),
    Probe(proxy_get_metric, &[Kept("gauge"), OutLong]),
    Probe(proxy_define_metric, &[Number(2), Bytes(b"probe.histogram"), OutKept("histogram")]),
    Probe(proxy_record_metric, &[Kept("histogram"), Long(10)]),
    Probe(proxy_record_metric, &[Kept("histogram"), Long(0)]),
    Probe(proxy_get_metric, &[Kept("histogram"), OutLong]),
    Probe(proxy_define_metric, &[Number(1), Bytes(b"probe.count"), OutKept("other_kind")]),
    Probe(proxy_increment_metric, &[Kept("other_kind"), Long(1)]),
    Probe(proxy_get_metric, &[Kept("other_kind"), OutLong]),
    Probe(proxy_get_metric, &[Kept("count"), OutLong]),
    Probe(proxy_define_metric, &[Number(0), Bytes(b"probe with spaces"), OutNumber]),
    Probe(proxy_define_metric, &[Number(0), Bytes(b"probe..dots."), OutNumber]),
    Probe(proxy_define_metric, &[Number(0), Bytes(b".probe_dot"), OutNumber]),
    Probe(proxy_define_metric, &[Number(0), Bytes(b"probe:colon/slash"), OutNumber]),
    Probe(proxy_define_metric, &[Number(0), Bytes(b"Probe_UPPER"), OutNumber]),
];

/// Calls to others that can't be made.
pub(super) const OUTGOING: &[Probe] = &[
    Probe(proxy_http_call, &[Bytes(b"absent"), Pairs(HEAD), Bytes(b""), Pairs(&[]), Number(100), OutNumber]),
    Probe(proxy_http_call, &[Bytes(b""), Pairs(HEAD), Bytes(b""), Pairs(&[]), Number(100), OutNumber]),
    Probe(
        proxy_http_call,
        &[
            Bytes(b"answers"),
            Pairs(&[(b":path", b"/"), (b":authority", b"a")]),
            Bytes(b""),
            Pairs(&[]),
            Number(100),
            OutNumber,
        ],
    ),
    Probe(
        proxy_http_call,
        &[
            Bytes(b"answers"),
            Pairs(&[(b":method", b"GET"), (b":authority", b"a")]),
            Bytes(b""),
            Pairs(&[]),
            Number(100),
            OutNumber,
        ],
    ),
    Probe(
        proxy_http_call,
        &[
            Bytes(b"answers"),
            Pairs(&[(b":method", b"GET"), (b":path", b"/")]),
            Bytes(b""),
            Pairs(&[]),
            Number(100),
            OutNumber,
        ],
    ),
    Probe(proxy_http_call, &[Bytes(b"answers"), Pairs(&[]), Bytes(b""), Pairs(&[]), Number(100), OutNumber]),
    Probe(
        proxy_http_call,
        &[Bytes(b"answers"), Bytes(b"\x01\0\0\0"), Bytes(b""), Pairs(&[]), Number(100), OutNumber],
    ),
    Probe(
        proxy_http_call,
        &[Bytes(b"answers"), Pairs(HEAD), Bytes(b""), Pairs(&[]), Number(0x8000_0000), OutNumber],
    ),
    Probe(
        proxy_http_call,
        &[Bytes(b"answers"), Pairs(HEAD), Bytes(b""), Pairs(&[]), Number(u32::MAX), OutNumber],
    ),
    Probe(proxy_http_call, &[At(NOWHERE, 4), Pairs(HEAD), Bytes(b""), Pairs(&[]), Number(100), OutNumber]),
    Probe(
        proxy_http_call,
        &[Bytes(b"answers"), At(NOWHERE, 4), Bytes(b""), Pairs(&[]), Number(100), OutNumber],
    ),
    Probe(
        proxy_http_call,
        &[Bytes(b"answers"), Pairs(HEAD), At(NOWHERE, 4), Pairs(&[]), Number(100), OutNumber],
    ),
    Probe(
        proxy_http_call,
        &[Bytes(b"answers"), Pairs(HEAD), Bytes(b""), At(NOWHERE, 4), Number(100), OutNumber],
    ),
    Probe(
        proxy_http_call,
        &[Bytes(b"answers"), Pairs(HEAD), Bytes(b""), Pairs(&[]), Number(100), OutAt(NOWHERE)],
    ),
    Probe(
        proxy_http_call,
        &[Bytes(b"answers"), ManyPairs(1025, 1), Bytes(b""), Pairs(&[]), Number(100), OutNumber],
    ),
    Probe(proxy_grpc_send, &[Number(0), Bytes(b"m"), Number(0)]),
    Probe(proxy_grpc_send, &[Number(7), Bytes(b"m"), Number(0)]),
    Probe(proxy_grpc_send, &[Number(5), Bytes(b"m"), Number(0)]),
    Probe(proxy_grpc_send, &[Number(6), Bytes(b"m"), Number(0)]),
    Probe(proxy_grpc_send, &[Number(8), Bytes(b"m"), Number(1)]),
    Probe(proxy_grpc_send, &[Number(8), At(NOWHERE, 4), Number(1)]),
    Probe(proxy_grpc_send, &[Number(7), At(NOWHERE, 4), Number(1)]),
    Probe(proxy_grpc_cancel, &[Number(0)]),
    Probe(proxy_grpc_cancel, &[Number(7)]),
    Probe(proxy_grpc_cancel, &[Number(5)]),
    Probe(proxy_grpc_cancel, &[Number(6)]),
    Probe(proxy_grpc_cancel, &[Number(8)]),
    Probe(proxy_grpc_close, &[Number(0)]),
    Probe(proxy_grpc_close, &[Number(7)]),
    Probe(proxy_grpc_close, &[Number(5)]),
    Probe(proxy_grpc_close, &[Number(6)]),
    Probe(proxy_grpc_close, &[Number(8)]),
    Probe(
        proxy_grpc_call,
        &[Bytes(b"\xff\xff"), Bytes(b"s"), Bytes(b"m"), Pairs(&[]), Bytes(b""), Number(100), OutNumber],
    ),
    Probe(
        proxy_grpc_call,
        &[At(NOWHERE, 4), Bytes(b"s"), Bytes(b"m"), Pairs(&[]), Bytes(b""), Number(100), OutNumber],
    ),
    Probe(proxy_grpc_stream, &[Bytes(b"\xff\xff"), Bytes(b"s"), Bytes(b"m"), Pairs(&[]), OutNumber]),
    Probe(proxy_grpc_stream, &[Bytes(b""), At(NOWHERE, 4), Bytes(b"m"), Pairs(&[]), OutNumber]),
];

/// What a call must have.
pub(super) const HEAD: &[(&[u8], &[u8])] =
    &[(b":method", b"GET"), (b":path", b"/plain"), (b":authority", b"answers.example")];

//! Questions in the Common Expression Language: `expr_create`, `expr_evaluate`, `expr_delete`.

use super::{Phase, Script, pass};
use crate::arg::Arg::*;
use crate::arg::Field::{Given, Raw};
use crate::arg::Probe;
use crate::host::Call::{proxy_call_foreign_function, proxy_set_property};

/// What is asked in every phase: attributes, and tokens.
pub(super) const TABLES: &[&[Probe]] = &[ATTRIBUTES.as_flattened(), TOKENS];

/// The language, which is the same in every phase.
pub(super) const SCRIPTS: &[Script] = &[Script {
    name: "expressions",
    steps: &[
        pass(Phase::RequestHeaders, words::TABLES),
        pass(Phase::RequestBody, values::TABLES),
        pass(Phase::RequestTrailers, &[PROPERTIES]),
    ],
}];

/// Makes an expression, evaluates it and takes it away.
macro_rules! ask {
    ($text:expr) => {
        [
            Probe(
                proxy_call_foreign_function,
                &[Bytes(b"expr_create"), Bytes($text), OutKeptBytes("expression")],
            ),
            Probe(
                proxy_call_foreign_function,
                &[Bytes(b"expr_evaluate"), Message(&[Given("expression")]), OutBytes],
            ),
            Probe(
                proxy_call_foreign_function,
                &[Bytes(b"expr_delete"), Message(&[Given("expression")]), OutBytes],
            ),
        ]
    };
}

macro_rules! ask_all {
    ($($text:expr),* $(,)?) => { &[$(ask!($text)),*] };
}

mod values;
mod words;

const ATTRIBUTES: &[[Probe; 3]] = ask_all![
    b"request.path",
    b"request.url_path",
    b"request.method == 'GET'",
    b"request.method",
    b"request.host",
    b"request.query",
    b"request.headers['x-twice']",
    b"request.headers['X-Twice']",
    b"request.headers['x-absent']",
    b"request.headers[':path']",
    b"request.headers.x_absent",
    b"'x-twice' in request.headers",
    b"'x-absent' in request.headers",
    b"request.headers[1]",
    b"has(request.path)",
    b"has(request.absent)",
    b"has(request.headers.absent)",
    b"has(request.headers)",
    b"request.absent",
    b"request",
    b"request['path']",
    b"request.path.absent",
    b"size(request.headers)",
    b"request.headers.exists(name, name == 'x-twice')",
    b"request.headers.all(name, size(name) > 0)",
    b"request.size",
    b"request.size + 1",
    b"request.time > timestamp('2020-01-01T00:00:00Z')",
    b"has(request.duration)",
    b"request.duration >= duration('0')",
    b"type(request.time)",
    b"response.code",
    b"response.code >= 200 && response.code < 300",
    b"response.headers['x-twice']",
    b"response.trailers['x-trailer']",
    b"response.flags",
    b"response.grpc_status",
    b"response",
    b"connection.mtls",
    b"!connection.mtls",
    b"connection.id > 0u",
    b"connection.absent",
    b"connection",
    b"source.address == ''",
    b"source.port > 0",
    b"destination.port > 0",
    b"upstream.port > 0",
    b"has(upstream.port)",
    b"plugin_name",
    b"plugin_root_id + plugin_vm_id",
    b"xds.route_name",
    b"xds.absent",
    b"filter_state['envoy.string']",
    b"filter_state['absent']",
    b"absent",
    b"absent.member",
    b"has(absent.member)",
    b"metadata.filter_metadata",
    b"fixed",
    b"words",
    b"words == 'one'",
];

/// Tokens that are none, or none any more.
const TOKENS: &[Probe] = &[
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_create"), Bytes(b"1"), OutKeptBytes("expression")]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_create"), Bytes(b"'two'"), OutKeptBytes("second")]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Message(&[Given("expression")]), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Message(&[Given("second")]), OutBytes]),
    Probe(
        proxy_call_foreign_function,
        &[Bytes(b"expr_evaluate"), Message(&[Given("second")]), OutAt(0), OutAt(0)],
    ),
    Probe(
        proxy_call_foreign_function,
        &[Bytes(b"expr_evaluate"), Message(&[Given("expression"), Raw(b"\0")]), OutBytes],
    ),
    Probe(
        proxy_call_foreign_function,
        &[Bytes(b"expr_delete"), Message(&[Given("expression"), Raw(b"\0")]), OutBytes],
    ),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Bytes(b""), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Bytes(b"\0\0\0"), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Bytes(b"\xff\xff\xff\xff"), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_delete"), Bytes(b""), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_delete"), Bytes(b"\xff\xff\xff\xff"), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_delete"), Message(&[Given("expression")]), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_delete"), Message(&[Given("expression")]), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Message(&[Given("expression")]), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Message(&[Given("second")]), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_delete"), Message(&[Given("second")]), OutBytes]),
    // What was asked for does not take a token.
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_create"), Bytes(b"1 +"), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_create"), Bytes(b""), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_create"), Bytes(b"\xff"), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_create"), Times(b' ', 100_001), OutBytes]),
];

/// What the guest has set itself.
const PROPERTIES: &[Probe] = &[
    Probe(proxy_set_property, &[Bytes(b"mine"), Bytes(b"one")]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_create"), Bytes(b"mine"), OutKeptBytes("mine")]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Message(&[Given("mine")]), OutBytes]),
    Probe(proxy_set_property, &[Bytes(b"mine"), Bytes(b"\xfftwo")]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Message(&[Given("mine")]), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_delete"), Message(&[Given("mine")]), OutBytes]),
    Probe(
        proxy_call_foreign_function,
        &[Bytes(b"expr_create"), Bytes(b"mine == b'\\xfftwo' && !has(mine.member)"), OutKeptBytes("mine")],
    ),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Message(&[Given("mine")]), OutBytes]),
    Probe(
        proxy_call_foreign_function,
        &[Bytes(b"expr_create"), Bytes(b"mine == b'\\xfftwo'"), OutKeptBytes("mine")],
    ),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Message(&[Given("mine")]), OutBytes]),
    Probe(
        proxy_call_foreign_function,
        &[Bytes(b"expr_create"), Bytes(b"filter_state['wasm.mine']"), OutKeptBytes("mine")],
    ),
    Probe(proxy_call_foreign_function, &[Bytes(b"expr_evaluate"), Message(&[Given("mine")]), OutBytes]),
];

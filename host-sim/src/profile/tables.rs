//! What each host has and lacks, as their sources and pages say.

use super::Table;
use crate::abi::HostCall as Call;

const GIB: usize = 1 << 30;
const MIB: usize = 1 << 20;

/// Callbacks of network filters.
const TCP: [&str; 5] = [
    "proxy_on_new_connection",
    "proxy_on_downstream_data",
    "proxy_on_upstream_data",
    "proxy_on_downstream_connection_close",
    "proxy_on_upstream_connection_close",
];
const GRPC: [&str; 4] = [
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_grpc_close",
];

/// proxy-wasm-cpp-host and Envoy 1.40.
pub(super) const ENVOY: Table = Table {
    name: "envoy",
    title: "Envoy",
    unimplemented: &[],
    trapping: &[],
    missing: &[],
    silent: &[],
    foreign: &[
        "clear_route_cache",
        "compress",
        "declare_property",
        "expr_create",
        "expr_delete",
        "expr_evaluate",
        "set_envoy_filter_state",
        "sign",
        "uncompress",
        "verify_signature",
    ],
    memory: GIB,
    notes: &[
        "`expr_create`, `expr_evaluate` and `expr_delete` (CEL) are there in builds with a CEL parser, as the released ones are",
    ],
    malloc_first: true,
    log_before_done: true,
    router_answers_for_failures: true,
};

/// Google's page on the limits of plugins: "Plugins don't support timers, custom metrics, shared data, shared queues, or outbound
/// network calls". What a call to these returns it does not say: here, what cpp-host returns for what a host leaves out.
pub(super) const GCP: Table = Table {
    name: "gcp",
    title: "Google Cloud Service Extensions",
    unimplemented: &[
        Call::proxy_set_tick_period_milliseconds,
        Call::proxy_define_metric,
        Call::proxy_increment_metric,
        Call::proxy_record_metric,
        Call::proxy_get_metric,
        Call::proxy_get_shared_data,
        Call::proxy_set_shared_data,
        Call::proxy_register_shared_queue,
        Call::proxy_resolve_shared_queue,
        Call::proxy_enqueue_shared_queue,
        Call::proxy_dequeue_shared_queue,
        Call::proxy_http_call,
        Call::proxy_grpc_call,
        Call::proxy_grpc_stream,
        Call::proxy_grpc_send,
        Call::proxy_grpc_cancel,
        Call::proxy_grpc_close,
        Call::proxy_set_property,
        Call::proxy_close_stream,
    ],
    trapping: &[],
    missing: &[],
    silent: &[
        TCP[0],
        TCP[1],
        TCP[2],
        TCP[3],
        TCP[4],
        GRPC[0],
        GRPC[1],
        GRPC[2],
        GRPC[3],
        "proxy_on_tick",
        "proxy_on_queue_ready",
        "proxy_on_http_call_response",
        "proxy_on_request_trailers",
        "proxy_on_response_trailers",
        "proxy_on_request_metadata",
        "proxy_on_response_metadata",
        "proxy_on_foreign_function",
    ],
    foreign: &[],
    memory: 16 * MIB,
    notes: &[
        "a callback may use 1 ms of a normalised CPU",
        "a change of headers, or of a chunk of body, may have 128 KiB",
        "the clock stands still while a plugin runs",
        "properties are those that the extension forwards (`forwardAttributes`)",
    ],
    malloc_first: true,
    log_before_done: true,
    router_answers_for_failures: true,
};

/// `ngx_wasm_module`'s table of host functions; what is listed there without being implemented traps.
pub(super) const KONG: Table = Table {
    name: "kong",
    title: "Kong Gateway (ngx_wasm_module)",
    unimplemented: &[],
    trapping: &[
        Call::proxy_get_log_level,
        Call::proxy_done,
        Call::proxy_close_stream,
        Call::proxy_continue_response,
        Call::proxy_clear_route_cache,
        Call::proxy_get_status,
        Call::proxy_grpc_call,
        Call::proxy_grpc_stream,
        Call::proxy_grpc_send,
        Call::proxy_grpc_cancel,
        Call::proxy_grpc_close,
        Call::proxy_resolve_shared_queue,
    ],
    missing: &[Call::proxy_get_header_map_size, Call::proxy_get_buffer_status],
    silent: &[
        TCP[0],
        TCP[1],
        TCP[2],
        TCP[3],
        TCP[4],
        GRPC[0],
        GRPC[1],
        GRPC[2],
        GRPC[3],
        "proxy_on_request_trailers",
        "proxy_on_response_trailers",
        "proxy_on_request_metadata",
        "proxy_on_response_metadata",
        "proxy_on_queue_ready",
    ],
    foreign: &[],
    memory: GIB,
    notes: &[
        "properties are text: `true` and `false`, decimal numbers, seconds with milliseconds",
        "`proxy_http_call` takes a host and port in the place of a cluster, and only in callbacks of the request, ticks and answers",
        "a filter can hold requests and wait for answers; it cannot hold responses",
        "queues are declared in the gateway's configuration",
        "`resolve_lua` is lent where Lua is",
    ],
    malloc_first: false,
    log_before_done: false,
    router_answers_for_failures: false,
};

/// The specification's pages on 0.1.0, 0.2.0 and 0.2.1.
pub(super) const SPEC: Table = Table {
    name: "spec",
    title: "the specification",
    unimplemented: &[],
    trapping: &[],
    missing: &[],
    silent: &[],
    foreign: &[],
    memory: GIB,
    notes: &["properties are a host's own, and so are the functions that it lends"],
    malloc_first: false,
    log_before_done: false,
    router_answers_for_failures: false,
};

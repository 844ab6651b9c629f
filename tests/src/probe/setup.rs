//! How Envoy is set up with the module.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{CONFIGURATION, ENVIRONMENT, NAMES};
use crate::bootstrap::{single_use, socket_address as address, tcp_proxy};

/// The whole configuration.
pub(super) fn bootstrap(listeners: Vec<Value>, clusters: Vec<Value>) -> Value {
    json!({
        "node": { "id": "probe-node", "cluster": "probe-nodes" },
        "admin": { "address": address("127.0.0.1:0") },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    })
}

/// A listener with the module as an HTTP filter, whose VM is started with this script.
pub(super) fn http(name: &str, module: &str, script: &str) -> Value {
    let filter = filter("envoy.filters.http.wasm", "http.wasm.v3.Wasm", module, script);
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": true,
        },
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "probe",
        "use_remote_address": false,
        "skip_xff_append": true,
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "http_protocol_options": { "enable_trailers": true },
        "http_filters": [filter, router],
        "route_config": {
            "name": "probe-routes",
            "virtual_hosts": [{
                "name": "probe-host",
                "domains": ["*"],
                "routes": [{
                    "name": "probe-route", "match": { "prefix": "/" }, "route": { "cluster": "service" },
                }],
            }],
        },
    });
    listener(
        name,
        &[json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager })],
    )
}

/// A listener with the module as a network filter, in front of the cluster `service`.
pub(super) fn tcp(name: &str, module: &str, script: &str) -> Value {
    let proxy = tcp_proxy("probe", "service");
    listener(name, &[filter("envoy.filters.network.wasm", "network.wasm.v3.Wasm", module, script), proxy])
}

fn listener(name: &str, filters: &[Value]) -> Value {
    json!({
        "name": name,
        "address": address("127.0.0.1:0"),
        "filter_chains": [{ "name": "probe-chain", "filters": filters }],
    })
}

fn filter(name: &str, kind: &str, module: &str, script: &str) -> Value {
    let string =
        |text: &str| json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text });
    let (plugin, root, vm) = NAMES;
    json!({
        "name": name,
        "typed_config": {
            "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}"),
            "config": {
                "name": plugin,
                "root_id": root,
                "vm_config": {
                    "vm_id": vm,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                    "configuration": string(script),
                    "environment_variables": { "key_values": { ENVIRONMENT.0: ENVIRONMENT.1 } },
                },
                "configuration": string(CONFIGURATION.1),
            },
        },
    })
}

/// A cluster whose connections carry one request each.
pub(super) fn cluster(name: &str, at: SocketAddr) -> Value {
    let http = json!({ "http_protocol_options": { "enable_trailers": true } });
    single_use(name, at, &http)
}

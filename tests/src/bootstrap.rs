//! An Envoy configuration in the shape of `examples/envoy/envoy.yaml`, with the parts that a test varies.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::pki::Identity;

/// What to configure. The listener is called `gateway`, on a port that the system gives.
#[derive(Default)]
pub struct Bootstrap {
    /// The server's certificate and the authorities that client certificates may come from, as PEM.
    /// Presenting one is left to the client, so that the refusal of those without is the filter's.
    pub tls: Option<(Identity, String)>,
    /// Whether each request leaves a line on Envoy's standard output, as JSON.
    pub access_log: bool,
    /// Whether HTTP/1.1 trailers are passed on, which Envoy otherwise drops.
    pub trailers: bool,
    /// What becomes of `x-forwarded-client-cert`: Envoy's `forward_client_cert_details`, by default `SANITIZE`. Where Envoy
    /// writes the header itself, it tells the URI name, subject and DNS names.
    pub forwarded: Option<&'static str>,
    /// The certificate that upstreams are called with, the authority of theirs as PEM, and their host, by cluster.
    pub upstream_tls: Vec<(String, UpstreamTls)>,
    /// HTTP filters before the router, in order.
    pub filters: Vec<Value>,
    /// Clusters written out, which may use the secrets.
    pub written: Vec<Value>,
    /// Secrets written out.
    pub secrets: Vec<Value>,
    /// Upstream clusters by name.
    pub clusters: Vec<(String, SocketAddr)>,
    /// Listeners written out, in the place of the one with HTTP filters.
    pub listeners: Vec<Value>,
    /// Routes of the virtual host; see [`to_cluster`] and [`direct`].
    pub routes: Vec<Value>,
}

/// How a cluster is called over mutual TLS.
pub struct UpstreamTls {
    /// The certificate that is presented.
    pub identity: Identity,
    /// The authority of the upstream's certificate, as PEM.
    pub authority: String,
    /// The host that the upstream's certificate names.
    pub host: String,
}

impl Bootstrap {
    /// One more cluster.
    #[must_use]
    pub fn cluster(mut self, name: &str, address: SocketAddr) -> Self {
        self.clusters.push((name.to_owned(), address));
        self
    }

    /// One more HTTP filter.
    #[must_use]
    pub fn filter(mut self, filter: Value) -> Self {
        self.filters.push(filter);
        self
    }

    /// One more route.
    #[must_use]
    pub fn route(mut self, route: Value) -> Self {
        self.routes.push(route);
        self
    }

    /// The whole configuration; JSON is what Envoy's YAML reader takes as well.
    pub fn to_json(&self) -> Value {
        let mut filters = self.filters.clone();
        filters.push(json!({
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        }));
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "gateway",
            "use_remote_address": true,
            "forward_client_cert_details": self.forwarded.unwrap_or("SANITIZE"),
            "set_current_client_cert_details": { "uri": true, "subject": true, "dns": true },
            "http_filters": filters,
            "route_config": { "virtual_hosts": [{ "name": "bank", "domains": ["*"], "routes": self.routes }] },
        });
        if self.access_log {
            manager["access_log"] = json!([access_log()]);
        }
        if self.trailers {
            manager["http_protocol_options"] = json!({ "enable_trailers": true });
        }
        let mut chain = json!({
            "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
        });
        if let Some((server, authorities)) = &self.tls {
            let mut tls = downstream_tls(server, authorities);
            tls["typed_config"]["common_tls_context"]["alpn_protocols"] = json!(["http/1.1"]);
            chain["transport_socket"] = tls;
        }
        let mut clusters: Vec<Value> =
            self.clusters.iter().map(|(name, address)| cluster(name, *address, self.trailers)).collect();
        clusters.extend(self.written.iter().cloned());
        for (name, tls) in &self.upstream_tls {
            if let Some(cluster) = clusters.iter_mut().find(|cluster| cluster["name"] == **name) {
                cluster["transport_socket"] = upstream_tls(tls);
            }
        }
        let mut listeners = self.listeners.clone();
        if listeners.is_empty() {
            listeners.push(listener("gateway", chain));
        }
        json!({
            // Envoy wants a name where a part of its configuration comes from a file.
            "node": { "id": "gateway", "cluster": "gateways" },
            "admin": { "address": socket_address("127.0.0.1:0") },
            "static_resources": {
                "listeners": listeners,
                "clusters": clusters,
                "secrets": self.secrets,
            },
        })
    }
}

/// A listener of this name, on a port that the system gives.
pub(crate) fn listener(name: &str, chain: Value) -> Value {
    json!({ "name": name, "address": socket_address("127.0.0.1:0"), "filter_chains": [chain] })
}

/// How clients of TLS are received, whose certificates may come from these authorities. Presenting one is left to them.
pub(crate) fn downstream_tls(server: &Identity, authorities: &str) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": false,
            "common_tls_context": {
                "tls_certificates": [{
                    "certificate_chain": { "inline_string": server.certificate_pem },
                    "private_key": { "inline_string": server.key_pem },
                }],
                "validation_context": { "trusted_ca": { "inline_string": authorities } },
            },
        },
    })
}

/// A network filter that passes connections on to a cluster.
pub(crate) fn tcp_proxy(prefix: &str, cluster: &str) -> Value {
    json!({
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": prefix,
            "cluster": cluster,
        },
    })
}

/// A cluster that speaks HTTP/2, as gRPC does, on a connection for each request.
pub(crate) fn http2_cluster(name: &str, at: SocketAddr) -> Value {
    single_use(name, at, &json!({ "http2_protocol_options": {} }))
}

/// A cluster whose connections carry one request each.
pub(crate) fn single_use(name: &str, at: SocketAddr, protocol: &Value) -> Value {
    let mut cluster = cluster(name, at, false);
    cluster["connect_timeout"] = json!("5s");
    cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"] = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": { "max_requests_per_connection": 1 },
        "explicit_http_config": protocol,
    });
    cluster
}

/// The filter, with its configuration as text.
pub fn countersign(module: &str, configuration: &str) -> Value {
    json!({
        "name": "envoy.filters.http.wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "countersign",
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "vm_id": "countersign",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration,
                },
            },
        },
    })
}

/// The same, and body and trailers of a request are offered to it while the headers are held.
pub fn offered_all(mut filter: Value) -> Value {
    filter["typed_config"]["config"]["allow_on_headers_stop_iteration"] = json!(true);
    filter
}

/// A filter called `countersign` whose configuration is in a file that Envoy watches.
pub fn discovered(file: &str) -> Value {
    json!({
        "name": "countersign",
        "config_discovery": {
            "config_source": { "path_config_source": { "path": file }, "resource_api_version": "V3" },
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
        },
    })
}

/// What such a file holds.
pub fn discovery(filter: &Value) -> Value {
    json!({ "resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "countersign",
        "typed_config": filter["typed_config"],
    }] })
}

/// A route that forwards what starts with `prefix`.
pub fn to_cluster(prefix: &str, cluster: &str) -> Value {
    json!({ "match": { "prefix": prefix }, "route": { "cluster": cluster } })
}

/// A route that Envoy answers itself.
pub fn direct(prefix: &str, status: u16) -> Value {
    json!({ "match": { "prefix": prefix }, "direct_response": { "status": status } })
}

/// About what an audit line says, as far as Envoy knows it.
fn access_log() -> Value {
    json!({
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": { "json_format": {
                "time": "%START_TIME%",
                "id": "%REQ(X-REQUEST-ID)%",
                "method": "%REQ(:METHOD)%",
                "path": "%REQ(:PATH)%",
                "status": "%RESPONSE_CODE%",
                "peer": "%DOWNSTREAM_PEER_URI_SAN%",
                "subject": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:payload:sub)%",
            } },
        },
    })
}

pub(crate) fn cluster(name: &str, address: SocketAddr, trailers: bool) -> Value {
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket_address(&address.to_string()) } }] }],
        },
    });
    if trailers {
        cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"] = json!({
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } },
        });
    }
    cluster
}

fn upstream_tls(tls: &UpstreamTls) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": tls.host,
            "common_tls_context": {
                "tls_certificates": [{
                    "certificate_chain": { "inline_string": tls.identity.certificate_pem },
                    "private_key": { "inline_string": tls.identity.key_pem },
                }],
                "validation_context": { "trusted_ca": { "inline_string": tls.authority } },
            },
        },
    })
}

/// An address as Envoy's configuration has it.
pub(crate) fn socket_address(address: &str) -> Value {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    json!({ "socket_address": { "address": host, "port_value": port.parse::<u16>().unwrap_or(0) } })
}

//! The functions that hosts call: their names and types.

use crate::module::AbiVersion;

/// A function that a module exports for the host to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The name it is exported under.
    pub name: &'static str,
    /// How many parameters it has, all `i32`.
    pub params: usize,
    /// Whether it has a result, an `i32`.
    pub result: bool,
    /// What it is about.
    pub family: &'static str,
}

macro_rules! callbacks {
    ($($family:literal { $($name:literal $params:literal $result:literal)+ })+) => {
        &[$($(Callback { name: $name, params: $params, result: $result, family: $family },)+)+]
    };
}

impl Callback {
    /// Every callback of 0.2.1. In 0.1.0 those of headers have one parameter less.
    pub const ALL: &'static [Self] = callbacks! {
        "life cycle" {
            "proxy_on_context_create" 2 false
            "proxy_on_vm_start" 2 true
            "proxy_on_configure" 2 true
            "proxy_on_tick" 1 false
            "proxy_on_done" 1 true
            "proxy_on_log" 1 false
            "proxy_on_delete" 1 false
        }
        "HTTP" {
            "proxy_on_request_headers" 3 true
            "proxy_on_request_body" 3 true
            "proxy_on_request_trailers" 2 true
            "proxy_on_request_metadata" 2 true
            "proxy_on_response_headers" 3 true
            "proxy_on_response_body" 3 true
            "proxy_on_response_trailers" 2 true
            "proxy_on_response_metadata" 2 true
        }
        "TCP" {
            "proxy_on_new_connection" 1 true
            "proxy_on_downstream_data" 3 true
            "proxy_on_upstream_data" 3 true
            "proxy_on_downstream_connection_close" 2 false
            "proxy_on_upstream_connection_close" 2 false
        }
        "calls" {
            "proxy_on_http_call_response" 5 false
            "proxy_on_grpc_receive_initial_metadata" 3 false
            "proxy_on_grpc_receive" 3 false
            "proxy_on_grpc_receive_trailing_metadata" 3 false
            "proxy_on_grpc_close" 3 false
        }
        "shared" {
            "proxy_on_queue_ready" 2 false
        }
        "foreign functions" {
            "proxy_on_foreign_function" 3 false
        }
    };

    /// How many parameters it has in a version of the ABI: 0.1.0 does not tell callbacks of headers whether the stream ends.
    pub fn params_in(&self, abi: AbiVersion) -> usize {
        let is_headers = matches!(self.name, "proxy_on_request_headers" | "proxy_on_response_headers");
        self.params - usize::from(is_headers && abi == AbiVersion::V0_1_0)
    }

    /// The callback of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|callback| callback.name == name)
    }
}

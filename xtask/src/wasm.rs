//! What the built module asks of a host, what it offers, and how large it is.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail};
use wasmparser::{Parser, Payload};

use crate::filter;
use crate::steps::Steps;

/// The largest module that may be shipped, in bytes.
const LARGEST: usize = 900 * 1024;

/// Host functions of proxy-wasm 0.2.1 that a filter may import from `env`.
const PROXY: &[&str] = &[
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_size",
    "proxy_get_header_map_value",
    "proxy_get_log_level",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

/// WASI functions that gateways really provide.
const WASI: &[&str] = &["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "random_get"];

/// What a host looks for in a module; each row is a choice of which one must be there.
const EXPORTS: &[&[&str]] = &[
    &["memory"],
    &["_initialize", "_start"],
    &["proxy_on_memory_allocate", "malloc"],
    &["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0"],
    &["proxy_on_configure"],
    &["proxy_on_context_create"],
    &["proxy_on_delete"],
    &["proxy_on_done"],
    &["proxy_on_http_call_response"],
    &["proxy_on_log"],
    &["proxy_on_request_headers"],
    &["proxy_on_tick"],
    &["proxy_on_vm_start"],
];

/// Checks the module that was built last.
pub(crate) fn check() -> Result<()> {
    let mut steps = Steps::new(1);
    steps.step("checking the module's imports, exports and size", check_step)
}

/// Names every import that no gateway provides and every export that is missing.
pub(crate) fn check_step() -> Result<String> {
    let file = filter::module();
    let module = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let Names { imports, exports } = names(&module)?;
    let mut faults = Vec::new();
    for (from, name) in &imports {
        let allowed: &[&str] = match from.as_str() {
            "env" => PROXY,
            "wasi_snapshot_preview1" => WASI,
            _ => &[],
        };
        if !allowed.contains(&name.as_str()) {
            faults.push(format!("it imports `{name}` from `{from}`, which gateways do not provide"));
        }
    }
    for choice in EXPORTS {
        if !choice.iter().any(|name| exports.contains(*name)) {
            faults.push(format!("it does not export `{}`", choice.join("` or `")));
        }
    }
    if module.len() > LARGEST {
        faults.push(format!("its {} bytes are more than the {LARGEST} allowed", module.len()));
    }
    if !faults.is_empty() {
        bail!("{} is not fit to ship:\n  {}", file.display(), faults.join("\n  "));
    }
    Ok(format!("{} imports, {} exports, {} bytes of {LARGEST}", imports.len(), exports.len(), module.len()))
}

/// What a module asks for, by (module, name), and what it offers.
#[derive(Default)]
struct Names {
    imports: BTreeSet<(String, String)>,
    exports: BTreeSet<String>,
}

fn names(module: &[u8]) -> Result<Names> {
    let Names { mut imports, mut exports } = Names::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    imports.insert((import.module.to_owned(), import.name.to_owned()));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    exports.insert(export?.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(Names { imports, exports })
}

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

/// What a host looks for in our module. Nothing else is exported: a host calls each callback that it finds, on every request,
/// whether it does anything or not. Body and trailers cost those requests alone that have them; without them a held request
/// could go on by its body.
const EXPORTS: &[&str] = &[
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_memory_allocate",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_tick",
    "proxy_on_vm_start",
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
    for name in exports.iter().filter(|name| !EXPORTS.contains(&name.as_str())) {
        faults.push(format!("it exports `{name}`, which costs a call and does nothing"));
    }
    for name in EXPORTS.iter().filter(|name| !exports.contains(**name)) {
        faults.push(format!("it does not export `{name}`"));
    }
    if module.len() > LARGEST {
        faults.push(format!("its {} bytes are more than the {LARGEST} allowed", module.len()));
    }
    let policy = filter::policy_module();
    let bytes = fs::read(&policy).with_context(|| format!("reading {}", policy.display()))?;
    for (from, name) in names(&bytes)?.imports {
        faults.push(format!("{} imports `{name}` from `{from}`, and is to import nothing", policy.display()));
    }
    if !faults.is_empty() {
        bail!("{} is not fit to ship:\n  {}", file.display(), faults.join("\n  "));
    }
    Ok(format!("{} imports, {} exports, {} bytes of {LARGEST}", imports.len(), exports.len(), module.len()))
}

/// Whether a host looks for this export of the filter.
pub(crate) fn is_wanted(export: &str) -> bool {
    EXPORTS.contains(&export)
}

/// Whether this export of the policy evaluator is a part of its interface.
pub(crate) fn is_policy_export(export: &str) -> bool {
    export == "memory" || export.starts_with("countersign_policy_")
}

/// Whether a module names its functions.
pub(crate) fn has_names(module: &[u8]) -> bool {
    let is_name =
        |payload: Payload<'_>| matches!(payload, Payload::CustomSection(section) if section.name() == "name");
    Parser::new(0).parse_all(module).flatten().any(is_name)
}

/// The module with the wanted exports alone, and unless they are asked for without names of functions, which the build keeps here
/// whatever the profile's `strip` says; all else as it was.
pub(crate) fn keep_exports(module: &[u8], wanted: impl Fn(&str) -> bool, names: bool) -> Result<Vec<u8>> {
    let mut kept = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if !names && matches!(&payload, Payload::CustomSection(section) if section.name() == "name") {
            continue;
        }
        if let Payload::ExportSection(section) = payload {
            let mut exports = wasm_encoder::ExportSection::new();
            for export in section {
                let export = export?;
                if wanted(export.name) {
                    exports.export(export.name, kind(export.kind)?, export.index);
                }
            }
            kept.section(&exports);
        } else if let Some((id, range)) = payload.as_section() {
            let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
            let data = module.get(range).context("a section reaches beyond the module")?;
            kept.section(&wasm_encoder::RawSection { id, data });
        }
    }
    Ok(kept.finish())
}

fn kind(kind: wasmparser::ExternalKind) -> Result<wasm_encoder::ExportKind> {
    Ok(match kind {
        wasmparser::ExternalKind::Func => wasm_encoder::ExportKind::Func,
        wasmparser::ExternalKind::Memory => wasm_encoder::ExportKind::Memory,
        wasmparser::ExternalKind::Global => wasm_encoder::ExportKind::Global,
        wasmparser::ExternalKind::Table => wasm_encoder::ExportKind::Table,
        other => bail!("it exports something of kind {other:?}, which no gateway knows"),
    })
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

//! What to do about imports that gateways do not have, and about proposals that this engine does not run: what people meet who
//! build for a browser, or for another host.

use crate::abi::HostCall;
use crate::module::AbiVersion;

/// Modules and names, by how they begin, and what to do.
const HINTS: [(&str, &str, &str); 18] = [
    (
        "env",
        "abort",
        "AssemblyScript aborts through its host: compile with `--use abort=FUNCTION`, or with `@assemblyscript/wasi-shim`",
    ),
    (
        "env",
        "seed",
        "AssemblyScript takes randomness from its host: compile with `@assemblyscript/wasi-shim`",
    ),
    ("env", "trace", "AssemblyScript traces through its host: compile with `@assemblyscript/wasi-shim`"),
    (
        "env",
        "console.",
        "AssemblyScript logs through its host: use `proxy_log`, or compile with `@assemblyscript/wasi-shim`",
    ),
    ("env", "Date.", "AssemblyScript takes the time from its host: compile with `@assemblyscript/wasi-shim`"),
    ("env", "__cxa_", "exceptions of C++ are not there: compile with `-fno-exceptions`"),
    ("env", "invoke_", "emscripten catches exceptions in JavaScript: compile with `-fno-exceptions`"),
    ("env", "emscripten_", "emscripten expects JavaScript around it: link with `-sSTANDALONE_WASM`"),
    ("env", "_emscripten_", "emscripten expects JavaScript around it: link with `-sSTANDALONE_WASM`"),
    ("env", "__syscall", "emscripten's system calls are not there: the module uses files or sockets"),
    (
        "env",
        "getentropy",
        "emscripten takes randomness from JavaScript: import `random_get` of WASI in its place",
    ),
    ("a", "", "emscripten has made names short for JavaScript around it: link with `-sSTANDALONE_WASM`"),
    ("gojs", "", "Go was built for a browser: build with `GOOS=wasip1 -buildmode=c-shared`"),
    ("go", "", "Go was built for a browser: build with `GOOS=wasip1 -buildmode=c-shared`"),
    ("__wbindgen", "", "wasm-bindgen expects a browser: a dependency has a feature such as `js` on"),
    ("wbg", "", "wasm-bindgen expects a browser: a dependency has a feature such as `js` on"),
    ("wasi:", "", "that is preview 2 of WASI: build for preview 1, as `wasm32-wasip1`"),
    ("wasi_snapshot_preview1", "proc_raise", "there are no signals"),
];

/// A line for each thing that can be done about imports that are missing; they are written `` `MODULE.NAME` ``.
pub(crate) fn of_imports(missing: &[String]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for import in missing {
        let import = import.trim_matches('`');
        let hint = versions(import).or_else(|| known(import)).or_else(|| undefined(import));
        if let Some(hint) = hint.filter(|hint| !lines.contains(hint)) {
            lines.push(hint);
        }
    }
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

/// A host function of another version of the ABI.
fn versions(import: &str) -> Option<String> {
    let (module, name) = import.split_once('.')?;
    let call = HostCall::named(module, name)?;
    let versions = AbiVersion::MARKERS.iter().filter(|(version, _)| call.is_in(*version));
    let versions: Vec<String> = versions.map(|(version, _)| version.to_string()).collect();
    Some(format!("`{name}` is in ABI {}, and the module's marker says another", versions.join(", ")))
}

fn known(import: &str) -> Option<String> {
    let fits = |(module, name, _): &&(&str, &str, &str)| {
        if module.contains([':', '_']) && name.is_empty() {
            return import.starts_with(module);
        }
        import
            .strip_prefix(module)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|rest| rest.starts_with(name))
    };
    HINTS.iter().find(fits).map(|(_, _, hint)| (*hint).to_owned())
}

/// Whatever else is asked of `env` was left open by a linker.
fn undefined(import: &str) -> Option<String> {
    let name = import.strip_prefix("env.")?;
    (!name.starts_with("proxy_")).then(|| {
        format!("`{name}` was not defined when the module was linked: a library or a source is missing")
    })
}

/// Proposals by the words of the engine's error, and what to do.
const PROPOSALS: [(&str, &str); 4] = [
    (
        "legacy_exceptions",
        "Envoy's engine runs the older form of exceptions as well, this one does not: link with `-sWASM_LEGACY_EXCEPTIONS=0`, \
         or compile with `-mllvm -wasm-use-legacy-eh=false`",
    ),
    ("custom page sizes", "gateways have pages of 64 KiB alone"),
    ("wide arithmetic", "gateways do not have it: compile without it"),
    ("stack switching", "gateways do not have it: compile without it"),
];

/// What the engine says of a module that it does not compile, and what to do about it.
pub(crate) fn of_proposals(error: &str) -> String {
    let lower = error.to_lowercase();
    let about = |word: &str| lower.contains(&format!("{word} ")) || lower.ends_with(word);
    let disabled = ["not enabled", "must be enabled", "required for"].iter().any(|word| lower.contains(word));
    let hint = PROPOSALS.iter().find(|(word, _)| disabled && about(word));
    hint.map(|(_, hint)| format!("\n  {hint}")).unwrap_or_default()
}

//! Where a module seems to come from: its language, its tools, and the SDK it was written with.

use super::Inspection;

/// A guess, by the producers section where there is one, else by names that compilers and SDKs leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The language, such as `Rust`.
    pub language: Option<String>,
    /// The tools that made it, with their versions, as the module says.
    pub tools: Vec<String>,
    /// The SDK that it was probably written with.
    pub sdk: Option<&'static str>,
}

impl Origin {
    pub(super) fn guess(module: &Inspection) -> Self {
        let exports = |name: &str| module.exports.iter().any(|export| export.name == name);
        let imports = |from: &str, name: &str| {
            module.imports.iter().any(|import| import.module == from && import.name == name)
        };
        let custom = |name: &str| module.custom.iter().any(|(section, _)| section == name);
        let tools: Vec<String> = module
            .producers
            .iter()
            .filter(|(field, ..)| field == "processed-by" || field == "sdk")
            .map(|(_, name, version)| format!("{name} {version}").trim_end().to_owned())
            .collect();
        let made_by = |tool: &str| tools.iter().any(|made_by| made_by.contains(tool));
        let said = module.producers.iter().find(|(field, ..)| field == "language").map(|(_, name, _)| name);
        let language = if custom("go.buildid") || custom("go:buildid") || imports("gojs", "runtime.wasmExit")
        {
            Some("Go")
        } else if made_by("TinyGo") || exports("asyncify_start_unwind") || exports("runtime.alloc") {
            Some("Go (TinyGo)")
        } else if exports("__pin") || exports("__new") || imports("env", "abort") {
            Some("AssemblyScript")
        } else {
            None
        };
        let language = match (language, said) {
            (Some(language), _) => Some(language.to_owned()),
            (None, Some(said)) if said.starts_with("C_plus_plus") => Some("C++".to_owned()),
            (None, Some(said)) => Some(said.clone()),
            (None, None) if imports("env", "emscripten_notify_memory_growth") => {
                Some("C++ (Emscripten)".to_owned())
            }
            (None, None) => None,
        };
        let sdk = match language.as_deref() {
            _ if module.abi.is_empty() => None,
            // The SDK exports every callback, used or not.
            Some("Rust") if exports("proxy_on_queue_ready") && exports("proxy_on_new_connection") => {
                Some("proxy-wasm-rust-sdk")
            }
            Some(go) if go.starts_with("Go") => Some("proxy-wasm-go-sdk"),
            Some("AssemblyScript") => Some("proxy-runtime (AssemblyScript)"),
            Some(c) if c.starts_with("C++") && exports("malloc") => Some("proxy-wasm-cpp-sdk"),
            _ => None,
        };
        Self { language, tools, sdk }
    }
}

//! Host functions that are called when few may be: while a module is initialised, and while it allocates. A host ends the VM by it or
//! not, and each is asked in a VM of its own.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Result;
use countersign_host_sim::{Engine, HostCall, Module};
use serde_json::{Value, json};

use crate::bootstrap::socket_address as address;
use crate::client::Client;
use crate::envoy::Envoy;
use crate::http::Request;

/// The two moments, as the module's environment names them.
pub const MOMENTS: [&str; 2] = ["initialize", "allocate"];

/// What is asked: a moment and a function.
pub fn questions() -> Vec<String> {
    let names = || HostCall::ALL.iter().map(|call| call.name()).chain(["proc_exit"]);
    let imported = |name: &&str| !OLD.contains(name);
    MOMENTS
        .iter()
        .flat_map(|moment| names().filter(imported).map(move |name| format!("{moment}:{name}")))
        .collect()
}

/// Functions that modules of ABI 0.2.1 do not have.
const OLD: [&str; 4] = [
    "proxy_continue_request",
    "proxy_continue_response",
    "proxy_clear_route_cache",
    "proxy_get_configuration",
];

/// Which of the questions end a VM in Envoy.
pub fn in_envoy(questions: &[String]) -> Result<BTreeMap<String, bool>> {
    let module = super::module()?;
    let listeners: Vec<Value> =
        questions.iter().map(|question| listener(question, &module.to_string_lossy())).collect();
    let folder = crate::root().join(format!("target/envoy/traps-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("listeners.json");
    std::fs::write(&file, json!({ "resources": listeners }).to_string())?;
    let config = json!({
        "node": { "id": "probe-node", "cluster": "probe-nodes" },
        "admin": { "address": address("127.0.0.1:0") },
        "dynamic_resources": { "lds_config": { "path_config_source": { "path": file } } },
    });
    let envoy = Envoy::start_with(&config.to_string(), &mut Command::new(Envoy::binary()?))?;
    let listed = envoy.admin_get("/listeners?format=json")?.parse()?;
    let all = listed["listener_statuses"].as_array().cloned().unwrap_or_default();
    let mut ended = BTreeMap::new();
    for question in questions {
        // A VM that can't be made costs the listener; one that ends later answers by itself, where there is no route otherwise.
        let stands = all.iter().any(|listener| listener["name"] == **question);
        let serves = stands && {
            let client = Client::plain(envoy.listener(question)?);
            client.send(&Request::get("/"))?.status == 404
        };
        ended.insert(question.clone(), !serves);
    }
    drop(envoy);
    std::fs::remove_dir_all(folder)?;
    Ok(ended)
}

/// Which of them end a VM in the simulator.
pub fn in_simulator(questions: &[String]) -> Result<BTreeMap<String, bool>> {
    let module: Module = Engine::new()?.load_module(&std::fs::read(super::module()?)?)?;
    let ended =
        |question: &String| module.host().vm_config(&**question).env("PROBE_TRAP", question).start().is_err();
    Ok(questions.iter().map(|question| (question.clone(), ended(question))).collect())
}

fn listener(question: &str, module: &str) -> Value {
    let filter = json!({
        "name": "envoy.filters.http.wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "probe",
                "vm_config": {
                    // A VM for each.
                    "vm_id": question,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                    // Something to allocate for.
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue", "value": question,
                    },
                    "environment_variables": { "key_values": { "PROBE_TRAP": question } },
                },
            },
        },
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "probe",
        "http_filters": [filter, {
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        }],
        "route_config": { "virtual_hosts": [] },
    });
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": question,
        "address": address("127.0.0.1:0"),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager", "typed_config": manager,
        }] }],
    })
}

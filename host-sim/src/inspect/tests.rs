//! Modules in text form, taken apart.

use super::{InspectError, Inspection, Kind};
use crate::module::AbiVersion;
use crate::profile::Profile;
use proptest::prelude::*;

const GOOD: &str = r#"(module $filter
    (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
    (import "env" "proxy_http_call" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func (param i32 i64) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
    (memory (export "memory") 2 16)
    (data (i32.const 0) "text")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))
    (func (export "proxy_on_tick") (param i32))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func $begin) (start $begin))"#;

fn read(source: &str) -> Inspection {
    Inspection::read(source.as_bytes()).unwrap_or_else(|error| panic!("{error}: {source}"))
}

/// A module that could run, but for these parts.
fn with(parts: &str) -> Inspection {
    read(&format!(
        r#"(module {parts} (memory (export "memory") 1)
             (func (export "proxy_abi_version_0_2_0"))
             (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#
    ))
}

#[track_caller]
fn refused(module: &Inspection, profile: Profile, because: &str) {
    let fit = module.fit(profile);
    assert!(fit.refusals.iter().any(|reason| reason.contains(because)), "`{because}` is not in {fit:?}");
}

#[test]
fn a_module_is_taken_apart() {
    let module = read(GOOD);
    assert_eq!(module.name.as_deref(), Some("filter"));
    assert_eq!(module.abi, [AbiVersion::V0_2_1]);
    assert_eq!((module.imports.len(), module.exports.len(), module.functions), (4, 5, 5));
    let import = &module.imports[2];
    assert_eq!(
        (&*import.name, import.kind.to_string()),
        ("proxy_increment_metric", "(i32, i64) -> i32".into())
    );
    assert_eq!(module.imports[3].kind.to_string(), "(i32) -> ()");
    let memory = module.memory.unwrap();
    assert_eq!((memory.initial, memory.maximum, memory.imported), (131_072, Some(1_048_576), false));
    assert!(module.start && module.uses_wasi() && module.code_bytes > 0 && module.data_bytes > 0);
    assert!(module.exports.iter().any(|export| export.name == "memory" && export.kind == Kind::Memory));
}

#[test]
fn a_shared_memory_is_not_to_be_had_from_hosts() {
    let importing = |memory: &str| {
        read(&format!(
            r#"(module (import "env" "memory" (memory {memory}))
                 (func (export "proxy_abi_version_0_2_1"))
                 (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#
        ))
    };
    for profile in Profile::ALL {
        refused(&importing("1 2 shared"), profile, "it imports a shared memory");
    }
    assert!(importing("1 2").fit(Profile::Envoy).runs());
}

#[test]
fn a_good_module_runs_on_all_hosts_and_misses_what_they_lack() {
    let module = read(GOOD);
    for profile in Profile::ALL {
        assert!(module.fit(profile).runs(), "{:?}", module.fit(profile));
    }
    assert!(module.fit(Profile::Envoy).misses.is_empty());
    assert_eq!(
        module.fit(Profile::Gcp).misses,
        [
            "`proxy_http_call` does nothing and returns 12 (unimplemented)",
            "`proxy_increment_metric` does nothing and returns 12 (unimplemented)",
            "`proxy_on_tick` is never called"
        ]
    );
}

#[test]
fn what_no_host_runs_is_told() {
    let nothing = read("(module)");
    refused(&nothing, Profile::Spec, "not a proxy-wasm module");
    let later = read(r#"(module (func (export "proxy_abi_version_9_9_9")))"#);
    refused(&later, Profile::Envoy, "found `proxy_abi_version_9_9_9`");
    let bare = read(r#"(module (func (export "proxy_abi_version_0_2_1")))"#);
    refused(&bare, Profile::Envoy, "it has no memory");
    refused(&bare, Profile::Envoy, "exports no allocator");
    for (parts, because) in [
        (r#"(import "env" "teleport" (func))"#, "not there in any version"),
        (
            r#"(import "env" "proxy_get_log_level" (func (param i32) (result i32)))"#,
            "not there in the ABI 0.2.0",
        ),
        (
            r#"(import "env" "proxy_log" (func (param i64)))"#,
            "as (i64) -> (), expected (i32, i32, i32) -> i32",
        ),
        (r#"(import "env" "depth" (global i32))"#, "imports the global `env.depth`"),
        (r#"(func (export "proxy_on_tick") (param i64))"#, "exports `proxy_on_tick` as (i64) -> ()"),
        (r#"(func (export "proxy_on_memory_allocate"))"#, "expected (i32) -> i32"),
    ] {
        refused(&with(parts), Profile::Envoy, because);
    }
}

#[test]
fn what_one_host_does_not_run_is_told() {
    let status = with(r#"(import "env" "proxy_get_buffer_status" (func (param i32 i32 i32) (result i32)))"#);
    assert!(status.fit(Profile::Envoy).runs());
    refused(&status, Profile::Kong, "which this host does not have");
    let big = read(
        r#"(module (memory (export "memory") 257) (func (export "proxy_abi_version_0_2_0"))
             (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#,
    );
    assert!(big.fit(Profile::Envoy).runs());
    refused(&big, Profile::Gcp, "begins with 16.1 MiB of memory, and may have 16.0 MiB");
    let old = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_1_0"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0)))"#;
    assert!(read(old).fit(Profile::Envoy).runs());
    refused(&read(&old.replace("0_1_0", "0_2_0")), Profile::Envoy, "expected (i32, i32, i32) -> i32");
}

#[test]
fn origins_are_guessed() {
    let custom = |section: &str| format!("(module (@custom \"{section}\" \"x\"))");
    assert_eq!(read(&custom("go.buildid")).origin.language.as_deref(), Some("Go"));
    let assembly_script = read(
        r#"(module (import "env" "abort" (func (param i32 i32 i32 i32))) (func (export "proxy_abi_version_0_2_0")))"#,
    );
    assert_eq!(assembly_script.origin.sdk, Some("proxy-runtime (AssemblyScript)"));
    let producers = r#"(module
        (@producers (language "Rust" "2021") (processed-by "rustc" "1.96.0"))
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_queue_ready") (param i32 i32)))"#;
    let rust = read(producers).origin;
    assert_eq!((rust.language.as_deref(), rust.sdk), (Some("Rust"), Some("proxy-wasm-rust-sdk")));
    assert_eq!(rust.tools, ["rustc 1.96.0"]);
    assert_eq!(read("(module)").origin, super::Origin::default());
}

#[test]
fn what_is_no_module_is_told_by_kind() {
    assert!(matches!(Inspection::read(b"hello"), Err(InspectError::NotWasm)));
    assert!(matches!(Inspection::read(b""), Err(InspectError::NotWasm)));
    assert!(matches!(Inspection::read(b"\0asm\x0d\0\x01\0"), Err(InspectError::Component)));
    for bad in [&b"\0asm"[..], b"\0asm\x01\0\0\0\x01\x7f", b"(module (func", b"\0asm\x02\0\0\0"] {
        assert!(matches!(Inspection::read(bad), Err(InspectError::Malformed(_))), "{bad:?}");
    }
    let good = wat::parse_str(GOOD).unwrap();
    for cut in 0..good.len() {
        // Whatever is cut off: an answer, not a panic.
        let _ = Inspection::read(&good[..cut]);
    }
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Inspection::read(&bytes);
        let _ = Inspection::read(&[b"\0asm\x01\0\0\0", &bytes[..]].concat());
    }

    #[test]
    fn an_altered_module_has_an_answer(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut module = wat::parse_str(GOOD).unwrap();
        for (place, byte) in changes {
            let place = place.index(module.len());
            module[place] = byte;
        }
        if let Ok(read) = Inspection::read(&module) {
            for profile in Profile::ALL {
                let fit = read.fit(profile);
                prop_assert!(fit.runs() == fit.refusals.is_empty());
            }
        }
    }
}

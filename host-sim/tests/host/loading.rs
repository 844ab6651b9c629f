//! What loads and what doesn't, as in Envoy: memories and tables of any kind, starts, proposals, and errors that people understand.

use countersign_host_sim::{Engine, FailureKind, LoadError, StartFailure};
use proptest::prelude::*;

use crate::common::{engine, load, logged};

const MARKER: &str = r#"(func (export "proxy_abi_version_0_2_1"))"#;
const MALLOC: &str = r#"(func (export "malloc") (param i32) (result i32) (i32.const 4096))"#;
const MEMORY: &str = r#"(memory (export "memory") 1)"#;
const LOG: &str = r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;
const SAY: &str = r#"(data (i32.const 100) "hello") (func $say (drop (call $log (i32.const 2) (i32.const 100) (i32.const 5))))"#;

/// A module of imports and the rest.
fn module(imports: &str, rest: &str) -> String {
    format!("(module {imports} {MARKER} {MALLOC} {rest})")
}

/// What a module logs while it is started.
fn started(text: &str) -> Vec<String> {
    let module = load(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    logged(&mut module.host().start().unwrap_or_else(|error| panic!("{error}\n{text}")))
}

fn failed_start(text: &str) -> StartFailure {
    load(text).unwrap().host().start().err().expect("a module that does not start").reason
}

fn refused(text: &str) -> String {
    load(text).err().unwrap_or_else(|| panic!("it loads: {text}")).to_string()
}

#[test]
fn the_memory_may_have_any_name_or_be_the_hosts() {
    let initialize = r#"(func (export "_initialize") (call $say))"#;
    let import = r#"(import "env" "memory" (memory 1))"#;
    for (imports, rest) in [
        ("", r#"(memory (export "heap") 1)"#.to_owned()),
        (import, String::new()),
        (import, r#"(export "memory" (memory 0))"#.to_owned()),
        (r#"(import "env" "t" (table 2 funcref)) (import "env" "m" (memory 1 2))"#, String::new()),
    ] {
        let text = module(&format!("{LOG} {imports}"), &format!("{rest} {SAY} {initialize}"));
        assert_eq!(started(&text), ["hello"], "{text}");
    }
    // Of several that are exported the last counts.
    let second = r#"(memory 1) (data (memory 1) (i32.const 100) "other")"#;
    let text = module(LOG, &format!(r#"{MEMORY} {second} {SAY} (export "a" (memory 1)) {initialize}"#));
    assert_eq!(started(&text), ["other"]);
    assert!(matches!(load(&module("", "")), Err(LoadError::MissingExport("`memory`"))));
}

#[test]
fn every_instance_has_imported_memory_of_its_own() {
    let body = r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32)
        (i32.store8 (i32.const 104) (i32.add (i32.load8_u (i32.const 104)) (i32.const 1))) (call $say) (i32.const 1))"#;
    let text = module(&format!(r#"{LOG} (import "env" "memory" (memory 1))"#), &format!("{SAY} {body}"));
    let mut host = load(&text).unwrap().host().workers(2).start().unwrap();
    assert_eq!(logged(&mut host), ["hellp", "hellp"]);
}

#[test]
fn the_first_marker_counts() {
    let callback = r#"(func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))"#;
    let (new, old) = (MARKER, r#"(func (export "proxy_abi_version_0_1_0"))"#);
    assert!(load(&format!("(module {old} {new} {MALLOC} {MEMORY} {callback})")).is_ok());
    assert!(load(&format!("(module {new} {old} {MALLOC} {MEMORY} {callback})")).is_err());
}

#[test]
fn a_start_section_runs_and_calls_nobody() {
    let text = module(
        LOG,
        &format!(
            r#"{MEMORY} {SAY} (func $s (i32.store8 (i32.const 100) (i32.const 74))) (start $s) (func (export "_start") (call $say))"#
        ),
    );
    assert_eq!(started(&text), ["Jello"]);
    let StartFailure::Trap(failure) = failed_start(&module(LOG, &format!("{MEMORY} {SAY} (start $say)")))
    else {
        panic!("another failure")
    };
    assert_eq!((failure.kind, failure.callback), (FailureKind::Restricted, "start"));
}

#[test]
fn a_module_starts_by_one_of_three_functions() {
    let at = |at: u32, letter: char| {
        format!(r#"(i32.store8 (i32.const {at}) (i32.const {})) (call $say)"#, u32::from(letter))
    };
    let start = format!(r#"(func (export "_start") {})"#, at(100, 'S'));
    let initialize = format!(r#"(func (export "_initialize") {})"#, at(100, 'I'));
    let main =
        format!(r#"(func (export "main") (param i32 i32) (result i32) {} (i32.const 7))"#, at(101, 'M'));
    let of = |parts: &[&String]| {
        let parts: String = parts.iter().map(|part| part.as_str()).collect();
        started(&module(LOG, &format!("{MEMORY} {SAY} {parts}")))
    };
    assert_eq!(of(&[&start]), ["Sello"]);
    assert_eq!(of(&[&start, &initialize]), ["Iello"]);
    assert_eq!(of(&[&start, &initialize, &main]), ["Iello", "IMllo"]);
    assert_eq!(of(&[&start, &main]), ["Sello"]);
    assert!(of(&[&main]).is_empty());
}

#[test]
fn a_program_that_exits_goes_on() {
    let import = format!(r#"{LOG} (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#);
    let text = |name: &str| {
        module(&import, &format!(r#"{MEMORY} {SAY} (func $f (call $exit (i32.const 3)) (call $say)) {name}"#))
    };
    let vm = r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (call $f) (i32.const 1))"#;
    assert_eq!(started(&text(vm)), ["hello"]);
    let StartFailure::Trap(failure) = failed_start(&text(r#"(export "_start" (func $f))"#)) else {
        panic!("another failure")
    };
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Restricted, "`proc_exit`"));
}

#[test]
fn emscripten_finds_what_it_imports() {
    let imports = r#"(import "env" "emscripten_notify_memory_growth" (func $grown (param i32)))
        (import "env" "pthread_equal" (func $equal (param i32 i32) (result i32)))"#;
    let body = r#"(func (export "_initialize") (call $grown (i32.const 0)))
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (i32.and (call $equal (i32.const 5) (i32.const 5)) (i32.eqz (call $equal (i32.const 5) (i32.const 6)))))"#;
    assert!(started(&module(imports, &format!("{MEMORY} {body}"))).is_empty());
}

/// What Envoy's engine takes and this one too.
#[test]
fn proposals_are_taken() {
    for body in [
        "(func (result v128) (v128.const i32x4 0 0 0 0))",
        "(func (param v128 v128 v128) (result v128)
            (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))",
        "(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))",
        "(func (result funcref) (ref.null func))",
        "(func $f (return_call $f))",
        "(func (export \"two\") (result i32 i32) (i32.const 0) (i32.const 0))",
        "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
        "(global (export \"g\") (mut i32) (i32.const 0))",
        "(func (result i32) (i32.trunc_sat_f32_s (f32.const 0)))",
        "(func (result i32) (i32.extend8_s (i32.const 0)))",
        "(memory 1)",
        "(memory i64 1)",
        "(memory 1 2 shared)",
        "(func (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))) (atomic.fence))",
        "(table i64 1 funcref)",
        "(tag $e) (func (throw $e))",
        "(func (result externref) (ref.null extern))",
        "(type $s (struct (field i32))) (func (param (ref $s)))",
        "(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))",
        "(func (result i32) (i31.get_u (ref.i31 (i32.const 1))))",
        r#"(func (param i32) (@metadata.code.branch_hint "\00") (if (local.get 0) (then)))"#,
    ] {
        assert!(load(&module("", &format!("{MEMORY} {body}"))).is_ok(), "{body}");
    }
    assert!(load(&module("", r#"(memory (export "memory") i64 1)"#)).is_ok());
}

#[test]
fn types_are_held_against_the_abi() {
    let error = refused(&module(r#"(import "env" "proxy_log" (func (param i32 i32)))"#, MEMORY));
    assert_eq!(
        error,
        "module does not fit the ABI: import `env.proxy_log` is (i32, i32), expected (i32, i32, i32) -> i32"
    );
    // As Envoy has it, where WASI has seven parameters.
    let link = r#"(import "wasi_snapshot_preview1" "path_link" (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    assert!(matches!(load(&module(link, MEMORY)), Err(LoadError::Signature(_))));
    for export in [
        r#"(func (export "_start") (result i32) (i32.const 0))"#,
        r#"(func (export "_initialize")) (func (export "main") (result i32) (i32.const 0))"#,
        r#"(func (export "proxy_on_grpc_receive") (param i32))"#,
        r#"(func (export "proxy_validate_configuration") (param i32))"#,
    ] {
        let text = module("", &format!("{MEMORY} {export}"));
        assert!(matches!(load(&text), Err(LoadError::Signature(_))), "{export}");
    }
    // Nobody looks at these.
    for export in [
        r#"(func (export "main") (result i64) (i64.const 0))"#,
        r#"(func (export "_initialize")) (func (export "_start") (param f32))"#,
        r#"(func (export "proxy_on_stats_update") (param f32))"#,
        r#"(func (export "proxy_on_memory_allocate") (param f32))"#,
    ] {
        assert!(load(&module("", &format!("{MEMORY} {export}"))).is_ok(), "{export}");
    }
    assert!(refused(&module(r#"(import "env" "g" (global i32))"#, MEMORY)).contains("`env.g`"));
}

#[test]
fn memories_are_bounded_together() {
    let pages = |first: u32, second: u32| {
        let text = module("", &format!(r#"(memory (export "memory") {first}) (memory {second})"#));
        load(&text).unwrap().host().start().map(drop)
    };
    assert!(pages(16_383, 1).is_ok());
    assert!(pages(16_384, 1).is_err());
}

fn told(bytes: &[u8]) -> String {
    engine().load_module(bytes).err().unwrap_or_else(|| panic!("it loads: {bytes:?}")).to_string()
}

#[test]
fn what_is_no_module_is_named() {
    let mut tar = vec![b'a'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, word) in [
        (&b""[..], "an empty file"),
        (b"\0as", "begins with"),
        (b"\0asm\x01", "cut short"),
        (b"\0asm\x0d\0\x01\0", "a component"),
        (b"\0asm\x02\0\0\0", "[02, 00, 00, 00]"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x7fELF\x02", "native"),
        (b"\n<!doctype html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"{\"error\": 404}", "JSON"),
        (b"Not Found\n", "`Not Found`"),
        (&tar, "tar"),
    ] {
        let message = told(bytes);
        assert!(message.starts_with("not a WebAssembly module, but "), "{message}");
        assert!(message.contains(word), "{message}: expected `{word}`");
    }
    let small = Engine::builder().cache_dir(None).module_bytes(64).build().unwrap();
    let large = module("", MEMORY);
    assert!(matches!(small.load_module(large.as_bytes()), Err(LoadError::TooLarge { most: 64, .. })));
}

#[test]
fn missing_imports_come_with_what_to_do() {
    let told = |imports: &[&str]| {
        let imports: Vec<String> = imports.iter().map(|name| format!("`{name}`")).collect();
        LoadError::MissingImports(imports).to_string()
    };
    let assembly = told(&["env.abort", "env.seed", "env.abort"]);
    assert_eq!(assembly.lines().count(), 3, "{assembly}");
    assert!(
        assembly.lines().next().is_some_and(|line| line.contains("`env.abort`, `env.seed`")),
        "{assembly}"
    );
    for (import, word) in [
        ("env.__cxa_throw", "-fno-exceptions"),
        ("env.emscripten_resize_heap", "-sSTANDALONE_WASM"),
        ("a.b", "-sSTANDALONE_WASM"),
        ("gojs.runtime.wasmExit", "GOOS=wasip1"),
        ("wbg.__wbindgen_throw", "browser"),
        ("__wbindgen_placeholder__.__wbindgen_describe", "browser"),
        ("wasi:cli/environment@0.2.0.get-environment", "wasm32-wasip1"),
        ("wasi_snapshot_preview1.proc_raise", "signals"),
        ("env.proxy_get_log_level", "0.2.1"),
        ("env.proxy_get_configuration", "0.1.0"),
        ("env.helper", "`helper` was not defined"),
    ] {
        let message = told(&[import]);
        assert!(message.contains(word), "{message}: expected `{word}`");
    }
    assert_eq!(told(&["env.proxy_no_such"]).lines().count(), 1);
}

proptest! {
    /// Whatever the bytes are, they load or are told about.
    #[test]
    fn any_bytes_are_told_about(magic in 0..7_usize, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
        let magic = [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b" (", b"<", b"PK\x03\x04", b"version https://git-lfs"][magic];
        prop_assert!(!told(&[magic, &rest].concat()).is_empty());
    }

    #[test]
    fn any_import_is_told(module in ".{0,20}", name in ".{0,20}") {
        let error = LoadError::MissingImports(vec![format!("`{module}.{name}`")]);
        prop_assert!(error.to_string().starts_with("module imports what"));
    }
}

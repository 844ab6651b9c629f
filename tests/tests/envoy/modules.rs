//! Modules in several languages, and modules of every shape, in the simulator and in real Envoy: they load in both or in neither,
//! and do the same.

use anyhow::{Context, Result};
use countersign_host_sim::{Engine, LoadError, StartFailure};
use countersign_tests::bootstrap::{Bootstrap, direct};
use countersign_tests::envoy::Envoy;
use countersign_tests::samples::{self, SAMPLES, Seen, in_envoy, simulate};
use serde_json::{Value, json};

/// What whole samples are to say, by path; the rest of what they say is only held against Envoy.
const BODIES: [(&str, u64, &str); 9] = [
    ("/", 200, "from the service"),
    ("/local", 418, "short and stout"),
    ("/call", 200, "from the service"),
    ("/call/404", 502, "the helper said 404"),
    ("/call-nobody", 500, "the call was refused with 2"),
    ("/shared", 200, "seen 2 times"),
    ("/properties", 200, "GET, sample, "),
    ("/library", 200, "after 2020 true, random true, memory 4194304, sorted abc, home false, files false"),
    ("/body", 200, "from the service!"),
];
/// Those that every sample does.
const COMMON: usize = 5;

fn last<'a>(seen: &'a Seen, path: &str) -> Result<&'a Value> {
    seen.steps.iter().rev().find(|step| step["path"] == path).with_context(|| format!("no `{path}`"))
}

fn is_good(seen: &Seen, whole: bool) -> Result<()> {
    for (path, status, body) in BODIES.iter().take(if whole { BODIES.len() } else { COMMON }) {
        let step = last(seen, path)?;
        assert_eq!((&step["status"], &step["body"]), (&json!(status), &json!(body)), "{path}");
    }
    let greeting = if whole { "hello" } else { "" };
    let expected = json!([["x-greeting", greeting], ["x-replaced", "by the filter"]]);
    assert_eq!(last(seen, "/")?["upstream"]["headers"], expected);
    assert_eq!(last(seen, "/call")?["upstream"]["headers"][0], json!(["x-helper", "helped"]));
    if whole {
        assert_eq!(last(seen, "/body")?["upstream"]["body"], "[some body]");
        assert_eq!(seen.logs[0], "info started early enough with `the VM's`");
    }
    assert!(seen.logs.iter().any(|line| line == "warning level 3"), "{:?}", seen.logs);
    assert!(!seen.logs.iter().any(|line| line.ends_with("level 1")), "{:?}", seen.logs);
    assert_eq!(seen.metrics[0].1, seen.steps.len() as u64);
    assert_eq!(seen.ticked, whole);
    assert_eq!(seen.panic, (503, 503));
    Ok(())
}

#[test]
fn samples_behave_as_in_envoy() -> Result<()> {
    let engine = Engine::builder().build()?;
    for sample in SAMPLES {
        let Some(file) = sample.file()? else { continue };
        let simulated = simulate(&engine, &std::fs::read(&file)?).context(sample.name)?;
        is_good(&simulated, sample.whole).context(sample.name)?;
        let real = in_envoy(&file.to_string_lossy()).context(sample.name)?;
        for (simulated, real) in simulated.steps.iter().zip(&real.steps) {
            assert_eq!(simulated, real, "{}", sample.name);
        }
        assert_eq!(simulated, real, "{}", sample.name);
    }
    Ok(())
}

const MALLOC: &str = r#"(func (export "malloc") (param i32) (result i32) (i32.const 4096))"#;
const MEMORY: &str = r#"(memory (export "memory") 1)"#;
const LOG: &str = r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;
const SAY: &str = r#"(data (i32.const 100) "hello")
    (func $say (drop (call $log (i32.const 2) (i32.const 100) (i32.const 5))))"#;

fn module(imports: &str, rest: &str) -> String {
    format!(r#"(module {imports} (func (export "proxy_abi_version_0_2_1")) {MALLOC} {rest})"#)
}

/// Modules of every shape: a name, and their text or bytes.
fn shapes() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut text = |name: &str, text: String| all.push((name.to_owned(), text.into_bytes()));
    let initialize = r#"(func (export "_initialize") (call $say))"#;
    for (name, imports, rest) in [
        ("as it should be", "", MEMORY),
        ("imported memory", r#"(import "env" "memory" (memory 1))"#, ""),
        ("memory of another name", "", r#"(memory (export "heap") 1)"#),
        ("imported table", r#"(import "env" "t" (table 1 funcref))"#, MEMORY),
        ("imported global", r#"(import "env" "g" (global i32))"#, MEMORY),
        ("AssemblyScript's abort", r#"(import "env" "abort" (func (param i32 i32 i32 i32)))"#, MEMORY),
        ("Go for browsers", r#"(import "gojs" "runtime.wasmExit" (func (param i32)))"#, MEMORY),
        ("exceptions of C++", r#"(import "env" "__cxa_throw" (func (param i32 i32 i32)))"#, MEMORY),
        (
            "a signal",
            r#"(import "wasi_snapshot_preview1" "proc_raise" (func (param i32) (result i32)))"#,
            MEMORY,
        ),
        ("another type of import", r#"(import "env" "proxy_log" (func (param i32 i32)))"#, MEMORY),
        (
            "links of files",
            r#"(import "wasi_snapshot_preview1" "path_link"
                (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))"#,
            MEMORY,
        ),
        (
            "a function of 0.1.0",
            r#"(import "env" "proxy_get_configuration" (func (param i32 i32) (result i32)))"#,
            MEMORY,
        ),
        (
            "the older WASI",
            r#"(import "wasi_unstable" "fd_advise" (func (param i32 i64 i64 i32) (result i32)))"#,
            MEMORY,
        ),
    ] {
        text(name, module(imports, rest));
    }
    for (name, export) in [
        (
            "a callback of another type",
            r#"(func (export "proxy_on_tick") (param i32) (result i32) (i32.const 0))"#,
        ),
        (
            "headers of 0.1.0",
            r#"(func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))"#,
        ),
        ("a start that returns", r#"(func (export "_start") (result i32) (i32.const 0))"#),
        (
            "main without arguments",
            r#"(func (export "_initialize")) (func (export "main") (result i32) (i32.const 0))"#,
        ),
        ("main that nobody calls", r#"(func (export "main") (result i64) (i64.const 0))"#),
        ("a callback that nobody makes", r#"(func (export "proxy_on_stats_update") (param f32))"#),
        ("a start that traps", r#"(func (export "_initialize") unreachable)"#),
        ("a start section that traps", "(func $f unreachable) (start $f)"),
        (
            "a VM that will not start",
            r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 0))"#,
        ),
        (
            "a configuration refused",
            r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))"#,
        ),
        ("several results", r#"(func (export "two") (result i32 i32) (i32.const 0) (i32.const 0))"#),
        ("vectors", "(func (result v128) (v128.const i32x4 0 0 0 0))"),
        ("tail calls", "(func $f (return_call $f))"),
        ("two memories", "(memory 1)"),
        (
            "exceptions",
            r#"(tag $t (param i32)) (func (export "_initialize") (if (block $h (result i32) (try_table (catch $t $h) (throw $t (i32.const 0)))
                (i32.const 1)) (then unreachable)))"#,
        ),
        ("an exception that nothing catches", r#"(tag $t) (func (export "_initialize") (throw $t))"#),
        ("references of the host", "(func (param externref) (result externref) (local.get 0))"),
        (
            "calls by reference",
            r#"(type $f (func)) (elem declare func $g) (func $g) (func (export "_initialize") (call_ref $f (ref.func $g)))"#,
        ),
        (
            "objects",
            r#"(type $s (struct (field i32))) (func (export "_initialize")
                (if (i32.ne (struct.get $s 0 (struct.new $s (i32.const 7))) (i32.const 7)) (then unreachable)))"#,
        ),
        (
            "garbage",
            r#"(type $a (array (mut i8))) (func (export "_initialize") (local i32) (loop $l (drop (array.new_default $a (i32.const 1000)))
                (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 100000)))))"#,
        ),
        (
            "atomics",
            r#"(func (export "_initialize") (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
                (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))"#,
        ),
        ("a shared memory beside", "(memory 1 2 shared)"),
        (
            "waiting on what is not shared",
            r#"(func (export "_initialize") (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 1000))))"#,
        ),
        (
            "a tail call by reference",
            r#"(type $f (func)) (elem declare func $g) (func $g) (func (export "_initialize") (return_call_ref $f (ref.func $g)))"#,
        ),
        (
            "relaxed vectors",
            "(func (param v128 v128 v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))",
        ),
        ("tables of 64 bits", "(table i64 1 funcref)"),
        ("pages of another size", "(memory 1 (pagesize 1))"),
        ("shared globals", "(global (shared i32) (i32.const 0))"),
        (
            "wide arithmetic",
            "(func (result i64 i64) (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)))",
        ),
        (
            "other stacks",
            "(type $f (func)) (type $c (cont $f)) (elem declare func $g) (func $g) (func (drop (cont.new $c (ref.func $g))))",
        ),
        ("the older exceptions", "(tag $t) (func try throw $t catch $t end)"),
    ] {
        text(name, module("", &format!("{MEMORY} {export}")));
    }
    for (name, pages) in [("1 GiB of memory", 16_384), ("more than 1 GiB", 16_385), ("4 GiB", 65_536)] {
        text(name, module("", &format!(r#"(memory (export "memory") {pages})"#)));
    }
    text(
        "shared memory",
        module(LOG, &format!(r#"(memory (export "memory") 1 2 shared) {SAY} {initialize}"#)),
    );
    text("imported shared memory", module(r#"(import "env" "memory" (memory 1 2 shared))"#, ""));
    text("64 bits", module("", r#"(memory (export "memory") i64 1)"#));
    text("a log at the start", module(LOG, &format!("{MEMORY} {SAY} {initialize}")));
    let time = r#"(import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))"#;
    text(
        "the time at the start",
        module(time, &format!(r#"{MEMORY} (func (export "_initialize") (drop (call $time (i32.const 8))))"#)),
    );
    text("no allocator", format!(r#"(module (func (export "proxy_abi_version_0_2_1")) {MEMORY})"#));
    text("no marker", format!("(module {MALLOC} {MEMORY})"));
    text(
        "a later version",
        format!(r#"(module (func (export "proxy_abi_version_0_3_0")) {MALLOC} {MEMORY})"#),
    );
    let older = r#"(func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))"#;
    let markers = r#"(func (export "proxy_abi_version_0_1_0")) (func (export "proxy_abi_version_0_2_1"))"#;
    text("two markers", format!("(module {markers} {MALLOC} {MEMORY} {older})"));
    for (name, bytes) in [
        ("a page", &b"<!doctype html><title>Not found</title>"[..]),
        ("a gzip archive", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        ("a native library", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        ("a component", b"\0asm\x0d\0\x01\0"),
    ] {
        all.push((name.to_owned(), bytes.to_vec()));
    }
    all
}

/// What became of a module: it runs, or who is to blame.
#[derive(Debug, PartialEq)]
enum Fate {
    Runs,
    NoModule,
    NoMarker,
    Import,
    ImportType,
    ExportType,
    NoAllocator,
    Compile,
    Start,
    Refuses,
}

fn simulated(engine: &Engine, module: &[u8]) -> Fate {
    let load = |error: &LoadError| match error {
        LoadError::NotWasm { .. } => Fate::NoModule,
        LoadError::NotProxyWasm { .. } => Fate::NoMarker,
        LoadError::MissingImports(_) => Fate::Import,
        LoadError::MissingExport(_) => Fate::NoAllocator,
        LoadError::Signature(text) if text.starts_with("import") => Fate::ImportType,
        LoadError::Signature(_) => Fate::ExportType,
        _ => Fate::Compile,
    };
    match engine.load_module(module).map(|module| module.host().start()) {
        Err(error) => load(&error),
        Ok(Ok(_)) => Fate::Runs,
        Ok(Err(error)) => match error.reason {
            StartFailure::Load(error) => load(&error),
            StartFailure::VmConfiguration | StartFailure::Configuration => Fate::Refuses,
            _ => Fate::Start,
        },
    }
}

fn really(module: &[u8], file: &std::path::Path) -> Result<(Fate, String)> {
    // Envoy takes the binary form only.
    let binary =
        if module.starts_with(b"(") { wat::parse_bytes(module)?.into_owned() } else { module.to_vec() };
    std::fs::write(file, binary)?;
    let config =
        Bootstrap::default().filter(samples::filter(&file.to_string_lossy())).route(direct("/", 200));
    let (taken, log) = Envoy::validate(&config.to_json().to_string())?;
    let says = |text: &str| log.contains(text);
    let fate = if taken {
        Fate::Runs
    } else if says("Failed to parse corrupted Wasm module") {
        Fate::NoModule
    } else if says("Missing or unknown Proxy-Wasm ABI version") {
        Fate::NoMarker
    } else if says("due to a missing import") {
        Fate::Import
    } else if says("due to an import type mismatch") {
        Fate::ImportType
    } else if says("Bad function signature for") {
        Fate::ExportType
    } else if says("is missing malloc function") {
        Fate::NoAllocator
    } else if says("Failed to load Wasm bytecode") {
        Fate::Compile
    } else if says("Failed to start base Wasm") || says("Failed to configure base Wasm plugin") {
        Fate::Refuses
    } else {
        Fate::Start
    };
    Ok((fate, log))
}

#[test]
fn modules_load_where_they_load_in_envoy() -> Result<()> {
    let engine = Engine::builder().cache_dir(None).build()?;
    let folder =
        countersign_tests::root().join("target/envoy").join(format!("shapes-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut differences = Vec::new();
    for (name, bytes) in shapes() {
        let (real, log) = really(&bytes, &folder.join("module.wasm")).with_context(|| name.clone())?;
        let simulated = simulated(&engine, &bytes);
        let same = simulated == real
            // Envoy reads a component as a module without exports.
            || (name == "a component" && real == Fate::NoMarker)
            || (name == "the older exceptions" && simulated == Fate::Compile && real == Fate::Runs);
        if !same {
            differences.push(format!("{name}: {simulated:?} here, {real:?} in Envoy:\n{log}"));
        }
    }
    std::fs::remove_dir_all(&folder)?;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

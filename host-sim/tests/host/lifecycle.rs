//! Loading, starting, configuring and restarting.

use std::path::Path;
use std::time::Duration;

use crate::common::{MALLOC, MARKER, builder, load, logged, raw, start, wat};
use countersign_host_sim::{
    AbiVersion, Clock, Engine, FailureKind, LoadError, LogLevel, Outcome, Request, StartFailure,
};

#[test]
fn versions_are_told_by_their_marker() {
    assert_eq!(load(&wat("")).unwrap().abi_version(), AbiVersion::V0_2_1);
    let none = load(&raw(MALLOC)).err().unwrap();
    assert!(matches!(none, LoadError::NotProxyWasm { found: None }), "{none}");
    let later = load(&raw(&format!(r#"{MALLOC} (func (export "proxy_abi_version_0_9_0"))"#))).err().unwrap();
    assert!(later.to_string().contains("found `proxy_abi_version_0_9_0`"), "{later}");
}

#[test]
fn what_is_missing_is_named() {
    let no_allocator = load(&raw(MARKER)).err().unwrap();
    assert!(no_allocator.to_string().contains("proxy_on_memory_allocate"), "{no_allocator}");
    let strange = r#"(module (import "env" "proxy_teleport" (func)) (import "other" "f" (func))
        (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_0"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#;
    let strange = load(strange).err().unwrap();
    assert!(strange.to_string().contains("`env.proxy_teleport`, `other.f`"), "{strange}");
    let no_memory = r#"(module (func (export "proxy_abi_version_0_2_0"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#;
    assert!(matches!(load(no_memory), Err(LoadError::MissingExport(_))));
    assert!(matches!(load("(module"), Err(LoadError::Text { line: 1, .. })));
}

#[test]
fn functions_of_other_versions_are_missing_and_wrong_types_are_told() {
    let old = r#"(module (import "env" "proxy_get_log_level" (func (param i32) (result i32)))
        (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_0"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#;
    assert!(matches!(load(old), Err(LoadError::MissingImports(_))));
    let import = r#"(module (import "env" "proxy_log" (func (param i64)))
        (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_0"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#;
    assert!(matches!(load(import), Err(LoadError::Signature(_))));
    let export = load(&wat(r#"(func (export "proxy_on_tick") (param i64))"#)).err().unwrap();
    assert!(export.to_string().contains("export `proxy_on_tick` is (i64), expected (i32)"), "{export}");
}

#[test]
fn starts_in_order_and_hands_out_configurations() {
    let mut host = builder(
        r#"(func (export "_initialize") (call $say @"initialize"))
           (func (export "proxy_on_context_create") (param i32 i32)
             (call $say_number (local.get 0)) (call $say_number (local.get 1)))
           (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
             (drop (call $get_buffer (i32.const 6) (i32.const 0) (local.get 1) (i32.const 16) (i32.const 20)))
             (call $say_result)
             (call $say_number (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 9) (i32.const 16) (i32.const 20)))
             (i32.const 1))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 16) (i32.const 20)))
             (call $say_result)
             (i32.const 1))"#,
    )
    .vm_config("vm")
    .plugin_config("plugin")
    .start()
    .unwrap();
    assert_eq!(logged(&mut host), ["initialize", "01", "00", "vm", "01", "plugin"]);
}

#[test]
fn compiled_code_is_kept_where_it_is_told() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    // What an earlier run left; there may be nothing.
    let _ = std::fs::remove_dir_all(&dir);
    let engine = Engine::builder().cache_dir(Some(&dir)).build().unwrap();
    engine.load_module(wat("").as_bytes()).unwrap();
    assert!(std::fs::read_dir(&dir).unwrap().count() > 0);
}

#[test]
fn a_refused_configuration_comes_with_the_log() {
    let body = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (call $say @"no such field") (i32.const 0))"#;
    let error = builder(body).start().err().unwrap();
    assert!(matches!(error.reason, StartFailure::Configuration));
    assert!(error.to_string().contains("no such field"), "{error}");
    let body = r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 0))"#;
    assert!(matches!(builder(body).start().err().unwrap().reason, StartFailure::VmConfiguration));
}

#[test]
fn host_calls_are_restricted_while_a_module_starts() {
    for call in ["(call $tick_period (i32.const 1))", "(call $time (i32.const 16))"] {
        let body = format!(r#"(func (export "_initialize") (drop {call}))"#);
        let error = builder(&body).start().err().unwrap();
        let StartFailure::Trap(failure) = error.reason else { panic!("{error}") };
        assert_eq!((failure.kind, failure.callback), (FailureKind::Restricted, "_initialize"));
    }
    let body = r#"(func (export "_initialize") (call $say @"here")
        (drop (call $random (i32.const 16) (i32.const 8))))"#;
    start(body);
}

#[test]
fn ticks_come_on_the_virtual_clock() {
    let mut host = start(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_period (i32.const 100))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32)
             (drop (call $time (i32.const 16)))
             (call $say_number (i32.wrap_i64 (i64.div_u (i64.load (i32.const 16)) (i64.const 100000000)))))"#,
    );
    host.advance(Duration::from_millis(99));
    assert!(logged(&mut host).is_empty());
    host.advance(Duration::from_millis(251));
    assert_eq!(logged(&mut host), ["01", "02", "03"]);
    assert_eq!(host.now(), 350_000_000);
}

#[test]
fn the_systems_clock_is_advanced_as_well() {
    let body = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_period (i32.const 10000))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32)
             (drop (call $time (i32.const 16)))
             (call $say_number (i32.wrap_i64
               (i64.rem_u (i64.div_u (i64.load (i32.const 16)) (i64.const 10000000000)) (i64.const 100)))))"#;
    let mut host = builder(body).clock(Clock::real()).start().unwrap();
    let before = host.now();
    host.advance(Duration::from_secs(35));
    let ticks: Vec<u64> = logged(&mut host).iter().map(|line| line.parse().unwrap()).collect();
    // One after the other, each at its time, and no more.
    assert_eq!(ticks.len(), 3);
    assert!(ticks.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 100), "{ticks:?}");
    assert!(host.now() >= before + 35_000_000_000);
    host.step_clock(-35);
    assert!(host.now() < before + 35_000_000_000);
}

#[test]
fn a_clock_that_is_set_moves_no_tick() {
    let mut host = start(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_period (i32.const 100))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32)
             (drop (call $time (i32.const 16)))
             (call $say_number (i32.wrap_i64 (i64.div_u (i64.load (i32.const 16)) (i64.const 100000000)))))"#,
    );
    host.advance(Duration::from_millis(50));
    for (step, ticked) in [(2, "21"), (-1, "12")] {
        host.step_clock(step);
        host.advance(Duration::from_millis(49));
        assert!(logged(&mut host).is_empty());
        host.advance(Duration::from_millis(51));
        assert_eq!(logged(&mut host), [ticked]);
    }
}

#[test]
fn a_stream_is_created_logged_done_and_deleted() {
    let mut host = start(
        r#"(func (export "proxy_on_context_create") (param i32 i32) (call $say @"create"))
           (func (export "proxy_on_log") (param i32)
             (call $say @"log")
             (drop (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))
             (call $say_result))
           (func (export "proxy_on_done") (param i32) (result i32) (call $say @"done") (i32.const 1))
           (func (export "proxy_on_delete") (param i32) (call $say @"delete"))"#,
    );
    host.run(&Request::get("/p"));
    assert_eq!(logged(&mut host), ["create", "create", "log", "/p", "done", "delete"]);
}

#[test]
fn a_rejected_configuration_leaves_the_old_one_at_work() {
    let mut host = builder(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.lt_u (local.get 1) (i32.const 5)))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say @"seen") (i32.const 0))"#,
    )
    .plugin_config("good")
    .start()
    .unwrap();
    assert!(host.reconfigure("not good").is_err());
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["seen"]);
    host.reconfigure("fine").unwrap();
    host.restart(0).unwrap();
}

#[test]
fn lines_below_the_level_are_not_kept() {
    let body =
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (call $say @"x") (i32.const 1))"#;
    let mut host = builder(body).log_level(LogLevel::Warn).start().unwrap();
    assert!(host.take_logs().is_empty());
}

#[test]
fn a_restart_ends_the_streams_of_the_old_vm() {
    let body = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#;
    let mut host = start(body);
    let stream = host.request(&Request::get("/"));
    assert_eq!(host.outcome(stream), Outcome::Paused);
    host.restart(0).unwrap();
    let other = host.request(&Request::get("/"));
    assert_ne!(stream, other);
    assert_eq!(host.outcome(stream), Outcome::Paused, "as it was when it ended");
}

#[test]
fn random_bytes_repeat_with_the_seed_and_differ_between_workers() {
    let body = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $random (i32.const 32) (i32.const 8)))
        (drop (call $add (i32.const 0) @"x-random" (i32.const 32) (i32.const 8))) (i32.const 0))"#;
    let run = |seed, worker| {
        let mut host = builder(body).seed(seed).workers(2).start().unwrap();
        let stream = host.request_on(worker, &Request::get("/"));
        host.outcome(stream).forwarded().unwrap().headers.get("x-random").unwrap().to_vec()
    };
    assert_eq!(run(1, 0), run(1, 0));
    assert_ne!(run(1, 0), run(2, 0));
    assert_ne!(run(1, 0), run(1, 1));
}

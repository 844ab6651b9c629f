//! Proposals beyond WebAssembly 1.0 that Envoy's engine takes: they run here, within the same limits; what does not run is told.

use std::time::Duration;

use countersign_host_sim::{FailureKind, Limits, Request, StartFailure};

use crate::common::{builder, load, logged, wat};

fn on_headers(body: &str) -> String {
    format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $i i32) {body} (i32.const 0))"#
    )
}

/// What a module says whose memory is as given, in the place of the plain one.
fn said_with_memory(memory: &str, body: &str) -> Vec<String> {
    let text = wat(&on_headers(body)).replace(r#"(memory (export "memory") 4)"#, memory);
    let mut host = load(&text).unwrap().host().start().unwrap();
    host.run(&Request::get("/"));
    logged(&mut host)
}

/// What a module says, and why its VM failed, where it did.
fn run(parts: &str, body: &str, limits: Limits) -> (Vec<String>, Option<(FailureKind, String)>) {
    let mut host = builder(&format!("{parts} {}", on_headers(body))).limits(limits).start().unwrap();
    let outcome = host.run(&Request::get("/"));
    let failure = outcome.failure().map(|failure| (failure.kind, failure.message.clone()));
    (logged(&mut host), failure)
}

#[test]
fn exceptions_are_caught_and_told() {
    let tag = "(tag $t (param i32)) (func $f (throw $t (i32.const 7)))";
    let caught =
        r#"(call $say_number (block $h (result i32) (try_table (catch $t $h) (call $f)) (i32.const 0)))"#;
    assert_eq!(run(tag, caught, Limits::default()), (vec!["07".to_owned()], None));
    let all = r#"(block $h (result exnref) (try_table (catch_all_ref $h) (call $f)) unreachable) drop (call $say @"all")"#;
    assert_eq!(run(tag, all, Limits::default()), (vec!["all".to_owned()], None));
    let (_, failure) = run(tag, "(call $f)", Limits::default());
    assert_eq!(failure, Some((FailureKind::Trap, "an exception that nothing caught".to_owned())));
    // What the host ends is not for the guest to catch.
    let limits = Limits { callback_deadline: Duration::from_millis(20), ..Limits::default() };
    let (_, failure) = run(tag, "(block $h (try_table (catch_all $h) (loop (br 0))))", limits);
    assert_eq!(failure.map(|(kind, _)| kind), Some(FailureKind::Deadline));
}

#[test]
fn an_allocator_that_throws_ends_the_vm() {
    let text = wat(&format!(
        r#"(tag $t) {}"#,
        on_headers(
            r#"(block $h (try_table (catch_all $h) (drop (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))))
               (call $say @"caught")"#
        )
    ))
    .replace("(local $at i32)", "(local $at i32) (throw $t)");
    let mut host = load(&text).unwrap().host().start().unwrap();
    let outcome = host.run(&Request::get("/"));
    assert_eq!(outcome.failure().map(|failure| failure.kind), Some(FailureKind::Trap));
    assert!(outcome.failure().unwrap().message.contains("the allocator threw"), "{outcome:?}");
    assert!(logged(&mut host).is_empty());
}

const ARRAY: &str =
    "(type $a (array (mut i8))) (type $l (struct (field (ref null $a)) (field (ref null $l))))
    (global $keep (mut (ref null $l)) (ref.null $l))";

#[test]
fn what_is_collected_is_bounded_with_the_memory() {
    let limits = || Limits { memory_bytes: 16 << 20, ..Limits::default() };
    // 100 MiB of garbage, a MiB at a time, in 16 MiB.
    let garbage = r#"(loop $l (drop (array.new_default $a (i32.const 1048576)))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))) (call $say @"done")"#;
    assert_eq!(run(ARRAY, garbage, limits()), (vec!["done".to_owned()], None));
    // The same, and all of it is kept.
    let kept = garbage.replace(
        "(drop (array.new_default $a (i32.const 1048576)))",
        "(global.set $keep (struct.new $l (array.new_default $a (i32.const 1048576)) (global.get $keep)))",
    );
    let (said, failure) = run(ARRAY, &kept, limits());
    assert_eq!((said, failure.map(|(kind, _)| kind)), (Vec::new(), Some(FailureKind::Trap)));
    // One that never fits.
    let (_, failure) = run(ARRAY, "(drop (array.new_default $a (i32.const -1)))", limits());
    assert_eq!(failure.map(|(kind, _)| kind), Some(FailureKind::Trap));
}

#[test]
fn what_is_collected_takes_from_the_linear_memory() {
    let body = r#"(global.set $keep (struct.new $l (array.new_default $a (i32.const 4194304)) (ref.null $l)))
        (call $say_number (i32.add (memory.grow (i32.const 200)) (i32.const 1)))"#;
    let limits = || Limits { memory_bytes: 16 << 20, ..Limits::default() };
    assert_eq!(run(ARRAY, body, limits()).0, ["00"], "13 of 16 MiB are not left");
    let alone = r#"(call $say_number (i32.add (memory.grow (i32.const 200)) (i32.const 1)))"#;
    assert_eq!(run(ARRAY, alone, limits()).0, ["05"]);
}

#[test]
fn collecting_does_not_outlast_the_deadline() {
    let limits =
        Limits { memory_bytes: 16 << 20, callback_deadline: Duration::from_millis(50), ..Limits::default() };
    let body = r#"(loop $l (drop (array.new_default $a (i32.const 65536))) (br $l))"#;
    assert_eq!(run(ARRAY, body, limits).1.map(|(kind, _)| kind), Some(FailureKind::Deadline));
}

#[test]
fn shared_memory_is_memory() {
    let memory = r#"(memory (export "memory") 4 8 shared)"#;
    let body = r#"(call $say @"shared")
        (call $say_number (i32.atomic.rmw.add (i32.const 4096) (i32.const 3)))
        (call $say_number (i32.atomic.load (i32.const 4096)))
        (call $say_number (memory.atomic.notify (i32.const 4096) (i32.const 1)))
        (call $say_number (memory.grow (i32.const 4)))
        (call $say_number (i32.add (memory.grow (i32.const 1)) (i32.const 1)))"#;
    assert_eq!(said_with_memory(memory, body), ["shared", "00", "03", "00", "04", "00"]);
    let second = r#"(memory (export "memory") 4) (memory $s 1 1 shared)"#;
    assert_eq!(said_with_memory(second, r#"(call $say_number (i32.atomic.load $s (i32.const 0)))"#), ["00"]);
}

#[test]
fn waiting_traps() {
    for memory in [r#"(memory (export "memory") 4)"#, r#"(memory (export "memory") 4 8 shared)"#] {
        let body = on_headers("(drop (memory.atomic.wait32 (i32.const 4096) (i32.const 0) (i64.const -1)))");
        let text = wat(&body).replace(r#"(memory (export "memory") 4)"#, memory);
        let mut host = load(&text).unwrap().host().start().unwrap();
        let outcome = host.run(&Request::get("/"));
        assert_eq!(outcome.failure().map(|failure| failure.kind), Some(FailureKind::Trap), "{memory}");
    }
}

#[test]
fn shared_memory_of_others_is_refused() {
    let text = wat("").replace(
        r#"(memory (export "memory") 4)"#,
        r#"(import "env" "memory" (memory 4 8 shared)) (export "memory" (memory 0))"#,
    );
    // Imports come first in a module.
    let import = r#"(import "env" "memory" (memory 4 8 shared))"#;
    let text = text.replace(import, "").replacen("(module", &format!("(module {import}"), 1);
    let error = load(&text).unwrap().host().start().err().unwrap();
    let StartFailure::Trap(failure) = error.reason else { panic!("{error}") };
    assert!(failure.message.contains("`env.memory` as a shared memory"), "{failure}");
    let endless = wat("").replace(r#"(memory (export "memory") 4)"#, "");
    assert!(load(&endless.replacen(")\n  (global $heap", ") (memory 1 shared) (global $heap", 1)).is_err());
}

#[test]
fn what_does_not_run_is_told() {
    for (body, word) in [
        ("(tag $e) (func try throw $e catch $e end)", "-sWASM_LEGACY_EXCEPTIONS=0"),
        ("(memory 1 (pagesize 1))", "64 KiB"),
        (
            "(func (result i64 i64) (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)))",
            "wide",
        ),
    ] {
        let error = load(&wat(body)).err().unwrap_or_else(|| panic!("it loads: {body}")).to_string();
        assert!(error.starts_with("module does not compile: ") && error.contains(word), "{error}");
    }
}

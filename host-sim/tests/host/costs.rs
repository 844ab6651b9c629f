//! Modules that are small to read and big to compile are refused before they are compiled.

use std::time::Duration;

use countersign_host_sim::{Engine, LoadError};

use crate::common::{engine, wat};

/// Why a module is refused, which must be what it costs.
fn refused(body: &str) -> String {
    match engine().load_module(wat(body).as_bytes()) {
        Err(LoadError::TooCostly(why)) => why,
        Err(error) => panic!("refused for another reason: {error}"),
        Ok(_) => panic!("it loads"),
    }
}

fn loads(body: &str) {
    if let Err(error) = engine().load_module(wat(body).as_bytes()) {
        panic!("{error}");
    }
}

fn nested(depth: usize, open: &str, inner: &str, close: &str) -> String {
    [&open.repeat(depth), inner, &close.repeat(depth)].concat()
}

/// A loop that may go round again.
const LOOP: &str = "loop local.get 0 br_if 0 end ";

#[test]
fn loops_are_bounded() {
    loads(&format!("(func (param i32) {})", LOOP.repeat(50)));
    assert!(refused(&format!("(func (param i32) {})", LOOP.repeat(5000))).contains("fewer loops"));
    let deep =
        |depth| format!("(func (param i32) {})", nested(depth, "loop ", "", "local.get 0 br_if 0 end "));
    loads(&deep(40));
    refused(&deep(2000));
}

/// So many functions of 49,000 locals each, in eight bytes a function.
fn many_locals(functions: u32) -> Vec<u8> {
    let leb = |n: u32| {
        [n as u8 & 0x7f | 0x80, (n >> 7) as u8 & 0x7f | 0x80, (n >> 14) as u8 & 0x7f | 0x80, (n >> 21) as u8]
    };
    let section = |id: u8, body: &[u8]| [&[id][..], &leb(body.len() as u32), body].concat();
    let all = |body: &[u8]| section_body(&leb(functions), body, functions);
    let body = [&[7, 1][..], &leb(49_000), &[0x7e, 0x0b]].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &all(&[0])),
        section(10, &all(&body)),
    ]
    .concat()
}

fn section_body(count: &[u8], item: &[u8], times: u32) -> Vec<u8> {
    [count, &item.repeat(times as usize)].concat()
}

#[test]
fn locals_are_bounded_together() {
    loads(&format!("(func (local{}))", " i64".repeat(5000)));
    let refused = engine().load_module(&many_locals(6200)).err().unwrap();
    assert!(matches!(&refused, LoadError::TooCostly(why) if why.contains("all its functions")), "{refused}");
    // Few of them are compiled, and lack a marker.
    let few = engine().load_module(&many_locals(2)).err().unwrap();
    assert!(matches!(few, LoadError::NotProxyWasm { .. }), "{few}");
}

#[test]
fn wide_types_are_bounded() {
    let values = " i64".repeat(500);
    let wide = format!("(type $w (func (param{values}) (result{values})))");
    let body = |calls: usize| {
        format!(
            "{wide} (func $f (type $w) unreachable) (func (type $w) {} {})",
            (0..500).map(|n| format!("local.get {n} ")).collect::<String>(),
            "call $f ".repeat(calls)
        )
    };
    loads(&body(2));
    refused(&body(1000));
    let blocks =
        format!("{wide} (func (type $w) {} unreachable)", nested(2000, "block (type $w) ", "", "end "));
    refused(&blocks);
}

#[test]
fn handlers_around_calls_are_bounded() {
    let body = |depth: usize, calls: usize| {
        let open = "block $h try_table (catch_all $h) ";
        format!("(func $f) (func {})", nested(depth, open, &"call $f ".repeat(calls), "end end "))
    };
    loads(&body(10, 10));
    refused(&body(300, 300));
}

#[test]
fn references_across_calls_are_bounded() {
    let body = |locals: usize, calls: usize| {
        format!("(func $f) (func (local{}) {})", " externref".repeat(locals), "call $f ".repeat(calls))
    };
    loads(&body(50, 50));
    refused(&body(10_000, 10_000));
}

#[test]
fn jump_tables_are_bounded() {
    let jump = |entries: usize| {
        format!("block (result i32) i32.const 0 local.get 0 br_table{} end drop ", " 0".repeat(entries))
    };
    loads(&format!("(func (param i32) {})", jump(1000)));
    refused(&format!("(func (param i32) {})", jump(60_000).repeat(25)));
}

#[test]
fn items_are_bounded() {
    assert!(refused(&"(global i32 (i32.const 0))".repeat(200_001)).contains("globals"));
    assert!(refused(&"(func)".repeat(200_001)).contains("functions"));
    assert!(refused(&"(data \"\")".repeat(100_000 * 2 + 1)).contains("data segments"));
}

#[test]
fn the_text_form_is_bounded() {
    let long = format!("(module {})", " ".repeat(17 << 20));
    assert!(matches!(engine().load_module(long.as_bytes()), Err(LoadError::TooLarge { .. })));
    let deep = format!("(module {} {})", "(func ".repeat(100_000), ")".repeat(100_000));
    assert!(engine().load_module(deep.as_bytes()).is_err());
    let folded = format!("(module (func {} nop {}))", "(block ".repeat(100_000), ")".repeat(100_000));
    assert!(engine().load_module(folded.as_bytes()).is_err());
}

#[test]
fn a_module_that_is_compiled_for_too_long_is_refused() {
    let engine = Engine::builder().cache_dir(None).compile_deadline(Duration::ZERO).build().unwrap();
    let text = wat("");
    for _ in 0..2 {
        let error = engine.load_module(text.as_bytes()).err().unwrap();
        assert!(
            matches!(error, LoadError::CompileDeadline(_))
                || error.to_string().contains("still being compiled"),
            "{error}"
        );
    }
}

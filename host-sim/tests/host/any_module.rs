//! Modules with bytes changed, cut out or put in: each loads or is told about, and what loads runs within its limits.

use std::time::Duration;

use countersign_host_sim::{Inspection, Limits, Profile, Request};
use proptest::prelude::*;

use crate::common::{engine, wat};

/// A module of all that a module can be made of.
fn rich() -> Vec<u8> {
    let body = r#"
        (type $s (struct (field (mut i32)) (field (ref null $s)))) (type $a (array (mut i8))) (type $f (func (param i32) (result i32)))
        (rec (type $x (struct (field (ref null $y)))) (type $y (struct (field (ref null $x)))))
        (tag $t (param i32)) (memory $m 1 2 shared) (table $r 4 funcref) (table $e 2 externref)
        (global $keep (mut (ref null $s)) (ref.null $s)) (elem declare func $g) (elem (table $r) (i32.const 0) func $g $g)
        (data $d "passive") (data (i32.const 4096) "some data")
        (func $g (type $f) (return_call_indirect $r (type $f) (local.get 0) (i32.const 9)))
        (func $v (param v128) (result i32) (i32x4.extract_lane 0 (i32x4.add (local.get 0) (v128.const i32x4 1 2 3 4))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local i32 i64 externref)
          (global.set $keep (struct.new $s (i32.const 1) (global.get $keep)))
          (drop (array.new_default $a (i32.const 300)))
          (drop (block $h (result i32) (try_table (catch $t $h) (throw $t (i32.const 5))) (i32.const 0)))
          (loop $l (block $b (br_table $b $l $b (i32.load (i32.const 4096)))))
          (drop (i32.atomic.rmw.add $m (i32.const 0) (i32.const 1)))
          (memory.init $d (i32.const 64) (i32.const 0) (i32.const 7)) (memory.fill (i32.const 80) (i32.const 1) (i32.const 8))
          (table.set $e (i32.const 1) (local.get 5)) (drop (table.grow $e (ref.null extern) (i32.const 3)))
          (drop (memory.grow (i32.const 1))) (drop (call $v (v128.const i32x4 1 2 3 4)))
          (drop (call_ref $f (i32.const 1) (ref.func $g)))
          (i32.const 0))"#;
    wat::parse_str(wat(body)).unwrap()
}

#[test]
fn the_rich_module_runs() {
    let mut host = engine().load_module(&rich()).unwrap().host().start().unwrap();
    // Its calls of itself end in an element that is not there.
    assert!(host.run(&Request::get("/")).failure().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_module_has_an_answer(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..6),
    ) {
        let mut module = rich();
        for (place, kind, byte) in changes {
            let at = place.index(module.len());
            match kind {
                0 => module[at] = byte,
                1 => module[at] ^= 1 << (byte % 8),
                2 => drop(module.remove(at)),
                _ => module.insert(at, byte),
            }
        }
        let inspection = Inspection::read(&module);
        let Ok(loaded) = engine().load_module(&module) else { return Ok(()) };
        let inspection = inspection.unwrap();
        // A memory that is bigger than a VM may have is told at the start.
        if inspection.memory.is_some_and(|memory| memory.initial <= 1 << 30) {
            prop_assert!(inspection.fit(Profile::Envoy).runs(), "{:?}", inspection.fit(Profile::Envoy));
        }
        let limits = Limits {
            memory_bytes: 1 << 24,
            table_elements: 1000,
            callback_deadline: Duration::from_millis(50),
            host_calls: 1000,
            ..Limits::default()
        };
        let Ok(mut host) = loaded.host().limits(limits).start() else { return Ok(()) };
        host.run(&Request::get("/"));
        prop_assert!(host.memory_size(0) <= 1 << 24);
    }
}

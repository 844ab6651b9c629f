//! A module that has the gateway verify one signature for each request, reads the request's headers, and does nothing else: what
//! any filter costs that needs both.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result};
use countersign_core::crypto::Algorithm;
use countersign_core::crypto::lent::{Answer, Lender, Lent, NoAnswer, Question};

/// The argument is at 1,024. The host's buffers go to 65,536 and on, and are given up with the request.
const TEXT: &str = r#"(module
  (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_call_foreign_function" (func $call (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 16) "verify_signature")
  (data (i32.const 1024) "ARGUMENT")
  (global $free (mut i32) (i32.const 65536))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "_initialize"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (global.get $free)
    (global.set $free (i32.add (global.get $free) (local.get $size))))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (global.set $free (i32.const 65536))
    (drop (call $pairs (i32.const 0) (i32.const 48) (i32.const 52)))
    ;; Nobody is let in on a wrong answer: a gateway that does not verify is not measured.
    (if (call $call (i32.const 16) (i32.const 16) (i32.const 1024) (i32.const LENGTH) (i32.const 56) (i32.const 60))
      (then (return (i32.const 1))))
    (i32.ne (i32.load16_u (i32.load (i32.const 56))) (i32.const 0x0108)))
  (func (export "proxy_on_delete") (param i32)))
"#;

/// Writes the module for an algorithm.
pub(crate) fn module(folder: &Path, algorithm: Algorithm) -> Result<PathBuf> {
    let argument = question(algorithm).context("no known answer for the algorithm")?;
    let escaped: String = argument.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let text = TEXT.replace("ARGUMENT", &escaped).replace("LENGTH", &argument.len().to_string());
    let file = folder.join(format!("floor-{algorithm}.wasm"));
    fs::write(&file, wat::parse_str(text)?)?;
    Ok(file)
}

/// The first thing that a host is asked about an algorithm: a good signature.
fn question(algorithm: Algorithm) -> Option<Vec<u8>> {
    struct Listener(Rc<RefCell<Option<Vec<u8>>>>);
    impl Lender for Listener {
        fn ask(&self, question: &Question<'_>) -> Result<Answer, NoAnswer> {
            self.0.borrow_mut().get_or_insert_with(|| question.to_protobuf());
            Err(NoAnswer)
        }
    }
    let heard = Rc::new(RefCell::new(None));
    Lent::examine(Listener(Rc::clone(&heard)), &[algorithm]);
    heard.take()
}

//! An allow allocates nothing.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    path::Path,
};

use countersign_compiler::{CompileOptions, compile, load_pack};
use countersign_core::policy::{Datetime, Entity, EntityUid, Image, Record, Request, Ruling, evaluate};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all work is the system allocator's; counting touches only a thread-local cell.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // The cell is gone while the thread ends; nothing is counted then.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_allow_allocates_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/fraud-scoring");
    let compiled = compile(&load_pack(folder).expect("pack"), &CompileOptions::default()).expect("compiles");
    let image = Image::decode(&compiled.image).expect("usable");

    let mut alice = Entity::new(EntityUid::new("User", "alice"));
    alice.attributes = Record::new().with("tenant", "acme").with("region", "eu");
    alice.parents.push(EntityUid::new("Role", "customer"));
    alice.parents.push(EntityUid::new("Role", "senior-analyst"));
    let mut transfer = Entity::new(EntityUid::new("Transfer", "t-1"));
    transfer.attributes = Record::new().with("tenant", "acme");
    let context = Record::new()
        .with("environment", "production")
        .with("time", countersign_core::policy::Value::Datetime(Datetime(0)))
        .with("transaction", Record::new().with("class", "wire").with("amount", 100))
        .with("workload", EntityUid::new("Workload", "spiffe://bank.example/edge"));
    let action = EntityUid::new("Action", "ScoreTransfer");
    let request = Request {
        principal: &alice.uid,
        action: &action,
        resource: &transfer.uid,
        context: &context,
        entities: &[&alice, &transfer],
    };

    let before = ALLOCATIONS.get();
    let outcome = evaluate(&image, &request);
    let allocations = ALLOCATIONS.get() - before;
    assert_eq!(outcome.ruling(), Ruling::Permitted);
    assert_eq!(outcome.determining().len(), 3);
    assert_eq!(allocations, 0);
}

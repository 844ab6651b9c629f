//! An allow allocates nothing.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    path::Path,
};

use cedar_policy::Entities;
use countersign_compiler::{CompileOptions, compile, compile_set, load_pack};
use countersign_core::policy::{
    Datetime, Entity, EntityUid, Image, Outcome, Record, Request, Ruling, Value, evaluate,
};

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
        .with("time", Value::Datetime(Datetime(0)))
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

    let (outcome, allocations) = counted(&image, &request);
    assert_eq!(outcome.ruling(), Ruling::Permitted);
    assert_eq!(outcome.determining().len(), 3);
    assert_eq!(allocations, 0);
}

fn counted(image: &Image, request: &Request<'_>) -> (Outcome, usize) {
    let before = ALLOCATIONS.get();
    let outcome = evaluate(image, request);
    (outcome, ALLOCATIONS.get() - before)
}

#[test]
fn an_allow_among_a_thousand_conditions_allocates_nothing() {
    let policies: String = (0..1000)
        .map(|at| {
            format!(
                "permit(principal in Role::\"r{}\", action, resource) when {{
                    principal.tenant == resource.tenant && principal.dept == \"d{at}\"
                    && resource.tags.contains(\"t{at}\") && context.amount < {}
                }};",
                at % 7,
                at * 10 + 10
            )
        })
        .collect();
    let set = policies.parse().expect("policies");
    let compiled = compile_set(&set, None, None, &Entities::empty()).expect("compiles");
    let image = Image::decode(&compiled.image).expect("usable");

    let mut alice = Entity::new(EntityUid::new("User", "alice"));
    alice.attributes = Record::new().with("tenant", "acme").with("dept", "d500");
    // Sixteen levels, and one role of the policies above them all.
    let mut groups: Vec<Entity> =
        (0..16).map(|at| Entity::new(EntityUid::new("Group", format!("g{at}")))).collect();
    alice.parents.push(groups[0].uid.clone());
    for at in 1..16 {
        let parent = groups[at].uid.clone();
        groups[at - 1].parents.push(parent);
    }
    groups[15].parents.push(EntityUid::new("Role", "r3"));
    let mut doc = Entity::new(EntityUid::new("Doc", "1"));
    doc.attributes = Record::new()
        .with("tenant", "acme")
        .with("tags", Value::set(["t1".into(), "t500".into(), "t9".into()]));
    let entities: Vec<&Entity> = groups.iter().chain([&alice, &doc]).collect();
    let action = EntityUid::new("Action", "read");
    let ask = |amount: i64| {
        let context = Record::new().with("amount", amount);
        let (principal, resource) = (&alice.uid, &doc.uid);
        let request =
            Request { principal, action: &action, resource, context: &context, entities: &entities };
        counted(&image, &request)
    };
    let (outcome, allocations) = ask(5009);
    assert_eq!((outcome.ruling(), outcome.determining().get(0)), (Ruling::Permitted, Some(500)));
    assert_eq!(allocations, 0);
    assert_eq!(ask(5010).0.ruling(), Ruling::NotPermitted);
}

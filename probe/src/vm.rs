//! What the module remembers. Nothing is held while the host is called, since it may call back.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::host::Call;
use crate::plan::{self, Phase, Script};

/// Level of the transcript's lines.
const INFO: u64 = 2;
/// The buffer of the VM's configuration.
const VM_CONFIGURATION: u64 = 6;
/// The map of the request's headers, and the one of them that names a script.
const REQUEST_HEADERS: u64 = 0;
const SCRIPT: &[u8] = b"x-script";

thread_local! {
    static ID: Cell<u32> = const { Cell::new(0) };
    static KEPT: RefCell<BTreeMap<&'static str, u32>> = const { RefCell::new(BTreeMap::new()) };
    static KEPT_BYTES: RefCell<BTreeMap<&'static str, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    /// Of each stream, and of the root as context 0: the one of the stream that came last, else the VM's own.
    static SCRIPTS: RefCell<BTreeMap<u32, &'static Script>> = const { RefCell::new(BTreeMap::new()) };
    static COUNTS: RefCell<BTreeMap<(u32, Phase), u32>> = const { RefCell::new(BTreeMap::new()) };
    static TRAP: RefCell<String> = const { RefCell::new(String::new()) };
    static ALLOCATED: RefCell<Vec<(u32, usize)>> = const { RefCell::new(Vec::new()) };
}

/// The root's place among the scripts.
const ROOT: u32 = 0;

/// Writes a line of the transcript, behind the VM's own number: gateways run several VMs of a module.
pub(crate) fn say(line: &str) {
    let line = format!("probe {:08x} {line}", ID.get());
    Call::proxy_log.invoke(&[INFO, line.as_ptr() as usize as u64, line.len() as u64]);
}

/// Remembers a number by a name.
pub(crate) fn keep(name: &'static str, number: u32) {
    KEPT.with_borrow_mut(|kept| kept.insert(name, number));
}

/// A number that was remembered; 0 where none was.
pub(crate) fn kept(name: &str) -> u32 {
    KEPT.with_borrow(|kept| kept.get(name).copied().unwrap_or(0))
}

/// Remembers bytes by a name.
pub(crate) fn keep_bytes(name: &'static str, bytes: Vec<u8>) {
    KEPT_BYTES.with_borrow_mut(|kept| kept.insert(name, bytes));
}

/// Bytes that were remembered; none where there are none.
pub(crate) fn kept_bytes(name: &str) -> Vec<u8> {
    KEPT_BYTES.with_borrow(|kept| kept.get(name).cloned().unwrap_or_default())
}

/// What the VM does when it comes to be.
pub(crate) fn begin() {
    if ID.get() != 0 {
        return;
    }
    let mut id = [0_u8; 4];
    Call::random_get.invoke(&[id.as_mut_ptr() as usize as u64, 4]);
    ID.set(u32::from_le_bytes(std::hint::black_box(id)) | 1);
    let name = asked(Call::proxy_get_buffer_bytes, &[VM_CONFIGURATION, 0, 100]);
    if let Some(script) = plan::script(&name) {
        SCRIPTS.with_borrow_mut(|scripts| scripts.insert(ROOT, script));
    }
}

/// The host calls: writes that down with the numbers it came with, asks what the script asks now, and answers.
pub(crate) fn called(phase: Phase, context: u32, numbers: &[u32]) -> u32 {
    begin();
    let shown: Vec<String> =
        std::iter::once(context).chain(numbers.iter().copied()).map(|n| n.to_string()).collect();
    say(&format!("{}({})", phase.name(), shown.join(", ")));
    let owner = if phase.is_roots() { ROOT } else { context };
    if phase == Phase::RequestHeaders || phase == Phase::NewConnection {
        keep("stream", context);
        let script = if phase == Phase::NewConnection {
            // Nothing of a connection says what is to be done with it: its VM does.
            SCRIPTS.with_borrow(|scripts| scripts.get(&ROOT).copied())
        } else {
            plan::script(&asked(
                Call::proxy_get_header_map_value,
                &[REQUEST_HEADERS, SCRIPT.as_ptr() as usize as u64, SCRIPT.len() as u64],
            ))
        };
        if let Some(script) = script {
            SCRIPTS.with_borrow_mut(|scripts| {
                scripts.insert(context, script);
                scripts.insert(ROOT, script);
            });
            // What the root does for this script is counted anew.
            COUNTS.with_borrow_mut(|counts| counts.retain(|(of, _), _| *of != ROOT));
        }
    }
    if phase == Phase::HttpCallResponse {
        keep("answered", numbers.first().copied().unwrap_or(0));
    }
    let nth = COUNTS.with_borrow_mut(|counts| {
        let count = counts.entry((owner, phase)).or_default();
        *count += 1;
        *count
    });
    let script = SCRIPTS.with_borrow(|scripts| scripts.get(&owner).copied());
    let step = script.and_then(|script| script.step(phase, nth));
    for probe in step.iter().flat_map(|step| step.questions()) {
        probe.ask(phase.name());
    }
    let answer = step.and_then(|step| step.answer).unwrap_or(phase.answer());
    if phase.answers() {
        say(&format!("{} = {answer}", phase.name()));
    }
    if phase == Phase::Delete {
        SCRIPTS.with_borrow_mut(|scripts| scripts.remove(&context));
        COUNTS.with_borrow_mut(|counts| counts.retain(|(of, _), _| *of != context));
    }
    answer
}

/// Asks for bytes without writing it down.
fn asked(call: Call, numbers: &[u64]) -> Vec<u8> {
    let mut out = [0_u32; 2];
    let at = out.as_mut_ptr() as usize as u64;
    forget_allocations();
    call.invoke(&[numbers, &[at, at + 4]].concat());
    let [at, size] = std::hint::black_box(out);
    take_back(at, size)
}

/// Memory for the host, written down.
pub(crate) fn allocate(size: usize) -> *mut u8 {
    let at = Box::leak(vec![0_u8; size].into_boxed_slice()).as_mut_ptr();
    ALLOCATED.with_borrow_mut(|all| all.push((at as usize as u32, size)));
    at
}

/// From now on allocations are counted anew. What the host did not give back is lost, which a test can bear.
pub(crate) fn forget_allocations() {
    ALLOCATED.with_borrow_mut(Vec::clear);
}

/// The sizes that the host asked for.
pub(crate) fn allocations() -> Vec<usize> {
    ALLOCATED.with_borrow(|all| all.iter().map(|(_, size)| *size).collect())
}

/// Bytes that the host says it put into memory that it asked for; nothing where it did not ask for so much.
pub(crate) fn take_back(at: u32, size: u32) -> Vec<u8> {
    let size = size as usize;
    let known = ALLOCATED.with_borrow(|all| all.iter().any(|(start, held)| *start == at && size <= *held));
    if known {
        // SAFETY: the host has filled memory of ours that is of this size and never freed.
        unsafe { std::slice::from_raw_parts(at as usize as *const u8, size) }.to_vec()
    } else {
        Vec::new()
    }
}

/// In a VM that its environment tells to, asks one function at a moment when hosts allow few: `PROBE_TRAP=initialize:name`
/// or `allocate:name`. What the host thinks of it, it shows by ending the VM or not.
pub(crate) fn trap(moment: &str) {
    let name = TRAP.with_borrow(|trap| trap.strip_prefix(moment)?.strip_prefix(':').map(str::to_owned));
    if let Some(call) = Call::ALL.iter().find(|call| Some(call.name()) == name.as_deref()) {
        call.invoke(&[]);
    }
}

/// Reads the environment, which is not to be had at every moment.
pub(crate) fn read_environment() {
    let first = environment();
    TRAP.set(first.strip_prefix("PROBE_TRAP=").unwrap_or_default().to_owned());
}

/// The first variable of the environment.
fn environment() -> String {
    let (mut pointers, mut text) = ([0_u32; 16], [0_u8; 1024]);
    Call::environ_get.invoke(&[pointers.as_mut_ptr() as usize as u64, text.as_mut_ptr() as usize as u64]);
    let text = std::hint::black_box(text);
    String::from_utf8_lossy(text.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

//! The module of `probe` in real Envoy and in the simulator: each line that it wrote down is the same, or the difference is known.

use anyhow::Result;
use countersign_tests::probe::compare::{RULES, Report};
use countersign_tests::probe::differences::DIFFERENCES;
use countersign_tests::probe::envoy::EnvoyProbe;
use countersign_tests::probe::exchanges::{BEHAVIOUR, CALLS, FATAL, alone};
use countersign_tests::probe::simulator::SimulatorProbe;
use countersign_tests::probe::tcp::{SESSIONS, through_envoy, through_simulator};
use countersign_tests::probe::{Gateway as _, traps};

/// So many lines are compared at least: fewer, and the module was not asked what it is there for.
const LINES: usize = 40_000;

#[test]
fn the_simulator_answers_as_envoy_does() -> Result<()> {
    let (mut envoy, mut simulator) = (EnvoyProbe::start()?, SimulatorProbe::start()?);
    let mut report = Report::default();
    for (number, exchange) in CALLS.iter().chain(BEHAVIOUR).enumerate() {
        let (theirs, ours) = (envoy.exchange(exchange)?, simulator.exchange(exchange)?);
        if number == 0 {
            // The first stream shows which VM it is whose beginning counts.
            report.add("beginning", &envoy.beginning(0)?, &simulator.beginning(0)?);
        }
        report.add(&format!("{number} {}", exchange.script), &theirs, &ours);
    }
    report.add("metrics", &envoy.metrics()?, &simulator.metrics()?);
    drop(envoy);
    let sessions = SESSIONS.iter().zip(through_envoy(SESSIONS)?).zip(through_simulator(SESSIONS)?);
    for (number, ((session, theirs), ours)) in sessions.enumerate() {
        report.add(&format!("connection {number} {}", session.script), &theirs, &ours);
    }
    println!("{} lines are alike, {} differences are known", report.same, report.known.len());
    for found in &report.unknown {
        println!("{}\n  envoy     {:?}\n  simulator {:?}", found.exchange, found.envoy, found.simulator);
    }
    assert!(report.unknown.is_empty(), "{} unknown differences", report.unknown.len());
    assert!(report.idle().is_empty(), "these differences are gone: {:#?}", report.idle());
    assert!(report.same >= LINES, "expected {LINES} lines, found {}", report.same);
    Ok(())
}

#[test]
fn the_same_calls_end_a_vm_while_it_is_initialised_and_while_it_allocates() -> Result<()> {
    let questions = traps::questions();
    let (envoy, simulator) = (traps::in_envoy(&questions)?, traps::in_simulator(&questions)?);
    let ended = |all: &std::collections::BTreeMap<String, bool>| {
        all.iter().filter(|(_, ended)| **ended).map(|(question, _)| question.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ended(&simulator), ended(&envoy));
    assert!(ended(&envoy).len() > questions.len() / 2 && ended(&envoy).len() < questions.len());
    println!("{} calls asked, {} end the VM", questions.len(), ended(&envoy).len());
    Ok(())
}

/// What can't be compared, since it ends the whole of Envoy. The simulator goes on.
#[test]
fn what_ends_envoy_ends_no_simulator() -> Result<()> {
    for (script, why) in FATAL {
        assert!(
            EnvoyProbe::start()?.ends(&alone(script))?,
            "`{script}`: {why}, and Envoy goes on: compare it"
        );
        let mut simulator = SimulatorProbe::start()?;
        let lines = simulator.exchange(&alone(script))?;
        assert!(lines.iter().any(|line| line.starts_with("delete(")), "`{script}`: {lines:#?}");
    }
    Ok(())
}

/// docs/fidelity.md tells what is compared and what differs.
#[test]
fn the_page_tells_what_is_compared() -> Result<()> {
    let page = std::fs::read_to_string(countersign_tests::root().join("docs/fidelity.md"))?;
    let mut expected: Vec<String> = DIFFERENCES.iter().map(|difference| difference.row()).collect();
    expected.extend(RULES.iter().map(|(rule, _)| format!("- {rule}")));
    expected.extend(FATAL.iter().map(|(script, why)| format!("- `{script}`: {why}")));
    expected.push(format!("{} requests", CALLS.len() + BEHAVIOUR.len()));
    expected.push(format!("{} connections", SESSIONS.len()));
    expected.push(format!("{} calls", traps::questions().len()));
    expected.push(format!("more than {},000 lines", LINES / 1000));
    let missing: Vec<&String> = expected.iter().filter(|text| !page.contains(text.as_str())).collect();
    assert!(missing.is_empty(), "docs/fidelity.md lacks: {missing:#?}");
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, DIFFERENCES.len(), "docs/fidelity.md has differences that the table does not have");
    Ok(())
}

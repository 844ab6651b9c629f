//! The module of `probe` in real Envoy and in the simulator: each line that it wrote down is the same, or the difference is known.

use anyhow::Result;
use countersign_tests::probe::compare::Report;
use countersign_tests::probe::envoy::EnvoyProbe;
use countersign_tests::probe::exchanges::{BEHAVIOUR, CALLS};
use countersign_tests::probe::simulator::SimulatorProbe;
use countersign_tests::probe::{Exchange, Gateway as _};

#[test]
fn the_simulator_answers_as_envoy_does() -> Result<()> {
    let (mut envoy, mut simulator) = (EnvoyProbe::start()?, SimulatorProbe::start()?);
    let mut report = Report::default();
    let exchanges: Vec<&Exchange> = CALLS.iter().chain(BEHAVIOUR).collect();
    let mut first = true;
    for (number, exchange) in exchanges.into_iter().enumerate() {
        let (left, right) = (envoy.exchange(exchange)?, simulator.exchange(exchange)?);
        if std::mem::take(&mut first) {
            report.add("beginning", &envoy.beginning(0)?, &simulator.beginning(0)?);
        }
        report.add(&format!("{number} {}", exchange.script), &left, &right);
    }
    report.add("metrics", &envoy.metrics()?, &simulator.metrics()?);
    println!("{} lines alike, {} known differences", report.same, report.known.len());
    for found in &report.unknown {
        println!("{}\n  envoy     {:?}\n  simulator {:?}", found.exchange, found.envoy, found.simulator);
    }
    assert!(report.unknown.is_empty(), "{} unknown differences", report.unknown.len());
    assert!(report.idle().is_empty(), "these differences are gone: {:#?}", report.idle());
    Ok(())
}

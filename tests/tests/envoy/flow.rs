//! The fraud-scoring flow on the simulator's gateway and on real Envoy with the real issuer: the same decisions,
//! layers and reasons.

use anyhow::Result;
use countersign_tests::flow::{self, EnvoyGateway, Gateway, Issuing, Row, SimulatorGateway, World};

/// Sends the flow, and holds every answer to the table.
fn send(issuing: Issuing, start: impl FnOnce(&World) -> Result<Box<dyn Gateway>>) -> Result<Vec<Row>> {
    let mut world = World::start(issuing)?;
    let gateway = start(&world)?;
    let rows = flow::run(&mut world, gateway.as_ref())?;
    assert!(flow::print(&rows), "unexpected answers from {}, see the table", gateway.name());
    let allowed = rows.iter().filter(|row| row.got.status == 200).count();
    assert_eq!(world.service.served(), allowed, "a refused request reached the service");
    assert_eq!(gateway.audit(rows.len())?.len(), rows.len(), "one audit line for each request");
    Ok(rows)
}

/// What both gateways must agree on, whatever the time and the issuer.
fn decided(row: &Row) -> serde_json::Value {
    let mut record = row.audit.clone();
    if let Some(record) = record.as_object_mut() {
        for varies in ["time", "decision_id", "issuer", "token_id", "token_cached", "waited_for"] {
            record.remove(varies);
        }
    }
    record
}

#[test]
fn both_gateways_decide_every_request_alike() -> Result<()> {
    let simulator = send(Issuing::BuiltIn, |world| Ok(Box::new(SimulatorGateway::start(world)?)))?;
    let envoy = send(Issuing::Provider, |world| Ok(Box::new(EnvoyGateway::start(world)?)))?;
    assert!(simulator.len() >= 16);
    assert_eq!(simulator.len(), envoy.len());
    for (simulated, real) in simulator.iter().zip(&envoy) {
        if simulated.expected != real.expected {
            // The first run was on one side of an hour's turn, the second on the other.
            assert!(simulated.scenario.by_day.is_some());
            continue;
        }
        assert_eq!(simulated.got, real.got, "{}", simulated.scenario.name);
        assert_eq!(decided(simulated), decided(real), "{}", simulated.scenario.name);
    }
    Ok(())
}

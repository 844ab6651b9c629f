//! The fraud-scoring flow: the same requests with the same outcome on the simulator and on real Envoy.

use anyhow::Result;
use countersign_tests::flow::{self, EnvoyGateway, Gateway, Issuing, SimulatorGateway, World};

#[test]
fn on_the_simulator() -> Result<()> {
    let mut world = World::start(Issuing::BuiltIn)?;
    let gateway = SimulatorGateway::start(&world)?;
    holds(&mut world, &gateway)
}

#[test]
fn on_envoy_with_a_real_issuer() -> Result<()> {
    let mut world = World::start(Issuing::Provider)?;
    let gateway = EnvoyGateway::start(&world)?;
    holds(&mut world, &gateway)
}

/// Every request gets what is expected, is audited once with the same outcome, and reaches the service only
/// where it was allowed.
fn holds(world: &mut World, gateway: &dyn Gateway) -> Result<()> {
    let rows = flow::run(world, gateway)?;
    assert!(flow::print(&rows), "unexpected answers from {}, see the table", gateway.name());
    let allowed = rows.iter().filter(|row| row.got.status == 200).count();
    assert_eq!(world.service.served(), allowed, "a refused request reached the service");
    let audit = gateway.audit(rows.len())?;
    assert_eq!(audit.len(), rows.len());
    for (row, record) in rows.iter().zip(&audit) {
        let name = row.scenario.name;
        let refused = row.got.status != 200;
        assert_eq!(record["decision"], if refused { "deny" } else { "allow" }, "{name}: {record}");
        assert_eq!(record["reason"].as_str().unwrap_or_default(), row.got.reason, "{name}: {record}");
        assert_eq!(record["layer"].as_str().unwrap_or_default(), row.got.layer, "{name}: {record}");
    }
    Ok(())
}

//! The fraud-scoring flow on real Envoy, with the real issuer.

use anyhow::Result;
use countersign_tests::flow::{self, EnvoyGateway, Issuing, World};

#[test]
fn every_request_gets_what_is_expected_and_is_audited_once() -> Result<()> {
    let mut world = World::start(Issuing::Provider)?;
    let gateway = EnvoyGateway::start(&world)?;
    let rows = flow::run(&mut world, &gateway)?;
    assert!(flow::print(&rows), "unexpected answers, see the table");
    let allowed = rows.iter().filter(|row| row.got.status == 200).count();
    assert_eq!(world.service.served(), allowed, "a refused request reached the service");
    let audit = gateway.envoy.audit_lines(rows.len())?;
    for (row, record) in rows.iter().zip(&audit) {
        assert_eq!(record["decision"], if row.got.status == 200 { "allow" } else { "deny" }, "{record}");
        if row.got.status != 200 {
            assert_eq!(record["reason"], row.got.reason, "{record}");
        }
    }
    assert_eq!(audit.len(), rows.len());
    Ok(())
}

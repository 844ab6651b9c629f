//! Who verifies signatures: the gateway where it lends its own verification and passes the known answers, else the module.

use crate::host::{self, Level};
use crate::telemetry::Telemetry;
use countersign_core::crypto::Algorithm;
use countersign_core::crypto::lent::{Answer, Lender, Lent, NoAnswer, Question};
use countersign_core::metrics::Counter;
use countersign_core::settings::Settings;
use std::rc::Rc;

/// The gateway's function.
const NAME: &str = "verify_signature";

/// The gateway's own verification.
pub(crate) struct Host;

impl Lender for Host {
    fn ask(&self, question: &Question<'_>) -> Result<Answer, NoAnswer> {
        let result = host::call_foreign_function(NAME, &question.to_protobuf());
        Answer::from_protobuf(&result.map_err(|_| NoAnswer)?)
    }
}

/// The provider of a worker, and what was said of it.
pub(crate) struct Signatures {
    pub(crate) provider: Rc<Lent<Host>>,
    /// By [`Algorithm::index`].
    told: [bool; Algorithm::ALL.len()],
    told_tables: usize,
}

impl Signatures {
    /// Examines the host in every algorithm that an issuer may use, and says what came of it.
    pub(crate) fn examine(settings: &Settings, telemetry: &Telemetry) -> Self {
        let algorithms: Vec<Algorithm> = settings.signature_algorithms().collect();
        let provider = Rc::new(Lent::examine(Host, &algorithms));
        let told = Algorithm::ALL.map(|algorithm| {
            let by_host = provider.by_host(algorithm);
            telemetry.set_by_host(algorithm, by_host);
            by_host
        });
        Self { provider, told, told_tables: 0 }
    }

    /// Says what the host failed at, and what was verified by tables, since the last time.
    pub(crate) fn report(&mut self, telemetry: &mut Telemetry) {
        let own = self.provider.own();
        telemetry.add(Counter::VerifiedByTable, own.take_by_table());
        let tables = own.tables();
        if tables != self.told_tables {
            self.told_tables = tables;
            telemetry.set_tables(tables);
        }
        let failures = self.provider.take_failures();
        if failures == 0 {
            return;
        }
        telemetry.add(Counter::HostVerificationFailed, failures);
        for (algorithm, told) in Algorithm::ALL.into_iter().zip(&mut self.told) {
            if *told && !self.provider.by_host(algorithm) {
                *told = false;
                telemetry.set_by_host(algorithm, false);
                host::log(
                    Level::Warn,
                    &format!(
                        "the gateway's verification of {algorithm} failed, the module's own is used from now on"
                    ),
                );
            }
        }
    }
}

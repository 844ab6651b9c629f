//! The stage between the credential and who it stands for: whether who presents a token is its holder.

use super::admit::Admitted;
use super::authenticate::{Authenticated, Scheme};
use crate::config::Binding;
use crate::crypto;
use crate::dpop;
use crate::gateway::Gateway;
use crate::metrics::Counter;
use crate::reason::Reason;
use crate::settings::{Question, Settings};
use crate::time::Timestamp;
use crate::token::{Confirmation, Verified};

/// Proof that a credential is presented by its holder.
pub(super) struct Bound(Authenticated);

impl Bound {
    /// Who asks, with the proof.
    pub(super) fn into_authenticated(self) -> Authenticated {
        self.0
    }

    /// Who asks.
    pub(super) fn authenticated(&self) -> &Authenticated {
        &self.0
    }
}

/// Demands what a token is bound to, and what the route demands beyond; consumes the proof of the credential.
pub(super) fn bind(
    admitted: &Admitted<'_>,
    authenticated: Authenticated,
    question: &Question,
    settings: &Settings,
    gateway: &mut Gateway,
    count: &mut dyn FnMut(Counter),
    now: Timestamp,
) -> Result<Bound, Reason> {
    if let Authenticated::Token { verified, scheme } = &authenticated {
        let confirmation = &verified.token().confirmation;
        workload(admitted, verified)?;
        certificate(admitted, confirmation)?;
        let proved = Proved { settings, gateway, count, now };
        key(admitted, verified, *scheme, proved)?;
        // Whatever a token is bound to was proved by now.
        let has = |binding: &Binding| match binding {
            Binding::Dpop => confirmation.key.is_some(),
            Binding::Certificate => confirmation.certificate.is_some(),
        };
        if !question.binding.is_empty() && !question.binding.iter().any(has) {
            return Err(Reason::BindingRequired);
        }
    }
    Ok(Bound(authenticated))
}

/// The workload that a token names is the one that presents it.
fn workload(admitted: &Admitted<'_>, verified: &Verified) -> Result<(), Reason> {
    let Some(named) = &verified.token().workload else { return Ok(()) };
    match &admitted.workload {
        Some(workload) if workload.as_str() == &**named => Ok(()),
        Some(_) | None => Err(Reason::BindingWorkload),
    }
}

/// The certificate that a token is bound to is the connection's (RFC 8705 §3).
fn certificate(admitted: &Admitted<'_>, confirmation: &Confirmation) -> Result<(), Reason> {
    let Some(bound) = &confirmation.certificate else { return Ok(()) };
    let presented = admitted.certificate.as_ref().ok_or(Reason::BindingCertificateMissing)?;
    match crypto::constant_time_eq(presented, bound) {
        true => Ok(()),
        false => Err(Reason::BindingCertificateMismatch),
    }
}

struct Proved<'a> {
    settings: &'a Settings,
    gateway: &'a mut Gateway,
    count: &'a mut dyn FnMut(Counter),
    now: Timestamp,
}

/// A proof by the key that a token is bound to comes with it, and under its own scheme (RFC 9449 §7.1).
fn key(
    admitted: &Admitted<'_>,
    verified: &Verified,
    scheme: Scheme,
    proved: Proved<'_>,
) -> Result<(), Reason> {
    match (verified.token().confirmation.key, scheme) {
        (None, Scheme::Bearer) => Ok(()),
        (None, Scheme::Dpop) => Err(Reason::BindingDpopUnbound),
        (Some(_), Scheme::Bearer) => Err(Reason::BindingDpopScheme),
        (Some(_), Scheme::Dpop) => {
            let proof = admitted.head.single("dpop").map_err(|_| Reason::RequestHeaderDuplicate)?;
            let proof = proof.ok_or(Reason::BindingDpopMissing)?;
            let request = dpop::Request {
                method: admitted.method,
                scheme: admitted.head.single(":scheme").map_err(|_| Reason::RequestHeaderDuplicate)?,
                host: &admitted.host,
                port: admitted.port,
                path: &admitted.path,
                paths: &proved.settings.paths,
            };
            proved.gateway.check_proof(proof, &request, verified.token(), proved.count, proved.now)
        }
    }
}

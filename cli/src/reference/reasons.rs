//! Every reason for a refusal.

use super::cell;
use countersign_core::reason::{Challenge, Layer, Reason};
use serde_json::{Value, json};
use std::fmt::Write;

/// The page.
pub(crate) fn markdown() -> String {
    let mut page = String::from(
        "# Reason codes\n\n\
         Why a request was refused. The code stands in the problem document (`reason`), in the audit line (`reason`) and in the \
         name of the counter (`countersign.refused.<code>`). A code never changes its meaning; new ones may be added.\n\n\
         The challenge is the `error` of the `WWW-Authenticate: Bearer` header (RFC 6750 §3); *bare* is the header without an \
         error, as for a request without a credential.\n",
    );
    for layer in layers() {
        _ = write!(
            page,
            "\n## `{}`\n\n{}.\n\n| Code | Status | Challenge | Meaning | What to do |\n| --- | --- | --- | --- | --- |\n",
            layer.as_str(),
            blurb(layer),
        );
        for reason in Reason::ALL.iter().filter(|reason| reason.layer() == layer) {
            let challenge = challenge(*reason).map_or_else(String::new, |name| match name {
                "bare" => String::from("*bare*"),
                name => format!("`{name}`"),
            });
            _ = writeln!(
                page,
                "| `{}` | {} | {challenge} | {} | {} |",
                reason.code(),
                reason.status(),
                cell(reason.title()),
                cell(reason.help()),
            );
        }
    }
    page
}

/// The same as data.
pub(crate) fn data() -> Value {
    Reason::ALL
        .iter()
        .map(|reason| {
            json!({
                "code": reason.code(),
                "layer": reason.layer().as_str(),
                "status": reason.status(),
                "challenge": challenge(*reason),
                "title": reason.title(),
                "help": reason.help(),
            })
        })
        .collect()
}

fn challenge(reason: Reason) -> Option<&'static str> {
    match reason.challenge() {
        Challenge::None => None,
        Challenge::Bare => Some("bare"),
        Challenge::InvalidRequest => Some("invalid_request"),
        Challenge::InvalidToken => Some("invalid_token"),
        Challenge::InsufficientScope => Some("insufficient_scope"),
        Challenge::InsufficientAuthentication => Some("insufficient_user_authentication"),
        Challenge::BoundToken => Some("DPoP invalid_token"),
        Challenge::InvalidProof => Some("DPoP invalid_dpop_proof"),
        Challenge::UseNonce => Some("DPoP use_dpop_nonce"),
    }
}

/// The layers, in the order in which the table of reasons comes to them.
fn layers() -> Vec<Layer> {
    let mut layers = Vec::new();
    for reason in Reason::ALL {
        if !layers.contains(&reason.layer()) {
            layers.push(reason.layer());
        }
    }
    layers
}

fn blurb(layer: Layer) -> &'static str {
    match layer {
        Layer::Request => "The request itself: its path, headers and route",
        Layer::Transport => "The connection and the workload at its other end",
        Layer::Token => "The credential: its form, signature, claims and issuer",
        Layer::Binding => "Whether who presents a credential is its holder",
        Layer::Delegation => "Who acts for whom",
        Layer::Revocation => "Whether the issuer has taken the credential back",
        Layer::Policy => "The policy decision",
        Layer::Limit => "A bound that protects the gateway",
        Layer::System => "The gateway, or something it depends on; never the caller's fault",
    }
}

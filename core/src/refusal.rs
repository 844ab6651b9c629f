//! What a refused caller gets: a status, a challenge (RFC 6750 §3) and a problem document (RFC 9457).

use crate::decision::DecisionIdText;
use crate::json::Writer;
use crate::reason::{Challenge, Reason};
use alloc::string::String;
use alloc::vec::Vec;

/// An answer that takes the place of the upstream's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a challenge says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Challenger<'a> {
    /// The protection space.
    pub realm: &'a str,
    /// Whether the scheme is `DPoP`.
    pub dpop: bool,
    /// The algorithms of proofs, between spaces.
    pub proof_algorithms: &'a str,
    /// What is demanded of the user's login, as further parameters.
    pub step_up: &'a str,
}

/// The refusal for `reason`. `policies` are the determining policies, or nothing where they are not to be shown.
pub fn reply(
    reason: Reason,
    id: &DecisionIdText,
    policies: &[&str],
    type_base: &str,
    challenger: &Challenger<'_>,
) -> Reply {
    let mut headers = Vec::with_capacity(4);
    headers.push(("content-type", String::from("application/problem+json")));
    headers.push(("cache-control", String::from("no-store")));
    if let Some(challenge) = challenge(reason, challenger) {
        headers.push(("www-authenticate", challenge));
    }
    Reply { status: reason.status(), headers, body: problem(reason, id, policies, type_base) }
}

fn challenge(reason: Reason, challenger: &Challenger<'_>) -> Option<String> {
    let (always_dpop, error) = match reason.challenge() {
        Challenge::None => return None,
        Challenge::Bare => (false, None),
        Challenge::InvalidRequest => (false, Some("invalid_request")),
        Challenge::InvalidToken => (false, Some("invalid_token")),
        Challenge::InsufficientScope => (false, Some("insufficient_scope")),
        Challenge::InsufficientAuthentication => (false, Some("insufficient_user_authentication")),
        Challenge::BoundToken => (true, Some("invalid_token")),
        Challenge::InvalidProof => (true, Some("invalid_dpop_proof")),
        Challenge::UseNonce => (true, Some("use_dpop_nonce")),
    };
    let dpop = always_dpop || challenger.dpop;
    let scheme = if dpop { "DPoP" } else { "Bearer" };
    let mut text = alloc::format!("{scheme} realm=\"{}\"", challenger.realm);
    if let Some(error) = error {
        let title = reason.title().replace('`', "'");
        text.push_str(&alloc::format!(", error=\"{error}\", error_description=\"{title}\""));
    }
    if reason.challenge() == Challenge::InsufficientAuthentication {
        text.push_str(challenger.step_up);
    }
    if dpop {
        text.push_str(&alloc::format!(", algs=\"{}\"", challenger.proof_algorithms));
    }
    Some(text)
}

fn problem(reason: Reason, id: &DecisionIdText, policies: &[&str], type_base: &str) -> Vec<u8> {
    let mut writer = Writer::with_capacity(320);
    writer.object(|problem| {
        problem.name("type").str(&alloc::format!("{type_base}{}", reason.code()));
        problem.name("title").str(reason.title());
        problem.name("status").i64(i64::from(reason.status()));
        problem.name("decision_id").str(id.as_str());
        problem.name("layer").str(reason.layer().as_str());
        problem.name("reason").str(reason.code());
        if !policies.is_empty() {
            problem.name("policies").array(|list| {
                for policy in policies {
                    list.str(policy);
                }
            });
        }
    });
    writer.finish().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::DecisionIds;
    use crate::time::Timestamp;

    fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        reply.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }

    #[test]
    fn every_refusal_is_a_problem_document_with_a_fitting_challenge() {
        let id = DecisionIds::new(7).next(Timestamp::from_secs(1)).text();
        for &reason in Reason::ALL {
            let challenger = Challenger { realm: "r", proof_algorithms: "ES256", ..Challenger::default() };
            let reply = reply(reason, &id, &["p1"], "urn:", &challenger);
            assert_eq!(reply.status, reason.status());
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(body["reason"], reason.code());
            assert_eq!(body["layer"], reason.layer().as_str());
            assert_eq!(body["decision_id"], id.as_str());
            assert_eq!(body["policies"][0], "p1");
            match header(&reply, "www-authenticate") {
                Some(value) => {
                    // RFC 6750 §3: error_description excludes `"` and `\`, and is ASCII.
                    assert_eq!(value.matches('"').count() % 2, 0);
                    assert!(value.is_ascii() && !value.contains('\\') && value.contains(" realm=\"r\""));
                    let proof = matches!(
                        reason.challenge(),
                        Challenge::BoundToken | Challenge::InvalidProof | Challenge::UseNonce
                    );
                    assert_eq!(value.starts_with("DPoP "), proof, "{value}");
                    assert_eq!(value.ends_with("algs=\"ES256\""), proof, "{value}");
                }
                None => assert_ne!(reply.status, 401),
            }
        }
    }

    #[test]
    fn a_missing_token_gets_no_error_code() {
        let id = DecisionIds::new(7).next(Timestamp::from_secs(1)).text();
        let missing =
            reply(Reason::TokenMissing, &id, &[], "", &Challenger { realm: "r", ..Challenger::default() });
        assert_eq!(header(&missing, "www-authenticate"), Some("Bearer realm=\"r\""));
        let demanding = Challenger { realm: "r", step_up: ", max_age=\"5\"", ..Challenger::default() };
        let stale = reply(Reason::PolicyStepUp, &id, &[], "", &demanding);
        let challenge = header(&stale, "www-authenticate").unwrap();
        assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
        assert!(challenge.ends_with(", max_age=\"5\""), "{challenge}");
        assert!(!alloc::string::String::from_utf8(missing.body).unwrap().contains("policies"));
    }
}

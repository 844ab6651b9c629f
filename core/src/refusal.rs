//! What a refused caller gets: a status, a challenge (RFC 6750 §3) and a problem document (RFC 9457).

use crate::config;
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

/// The refusal for `reason`. `policies` are the determining policies, or nothing where they are not to be shown.
pub fn reply(reason: Reason, id: &DecisionIdText, policies: &[&str], config: &config::Refusal) -> Reply {
    let mut headers = Vec::with_capacity(4);
    headers.push(("content-type", String::from("application/problem+json")));
    headers.push(("cache-control", String::from("no-store")));
    if let Some(challenge) = challenge(reason, &config.realm) {
        headers.push(("www-authenticate", challenge));
    }
    Reply { status: reason.status(), headers, body: problem(reason, id, policies, &config.type_base) }
}

fn challenge(reason: Reason, realm: &str) -> Option<String> {
    let error = match reason.challenge() {
        Challenge::None => return None,
        Challenge::Bare => return Some(alloc::format!("Bearer realm=\"{realm}\"")),
        Challenge::InvalidRequest => "invalid_request",
        Challenge::InvalidToken => "invalid_token",
        Challenge::InsufficientScope => "insufficient_scope",
    };
    let title = reason.title().replace('`', "'");
    Some(alloc::format!("Bearer realm=\"{realm}\", error=\"{error}\", error_description=\"{title}\""))
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
            let reply = reply(reason, &id, &["p1"], &config::Refusal::default());
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
                    assert!(value.is_ascii() && !value.contains('\\') && value.starts_with("Bearer realm="));
                }
                None => assert_ne!(reply.status, 401),
            }
        }
    }

    #[test]
    fn a_missing_token_gets_no_error_code() {
        let id = DecisionIds::new(7).next(Timestamp::from_secs(1)).text();
        let missing = reply(Reason::TokenMissing, &id, &[], &config::Refusal::default());
        assert_eq!(header(&missing, "www-authenticate"), Some("Bearer realm=\"countersign\""));
        assert!(!alloc::string::String::from_utf8(missing.body).unwrap().contains("policies"));
    }
}

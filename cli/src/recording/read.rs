//! Reading recordings, and logs with audit lines in them.

use std::path::Path;

use serde_json::{Map, Value};

use super::format::{Credential, Kind, Line, Recorded, parse};
use crate::failure::Failure;
use crate::lines::Lines;

/// Requests that are read at most.
const ENTRIES: usize = 1_000_000;

/// How much of a request is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// All but its credential and its body.
    Recording,
    /// What its audit line says: no claims beyond identifiers, no headers, no query.
    Audit,
}

/// A request that was decided on.
pub(crate) struct Entry {
    /// The file and the line.
    pub(crate) place: String,
    pub(crate) origin: Origin,
    pub(crate) recorded: Recorded,
}

/// What a file holds.
pub(crate) struct Read {
    /// Its requests.
    pub(crate) entries: Vec<Entry>,
    /// How many lines are none of ours, as most of a gateway's log are.
    pub(crate) others: usize,
    /// What is wrong with its last line, with the place, where whoever wrote it did not get to its end.
    pub(crate) cut: Option<String>,
}

/// Reads a file, or standard input for `-`. In one that begins as a recording every line is ours.
pub(crate) fn read(path: &Path) -> Result<Read, Failure> {
    let mut lines = Lines::open(path)?;
    let (mut entries, mut others, mut head, mut cut) = (Vec::new(), 0, false, None);
    let name = lines.name().to_owned();
    while let Some((number, line)) = lines.next()? {
        let place = format!("{name}:{number}");
        let ours = "expected a recording of `countersign serve --record`, or audit lines of the filter";
        if let Some(fault) = cut {
            return Err(Failure::usage(fault).help(ours));
        }
        let parsed = match line {
            Ok(line) => parse(line),
            Err(bad) => Err(bad.to_string()),
        };
        let parsed = match parsed {
            Ok(None) if head => Err(String::from("expected a line of a recording, found something else")),
            parsed => parsed,
        };
        let parsed = match parsed {
            Ok(parsed) => parsed,
            // As long as nothing comes after it.
            Err(fault) if !lines.is_whole() => {
                cut = Some(format!("{place}: {fault}"));
                continue;
            }
            Err(fault) => return Err(Failure::at(&place, fault).help(ours)),
        };
        let (origin, recorded) = match parsed {
            None => {
                others += 1;
                continue;
            }
            Some(Line::Head(_)) if head || !entries.is_empty() => {
                return Err(Failure::at(&place, "expected one `recording` line, at the beginning"));
            }
            Some(Line::Head(_)) => {
                head = true;
                continue;
            }
            Some(Line::Request(recorded)) => (Origin::Recording, *recorded),
            Some(Line::Audit(audit)) => (Origin::Audit, of_audit(audit, entries.len() as u64 + 1)),
        };
        if entries.len() >= ENTRIES {
            return Err(Failure::at(&place, format!("expected at most {ENTRIES} requests, found more")));
        }
        entries.push(Entry { place, origin, recorded });
    }
    if entries.is_empty() {
        let failure = match cut {
            Some(cut) => Failure::usage(cut),
            None => Failure::at(&name, "expected at least one request, found none"),
        };
        return Err(
            failure.help("`countersign serve --record FILE` writes them; audit lines of the filter do too")
        );
    }
    Ok(Read { entries, others, cut })
}

/// A request as far as its audit line tells of it.
fn of_audit(audit: Map<String, Value>, id: u64) -> Recorded {
    let text = |name: &str| audit.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut claims = Map::new();
    for (claim, member) in
        [("iss", "issuer"), ("sub", "subject"), ("client_id", "client"), ("acr", "acr"), ("jti", "token_id")]
    {
        if let Some(value) = audit.get(member) {
            claims.insert(claim.to_owned(), value.clone());
        }
    }
    // The outermost actor comes first (RFC 8693 §4.1).
    let actors = audit.get("actors").and_then(Value::as_array).cloned().unwrap_or_default();
    for actor in actors.into_iter().rev() {
        let mut act = Map::from_iter([(String::from("sub"), actor)]);
        if let Some(inner) = claims.remove("act") {
            act.insert(String::from("act"), inner);
        }
        claims.insert(String::from("act"), Value::Object(act));
    }
    let kind = match (text("key_id"), text("issuer")) {
        (Some(_), _) => Kind::ApiKey,
        (None, Some(_)) if audit.get("token_introspected") == Some(&Value::Bool(true)) => Kind::Opaque,
        (None, Some(_)) => Kind::Jwt,
        (None, None) if text("reason").as_deref() == Some("token.missing") => Kind::None,
        // Refused before it was known whose it is.
        (None, None) => Kind::Other,
    };
    let proof = text("binding").is_some_and(|binding| binding.starts_with("dpop"));
    let workload = text("workload").or_else(|| text("peer"));
    let mut properties = std::collections::BTreeMap::new();
    if let Some(workload) = workload {
        properties.insert(String::from("connection.mtls"), true.into());
        properties.insert(String::from("connection.uri_san_peer_certificate"), workload.into());
    }
    let allowed = text("decision").as_deref() == Some("allow");
    Recorded {
        countersign: String::from("request"),
        id,
        time: text("time").unwrap_or_default(),
        method: text("method").unwrap_or_default(),
        url: format!("https://localhost{}", text("path").unwrap_or_else(|| String::from("/"))),
        headers: Vec::new(),
        left_out: Vec::new(),
        properties,
        credential: Credential { kind, verified: Some(true), claims, proof, ..Credential::default() },
        outcome: String::from(if allowed { "forwarded" } else { "answered" }),
        status: audit
            .get("status")
            .and_then(Value::as_u64)
            .and_then(|status| status.try_into().ok())
            .unwrap_or(200),
        decision: Some(audit),
    }
}

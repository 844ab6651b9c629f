//! Writing a recording: what an exchange was, without what would let anybody repeat it elsewhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use countersign_core::time::Timestamp;
use countersign_host_sim::PropertyValue;
use countersign_host_sim::serve::{Ended, Exchange};
use serde_json::{Map, Value};

use super::format::{self, Credential, Head, Kind, Line, Recorded, VERSION};
use crate::console::{BAD, say};
use crate::credentials::token;
use crate::failure::Failure;
use crate::serve::secrets::{self, Kind as Place, scrub};
use crate::serve::{Ledger, Recorder};
use crate::{serve, time};

/// Members of a token's header that say how it is to be verified, and nothing else.
const HEADER: [&str; 3] = ["typ", "alg", "kid"];

/// Writes requests to a file, each at once.
pub(crate) struct Writer {
    out: BufWriter<File>,
    ledger: Arc<Ledger>,
    count: u64,
    failed: bool,
}

impl Writer {
    /// Makes the file and writes its first line. Credentials are those that the ledger knows of.
    pub(crate) fn create(path: &Path, runs: &str, ledger: Arc<Ledger>) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::at(path.display(), format!("cannot write the recording: {error}"))
        };
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // Requests are nobody else's business, even without their credentials.
            options.mode(0o600);
        }
        let mut writer = Self {
            out: BufWriter::new(options.open(path).map_err(failed)?),
            ledger,
            count: 0,
            failed: false,
        };
        let head = Head {
            countersign: "recording".to_owned(),
            version: VERSION,
            time: time::show(time::now()),
            runs: runs.to_owned(),
        };
        writer.line(&Line::Head(head)).map_err(failed)?;
        Ok(writer)
    }

    fn line(&mut self, line: &Line) -> std::io::Result<()> {
        writeln!(self.out, "{}", format::write(line))?;
        self.out.flush()
    }
}

impl Recorder for Writer {
    fn record(&mut self, exchange: &Exchange) {
        self.count += 1;
        let line = Line::Request(Box::new(recorded(exchange, self.count, &self.ledger)));
        if let Err(error) = self.line(&line)
            && !std::mem::replace(&mut self.failed, true)
        {
            say!("{BAD}error{BAD:#}: cannot write the recording, what follows is missing: {error}");
        }
    }
}

fn recorded(exchange: &Exchange, id: u64, ledger: &Ledger) -> Recorded {
    let secrets = ledger.secrets();
    let text = |name: &str| exchange.request.text(name).unwrap_or_default();
    let plain = |name: &str| scrub(&text(name), Place::Text).into_owned();
    let decision = serve::audit(exchange, &secrets);
    let (mut headers, mut left_out) = (Vec::new(), Vec::new());
    for (name, value) in exchange.request.iter().filter(|(name, _)| !name.starts_with(b":")) {
        let given = String::from_utf8_lossy(name);
        let name = scrub(&given, Place::Text).into_owned();
        match secrets.header(&given, value) {
            Some(_) if !left_out.contains(&name) => left_out.push(name),
            Some(_) => {}
            None => headers.push((name, String::from_utf8_lossy(value).into_owned())),
        }
    }
    let outcome = match exchange.ended {
        Ended::Forwarded(_) => "forwarded",
        Ended::Replied(_) => "answered",
        Ended::Gateway(..) => "gateway",
        Ended::Failed => "failed",
        _ => "ended",
    };
    Recorded {
        countersign: "request".to_owned(),
        id,
        time: time::show(Timestamp::from_nanos(i64::try_from(exchange.at).unwrap_or(i64::MAX))),
        method: plain(":method"),
        url: format!(
            "{}://{}{}",
            plain(":scheme"),
            secrets.authority(&text(":authority")),
            secrets.path(&text(":path"))
        ),
        headers,
        left_out,
        properties: properties(exchange),
        credential: credential(exchange, decision.as_ref()),
        outcome: outcome.to_owned(),
        status: serve::client_status(&exchange.ended),
        decision,
    }
}

fn properties(exchange: &Exchange) -> BTreeMap<String, Value> {
    let plain = |value: &PropertyValue| match value {
        PropertyValue::Bytes(bytes) => {
            Some(scrub(&String::from_utf8_lossy(bytes), Place::Identifier).into_owned().into())
        }
        PropertyValue::Bool(value) => Some((*value).into()),
        PropertyValue::Int(value) => Some((*value).into()),
        PropertyValue::Uint(value) => Some((*value).into()),
        _ => None,
    };
    // A connection's number is that of its own gateway.
    let own = |name: &str| name == "connection.id" || name == "connection_id";
    let properties = exchange.properties.iter().filter(|(name, _)| !own(name));
    properties.filter_map(|(name, value)| Some((name, plain(value)?))).collect()
}

/// What is left of the credential: of a signed token what it says, and whether it was found to be true.
fn credential(exchange: &Exchange, decision: Option<&Map<String, Value>>) -> Credential {
    let member = |name: &str| decision.and_then(|decision| decision.get(name)).and_then(Value::as_str);
    if member("key_id").is_some() {
        return Credential { kind: Kind::ApiKey, ..Credential::default() };
    }
    let headers = &exchange.request;
    let mut all = headers.get_all(b"authorization");
    let (first, more) = (all.next(), all.next());
    let Some(value) = first.and_then(|value| std::str::from_utf8(value).ok()) else {
        return Credential {
            kind: if first.is_some() { Kind::Other } else { Kind::None },
            ..Credential::default()
        };
    };
    let token = value
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("dpop"));
    let Some((_, text)) = token.filter(|_| more.is_none()) else {
        return Credential { kind: Kind::Other, ..Credential::default() };
    };
    let parts = token::decode(text).ok();
    let Some((Value::Object(header), Value::Object(claims))) = parts else {
        return Credential { kind: Kind::Opaque, ..Credential::default() };
    };
    let verified = match (member("issuer"), member("reason")) {
        (Some(_), _) => Some(true),
        (None, Some("token.signature")) => Some(false),
        (None, _) => None,
    };
    let header =
        header.into_iter().filter(|(name, _)| HEADER.contains(&name.as_str())).collect::<Map<_, _>>();
    Credential {
        kind: Kind::Jwt,
        verified,
        header: secrets::header(header),
        claims: secrets::claims(claims),
        proof: headers.get("dpop").is_some(),
    }
}

#[cfg(test)]
mod tests;

//! `countersign proof`: proofs of possession for tests, good and hostile.

use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::token::{Kind, now, pair};
use crate::console::stdout;
use crate::credentials::{ProofBuilder, read_key};
use crate::failure::{Exit, Failure};
use crate::request_args::token_or_file;

/// Make a DPoP proof (RFC 9449) for a request: the value of its `dpop` header.
#[derive(clap::Args)]
pub(crate) struct Proof {
    /// The holder's private key: PKCS #8 PEM or a JWK, as `countersign keys new` writes it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The request's method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's address, `https://` or `http://` with a host; query and fragment are left out.
    #[arg(long)]
    url: String,
    /// The token that goes with the proof, or the name of a file with one after `@`.
    #[arg(long)]
    token: String,
    /// The gateway's nonce, from the `dpop-nonce` header of its answer.
    #[arg(long)]
    nonce: Option<String>,
    /// The proof's own identifier; by default a new one.
    #[arg(long)]
    jti: Option<String>,
    /// What `now` means, in seconds since the epoch.
    #[arg(long, value_name = "SECONDS")]
    now: Option<i64>,
    /// Another member of the header, its value as JSON where it is JSON, else as text; `null` leaves one out.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    header: Vec<(String, String)>,
    /// Another claim, in the same form.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    claim: Vec<(String, String)>,
    /// Spoil the proof.
    #[arg(long, value_enum)]
    forge: Option<Kind>,
}

impl Proof {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let key = read_key(&self.key)
            .map_err(|error| Failure::from(error).help("`countersign keys new` makes one"))?
            .key;
        let now = self.now.unwrap_or_else(now);
        let id = self.jti.unwrap_or_else(fresh);
        let token = token_or_file(&self.token)?;
        if token.is_empty() {
            return Err(Failure::usage(format!("`--token {}`: expected a token, found nothing", self.token)));
        }
        expect_address(&self.url)?;
        let mut proof = ProofBuilder::new(&key, &self.method, &self.url, &token, &id, now);
        if let Some(nonce) = &self.nonce {
            proof = proof.nonce(nonce);
        }
        let proof = proof.with(members(self.header), members(self.claim), now)?;
        let forgery = self.forge.map(Kind::forgery);
        let text = proof.sign(&key, forgery.as_ref())?;
        let mut out = stdout();
        writeln!(out, "{text}")?;
        out.flush()?;
        Ok(Exit::Good)
    }
}

/// `htu` is an address in full (RFC 9449 §4.2).
fn expect_address(url: &str) -> Result<(), Failure> {
    let rest = ["https://", "http://"].iter().find_map(|scheme| {
        let (start, rest) = url.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let whole = !host.is_empty() && !host.starts_with(':') && !url.contains(char::is_whitespace);
    if whole {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "`--url`: expected an address such as `https://api.bank.example/payments`, found `{url}`"
    )))
}

fn members(pairs: Vec<(String, String)>) -> Map<String, Value> {
    let value = |text: String| serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
    pairs.into_iter().map(|(name, text)| (name, value(text))).collect()
}

/// An identifier that no other proof of this key has.
fn fresh() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", since.as_nanos(), std::process::id())
}

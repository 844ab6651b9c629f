//! A real OpenID provider, run by Node: `tests/oidc`.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::client::Client;
use crate::http::Request;
use crate::mint::SigningKey;

/// A client of the provider: its tokens are about `subject` and carry `claims`.
pub struct Account {
    /// The client's ID and secret in one.
    pub id: &'static str,
    /// The token's subject; the client itself where there is none.
    pub subject: Option<&'static str>,
    /// Claims added to its tokens.
    pub claims: Value,
    /// How long its tokens live, in seconds.
    pub lifetime: u32,
}

/// A running provider.
pub struct Issuer {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
    address: SocketAddr,
}

impl Issuer {
    /// Starts a provider that signs with the first of `keys` and publishes all of them.
    pub fn start(audience: &str, keys: &[&SigningKey], accounts: &[Account]) -> Result<Self> {
        let folder = crate::root().join("tests/oidc");
        ensure!(
            folder.join("node_modules/oidc-provider").exists(),
            "the OpenID provider is not installed, run `cargo xtask setup`"
        );
        let mut child = Command::new("node")
            .arg("issuer.mjs")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting `node`")?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let clients: Vec<Value> = accounts
            .iter()
            .map(|account| {
                json!({
                    "id": account.id, "secret": account.id, "claims": account.claims,
                    "subject": account.subject, "lifetime": account.lifetime,
                })
            })
            .collect();
        writeln!(stdin, "{}", json!({ "keys": pems(keys), "audience": audience, "clients": clients }))?;
        let first = lines.next().context("the OpenID provider ended at once")??;
        let first: Value = serde_json::from_str(&first)?;
        let url = first["issuer"].as_str().context("no issuer")?.to_owned();
        let address = url.trim_start_matches("http://").parse()?;
        Ok(Self { child, stdin, lines, url, address })
    }

    /// The issuer's identifier, which is also its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The path of its key set.
    pub fn jwks_path(&self) -> &'static str {
        "/jwks"
    }

    /// An access token by the client credentials grant (RFC 6749 §4.4).
    pub fn token(&self, id: &str) -> Result<String> {
        let request = Request::new("POST", "/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("grant_type=client_credentials&client_id={id}&client_secret={id}"));
        let answer = Client::plain(self.address).send(&request)?.parse()?;
        Ok(answer["access_token"].as_str().with_context(|| format!("no token in {answer}"))?.to_owned())
    }

    /// Signs with the first of these keys from now on and publishes all of them.
    pub fn rotate(&mut self, keys: &[&SigningKey]) -> Result<()> {
        writeln!(self.stdin, "{}", json!({ "keys": pems(keys) }))?;
        self.lines.next().context("the OpenID provider has ended")??;
        Ok(())
    }

    /// How often it was asked for its discovery document and for its keys.
    pub fn fetches(&mut self) -> Result<(usize, usize)> {
        writeln!(self.stdin, "{}", json!({ "count": true }))?;
        let answer: Value =
            serde_json::from_str(&self.lines.next().context("the OpenID provider has ended")??)?;
        let count = |name: &str| answer[name].as_u64().and_then(|count| usize::try_from(count).ok());
        Ok((count("discovery").context("no count")?, count("jwks").context("no count")?))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pems(keys: &[&SigningKey]) -> Value {
    keys.iter().map(|key| json!({ "kid": key.kid, "pem": key.pem })).collect()
}

//! A real OpenID provider, run by Node: `tests/oidc`.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::client::Client;
use crate::http::Request;
use crate::mint::{self, SigningKey};
use crate::pki::{Authority, Identity};
use crate::proof::Proof;

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
    /// Whether its tokens are bound to its certificate, which it then must present (RFC 8705 §3).
    pub certificate_bound: bool,
}

/// The secret of the client `gateway`, which may ask about tokens.
pub const GATEWAY_SECRET: &str = "only for tests";

/// What the certificate of the client `gateway-certificate` names, which may ask too (RFC 8705 §2.1).
pub const GATEWAY: &str = "spiffe://bank.example/gateway";

/// Where the provider is asked about tokens (RFC 7662).
pub const INTROSPECTION: &str = "/token/introspection";

/// For whom tokens of the model are.
pub const MODEL: &str = "https://model.bank.example";

/// For whom tokens of the feature store are.
pub const FEATURES: &str = "https://features.bank.example";

/// Who gets tokens for whom in exchange (RFC 8693): everybody's for the model, the model's for the feature store.
fn targets(audience: &str) -> Value {
    json!({
        MODEL: { "from": [audience], "scopes": ["score:invoke", "score:explain"], "refuses": ["senta"] },
        FEATURES: { "from": [MODEL], "scopes": ["features:read"] },
    })
}

/// How often a provider was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// For its discovery document.
    pub discovery: u64,
    /// For its keys.
    pub jwks: u64,
    /// About tokens.
    pub introspection: u64,
    /// For tokens in exchange for others.
    pub exchange: u64,
}

/// A running provider.
pub struct Issuer {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
    address: SocketAddr,
    secure: Option<SocketAddr>,
}

impl Issuer {
    /// Starts a provider that signs with the first of `keys` and publishes all of them.
    pub fn start(audience: &str, keys: &[&SigningKey], accounts: &[Account]) -> Result<Self> {
        Self::start_with(audience, keys, accounts, &Value::Null)
    }

    /// Starts a provider that also listens over mutual TLS, as this server, for clients of this authority.
    pub fn start_secure(
        audience: &str,
        keys: &[&SigningKey],
        accounts: &[Account],
        server: &Identity,
        clients: &Authority,
    ) -> Result<Self> {
        let tls = json!({
            "key": server.key_pem, "cert": server.certificate_pem, "ca": clients.certificate_pem(),
        });
        Self::start_with(audience, keys, accounts, &tls)
    }

    fn start_with(audience: &str, keys: &[&SigningKey], accounts: &[Account], tls: &Value) -> Result<Self> {
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
                    "certificate_bound": account.certificate_bound,
                })
            })
            .collect();
        writeln!(
            stdin,
            "{}",
            json!({
                "keys": pems(keys), "audience": audience, "clients": clients, "tls": tls,
                "gateway": { "secret": GATEWAY_SECRET, "uri": GATEWAY }, "targets": targets(audience),
            })
        )?;
        let first = lines.next().context("the OpenID provider ended at once")??;
        let first: Value = serde_json::from_str(&first)?;
        let url = first["issuer"].as_str().context("no issuer")?.to_owned();
        let address = url.trim_start_matches("http://").parse()?;
        let secure = first["secure"].as_u64().and_then(|port| u16::try_from(port).ok());
        let secure = secure.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        Ok(Self { child, stdin, lines, url, address, secure })
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
        access_token(&Client::plain(self.address), grant(id))
    }

    /// The same, bound to the key of a proof (RFC 9449 §5).
    pub fn bound_token(&self, id: &str, holder: &SigningKey) -> Result<String> {
        let uri = format!("{}/token", self.url);
        let mut proof = Proof::new(holder, "POST", &uri, "", mint::now());
        // There is no token yet that it could name.
        proof.claims = mint::with(&proof.claims, json!({ "ath": null }));
        access_token(&Client::plain(self.address), grant(id).header("dpop", proof.sign(holder)?))
    }

    /// The same, bound to the client's certificate (RFC 8705 §3), over mutual TLS with the server that `authority` certified as
    /// `host`.
    pub fn certificate_token(
        &self,
        id: &str,
        host: &str,
        authority: &Authority,
        identity: &Identity,
    ) -> Result<String> {
        let secure = self.secure.context("the provider does not listen over TLS")?;
        access_token(&Client::tls(secure, host, authority, Some(identity))?, grant(id))
    }

    /// A token that says nothing by itself, for `audience`, with the account's claims.
    pub fn opaque_token(&self, id: &str, audience: &str) -> Result<String> {
        let mut request = grant(id);
        request.body.extend_from_slice(format!("&resource={audience}/opaque").as_bytes());
        access_token(&Client::plain(self.address), request)
    }

    /// A refresh token of this client's.
    pub fn refresh_token(&mut self, id: &str) -> Result<String> {
        let answer = self.command(&json!({ "refresh": id }))?;
        Ok(answer["token"].as_str().with_context(|| format!("no token in {answer}"))?.to_owned())
    }

    /// Has its client revoke a token (RFC 7009).
    pub fn revoke(&self, id: &str, token: &str) -> Result<()> {
        let form = format!("token={token}&client_id={id}&client_secret={id}");
        let answer = Client::plain(self.address).send(&form_request("/token/revocation", form))?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        Ok(())
    }

    /// Looks up JWTs that it signed, and takes them back, from now on; without that it refuses both.
    pub fn look_jwts_up(&mut self) -> Result<()> {
        self.command(&json!({ "references": true }))?;
        Ok(())
    }

    /// Answers the gateway's questions after so long, from now on.
    pub fn introspect_after(&mut self, delay: Duration) -> Result<()> {
        self.command(&json!({ "delay": delay.as_millis() }))?;
        Ok(())
    }

    /// Signs with the first of these keys from now on and publishes all of them.
    pub fn rotate(&mut self, keys: &[&SigningKey]) -> Result<()> {
        self.command(&json!({ "keys": pems(keys) }))?;
        Ok(())
    }

    /// Where it listens over mutual TLS.
    pub fn secure_address(&self) -> Option<SocketAddr> {
        self.secure
    }

    /// How often it was asked.
    pub fn asked(&mut self) -> Result<Asked> {
        let answer = self.command(&json!({ "count": true }))?;
        let count = |name: &str| answer[name].as_u64().with_context(|| format!("no `{name}` in {answer}"));
        Ok(Asked {
            discovery: count("discovery")?,
            jwks: count("jwks")?,
            introspection: count("introspection")?,
            exchange: count("exchange")?,
        })
    }

    fn command(&mut self, command: &Value) -> Result<Value> {
        writeln!(self.stdin, "{command}")?;
        Ok(serde_json::from_str(&self.lines.next().context("the OpenID provider has ended")??)?)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn grant(id: &str) -> Request {
    form_request("/token", format!("grant_type=client_credentials&client_id={id}&client_secret={id}"))
}

fn form_request(path: &str, form: String) -> Request {
    Request::new("POST", path).header("content-type", "application/x-www-form-urlencoded").body(form)
}

fn access_token(client: &Client, request: Request) -> Result<String> {
    let answer = client.send(&request)?.parse()?;
    Ok(answer["access_token"].as_str().with_context(|| format!("no token in {answer}"))?.to_owned())
}

fn pems(keys: &[&SigningKey]) -> Value {
    keys.iter().map(|key| json!({ "kid": key.kid, "pem": key.pem })).collect()
}

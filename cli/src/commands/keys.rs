//! `countersign keys`: signing keys, key sets and certificates for tests, and API keys for callers.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::console::stdout;
use crate::credentials::api_key::{ApiKey, Entry};
use crate::credentials::file::{expect_free, read, write_private, write_public};
use crate::credentials::pki::{Authority, Subject};
use crate::credentials::{Algorithm, CredentialError, PrivateKey, algorithm, jwks, read_key};
use crate::failure::{Exit, Failure};
use crate::output::TextOrJson;
use serde_json::json;

/// Make keys and certificates for tests, and API keys.
#[derive(clap::Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    New(New),
    Jwks(Jwks),
    Ca(Ca),
    Svid(Svid),
    ApiKey(ApiKeyArgs),
}

/// Make a signing key, and print its public half as a JWK.
#[derive(clap::Args)]
struct New {
    /// The signature algorithm: ES256, ES384, ES512, EdDSA, PS256, PS384, PS512, RS256, RS384 or RS512.
    #[arg(long, default_value = "ES256", value_parser = algorithm)]
    alg: Algorithm,
    /// The key ID; by default the key's SHA-256 thumbprint (RFC 7638).
    #[arg(long)]
    kid: Option<String>,
    /// Where the private key goes: a JWK if the name ends in `.json` or `.jwk`, else PKCS #8 PEM.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace a file that is there already.
    #[arg(long)]
    force: bool,
}

/// Publish the public halves of keys as a JWK Set.
#[derive(clap::Args)]
struct Jwks {
    /// Private keys, PEM or JWK; `KID=FILE` names one.
    #[arg(required = true, value_name = "[KID=]FILE")]
    keys: Vec<String>,
    /// Where the set goes; by default to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there already.
    #[arg(long)]
    force: bool,
}

/// Make a certificate authority: `ca.pem` and `ca-key.pem`.
#[derive(clap::Args)]
struct Ca {
    /// The SPIFFE trust domain that it stands for.
    #[arg(long, value_name = "DOMAIN")]
    trust_domain: String,
    /// The folder that the files go to.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Replace files that are there already.
    #[arg(long)]
    force: bool,
}

/// Issue a certificate to a workload (an X.509-SVID), to a server, or to what is both: `NAME.pem` and `NAME-key.pem`.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("subject").required(true).multiple(true).args(["spiffe_id", "host"]))]
struct Svid {
    /// The workload's SPIFFE ID, such as `spiffe://bank.example/edge`.
    #[arg(long, value_name = "ID")]
    spiffe_id: Option<String>,
    /// A DNS name or IP address that the holder serves. Can be repeated.
    #[arg(long)]
    host: Vec<String>,
    /// The folder with the authority's `ca.pem` and `ca-key.pem`.
    #[arg(long, value_name = "FOLDER")]
    ca: PathBuf,
    /// The files' name; by default the last part of the SPIFFE ID, or the first host.
    #[arg(long)]
    name: Option<String>,
    /// The folder that the files go to.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Replace files that are there already.
    #[arg(long)]
    force: bool,
}

/// Make an API key for a caller that cannot get tokens. It is shown this once, with the entry for the configuration's
/// `api_keys.keys`, which holds its hash alone.
#[derive(clap::Args)]
#[command(name = "api-key")]
struct ApiKeyArgs {
    /// The key's name in the audit line, and the principal's id.
    #[arg(long)]
    id: String,
    /// The SPIFFE ID of the workload that may present it.
    #[arg(long, value_name = "ID")]
    workload: String,
    /// The principal's Cedar entity type.
    #[arg(long = "type", value_name = "TYPE", default_value = "User")]
    principal_type: String,
    /// A role of the principal. Can be repeated.
    #[arg(long)]
    role: Vec<String>,
    /// An attribute of the principal, a text. Can be repeated; write others into the entry.
    #[arg(long, value_name = "NAME=VALUE")]
    attribute: Vec<String>,
    /// From when on it is refused: a time in UTC such as `2027-01-01T00:00:00Z`.
    #[arg(long, value_name = "TIME")]
    not_after: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: TextOrJson,
}

impl Keys {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::New(command) => command.run(),
            Command::Jwks(command) => command.run(),
            Command::Ca(command) => command.run(),
            Command::Svid(command) => command.run(),
            Command::ApiKey(command) => command.run(),
        }
    }
}

impl New {
    fn run(self) -> Result<Exit, Failure> {
        let key = PrivateKey::generate(self.alg)?;
        let kid = self.kid.as_deref();
        let as_jwk =
            self.output.extension().is_some_and(|extension| extension == "json" || extension == "jwk");
        let text = match as_jwk {
            true => pretty(&key.private_jwk(kid)),
            false => key.to_pem()?,
        };
        write_private(&self.output, &text, self.force)?;
        print(&pretty(&key.public_jwk(kid)))
    }
}

impl Jwks {
    fn run(self) -> Result<Exit, Failure> {
        let mut keys = Vec::new();
        for argument in &self.keys {
            let (kid, path) = match argument.split_once('=') {
                Some((kid, path)) => (Some(kid.to_owned()), path),
                None => (None, argument.as_str()),
            };
            let named = read_key(Path::new(path))?;
            keys.push((named.key, kid.or(named.kid)));
        }
        let text = pretty(&jwks(keys.iter().map(|(key, kid)| (key, kid.as_deref()))));
        match &self.output {
            None => print(&text),
            Some(path) => {
                write_public(path, &text, self.force)?;
                Ok(Exit::Good)
            }
        }
    }
}

impl Ca {
    fn run(self) -> Result<Exit, Failure> {
        let authority = Authority::generate(&self.trust_domain)?;
        let (key, certificate) = (self.output.join("ca-key.pem"), self.output.join("ca.pem"));
        expect_free(&[&key, &certificate], self.force)?;
        write_private(&key, authority.key_pem(), self.force)?;
        write_public(&certificate, authority.certificate_pem(), self.force)?;
        Ok(Exit::Good)
    }
}

impl Svid {
    fn run(self) -> Result<Exit, Failure> {
        let (certificate, key) = (self.ca.join("ca.pem"), self.ca.join("ca-key.pem"));
        let readable = |path: &Path| {
            read(path).map_err(|error| Failure::from(error).help("`countersign keys ca` makes an authority"))
        };
        let authority = Authority::from_pem(&readable(&certificate)?, &readable(&key)?)
            .map_err(|error| Failure::at(certificate.display(), error))?;
        let spiffe_id = self.spiffe_id.as_deref();
        let svid = authority.issue(&Subject { spiffe_id, hosts: &self.host })?;
        let name = self.name.as_deref();
        let name = name.or_else(|| spiffe_id.and_then(|id| id.rsplit('/').next()));
        let name = name.or_else(|| self.host.first().map(String::as_str)).unwrap_or("svid");
        if name.contains('/') {
            return Err(Failure::usage(format!(
                "`--name`: expected a file's name without `/`, found `{name}`"
            )));
        }
        let (key, certificate) =
            (self.output.join(format!("{name}-key.pem")), self.output.join(format!("{name}.pem")));
        expect_free(&[&key, &certificate], self.force)?;
        write_private(&key, &svid.key_pem, self.force)?;
        write_public(&certificate, &svid.certificate_pem, self.force)?;
        Ok(Exit::Good)
    }
}

impl ApiKeyArgs {
    fn run(self) -> Result<Exit, Failure> {
        let key = ApiKey::generate();
        let entry = key.entry(&Entry {
            id: &self.id,
            workload: &self.workload,
            principal_type: &self.principal_type,
            roles: &self.role,
            attributes: &self.attribute,
            not_after: self.not_after.as_deref(),
        })?;
        match self.format {
            TextOrJson::Json => print(&pretty(&json!({ "key": key.reveal(), "entry": entry }))),
            TextOrJson::Text => print(&format!(
                "# The key. It is shown this once: hand it to its caller, and keep it nowhere else.\n{}\n\n\
                 # Its entry, for `api_keys.keys` of the configuration.\n{}",
                key.reveal(),
                as_yaml(&entry)
            )),
        }
    }
}

/// An entry of a list in YAML: one member a line, each value as JSON, which is YAML too.
fn as_yaml(entry: &serde_json::Value) -> String {
    let members = entry.as_object().into_iter().flatten().enumerate();
    members
        .map(|(at, (name, value))| format!("{} {name}: {value}\n", if at == 0 { "-" } else { " " }))
        .collect()
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        Self::usage(error.to_string())
    }
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

fn print(text: &str) -> Result<Exit, Failure> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Exit::Good)
}

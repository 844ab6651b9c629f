//! `countersign token`: tokens for tests, good and hostile.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::console::stdout;
use crate::credentials::token::decode;
use crate::credentials::{Algorithm, Forgery, TokenBuilder, algorithm, pki, read_key};
use crate::failure::{Exit, Failure};

/// Mint a token for tests, or decode one.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["key", "decode"]))]
pub(crate) struct Token {
    /// The private key to sign with: PKCS #8 PEM or a JWK, as `countersign keys new` writes it.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print a token's header and claims instead, without judging them; `-` reads standard input.
    #[arg(long, value_name = "TOKEN")]
    decode: Option<String>,
    /// The algorithm, where the key's kind has several: RSA keys sign with RS256 unless they or this say otherwise.
    #[arg(long, value_parser = algorithm)]
    alg: Option<Algorithm>,
    /// Bind the token to the holder of this private key, who then proves it with each request (`cnf.jkt`, RFC 9449).
    #[arg(long, value_name = "FILE")]
    bind: Option<PathBuf>,
    /// Bind the token to this client certificate, in PEM (`cnf.x5t#S256`, RFC 8705).
    #[arg(long, value_name = "FILE")]
    bind_certificate: Option<PathBuf>,
    /// The key ID; by default that of the JWK, else the key's thumbprint. Empty leaves it out.
    #[arg(long)]
    kid: Option<String>,
    /// The `typ` header. Empty leaves it out.
    #[arg(long, default_value = "at+jwt")]
    typ: String,
    /// Another member of the header, its value as JSON where it is JSON, else as text.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    header: Vec<(String, String)>,
    /// The issuer.
    #[arg(long)]
    iss: Option<String>,
    /// The subject.
    #[arg(long)]
    sub: Option<String>,
    /// An audience. Several make an array.
    #[arg(long)]
    aud: Vec<String>,
    /// When it ends: `+5m`, `-30s`, `now`, seconds since the epoch, or `never`.
    #[arg(long, default_value = "+5m", allow_hyphen_values = true)]
    exp: String,
    /// When it was issued, in the same form.
    #[arg(long, default_value = "now", allow_hyphen_values = true)]
    iat: String,
    /// When it begins, in the same form.
    #[arg(long, default_value = "never", allow_hyphen_values = true)]
    nbf: String,
    /// What `now` means, in seconds since the epoch.
    #[arg(long, value_name = "SECONDS")]
    now: Option<i64>,
    /// A claim whose value is text.
    #[arg(long, value_name = "NAME=TEXT", value_parser = pair)]
    claim: Vec<(String, String)>,
    /// A claim whose value is JSON.
    #[arg(long, value_name = "NAME=JSON", value_parser = pair)]
    claim_json: Vec<(String, String)>,
    /// Spoil the token.
    #[arg(long, value_enum)]
    forge: Option<Kind>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Kind {
    /// Change the subject under the old signature.
    Payload,
    /// Flip one bit of the signature.
    Signature,
    /// Say `alg` `none`, and sign nothing.
    None,
    /// Say `alg` `HS256`.
    Hs256,
    /// Cut off the signature.
    Truncate,
}

impl Token {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let text = match (&self.decode, &self.key) {
            (Some(token), _) => decoded(token)?,
            (None, Some(_)) => self.mint()?,
            (None, None) => return Err(Failure::usage("expected `--key` or `--decode`")),
        };
        let mut out = stdout();
        writeln!(out, "{text}")?;
        out.flush()?;
        Ok(Exit::Good)
    }

    fn mint(&self) -> Result<String, Failure> {
        let named = read_key(self.key.as_deref().unwrap_or("".as_ref()))
            .map_err(|error| Failure::from(error).help("`countersign keys new` makes one"))?;
        let key = match self.alg {
            None => named.key,
            Some(algorithm) => named.key.with_algorithm(algorithm)?,
        };
        let kid = self.kid.clone().or(named.kid).unwrap_or_else(|| key.thumbprint());
        let mut token =
            TokenBuilder::new().header("typ", text_or_null(&self.typ)).header("kid", text_or_null(&kid));
        for (name, value) in &self.header {
            let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            token = token.header(name, value);
        }
        for (name, value) in [("iss", &self.iss), ("sub", &self.sub)] {
            token = token.claim(name, json!(value));
        }
        match self.aud.as_slice() {
            [] => {}
            [one] => token = token.claim("aud", json!(one)),
            several => token = token.claim("aud", json!(several)),
        }
        for (name, time) in [("exp", &self.exp), ("iat", &self.iat), ("nbf", &self.nbf)] {
            let value = if time == "never" { Value::Null } else { json!(time) };
            token = token.claim(name, value);
        }
        let mut confirmation = Map::new();
        if let Some(path) = &self.bind {
            confirmation.insert("jkt".into(), json!(read_key(path)?.key.thumbprint()));
        }
        if let Some(path) = &self.bind_certificate {
            let digest = pki::digest(path)?;
            confirmation.insert("x5t#S256".into(), json!(digest));
        }
        if !confirmation.is_empty() {
            token = token.claim("cnf", Value::Object(confirmation));
        }
        for (name, value) in &self.claim {
            token = token.claim(name, json!(value));
        }
        for (name, value) in &self.claim_json {
            let value = serde_json::from_str(value).map_err(|error| {
                Failure::usage(format!("claim `{name}`: expected JSON, found `{value}`: {error}"))
            })?;
            token = token.claim(name, value);
        }
        let token = token.at(self.now.unwrap_or_else(now))?;
        Ok(match self.forge {
            None => token.sign(&key)?,
            Some(kind) => token.forge(&key, &kind.forgery())?,
        })
    }
}

impl Kind {
    pub(super) fn forgery(self) -> Forgery {
        match self {
            Self::Payload => Forgery::Payload(Map::from_iter([("sub".to_owned(), json!("mallory"))])),
            Self::Signature => Forgery::Signature,
            Self::None => Forgery::Unsigned,
            Self::Hs256 => Forgery::Confused,
            Self::Truncate => Forgery::Truncated,
        }
    }
}

fn decoded(token: &str) -> Result<String, Failure> {
    let mut input = String::new();
    let token = match token {
        "-" => {
            std::io::stdin()
                .read_to_string(&mut input)
                .map_err(|error| Failure::usage(format!("standard input: expected a token: {error}")))?;
            input.as_str()
        }
        token => token,
    };
    let (header, claims) = decode(token)?;
    Ok(format!("{:#}", json!({ "header": header, "claims": claims })))
}

fn text_or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected `NAME=VALUE`")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

//! One request, or a file of them, on the command line: shared by `eval` and `explain`.

use crate::case::{BadCase, Case, Jwks, Target, parse, peer};
use crate::decider::Decider;
use crate::engine::Request;
use crate::failure::Failure;
use crate::lines::BadLine;
use crate::time;
use countersign_core::time::Timestamp;
use countersign_host_sim::PropertyValue;
use std::path::{Path, PathBuf};

/// A request, or requests.
#[derive(clap::Args)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestArgs {
    /// A JSON Lines file with one request a line; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "url", "header", "token", "peer", "property", "body", "cases"])]
    pub(crate) request: Option<PathBuf>,
    /// The method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// The URL, or the path.
    #[arg(long, required_unless_present_any = ["request", "alone"])]
    url: Option<String>,
    /// A header, as `name: value`; may be given several times.
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// A bearer token, or the name of a file with one after `@`.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The SPIFFE ID in the certificate of the peer.
    #[arg(long, value_name = "SPIFFE-ID")]
    peer: Option<String>,
    /// A property of the connection or the request, as `path=value`.
    #[arg(long, value_name = "PROPERTY")]
    property: Vec<String>,
    /// The body.
    #[arg(long)]
    body: Option<String>,
    /// The time of requests that state none: RFC 3339, or seconds since the Unix epoch.
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// The key documents that issuers publish, in place of the configured sources: `FILE` for all issuers, or `ISSUER=FILE`.
    #[arg(long, value_name = "[ISSUER=]FILE")]
    jwks: Vec<String>,
}

impl RequestArgs {
    /// The time of requests that state none.
    pub(crate) fn now(&self) -> Result<Timestamp, Failure> {
        match &self.time {
            None => Ok(time::now()),
            Some(text) => time::parse(text).ok_or_else(|| {
                Failure::usage(format!("`--time`: expected {}, found `{text}`", time::EXPECTED_TIME))
            }),
        }
    }

    /// Gives the key documents of `--jwks` to `decider`.
    pub(crate) fn publish(&self, decider: &mut Decider) -> Result<(), Failure> {
        for argument in &self.jwks {
            let issuers = decider.issuers();
            let named = issuers
                .iter()
                .find_map(|issuer| Some((*issuer, argument.strip_prefix(issuer)?.strip_prefix('=')?)));
            let (issuer, path) = match named {
                Some((issuer, path)) => (Some(issuer.to_owned()), path),
                None => (None, argument.as_str()),
            };
            let raw = std::fs::read(path).map_err(|error| {
                Failure::usage(format!("`--jwks {argument}`: expected `FILE` or `ISSUER=FILE`: {error}"))
            })?;
            let raw = String::from_utf8_lossy(&raw).into_owned();
            decider.publish(&match issuer {
                Some(issuer) => Jwks { raw: serde_json::json!({ issuer: raw }).to_string() },
                None => Jwks { raw },
            });
        }
        Ok(())
    }

    /// The request that the flags make up.
    pub(crate) fn single(&self) -> Result<Case, Failure> {
        let mut headers = Vec::new();
        for header in &self.header {
            let at = header.get(1..).and_then(|rest| rest.find(':')).map(|at| at + 1);
            let (name, value) = at.and_then(|at| header.split_at_checked(at)).ok_or_else(|| {
                Failure::usage(format!("`--header`: expected `name: value`, found `{header}`"))
            })?;
            let value = value.strip_prefix(':').unwrap_or(value);
            headers.push((
                name.as_bytes().to_vec(),
                value.strip_prefix(' ').unwrap_or(value).as_bytes().to_vec(),
            ));
        }
        if let Some(token) = &self.token {
            let token = token_or_file(token)?;
            headers.push((b"authorization".to_vec(), format!("Bearer {token}").into_bytes()));
        }
        let mut request = Request {
            body: self.body.clone().map(String::into_bytes).into_iter().collect(),
            ..Request::default()
        };
        for property in &self.property {
            let (path, value) = property.split_once('=').ok_or_else(|| {
                Failure::usage(format!("`--property`: expected `path=value`, found `{property}`"))
            })?;
            let value = match value {
                "true" => PropertyValue::Bool(true),
                "false" => PropertyValue::Bool(false),
                text => PropertyValue::from(text),
            };
            request.properties.insert(path.to_owned(), value);
        }
        if let Some(uri) = &self.peer {
            peer(&mut request.properties, uri.as_str());
        }
        request.headers = Target { method: Some(&self.method), url: self.url.as_deref() }
            .into_headers(headers)
            .map_err(|bad| Failure::usage(format!("`--{}`: {}", bad.field, bad.message)))?;
        Ok(Case { id: None, time: self.now()?, request, jwks: None, expect: None })
    }
}

/// A token, in whose place `@` may name a file with one.
pub(crate) fn token_or_file(argument: &str) -> Result<String, Failure> {
    let text = match argument.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("`--token @{path}`: expected a readable file: {error}"))
        })?,
        None => argument.to_owned(),
    };
    Ok(text.trim().to_owned())
}

/// Requests from a file, one at a time.
pub(crate) struct Lines {
    lines: crate::lines::Lines,
    now: Timestamp,
}

/// A line of the file.
pub(crate) struct Line {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// What it holds.
    pub(crate) case: Result<Case, BadCase>,
}

impl Lines {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path, now: Timestamp) -> Result<Self, Failure> {
        Ok(Self { lines: crate::lines::Lines::open(path)?, now })
    }

    /// The file's name, as messages show it.
    pub(crate) fn name(&self) -> &str {
        self.lines.name()
    }

    /// The file's name and a line's number, as messages show them.
    pub(crate) fn place(&self, line: usize) -> String {
        self.lines.place(line)
    }

    /// The next line that is not blank.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, Failure> {
        let Some((number, text)) = self.lines.next()? else { return Ok(None) };
        let case = match text {
            Ok(text) => parse(text, self.now),
            Err(bad @ BadLine::Long) => Err(BadCase::at("", bad.to_string())),
            Err(bad @ BadLine::NotText(_)) => {
                Err(BadCase::at("", format!("{bad}; write such bytes as `{{\"base64\": \"…\"}}`")))
            }
        };
        Ok(Some(Line { number, case }))
    }
}

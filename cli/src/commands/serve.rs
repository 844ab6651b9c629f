//! `countersign serve`: a local gateway that runs the filter.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_core::config::{Config, KeySource};
use countersign_host_sim::serve::{ClientCertificate, Gateway, GatewayOptions, Tls};
use countersign_host_sim::{LogLevel, LogLine};

use crate::console::{BAD, GOOD, HINT, say};
use crate::failure::{Exit, Failure};
use crate::plugin::PluginArgs;

/// How long requests under way may take to end when the gateway stops.
const GRACE: Duration = Duration::from_secs(5);

/// Serve the filter, or any proxy-wasm module, as a local HTTP gateway, for development.
///
/// Audit lines go to standard output, everything else that the filter logs to standard error.
/// Ctrl-C ends it once requests under way are answered.
#[derive(clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    plugin: PluginArgs,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where allowed requests go, such as `http://127.0.0.1:9000`.
    #[arg(long, value_name = "URL", value_parser = origin)]
    upstream: String,
    /// Where a cluster is that the filter calls, such as `issuer=http://127.0.0.1:8090`. One that is not named here is
    /// at the address in the configuration's `uri`.
    #[arg(long, value_name = "NAME=URL", value_parser = cluster)]
    cluster: Vec<(String, String)>,
    /// The gateway's certificate chain, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The authorities of client certificates, as PEM. A caller without a certificate is left to the filter.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// How many workers there are, each with a VM of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
}

impl Serve {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let plugin = self.plugin.load()?;
        let clusters = match &plugin.config {
            Some(config) => clusters(&self.cluster, config)?,
            None => self.cluster.iter().cloned().collect(),
        };
        let mut options = GatewayOptions::new(self.upstream.clone()).log(log);
        options.listen = self.listen;
        options.clusters.clone_from(&clusters);
        options.tls = self.tls()?;
        let host = plugin.host.workers(usize::from(self.workers));
        let gateway = Gateway::start(host, options).map_err(|error| Failure::usage(error.to_string()))?;
        let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
        say!("{GOOD}listening{GOOD:#} on {scheme}://{}", gateway.address());
        for (name, address) in clusters {
            say!("  cluster `{name}` is at {address}");
        }
        wait()?;
        say!("{HINT}stopping{HINT:#}");
        gateway.stop(GRACE);
        Ok(Exit::Good)
    }

    fn tls(&self) -> Result<Option<Tls>, Failure> {
        let (Some(certificates), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let client = match &self.client_ca {
            Some(path) => ClientCertificate::Optional(read(path)?),
            None => ClientCertificate::None,
        };
        Ok(Some(Tls { certificates: read(certificates)?, key: read(key)?, client }))
    }
}

/// The clusters named, and else those that the configuration gives an address.
fn clusters(named: &[(String, String)], config: &Config) -> Result<BTreeMap<String, String>, Failure> {
    let mut clusters: BTreeMap<String, String> = named.iter().cloned().collect();
    let known: BTreeSet<&str> = config.clusters().collect();
    if let Some(name) = clusters.keys().find(|name| !known.contains(name.as_str())) {
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        let known = if known.is_empty() { String::from("none") } else { known.join(", ") };
        return Err(Failure::usage(format!(
            "`--cluster {name}=…`: expected a cluster of the configuration ({known}), found `{name}`"
        )));
    }
    for Source { whose, cluster, uri } in sources(config) {
        if clusters.contains_key(cluster) {
            continue;
        }
        let address = address(&uri).map_err(|error| {
            Failure::usage(format!("{whose}: {error}"))
                .help(format!("add `--cluster {cluster}=http://HOST:PORT`"))
        })?;
        clusters.insert(cluster.to_owned(), address);
    }
    Ok(clusters)
}

/// Something that is called through a cluster.
struct Source<'a> {
    /// What it is called for.
    whose: String,
    cluster: &'a str,
    /// An address that is there.
    uri: String,
}

/// All that the filter calls: issuers for their keys and their word on tokens, and token services.
fn sources(config: &Config) -> Vec<Source<'_>> {
    let mut sources = Vec::new();
    for issuer in &config.issuers {
        let keys = format!("keys of issuer `{}`", issuer.issuer);
        match &issuer.keys {
            KeySource::Inline(_) | KeySource::None => {}
            KeySource::Remote(remote) => {
                sources.push(Source { whose: keys, cluster: &remote.cluster, uri: remote.uri.clone() });
            }
            KeySource::Discovery(discovered) => {
                let document = discovered.document_uri(&issuer.issuer);
                let second = discovered.jwks_authority.as_ref().unwrap_or(&document).clone();
                let (whose, cluster) = (keys.clone(), &*discovered.cluster);
                sources.push(Source { whose, cluster, uri: document });
                if let Some(cluster) = &discovered.jwks_cluster {
                    sources.push(Source { whose: keys, cluster, uri: second });
                }
            }
        }
        if let Some(asked) = &issuer.introspection {
            let whose = format!("introspection by issuer `{}`", issuer.issuer);
            sources.push(Source { whose, cluster: &asked.cluster, uri: asked.uri.clone() });
        }
    }
    sources.extend(config.upstream_tokens.iter().map(|token| Source {
        whose: format!("upstream token `{}`", token.name),
        cluster: &token.cluster,
        uri: token.uri.clone(),
    }));
    sources
}

/// Audit lines are for programs, all else is for people.
fn log(line: &LogLine) {
    if line.message.starts_with('{') && line.level == LogLevel::Info {
        let mut out = std::io::stdout().lock();
        // No one is left to be told where standard output is gone.
        let _ = writeln!(out, "{}", line.message).and_then(|()| out.flush());
    } else if line.level >= LogLevel::Warn {
        say!("{BAD}filter{BAD:#} {line}");
    } else {
        say!("filter {line}");
    }
}

/// Waits for Ctrl-C, or for being told to end.
fn wait() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("cannot wait for signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(ended()).map_err(failed)
}

#[cfg(unix)]
async fn ended() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn ended() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Host and port of a URL, whatever its path. Upstreams are spoken to in the clear.
fn address(url: &str) -> Result<String, String> {
    let wrong = || format!("expected `http://HOST:PORT`, found `{url}`");
    let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of `[::1]` part no port.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().map_err(|_| wrong())?),
        _ => (authority, 80),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match bare {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '@', '[', ']', ' ']),
    };
    if good { Ok(format!("{host}:{port}")) } else { Err(wrong()) }
}

/// The same of a URL that says nothing more: a request's own path is what goes upstream.
fn origin(url: &str) -> Result<String, String> {
    let address = address(url)?;
    match url
        .strip_prefix("http://")
        .and_then(|rest| rest.find(['/', '?', '#']).map(|at| rest.split_at(at).1))
    {
        None | Some("/") => Ok(address),
        Some(rest) => Err(format!("expected `http://HOST:PORT` and no more, found `{rest}` after it")),
    }
}

fn cluster(text: &str) -> Result<(String, String), String> {
    let (name, url) = text.split_once('=').ok_or("expected `NAME=http://HOST:PORT`")?;
    Ok((name.to_owned(), origin(url)?))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::at(path.display(), format!("expected a readable PEM file: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        assert_eq!(address("http://127.0.0.1:8090/jwks?x").unwrap(), "127.0.0.1:8090");
        assert_eq!(address("http://issuer").unwrap(), "issuer:80");
        assert_eq!(address("http://[::1]:8090/jwks").unwrap(), "[::1]:8090");
        assert_eq!(address("http://[::1]").unwrap(), "[::1]:80");
        for url in [
            "https://issuer:443",
            "issuer:80",
            "http://",
            "http://:80",
            "http://:80/jwks",
            "http://::1",
            "http://[x]:80",
            "http://me@issuer:80",
            "http://issuer:x",
            "http://issuer:99999",
        ] {
            assert!(address(url).is_err(), "{url}");
        }
    }

    #[test]
    fn every_cluster_has_the_address_of_the_configuration_or_the_one_it_is_given() {
        let mut config: Config = serde_json::from_value(serde_json::json!({
            "version": 1, "issuers": [
                {
                    "issuer": "https://one.example", "algorithms": ["ES256"], "audiences": ["a"],
                    "keys": { "remote": { "cluster": "keys", "uri": "http://127.0.0.1:1/jwks" } },
                    "introspection": { "cluster": "word", "uri": "http://127.0.0.1:2/introspect" },
                },
                {
                    "issuer": "http://127.0.0.1:3", "algorithms": ["ES256"], "audiences": ["a"],
                    "keys": { "discovery": {
                        "cluster": "found", "jwks_cluster": "second", "jwks_authority": "http://127.0.0.1:4",
                    } },
                },
            ],
            "upstream_tokens": [{
                "name": "model", "grant": "token_exchange", "cluster": "tokens", "uri": "http://127.0.0.1:5/token",
            }],
            "policy": {}, "routes": [],
        }))
        .unwrap();
        let named = |name: &str| vec![(name.to_owned(), "127.0.0.1:9".to_owned())];
        let text = |clusters: BTreeMap<String, String>| {
            clusters.iter().map(|(name, address)| format!("{name}={address}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            text(clusters(&named("word"), &config).unwrap()),
            "found=127.0.0.1:3 keys=127.0.0.1:1 second=127.0.0.1:4 tokens=127.0.0.1:5 word=127.0.0.1:9"
        );
        assert!(clusters(&named("typo"), &config).is_err());

        config.upstream_tokens[0].uri = "https://tokens.example/token".to_owned();
        let fault = format!("{:?}", clusters(&[], &config).unwrap_err());
        assert!(fault.contains("upstream token `model`: expected `http://HOST:PORT`"), "{fault}");
        assert!(clusters(&named("tokens"), &config).is_ok());
        config.issuers[0].introspection.as_mut().unwrap().uri = "https://one.example".to_owned();
        let fault = format!("{:?}", clusters(&named("tokens"), &config).unwrap_err());
        assert!(fault.contains("introspection by issuer `https://one.example`"), "{fault}");
    }

    #[test]
    fn an_upstream_is_no_more_than_host_and_port() {
        assert_eq!(origin("http://a:1/").unwrap(), "a:1");
        for url in ["http://a:1/base", "http://a:1?x", "http://a:1//"] {
            assert!(origin(url).is_err(), "{url}");
        }
        assert!(cluster("issuer=http://a:1/jwks").is_err());
        assert_eq!(cluster("issuer=http://a:1").unwrap(), ("issuer".to_owned(), "a:1".to_owned()));
        assert!(cluster("issuer").is_err());
    }
}

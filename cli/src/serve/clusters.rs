//! Where clusters and upstreams are: as named on the command line, or as the configuration's addresses have it.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::config::{Config, KeySource};
use countersign_host_sim::serve::Endpoint;

use crate::failure::Failure;

/// The clusters named, and else those that the configuration gives an address; one of `https` only with `tls`.
pub(crate) fn clusters(
    named: &[(String, Endpoint)],
    config: &Config,
    tls: bool,
) -> Result<BTreeMap<String, Endpoint>, Failure> {
    let mut clusters: BTreeMap<String, Endpoint> = named.iter().cloned().collect();
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
        let found = endpoint(&uri).and_then(|endpoint| match endpoint.tls && !tls {
            true => Err(format!("expected `http://HOST:PORT`, or `--upstream-ca FILE`, found `{uri}`")),
            false => Ok(endpoint),
        });
        let found = found.map_err(|error| {
            Failure::usage(format!("{whose}: {error}"))
                .help(format!("add `--cluster {cluster}=http://HOST:PORT`"))
        })?;
        clusters.insert(cluster.to_owned(), found);
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

/// Scheme, host and port of a URL, whatever its path.
fn endpoint(url: &str) -> Result<Endpoint, String> {
    let wrong = || format!("expected `http://HOST:PORT` or `https://HOST:PORT`, found `{url}`");
    let (rest, tls) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => return Err(wrong()),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of `[::1]` part no port.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().map_err(|_| wrong())?),
        _ => (authority, if tls { 443 } else { 80 }),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match bare {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '@', '[', ']', ' ']),
    };
    if good { Ok(Endpoint { address: format!("{host}:{port}"), tls }) } else { Err(wrong()) }
}

/// The same of a URL that says nothing more: a request's own path is what goes upstream.
pub(crate) fn origin(url: &str) -> Result<Endpoint, String> {
    let endpoint = endpoint(url)?;
    let rest =
        url.split_once("://").and_then(|(_, rest)| rest.find(['/', '?', '#']).map(|at| rest.split_at(at).1));
    match rest {
        None | Some("/") => Ok(endpoint),
        Some(rest) => Err(format!("expected `http://HOST:PORT` and no more, found `{rest}` after it")),
    }
}

pub(crate) fn cluster(text: &str) -> Result<(String, Endpoint), String> {
    let (name, url) = text.split_once('=').ok_or("expected `NAME=http://HOST:PORT`")?;
    Ok((name.to_owned(), origin(url)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        assert_eq!(endpoint("http://127.0.0.1:8090/jwks?x").unwrap(), "127.0.0.1:8090".into());
        assert_eq!(endpoint("http://issuer").unwrap(), "issuer:80".into());
        assert_eq!(endpoint("https://issuer/jwks").unwrap(), Endpoint::tls("issuer:443"));
        assert_eq!(endpoint("http://[::1]:8090/jwks").unwrap(), "[::1]:8090".into());
        assert_eq!(endpoint("http://[::1]").unwrap(), "[::1]:80".into());
        for url in [
            "ftp://issuer:443",
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
            assert!(endpoint(url).is_err(), "{url}");
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
        let named = |name: &str| vec![(name.to_owned(), Endpoint::from("127.0.0.1:9"))];
        let text = |clusters: BTreeMap<String, Endpoint>| {
            let told = |(name, at): (&String, &Endpoint)| format!("{name}={}", at.address);
            clusters.iter().map(told).collect::<Vec<_>>().join(" ")
        };
        let clusters = |named: &[(String, Endpoint)], config: &Config| clusters(named, config, false);
        assert_eq!(
            text(clusters(&named("word"), &config).unwrap()),
            "found=127.0.0.1:3 keys=127.0.0.1:1 second=127.0.0.1:4 tokens=127.0.0.1:5 word=127.0.0.1:9"
        );
        assert!(clusters(&named("typo"), &config).is_err());

        config.upstream_tokens[0].uri = "https://tokens.example/token".to_owned();
        let fault = format!("{:?}", clusters(&[], &config).unwrap_err());
        assert!(fault.contains("upstream token `model`: expected `http://HOST:PORT`"), "{fault}");
        assert!(clusters(&named("tokens"), &config).is_ok());
        let secure = super::clusters(&[], &config, true).unwrap();
        assert_eq!(secure.get("tokens"), Some(&Endpoint::tls("tokens.example:443")));
        config.issuers[0].introspection.as_mut().unwrap().uri = "https://one.example".to_owned();
        let fault = format!("{:?}", clusters(&named("tokens"), &config).unwrap_err());
        assert!(fault.contains("introspection by issuer `https://one.example`"), "{fault}");
    }

    #[test]
    fn an_upstream_is_no_more_than_host_and_port() {
        assert_eq!(origin("http://a:1/").unwrap(), "a:1".into());
        assert_eq!(origin("https://a").unwrap(), Endpoint::tls("a:443"));
        for url in ["http://a:1/base", "http://a:1?x", "http://a:1//"] {
            assert!(origin(url).is_err(), "{url}");
        }
        assert!(cluster("issuer=http://a:1/jwks").is_err());
        assert_eq!(cluster("issuer=http://a:1").unwrap(), ("issuer".to_owned(), "a:1".into()));
        assert!(cluster("issuer").is_err());
    }
}

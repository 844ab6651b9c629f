//! Certificates of the gateway that change while it runs, on both sides, and upstreams over TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;

use countersign_host_sim::serve::{
    ClientCertificate, Endpoint, Gateway, GatewayOptions, Protocol, Tls, UpstreamTls,
};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::SanType;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::common::builder;
use crate::http2::{body, runtime};
use crate::net::{Authority, to_its_end};

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn local() -> Vec<SanType> {
    vec![SanType::DnsName("localhost".try_into().unwrap())]
}

fn tls(authority: &Authority) -> Tls {
    let (certificates, key) = authority.issue("gateway", local());
    Tls { certificates, key, client: ClientCertificate::None }
}

fn trusting(authority: &Authority) -> UpstreamTls {
    UpstreamTls { authorities: authority.pem(), identity: None }
}

/// An upstream over TLS that says in which protocol it was asked, and whom its client showed itself as.
fn upstream(authority: &Authority, protocols: &[&str], asks: bool) -> Endpoint {
    let (certificate, key) = authority.issue("upstream", local());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = if asks {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&authority.pem()).unwrap()).unwrap();
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        config.with_client_cert_verifier(verifier.unwrap())
    } else {
        config.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_slice(&certificate).unwrap()];
    let mut config = config.with_single_cert(chain, PrivateKeyDer::from_pem_slice(&key).unwrap()).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (told, address) = channel::<SocketAddr>();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(secure) = acceptor.accept(stream).await else { continue };
                let shown = secure.get_ref().1.peer_certificates().is_some();
                let service = service_fn(move |request: Request<Incoming>| async move {
                    let told = format!("{:?} {shown}", request.version());
                    let length = told.len().to_string();
                    let answer = Response::builder().header("content-length", length);
                    Ok::<_, Infallible>(answer.body(body(&[&told], &[])).unwrap())
                });
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    drop(builder.serve_connection(TokioIo::new(secure), service).await);
                });
            }
        });
    });
    Endpoint::tls(format!("localhost:{}", address.recv().unwrap().port()))
}

fn says(gateway: &Gateway) -> (u16, String) {
    let answer = to_its_end(gateway.address(), REQUEST);
    (answer.status, answer.body)
}

#[test]
fn the_listener_takes_other_certificates_up_and_keeps_the_last_good_ones() {
    let [old, new] = [Authority::new(), Authority::new()];
    let options = GatewayOptions::new("127.0.0.1:1").tls(tls(&old));
    let gateway = Gateway::start(builder(""), options).unwrap();
    let status = |authority: &Authority| {
        authority.secure(gateway.address(), None, REQUEST).map(|answer| answer.status)
    };
    assert_eq!((status(&old), status(&new)), (Some(503), None));
    let unmatched = Tls { key: tls(&new).key, ..tls(&new) };
    let cut = Tls { certificates: b"-----BEGIN CERTIFICATE-----".to_vec(), ..tls(&new) };
    for bad in [Some(&unmatched), Some(&cut), None] {
        assert!(gateway.reload_tls(bad, None).is_err());
        assert_eq!((status(&old), status(&new)), (Some(503), None));
    }
    gateway.reload_tls(Some(&tls(&new)), None).unwrap();
    assert_eq!((status(&old), status(&new)), (None, Some(503)));
}

#[test]
fn an_upstream_over_tls_is_spoken_to_as_the_two_agree() {
    let authority = Authority::new();
    for (protocols, protocol, said) in [
        (&["h2", "http/1.1"][..], Protocol::Agreed, Some("HTTP/2.0 false")),
        (&["http/1.1"], Protocol::Agreed, Some("HTTP/1.1 false")),
        (&[], Protocol::Agreed, Some("HTTP/1.1 false")),
        (&["http/1.1", "h2"], Protocol::Http2, Some("HTTP/2.0 false")),
        (&["http/1.1"], Protocol::Http2, None),
    ] {
        let options = GatewayOptions::new(upstream(&authority, protocols, false));
        let options = options.upstream_tls(trusting(&authority)).upstream_protocol(protocol);
        let gateway = Gateway::start(builder(""), options).unwrap();
        // Once more on the connection that was kept.
        for _ in 0..2 {
            let (status, body) = says(&gateway);
            assert_eq!((status == 200).then_some(&*body), said, "{protocols:?} {protocol:?} {body}");
        }
    }
}

#[test]
fn an_upstream_is_who_its_certificate_says_it_is() {
    let [authority, other] = [Authority::new(), Authority::new()];
    let endpoint = upstream(&authority, &["h2"], false);
    let under_another_name = Endpoint::tls(endpoint.address.replace("localhost", "127.0.0.1"));
    for (endpoint, tls, expected) in [
        (&endpoint, Some(trusting(&authority)), 200),
        (&endpoint, Some(trusting(&other)), 503),
        (&under_another_name, Some(trusting(&authority)), 503),
        (&endpoint, None, 503),
    ] {
        let mut options = GatewayOptions::new(endpoint.clone());
        options.upstream_tls = tls;
        let gateway = Gateway::start(builder(""), options).unwrap();
        assert_eq!(says(&gateway).0, expected);
    }
}

#[test]
fn what_is_shown_to_upstreams_changes_with_the_next_request() {
    let authority = Authority::new();
    let with = |identity| UpstreamTls { identity, ..trusting(&authority) };
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let options = GatewayOptions::new(upstream(&authority, protocols, true));
        let identity = authority.issue("gateway", local());
        let options = options.upstream_tls(with(Some(identity.clone())));
        let gateway = Gateway::start(builder(""), options).unwrap();
        assert!(says(&gateway).1.ends_with(" true"));
        // Nobody is trusted with the connection that was made before.
        gateway.reload_tls(None, Some(&with(None))).unwrap();
        assert_ne!(says(&gateway).0, 200);
        assert!(
            gateway.reload_tls(None, Some(&with(Some((identity.0.clone(), b"no key".to_vec()))))).is_err()
        );
        assert_ne!(says(&gateway).0, 200);
        gateway.reload_tls(None, Some(&with(Some(identity)))).unwrap();
        assert!(says(&gateway).1.ends_with(" true"));
    }
}

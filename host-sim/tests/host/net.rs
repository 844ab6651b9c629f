//! A small upstream, certificates, and clients in plain text and TLS.

#![allow(dead_code, reason = "not every suite uses every helper")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// An answer over HTTP/1.1: status, headers, body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Serves each request with what `answer` makes of its head and body. `None` leaves it unanswered.
pub(crate) fn upstream(
    answer: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static,
) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = channel();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (sender, answer) = (sender.clone(), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut stream = stream;
                while let Some((head, body)) = read_message(&mut reader) {
                    let answered = answer(&head, &body);
                    // The test may not look at requests.
                    let _ = sender.send(format!("{head}\n{body}"));
                    match answered {
                        Some(text) => {
                            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
                            if stream.write_all(format!("{head}{text}").as_bytes()).is_err() {
                                return;
                            }
                        }
                        None => {
                            std::thread::park();
                        }
                    }
                }
            });
        }
    });
    (address, requests)
}

pub(crate) fn read_message(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line.to_ascii_lowercase());
    }
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "))
        .map_or(0, |n| n.trim().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}

/// Sends a request and reads its answer.
pub(crate) fn ask(mut stream: impl Read + Write, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    stream.flush().unwrap();
    let (head, body) = read_message(&mut BufReader::new(stream)).expect("an answer");
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap();
    Answer { status, head, body }
}

/// Sends a request in plain text.
pub(crate) fn plain(address: SocketAddr, request: &str) -> Answer {
    ask(TcpStream::connect(address).unwrap(), request)
}

/// The same, for an answer whose length is not known before: it ends with the connection.
pub(crate) fn to_its_end(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// An authority and what it issues.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.0.as_ref().pem().into_bytes()
    }

    /// A certificate and its key, both PEM.
    pub(crate) fn issue(&self, common_name: &str, names: Vec<SanType>) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.distinguished_name.push(DnType::CommonName, common_name);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }

    /// What a client without a certificate connects with.
    pub(crate) fn client(&self) -> rustls::ClientConfig {
        self.trusting().with_no_client_auth()
    }

    fn trusting(&self) -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&self.pem()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
    }

    /// Sends a request over TLS, showing a certificate if there is one. `None` where the connection fails.
    pub(crate) fn secure(
        &self,
        address: SocketAddr,
        shown: Option<(&[u8], &[u8])>,
        request: &str,
    ) -> Option<Answer> {
        let config = self.trusting();
        let config = match shown {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => config
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate).unwrap()],
                    PrivateKeyDer::from_pem_slice(key).unwrap(),
                )
                .unwrap(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        connection.complete_io(&mut socket).ok()?;
        let mut stream = rustls::Stream::new(&mut connection, &mut socket);
        stream.write_all(request.as_bytes()).ok()?;
        stream.flush().ok()?;
        let (head, body) = read_message(&mut BufReader::new(stream))?;
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap();
        Some(Answer { status, head, body })
    }
}

//! One end of a connection through a gateway, and what has come to it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use tokio::net::TcpSocket;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// One end.
pub(super) struct Side {
    /// Nothing once it was broken off.
    socket: Option<TcpStream>,
    tls: Option<Box<ClientConnection>>,
    /// The bytes that came.
    pub(super) got: Vec<u8>,
    /// Whether the other end has ended, as it does that sends no more.
    pub(super) has_ended: bool,
    /// Whether nothing will come any more, ended or broken.
    pub(super) is_over: bool,
}

impl Side {
    /// An end of a connection in the clear.
    pub(super) fn new(socket: TcpStream) -> Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(socket), tls: None, got: Vec::new(), has_ended: false, is_over: false })
    }

    /// A client's end, once it has shaken hands.
    pub(super) fn with_tls(
        mut socket: TcpStream,
        config: Arc<ClientConfig>,
        server: ServerName<'static>,
    ) -> Result<Self> {
        let mut tls = ClientConnection::new(config, server)?;
        socket.set_read_timeout(Some(HANDSHAKE))?;
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self { tls: Some(Box::new(tls)), ..Self::new(socket)? })
    }

    /// Its own address.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.socket.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// Takes what has come.
    pub(super) fn read(&mut self) {
        while let Some(socket) = &mut self.socket
            && !self.is_over
        {
            let mut piece = [0; 4096];
            let read = match &mut self.tls {
                None => socket.read(&mut piece),
                Some(tls) => decrypted(tls, socket, &mut piece),
            };
            match read {
                Ok(0) => (self.has_ended, self.is_over) = (true, true),
                Ok(count) => self.got.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.is_over = true,
            }
        }
    }

    /// Sends bytes. Who they are for may have gone.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let Some(socket) = &mut self.socket else { return };
        match &mut self.tls {
            None => drop(patiently(|| socket.write_all(bytes))),
            Some(tls) => {
                let _ = tls.writer().write_all(bytes);
                flush(tls, socket);
            }
        }
    }

    /// Sends no more.
    pub(super) fn end(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            flush(tls, socket);
        }
        let _ = socket.shutdown(Shutdown::Write);
    }

    /// Goes away at once, which the other end sees as a reset.
    pub(super) fn break_off(&mut self) -> Result<()> {
        self.read();
        self.is_over = true;
        if let Some(socket) = self.socket.take() {
            TcpSocket::from_std_stream(socket).set_zero_linger()?;
        }
        Ok(())
    }
}

fn decrypted(
    tls: &mut ClientConnection,
    socket: &mut TcpStream,
    piece: &mut [u8],
) -> Result<usize, std::io::Error> {
    loop {
        match tls.reader().read(piece) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return read,
        }
        tls.read_tls(socket)?;
        tls.process_new_packets().map_err(std::io::Error::other)?;
    }
}

fn flush(tls: &mut ClientConnection, socket: &mut TcpStream) {
    while tls.wants_write() {
        if patiently(|| tls.write_tls(socket)).is_err() {
            return;
        }
    }
}

/// Does what a full buffer puts off. What is written here is small, so that nothing of it is written twice.
fn patiently<T>(mut write: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match write() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            done => return done,
        }
    }
}

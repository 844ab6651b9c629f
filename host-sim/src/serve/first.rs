//! A client's first bytes, which tell its protocol.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::heads::Heads;

/// What HTTP/2 begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose first bytes have been read, and are read again.
pub(super) struct Begun<S> {
    first: Bytes,
    stream: S,
    heads: Option<Heads>,
}

impl<S: AsyncRead + Unpin> Begun<S> {
    /// Reads as much as it takes to tell whether the client speaks HTTP/2. How long that may take is up to the caller.
    pub(super) async fn read(mut stream: S) -> Result<(Self, bool)> {
        let mut first = Vec::with_capacity(PREFACE.len());
        let mut head = (&mut stream).take(PREFACE.len() as u64);
        while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
            if head.read_buf(&mut first).await? == 0 {
                return Err(Error::from(ErrorKind::UnexpectedEof));
            }
        }
        let http2 = first == PREFACE;
        Ok((Self { first: first.into(), stream, heads: None }, http2))
    }

    /// Has the heads of its requests looked at, as HTTP/1.1 has them.
    pub(super) fn look_at_heads(&mut self) {
        self.heads = Some(Heads::default());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        if self.first.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            let count = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first.split_to(count));
        }
        if let Some(heads) = &mut self.heads {
            heads.look(buffer.filled_mut().split_at_mut(before).1);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

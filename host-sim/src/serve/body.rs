//! Bodies on their way: whole, or piece by piece as somebody asks for the next.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The side that it comes from broke off, or sent more than the gateway takes.
    #[error("the body broke off")]
    Source,
    /// The filter has answered in the message's place.
    #[error("the filter ended the exchange")]
    Filter,
}

/// What gives a body's frames, one after another.
pub(super) trait Source: 'static {
    /// The next frame; none at the end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Frame<Bytes>, Broken>>>;
}

type Turn = Pin<Box<dyn Future<Output = (Box<dyn Turns>, Option<Result<Frame<Bytes>, Broken>>)>>>;

/// A source that can be asked for its turn without its type being known.
pub(super) trait Turns {
    fn turn(self: Box<Self>) -> Turn;
}

impl<S: Source> Turns for S {
    fn turn(mut self: Box<Self>) -> Turn {
        Box::pin(async move {
            let frame = self.next().await;
            (self as Box<dyn Turns>, frame)
        })
    }
}

/// A body.
pub(super) enum Body {
    /// What is left of one that is whole.
    Whole(Bytes, Option<http::HeaderMap>),
    /// One that comes piece by piece, and its length if that is known.
    Pieces(Option<Box<dyn Turns>>, Option<Turn>, Option<u64>),
}

impl Body {
    /// No body.
    pub(super) fn empty() -> Self {
        Self::Whole(Bytes::new(), None)
    }

    /// One that comes from a source.
    pub(super) fn pieces(source: impl Source, length: Option<u64>) -> Self {
        Self::Pieces(Some(Box::new(source)), None, length)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Whole(bytes, trailers) => Poll::Ready(if bytes.is_empty() {
                trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))
            } else {
                Some(Ok(Frame::data(std::mem::take(bytes))))
            }),
            Self::Pieces(source, turn, length) => {
                if turn.is_none() {
                    let Some(source) = source.take() else { return Poll::Ready(None) };
                    *turn = Some(source.turn());
                }
                let Some(running) = turn else { return Poll::Ready(None) };
                let (back, frame) = ready!(running.as_mut().poll(context));
                *turn = None;
                // Where nothing more comes the source is let go of at once, and with it what it holds.
                if matches!(&frame, Some(Ok(frame)) if frame.is_data()) {
                    *source = Some(back);
                }
                if let (Some(left), Some(Ok(frame))) = (length, &frame) {
                    *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes, trailers) => bytes.is_empty() && trailers.is_none(),
            Self::Pieces(source, turn, _) => source.is_none() && turn.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes, None) => SizeHint::with_exact(bytes.len() as u64),
            // In HTTP/1.1 a body of a known length has no trailers.
            Self::Whole(bytes, Some(_)) => {
                let mut hint = SizeHint::new();
                hint.set_lower(bytes.len() as u64);
                hint
            }
            Self::Pieces(_, _, Some(length)) => SizeHint::with_exact(*length),
            Self::Pieces(_, _, None) => SizeHint::default(),
        }
    }
}

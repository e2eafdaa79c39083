//! Bodies that end with an error when the next piece does not come in time, however slowly pieces come otherwise.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// A body on its way, of either direction.
pub(crate) type Body = BoxBody<Bytes, BodyError>;

/// Why a body broke off.
pub(crate) type BodyError = Box<dyn Error + Send + Sync>;

/// See the head of this module.
#[derive(Debug)]
pub(crate) struct Patient<B> {
    body: B,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
}

/// The next piece of a body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("nothing came for {} seconds", .0.as_secs())]
pub(crate) struct Silence(Duration);

impl<B> Patient<B> {
    pub(crate) fn new(body: B, patience: Duration) -> Self {
        Self { body, patience, deadline: Box::pin(sleep(patience)) }
    }
}

impl<B> HttpBody for Patient<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BodyError>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.deadline.as_mut().reset(Instant::now() + this.patience);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(this.deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(Box::new(Silence(this.patience)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

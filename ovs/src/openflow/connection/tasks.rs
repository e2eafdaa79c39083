//! The two tasks of a connection: one writes what is queued, the other reads, answers the switch's
//! probes, asks for itself when it hears nothing, and says why the connection ended.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::super::codec::{self, DecodeError, Message};
use super::Patience;
use super::error::Closed;
use super::routes::Routes;

/// Writes what is queued, until nobody can queue any more or the switch is gone.
pub(super) async fn write(
    mut socket: OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    hung_up: watch::Sender<bool>,
) {
    while let Some(bytes) = queue.recv().await {
        if socket.write_all(&bytes).await.is_err() {
            // The reader sees the end as well, and says why.
            return;
        }
    }
    // No reader is left only if it has seen the end itself.
    _ = hung_up.send(true);
}

/// The task that reads.
pub(super) struct Reader {
    pub(super) patience: Patience,
    /// What came in behind the hello.
    pub(super) early: BytesMut,
    pub(super) routes: Arc<Routes>,
    pub(super) replies: mpsc::WeakUnboundedSender<Vec<u8>>,
    /// Turns true when we are done with the connection.
    pub(super) hearing: watch::Receiver<bool>,
}

/// Room for one read, enough for several parts of a dump.
const READ_SIZE: usize = 256 << 10;

impl Reader {
    pub(super) async fn run(mut self, mut socket: OwnedReadHalf, closing: watch::Sender<Option<Closed>>) {
        let reason = self.read(&mut socket).await;
        // First the reason, so that whoever finds the conversation ended can read it.
        closing.send_replace(Some(reason));
        self.routes.end();
    }

    async fn read(&mut self, socket: &mut OwnedReadHalf) -> Closed {
        let mut received = std::mem::take(&mut self.early);
        // Counted from the question: time in which we were not running is not the switch's silence.
        let mut asked_at = None;
        let mut hearing = self.hearing.clone();
        loop {
            if let Err(error) = self.dispatch(&mut received) {
                return Closed::Malformed(error);
            }
            received.reserve(READ_SIZE);
            let read = tokio::select! {
                read = timeout(self.patience.probe, socket.read_buf(&mut received)) => read,
                // An error means that the writer failed; then reading fails next.
                Ok(_) = hearing.wait_for(|hung_up| *hung_up) => return Closed::ByUs,
            };
            match read {
                Ok(Ok(0)) => return Closed::BySwitch,
                Ok(Ok(_)) => asked_at = None,
                Ok(Err(error)) => return Closed::Broken(error.kind()),
                Err(_) => match asked_at {
                    None => {
                        self.say(&Message::EchoRequest(Vec::new()), 0);
                        asked_at = Some(Instant::now());
                    }
                    Some(asked_at) if asked_at.elapsed() >= self.patience.silence => return Closed::Silent,
                    Some(_) => (),
                },
            }
        }
    }

    fn dispatch(&self, received: &mut BytesMut) -> Result<(), DecodeError> {
        while let Some(message) = codec::split_message(received)? {
            let header = codec::read_header(&message)?;
            if header.kind == codec::ECHO_REQUEST {
                let body = message.get(codec::HEADER_LENGTH..).unwrap_or_default().to_vec();
                self.say(&Message::EchoReply(body), header.xid);
            } else {
                self.routes.deliver(header.xid, message);
            }
        }
        Ok(())
    }

    fn say(&self, message: &Message, xid: u32) {
        let mut bytes = Vec::new();
        codec::encode(message, xid, &mut bytes);
        if let Some(replies) = self.replies.upgrade() {
            // A writer that has failed needs no answer any more.
            _ = replies.send(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_of_the_switch_are_answered_and_answers_find_their_conversation() {
        let (outgoing, mut written) = mpsc::unbounded_channel();
        let (_hung_up, hearing) = watch::channel(false);
        let routes = Arc::new(Routes::default());
        let patience = Patience::default();
        let replies = outgoing.downgrade();
        let reader =
            Reader { patience, early: BytesMut::new(), routes: Arc::clone(&routes), replies, hearing };
        let (route, mut first) = mpsc::unbounded_channel();
        assert_eq!(routes.open(3, route), Some(1));
        let (route, mut second) = mpsc::unbounded_channel();
        assert_eq!(routes.open(1, route), Some(4));

        let mut stream = Vec::new();
        codec::encode(&Message::EchoRequest(vec![7, 8]), 99, &mut stream);
        for xid in [3, 4, 5, 0] {
            codec::encode(&Message::BarrierReply, xid, &mut stream);
        }
        reader.dispatch(&mut BytesMut::from(stream.as_slice())).unwrap();

        let answer = codec::decode(&written.try_recv().unwrap()).unwrap();
        assert_eq!((answer.0.xid, answer.1), (99, Message::EchoReply(vec![7, 8])));
        assert!(written.try_recv().is_err());
        for (route, xid) in [(&mut first, 3), (&mut second, 4)] {
            assert_eq!(codec::read_header(&route.try_recv().unwrap()).unwrap().xid, xid);
            assert!(route.try_recv().is_err());
        }
    }
}

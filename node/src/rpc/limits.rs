//! What clients may take of the node before a request of theirs is whole: time, and memory.
//!
//! A client has so long to send a request it has begun. Requests that are on their way or being answered take memory from one
//! **inbox**, on HTTP, WebSockets and the Unix socket alike; what finds no room there is refused, and others go on.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::server::BODY_MAX;

/// Bytes of all requests that are on their way: sixteen of the largest.
pub const INBOX_MAX: usize = 16 * BODY_MAX;

/// Bytes of a control frame of a WebSocket before its payload: two, and the mask of what a client sends (RFC 6455, 5.2).
const CONTROL_HEAD_BYTES: usize = 6;

/// How long the server waits for its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a request's head. It also ends idle connections, which clients keep for reuse.
    pub head: Duration,
    /// For the rest of a request that has begun.
    pub body: Duration,
    /// For a client that leaves its answer unread.
    pub write: Duration,
    /// For anything on a WebSocket before its client is asked whether it still lives, and then again before it is closed.
    pub silence: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(60),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            silence: Duration::from_secs(60),
        }
    }
}

/// The memory for requests that are on their way.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    held: AtomicUsize,
}

impl Inbox {
    /// Returns a share of the memory, of which nothing is taken yet.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { inbox: Arc::clone(self), bytes: 0 }
    }
}

/// What one connection holds of the inbox; given back with it.
#[derive(Debug)]
pub(super) struct Share {
    inbox: Arc<Inbox>,
    bytes: usize,
}

/// There is no room in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the node has no room for this request: all that are on their way have {INBOX_MAX} bytes; send it again when others are \
     answered"
)]
pub(super) struct InboxFull;

impl Share {
    /// Holds so many bytes, more or fewer than before. Fails, and holds what it held, if there are not as many.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), InboxFull> {
        if let Some(more) = bytes.checked_sub(self.bytes) {
            // Only the sum matters, not what other threads have written.
            if self.inbox.held.fetch_add(more, Ordering::Relaxed) + more > INBOX_MAX {
                self.inbox.held.fetch_sub(more, Ordering::Relaxed);
                return Err(InboxFull);
            }
        } else {
            self.inbox.held.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Returns how many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.inbox.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A WebSocket's stream that counts what has come of the message that is not whole yet, and fails once there is no room for it
/// or it takes too long.
#[derive(Debug)]
pub(super) struct Counted<S> {
    stream: S,
    share: Share,
    limit: Duration,
    begun: Option<Instant>,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S, share: Share, limit: Duration) -> Self {
        Self { stream, share, limit, begun: None }
    }

    /// Takes note that all of a message has come.
    pub(super) fn is_whole(&mut self) {
        self.begun = None;
        let _ = self.share.hold(0);
    }

    /// Takes note that all of a control message has come, which may stand between the parts of another.
    pub(super) fn is_controlled(&mut self, payload: usize) {
        let rest = self.share.bytes().saturating_sub(payload + CONTROL_HEAD_BYTES);
        let _ = self.share.hold(rest);
        self.begun = self.begun.filter(|_| rest > 0);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            // No message is longer; what comes after it belongs to the next.
            let bytes = (self.share.bytes() + read).min(BODY_MAX);
            if let Err(full) = self.share.hold(bytes) {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::OutOfMemory, full)));
            }
            if self.begun.get_or_insert_with(Instant::now).elapsed() > self.limit {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the message takes too long",
                )));
            }
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_holds_no_more_than_it_may_and_takes_back_what_is_dropped() {
        let inbox = Arc::new(Inbox::default());
        let (mut one, mut other) = (inbox.share(), inbox.share());
        assert_eq!(one.hold(INBOX_MAX - 2), Ok(()));
        assert_eq!(other.hold(3), Err(InboxFull));
        assert_eq!(other.hold(2), Ok(()));
        assert_eq!(one.hold(INBOX_MAX - 1), Err(InboxFull));
        assert_eq!((one.bytes(), other.bytes()), (INBOX_MAX - 2, 2));
        assert_eq!(one.hold(5), Ok(()));
        assert_eq!(other.hold(INBOX_MAX - 5), Ok(()));
        drop(other);
        assert_eq!(one.hold(INBOX_MAX), Ok(()));
        drop(one);
        assert_eq!(inbox.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_counted_of_a_message_is_neither_its_pings_nor_the_message_before() {
        let inbox = Arc::new(Inbox::default());
        let mut counted = Counted::new((), inbox.share(), Duration::MAX);
        counted.share.hold(100 + 9).expect("room");
        counted.is_controlled(3);
        assert_eq!(counted.share.bytes(), 100);
        counted.is_whole();
        counted.is_controlled(125);
        assert_eq!((counted.share.bytes(), counted.begun), (0, None));
    }
}

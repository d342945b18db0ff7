//! A request body that shows how much of it was sent, while a person is looking.

use std::{
    convert::Infallible,
    io::{IsTerminal, Write},
    pin::Pin,
    task::{Context, Poll},
};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::output::grouped;

/// Bytes that are sent at once: what a socket's buffer takes, so that the bar shows what has left.
const CHUNK_BYTES: usize = 64 << 10;
/// Bodies below this are gone before a bar is seen.
const SHOWN_FROM_BYTES: usize = 2 * CHUNK_BYTES;
/// Characters of a full bar.
const BAR_WIDTH: usize = 30;

/// A body that is sent in chunks, with a bar on standard error.
#[derive(Debug)]
pub(super) struct Upload {
    rest: Bytes,
    total: usize,
    is_shown: bool,
}

impl Upload {
    /// Returns a body; whether it shows a bar depends on its size and on who looks.
    pub(super) fn new(body: impl Into<Bytes>) -> Self {
        let rest = body.into();
        let total = rest.len();
        Self { rest, total, is_shown: total >= SHOWN_FROM_BYTES && std::io::stderr().is_terminal() }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let chunk_bytes = self.rest.len().min(CHUNK_BYTES);
        let chunk = self.rest.split_to(chunk_bytes);
        if self.is_shown {
            let bar = bar(self.total - self.rest.len(), self.total);
            let end = if self.rest.is_empty() { "\n" } else { "" };
            let _ = write!(std::io::stderr(), "\r{bar}{end}");
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        Full::new(self.rest.clone()).size_hint()
    }
}

/// Returns the line that shows how much is sent.
fn bar(sent: usize, total: usize) -> String {
    let filled = sent * BAR_WIDTH / total.max(1);
    let share = sent * 100 / total.max(1);
    format!("{share:>3} % [{:<BAR_WIDTH$}] {} bytes sent", "#".repeat(filled), grouped(sent as u64))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn a_body_arrives_whole_in_chunks() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * CHUNK_BYTES + 1).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut upload = Upload::new(bytes.clone());
        assert_eq!(upload.size_hint().exact(), Some(bytes.len() as u64));
        let mut chunks = Vec::new();
        while let Some(Ok(frame)) = runtime.block_on(upload.frame()) {
            chunks.push(frame.into_data().expect("data"));
        }
        assert_eq!((chunks.len(), chunks.concat()), (4, bytes));
    }

    #[test]
    fn the_bar_is_empty_first_and_full_last() {
        assert_eq!(bar(0, 2_000_000), format!("  0 % [{}] 0 bytes sent", " ".repeat(30)));
        assert_eq!(bar(2_000_000, 2_000_000), format!("100 % [{}] 2,000,000 bytes sent", "#".repeat(30)));
    }
}

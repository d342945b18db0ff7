//! The console of a node: what happens on the chain, as it happens, for people or as lines of JSON.
//!
//! A thread of its own writes it, so that one who does not read holds up nobody: the chain goes on, and what found no room is
//! counted and said. A reader who has gone ends the console, not the node.

mod text;
mod view;

use std::{
    io::Write,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use self::view::{Names, View};
use crate::{
    chain::{Chain, Listener},
    cli::{shown::Paint, trace::artifacts::Artifacts},
};

/// How long a node that ends waits for somebody to read an event.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// How long it waits for all that is yet to be read.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// How the console writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Some lines for each event.
    Text(Paint),
    /// A JSON object on a line for each event.
    Json,
}

/// What of the console is shown on request only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Detail {
    /// Each request of a client.
    pub(super) requests: bool,
    /// What contracts print.
    pub(super) prints: bool,
    /// What transactions and calls do.
    pub(super) traces: bool,
}

/// A console at work.
#[derive(Debug)]
pub(super) struct Console {
    chain: Arc<Chain>,
    /// Says now and then that an event was written; closed when the last one is.
    written: mpsc::Receiver<()>,
}

impl Console {
    /// Begins to write what happens on a chain.
    pub(super) fn start(
        chain: &Arc<Chain>,
        artifacts: Artifacts,
        form: Form,
        detail: Detail,
        out: impl Write + Send + 'static,
    ) -> Self {
        let listener = chain.listen();
        chain.tell_requests(detail.requests);
        chain.tell_traces(detail.traces);
        let traced = detail.traces.then(|| Arc::downgrade(chain));
        let mut names = Names::new(artifacts, &chain.accounts(), form, detail, traced);
        let (progress, written) = mpsc::sync_channel(1);
        thread::spawn(move || {
            let mut out = out;
            // Nobody reads any more: dropping the listener ends the telling.
            let _ = write_all(&listener, &mut names, form, &mut out, &progress);
        });
        Self { chain: Arc::clone(chain), written }
    }

    /// Writes what is yet to be written, unless nobody reads it.
    pub(super) fn end(&self) {
        self.chain.stop_telling();
        let begun = Instant::now();
        while begun.elapsed() < END_TIMEOUT && self.written.recv_timeout(READ_TIMEOUT).is_ok() {}
    }
}

/// Writes events until there are no more.
fn write_all(
    listener: &Listener,
    names: &mut Names,
    form: Form,
    out: &mut impl Write,
    progress: &mpsc::SyncSender<()>,
) -> std::io::Result<()> {
    loop {
        let event = listener.next_event();
        let missed = Some(listener.take_missed()).filter(|count| *count > 0);
        let mut lines = String::new();
        if let Some(count) = missed {
            form.write(&View::Missed { count }, &mut lines);
        }
        let is_last = event.is_none();
        for view in event.into_iter().flat_map(|event| names.views(event)) {
            form.write(&view, &mut lines);
        }
        out.write_all(lines.as_bytes())?;
        out.flush()?;
        // One that is told of already need not be told of again.
        let _ = progress.try_send(());
        if is_last {
            return Ok(());
        }
    }
}

impl Form {
    fn write(self, view: &View, lines: &mut String) {
        match self {
            Self::Text(paint) => text::write(view, paint, lines),
            Self::Json => {
                lines.push_str(&serde_json::to_string(view).expect("a view is plain data"));
                lines.push('\n');
            }
        }
    }
}

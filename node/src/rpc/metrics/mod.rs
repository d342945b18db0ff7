//! What a node does, as numbers that Prometheus collects (text exposition format 0.0.4).
//!
//! `families.rs` is the table of all numbers. Calls are counted with `--metrics` only; the rest is read when it is asked for. The
//! numbers are read one by one, so those of one answer may be a request apart.

mod families;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::spawn_blocking,
    time::timeout,
};

use self::families::{DURATION, ERRORS, Family, Reading, UNKNOWN, describe, line};
use super::{
    method::Method as RpcMethod,
    server::{stopped, text},
};
use crate::chain::Chain;

pub use families::markdown;

/// Upper bounds of the histogram's buckets, each with its label in seconds: most calls take some ten microseconds, and a
/// call that runs a contract for a second is worth seeing.
const BOUNDS: [(Duration, &str); 7] = [
    (Duration::from_micros(20), "0.00002"),
    (Duration::from_micros(100), "0.0001"),
    (Duration::from_micros(500), "0.0005"),
    (Duration::from_millis(2), "0.002"),
    (Duration::from_millis(20), "0.02"),
    (Duration::from_millis(200), "0.2"),
    (Duration::from_secs(2), "2"),
];

/// How long one collection may take, from the first byte of its request. They are served one after the other.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);

/// The counters of a node.
#[derive(Debug)]
pub struct Metrics {
    chain: Arc<Chain>,
    methods: BTreeMap<&'static str, Calls>,
    /// Requests for methods that there are not.
    unknown: AtomicU64,
    /// The places for connections that are free, and how many there are in all; the server says so when it runs.
    places: OnceLock<(Arc<Semaphore>, u32)>,
}

/// The calls of one method.
#[derive(Debug, Default)]
struct Calls {
    failed: AtomicU64,
    nanoseconds: AtomicU64,
    /// How many took no longer than the bound of the same index, but longer than the one before; the last has no bound.
    buckets: [AtomicU64; BOUNDS.len() + 1],
}

impl Metrics {
    /// Returns counters at zero for these methods.
    pub(super) fn new(chain: Arc<Chain>, methods: impl Iterator<Item = &'static RpcMethod>) -> Self {
        let methods = methods.map(|method| (method.name, Calls::default())).collect();
        Self { chain, methods, unknown: AtomicU64::new(0), places: OnceLock::new() }
    }

    /// Counts a call.
    pub(super) fn called(&self, method: &'static str, took: Duration, failed: bool) {
        let Some(calls) = self.methods.get(method) else { return };
        let bucket = BOUNDS.iter().position(|(bound, _)| took <= *bound).unwrap_or(BOUNDS.len());
        calls.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        calls.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        calls.failed.fetch_add(failed.into(), Ordering::Relaxed);
    }

    /// Counts a request for a method that there is not.
    pub(super) fn called_unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets connections be counted by the places of so many that are free.
    pub(super) fn watch_connections(&self, free: &Arc<Semaphore>, places: u32) {
        // A registry has one server.
        let _ = self.places.set((Arc::clone(free), places));
    }

    fn connections(&self) -> u64 {
        let Some((free, places)) = self.places.get() else { return 0 };
        // The server holds a place for the connection that comes next.
        u64::from(*places).saturating_sub(free.available_permits() as u64).saturating_sub(1)
    }

    /// Returns all numbers as Prometheus reads them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        families::write(&Reading::of(&self.chain, self.connections()), &mut text);
        self.rpc_text(&mut text);
        text
    }

    fn rpc_text(&self, text: &mut String) {
        let called: Vec<_> = self.methods.iter().map(|(name, calls)| (name, calls, calls.counts())).collect();
        // A method that nobody called has no lines: there are a hundred.
        let called = || called.iter().filter(|(.., counts)| counts.iter().sum::<u64>() > 0);
        describe_family(text, &DURATION);
        for (name, calls, counts) in called() {
            let mut below = 0;
            for (count, bound) in counts.iter().zip(BOUNDS.iter().map(|(_, label)| *label).chain(["+Inf"])) {
                below += count;
                line(
                    text,
                    &format!("{}_bucket", DURATION.name),
                    &format!("{{method=\"{name}\",le=\"{bound}\"}}"),
                    below,
                );
            }
            let seconds = Duration::from_nanos(calls.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
            line(text, &format!("{}_sum", DURATION.name), &format!("{{method=\"{name}\"}}"), seconds);
            line(text, &format!("{}_count", DURATION.name), &format!("{{method=\"{name}\"}}"), below);
        }
        describe_family(text, &ERRORS);
        for (name, calls, _) in called() {
            let failed = calls.failed.load(Ordering::Relaxed);
            line(text, ERRORS.name, &format!("{{method=\"{name}\"}}"), failed);
        }
        describe_family(text, &UNKNOWN);
        line(text, UNKNOWN.name, "", self.unknown.load(Ordering::Relaxed));
    }

    /// Answers `GET /metrics` on a port of its own until `stopping` becomes true.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, mut stopping: watch::Receiver<bool>) {
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(target: "lathe::metrics", "accept: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                () = stopped(&mut stopping) => return,
            };
            let service = service_fn(|request| self.respond(request));
            let connection =
                http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = timeout(SCRAPE_TIMEOUT, connection).await {
                tracing::debug!(target: "lathe::metrics", "connection: {error}");
            }
        }
    }

    async fn respond(
        self: &Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if request.method() != Method::GET || request.uri().path() != "/metrics" {
            return Ok(text(StatusCode::NOT_FOUND, "The metrics are at /metrics.\n"));
        }
        let metrics = self.clone();
        let Ok(numbers) = spawn_blocking(move || metrics.text()).await else {
            return Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be read.\n"));
        };
        let mut answer = text(StatusCode::OK, numbers);
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        Ok(answer)
    }
}

impl Calls {
    fn counts(&self) -> [u64; BOUNDS.len() + 1] {
        self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed))
    }
}

fn describe_family(text: &mut String, family: &Family) {
    describe(text, family.name, family.help, family.kind);
}

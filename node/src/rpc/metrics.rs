//! What a node does, as numbers that Prometheus collects (text exposition format 0.0.4).
//!
//! Everything is counted from the start of the process and named `lathe_*`. Nothing is counted without `--metrics`. The
//! numbers are read one by one, so those of one answer may be a request apart.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt::Write,
    sync::{
        Arc,
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
use tokio::{net::TcpListener, sync::watch, task::spawn_blocking, time::timeout};

use super::{
    method::Method as RpcMethod,
    server::{stopped, text},
};
use crate::chain::Chain;

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
        Self { chain, methods, unknown: AtomicU64::new(0) }
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

    /// Returns all numbers as Prometheus reads them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.chain_text(&mut text);
        self.rpc_text(&mut text);
        text
    }

    fn chain_text(&self, text: &mut String) {
        let head = self.chain.head();
        let header = &head.header;
        let (executable, queued) = self.chain.pool_status().unwrap_or_default();
        for (name, help, value) in [
            ("block_number", "The latest block.", header.number),
            ("block_timestamp_seconds", "Its timestamp.", header.timestamp),
            ("block_gas_used", "Gas that its transactions used.", header.gas_used),
            ("block_gas_limit", "Gas that they could use.", header.gas_limit),
            ("block_transactions", "How many there are.", head.transactions.len() as u64),
            ("next_base_fee_wei", "Base fee of the next block.", self.chain.next_base_fee()),
            ("history_first_block", "The first block whose state is kept.", self.chain.oldest_state()),
            (
                "programs_cached",
                "Wasm programs that are validated and at hand.",
                self.chain.programs_cached() as u64,
            ),
        ] {
            describe(text, name, help, "gauge");
            line(text, name, "", value);
        }
        describe(text, "pool_transactions", "Transactions that wait.", "gauge");
        line(text, "pool_transactions", "{state=\"executable\"}", executable as u64);
        line(text, "pool_transactions", "{state=\"queued\"}", queued as u64);
    }

    fn rpc_text(&self, text: &mut String) {
        let called: Vec<_> = self.methods.iter().map(|(name, calls)| (name, calls, calls.counts())).collect();
        // A method that nobody called has no lines: there are a hundred.
        let called = || called.iter().filter(|(.., counts)| counts.iter().sum::<u64>() > 0);
        describe(
            text,
            "rpc_seconds",
            "How long requests took, without reading and writing them.",
            "histogram",
        );
        for (name, calls, counts) in called() {
            let mut below = 0;
            for (count, bound) in counts.iter().zip(BOUNDS.iter().map(|(_, label)| *label).chain(["+Inf"])) {
                below += count;
                line(text, "rpc_seconds_bucket", &format!("{{method=\"{name}\",le=\"{bound}\"}}"), below);
            }
            let seconds = Duration::from_nanos(calls.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
            line(text, "rpc_seconds_sum", &format!("{{method=\"{name}\"}}"), seconds);
            line(text, "rpc_seconds_count", &format!("{{method=\"{name}\"}}"), below);
        }
        describe(text, "rpc_errors_total", "Requests that were answered with an error.", "counter");
        for (name, calls, _) in called() {
            let failed = calls.failed.load(Ordering::Relaxed);
            line(text, "rpc_errors_total", &format!("{{method=\"{name}\"}}"), failed);
        }
        describe(text, "rpc_unknown_methods_total", "Requests for methods that there are not.", "counter");
        line(text, "rpc_unknown_methods_total", "", self.unknown.load(Ordering::Relaxed));
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

fn describe(text: &mut String, name: &str, help: &str, kind: &str) {
    writeln!(text, "# HELP lathe_{name} {help}\n# TYPE lathe_{name} {kind}").expect("a string takes all");
}

fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    writeln!(text, "lathe_{name}{labels} {value}").expect("a string takes all");
}

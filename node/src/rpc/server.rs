//! HTTP/1 and WebSocket on one port, and the same methods on a Unix socket.
//!
//! One task a connection; its requests run one after the other. A POST of JSON is answered through
//! `envelope`, a WebSocket upgrade hands the connection to `websocket`, GET
//! `/health` says how the node is.

use std::{convert::Infallible, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use alloy_primitives::B256;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Body, Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use super::{
    access::{Access, is_json},
    envelope,
    ipc::{self, IpcListener},
    limits::{Inbox, InboxFull, Share, Timeouts},
    method::Registry,
    socket::WriteTimeout,
    websocket,
    workers::Workers,
};
use crate::chain::Chain;

/// Bytes of a request body or a WebSocket message: larger than any creation transaction in hex, in a batch of many.
pub const BODY_MAX: usize = 16 << 20;

/// Open connections; further ones wait in the system's queue.
const CONNECTIONS_MAX: u32 = 512;

/// How often a timer runs out that does nothing. Every request sets a timeout; while some timer runs out before it, the
/// thread that waits for timers and sockets need not be woken to hear of it, which costs more than answering.
const TIMER_PERIOD: Duration = Duration::from_secs(1);

/// How long requests that run at shutdown have to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after an accept that failed, most likely for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What a server needs besides its methods.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Further host names that requests may name.
    pub allow_hosts: Vec<String>,
    /// Foreign origins whose pages may send requests; `*` means all.
    pub allow_origins: Vec<String>,
}

/// A server that listens but does not accept yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    ipc: Option<IpcListener>,
    shared: Arc<Shared>,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) registry: Registry,
    /// Where requests run.
    pub(super) workers: Workers,
    access: Access,
    pub(super) timeouts: Timeouts,
    pub(super) inbox: Arc<Inbox>,
    /// Becomes true when the server stops.
    pub(super) stopping: watch::Receiver<bool>,
}

impl Server {
    /// Takes the port. Fails when it is in use.
    pub async fn bind(
        options: &ServerOptions,
        registry: Registry,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let access = Access::new(listener.local_addr()?, &options.allow_hosts, &options.allow_origins);
        let (timeouts, inbox) = Default::default();
        let workers = Workers::of_this_runtime();
        let shared = Shared { registry, workers, access, timeouts, inbox, stopping };
        Ok(Self { listener, ipc: None, shared: Arc::new(shared) })
    }

    /// Waits otherwise for its clients.
    ///
    /// # Panics
    /// If the server runs.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        Arc::get_mut(&mut self.shared).expect("only connections share it").timeouts = timeouts;
        self
    }

    /// Answers on a Unix socket, too. Fails when its path is in use.
    pub fn with_ipc(self, path: &Path) -> io::Result<Self> {
        Ok(Self { ipc: Some(IpcListener::bind(path)?), ..self })
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stopping` becomes true, then lets the requests that run end.
    pub async fn run(self) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        if let Some(metrics) = self.shared.registry.metrics() {
            metrics.watch_connections(&connections, CONNECTIONS_MAX);
        }
        let mut stopping = self.shared.stopping.clone();
        let shared = self.shared.clone();
        // Ends with the server.
        let mut watch = JoinSet::new();
        watch.spawn(async move { shared.workers.watch().await });
        let mut timer = interval(TIMER_PERIOD);
        loop {
            let accept = async {
                let permit =
                    connections.clone().acquire_owned().await.expect("the semaphore is never closed");
                // Whichever comes first; both take their place from the same connections.
                let accepted = tokio::select! {
                    tcp = self.listener.accept() => tcp.map(|(stream, _)| Accepted::Tcp(stream)),
                    unix = accept_ipc(self.ipc.as_ref()) => unix.map(Accepted::Unix),
                };
                (accepted, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accept => accepted,
                () = stopped(&mut stopping) => break,
                _ = timer.tick() => continue,
            };
            match accepted {
                Ok(Accepted::Tcp(stream)) => {
                    tokio::spawn(serve_connection(stream, self.shared.clone(), Permit(Arc::new(permit))));
                }
                Ok(Accepted::Unix(stream)) => {
                    tokio::spawn(ipc::serve(stream, self.shared.clone(), Permit(Arc::new(permit))));
                }
                Err(error) => {
                    tracing::warn!(target: "lathe::rpc", "accept: {error}");
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
        drop((self.listener, self.ipc));
        if timeout(SHUTDOWN_TIMEOUT, connections.acquire_many(CONNECTIONS_MAX)).await.is_err() {
            tracing::warn!(target: "lathe::rpc", "some requests did not end in time");
        }
    }
}

enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Returns the next connection to the Unix socket, if there is one to come to.
async fn accept_ipc(ipc: Option<&IpcListener>) -> io::Result<UnixStream> {
    match ipc {
        Some(ipc) => ipc.accept().await,
        None => std::future::pending().await,
    }
}

/// Returns when the server is to stop, also when nobody is left who could say so.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// A connection's place among [`CONNECTIONS_MAX`]; a WebSocket takes it along.
#[derive(Debug, Clone)]
pub(super) struct Permit(#[expect(dead_code, reason = "held until it is dropped")] Arc<OwnedSemaphorePermit>);

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>, permit: Permit) {
    // Answers are small and each is awaited: they must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let mut stopping = shared.stopping.clone();
    let timeouts = shared.timeouts;
    let service = service_fn(move |request| {
        let shared = shared.clone();
        let permit = permit.clone();
        async move { Ok::<_, Infallible>(respond(request, &shared, permit).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.head)
        .serve_connection(TokioIo::new(WriteTimeout::new(stream, timeouts.write)), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::trace!(target: "lathe::rpc", "connection: {error}");
    }
}

type Answer = Response<Full<Bytes>>;

/// Answers one HTTP request.
async fn respond(mut request: Request<Incoming>, shared: &Arc<Shared>, permit: Permit) -> Answer {
    if let Err(refusal) = shared.access.check(request.headers(), request.uri()) {
        return text(StatusCode::FORBIDDEN, refusal.to_string());
    }
    let is_preflight = request.method() == Method::OPTIONS;
    let cors = Access::cors_headers(request.headers(), is_preflight);
    let mut answer = match *request.method() {
        Method::POST => post(request, shared).await,
        Method::OPTIONS => empty(StatusCode::NO_CONTENT),
        Method::GET if websocket::is_upgrade(request.headers()) => {
            websocket::upgrade(&mut request, shared.clone(), permit)
        }
        Method::GET if request.uri().path() == "/health" => health(&shared.registry.api().chain),
        Method::GET if request.uri().path() == "/" => text(StatusCode::OK, WELCOME),
        _ => {
            let mut answer = text(
                StatusCode::METHOD_NOT_ALLOWED,
                "This is an Ethereum JSON-RPC endpoint: POST requests to it, or open a WebSocket.\n",
            );
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
            answer
        }
    };
    answer.headers_mut().extend(cors);
    answer
}

/// What a person sees who opens the address in a browser.
const WELCOME: &str = concat!(
    "Lathe ",
    env!("CARGO_PKG_VERSION"),
    ", a devnet for Wasm contracts.\n\n\
     This is its Ethereum JSON-RPC endpoint: POST requests to it, or open a WebSocket.\n\
     GET /health tells the latest block.\n",
);

/// How the node is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    status: &'static str,
    block_number: u64,
    block_hash: B256,
}

/// Answers whoever watches over the node: 503 once it mines no more.
fn health(chain: &Chain) -> Answer {
    let head = chain.head();
    let (code, status) = match &*chain.failure().borrow() {
        None => (StatusCode::OK, "ok"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database failed"),
    };
    let health = Health { status, block_number: head.header.number, block_hash: head.hash };
    let json = serde_json::to_vec(&health).expect("numbers and strings");
    let mut answer = text(code, json);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

async fn post(request: Request<Incoming>, shared: &Shared) -> Answer {
    if !is_json(request.headers()) {
        return text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send JSON-RPC requests with the header Content-Type: application/json\n",
        );
    }
    let too_large = || text(StatusCode::PAYLOAD_TOO_LARGE, format!("The body limit is {BODY_MAX} bytes.\n"));
    let body = request.into_body();
    if body.size_hint().lower() > BODY_MAX as u64 {
        return too_large();
    }
    let mut share = shared.inbox.share();
    let body = match timeout(shared.timeouts.body, read(body, &mut share)).await {
        Ok(Ok(body)) => body,
        Ok(Err(BodyError::TooLarge)) => return too_large(),
        Ok(Err(BodyError::Full(full))) => {
            return text(StatusCode::SERVICE_UNAVAILABLE, format!("{full}\n"));
        }
        Ok(Err(BodyError::Broken(error))) => {
            return text(StatusCode::BAD_REQUEST, format!("The body cannot be read: {error}\n"));
        }
        Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "The body did not come in time.\n"),
    };
    match shared.workers.run(|| envelope::answer(&shared.registry, &body)).await {
        Some(json) => {
            let mut answer = Response::new(Full::new(json.into()));
            answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            answer
        }
        None => empty(StatusCode::NO_CONTENT),
    }
}

/// Why there is no body.
enum BodyError {
    TooLarge,
    Full(InboxFull),
    Broken(hyper::Error),
}

/// Reads a body piece by piece: what its head says of its length is not to be trusted, and a piece may be a byte.
async fn read(mut body: Incoming, share: &mut Share) -> Result<Bytes, BodyError> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        let bytes = whole.len() + piece.len();
        if bytes > BODY_MAX {
            return Err(BodyError::TooLarge);
        }
        share.hold(bytes).map_err(BodyError::Full)?;
        if whole.is_empty() && body.is_end_stream() {
            return Ok(piece);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

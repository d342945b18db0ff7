//! The load: plain HTTP/1.1 over connections that stay open, all on one thread, so that the devnet gets the machine.
//!
//! A request is made once and sent as it is. An answer is not parsed but compared with the one that is expected.

use std::{
    net::SocketAddr,
    ops::Range,
    rc::Rc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    task::LocalSet,
    time::sleep,
};

/// Connections that send at the same time.
pub(crate) const CONNECTIONS: usize = 32;
/// The pause before a receipt is asked for again: far shorter than clients make, and long enough not to be the load.
const RECEIPT_PAUSE: Duration = Duration::from_millis(2);
/// Bytes that one read takes: answers are smaller, but for those to batches.
const READ_BYTES: usize = 16 << 10;
/// Bytes of an answer's head, beyond which it is no answer of a devnet.
const HEAD_BYTES_MAX: usize = 8 << 10;

pub(crate) type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Returns the body of a request.
pub(crate) fn body(method: &str, params: Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string().into_bytes()
}

/// Returns the body of a batch of `count` equal requests.
pub(crate) fn batch(method: &str, params: &Value, count: usize) -> Vec<u8> {
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    Value::Array(vec![one; count]).to_string().into_bytes()
}

/// Returns the bytes that carry a body to the server.
pub(crate) fn request(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Returns where the body of an answer is, once all of it is there.
pub(crate) fn whole_answer(received: &[u8]) -> Result<Option<Range<usize>>> {
    let Some(head) = received.windows(4).take(HEAD_BYTES_MAX).position(|window| window == b"\r\n\r\n") else {
        return if received.len() < HEAD_BYTES_MAX {
            Ok(None)
        } else {
            Err("an answer has no end of its head".into())
        };
    };
    let text = std::str::from_utf8(&received[..head])?;
    if !text.starts_with("HTTP/1.1 200 ") {
        return Err(format!("an answer begins {:?}", text.lines().next().unwrap_or_default()).into());
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let start = head + 4;
    let end = start + length.ok_or("an answer has no content-length")?;
    Ok((received.len() >= end).then_some(start..end))
}

/// A connection that stays open.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends a request and returns the body of the answer.
    async fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.received.clear();
        self.stream.write_all(request).await?;
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the devnet closed the connection".into());
            }
            if let Some(whole) = whole_answer(&self.received)? {
                return Ok(&self.received[whole]);
            }
        }
    }
}

/// Runs a future on this thread, with tasks of its own.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}

/// Sends a body `count` times over all connections. Fails if an answer is another than `expected`.
pub(crate) fn repeat(address: SocketAddr, body: &[u8], count: usize, expected: &[u8]) -> Result<()> {
    let (request, expected): (Rc<[u8]>, Rc<[u8]>) = (request(body).into(), expected.into());
    block_on(async move {
        let connection = || repeat_on_one(address, request.clone(), count / CONNECTIONS, expected.clone());
        let tasks: Vec<_> = (0..CONNECTIONS).map(|_| tokio::task::spawn_local(connection())).collect();
        for task in tasks {
            task.await??;
        }
        Ok(())
    })
}

async fn repeat_on_one(
    address: SocketAddr,
    request: Rc<[u8]>,
    count: usize,
    expected: Rc<[u8]>,
) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    for _ in 0..count {
        let answer = connection.ask(&request).await?;
        if *answer != *expected {
            return Err(format!("the devnet answered {}", String::from_utf8_lossy(answer)).into());
        }
    }
    Ok(())
}

/// Sends one body and returns the answer to it.
pub(crate) fn once(address: SocketAddr, body: &[u8]) -> Result<Vec<u8>> {
    let request = request(body);
    block_on(async move { Ok(Connection::open(address).await?.ask(&request).await?.to_vec()) })
}

/// Sends one body after the other over one connection; returns the least time that one took, in seconds.
pub(crate) fn latency(address: SocketAddr, body: &[u8], count: usize) -> Result<f64> {
    let request = request(body);
    block_on(async move {
        let mut connection = Connection::open(address).await?;
        let mut least = f64::INFINITY;
        for _ in 0..count {
            let start = Instant::now();
            connection.ask(&request).await?;
            least = least.min(start.elapsed().as_secs_f64());
        }
        Ok(least)
    })
}

/// A transaction to send, and the request for its receipt.
pub(crate) struct Transfer {
    pub(crate) send: Vec<u8>,
    pub(crate) receipt: Vec<u8>,
}

/// Sends each connection's transfers one after the other, each followed by requests for its receipt until it is there,
/// with a pause between two.
/// Returns how many of these there were. Fails if a transfer fails.
pub(crate) fn transfer(address: SocketAddr, connections: Vec<Vec<Transfer>>) -> Result<usize> {
    block_on(async move {
        let connection = |transfers| tokio::task::spawn_local(transfer_on_one(address, transfers));
        let tasks: Vec<_> = connections.into_iter().map(connection).collect();
        let mut polls = 0;
        for task in tasks {
            polls += task.await??;
        }
        Ok(polls)
    })
}

async fn transfer_on_one(address: SocketAddr, transfers: Vec<Transfer>) -> Result<usize> {
    let mut connection = Connection::open(address).await?;
    let mut polls = 0;
    for Transfer { send, receipt } in transfers {
        let answer = connection.ask(&send).await?;
        if !contains(answer, b"\"result\":\"0x") {
            return Err(format!("a transfer is refused: {}", String::from_utf8_lossy(answer)).into());
        }
        loop {
            polls += 1;
            let answer = connection.ask(&receipt).await?;
            if contains(answer, b"\"status\":\"0x1\"") {
                break;
            }
            if !contains(answer, b"\"result\":null") {
                return Err(format!("a receipt says {}", String::from_utf8_lossy(answer)).into());
            }
            sleep(RECEIPT_PAUSE).await;
        }
    }
    Ok(polls)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

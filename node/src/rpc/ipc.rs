//! JSON-RPC over a Unix socket: a stream of requests and batches, answered in the order they came.
//!
//! Nothing separates the values in the stream but their own ends; answers and what subscriptions send end with a newline each,
//! as geth has it. The socket belongs to its owner alone: whoever can open it can do all that the owner can.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream as BlockingStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixSocket, UnixStream},
    time::{Instant, sleep_until, timeout},
};

use super::{
    envelope,
    error::{INVALID_REQUEST, PARSE_ERROR, SERVER_ERROR},
    limits::{InboxFull, Share},
    server::{BODY_MAX, Permit, Shared, stopped},
    websocket::news,
};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
/// Only the owner reads and writes.
const MODE: u32 = 0o600;
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// A Unix socket that connections come to. Its path is removed with it.
#[derive(Debug)]
pub(super) struct IpcListener {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode, which tell this socket from one that took its path since.
    identity: (u64, u64),
}

impl Drop for IpcListener {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl IpcListener {
    /// Takes the path. A socket that nobody listens on any more is replaced; anything else there is left alone.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(file) if !file.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "there is a file that is no socket",
                ));
            }
            Ok(_) if BlockingStream::connect(path).is_ok() => {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on it"));
            }
            Ok(_) => fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        // Nobody can connect before the socket listens.
        fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
        let file = fs::symlink_metadata(path)?;
        Ok(Self {
            listener: socket.listen(BACKLOG)?,
            path: path.to_owned(),
            identity: (file.dev(), file.ino()),
        })
    }

    /// Returns the next connection.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

/// Serves a connection until its client leaves, breaks the rules or does not read, or the server stops.
pub(super) async fn serve(mut stream: UnixStream, shared: Arc<Shared>, _permit: Permit) {
    let mut stopping = shared.stopping.clone();
    let (api, subscriptions) = shared.registry.connect();
    let mut activity = api.chain.activity();
    let (mut requests, mut is_more) = (Requests::default(), false);
    let mut chunk = vec![0; CHUNK];
    let (timeouts, mut share, mut begun) = (shared.timeouts, shared.inbox.share(), None);
    loop {
        while let Some(request) = requests.next() {
            let body = match request {
                Ok(body) => body,
                Err(refusal) => {
                    let _ = send(&mut stream, refusal.answer(), timeouts.write).await;
                    return;
                }
            };
            let answer = shared.workers.run(|| envelope::answer_with(&shared.registry, &api, &body)).await;
            if let Some(answer) = answer
                && !send(&mut stream, answer, timeouts.write).await
            {
                return;
            }
            begun = None;
        }
        if let Err(refusal) = requests.hold(&mut share) {
            let _ = send(&mut stream, refusal.answer(), timeouts.write).await;
            return;
        }
        begun = requests.is_begun().then(|| begun.unwrap_or_else(Instant::now));
        let too_late = begun.map(|begun| begun + timeouts.body);
        tokio::select! {
            () = sleep_until(too_late.unwrap_or_else(Instant::now)), if too_late.is_some() => {
                let _ = send(&mut stream, Refusal::TooSlow.answer(), timeouts.write).await;
                return;
            }
            read = stream.read(&mut chunk) => match read {
                Ok(0) | Err(_) => return,
                Ok(len) => requests.push(&chunk[..len]),
            },
            () = news(&mut activity, is_more), if !subscriptions.is_empty() => {
                let news = shared.workers.run(|| subscriptions.notifications()).await;
                let Ok((messages, rest)) = news.inspect_err(|error| {
                    tracing::error!(target: "lathe::rpc", "subscriptions: {error}");
                }) else {
                    return;
                };
                is_more = rest;
                for message in messages {
                    if !send(&mut stream, message.into_bytes(), timeouts.write).await {
                        return;
                    }
                }
            }
            () = stopped(&mut stopping) => return,
        }
    }
}

/// Sends a message; false when the client is gone or does not read.
async fn send(stream: &mut UnixStream, mut message: Vec<u8>, limit: Duration) -> bool {
    message.push(b'\n');
    matches!(timeout(limit, stream.write_all(&message)).await, Ok(Ok(())))
}

/// What cannot be read as a stream of requests; the connection ends with it, for nobody knows where the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Something that begins neither an object nor an array.
    NotJson(u8),
    /// A request beyond the limit.
    TooLarge,
    /// A request of which not all came in time.
    TooSlow,
    /// One for which there is no room beside others.
    Full(InboxFull),
}

impl Refusal {
    fn answer(self) -> Vec<u8> {
        let (code, message) = match self {
            Self::NotJson(byte) => {
                (PARSE_ERROR, format!("parse error: expected an object or an array, got byte {byte:#04x}"))
            }
            Self::TooLarge => {
                (INVALID_REQUEST, format!("invalid request: it is longer than the limit of {BODY_MAX} bytes"))
            }
            Self::TooSlow => (INVALID_REQUEST, "invalid request: the rest of it did not come in time".into()),
            Self::Full(full) => (SERVER_ERROR, full.to_string()),
        };
        serde_json::json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}})
            .to_string()
            .into_bytes()
    }
}

/// Cuts a stream of bytes into JSON objects and arrays. Each byte is looked at once.
#[derive(Debug, Default)]
struct Requests {
    bytes: Vec<u8>,
    /// How many of the bytes have been looked at: all of one request.
    seen: usize,
    /// How many objects and arrays are open.
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Requests {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns whether a part of a request has come.
    fn is_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Holds as many bytes of the inbox as have come.
    fn hold(&self, share: &mut Share) -> Result<(), Refusal> {
        share.hold(self.bytes.len()).map_err(Refusal::Full)
    }

    /// Returns the next whole request.
    fn next(&mut self) -> Option<Result<Vec<u8>, Refusal>> {
        if self.seen == 0 {
            let space = self.bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.bytes.drain(..space);
        }
        while let Some(&byte) = self.bytes.get(self.seen) {
            if self.seen == 0 && !matches!(byte, b'{' | b'[') {
                return Some(Err(Refusal::NotJson(byte)));
            }
            if self.seen == BODY_MAX {
                return Some(Err(Refusal::TooLarge));
            }
            self.seen += 1;
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        let rest = self.bytes.split_off(self.seen);
                        let request = std::mem::replace(&mut self.bytes, rest);
                        self.seen = 0;
                        return Some(Ok(request));
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_stream_of_requests_is_refused() {
        let mut requests = Requests::default();
        requests.push(b" {} nonsense");
        assert_eq!(requests.next(), Some(Ok(b"{}".to_vec())));
        assert_eq!(requests.next(), Some(Err(Refusal::NotJson(b'n'))));
        let mut requests = Requests::default();
        requests.push(&vec![b'['; BODY_MAX]);
        assert_eq!(requests.next(), None);
        requests.push(b"[");
        assert_eq!(requests.next(), Some(Err(Refusal::TooLarge)));
    }

    proptest! {
        /// However the stream is cut into pieces, the requests in it come out whole and in order.
        #[test]
        fn requests_are_cut_at_their_ends(
            texts in proptest::collection::vec(r#"[\\"{}\[\]a ,:]{0,12}"#, 1..8),
            piece in 1_usize..40,
        ) {
            let whole: Vec<Vec<u8>> = texts
                .iter()
                .map(|text| serde_json::json!([{"id": text, text.as_str(): [[]]}]).to_string().into_bytes())
                .collect();
            let mut requests = Requests::default();
            let mut found = Vec::new();
            for piece in whole.join(&b' ').chunks(piece) {
                requests.push(piece);
                while let Some(request) = requests.next() {
                    found.push(request.expect("requests"));
                }
            }
            prop_assert_eq!(found, whole);
        }
    }
}

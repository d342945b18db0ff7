//! JSON-RPC over WebSocket: each message a request or a batch, answered in the order they came.
//!
//! The loop reads the next message only after the answer to the last is sent. So a client that pipelines sees its
//! transactions run in its order, and one that never reads holds one answer, not a queue of them. What subscriptions
//! have to say is sent between two messages: the answer to a request comes before what the request caused.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::{
    sync::watch,
    time::{error::Elapsed, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    envelope,
    limits::Counted,
    method::Api,
    server::{BODY_MAX, Permit, Shared, empty, stopped, text},
};

/// Returns whether a GET asks for a WebSocket.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers a WebSocket handshake and serves the connection once hyper has handed it over.
pub(super) fn upgrade(
    request: &mut Request<Incoming>,
    shared: Arc<Shared>,
    permit: Permit,
) -> http::Response<Full<Bytes>> {
    let headers = request.headers();
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut answer = text(StatusCode::UPGRADE_REQUIRED, "This server speaks WebSocket version 13.\n");
        answer.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return answer;
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return text(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing.\n");
    };
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is a header value");
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let _permit = permit;
        match upgrade.await {
            Ok(connection) => serve(connection, &shared).await,
            Err(error) => tracing::debug!(target: "lathe::rpc", "websocket upgrade: {error}"),
        }
    });
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    answer.headers_mut().extend([
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ]);
    answer
}

type Socket = WebSocketStream<Counted<TokioIo<Upgraded>>>;

async fn serve(connection: Upgraded, shared: &Shared) {
    let config = WebSocketConfig::default().max_message_size(Some(BODY_MAX)).max_frame_size(Some(BODY_MAX));
    let timeouts = shared.timeouts;
    let stream = Counted::new(TokioIo::new(connection), shared.inbox.share(), timeouts.body);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let mut stopping = shared.stopping.clone();
    let (api, subscriptions) = shared.registry.connect();
    let mut activity = api.chain.activity();
    let (mut is_asked, mut is_more) = (false, false);
    let close = loop {
        let received = tokio::select! {
            received = timeout(timeouts.silence, socket.next()) => received,
            () = news(&mut activity, is_more), if !subscriptions.is_empty() => {
                let news = shared.workers.run(|| subscriptions.notifications()).await;
                let Ok((messages, rest)) = news.inspect_err(|error| {
                    tracing::error!(target: "lathe::rpc", "subscriptions: {error}");
                }) else {
                    break Some((CloseCode::Error, "the node cannot read its chain"));
                };
                is_more = rest;
                if !send_all(&mut socket, messages, timeouts.write).await {
                    break None;
                }
                continue;
            }
            () = stopped(&mut stopping) => break Some((CloseCode::Away, "the node stops")),
        };
        let answer = match received {
            Ok(Some(Ok(message))) => {
                is_asked = false;
                let answer = shared.workers.run(|| answer(shared, &api, &message)).await;
                match message {
                    Message::Ping(payload) | Message::Pong(payload) => {
                        socket.get_mut().is_controlled(payload.len());
                    }
                    _ => socket.get_mut().is_whole(),
                }
                answer
            }
            Ok(Some(Err(Error::Capacity(_)))) => break Some((CloseCode::Size, "message too large")),
            Ok(Some(Err(_)) | None) => break None,
            Err(Elapsed { .. }) if is_asked => break None,
            Err(Elapsed { .. }) => {
                is_asked = true;
                Some(Message::Ping(Bytes::new()))
            }
        };
        if let Some(answer) = answer
            && !send(&mut socket, answer, timeouts.write).await
        {
            break None;
        }
    };
    if let Some((code, reason)) = close {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let _ = timeout(Duration::from_secs(1), socket.close(Some(frame))).await;
    }
}

/// Returns the answer to a message; control messages are tungstenite's to answer.
fn answer(shared: &Shared, api: &Api, message: &Message) -> Option<Message> {
    let body = match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return None,
    };
    let json = envelope::answer_with(&shared.registry, api, body)?;
    let json =
        String::from_utf8(json).expect("JSON is UTF-8: serde_json wrote it, and ids come from valid text");
    Some(Message::Text(json.into()))
}

/// Returns when there may be something new to send: at once, if the last look did not reach the end.
pub(super) async fn news(activity: &mut watch::Receiver<u64>, is_more: bool) {
    // The chain outlives its connections, so the counter's sender is there.
    if !is_more && activity.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Sends messages one by one; false when the client is gone or does not read.
async fn send_all(socket: &mut Socket, messages: Vec<String>, limit: Duration) -> bool {
    for message in messages {
        if !send(socket, Message::Text(message.into()), limit).await {
            return false;
        }
    }
    true
}

/// Sends a message; false when the client is gone or does not read.
async fn send(socket: &mut Socket, message: Message, limit: Duration) -> bool {
    matches!(timeout(limit, socket.send(message)).await, Ok(Ok(())))
}

//! JSON-RPC 2.0 envelopes: request bytes in, answer bytes out.
//!
//! A *notification* is a request without `id`: it runs like any other and is not answered. An id is any JSON number,
//! string or `null`, repeated byte for byte, so that -1, 1.5 and 2^70 come back as they were sent.

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{
    error::{PARSE_ERROR, RpcError},
    fork,
    method::{Answer, Api, Method, Registry},
    params::{Params, bounded_array},
    quick::{self, Given},
};

/// Requests in one batch.
pub const BATCH_MAX: usize = 1000;

/// Bytes that the results of one request or batch may come to.
pub const ANSWER_MAX: usize = 64 << 20;

/// Runs the request or batch in `body` and returns the answer, or `None` when nothing is to be answered: a
/// notification, or a batch of nothing else.
pub fn answer(registry: &Registry, body: &[u8]) -> Option<Vec<u8>> {
    answer_with(registry, registry.api(), body)
}

/// As [`answer`], for a connection whose handlers work on `api`.
pub(super) fn answer_with(registry: &Registry, api: &Api, body: &[u8]) -> Option<Vec<u8>> {
    let mut answer = Answer::new(ANSWER_MAX);
    match first_byte(body) {
        Some(b'[') => answer_batch(registry, api, body, &mut answer),
        _ => match text(body).and_then(quick::request).map_or_else(|| Request::parse(body), Ok) {
            Ok(request) => answer_request(registry, api, request, &mut answer),
            Err(error) => write_error(&mut answer, NULL_ID, &error),
        },
    }
    (!answer.bytes.is_empty()).then_some(answer.bytes)
}

fn answer_batch(registry: &Registry, api: &Api, body: &[u8], answer: &mut Answer) {
    if let Some(requests) = text(body).and_then(quick::batch) {
        return answer_items(answer, requests, |request, answer| {
            answer_request(registry, api, request, answer);
        });
    }
    let batch = match text(body).and_then(|text| bounded_array(text, BATCH_MAX)) {
        Some(batch) if batch.total == 0 => Err(RpcError::invalid_request("the batch is empty")),
        Some(batch) if batch.total > BATCH_MAX => Err(RpcError::invalid_request(format!(
            "batch too large: {} requests, the limit is {BATCH_MAX}",
            batch.total
        ))),
        Some(batch) => Ok(batch.items),
        None => Err(not_json(body)),
    };
    let items = match batch {
        Ok(items) => items,
        Err(error) => return write_error(answer, NULL_ID, &error),
    };
    answer_items(answer, items, |item, answer| match Request::parse(item.get().as_bytes()) {
        Ok(request) => answer_request(registry, api, request, answer),
        Err(error) => write_error(answer, NULL_ID, &error),
    });
}

/// Appends the answers to the items of a batch in their order, without those to notifications.
fn answer_items<T>(answer: &mut Answer, items: Vec<T>, mut answer_one: impl FnMut(T, &mut Answer)) {
    for item in items {
        let before = answer.bytes.len();
        answer.bytes.push(if before == 0 { b'[' } else { b',' });
        let start = answer.bytes.len();
        answer_one(item, answer);
        if answer.bytes.len() == start {
            answer.bytes.truncate(before);
        }
    }
    if !answer.bytes.is_empty() {
        answer.bytes.push(b']');
    }
}

/// Runs one request and appends its answer, which is nothing for a notification.
fn answer_request(registry: &Registry, api: &Api, request: Request<'_>, answer: &mut Answer) {
    let start = answer.bytes.len();
    let id = match request.id() {
        Ok(id) => id,
        Err(error) => return write_error(answer, NULL_ID, &error),
    };
    write_head(answer, id.unwrap_or(NULL_ID), "result");
    let checked = request.check();
    // A malformed request is answered even without an id: its sender wants to know (JSON-RPC 2.0, section 5.1).
    let is_notification = id.is_none() && checked.is_ok();
    let outcome = checked.and_then(|name| {
        api.chain.tell_request(&name);
        let outcome = run(registry, api, &name, request.params, answer);
        outcome.inspect_err(|error| api.chain.tell_request_failed(&name, &error.message))
    });
    match outcome {
        Ok(()) => answer.bytes.push(b'}'),
        Err(error) => {
            answer.bytes.truncate(start);
            write_error(answer, id.unwrap_or(NULL_ID), &error);
        }
    }
    if is_notification {
        answer.bytes.truncate(start);
    }
}

/// Runs a method; its result follows what `answer` holds.
fn run(
    registry: &Registry,
    api: &Api,
    name: &str,
    params: Option<Given<'_>>,
    answer: &mut Answer,
) -> Result<(), RpcError> {
    let Some(method) = registry.find(name) else {
        registry.metrics().inspect(|metrics| metrics.called_unknown());
        return Err(RpcError::method_not_found(name));
    };
    let Some(metrics) = registry.metrics() else { return handle(api, method, params, answer) };
    let start = Instant::now();
    let outcome = handle(api, method, params, answer);
    metrics.called(method.name, start.elapsed(), outcome.is_err());
    outcome
}

fn handle(
    api: &Api,
    method: &'static Method,
    params: Option<Given<'_>>,
    answer: &mut Answer,
) -> Result<(), RpcError> {
    let params = Params::parse(method, params)?;
    let answer = || match fork::answer(api, method, &params)? {
        Some(result) => answer.write(&result),
        None => (method.handler)(api, params, answer),
    };
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|panic| Err(panicked(method, &*panic)))
}

fn panicked(method: &Method, panic: &(dyn std::any::Any + Send)) -> RpcError {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(target: "lathe::rpc", method = method.name, "panic: {text}");
    RpcError::internal(format!("internal error in {}: {text}", method.name))
}

/// The members of a request object, each as the client wrote it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Request<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    pub(super) params: Option<Given<'a>>,
}

/// Reads a member that is there, `null` included: serde's own `Option` cannot tell `null` from absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Given<'de>>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(|text| Some(Given::Text(text)))
}

impl<'a> Request<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, RpcError> {
        if first_byte(body) != Some(b'{') {
            return Err(not_json_or(body, || RpcError::invalid_request("expected an object or an array")));
        }
        serde_json::from_slice(body)
            .map_err(|error| not_json_or(body, || RpcError::invalid_request(first_sentence(&error))))
    }

    /// Returns the id as it was written; `None` for a notification. Fails for a type that no id has.
    fn id(&self) -> Result<Option<&'a str>, RpcError> {
        let Some(id) = self.id.map(RawValue::get) else { return Ok(None) };
        match id.bytes().next() {
            Some(b'"' | b'-' | b'0'..=b'9') => Ok(Some(id)),
            _ if id == NULL_ID => Ok(Some(id)),
            _ => Err(RpcError::invalid_request("the id is no number, string or null")),
        }
    }

    /// Returns the method's name. Fails when the request is none of JSON-RPC 2.0.
    fn check(&self) -> Result<Cow<'a, str>, RpcError> {
        match self.jsonrpc.map(RawValue::get) {
            Some("\"2.0\"") => {}
            Some(_) => return Err(RpcError::invalid_request("\"jsonrpc\" is not \"2.0\"")),
            None => return Err(RpcError::invalid_request("\"jsonrpc\": \"2.0\" is missing")),
        }
        if let Some(Given::Text(params)) = &self.params
            && !(params.get().starts_with(['[', '{']) || params.get() == "null")
        {
            return Err(RpcError::invalid_request("\"params\" is no array"));
        }
        let method = self.method.ok_or_else(|| RpcError::invalid_request("\"method\" is missing"))?.get();
        match plain_string(method) {
            Some(name) => Ok(Cow::Borrowed(name)),
            None => serde_json::from_str(method)
                .map(Cow::Owned)
                .map_err(|_| RpcError::invalid_request("\"method\" is no string")),
        }
    }
}

/// Returns what a JSON string without escapes holds.
fn plain_string(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"').filter(|inner| !inner.contains('\\'))
}

const NULL_ID: &str = "null";

fn write_head(answer: &mut Answer, id: &str, member: &str) {
    for part in ["{\"jsonrpc\":\"2.0\",\"id\":", id, ",\"", member, "\":"] {
        answer.bytes.extend_from_slice(part.as_bytes());
    }
}

/// Appends an error answer, whatever the limit: an error is small, and a request without an answer hangs its client.
fn write_error(answer: &mut Answer, id: &str, error: &RpcError) {
    write_head(answer, id, "error");
    let json = serde_json::to_vec(error).expect("an error object is a number and strings");
    answer.bytes.extend_from_slice(&json);
    answer.bytes.push(b'}');
}

fn text(body: &[u8]) -> Option<&str> {
    std::str::from_utf8(body).ok()
}

fn first_byte(body: &[u8]) -> Option<u8> {
    body.iter().copied().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Returns `other` for JSON of the wrong shape, and a parse error for what is no JSON at all.
fn not_json_or(body: &[u8], other: impl FnOnce() -> RpcError) -> RpcError {
    if serde_json::from_slice::<&RawValue>(body).is_ok() { other() } else { not_json(body) }
}

fn not_json(body: &[u8]) -> RpcError {
    let why = match serde_json::from_slice::<&RawValue>(body) {
        Err(error) => error.to_string(),
        Ok(_) => "unexpected value".to_owned(),
    };
    RpcError::new(PARSE_ERROR, format!("parse error: {why}"))
}

fn first_sentence(error: &serde_json::Error) -> String {
    error.to_string().split(" at line ").next().unwrap_or_default().to_owned()
}

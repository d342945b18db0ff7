//! The node that a fork reads from: JSON-RPC over HTTP, asked from wherever the state is read.
//!
//! Every answer is bounded in time and size, and checked: it has the id of its call, and a result or an error. What may work a
//! moment later (no connection, a timeout, too many requests, a gateway's fault) is tried again, a bounded number of times
//! and ever more slowly. URLs hold keys of providers, so errors name no more of one than scheme, host and port.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::{
    ForkOptions,
    transport::{Failure, Reply, Transport},
};

/// Calls in one request: what providers take, far less than nodes do.
const BATCH_MAX: usize = 100;
/// The longest pause between two attempts, whatever the node asks for.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer that an error repeats.
const ECHO_MAX: usize = 120;
/// Codes of JSON-RPC errors that mean "too many requests" (EIP-1474, and HTTP's own).
const LIMIT_CODES: [i64; 2] = [-32005, 429];

/// A method and its parameters.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Value,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForkError {
    /// The node answered with an error of its own.
    Refused {
        /// JSON-RPC code.
        code: i64,
        /// What it says.
        message: String,
        /// What it says beside, as JSON.
        data: Option<String>,
        /// The node and the method.
        place: String,
    },
    /// There is no answer, or one that makes no sense.
    Failed(String),
}

impl fmt::Display for ForkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message, place, .. } => write!(f, "{place}: error {code}: {message}"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

/// A result, or the error that the node gave in its place.
pub(super) type Answer = Result<Box<RawValue>, ForkError>;

/// A node, and how patient we are with it.
pub(super) struct Endpoint {
    transport: Transport,
    shown: String,
    retries: u32,
    backoff: Duration,
    next_id: AtomicU64,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.shown).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    params: &'a Value,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(default)]
    id: Option<u64>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<ErrorObject<'a>>,
}

#[derive(Deserialize)]
struct ErrorObject<'a> {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Endpoint {
    /// Returns the endpoint of a fork. Fails for a URL that nothing can be asked at.
    pub(super) fn new(options: &ForkOptions) -> Result<Self, String> {
        let (transport, shown) = Transport::new(&options.url, options.timeout)?;
        Ok(Self {
            transport,
            shown,
            retries: options.retries,
            backoff: options.backoff,
            next_id: AtomicU64::new(1),
        })
    }

    /// Returns the URL without path, query and user, which may be secret.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Asks for one thing, and reads the result.
    pub(super) fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, ForkError> {
        let answer = self.call_raw(method, params)?;
        self.read(method, &answer)
    }

    /// Asks for one thing.
    pub(super) fn call_raw(&self, method: &'static str, params: Value) -> Answer {
        let mut answers = self.call_all(&[Call { method, params }])?;
        answers.pop().expect("there is an answer to each call")
    }

    /// Asks for several things in as few requests as it takes; returns an answer to each.
    pub(super) fn call_all(&self, calls: &[Call]) -> Result<Vec<Answer>, ForkError> {
        let mut answers = Vec::with_capacity(calls.len());
        for batch in calls.chunks(BATCH_MAX) {
            match self.request(batch)? {
                Some(batch) => answers.extend(batch),
                // The node takes no batches.
                None => {
                    for call in batch {
                        let one = self.request(std::slice::from_ref(call))?;
                        answers.extend(one.into_iter().flatten());
                    }
                }
            }
        }
        Ok(answers)
    }

    /// Reads a result.
    pub(super) fn read<T: DeserializeOwned>(&self, method: &str, answer: &RawValue) -> Result<T, ForkError> {
        serde_json::from_str(answer.get()).map_err(|error| {
            let text = cut(answer.get());
            self.failed(method, &format!("the answer {text} is not what the method returns: {error}"))
        })
    }

    /// Returns the error of something that went wrong with a method.
    pub(super) fn failed(&self, method: &str, what: &str) -> ForkError {
        ForkError::Failed(format!("fork of {}: {method}: {what}", self.shown))
    }

    /// Sends a request until there is an answer; none if the node takes no batches.
    fn request(&self, calls: &[Call]) -> Result<Option<Vec<Answer>>, ForkError> {
        let first = self.next_id.fetch_add(calls.len() as u64, Ordering::Relaxed);
        let requests: Vec<_> = (first..)
            .zip(calls)
            .map(|(id, call)| Request { jsonrpc: "2.0", id, method: call.method, params: &call.params })
            .collect();
        let body = match &requests[..] {
            [one] => serde_json::to_vec(one),
            all => serde_json::to_vec(all),
        };
        let body = body.expect("a request is plain data");
        let (mut attempt, mut pause) = (1, self.backoff);
        loop {
            let failure = match self.attempt(&body, calls, first) {
                Ok(answers) => return Ok(answers),
                Err(failure) => failure,
            };
            if !failure.retry || attempt > self.retries {
                let method = calls.first().map_or("", |call| call.method);
                let what = match attempt {
                    1 => failure.what,
                    _ => format!("{} ({attempt} attempts)", failure.what),
                };
                return Err(self.failed(method, &what));
            }
            tracing::debug!("fork of {}: {}, trying again", self.shown, failure.what);
            std::thread::sleep(failure.pause.unwrap_or(pause).min(PAUSE_MAX));
            pause = pause.saturating_mul(2);
            attempt += 1;
        }
    }

    fn attempt(&self, body: &[u8], calls: &[Call], first: u64) -> Result<Option<Vec<Answer>>, Failure> {
        let Reply { status, pause, body } = self.transport.post(body)?;
        if !(200..300).contains(&status) {
            // Some nodes answer errors of JSON-RPC with such a status; what a gateway says is no JSON.
            let is_passing = status == 429 || status >= 500;
            let advice = match status {
                429 => ": too many requests; a larger --fork-retry-backoff waits longer",
                401 | 403 => ": the node wants another key in the URL",
                _ => "",
            };
            if is_passing || !body.trim_ascii_start().starts_with(b"{") {
                let what = format!("HTTP status {status}{advice}");
                return Err(Failure { what, retry: is_passing, pause });
            }
        }
        self.answers(&body, calls, first)
    }

    /// Reads the answer to a request: each call's result, whatever their order; none if the node takes no batches.
    fn answers(&self, body: &[u8], calls: &[Call], first: u64) -> Result<Option<Vec<Answer>>, Failure> {
        let nonsense = |why: &dyn fmt::Display| {
            let text = String::from_utf8_lossy(body);
            Failure::last(format!("the answer {} is no JSON-RPC: {why}", cut(&text)))
        };
        let responses: Vec<Response<'_>> = match serde_json::from_slice(body) {
            Ok(one) if calls.len() == 1 => vec![one],
            // An error in the place of an array.
            Ok(Response { error: Some(error), .. }) if is_limit(&error) => {
                return Err(Failure::passing(error.message));
            }
            Ok(_) => return Ok(None),
            Err(_) => serde_json::from_slice(body).map_err(|error| nonsense(&error))?,
        };
        let mut answers: Vec<Option<Answer>> = calls.iter().map(|_| None).collect();
        for Response { id, result, error } in responses {
            let place = id.and_then(|id| usize::try_from(id.checked_sub(first)?).ok());
            // A node that could not read the request knows no id.
            let place = place.or((error.is_some() && id.is_none()).then_some(0));
            let free = place.and_then(|place| Some((calls.get(place)?, answers.get_mut(place)?)));
            let Some((call, answer @ None)) = free else {
                return Err(nonsense(&"it has an id that was not asked for, or one twice"));
            };
            *answer = Some(match (result, error) {
                (_, Some(error)) if is_limit(&error) => {
                    return Err(Failure::passing(format!("error {}: {}", error.code, error.message)));
                }
                (_, Some(ErrorObject { code, message, data })) => Err(ForkError::Refused {
                    code,
                    message,
                    data: data.map(|data| data.get().to_owned()),
                    place: format!("fork of {}: {}", self.shown, call.method),
                }),
                (result, None) => Ok(result.unwrap_or(RawValue::NULL).to_owned()),
            });
        }
        let all: Option<Vec<Answer>> = answers.into_iter().collect();
        all.map(Some).ok_or_else(|| nonsense(&"an answer is missing"))
    }
}

fn is_limit(error: &ErrorObject<'_>) -> bool {
    LIMIT_CODES.contains(&error.code)
}

/// Returns the beginning of a text.
fn cut(text: &str) -> String {
    match text.char_indices().nth(ECHO_MAX) {
        Some((end, _)) => format!("`{}...`", &text[..end]),
        None => format!("`{text}`"),
    }
}

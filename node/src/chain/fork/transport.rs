//! HTTP to the node that a fork reads from. Without the feature `server` there is none, and no chain can be forked.

#[cfg(feature = "server")]
use std::io::ErrorKind;
use std::time::Duration;

#[cfg(feature = "server")]
use ureq::{Agent, http::Uri};

/// What came back.
pub(super) struct Reply {
    pub(super) status: u16,
    /// How long the node asks us to wait.
    pub(super) pause: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Why an attempt gave nothing, and whether another one may.
pub(super) struct Failure {
    pub(super) what: String,
    pub(super) retry: bool,
    /// How long the node asks us to wait.
    pub(super) pause: Option<Duration>,
}

impl Failure {
    pub(super) fn last(what: impl Into<String>) -> Self {
        Self { what: what.into(), retry: false, pause: None }
    }

    pub(super) fn passing(what: impl Into<String>) -> Self {
        Self { what: what.into(), retry: true, pause: None }
    }
}

/// Bytes of an answer: those of the largest that a Lathe node sends.
#[cfg(feature = "server")]
const ANSWER_BYTES_MAX: u64 = 65 << 20;

/// A client for one URL.
#[cfg(feature = "server")]
pub(super) struct Transport {
    agent: Agent,
    url: String,
}

#[cfg(feature = "server")]
impl Transport {
    /// Returns a client, and the URL without path, query and user. Fails for a URL that nothing can be asked at.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<(Self, String), String> {
        let uri: Uri = url.parse().map_err(|_| "the URL of the fork is no URL")?;
        let (Some("http" | "https"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err("the URL of the fork must begin with http:// or https:// and name a host".into());
        };
        let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("{}://{host}{port}", uri.scheme_str().unwrap_or_default());
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            // A redirect would send what is asked elsewhere, as a GET.
            .max_redirects(0)
            .user_agent(concat!("lathe/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok((Self { agent, url: url.to_owned() }, shown))
    }

    /// Sends a body of JSON, and returns what comes back, whatever its status.
    pub(super) fn post(&self, body: &[u8]) -> Result<Reply, Failure> {
        let response = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .send(body)
            .map_err(|error| transport_failure(&error))?;
        let status = response.status().as_u16();
        let pause = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(limit) => {
                Failure::last(format!("the answer is longer than {limit} bytes"))
            }
            error => transport_failure(&error),
        })?;
        Ok(Reply { status, pause: pause.map(Duration::from_secs), body })
    }
}

#[cfg(feature = "server")]
/// Says what is wrong with a connection, without its URL.
fn transport_failure(error: &ureq::Error) -> Failure {
    match error {
        // What is wrong with a certificate, or with what is no TLS, is so a moment later, too.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            let why = error.to_string();
            let advice = match why.contains("certificate") {
                true => {
                    "it must name the host and be signed by an authority of Mozilla's list; a node of your own can be given with http://"
                }
                false => "the node does not seem to speak TLS there; http:// asks without",
            };
            Failure::last(format!("TLS: {why}; {advice}"))
        }
        ureq::Error::Timeout(_) => Failure::passing("no answer in time; --timeout waits longer"),
        ureq::Error::Io(error) => Failure::passing(format!("{error}; is the node up?")),
        ureq::Error::HostNotFound => Failure::passing("the host is not known"),
        ureq::Error::ConnectionFailed => Failure::passing("no connection; is the node up?"),
        ureq::Error::Tls(why) => Failure::last(format!("TLS: {why}")),
        ureq::Error::Rustls(error) => Failure::last(format!("TLS: {error}")),
        ureq::Error::Protocol(error) => Failure::last(format!("the answer is no HTTP: {error}")),
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => {
            Failure::last("the node is elsewhere (a redirect); give the URL that it is at")
        }
        // Others quote the URL.
        _ => Failure::last("the request could not be sent"),
    }
}

/// The client of a build that has none.
#[cfg(not(feature = "server"))]
pub(super) enum Transport {}

#[cfg(not(feature = "server"))]
impl Transport {
    pub(super) fn new(_: &str, _: Duration) -> Result<(Self, String), String> {
        Err("this build cannot fork a chain: it has no HTTP client (cargo feature `server`)".into())
    }

    pub(super) fn post(&self, _: &[u8]) -> Result<Reply, Failure> {
        match *self {}
    }
}

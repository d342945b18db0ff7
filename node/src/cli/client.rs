//! A JSON-RPC client over plain HTTP.

use std::time::Duration;

use alloy_sol_types::decode_revert_reason;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};

use super::{error::CliError, upload::Upload};

/// Where the node is.
#[derive(Debug, clap::Args)]
pub(super) struct ClientOptions {
    /// The node to talk to
    #[arg(long, env = "ETH_RPC_URL", default_value = "http://127.0.0.1:8545", value_name = "URL")]
    rpc_url: String,
}

/// How long a node may take for an answer: contracts may run for a whole block's gas.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Bytes of an answer, as many as a Lathe node sends.
const ANSWER_MAX: usize = 65 << 20;

/// A client that sends one request at a time, each on a connection of its own.
#[derive(Debug)]
pub(super) struct Client {
    url: String,
    uri: Uri,
    runtime: Runtime,
}

impl ClientOptions {
    /// Returns a client. Fails when the URL is none that it can use.
    pub(super) fn client(&self) -> Result<Client, CliError> {
        let url = self.rpc_url.clone();
        let usage = |why: &str| CliError::Usage(format!("--rpc-url {url}: {why}"));
        let uri: Uri = url.parse().map_err(|_| usage("not a URL"))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => {}
            (Some("https"), _) => return Err(usage("https is not supported; use an http:// endpoint")),
            _ => return Err(usage("expected http://HOST:PORT")),
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::Node(format!("async runtime: {error}")))?;
        Ok(Client { url, uri, runtime })
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    message: String,
    #[serde(default)]
    data: Option<Value>,
}

impl Client {
    /// Calls a method. A `null` result is `T`'s business.
    pub(super) fn request<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, CliError> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let answer = self.runtime.block_on(async {
            timeout(ANSWER_TIMEOUT, self.post(body)).await.unwrap_or_else(|_| Err("no answer in time".into()))
        });
        let bytes = answer.map_err(|why| self.connection(why))?;
        let answer: Answer<'_> = serde_json::from_slice(&bytes).map_err(|_| {
            let text = String::from_utf8_lossy(&bytes);
            self.connection(format!(
                "no JSON-RPC answer: {}",
                text.chars().take(200).collect::<String>().trim()
            ))
        })?;
        if let Some(error) = answer.error {
            return Err(CliError::Refused { message: explain(error) });
        }
        let result = answer.result.map_or("null", RawValue::get);
        serde_json::from_str(result)
            .map_err(|error| self.connection(format!("{method}: unexpected result: {error}")))
    }

    async fn post(&self, body: String) -> Result<Bytes, String> {
        let host = self.uri.host().unwrap_or_default();
        let port = self.uri.port_u16().unwrap_or(80);
        let address = (host.trim_matches(['[', ']']), port);
        let stream = TcpStream::connect(address).await.map_err(|error| {
            format!("cannot connect: {error}; is the node running? `lathe node` starts one")
        })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let request = Request::post(self.uri.path())
            .header(header::HOST, format!("{host}:{port}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Upload::new(body))
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        let bytes = body.to_bytes();
        if !status.is_success() {
            return Err(format!("HTTP {status}: {}", String::from_utf8_lossy(&bytes).trim()));
        }
        Ok(bytes)
    }

    fn connection(&self, why: impl Into<String>) -> CliError {
        CliError::Connection { url: self.url.clone(), why: why.into() }
    }
}

/// Returns what an error object says; the reason of a revert is decoded when the node did not.
fn explain(error: ErrorObject) -> String {
    let ErrorObject { code, message, data } = error;
    let data =
        data.as_ref().and_then(Value::as_str).and_then(|text| alloy_primitives::hex::decode(text).ok());
    let Some(data) = data.filter(|data| !data.is_empty()) else {
        let is_plain = message.starts_with("execution reverted") || code == -32000;
        return if is_plain { message } else { format!("{message} (code {code})") };
    };
    match decode_revert_reason(&data) {
        Some(reason) if message.contains(reason.trim_start_matches("revert: ")) => message,
        Some(reason) => format!("{message}: {}", reason.trim_start_matches("revert: ")),
        None => format!("{message}; data 0x{}", hex::encode(data)),
    }
}

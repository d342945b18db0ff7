//! Who may talk to the node: checks of `Host` and `Origin`.
//!
//! A devnet holds keys and obeys anyone, so a web page that its developer happens to visit must not reach it. `Origin`
//! tells pages from programs; `Host` stops DNS rebinding, where a foreign name is made to point here. An address in
//! `Host` cannot be rebound, a name can.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

/// The hosts and origins that are let in.
#[derive(Debug, Clone)]
pub struct Access {
    hosts: Vec<String>,
    origins: Vec<String>,
    any_address: bool,
}

/// Why a request is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request names a host that this node is not.
    #[error("host {0:?} is not allowed; start the node with --allow-host {0} to allow it")]
    Host(String),
    /// A web page of a foreign origin sent the request.
    #[error("origin {0:?} is not allowed; start the node with --allow-origin {0} to allow it")]
    Origin(String),
}

/// Hosts that are this machine wherever the node listens.
const LOCAL_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Origins of browser extensions: a page cannot forge them, and wallets send from them.
const EXTENSION_SCHEMES: [&str; 3] = ["chrome-extension://", "moz-extension://", "safari-web-extension://"];

impl Access {
    /// Lets in the local hosts, the address that the node listens on, and the given hosts and origins; `*` among the
    /// origins lets in all.
    pub fn new(listen: SocketAddr, hosts: &[String], origins: &[String]) -> Self {
        let own = match listen.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let mut all: Vec<String> = LOCAL_HOSTS.iter().map(ToString::to_string).collect();
        all.push(own);
        all.extend(hosts.iter().map(|host| host.to_ascii_lowercase()));
        Self { hosts: all, origins: origins.to_vec(), any_address: listen.ip().is_unspecified() }
    }

    /// Fails when the request names a foreign host or comes from a page of a foreign origin.
    pub fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
        let host = match headers.get(header::HOST) {
            Some(host) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
            None => uri.authority().map(ToString::to_string).unwrap_or_default(),
        };
        if !self.is_own_host(&host) {
            return Err(Refusal::Host(host));
        }
        match headers.get(header::ORIGIN) {
            Some(origin) if !self.is_local_origin(origin) => {
                Err(Refusal::Origin(String::from_utf8_lossy(origin.as_bytes()).into_owned()))
            }
            _ => Ok(()),
        }
    }

    fn is_own_host(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        self.hosts.contains(&name) || (self.any_address && is_address(&name))
    }

    fn is_local_origin(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        if self.origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin)) {
            return true;
        }
        if EXTENSION_SCHEMES.iter().any(|scheme| origin.starts_with(scheme)) {
            return true;
        }
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| self.is_own_host(host))
    }

    /// Returns the CORS headers of an answer to a page that [`check`](Self::check) let in.
    pub fn cors_headers(headers: &HeaderMap, is_preflight: bool) -> Vec<(HeaderName, HeaderValue)> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Vec::new() };
        let mut cors = vec![
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
            (header::VARY, HeaderValue::from_static("origin")),
        ];
        if is_preflight {
            cors.extend([
                (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, OPTIONS")),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type")),
                (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
                // Browsers ask this before a page reaches into a private network.
                (
                    HeaderName::from_static("access-control-allow-private-network"),
                    HeaderValue::from_static("true"),
                ),
            ]);
        }
        cors
    }
}

/// Returns the host of `host[:port]`; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn is_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

/// Returns whether a `Content-Type` is that of JSON. A form or plain text, which a page may send without asking, is not.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/json-rpc"].iter().any(|json| essence.eq_ignore_ascii_case(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header value"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a header value"));
        }
        headers
    }

    #[test]
    fn only_own_hosts_and_local_origins_are_let_in() {
        let loopback = Access::new(([127, 0, 0, 1], 8545).into(), &[], &[]);
        let open = Access::new(
            ([0, 0, 0, 0], 8545).into(),
            &["lathe.test".into()],
            &["https://remix.ethereum.org".into()],
        );
        let table: [(&Access, &str, Option<&str>, bool); 21] = [
            (&loopback, "localhost:8545", None, true),
            (&loopback, "LOCALHOST", None, true),
            (&loopback, "127.0.0.1:8545", None, true),
            (&loopback, "[::1]:8545", None, true),
            (&loopback, "[::1]", None, true),
            (&loopback, "evil.test:8545", None, false),
            (&loopback, "localhost.evil.test", None, false),
            (&loopback, "10.0.0.1:8545", None, false),
            (&loopback, "", None, false),
            (&loopback, "localhost:8545", Some("http://localhost:3000"), true),
            (&loopback, "localhost:8545", Some("https://127.0.0.1"), true),
            (&loopback, "localhost:8545", Some("chrome-extension://abcdef"), true),
            (&loopback, "localhost:8545", Some("http://evil.test"), false),
            (&loopback, "localhost:8545", Some("http://localhost.evil.test"), false),
            (&loopback, "localhost:8545", Some("http://localhost:3000@evil.test"), false),
            (&loopback, "localhost:8545", Some("null"), false),
            (&open, "10.0.0.1:8545", None, true),
            (&open, "[fe80::1]:8545", None, true),
            (&open, "lathe.test:8545", None, true),
            (&open, "evil.test:8545", None, false),
            (&open, "lathe.test", Some("https://remix.ethereum.org"), true),
        ];
        for (access, host, origin, expected) in table {
            let outcome = access.check(&headers(host, origin), &Uri::from_static("/"));
            assert_eq!(outcome.is_ok(), expected, "{host} {origin:?}: {outcome:?}");
        }
    }
}

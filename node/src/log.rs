//! The node's log: on standard error, as text or as JSON lines, and silent when a client says so.

use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, dynamic_filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Environment variables that say what is logged, in the words of `tracing`; the first that is there counts.
const VARIABLES: [&str; 2] = ["LATHE_LOG", "RUST_LOG"];

/// Whether a client wants to hear of what happens. One process has one log, whatever chains it runs.
static ENABLED: AtomicBool = AtomicBool::new(true);

/// Sets whether the log tells of what happens; errors are always told.
pub fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

fn is_told(metadata: &Metadata<'_>) -> bool {
    *metadata.level() == Level::ERROR || ENABLED.load(Ordering::Relaxed)
}

/// Starts the log at a level such as `info`, unless the environment says what is logged, with colours or without.
pub fn start(level: &str, format: LogFormat, colours: bool) {
    let from_environment =
        VARIABLES.iter().find(|name| std::env::var_os(name).is_some()).map(EnvFilter::try_from_env);
    let wanted = from_environment.and_then(Result::ok).unwrap_or_else(|| EnvFilter::new(level));
    let filter = wanted.and(dynamic_filter_fn(|metadata, _| is_told(metadata)));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let lines = match format {
        LogFormat::Json => lines.json().boxed(),
        LogFormat::Text => lines.with_target(false).boxed(),
    };
    // A second start in one process, as in tests, keeps the first log.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

//! `lathe node`: the devnet as a process.

mod accounts;
mod console;
mod fork;
mod mining;
mod program;
mod rules;
mod state_file;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use super::{
    error::CliError,
    output::{print, print_json},
    shown::{Colours, Paint},
    trace::{NameOptions, artifacts::Artifacts},
};
use accounts::AccountOptions;
use console::{Console, Detail, Form};
use fork::ForkOptions;
use mining::MiningOptions;
use rules::RuleOptions;
use state_file::StateFileOptions;

use crate::{
    chain::{CALL_TIMEOUT, Chain, ChainOptions, Durability, Home, Keep, Manner, Mining, PRIORITY_FEE},
    log::{self, LogFormat},
    rpc::{Registry, Server, ServerOptions, methods},
};

/// Start a devnet: Ethereum JSON-RPC for Wasm and EVM contracts.
///
/// Without --data-dir the chain lives in a temporary directory and is gone when the node ends. Every flag can also be given by
/// a variable, as in LATHE_PORT, and by `lathe.toml`, as in `port = 9545` under `[node]`.
#[derive(Debug, clap::Args)]
pub(super) struct NodeCommand {
    /// Listen on this address
    #[arg(long, default_value = "127.0.0.1", value_parser = parse_host, value_name = "ADDRESS")]
    host: IpAddr,
    /// Listen on this port; 0 takes a free one
    #[arg(long, short, default_value_t = 8545)]
    port: u16,
    /// Keep the chain in this directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Keep the state of so many blocks before the latest; of all of them without this
    #[arg(long, visible_alias = "prune-history", num_args = 0..=1, default_missing_value = "0", value_name = "BLOCKS")]
    history: Option<u64>,
    /// What an answered transaction survives: a killed node, or also a power cut, for which it waits for the disk
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    durability: Durability,
    /// How many seconds a call, an estimate, a simulation or a trace may take
    #[arg(long, default_value_t = CALL_TIMEOUT.as_secs(), value_name = "SECONDS")]
    rpc_timeout: u64,
    /// Answer on a Unix socket, too: at this path, or else at lathe.ipc in the data directory, or the directory for temporary
    /// files
    #[arg(long, visible_alias = "ipcpath", num_args = 0..=1, value_name = "PATH")]
    ipc: Option<Option<PathBuf>>,
    /// Answer requests on so many threads, and one more for connections; 0 is one for each processor
    #[arg(long, short = 'j', visible_alias = "jobs", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=THREADS_MAX), value_name = "N")]
    threads: u16,
    /// Accept requests that name this host, for example a container's name (repeatable)
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Accept requests from web pages of this origin; * means all (repeatable)
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Accept requests from no web page, whatever --allow-origin says in a file or a variable
    #[arg(long)]
    no_cors: bool,
    /// Listen beyond this machine although anyone can then spend from the development accounts
    #[arg(long)]
    allow_dev_keys_on_network: bool,
    /// Serve metrics for Prometheus at http://ADDRESS/metrics, for example 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Print nothing but warnings and errors
    #[arg(long, short, visible_alias = "silent", conflicts_with = "verbose")]
    quiet: bool,
    /// Show more: -v requests of clients and what the server does, -vv everything. LATHE_LOG or RUST_LOG choose what is logged
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colours,
    /// Do not show what contracts print
    #[arg(long, visible_alias = "no-console-log")]
    disable_console_log: bool,
    /// Show what each transaction and each call of a client did, as a tree of calls
    #[arg(long, visible_alias = "enable-trace-printing")]
    print_traces: bool,
    /// How the log looks
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Print the start-up message, what happens, and the log as JSON: an object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    names: NameOptions,
    #[command(flatten)]
    accounts: AccountOptions,
    #[command(flatten)]
    mining: MiningOptions,
    #[command(flatten)]
    rules: RuleOptions,
    #[command(flatten)]
    fork: ForkOptions,
    #[command(flatten)]
    state_file: StateFileOptions,
}

/// Threads that answer requests: more than any processor has a use for.
const THREADS_MAX: i64 = 1024;

impl NodeCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        self.check_exposure()?;
        self.start_log();
        let artifacts = self.names.load()?;
        let spec = self.rules.spec()?;
        let data = DataDir::new(self.data_dir.as_deref())?;
        let manner = Manner {
            derivation_path: self.accounts.derivation_path(),
            order: self.mining.order,
            block_txs_max: self.mining.max_transactions,
            impersonates_everyone: self.accounts.auto_impersonate,
            ignores_balances: self.mining.disable_pool_balance_checks,
            priority_fee: if self.mining.disable_min_priority_fee { 0 } else { PRIORITY_FEE },
            epoch_slots: self.mining.slots_in_an_epoch,
            forks: self.fork.any_fork(self.rules.chain_id, self.rules.block_gas_limit),
            ..Manner::default()
        };
        let options = ChainOptions {
            spec,
            home: data.home(),
            keep: Keep { history: self.history, durability: self.durability },
            mnemonic: self.accounts.mnemonic(),
            account_count: self.accounts.accounts,
            balance: self.accounts.balance,
        };
        let manner = Manner { mining: self.mining.mining(), ..self.rules.apply(manner) };
        let chain = match self.fork.fork(self.rules.chain_id, self.rules.block_gas_limit) {
            Some(fork) => Chain::open_fork(options, manner, &fork)?,
            None => Chain::open_with(options, manner)?,
        };
        self.state_file.load(&chain)?;
        self.accounts.write_config(&chain)?;
        chain.set_call_timeout(Duration::from_secs(self.rpc_timeout));
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => usize::from(threads),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // Handlers run on all threads but one.
            .worker_threads(threads + 1)
            .enable_all()
            .build()
            .map_err(|error| CliError::Node(format!("async runtime: {error}")))?;
        let outcome = runtime.block_on(self.serve(&chain, &data, artifacts));
        // Nothing is mined any more that the dump would miss.
        chain.set_mining(Mining::MANUAL)?;
        outcome.and(self.state_file.dump(&chain))
    }

    /// The keys of development accounts are public, and the node signs with them for whoever asks.
    fn check_exposure(&self) -> Result<(), CliError> {
        if self.host.is_loopback() || self.accounts.accounts == 0 || self.allow_dev_keys_on_network {
            return Ok(());
        }
        Err(CliError::Usage(format!(
            "--host {} lets other machines use this node, which signs for anyone with its development accounts; \
             add --allow-dev-keys-on-network to do so, or --accounts 0 to hold no keys",
            self.host
        )))
    }

    fn start_log(&self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => "warn",
            (false, 0) => "info",
            (false, 1) => "info,lathe=debug,lathe_node=debug",
            (false, _) => "trace",
        };
        let format = if self.json { LogFormat::Json } else { self.log_format };
        log::start(level, format, self.color.of(&std::io::stderr()));
    }

    async fn serve(&self, chain: &Arc<Chain>, data: &DataDir, artifacts: Artifacts) -> Result<(), CliError> {
        let (stop, stopping) = watch::channel(false);
        let options = ServerOptions {
            listen: SocketAddr::new(self.host, self.port),
            allow_hosts: self.allow_host.clone(),
            allow_origins: if self.no_cors { Vec::new() } else { self.allow_origin.clone() },
        };
        let registry = Registry::new(chain.clone(), methods::ALL);
        let registry = self.serve_metrics(registry, stopping.clone()).await?;
        let server = Server::bind(&options, registry, stopping).await.map_err(|error| {
            CliError::Node(format!(
                "cannot listen on {}: {error}; --port chooses another port",
                options.listen
            ))
        })?;
        let ipc = self.ipc_path();
        let server = match &ipc {
            Some(path) => server
                .with_ipc(path)
                .map_err(|error| CliError::Node(format!("--ipc {}: {error}", path.display())))?,
            None => server,
        };
        let address = server.address().map_err(|error| CliError::Node(error.to_string()))?;
        // Whoever has read the start-up message may send a signal.
        let mut signals = Signals::watch().map_err(|error| CliError::Node(format!("signals: {error}")))?;
        if self.json {
            print_json(&self.banner_json(chain, data, address, ipc.as_deref()));
        } else if !self.quiet {
            print(&self.banner(chain, data, address, ipc.as_deref()));
        }
        let console = (!self.quiet).then(|| self.start_console(chain, artifacts));
        let mut failure = chain.failure();
        tokio::spawn(async move {
            tokio::select! {
                () = signals.next() => tracing::info!("stopping"),
                _ = failure.wait_for(Option::is_some) => tracing::error!("the database failed, stopping"),
            }
            let _ = stop.send(true);
            // Whoever asks again does not want to wait.
            signals.next().await;
            std::process::exit(130);
        });
        if let Some(dumps) = self.state_file.dump_repeatedly(chain) {
            tokio::spawn(dumps);
        }
        program::give_back();
        server.run().await;
        console.inspect(Console::end);
        let failure = chain.failure().borrow().clone();
        failure.map_or(Ok(()), |reason| {
            Err(CliError::Node(format!(
                "{reason}\nThe node stopped because its database takes no more blocks. What was answered is kept; make \
                 room on the disk and start it again."
            )))
        })
    }

    fn start_console(&self, chain: &Arc<Chain>, artifacts: Artifacts) -> Console {
        let form =
            if self.json { Form::Json } else { Form::Text(Paint::when(self.color.of(&std::io::stdout()))) };
        let detail = Detail {
            requests: self.verbose > 0,
            prints: !self.disable_console_log,
            traces: self.print_traces,
        };
        Console::start(chain, artifacts, form, detail, std::io::stdout())
    }

    /// Returns where the Unix socket is, if there is one.
    fn ipc_path(&self) -> Option<PathBuf> {
        let given = self.ipc.clone()?;
        Some(
            given.unwrap_or_else(|| {
                self.data_dir.clone().unwrap_or_else(std::env::temp_dir).join("lathe.ipc")
            }),
        )
    }

    /// Lets the node count what it does and serve the numbers, if it was told where.
    async fn serve_metrics(
        &self,
        registry: Registry,
        stopping: watch::Receiver<bool>,
    ) -> Result<Registry, CliError> {
        let Some(address) = self.metrics else { return Ok(registry) };
        let listener = TcpListener::bind(address).await.map_err(|error| {
            CliError::Node(format!(
                "cannot serve metrics on {address}: {error}; --metrics takes an address and a free port"
            ))
        })?;
        let address = listener.local_addr().map_err(|error| CliError::Node(error.to_string()))?;
        let (registry, metrics) = registry.with_metrics();
        tokio::spawn(metrics.serve(listener, stopping));
        tracing::info!("metrics at http://{address}/metrics");
        Ok(registry)
    }

    fn banner(&self, chain: &Chain, data: &DataDir, address: SocketAddr, ipc: Option<&Path>) -> String {
        let url = url(address);
        let mut accounts = String::new();
        for (index, signer) in chain.dev_signers().iter().enumerate() {
            accounts += &format!("  ({index}) {}  0x{}\n", signer.address(), hex::encode(signer.to_bytes()));
        }
        let accounts = match accounts.is_empty() {
            true => String::new(),
            false => format!(
                "Accounts and their keys, {} ether each. The keys are public: never use them for anything of value.\n\
                 {accounts}Mnemonic: {}\n\n",
                alloy_primitives::utils::format_ether(self.accounts.balance)
                    .trim_end_matches('0')
                    .trim_end_matches('.'),
                self.accounts.mnemonic(),
            ),
        };
        let rpc = if address.port() == 8545 { String::new() } else { format!(" --rpc-url {url}") };
        format!(
            "Lathe {version}, a devnet for Wasm contracts\n\n\
             {accounts}\
             Chain id   {chain_id}\n\
             Block      {block}\n\
             {fork}\
             Data       {data}\n\
             RPC        {url} (HTTP and WebSocket)\n\
             {ipc}\n\
             Deploy a contract:\n  \
             lathe deploy contract.wasm{rpc}\n  \
             cast send --unlocked --from {from} --rpc-url {url} --create $(lathe envelope contract.wasm)\n\n",
            version = env!("CARGO_PKG_VERSION"),
            chain_id = chain.spec().chain_id,
            block = chain.head().header.number,
            fork = chain
                .fork()
                .map(|fork| format!(
                    "Fork       {} at block {} ({})\n",
                    fork.url(),
                    fork.number(),
                    fork.hash()
                ))
                .unwrap_or_default(),
            ipc = ipc.map(|path| format!("IPC        {}\n", path.display())).unwrap_or_default(),
            from = chain.accounts().first().map_or_else(|| "ADDRESS".into(), ToString::to_string),
        )
    }

    fn banner_json(
        &self,
        chain: &Chain,
        data: &DataDir,
        address: SocketAddr,
        ipc: Option<&Path>,
    ) -> serde_json::Value {
        let accounts: Vec<_> = chain
            .dev_signers()
            .iter()
            .map(|signer| json!({"address": signer.address(), "privateKey": signer.to_bytes()}))
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "rpcUrl": url(address),
            "chainId": chain.spec().chain_id,
            "blockNumber": chain.head().header.number,
            "dataDir": data.path(),
            "ipc": ipc,
            "fork": chain.fork().map(|fork| json!({
                "url": fork.url(), "blockNumber": fork.number(), "blockHash": fork.hash(),
            })),
            "accounts": accounts,
        })
    }
}

/// Returns a URL that a client on this machine can use.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Sent on a write beyond the limit of a file's size. The number is the same on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// The signals that ask the process to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From here on the signals no longer end the process.
    fn watch() -> std::io::Result<Self> {
        // A file that may grow no further is then an error to whoever writes to it, not the end of the process.
        drop(signal(SignalKind::from_raw(SIGXFSZ))?);
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Returns when the next one comes.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Where the chain is kept.
enum DataDir {
    /// In memory: this binary has no database.
    Memory,
    /// In a directory that is removed at the end.
    Temporary(TempDir),
    /// In a directory that stays.
    Given(PathBuf),
}

impl DataDir {
    fn new(given: Option<&Path>) -> Result<Self, CliError> {
        match given {
            Some(_) if !cfg!(feature = "rocksdb") => {
                Err(CliError::Usage("--data-dir: this binary was built without the feature `rocksdb`".into()))
            }
            Some(path) => Ok(Self::Given(path.to_path_buf())),
            None if !cfg!(feature = "rocksdb") => Ok(Self::Memory),
            None => tempfile::Builder::new()
                .prefix("lathe-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(|error| CliError::file(std::env::temp_dir(), error)),
        }
    }

    fn home(&self) -> Home {
        match self {
            Self::Memory => Home::Memory,
            Self::Temporary(dir) => Home::TemporaryDirectory(dir.path().to_owned()),
            Self::Given(path) => Home::Directory(path.clone()),
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Memory => None,
            Self::Temporary(dir) => Some(dir.path()),
            Self::Given(path) => Some(path),
        }
    }
}

impl std::fmt::Display for DataDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("in memory, gone at exit"),
            Self::Temporary(dir) => write!(f, "{} (temporary, removed at exit)", dir.path().display()),
            Self::Given(path) => write!(f, "{}", path.display()),
        }
    }
}

fn parse_host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => text.parse().map_err(|_| "expected an IP address, such as 127.0.0.1 or 0.0.0.0".into()),
    }
}

//! Our devnet beside anvil: start, memory, transfers, calls, mining, proofs.
//!
//! `make bench-rpc`. Both run the same scripts in alternating rounds on one machine, and what counts is the best round.
//! Answers are checked; a wrong one fails the bench, a slow one does not. The last line has ratios: of rates, ours by
//! anvil's, so more is better; of start and memory, ours by anvil's, so less is better; the rest are units of ours alone.
//! Fields `_cpu` say how many times as many requests ours answers in a second of processor time.

mod contract;
mod load;
mod peer;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use lathe_tests::measure::{print_json, rounded};
use serde::Serialize;
use serde_json::json;

use contract::{Contract, DEPLOYED_NUMBER, Senders};
use load::{CONNECTIONS, Result, body};
use peer::{Kind, Peer};

/// Rounds of each script.
const ROUNDS: usize = 5;
/// Starts of each devnet, of which the fastest counts.
const STARTS: usize = 7;
/// How long a devnet is left alone before its memory is looked at.
const IDLE: Duration = Duration::from_secs(1);
/// Transfers in a round, over all connections.
const TRANSFERS: usize = 1_000;
/// Requests in a round of the other scripts: about a second's worth.
const REQUESTS: usize = 19_200;
/// Calls in a batch, and batches in a round.
const BATCH: usize = 10;
const BATCHES: usize = 1_920;
/// Blocks that one request mines.
const MINED: u64 = 10_000;
/// Blocks after which the chain must not be slower than at its beginning.
const LONG: u64 = 100_000;
/// Proofs of which the fastest counts.
const PROOFS: usize = 500;
/// Calls of which the fastest counts.
const CALLS: usize = 2_000;
/// What the contract's number is set to after blocks were mined.
const LATER_NUMBER: u64 = 0xbeef;

/// The last line of the bench.
#[derive(Debug, Default, Serialize)]
struct Report {
    bench: &'static str,
    peer: String,
    cold_start: f64,
    idle_rss: f64,
    transfers: f64,
    wasm_call: f64,
    wasm_call_batch: f64,
    block_number: f64,
    mine_10k_s: f64,
    proof_ms: f64,
    old_call_vs_latest: f64,
    kib_per_block: f64,
    transfers_cpu: f64,
    wasm_call_cpu: f64,
    wasm_call_batch_cpu: f64,
    block_number_cpu: f64,
    /// Time of a call after 100,000 blocks by that at the beginning.
    call_after_100k: f64,
    /// Time of the last 10,000 empty blocks of 100,000 by that of the first.
    mine_after_100k: f64,
}

fn main() -> ExitCode {
    let [lathe, anvil] = match binaries() {
        Ok(binaries) => binaries,
        Err(error) => {
            eprintln!("{error}\nusage: rpc --lathe PATH --anvil PATH");
            return ExitCode::from(2);
        }
    };
    match run(&lathe, &anvil) {
        Ok(report) => {
            print_json(&report);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("FAILED: {error}");
            print_json(&json!({"bench": "rpc", "error": error.to_string()}));
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line.
fn binaries() -> Result<[PathBuf; 2]> {
    let (mut lathe, mut anvil) = (None, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--lathe" => lathe = args.next(),
            "--anvil" => anvil = args.next(),
            // Cargo says this to every bench.
            "--bench" => {}
            _ => return Err(format!("unknown option {arg}").into()),
        }
    }
    Ok([lathe.ok_or("--lathe is missing")?.into(), anvil.ok_or("--anvil is missing")?.into()])
}

fn run(lathe: &Path, anvil: &Path) -> Result<Report> {
    let mut report = Report { bench: "rpc", peer: version(anvil)?, ..Report::default() };
    eprintln!("{:<28}{:>12}{:>12}{:>9}", "", "lathe", "anvil", "ratio");
    cold_start(lathe, anvil, &mut report)?;

    let start = |kind, binary| Peer::start(kind, binary, CONNECTIONS + 1);
    let peers = [start(Kind::Lathe, lathe)?, start(Kind::Anvil, anvil)?];
    thread::sleep(IDLE);
    let [ours, theirs] = [peers[0].resident_kib()? / 1024.0, peers[1].resident_kib()? / 1024.0];
    report.idle_rss = rounded(ours / theirs);
    row("idle, MiB", ours, theirs, report.idle_rss);

    let contracts = [Contract::deploy(&peers[0])?, Contract::deploy(&peers[1])?];
    for (peer, contract) in peers.iter().zip(&contracts) {
        contract.check(peer, "latest", DEPLOYED_NUMBER)?;
    }
    rates(&peers, &contracts, &mut report)?;
    transfers(&peers, &mut report)?;
    proofs(&peers, &contracts, &mut report)?;
    mining(&peers, &contracts, &mut report)?;
    Ok(report)
}

/// Returns anvil's name and version.
fn version(anvil: &Path) -> Result<String> {
    let output = Command::new(anvil).arg("--version").output()?;
    let text = String::from_utf8(output.stdout)?;
    let version = text.split_whitespace().nth(2).ok_or("anvil tells no version")?;
    Ok(format!("anvil {version}"))
}

fn row(name: &str, ours: f64, theirs: f64, ratio: f64) {
    eprintln!("{name:<28}{ours:>12.2}{theirs:>12.2}{ratio:>9.2}");
}

fn cold_start(lathe: &Path, anvil: &Path, report: &mut Report) -> Result<()> {
    let mut least = [Duration::MAX; 2];
    for _ in 0..STARTS {
        for (least, (kind, binary)) in least.iter_mut().zip([(Kind::Lathe, lathe), (Kind::Anvil, anvil)]) {
            *least = (*least).min(Peer::start(kind, binary, 10)?.cold_start);
        }
    }
    let [ours, theirs] = least.map(|least| least.as_secs_f64());
    report.cold_start = rounded(ours / theirs);
    row("cold start, ms", ours * 1e3, theirs * 1e3, report.cold_start);
    Ok(())
}

/// What the best rounds of a script took: seconds by the clock, and of the processor.
#[derive(Clone, Copy)]
struct Took {
    clock: f64,
    cpu: f64,
}

/// Runs a script on both in alternating rounds; returns what the best of them took.
fn race(peers: &[Peer; 2], mut script: impl FnMut(&Peer, usize) -> Result<Duration>) -> Result<[Took; 2]> {
    let mut took = [Took { clock: f64::INFINITY, cpu: f64::INFINITY }; 2];
    for round in 0..ROUNDS {
        for (index, (peer, took)) in peers.iter().zip(&mut took).enumerate() {
            let before = peer.cpu()?;
            let clock =
                script(peer, index).map_err(|error| format!("round {round} on {:?}: {error}", peer.kind))?;
            let cpu = peer.cpu()?.saturating_sub(before);
            took.clock = took.clock.min(clock.as_secs_f64());
            took.cpu = took.cpu.min(cpu.as_secs_f64());
        }
    }
    Ok(took)
}

/// Prints the row of a race; returns the ratio of the rates and that of the processor time.
fn compare(name: &str, requests: usize, [ours, theirs]: [Took; 2]) -> (f64, f64) {
    let (ratio, cpu) = (rounded(theirs.clock / ours.clock), rounded(theirs.cpu / ours.cpu));
    let rate = |took: Took| requests as f64 / took.clock;
    row(&format!("{name}, 1/s"), rate(ours), rate(theirs), ratio);
    let each = |took: Took| took.cpu * 1e6 / requests as f64;
    row("  processor time, us", each(ours), each(theirs), cpu);
    (ratio, cpu)
}

/// Sends equal requests; the first answer, which was checked, is what every other must be.
fn flood(peers: &[Peer; 2], bodies: &[Vec<u8>; 2], count: usize) -> Result<[Took; 2]> {
    let expected = [load::once(peers[0].address, &bodies[0])?, load::once(peers[1].address, &bodies[1])?];
    for answer in &expected {
        let text = String::from_utf8_lossy(answer);
        if text.contains("\"error\"") || !text.contains("\"result\":\"0x") {
            return Err(format!("the devnet answered {text}").into());
        }
    }
    race(peers, |peer, index| {
        let start = Instant::now();
        load::repeat(peer.address, &bodies[index], count, &expected[index])?;
        Ok(start.elapsed())
    })
}

fn rates(peers: &[Peer; 2], contracts: &[Contract; 2], report: &mut Report) -> Result<()> {
    let view = |index: usize| body("eth_call", contracts[index].view("latest"));
    let took = flood(peers, &[view(0), view(1)], REQUESTS)?;
    (report.wasm_call, report.wasm_call_cpu) = compare("eth_call of a view", REQUESTS, took);

    let views = |index: usize| load::batch("eth_call", &contracts[index].view("latest"), BATCH);
    let took = flood(peers, &[views(0), views(1)], BATCHES)?;
    (report.wasm_call_batch, report.wasm_call_batch_cpu) = compare("the same in tens", BATCHES * BATCH, took);

    let number = || body("eth_blockNumber", json!([]));
    let took = flood(peers, &[number(), number()], REQUESTS)?;
    (report.block_number, report.block_number_cpu) = compare("eth_blockNumber", REQUESTS, took);
    Ok(())
}

fn transfers(peers: &[Peer; 2], report: &mut Report) -> Result<()> {
    // The first account has deployed the contract.
    let mut senders = [Senders::derive(1, CONNECTIONS)?, Senders::derive(1, CONNECTIONS)?];
    let each = TRANSFERS.div_ceil(CONNECTIONS);
    let mut polls = [0; 2];
    let took = race(peers, |peer, index| {
        let transfers = senders[index].sign(each)?;
        let start = Instant::now();
        polls[index] += load::transfer(peer.address, transfers)?;
        Ok(start.elapsed())
    })?;
    let sent = each * CONNECTIONS;
    if polls[0] != sent * ROUNDS {
        return Err(format!(
            "ours answered {} transfers after {} looks at receipts",
            sent * ROUNDS,
            polls[0]
        )
        .into());
    }
    (report.transfers, report.transfers_cpu) = compare("transfer to receipt", sent, took);
    eprintln!(
        "{:<28}{:>12.2}{:>12.2}",
        "  looks at a receipt",
        1.0,
        polls[1] as f64 / (sent * ROUNDS) as f64
    );
    Ok(())
}

fn proofs(peers: &[Peer; 2], contracts: &[Contract; 2], report: &mut Report) -> Result<()> {
    let latency = |index: usize| {
        let proof = body("eth_getProof", json!([contracts[index].address, ["0x0"], "latest"]));
        Ok::<_, Box<dyn std::error::Error>>(load::latency(peers[index].address, &proof, PROOFS)? * 1e3)
    };
    let (ours, theirs) = (latency(0)?, latency(1)?);
    report.proof_ms = rounded(ours);
    row("eth_getProof, ms", ours, theirs, rounded(theirs / ours));
    Ok(())
}

/// Mines many empty blocks, and looks at how long that takes, what memory they take, and how fast the chain is then.
fn mining(peers: &[Peer; 2], contracts: &[Contract; 2], report: &mut Report) -> Result<()> {
    let mine = |peer: &Peer| -> Result<f64> {
        let (number, start) = (head(peer)?, Instant::now());
        peer.rpc("anvil_mine", json!([format!("{MINED:#x}")]))?;
        let seconds = start.elapsed().as_secs_f64();
        if head(peer)? == number + MINED { Ok(seconds) } else { Err("the blocks are not there".into()) }
    };
    let ([peer, anvil], contract) = (peers, &contracts[0]);
    let call = |block: &str| load::latency(peer.address, &body("eth_call", contract.view(block)), CALLS);
    let growth = |peer: &Peer, before: f64, blocks: u64| {
        Ok::<_, Box<dyn std::error::Error>>((peer.resident_kib()? - before) / blocks as f64)
    };

    let before_anvil = anvil.resident_kib()?;
    let theirs = mine(anvil)?;
    let theirs_growth = growth(anvil, before_anvil, MINED)?;

    let (past, before, first_call) = (head(peer)?, peer.resident_kib()?, call("latest")?);
    let mut chunks = vec![mine(peer)?];
    report.kib_per_block = growth(peer, before, MINED)?;
    contract.set_number(peer, LATER_NUMBER)?;
    let past = format!("{past:#x}");
    contract.check(peer, &past, DEPLOYED_NUMBER)?;
    contract.check(peer, "latest", LATER_NUMBER)?;
    let (old, latest) = (call(&past)?, call("latest")?);
    report.old_call_vs_latest = rounded(old / latest);

    while chunks.len() < usize::try_from(LONG / MINED)? {
        chunks.push(mine(peer)?);
    }
    report.kib_per_block = rounded(report.kib_per_block.max(growth(peer, before, LONG)?));
    let least = |chunks: &[f64]| chunks.iter().copied().fold(f64::INFINITY, f64::min);
    let (first, last) = chunks.split_at(chunks.len() / 2);
    report.mine_10k_s = rounded(least(&chunks));
    report.mine_after_100k = rounded(least(last) / least(first));
    report.call_after_100k = rounded(call("latest")? / first_call);
    contract.check(peer, &past, DEPLOYED_NUMBER)?;

    row("10,000 empty blocks, s", report.mine_10k_s, theirs, rounded(theirs / report.mine_10k_s));
    row("  KiB for each", report.kib_per_block, theirs_growth, rounded(report.kib_per_block / theirs_growth));
    row("eth_call 10,000 back, us", old * 1e6, f64::NAN, report.old_call_vs_latest);
    eprintln!(
        "after 100,000 blocks: calls take {:.2}, blocks {:.2} of what they took",
        report.call_after_100k, report.mine_after_100k
    );
    Ok(())
}

/// Returns the number of the latest block.
fn head(peer: &Peer) -> Result<u64> {
    let number = peer.rpc("eth_blockNumber", json!([]))?;
    let digits =
        number.as_str().and_then(|text| text.strip_prefix("0x")).ok_or("a block number is no quantity")?;
    Ok(u64::from_str_radix(digits, 16)?)
}

//! The crash harness: `make torture`.
//!
//! A supervisor loads a node with transactions from several senders and with reverts, and kills it at a random moment or at a
//! failpoint, again and again on the same data directory. After each kill it checks what is on the disk, with `lathe db
//! verify`, and what the restarted node says: that every acknowledged transaction is there, and at most those in flight
//! beside them; receipts, balances, slots and proofs at the blocks of the past, against a model that only the supervisor has.
//! Where the node was to survive a power cut, everything that it had not brought to the disk is taken away before.
//!
//! Then it gives the node one defect after another and kills it until it notices: a harness that finds nothing proves
//! nothing unless it would have found something. Each defect meets a chain that a sound node began, so it is a run under load
//! that shows it. The last line is JSON and says which check noticed what after how many kills; the exit code is 1 if a check
//! failed or a defect went unnoticed.
//!
//!     torture [--kills N] [--seed N]

mod check;
mod load;
mod model;
mod power;
mod random;

use std::{fmt, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use lathe_tests::Node;
use serde::Serialize;
use tempfile::TempDir;

use check::Fault;
use model::Model;
use random::Random;

/// Kills on one data directory: a verification reads the whole chain, and so would take ever longer.
const KILLS_PER_DIRECTORY: u64 = 25;
/// Kills within which a defect must be noticed.
const SABOTAGE_KILLS_MAX: u64 = 24;
/// Longest load before a random kill.
const LOAD_MAX: Duration = Duration::from_millis(400);
/// How long a node may take to reach its failpoint under load.
const FAILPOINT_TIMEOUT: Duration = Duration::from_secs(5);

/// Points under load, and how often a block passes each.
const LOAD_POINTS: [&str; 4] = ["before-root", "before-write", "after-write", "prune"];
/// Points of a revert.
const REVERT_POINTS: [&str; 2] = ["before-revert", "after-revert"];
/// The defects, by name.
const SABOTAGES: [&str; 5] =
    ["split-batch", "skip-trie-delete", "answer-before-write", "wal-off", ANSWER_BEFORE_SYNC];
/// The one that only a power cut shows.
const ANSWER_BEFORE_SYNC: &str = "answer-before-sync";
/// Names the file of notes in the node's environment.
const SYNCED: &str = "LATHE_SYNCED";
/// The value of `--durability` that is to survive a power cut.
const POWER: &str = "power";

#[derive(Debug, Parser)]
struct Options {
    /// How often the node is killed
    #[arg(long, default_value_t = 500)]
    kills: u64,
    /// Decides everything that is random but the moments of the kills
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The last line.
#[derive(Debug, Default, Serialize)]
struct Summary {
    harness: &'static str,
    kills: u64,
    failpoint_kills: u64,
    lost: u64,
    bad_roots: u64,
    orphans: u64,
    sabotage: usize,
    sabotage_caught: usize,
    other_faults: u64,
    transactions: u64,
    reverts: u64,
    blocks_checked: u64,
    power_cuts: u64,
    power_cut_bytes: u64,
    caught: Vec<Caught>,
}

/// A defect that was noticed.
#[derive(Debug, Serialize)]
struct Caught {
    sabotage: &'static str,
    /// After how many kills under load.
    kills: u64,
    /// What was wrong: `lost`, `bad_root`, `orphan` or `other`.
    by: &'static str,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut random = Random::new(options.seed);
    let mut summary = Summary { harness: "torture", sabotage: SABOTAGES.len(), ..Summary::default() };
    while summary.kills < options.kills {
        let kills = KILLS_PER_DIRECTORY.min(options.kills - summary.kills);
        // Pruning is part of half of the directories.
        let history = (summary.kills / KILLS_PER_DIRECTORY % 2 == 1).then_some(40);
        let mut round = Round::new(history, None);
        for _ in 0..kills {
            if let Err(fault) = round.kill(&mut random, &mut summary) {
                eprintln!("FAULT after {} kills: {fault}\n  in {}", summary.kills, round.keep().display());
                match fault {
                    Fault::Lost(_) => summary.lost += 1,
                    Fault::Root(_) => summary.bad_roots += 1,
                    Fault::Orphan(_) => summary.orphans += 1,
                    Fault::Other(_) => summary.other_faults += 1,
                }
                break;
            }
        }
    }
    for name in SABOTAGES {
        let mut round = Round::new(None, Some(name));
        let mut scratch = Summary::default();
        let caught = (0..SABOTAGE_KILLS_MAX).find_map(|_| round.kill(&mut random, &mut scratch).err());
        match caught {
            Some(fault) => {
                let (kills, by) = (scratch.kills, fault.kind());
                eprintln!("{name} was noticed after {kills} kills under load: {fault}");
                summary.sabotage_caught += 1;
                summary.caught.push(Caught { sabotage: name, kills, by });
            }
            None => eprintln!("{name} went UNNOTICED for {SABOTAGE_KILLS_MAX} kills"),
        }
    }
    println!("{}", serde_json::to_string(&summary).expect("numbers"));
    let faults = summary.lost + summary.bad_roots + summary.orphans + summary.other_faults;
    if faults == 0 && summary.sabotage_caught == summary.sabotage {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Returns the node that can be sabotaged, which is built beside this harness.
pub(crate) fn torture_node() -> PathBuf {
    std::env::current_exe().expect("a running program has a path").with_file_name("torture-node")
}

/// One data directory and everything that should be in it.
struct Round {
    dir: Option<TempDir>,
    arguments: Vec<String>,
    sabotage: Option<&'static str>,
    model: Model,
}

/// When the node dies.
enum End {
    /// After a while.
    Moment(Duration),
    /// When it comes to this point for the n-th time.
    Point(&'static str, u64),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moment(moment) => write!(f, "after {moment:.1?}"),
            Self::Point(point, passes) => write!(f, "at {point} after {passes} passes"),
        }
    }
}

impl Round {
    fn new(history: Option<u64>, sabotage: Option<&'static str>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("chain");
        let mut arguments = vec!["--data-dir".to_owned(), path.to_str().expect("a UTF-8 path").to_owned()];
        if let Some(history) = history {
            arguments.extend(["--history".to_owned(), history.to_string()]);
        }
        Self { dir: Some(dir), arguments, sabotage, model: Model::new(history) }
    }

    fn data_dir(&self) -> PathBuf {
        PathBuf::from(&self.arguments[1])
    }

    /// Lets the directory stay for people to look at, and returns it.
    fn keep(&mut self) -> PathBuf {
        self.dir.take().map_or_else(|| self.data_dir(), TempDir::keep)
    }

    /// Where the node notes what it brought to the disk.
    fn notes(&self) -> PathBuf {
        self.data_dir().with_file_name("synced")
    }

    fn start(&self, points: &str, durability: &str, sabotage: Option<&str>) -> Result<Node, Fault> {
        let binary = torture_node();
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        arguments.extend(["--durability", durability]);
        let notes = self.notes();
        let mut environment = vec![("FAILPOINTS", points), (SYNCED, notes.to_str().expect("a UTF-8 path"))];
        environment.extend(sabotage.map(|name| ("LATHE_SABOTAGE", name)));
        Node::try_start_with(&binary, &arguments, &environment).map_err(Fault::Other)
    }

    /// Starts the node, loads it, lets it die and checks what is left.
    fn kill(&mut self, random: &mut Random, summary: &mut Summary) -> Result<(), Fault> {
        let is_power = self.sabotage == Some(ANSWER_BEFORE_SYNC) || random.below(4) == 0;
        let durability = if is_power { POWER } else { "process" };
        if self.model.is_new() {
            let node = self.start("", durability, None)?;
            self.model.set_up(&node)?;
            node.kill();
        }
        if random.below(8) == 0 {
            if self.start("open=return", durability, None).is_ok() {
                return Err(Fault::Other("the node passed the failpoint at which it should die".into()));
            }
            (summary.kills, summary.failpoint_kills) = (summary.kills + 1, summary.failpoint_kills + 1);
        }
        let reverts = self.sabotage.is_none() && self.model.has_blocks() && random.below(4) == 0;
        let end = match random.below(2) {
            _ if self.sabotage.is_some() => End::Moment(random.moment(LOAD_MAX)),
            0 => End::Moment(random.moment(LOAD_MAX)),
            _ if reverts => End::Point(random.choose(&REVERT_POINTS), 0),
            _ => {
                // Without --history nothing is pruned, and that point is never reached.
                let points =
                    if self.model.history().is_some() { &LOAD_POINTS[..] } else { &LOAD_POINTS[..3] };
                End::Point(random.choose(points), random.below(30))
            }
        };
        let points = match end {
            End::Moment(_) => String::new(),
            End::Point(point, 0) => format!("{point}=return"),
            End::Point(point, passes) => format!("{point}={passes}*off->return"),
        };
        let node = self.start(&points, durability, self.sabotage)?;
        self.model.check_running(&node, random, summary)?;
        let revert = if reverts { self.model.revert(&node, random)? } else { None };
        summary.reverts += u64::from(reverts);
        let died = load::run(node, &mut self.model, random, &end);
        summary.kills += 1;
        eprintln!(
            "kill {}: {end}{}, {} transactions",
            summary.kills,
            if died.at_failpoint { ", reached" } else { "" },
            died.acknowledged
        );
        summary.failpoint_kills += u64::from(died.at_failpoint);
        summary.transactions += died.acknowledged;
        if is_power {
            let lost = power::cut(&self.data_dir(), &self.notes());
            summary.power_cut_bytes += lost.map_err(|error| Fault::Other(format!("power cut: {error}")))?;
            summary.power_cuts += 1;
        }
        check::verify(&self.data_dir(), &self.notes())?;
        let node = self.start("", durability, None)?;
        self.model.recover(&node, revert)?;
        node.kill();
        Ok(())
    }
}

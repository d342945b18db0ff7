//! Where the gas of an execution went: a tree of frames, functions, host calls and EVM instructions, with the ink that
//! each took itself.
//!
//! Nothing is estimated. Ink is read whenever something begins or ends, and what is gone since the last reading belongs
//! to whatever ran meanwhile. What a frame took as a whole, its caller's instruction did not; so the ink of all nodes
//! adds up to the gas used, refunds and rounding included, which are rows of their own.

use std::collections::HashMap;

use alloy_primitives::{Address, hex};
use lathe_gas::INK_PER_GAS;
use lathe_vm::{Module, Observer, Step, demangle};
use revm::{context::TxEnv, context_interface::result::ResultGas};
use serde::{Deserialize, Serialize};

use super::FrameKind;

/// Nodes of a profile. What would be another one is counted with its parent, and the profile says so.
pub const PROFILE_NODES_MAX: usize = 100_000;

/// Where the gas went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Gas used: what the ink of all nodes adds up to.
    pub gas_used: u64,
    /// Ink that makes a gas.
    pub ink_per_gas: u64,
    /// Whether there were too many nodes to tell all apart.
    pub truncated: bool,
    /// The nodes. The first is the whole; every other has a parent before it.
    pub nodes: Vec<ProfileNode>,
}

/// Something that took ink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileNode {
    /// The index of the node that it ran inside of.
    pub parent: Option<u32>,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: ProfileKind,
    /// How often it began.
    pub calls: u64,
    /// Ink that it took itself, without the nodes inside it. A refund is negative.
    pub ink: i64,
}

/// What took ink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProfileKind {
    /// The whole transaction or run.
    Root,
    /// A frame.
    Frame,
    /// A function of a module.
    Function,
    /// A host function.
    HostCall,
    /// An instruction of the EVM.
    Opcode,
    /// What is none of these: loading code, pages, calldata, refunds.
    Cost,
}

/// A profile being made.
#[derive(Debug)]
pub(super) struct Profiler {
    nodes: Vec<ProfileNode>,
    /// Nodes by parent and name.
    index: HashMap<(u32, u32), u32>,
    names: HashMap<String, u32>,
    /// The numbers of functions' names, by contract and index.
    functions: HashMap<(Address, u32), u32>,
    frames: Vec<OpenFrame>,
    /// Gas that the outermost frame was given, and used.
    outermost: Option<(u64, u64)>,
    truncated: bool,
}

/// A frame that has yet to end.
#[derive(Debug)]
struct OpenFrame {
    node: u32,
    code: Address,
    kind: FrameKind,
    gas: u64,
    /// The ink that it was last seen with. What frames inside it took is subtracted when they end.
    seen: i128,
    /// What takes the ink now.
    current: u32,
    /// The functions that are running, by index and node, the outermost first.
    stack: Vec<(u32, u32)>,
}

fn ink(gas: u64) -> i128 {
    i128::from(gas) * i128::from(INK_PER_GAS)
}

impl Profiler {
    pub(super) fn new() -> Self {
        let root =
            ProfileNode { parent: None, name: "total".into(), kind: ProfileKind::Root, calls: 1, ink: 0 };
        Self {
            nodes: vec![root],
            index: HashMap::new(),
            names: HashMap::new(),
            functions: HashMap::new(),
            frames: Vec::new(),
            outermost: None,
            truncated: false,
        }
    }

    /// Returns the number of a name.
    fn name(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.names.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.insert(name.to_owned(), number);
        number
    }

    /// Returns the node of this name inside another, a new one if there is none.
    fn child(&mut self, parent: u32, number: u32, name: impl FnOnce() -> String, kind: ProfileKind) -> u32 {
        let place = match self.index.get(&(parent, number)) {
            Some(&place) => place,
            None if self.nodes.len() >= PROFILE_NODES_MAX => {
                self.truncated = true;
                return parent;
            }
            None => {
                let place = u32::try_from(self.nodes.len()).expect("there are few");
                self.nodes.push(ProfileNode { parent: Some(parent), name: name(), kind, calls: 0, ink: 0 });
                self.index.insert((parent, number), place);
                place
            }
        };
        self.nodes[place as usize].calls += 1;
        place
    }

    fn child_named(&mut self, parent: u32, name: &str, kind: ProfileKind) -> u32 {
        let number = self.name(name);
        self.child(parent, number, || name.to_owned(), kind)
    }

    fn charge(&mut self, node: u32, ink: i128) {
        let node = &mut self.nodes[node as usize];
        let ink = i64::try_from(ink).unwrap_or(i64::MAX);
        node.ink = node.ink.saturating_add(ink);
    }

    /// A frame begins inside whatever runs.
    pub(super) fn begin_frame(
        &mut self,
        kind: FrameKind,
        code: Address,
        selector: Option<[u8; 4]>,
        gas: u64,
    ) {
        let mut name = kind.opcode().to_owned();
        if !kind.is_creation() {
            name += " ";
            name += &hex::encode_prefixed(code);
            if let Some(selector) = selector {
                name += " ";
                name += &hex::encode_prefixed(selector);
            }
        }
        self.open(&name, ProfileKind::Frame, kind, code, gas);
    }

    fn open(&mut self, name: &str, node_kind: ProfileKind, kind: FrameKind, code: Address, gas: u64) {
        let parent = self.frames.last().map_or(0, |frame| frame.current);
        let node = self.child_named(parent, name, node_kind);
        let stack = Vec::new();
        self.frames.push(OpenFrame { node, code, kind, gas, seen: ink(gas), current: node, stack });
    }

    /// The innermost frame ends with this much gas for its caller.
    pub(super) fn end_frame(&mut self, gas_left: u64, keeps_gas: bool) {
        let Some(frame) = self.frames.pop() else { return };
        // What no reading has told: the price of code that was stored, a part of a gas, or all that was left.
        let rest = frame.seen - ink(gas_left);
        let what = match (keeps_gas, frame.kind.is_creation()) {
            (false, _) => "burned",
            (true, true) => "store code",
            (true, false) => "rounding",
        };
        if rest != 0 {
            let node = self.child_named(frame.node, what, ProfileKind::Cost);
            self.charge(node, rest);
        }
        let used = frame.gas.saturating_sub(gas_left);
        match self.frames.last_mut() {
            Some(caller) => caller.seen -= ink(used),
            None => self.outermost = Some((frame.gas, used)),
        }
    }

    /// Charges whatever runs with the ink that is gone since the last reading.
    pub(super) fn read(&mut self, ink_left: u64) {
        if let Some(frame) = self.frames.last_mut() {
            let (node, spent) = (frame.current, frame.seen - i128::from(ink_left));
            frame.seen = i128::from(ink_left);
            self.charge(node, spent);
        }
    }

    /// Something begins inside the function that runs, or inside the frame if none does.
    pub(super) fn enter(&mut self, name: &str, kind: ProfileKind) {
        let Some(frame) = self.frames.last() else { return };
        let parent = frame.stack.last().map_or(frame.node, |&(_, node)| node);
        let node = self.child_named(parent, name, kind);
        if let Some(frame) = self.frames.last_mut() {
            frame.current = node;
        }
    }

    /// It ends.
    pub(super) fn leave(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.current = frame.stack.last().map_or(frame.node, |&(_, node)| node);
        }
    }

    /// Charges the ink that is gone since the last reading to a row of its own inside the frame.
    pub(super) fn spent_on(&mut self, what: &'static str, ink_left: u64) {
        let Some(frame) = self.frames.last_mut() else { return };
        let (parent, spent) = (frame.node, frame.seen - i128::from(ink_left));
        frame.seen = i128::from(ink_left);
        if spent != 0 {
            let node = self.child_named(parent, what, ProfileKind::Cost);
            self.charge(node, spent);
        }
    }

    /// Charges what a transaction with this gas limit paid beside its frames.
    pub(super) fn settle(&mut self, gas_limit: u64, intrinsic: &[(&'static str, u64)], gas: &ResultGas) {
        let (given, used) = self.outermost.unwrap_or((gas_limit, 0));
        let mut calldata = ink(gas_limit) - ink(given);
        for &(what, cost) in intrinsic {
            calldata -= ink(cost);
            self.row(what, ink(cost));
        }
        self.row("calldata", calldata);
        let refund = ink(gas.inner_refunded());
        self.row("refund", -refund);
        let paid = ink(gas_limit) - ink(given) + ink(used) - refund;
        self.row("calldata floor (EIP-7623)", ink(gas.tx_gas_used()) - paid);
    }

    /// Charges ink that no frame used.
    fn row(&mut self, what: &'static str, ink: i128) {
        if ink != 0 {
            let node = self.child_named(0, what, ProfileKind::Cost);
            self.charge(node, ink);
        }
    }

    /// An instruction is about to be charged.
    pub(super) fn instruction(&mut self, module: &Module, step: &Step) {
        // The first frame is 1 deep.
        let depth = (step.depth as usize).max(1);
        let Some(frame) = self.frames.last() else { return };
        // Entering the first function is its own; entering another belongs to the instruction that calls it.
        let is_first = frame.stack.is_empty();
        if !is_first {
            self.read(step.ink_left);
        }
        let Some(frame) = self.frames.last_mut() else { return };
        frame.stack.truncate(depth);
        let top = frame.stack.get(depth - 1).map(|&(function, _)| function);
        if top != Some(step.function) {
            if top.is_some() {
                // It runs in the place of the one that called it last.
                frame.stack.pop();
            }
            self.push_function(module, step.function);
        }
        self.leave();
        if is_first {
            self.read(step.ink_left);
        }
    }

    fn push_function(&mut self, module: &Module, function: u32) {
        let Some(frame) = self.frames.last() else { return };
        let (code, parent) = (frame.code, frame.stack.last().map_or(frame.node, |&(_, node)| node));
        let text = || {
            let name = module.function_name(function);
            name.map_or_else(
                || format!("function {function}"),
                |name| demangle(name).escape_debug().to_string(),
            )
        };
        let number = match self.functions.get(&(code, function)) {
            Some(&number) => number,
            None => {
                let number = self.name(&text());
                self.functions.insert((code, function), number);
                number
            }
        };
        let node = self.child(parent, number, text, ProfileKind::Function);
        if let Some(frame) = self.frames.last_mut() {
            frame.stack.push((function, node));
        }
    }

    /// Returns the profile.
    pub(super) fn finish(self) -> Profile {
        let ink: i128 = self.nodes.iter().map(|node| i128::from(node.ink)).sum();
        let gas_used = u64::try_from(ink / i128::from(INK_PER_GAS)).unwrap_or_default();
        Profile { gas_used, ink_per_gas: INK_PER_GAS, truncated: self.truncated, nodes: self.nodes }
    }
}

/// Gas that every transaction costs (yellow paper, `G_transaction`).
const BASE_GAS: u64 = 21_000;
/// Gas that creating costs beside its data (EIP-2).
const CREATION_GAS: u64 = 32_000;
/// Gas of each 32 bytes of creation data (EIP-3860).
const CREATION_WORD_GAS: u64 = 2;
/// Gas of an address in an access list (EIP-2930).
const LISTED_ADDRESS_GAS: u64 = 2_400;
/// Gas of a slot in an access list (EIP-2930).
const LISTED_SLOT_GAS: u64 = 1_900;
/// Gas of an authorization (EIP-7702).
const AUTHORIZATION_GAS: u64 = 25_000;

/// Returns what a transaction costs before its first frame runs, but for its data, which cost the rest.
pub(in super::super) fn intrinsic_costs(tx: &TxEnv) -> Vec<(&'static str, u64)> {
    let mut costs = vec![("transaction", BASE_GAS)];
    if tx.kind.is_create() {
        let words = (tx.data.len() as u64).div_ceil(32);
        costs.push(("creation", CREATION_GAS + CREATION_WORD_GAS * words));
    }
    let (addresses, slots) = tx
        .access_list
        .0
        .iter()
        .fold((0, 0), |(addresses, slots), item| (addresses + 1, slots + item.storage_keys.len() as u64));
    costs.push(("access list", addresses * LISTED_ADDRESS_GAS + slots * LISTED_SLOT_GAS));
    costs.push(("authorizations", tx.authorization_list.len() as u64 * AUTHORIZATION_GAS));
    costs
}

/// Profiles a function that runs without a chain.
#[derive(Debug)]
pub struct ModuleProfiler<'a> {
    profiler: Profiler,
    module: &'a Module,
}

impl<'a> ModuleProfiler<'a> {
    /// Returns a profiler of a run with this much gas.
    pub fn new(module: &'a Module, gas: u64) -> Self {
        let mut profiler = Profiler::new();
        profiler.open("run", ProfileKind::Frame, FrameKind::Call, Address::ZERO, gas);
        Self { profiler, module }
    }

    /// The module was instantiated; there is this much ink left.
    pub fn instantiated(&mut self, ink_left: u64) {
        self.profiler.spent_on("instantiate", ink_left);
    }

    /// A function that was invoked has ended.
    pub fn returned(&mut self, ink_left: u64) {
        self.profiler.read(ink_left);
        if let Some(frame) = self.profiler.frames.last_mut() {
            frame.stack.clear();
            frame.current = frame.node;
        }
    }

    /// Returns the profile of a run that leaves this much gas.
    pub fn finish(mut self, gas_left: u64) -> Profile {
        self.profiler.end_frame(gas_left, true);
        self.profiler.finish()
    }
}

impl Observer for ModuleProfiler<'_> {
    fn instruction(&mut self, step: &Step) {
        self.profiler.instruction(self.module, step);
    }
}

//! `ArbWasm` and `ArbWasmCache`: what Stylus tools ask a chain about programs, and tell it.
//!
//! A code hash is *active* when the storage of `ArbWasm` has a version in the slot of that number. Whatever puts a
//! program's code into state validates it and makes that record, so no program waits for its activation, none
//! expires, and no fee is due. `activateProgram` only confirms it, as often as it is called.

use alloy_sol_types::{SolCall, SolError, SolEvent, SolInterface};
use lathe_gas::{INK_PER_GAS, Meter};
use lathe_vm::Limit;
use revm::{
    Database,
    context_interface::{ContextTr, JournalTr, journaled_state::account::JournaledAccountTr},
    interpreter::{CallInputs, CallScheme, Gas, InstructionResult, InterpreterResult},
    primitives::{Address, B256, Bytes, U256, address, keccak256},
};

use super::{
    code::{CodeKind, module_of},
    evm::Ctx,
    gas::{self, Stop},
    program::CodeCache,
};

/// Where `ArbWasm` is.
pub const ARB_WASM: Address = address!("0000000000000000000000000000000000000071");
/// Where `ArbWasmCache` is.
pub const ARB_WASM_CACHE: Address = address!("0000000000000000000000000000000000000072");
/// The version of the `vm_hooks` interface that programs are activated for: the first of this chain.
pub const STYLUS_VERSION: u16 = 1;

/// Gas for reading a call's selector and answering: that of a warm access (EIP-2929).
const ANSWER_GAS: u64 = 100;
/// Bytes of the longest calldata that a method reads: a selector and a word.
const CALLDATA_READ_MAX: usize = 4 + 32;
/// Pages that are free in every program: none, `memory.grow` and the loading of a module pay for each.
const FREE_PAGES: u16 = 0;
/// Percent by which the price of loading a program is adjusted.
const INIT_COST_PERCENT: u64 = 100;
/// Programs do not expire: their time left, and the days until then, are the most that the types hold.
const NEVER_SECONDS: u64 = u64::MAX;
const NEVER_DAYS: u16 = u16::MAX;

mod abi {
    #![allow(missing_docs, unreachable_pub, reason = "generated from Solidity's names, which say it")]
    alloy_sol_types::sol! {
        interface ArbWasm {
            function activateProgram(address program) external payable returns (uint16 version, uint256 dataFee);
            function stylusVersion() external view returns (uint16 version);
            function codehashVersion(bytes32 codehash) external view returns (uint16 version);
            function codehashKeepalive(bytes32 codehash) external payable;
            function codehashAsmSize(bytes32 codehash) external view returns (uint32 size);
            function programVersion(address program) external view returns (uint16 version);
            function programInitGas(address program) external view returns (uint64 gas, uint64 gasWhenCached);
            function programMemoryFootprint(address program) external view returns (uint16 footprint);
            function programTimeLeft(address program) external view returns (uint64 secs);
            function inkPrice() external view returns (uint32 price);
            function maxStackDepth() external view returns (uint32 depth);
            function freePages() external view returns (uint16 pages);
            function pageGas() external view returns (uint16 gas);
            function pageRamp() external view returns (uint64 ramp);
            function pageLimit() external view returns (uint16 limit);
            function minInitGas() external view returns (uint64 gas, uint64 cached);
            function initCostScalar() external view returns (uint64 percent);
            function expiryDays() external view returns (uint16 _days);
            function keepaliveDays() external view returns (uint16 _days);
            function blockCacheSize() external view returns (uint16 count);
            function activationGas() external view returns (uint64 gas);

            event ProgramActivated(
                bytes32 indexed codehash, bytes32 moduleHash, address program, uint256 dataFee, uint16 version
            );
            event ProgramLifetimeExtended(bytes32 indexed codehash, uint256 dataFee);

            error ProgramNotWasm();
            error ProgramNotActivated();
            error ProgramNeedsUpgrade(uint16 version, uint16 stylusVersion);
            error ProgramExpired(uint64 ageInSeconds);
            error ProgramUpToDate();
            error ProgramKeepaliveTooSoon(uint64 ageInSeconds);
            error ProgramInsufficientValue(uint256 have, uint256 want);
        }

        interface ArbWasmCache {
            function isCacheManager(address manager) external view returns (bool);
            function allCacheManagers() external view returns (address[] memory managers);
            function cacheCodehash(bytes32 codehash) external;
            function cacheProgram(address addr) external;
            function evictCodehash(bytes32 codehash) external;
            function codehashIsCached(bytes32 codehash) external view returns (bool);

            event UpdateProgramCache(address indexed manager, bytes32 indexed codehash, bool cached);
        }
    }
}
use abi::{ArbWasm, ArbWasmCache};

/// How a call ends that returns nothing.
enum End {
    /// It reverts with this output.
    Revert(Vec<u8>),
    /// It reverts with no output; the reason travels outside consensus.
    Refused(String),
    /// The world could not be touched.
    Stop(Stop),
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<lathe_gas::OutOfGas> for End {
    fn from(error: lathe_gas::OutOfGas) -> Self {
        Self::Stop(error.into())
    }
}

/// Returns the end of a call that reverts with a custom error.
fn revert(error: impl SolError) -> End {
    End::Revert(error.abi_encode())
}

/// Runs a call of one of the two contracts. `failure` takes the reason where the output does not tell it.
pub(super) fn run<DB: Database>(
    ctx: &mut Ctx<DB>,
    code: &CodeCache,
    inputs: &CallInputs,
    failure: &mut Option<String>,
) -> InterpreterResult {
    let calldata = {
        let calldata = inputs.input.as_bytes(ctx);
        calldata[..calldata.len().min(CALLDATA_READ_MAX)].to_vec()
    };
    let mut call = Call { ctx, code, inputs, meter: Meter::from_gas(inputs.gas_limit) };
    let end = match inputs.bytecode_address {
        ARB_WASM => call.arb_wasm(&calldata),
        _ => call.arb_wasm_cache(&calldata),
    };
    let (result, output) = match end {
        Ok(output) => (InstructionResult::Return, output),
        Err(End::Revert(output)) => (InstructionResult::Revert, output),
        Err(End::Refused(reason)) => {
            *failure = Some(reason);
            (InstructionResult::Revert, Vec::new())
        }
        Err(End::Stop(Stop::OutOfGas)) => (InstructionResult::PrecompileOOG, Vec::new()),
        Err(End::Stop(Stop::Fatal)) => (InstructionResult::FatalExternalError, Vec::new()),
    };
    let mut gas = Gas::new_with_regular_gas_and_reservoir(inputs.gas_limit, inputs.reservoir);
    gas.set_remaining(call.meter.gas_left());
    InterpreterResult::new(result, output.into(), gas)
}

/// Records a program's code hash as active, at the price of writing a slot.
pub(super) fn record<DB: Database>(ctx: &mut Ctx<DB>, meter: &mut Meter, hash: B256) -> Result<(), Stop> {
    let is_empty = gas::account(ctx, meter, ARB_WASM, false)?.data.is_empty;
    let mut account = match ctx.journal_mut().load_account_mut(ARB_WASM) {
        Ok(account) => account,
        Err(error) => {
            *ctx.error() = Err(error.into());
            return Err(Stop::Fatal);
        }
    };
    account.data.touch();
    if is_empty {
        // A touched account that looks empty would be removed, and its storage with it (EIP-161).
        account.data.set_nonce(1);
    }
    // A record is never erased, so there is no refund.
    gas::sstore(ctx, meter, ARB_WASM, hash.into(), U256::from(STYLUS_VERSION)).map(drop)
}

/// A call at work.
struct Call<'a, DB: Database> {
    ctx: &'a mut Ctx<DB>,
    code: &'a CodeCache,
    inputs: &'a CallInputs,
    meter: Meter,
}

impl<DB: Database> Call<'_, DB> {
    fn arb_wasm(&mut self, calldata: &[u8]) -> Result<Vec<u8>, End> {
        use ArbWasm as A;
        use ArbWasm::ArbWasmCalls as C;
        self.meter.charge_gas(ANSWER_GAS)?;
        let method = A::ArbWasmCalls::abi_decode(calldata).map_err(|_| End::Revert(Vec::new()))?;
        if !matches!(method, C::activateProgram(_) | C::codehashKeepalive(_)) {
            self.refuse_value()?;
        }
        let rules = self.code.rules();
        let pages_max = u16::try_from(rules.limits.get(Limit::MemoryPages)).unwrap_or(u16::MAX);
        let page_gas = u64::from(rules.schedule.memory_page).div_ceil(INK_PER_GAS);
        let stack_slots = rules.limits.get(Limit::ValueSlots);
        Ok(match method {
            C::activateProgram(call) => {
                A::activateProgramCall::abi_encode_returns(&self.activate(call.program)?)
            }
            C::stylusVersion(_) => A::stylusVersionCall::abi_encode_returns(&STYLUS_VERSION),
            C::codehashVersion(call) => {
                A::codehashVersionCall::abi_encode_returns(&self.version(call.codehash)?)
            }
            C::codehashKeepalive(call) => {
                self.version(call.codehash)?;
                // What does not expire is never close enough to it.
                return Err(revert(A::ProgramKeepaliveTooSoon { ageInSeconds: 0 }));
            }
            C::codehashAsmSize(call) => {
                self.version(call.codehash)?;
                // Programs are interpreted: there is no machine code.
                A::codehashAsmSizeCall::abi_encode_returns(&0)
            }
            C::programVersion(call) => {
                let hash = self.account_code(call.program)?.0;
                A::programVersionCall::abi_encode_returns(&self.version(hash)?)
            }
            C::programInitGas(call) => {
                let (hash, code) = self.active_code(call.program)?;
                let gas = self.pay_for_module(hash, &code)?;
                A::programInitGasCall::abi_encode_returns(&A::programInitGasReturn {
                    gas,
                    gasWhenCached: self.load_again_gas(),
                })
            }
            C::programMemoryFootprint(call) => {
                let (hash, code) = self.active_code(call.program)?;
                self.pay_for_module(hash, &code)?;
                let program = self.code.program(hash, &code).map_err(refused)?;
                let pages = program.module.memory_type().map_or(0, |memory| memory.min);
                A::programMemoryFootprintCall::abi_encode_returns(&u16::try_from(pages).unwrap_or(u16::MAX))
            }
            C::programTimeLeft(call) => {
                let hash = self.account_code(call.program)?.0;
                self.version(hash)?;
                A::programTimeLeftCall::abi_encode_returns(&NEVER_SECONDS)
            }
            C::inkPrice(_) => {
                A::inkPriceCall::abi_encode_returns(&u32::try_from(INK_PER_GAS).unwrap_or(u32::MAX))
            }
            C::maxStackDepth(_) => A::maxStackDepthCall::abi_encode_returns(&stack_slots),
            C::freePages(_) => A::freePagesCall::abi_encode_returns(&FREE_PAGES),
            C::pageGas(_) => A::pageGasCall::abi_encode_returns(&u16::try_from(page_gas).unwrap_or(u16::MAX)),
            // What each page that is held adds to the price of the next, in ink.
            C::pageRamp(_) => A::pageRampCall::abi_encode_returns(&rules.schedule.memory_page_rise.into()),
            C::pageLimit(_) => A::pageLimitCall::abi_encode_returns(&pages_max),
            C::minInitGas(_) => A::minInitGasCall::abi_encode_returns(&A::minInitGasReturn {
                gas: gas_of(rules.schedule.load_ink(1)),
                cached: self.load_again_gas(),
            }),
            C::initCostScalar(_) => A::initCostScalarCall::abi_encode_returns(&INIT_COST_PERCENT),
            C::expiryDays(_) => A::expiryDaysCall::abi_encode_returns(&NEVER_DAYS),
            C::keepaliveDays(_) => A::keepaliveDaysCall::abi_encode_returns(&NEVER_DAYS),
            C::blockCacheSize(_) => A::blockCacheSizeCall::abi_encode_returns(&0),
            C::activationGas(_) => A::activationGasCall::abi_encode_returns(&0),
        })
    }

    fn arb_wasm_cache(&mut self, calldata: &[u8]) -> Result<Vec<u8>, End> {
        use ArbWasmCache as A;
        use ArbWasmCache::ArbWasmCacheCalls as C;
        self.meter.charge_gas(ANSWER_GAS)?;
        let method = A::ArbWasmCacheCalls::abi_decode(calldata).map_err(|_| End::Revert(Vec::new()))?;
        self.refuse_value()?;
        Ok(match method {
            C::isCacheManager(_) => A::isCacheManagerCall::abi_encode_returns(&false),
            C::allCacheManagers(_) => A::allCacheManagersCall::abi_encode_returns(&Vec::new()),
            // A program is paid for as if nothing were cached, so nobody need ask for it, and nobody may.
            C::codehashIsCached(_) => A::codehashIsCachedCall::abi_encode_returns(&false),
            C::cacheCodehash(_) | C::cacheProgram(_) | C::evictCodehash(_) => {
                return Err(End::Refused(
                    "ArbWasmCache: this chain has no cache managers; loading a program costs the same, cached or not"
                        .into(),
                ));
            }
        })
    }

    /// Confirms that a program is active and returns the value that came along: there is no fee.
    fn activate(&mut self, program: Address) -> Result<ArbWasm::activateProgramReturn, End> {
        let runs_in_caller = matches!(self.inputs.scheme, CallScheme::DelegateCall | CallScheme::CallCode);
        if self.inputs.is_static || runs_in_caller {
            return Err(End::Refused("ArbWasm: activateProgram changes state: make a plain call".into()));
        }
        let (hash, code) = self.account_code(program)?;
        if !matches!(CodeKind::of(&code), CodeKind::Program { .. }) {
            return Err(revert(ArbWasm::ProgramNotWasm {}));
        }
        self.pay_for_module(hash, &code)?;
        // What is in state was validated; a call may override an account's code with any bytes.
        self.code.program(hash, &code).map_err(refused)?;
        record(self.ctx, &mut self.meter, hash)?;
        let module = module_of(&code, self.code.rules().limits.module_bytes as usize).map_err(refused)?;
        let module_bytes = u32::try_from(module.len()).expect("the limit of modules is a u32");
        gas::keccak(self.ctx, &mut self.meter, module_bytes)?;
        let event = ArbWasm::ProgramActivated {
            codehash: hash,
            moduleHash: keccak256(&module),
            program,
            dataFee: U256::ZERO,
            version: STYLUS_VERSION,
        };
        let (topics, data) = event.encode_log_data().split();
        gas::log(self.ctx, &mut self.meter, ARB_WASM, topics, &data)?;
        if let Some(value) = self.inputs.transfer_value().filter(|value| !value.is_zero()) {
            let returned = self.ctx.journal_mut().transfer_loaded(ARB_WASM, self.inputs.caller, value);
            debug_assert!(returned.is_none(), "the value has just arrived");
        }
        Ok(ArbWasm::activateProgramReturn { version: STYLUS_VERSION, dataFee: U256::ZERO })
    }

    /// Returns the version that a code hash is active for.
    fn version(&mut self, hash: B256) -> Result<u16, End> {
        gas::account(self.ctx, &mut self.meter, ARB_WASM, false)?;
        let version = gas::sload(self.ctx, &mut self.meter, ARB_WASM, hash.into())?;
        match u16::try_from(version) {
            Ok(version) if version != 0 => Ok(version),
            _ => Err(revert(ArbWasm::ProgramNotActivated {})),
        }
    }

    /// Returns an account's code and its hash.
    fn account_code(&mut self, of: Address) -> Result<(B256, Bytes), End> {
        let account = gas::account(self.ctx, &mut self.meter, of, true)?.data;
        let code = account.code.as_ref().map(|code| code.original_bytes()).unwrap_or_default();
        Ok((account.code_hash, code))
    }

    /// Returns an account's code and its hash if it is active.
    fn active_code(&mut self, of: Address) -> Result<(B256, Bytes), End> {
        let (hash, code) = self.account_code(of)?;
        self.version(hash)?;
        Ok((hash, code))
    }

    /// Pays for a look into a module as for loading it first, and returns that price.
    fn pay_for_module(&mut self, hash: B256, code: &[u8]) -> Result<u64, End> {
        let schedule = self.code.rules().schedule;
        // How long the module is, only decompression tells, which must be paid for before.
        let code_gas = gas_of(schedule.code_ink(code.len() as u64));
        self.meter.charge_gas(code_gas)?;
        let module_bytes = self.code.module_bytes(hash, code).map_err(refused)?;
        let module_gas = gas_of(schedule.load_ink(module_bytes.into()));
        self.meter.charge_gas(module_gas)?;
        Ok(code_gas + module_gas)
    }

    fn load_again_gas(&self) -> u64 {
        gas_of(self.code.rules().schedule.load_again.into())
    }

    /// Reverts if value came along, which only methods that are `payable` take.
    fn refuse_value(&self) -> Result<(), End> {
        if self.inputs.transfers_value() { Err(End::Revert(Vec::new())) } else { Ok(()) }
    }
}

/// Returns the gas for so much ink, a part of a gas as a whole one.
fn gas_of(ink: u64) -> u64 {
    ink.div_ceil(INK_PER_GAS)
}

/// Returns the end of a call that finds bytes in the place of a program.
fn refused(error: impl std::fmt::Display) -> End {
    End::Refused(error.to_string())
}

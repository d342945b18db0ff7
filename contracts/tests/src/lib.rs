//! A world of accounts to call contracts in, on an engine that is not Lathe's: what a contract does must not depend on
//! whose machine runs it. The host functions are the few that the example contracts import, kept as short as they can
//! be: no gas, only fuel that ends infinite loops; a failed call leaves the world as it was.

use std::{collections::BTreeMap, mem};
use wasmi::{Caller, Config, Engine, Error, Extern, Linker, Memory, Module, Store};

/// A storage key, a storage value, a topic, a hash or a big-endian number.
pub type Word = [u8; 32];

/// Where an account is.
pub type Address = [u8; 20];

/// Instructions, roughly, that one frame may execute.
const FUEL_MAX: u64 = 50_000_000;

/// How deep calls nest here; it only has to end recursion.
pub const CALL_DEPTH_MAX: u32 = 8;

/// A contract's account.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The module.
    pub code: Vec<u8>,
    /// What it stored; a slot that is absent holds zeros.
    pub storage: BTreeMap<Word, Word>,
}

/// A log: who emitted it, topics, data.
pub type Log = (Address, Vec<Word>, Vec<u8>);

/// All accounts, and the logs of all calls that succeeded.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The contracts.
    pub accounts: BTreeMap<Address, Account>,
    /// What was emitted, in order.
    pub logs: Vec<Log>,
}

/// How a call ended, with its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `user_entrypoint` returned 0.
    Returned(Vec<u8>),
    /// `user_entrypoint` returned something else.
    Reverted(Vec<u8>),
    /// The module trapped, ran out of fuel, or the call was too deep.
    Failed,
}

/// A call and who makes it.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// Who calls.
    pub sender: Address,
    /// Whom.
    pub to: Address,
    /// Calldata.
    pub input: Vec<u8>,
    /// The value that comes along.
    pub value: Word,
    /// How many calls it is nested in.
    pub depth: u32,
}

/// One running call: what host functions see.
struct Frame {
    world: World,
    call: Call,
    cached: BTreeMap<Word, Word>,
    output: Vec<u8>,
    return_data: Vec<u8>,
}

impl World {
    /// Puts `code` at an address that starts with `first_byte`, and returns that address.
    pub fn deploy(&mut self, first_byte: u8, code: Vec<u8>) -> Address {
        let mut address = Address::default();
        address[0] = first_byte;
        self.accounts.insert(address, Account { code, storage: BTreeMap::new() });
        address
    }

    /// Calls `to` with `input`, from the zero address, without value.
    pub fn call(&mut self, to: Address, input: &[u8]) -> Outcome {
        self.make(Call { to, input: input.to_vec(), ..Call::default() })
    }

    /// Makes the call. The world changes if it succeeds.
    pub fn make(&mut self, call: Call) -> Outcome {
        let frame = Frame {
            world: self.clone(),
            call,
            cached: BTreeMap::new(),
            output: Vec::new(),
            return_data: Vec::new(),
        };
        match run(frame) {
            Ok((0, frame)) => {
                *self = frame.world;
                Outcome::Returned(frame.output)
            }
            Ok((_, frame)) => Outcome::Reverted(frame.output),
            Err(_) => Outcome::Failed,
        }
    }
}

/// Runs the callee's code to its end; returns its status and the frame.
fn run(frame: Frame) -> Result<(u32, Frame), Error> {
    if frame.call.depth > CALL_DEPTH_MAX {
        return Err(Error::new("call too deep"));
    }
    let engine = Engine::new(Config::default().consume_fuel(true));
    let code = &frame.world.accounts.get(&frame.call.to).expect("only contracts are called here").code;
    let module = Module::new(&engine, code)?;
    let input_len = u32::try_from(frame.call.input.len()).expect("calldata is short");
    let mut store = Store::new(&engine, frame);
    store.set_fuel(FUEL_MAX)?;
    let instance = host_functions(&engine)?.instantiate_and_start(&mut store, &module)?;
    let entrypoint = instance.get_typed_func::<u32, u32>(&store, "user_entrypoint")?;
    let status = entrypoint.call(&mut store, input_len)?;
    Ok((status, store.into_data()))
}

/// Returns the `vm_hooks` functions that the example contracts import.
fn host_functions(engine: &Engine) -> Result<Linker<Frame>, Error> {
    let mut linker = Linker::new(engine);
    linker
        .func_wrap("vm_hooks", "pay_for_memory_grow", |_: Caller<'_, Frame>, _pages: u32| {})?
        .func_wrap("vm_hooks", "msg_reentrant", |_: Caller<'_, Frame>| 0u32)?
        .func_wrap("vm_hooks", "read_args", |mut caller: Caller<'_, Frame>, dest: u32| {
            let input = caller.data().call.input.clone();
            write(&mut caller, dest, &input)
        })?
        .func_wrap("vm_hooks", "write_result", |mut caller: Caller<'_, Frame>, ptr: u32, len: u32| {
            caller.data_mut().output = read(&caller, ptr, len)?;
            Ok(())
        })?
        .func_wrap("vm_hooks", "msg_value", |mut caller: Caller<'_, Frame>, dest: u32| {
            let value = caller.data().call.value;
            write(&mut caller, dest, &value)
        })?
        .func_wrap("vm_hooks", "msg_sender", |mut caller: Caller<'_, Frame>, dest: u32| {
            let sender = caller.data().call.sender;
            write(&mut caller, dest, &sender)
        })?
        .func_wrap("vm_hooks", "contract_address", |mut caller: Caller<'_, Frame>, dest: u32| {
            let address = caller.data().call.to;
            write(&mut caller, dest, &address)
        })?
        .func_wrap(
            "vm_hooks",
            "storage_load_bytes32",
            |mut caller: Caller<'_, Frame>, key: u32, dest: u32| {
                let key = read_word(&caller, key)?;
                let frame = caller.data();
                let stored = frame.cached.get(&key).or_else(|| frame.account().storage.get(&key));
                let value = stored.copied().unwrap_or_default();
                write(&mut caller, dest, &value)
            },
        )?
        .func_wrap(
            "vm_hooks",
            "storage_cache_bytes32",
            |mut caller: Caller<'_, Frame>, key: u32, value: u32| {
                let (key, value) = (read_word(&caller, key)?, read_word(&caller, value)?);
                caller.data_mut().cached.insert(key, value);
                Ok(())
            },
        )?
        .func_wrap("vm_hooks", "storage_flush_cache", |mut caller: Caller<'_, Frame>, _clear: u32| {
            let frame = caller.data_mut();
            let cached = mem::take(&mut frame.cached);
            let account = frame.world.accounts.get_mut(&frame.call.to).expect("the callee exists");
            account.storage.extend(cached);
        })?
        .func_wrap(
            "vm_hooks",
            "native_keccak256",
            |mut caller: Caller<'_, Frame>, ptr: u32, len: u32, dest: u32| {
                let hash = keccak256(&read(&caller, ptr, len)?);
                write(&mut caller, dest, &hash)
            },
        )?
        .func_wrap(
            "vm_hooks",
            "emit_log",
            |mut caller: Caller<'_, Frame>, ptr: u32, len: u32, topics: u32| {
                let bytes = read(&caller, ptr, len)?;
                let (words, _) = bytes.as_chunks::<32>();
                let count = usize::try_from(topics).ok().filter(|count| *count <= 4 && *count <= words.len());
                let topics = &words[..count.ok_or_else(|| Error::new("bad topics"))?];
                let frame = caller.data_mut();
                let data = bytes[32 * topics.len()..].to_vec();
                frame.world.logs.push((frame.call.to, topics.to_vec(), data));
                Ok(())
            },
        )?
        .func_wrap("vm_hooks", "call_contract", call_contract)?
        .func_wrap(
            "vm_hooks",
            "read_return_data",
            |mut caller: Caller<'_, Frame>, dest: u32, offset: u32, size: u32| {
                let data = &caller.data().return_data;
                let from = data.len().min(index(offset));
                let data = data[from..data.len().min(from + index(size))].to_vec();
                write(&mut caller, dest, &data)?;
                Ok(u32::try_from(data.len()).expect("clamped to a u32"))
            },
        )?;
    Ok(linker)
}

/// Calls another contract; returns 0 for success, 1 for revert, 2 for any other failure.
fn call_contract(
    mut caller: Caller<'_, Frame>,
    address: u32,
    data: u32,
    len: u32,
    value: u32,
    _gas: u64,
    return_len: u32,
) -> Result<u32, Error> {
    let to = *read(&caller, address, 20)?.as_array().expect("20 bytes were read");
    let input = read(&caller, data, len)?;
    let value = read_word(&caller, value)?;
    let frame = caller.data_mut();
    let call = Call { sender: frame.call.to, to, input, value, depth: frame.call.depth + 1 };
    let (status, output) = match frame.world.make(call) {
        Outcome::Returned(output) => (0, output),
        Outcome::Reverted(output) => (1, output),
        Outcome::Failed => (2, Vec::new()),
    };
    let output_len = u32::try_from(output.len()).expect("output is short");
    frame.return_data = output;
    write(&mut caller, return_len, &output_len.to_le_bytes())?;
    Ok(status)
}

impl Frame {
    fn account(&self) -> &Account {
        &self.world.accounts[&self.call.to]
    }
}

/// Returns keccak256 of `bytes`.
pub fn keccak256(bytes: &[u8]) -> Word {
    keccak_const::Keccak256::new().update(bytes).finalize()
}

fn memory(caller: &Caller<'_, Frame>) -> Memory {
    caller.get_export("memory").and_then(Extern::into_memory).expect("contracts export their memory")
}

fn index(offset: u32) -> usize {
    usize::try_from(offset).expect("a usize holds a u32")
}

fn read(caller: &Caller<'_, Frame>, ptr: u32, len: u32) -> Result<Vec<u8>, Error> {
    let bytes = memory(caller).data(caller).get(index(ptr)..).and_then(|bytes| bytes.get(..index(len)));
    bytes.map(<[u8]>::to_vec).ok_or_else(|| Error::new("out of bounds"))
}

fn read_word(caller: &Caller<'_, Frame>, ptr: u32) -> Result<Word, Error> {
    Ok(*read(caller, ptr, 32)?.as_array().expect("32 bytes were read"))
}

fn write(caller: &mut Caller<'_, Frame>, ptr: u32, bytes: &[u8]) -> Result<(), Error> {
    Ok(memory(caller).write(caller, index(ptr), bytes)?)
}

/// Returns the bytes of a committed module, such as `calculator/calculator.wasm`, or of an assembled `wat/spin.wat`.
pub fn module(path: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    wat::parse_file(&path).unwrap_or_else(|error| panic!("{error}"))
}

//! Every function that a contract can import, once.
//!
//! A row is the Wasm module and name of the import, its type, and its base price: crossing into the host and back,
//! plus work of fixed size. The host charges it before anything else, and what depends on sizes or on Ethereum's
//! own gas rules (storage, calls, logs, hashing by the word) on top.
//!
//! Names and types of `vm_hooks`, `console` and `debug` are those of the `stylus-sdk` crate. All pointers are `i32` addresses of linear
//! memory; integers of 256 bits and hashes are 32 bytes, big-endian; addresses are 20 bytes.
//!
//! Names and types of `ethereum` and `debug` are those of EEI, the Ethereum environment interface of ewasm, with
//! `create2` and `getChainId` as WasmEdge's EVMC plug-in has them. There, integers of 128 and 256 bits are
//! little-endian, and the base price is charged only on chains that price instructions.

use crate::ValueType;

/// Ink for crossing from a contract into the host and back.
const CROSSING: u32 = 8_400;
/// Ink for checking a pointer and moving at most 32 bytes behind it.
const POINTER: u32 = 5_040;
/// Ink for a division of 256-bit integers.
const DIVIDE: u32 = 20_000;
/// Ink for a product or sum of 256-bit integers, reduced by a modulus.
const REDUCE: u32 = 24_000;
/// Ink for the fixed part of a Keccak permutation.
const KECCAK: u32 = 120_000;
/// Ink for an exponentiation of 256-bit integers, besides what the host charges by the bits of the exponent.
const POWER: u32 = 20_000;
/// Ink for writing a line to the node's log: a float may have hundreds of digits.
const LOG_LINE: u32 = 1_000_000;
/// Ink for looking a slot up in the frame's cache of storage.
const CACHE: u32 = 18_000;

/// Calls the macro `$apply` with every row of the host function table.
///
/// A row is `/// doc` then `Variant "module" "name" [Param... => Result...] base_ink;`.
#[macro_export]
macro_rules! for_each_host_function {
    ($apply:ident) => {
        $apply! {
            // Calldata, output, control
            /// Copies the whole calldata to `dest`.
            ReadArgs "vm_hooks" "read_args" [I32 => ] CROSSING + POINTER;
            /// Sets the frame's output to `len` bytes at `data`, without halting; the last call wins.
            WriteResult "vm_hooks" "write_result" [I32 I32 => ] CROSSING + POINTER;
            /// Halts the frame as if the entry point had returned `status`.
            ExitEarly "vm_hooks" "exit_early" [I32 => ] CROSSING;

            // Storage
            /// Reads the slot `key` to `dest`, through the frame's write cache.
            StorageLoadBytes32 "vm_hooks" "storage_load_bytes32" [I32 I32 => ] CROSSING + 2 * POINTER + CACHE;
            /// Writes `value` to the slot `key` in the frame's write cache, which a flush makes permanent.
            StorageCacheBytes32 "vm_hooks" "storage_cache_bytes32" [I32 I32 => ] CROSSING + 2 * POINTER + CACHE;
            /// Writes the cached slots to storage; drops the cache if `clear` is not zero.
            StorageFlushCache "vm_hooks" "storage_flush_cache" [I32 => ] CROSSING;
            /// Reads the transient slot `key` to `dest` (EIP-1153).
            TransientLoadBytes32 "vm_hooks" "transient_load_bytes32" [I32 I32 => ] CROSSING + 2 * POINTER;
            /// Writes `value` to the transient slot `key` (EIP-1153).
            TransientStoreBytes32 "vm_hooks" "transient_store_bytes32" [I32 I32 => ] CROSSING + 2 * POINTER;

            // Calls and creation
            /// Calls `address` with `data` and `value`; returns 0 for success, 1 for a revert, else 2.
            CallContract "vm_hooks" "call_contract" [I32 I32 I32 I32 I64 I32 => I32] CROSSING + 3 * POINTER;
            /// Runs the code of `address` in this account's context.
            DelegateCallContract "vm_hooks" "delegate_call_contract" [I32 I32 I32 I64 I32 => I32]
                CROSSING + 2 * POINTER;
            /// Calls `address` without the right to change state.
            StaticCallContract "vm_hooks" "static_call_contract" [I32 I32 I32 I64 I32 => I32]
                CROSSING + 2 * POINTER;
            /// Creates a contract at the address that `CREATE` gives; the address is zero if that fails.
            Create1 "vm_hooks" "create1" [I32 I32 I32 I32 I32 => ] CROSSING + 4 * POINTER;
            /// Creates a contract at the address that `CREATE2` gives; the address is zero if that fails.
            Create2 "vm_hooks" "create2" [I32 I32 I32 I32 I32 I32 => ] CROSSING + 5 * POINTER;
            /// Copies at most `size` bytes of the last call's output from `offset`; returns how many.
            ReadReturnData "vm_hooks" "read_return_data" [I32 I32 I32 => I32] CROSSING + POINTER;
            /// Returns the length of the last call's output.
            ReturnDataSize "vm_hooks" "return_data_size" [ => I32] CROSSING;
            /// Emits a log: `topics` topics of 32 bytes, then data, `len` bytes together.
            EmitLog "vm_hooks" "emit_log" [I32 I32 I32 => ] CROSSING + POINTER;

            // Accounts
            /// Writes the balance of an account.
            AccountBalance "vm_hooks" "account_balance" [I32 I32 => ] CROSSING + 2 * POINTER;
            /// Copies at most `size` bytes of an account's code from `offset`; returns how many.
            AccountCode "vm_hooks" "account_code" [I32 I32 I32 I32 => I32] CROSSING + 2 * POINTER;
            /// Returns the length of an account's code.
            AccountCodeSize "vm_hooks" "account_code_size" [I32 => I32] CROSSING + POINTER;
            /// Writes the code hash of an account.
            AccountCodehash "vm_hooks" "account_codehash" [I32 I32 => ] CROSSING + 2 * POINTER;

            // Metering
            /// Returns the gas left.
            EvmGasLeft "vm_hooks" "evm_gas_left" [ => I64] CROSSING;
            /// Returns the ink left.
            EvmInkLeft "vm_hooks" "evm_ink_left" [ => I64] CROSSING;
            /// Announces a growth of memory; the VM charges `memory.grow` by itself.
            PayForMemoryGrow "vm_hooks" "pay_for_memory_grow" [I32 => ] CROSSING;

            // Block
            /// Writes the base fee of the block.
            BlockBasefee "vm_hooks" "block_basefee" [I32 => ] CROSSING + POINTER;
            /// Returns the chain id.
            Chainid "vm_hooks" "chainid" [ => I64] CROSSING;
            /// Writes the address that the block's fees go to.
            BlockCoinbase "vm_hooks" "block_coinbase" [I32 => ] CROSSING + POINTER;
            /// Returns the gas limit of the block.
            BlockGasLimit "vm_hooks" "block_gas_limit" [ => I64] CROSSING;
            /// Returns the number of the block.
            BlockNumber "vm_hooks" "block_number" [ => I64] CROSSING;
            /// Returns the timestamp of the block in seconds.
            BlockTimestamp "vm_hooks" "block_timestamp" [ => I64] CROSSING;

            // Call and transaction
            /// Writes the address whose storage this frame uses.
            ContractAddress "vm_hooks" "contract_address" [I32 => ] CROSSING + POINTER;
            /// Returns 1 if the account was entered before in this call chain, else 0.
            MsgReentrant "vm_hooks" "msg_reentrant" [ => I32] CROSSING;
            /// Writes the address of the caller.
            MsgSender "vm_hooks" "msg_sender" [I32 => ] CROSSING + POINTER;
            /// Writes the value sent with the call.
            MsgValue "vm_hooks" "msg_value" [I32 => ] CROSSING + POINTER;
            /// Writes the gas price of the transaction.
            TxGasPrice "vm_hooks" "tx_gas_price" [I32 => ] CROSSING + POINTER;
            /// Returns the price of ink: ink per gas.
            TxInkPrice "vm_hooks" "tx_ink_price" [ => I32] CROSSING;
            /// Writes the address that signed the transaction.
            TxOrigin "vm_hooks" "tx_origin" [I32 => ] CROSSING + POINTER;

            // Arithmetic
            /// Hashes `len` bytes with Keccak-256.
            NativeKeccak256 "vm_hooks" "native_keccak256" [I32 I32 I32 => ] CROSSING + 2 * POINTER + KECCAK;
            /// Divides over the first operand; by zero gives zero.
            MathDiv "vm_hooks" "math_div" [I32 I32 => ] CROSSING + 3 * POINTER + DIVIDE;
            /// Remainder over the first operand; by zero gives zero.
            MathMod "vm_hooks" "math_mod" [I32 I32 => ] CROSSING + 3 * POINTER + DIVIDE;
            /// Power over the first operand, wrapping around.
            MathPow "vm_hooks" "math_pow" [I32 I32 => ] CROSSING + 3 * POINTER + POWER;
            /// Sum modulo the third operand, over the first; modulo zero gives zero.
            MathAddMod "vm_hooks" "math_add_mod" [I32 I32 I32 => ] CROSSING + 4 * POINTER + REDUCE;
            /// Product modulo the third operand, over the first; modulo zero gives zero.
            MathMulMod "vm_hooks" "math_mul_mod" [I32 I32 I32 => ] CROSSING + 4 * POINTER + REDUCE;

            // EEI: gas, calldata, output, control
            /// Takes `gas` gas; traps if it is negative.
            EeiUseGas "ethereum" "useGas" [I64 => ] CROSSING;
            /// Returns the gas left.
            EeiGetGasLeft "ethereum" "getGasLeft" [ => I64] CROSSING;
            /// Returns the length of the calldata.
            EeiGetCallDataSize "ethereum" "getCallDataSize" [ => I32] CROSSING;
            /// Copies `len` bytes of calldata from `offset` to `result`; traps beyond its end.
            EeiCallDataCopy "ethereum" "callDataCopy" [I32 I32 I32 => ] CROSSING + POINTER;
            /// Ends the frame with `len` bytes at `data` as its output.
            EeiFinish "ethereum" "finish" [I32 I32 => ] CROSSING + POINTER;
            /// Reverts the frame with `len` bytes at `data` as its output.
            EeiRevert "ethereum" "revert" [I32 I32 => ] CROSSING + POINTER;
            /// Ends the frame and destroys the account; its balance goes to `address`.
            EeiSelfDestruct "ethereum" "selfDestruct" [I32 => ] CROSSING + POINTER;

            // EEI: accounts and storage
            /// Writes the address whose storage this frame uses.
            EeiGetAddress "ethereum" "getAddress" [I32 => ] CROSSING + POINTER;
            /// Writes the balance of an account, 128 bits.
            EeiGetExternalBalance "ethereum" "getExternalBalance" [I32 I32 => ] CROSSING + 2 * POINTER;
            /// Returns the length of the code that runs.
            EeiGetCodeSize "ethereum" "getCodeSize" [ => I32] CROSSING;
            /// Copies `len` bytes of the code that runs from `offset` to `result`; traps beyond its end.
            EeiCodeCopy "ethereum" "codeCopy" [I32 I32 I32 => ] CROSSING + POINTER;
            /// Returns the length of an account's code.
            EeiGetExternalCodeSize "ethereum" "getExternalCodeSize" [I32 => I32] CROSSING + POINTER;
            /// Copies `len` bytes of an account's code from `offset` to `result`; traps beyond its end.
            EeiExternalCodeCopy "ethereum" "externalCodeCopy" [I32 I32 I32 I32 => ] CROSSING + 2 * POINTER;
            /// Reads the slot `key` to `result`.
            EeiStorageLoad "ethereum" "storageLoad" [I32 I32 => ] CROSSING + 2 * POINTER;
            /// Writes `value` to the slot `key`.
            EeiStorageStore "ethereum" "storageStore" [I32 I32 => ] CROSSING + 2 * POINTER;
            /// Emits a log with `topics` topics, each behind a pointer of its own.
            EeiLog "ethereum" "log" [I32 I32 I32 I32 I32 I32 I32 => ] CROSSING + 5 * POINTER;

            // EEI: calls and creation
            /// Calls `address` with value and data; returns 0 for success, 1 for a failure, 2 for a revert.
            EeiCall "ethereum" "call" [I64 I32 I32 I32 I32 => I32] CROSSING + 3 * POINTER;
            /// Runs the code of `address` in this account, with value.
            EeiCallCode "ethereum" "callCode" [I64 I32 I32 I32 I32 => I32] CROSSING + 3 * POINTER;
            /// Runs the code of `address` in this frame's context.
            EeiCallDelegate "ethereum" "callDelegate" [I64 I32 I32 I32 => I32] CROSSING + 2 * POINTER;
            /// Calls `address` without the right to change state.
            EeiCallStatic "ethereum" "callStatic" [I64 I32 I32 I32 => I32] CROSSING + 2 * POINTER;
            /// Creates a contract at the address that `CREATE` gives; returns what `call` does.
            EeiCreate "ethereum" "create" [I32 I32 I32 I32 => I32] CROSSING + 3 * POINTER;
            /// Creates a contract at the address that `CREATE2` gives.
            EeiCreate2 "ethereum" "create2" [I32 I32 I32 I32 I32 => I32] CROSSING + 4 * POINTER;
            /// Returns the length of the last call's output.
            EeiGetReturnDataSize "ethereum" "getReturnDataSize" [ => I32] CROSSING;
            /// Copies `len` bytes of the last call's output from `offset` to `result`; traps beyond its end.
            EeiReturnDataCopy "ethereum" "returnDataCopy" [I32 I32 I32 => ] CROSSING + POINTER;

            // EEI: call, transaction, block, chain
            /// Writes the address of the caller.
            EeiGetCaller "ethereum" "getCaller" [I32 => ] CROSSING + POINTER;
            /// Writes the value sent with the call, 128 bits.
            EeiGetCallValue "ethereum" "getCallValue" [I32 => ] CROSSING + POINTER;
            /// Writes the address that signed the transaction.
            EeiGetTxOrigin "ethereum" "getTxOrigin" [I32 => ] CROSSING + POINTER;
            /// Writes the gas price of the transaction, 128 bits.
            EeiGetTxGasPrice "ethereum" "getTxGasPrice" [I32 => ] CROSSING + POINTER;
            /// Writes the address that the block's fees go to.
            EeiGetBlockCoinbase "ethereum" "getBlockCoinbase" [I32 => ] CROSSING + POINTER;
            /// Writes the difficulty of the block, 256 bits.
            EeiGetBlockDifficulty "ethereum" "getBlockDifficulty" [I32 => ] CROSSING + POINTER;
            /// Returns the gas limit of the block.
            EeiGetBlockGasLimit "ethereum" "getBlockGasLimit" [ => I64] CROSSING;
            /// Writes the hash of one of the last 256 blocks and returns 0, or 1 where there is none.
            EeiGetBlockHash "ethereum" "getBlockHash" [I64 I32 => I32] CROSSING + POINTER;
            /// Returns the number of the block.
            EeiGetBlockNumber "ethereum" "getBlockNumber" [ => I64] CROSSING;
            /// Returns the timestamp of the block in seconds.
            EeiGetBlockTimestamp "ethereum" "getBlockTimestamp" [ => I64] CROSSING;
            /// Writes the chain id, 128 bits.
            EeiGetChainId "ethereum" "getChainId" [I32 => ] CROSSING + POINTER;

            // EEI: messages to whoever debugs
            /// Logs a 32-bit number.
            EeiPrint32 "debug" "print32" [I32 => ] CROSSING + LOG_LINE;
            /// Logs a 64-bit number.
            EeiPrint64 "debug" "print64" [I64 => ] CROSSING + LOG_LINE;
            /// Logs memory as text.
            EeiPrintMem "debug" "printMem" [I32 I32 => ] CROSSING + POINTER + LOG_LINE;
            /// Logs memory as hex.
            EeiPrintMemHex "debug" "printMemHex" [I32 I32 => ] CROSSING + POINTER + LOG_LINE;
            /// Logs a slot as text.
            EeiPrintStorage "debug" "printStorage" [I32 => ] CROSSING + POINTER + LOG_LINE;
            /// Logs a slot as hex.
            EeiPrintStorageHex "debug" "printStorageHex" [I32 => ] CROSSING + POINTER + LOG_LINE;

            // Printing: for people only; the contract cannot tell whether anybody reads it
            /// Prints `len` bytes of UTF-8 at `text`.
            LogTxt "console" "log_txt" [I32 I32 => ] CROSSING + POINTER + LOG_LINE;
            /// Prints a number.
            LogI32 "console" "log_i32" [I32 => ] CROSSING + LOG_LINE;
            /// Prints a number.
            LogI64 "console" "log_i64" [I64 => ] CROSSING + LOG_LINE;
            /// Prints a number.
            LogF32 "console" "log_f32" [F32 => ] CROSSING + LOG_LINE;
            /// Prints a number.
            LogF64 "console" "log_f64" [F64 => ] CROSSING + LOG_LINE;
            /// Prints a number and returns it.
            TeeI32 "console" "tee_i32" [I32 => I32] CROSSING + LOG_LINE;
            /// Prints a number and returns it.
            TeeI64 "console" "tee_i64" [I64 => I64] CROSSING + LOG_LINE;
            /// Prints a number and returns it.
            TeeF32 "console" "tee_f32" [F32 => F32] CROSSING + LOG_LINE;
            /// Prints a number and returns it.
            TeeF64 "console" "tee_f64" [F64 => F64] CROSSING + LOG_LINE;
            /// Does nothing: what is left is the price of crossing into the host and back.
            NullHost "debug" "null_host" [ => ] CROSSING;
            /// Marks where a measurement begins; prints the ink left.
            StartBenchmark "debug" "start_benchmark" [ => ] CROSSING + LOG_LINE;
            /// Marks where a measurement ends; prints the ink left.
            EndBenchmark "debug" "end_benchmark" [ => ] CROSSING + LOG_LINE;
        }
    };
}

macro_rules! define_host_functions {
    ($(
        #[doc = $doc:literal]
        $variant:ident $module:literal $name:literal [$($param:ident)* => $($result:ident)?] $ink:expr;
    )*) => {
        /// A function that a contract can import.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum HostFunction {
            $( #[doc = $doc] $variant, )*
        }

        impl HostFunction {
            /// Every host function, in the order of the table: the function with number `n` is at index `n`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the Wasm module that the function is imported from.
            pub const fn module(self) -> &'static str {
                match self { $( Self::$variant => $module, )* }
            }

            /// Returns the name that the function is imported by.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// Returns the types of the parameters.
            pub const fn params(self) -> &'static [ValueType] {
                match self { $( Self::$variant => &[$(ValueType::$param),*], )* }
            }

            /// Returns the type of the result, if there is one.
            pub const fn result(self) -> Option<ValueType> {
                match self { $( Self::$variant => [$(Some(ValueType::$result),)? None][0], )* }
            }

            /// Returns the ink of the crossing and of work of fixed size.
            pub const fn base_ink(self) -> u32 {
                match self { $( Self::$variant => $ink, )* }
            }

            /// Returns one sentence on what the function does.
            pub const fn doc(self) -> &'static str {
                match self { $( Self::$variant => $doc.trim_ascii(), )* }
            }

            /// Returns the function imported by this name from this module.
            pub fn find(module: &str, name: &str) -> Option<Self> {
                match (module, name) {
                    $( ($module, $name) => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }
    };
}

for_each_host_function!(define_host_functions);

impl HostFunction {
    /// Returns the number of the function, which embedders give the VM in its place.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Returns the function with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

impl core::fmt::Display for HostFunction {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.module(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name_and_number() {
        for &function in HostFunction::ALL {
            assert_eq!(HostFunction::find(function.module(), function.name()), Some(function));
            assert_eq!(HostFunction::from_number(function.number()), Some(function));
        }
        assert_eq!(HostFunction::find("vm_hooks", "memory"), None);
        assert_eq!(HostFunction::from_number(u32::MAX), None);
    }

    #[test]
    fn eei_has_33_functions_and_two_of_later_forks() {
        assert_eq!(HostFunction::ALL.iter().filter(|f| f.module() == "ethereum").count(), 33 + 2);
    }

    #[test]
    fn vm_hooks_has_42_functions() {
        assert_eq!(HostFunction::ALL.iter().filter(|f| f.module() == "vm_hooks").count(), 42);
    }
}

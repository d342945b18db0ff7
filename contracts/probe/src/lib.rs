//! Reads everything that a program can read of block, transaction, call and accounts, prints to the console, calls the
//! host functions that the SDK does not wrap, and fails in every way.
//!
//! It has the SDK's feature `debug`, so `console!` prints: the node's log and the sandbox show it. `abi.json` beside the
//! manifest is its interface.

#![expect(missing_docs, reason = "stylus-sdk's macros generate public items without documentation")]

extern crate alloc;

use alloc::{string::String, vec, vec::Vec};
use alloy_primitives::{Address, B256, U256};
use stylus_sdk::{abi::Bytes, console, hostio, prelude::*};

/// Host functions that this version of the SDK does not declare.
mod vm_hooks {
    #[link(wasm_import_module = "vm_hooks")]
    unsafe extern "C" {
        pub(crate) fn transient_load_bytes32(key: *const u8, dest: *mut u8);
        pub(crate) fn transient_store_bytes32(key: *const u8, value: *const u8);
        pub(crate) fn exit_early(status: u32) -> !;
        pub(crate) fn math_div(value: *mut u8, divisor: *const u8);
        pub(crate) fn math_mod(value: *mut u8, modulus: *const u8);
        pub(crate) fn math_pow(value: *mut u8, exponent: *const u8);
        pub(crate) fn math_add_mod(value: *mut u8, addend: *const u8, modulus: *const u8);
        pub(crate) fn math_mul_mod(value: *mut u8, multiplier: *const u8, modulus: *const u8);
    }
}

sol_storage! {
    #[entrypoint]
    pub struct Probe {
        uint256 written;
    }
}

#[public]
impl Probe {
    /// Returns number, timestamp, gas limit, base fee, coinbase and chain id.
    pub fn chain(&self) -> (u64, u64, u64, U256, Address, u64) {
        let vm = self.vm();
        (
            vm.block_number(),
            vm.block_timestamp(),
            vm.block_gas_limit(),
            vm.block_basefee(),
            vm.block_coinbase(),
            vm.chain_id(),
        )
    }

    /// Returns this contract, the caller, the origin, the value, the gas price and the price of ink.
    #[payable]
    pub fn message(&mut self) -> (Address, Address, Address, U256, U256, u32) {
        let vm = self.vm();
        (
            vm.contract_address(),
            vm.msg_sender(),
            vm.tx_origin(),
            vm.msg_value(),
            vm.tx_gas_price(),
            vm.tx_ink_price(),
        )
    }

    /// Returns balance, code size and code hash of an account.
    pub fn account(&self, account: Address) -> (U256, u32, B256) {
        let vm = self.vm();
        let size = u32::try_from(vm.code_size(account)).unwrap_or(u32::MAX);
        (vm.balance(account), size, vm.code_hash(account))
    }

    /// Returns gas and ink left; the second is the first in a finer unit.
    pub fn left(&self) -> (u64, u64) {
        (self.vm().evm_gas_left(), self.vm().evm_ink_left())
    }

    pub fn hash(&self, data: Bytes) -> B256 {
        self.vm().native_keccak256(&data.0)
    }

    /// Returns a/b, a%b, a**b, (a+b)%m and a*b%m by the host's arithmetic.
    pub fn arithmetic(&self, a: U256, b: U256, m: U256) -> (U256, U256, U256, U256, U256) {
        let (mut words, other, modulus) =
            ([a.to_be_bytes::<32>(); 5], b.to_be_bytes::<32>(), m.to_be_bytes::<32>());
        let (other, modulus) = (other.as_ptr(), modulus.as_ptr());
        let [div, rem, pow, add, mul] = &mut words;
        // SAFETY: every pointer is to 32 bytes of a local.
        unsafe {
            vm_hooks::math_div(div.as_mut_ptr(), other);
            vm_hooks::math_mod(rem.as_mut_ptr(), other);
            vm_hooks::math_pow(pow.as_mut_ptr(), other);
            vm_hooks::math_add_mod(add.as_mut_ptr(), other, modulus);
            vm_hooks::math_mul_mod(mul.as_mut_ptr(), other, modulus);
        }
        let [div, rem, pow, add, mul] = words.map(U256::from_be_bytes);
        (div, rem, pow, add, mul)
    }

    /// Writes a transient slot and returns what was in it.
    pub fn transient(&mut self, key: B256, value: B256) -> B256 {
        let mut before = B256::ZERO;
        // SAFETY: every pointer is to 32 bytes of a local.
        unsafe {
            vm_hooks::transient_load_bytes32(key.as_ptr(), before.as_mut_ptr());
            vm_hooks::transient_store_bytes32(key.as_ptr(), value.as_ptr());
        }
        before
    }

    /// Writes to the cache, halts with this status and data, and thereby loses the write: nothing is flushed.
    pub fn exit(&mut self, status: u32, data: Bytes) {
        self.written.set(U256::ONE);
        self.vm().write_result(&data.0);
        // SAFETY: what the frame leaves behind is the host's.
        unsafe { vm_hooks::exit_early(status) }
    }

    /// Writes `value` and flushes it: the caller can undo that by what it does next.
    pub fn write(&mut self, value: U256) {
        self.written.set(value);
        self.vm().flush_cache(false);
    }

    pub fn written(&self) -> U256 {
        self.written.get()
    }

    /// Prints a text and one number of each type.
    pub fn print(&self, text: String) {
        console!("{text}");
        // SAFETY: numbers only.
        unsafe {
            hostio::log_i32(-32);
            hostio::log_i64(i64::MIN);
            hostio::log_f32(0.5);
            hostio::log_f64(-0.1);
        }
    }

    /// Reverts with the data.
    pub fn fail(&self, data: Bytes) -> Result<(), Vec<u8>> {
        Err(data.0.into())
    }

    /// Prints why, writes and flushes, and traps.
    pub fn panic(&mut self, message: String) {
        self.write(U256::MAX);
        console!("panicked: {message}");
        core::arch::wasm32::unreachable()
    }

    /// Runs until the gas is gone.
    pub fn spin(&self) {
        loop {
            core::hint::black_box(());
        }
    }

    /// Recurses until the stack is gone.
    pub fn overflow(&self, depth: U256) -> U256 {
        if depth == U256::MAX {
            return depth;
        }
        core::hint::black_box(self).overflow(depth + U256::ONE) + U256::ONE
    }

    /// Calls itself with these calldata; `msg_reentrant` refuses it unless the call is not to itself.
    pub fn relay(&mut self, to: Address, data: Bytes) -> Result<Bytes, Vec<u8>> {
        let context = Call::new_mutating(self);
        Ok(call(self.vm(), context, to, &data.0)?.into())
    }
}

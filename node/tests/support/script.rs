//! A program that does what its calldata says, step by step, and the steps.
//!
//! Each step is an opcode byte and its operands. What a step yields is appended to the output, which the program
//! returns at the end, or reverts with.

use alloy_primitives::{Address, B256, U256};

/// The program. Calldata is at page 1, the output from page 4 on.
pub(crate) const SCRIPT: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
    (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
    (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
    (import "vm_hooks" "transient_load_bytes32" (func $tload (param i32 i32)))
    (import "vm_hooks" "transient_store_bytes32" (func $tstore (param i32 i32)))
    (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
    (import "vm_hooks" "delegate_call_contract" (func $delegate (param i32 i32 i32 i64 i32) (result i32)))
    (import "vm_hooks" "static_call_contract" (func $static (param i32 i32 i32 i64 i32) (result i32)))
    (import "vm_hooks" "create1" (func $create1 (param i32 i32 i32 i32 i32)))
    (import "vm_hooks" "create2" (func $create2 (param i32 i32 i32 i32 i32 i32)))
    (import "vm_hooks" "read_return_data" (func $read_return_data (param i32 i32 i32) (result i32)))
    (import "vm_hooks" "return_data_size" (func $return_data_size (result i32)))
    (import "vm_hooks" "emit_log" (func $emit_log (param i32 i32 i32)))
    (import "vm_hooks" "account_balance" (func $balance (param i32 i32)))
    (import "vm_hooks" "account_code_size" (func $code_size (param i32) (result i32)))
    (import "vm_hooks" "account_codehash" (func $codehash (param i32 i32)))
    (import "vm_hooks" "evm_ink_left" (func $ink (result i64)))
    (import "vm_hooks" "msg_reentrant" (func $reentrant (result i32)))
    (import "vm_hooks" "msg_sender" (func $sender (param i32)))
    (import "vm_hooks" "msg_value" (func $value (param i32)))
    (import "vm_hooks" "contract_address" (func $me (param i32)))
    (memory (export "memory") 8)
    (global $p (mut i32) (i32.const 0x10000))
    (global $out (mut i32) (i32.const 0x40000))
    ;; Returns the place of the next operand of $n bytes.
    (func $take (param $n i32) (result i32)
        (global.get $p)
        (global.set $p (i32.add (global.get $p) (local.get $n))))
    ;; Returns the place in the output for $n more bytes.
    (func $emit (param $n i32) (result i32)
        (global.get $out)
        (global.set $out (i32.add (global.get $out) (local.get $n))))
    ;; Appends the return data's length by the reply, its length by return_data_size, and the data.
    (func $emit_return_data (param $length i32)
        (i32.store (call $emit (i32.const 4)) (local.get $length))
        (if (i32.ne (local.get $length) (call $return_data_size)) (then unreachable))
        (drop (call $read_return_data (call $emit (local.get $length)) (i32.const 0) (local.get $length))))
    (func $do_call (param $kind i32)
        (local $to i32) (local $worth i32) (local $gas i64) (local $length i32) (local $data i32) (local $status i32)
        (local.set $to (call $take (i32.const 20)))
        (local.set $worth (call $take (i32.const 32)))
        (local.set $gas (i64.load (call $take (i32.const 8))))
        (local.set $length (i32.load (call $take (i32.const 4))))
        (local.set $data (call $take (local.get $length)))
        (if (i32.eq (local.get $kind) (i32.const 0)) (then (local.set $status (call $call
            (local.get $to) (local.get $data) (local.get $length) (local.get $worth) (local.get $gas) (i32.const 0)))))
        (if (i32.eq (local.get $kind) (i32.const 1)) (then (local.set $status (call $delegate
            (local.get $to) (local.get $data) (local.get $length) (local.get $gas) (i32.const 0)))))
        (if (i32.eq (local.get $kind) (i32.const 2)) (then (local.set $status (call $static
            (local.get $to) (local.get $data) (local.get $length) (local.get $gas) (i32.const 0)))))
        (i32.store8 (call $emit (i32.const 1)) (local.get $status))
        (call $emit_return_data (i32.load (i32.const 0))))
    (func $do_create (param $salted i32)
        (local $worth i32) (local $salt i32) (local $length i32) (local $data i32)
        (local.set $worth (call $take (i32.const 32)))
        (local.set $salt (call $take (i32.const 32)))
        (local.set $length (i32.load (call $take (i32.const 4))))
        (local.set $data (call $take (local.get $length)))
        (if (local.get $salted)
            (then (call $create2 (local.get $data) (local.get $length) (local.get $worth) (local.get $salt)
                (call $emit (i32.const 20)) (i32.const 0)))
            (else (call $create1 (local.get $data) (local.get $length) (local.get $worth)
                (call $emit (i32.const 20)) (i32.const 0))))
        (call $emit_return_data (i32.load (i32.const 0))))
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (local $end i32) (local $op i32) (local $a i32) (local $failed i32)
        (call $read_args (i32.const 0x10000))
        (local.set $end (i32.add (i32.const 0x10000) (local.get $length)))
        (block $done
          (loop $next
            (br_if $done (i32.ge_u (global.get $p) (local.get $end)))
            (local.set $op (i32.load8_u (call $take (i32.const 1))))
            (block $context (block $codehash (block $code_size (block $ink (block $balance (block $create2
            (block $create1 (block $spin (block $trap (block $revert (block $tload (block $tstore (block $log
            (block $static (block $delegate (block $call (block $load (block $flush (block $cache
              (br_table $cache $flush $load $call $delegate $static $log $tstore $tload $revert $trap $spin $create1
                $create2 $balance $ink $code_size $codehash $context (local.get $op)))
              (local.set $a (call $take (i32.const 64)))
              (call $cache (local.get $a) (i32.add (local.get $a) (i32.const 32)))
              (br $next))
              (call $flush (i32.load8_u (call $take (i32.const 1))))
              (br $next))
              (call $load (call $take (i32.const 32)) (call $emit (i32.const 32)))
              (br $next))
              (call $do_call (i32.const 0)) (br $next))
              (call $do_call (i32.const 1)) (br $next))
              (call $do_call (i32.const 2)) (br $next))
              (call $emit_log (call $take (i32.const 32)) (i32.const 32) (i32.const 1))
              (br $next))
              (local.set $a (call $take (i32.const 64)))
              (call $tstore (local.get $a) (i32.add (local.get $a) (i32.const 32)))
              (br $next))
              (call $tload (call $take (i32.const 32)) (call $emit (i32.const 32)))
              (br $next))
              (local.set $failed (i32.const 1))
              (br $done))
              unreachable)
              (loop $forever (br $forever)))
              (call $do_create (i32.const 0)) (br $next))
              (call $do_create (i32.const 1)) (br $next))
              (call $balance (call $take (i32.const 20)) (call $emit (i32.const 32)))
              (br $next))
              (i64.store (call $emit (i32.const 8)) (call $ink))
              (br $next))
              (i32.store (call $emit (i32.const 4)) (call $code_size (call $take (i32.const 20))))
              (br $next))
              (call $codehash (call $take (i32.const 20)) (call $emit (i32.const 32)))
              (br $next))
            ;; $context
            (call $sender (call $emit (i32.const 20)))
            (call $value (call $emit (i32.const 32)))
            (call $me (call $emit (i32.const 20)))
            (i32.store8 (call $emit (i32.const 1)) (call $reentrant))
            (br $next)))
        (call $write_result (i32.const 0x40000) (i32.sub (global.get $out) (i32.const 0x40000)))
        (local.get $failed)))"#;

/// All the gas there is.
pub(crate) const ALL: u64 = u64::MAX;

/// Steps under construction.
#[derive(Clone, Default)]
pub(crate) struct Script(pub(crate) Vec<u8>);

impl Script {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn step(mut self, opcode: u8, operands: &[&[u8]]) -> Self {
        self.0.push(opcode);
        self.0.extend(operands.concat());
        self
    }

    /// Writes a slot to the cache only.
    pub(crate) fn cache(self, key: u64, value: u64) -> Self {
        self.step(0, &[&super::word(key), &super::word(value)])
    }

    pub(crate) fn flush(self, clear: bool) -> Self {
        self.step(1, &[&[clear.into()]])
    }

    /// Writes a slot and flushes it.
    pub(crate) fn store(self, key: u64, value: u64) -> Self {
        self.cache(key, value).flush(false)
    }

    /// Yields a slot, 32 bytes.
    pub(crate) fn load(self, key: u64) -> Self {
        self.step(2, &[&super::word(key)])
    }

    fn enter(self, opcode: u8, to: Address, value: u64, gas: u64, data: &[u8]) -> Self {
        let length = u32::try_from(data.len()).unwrap();
        self.step(
            opcode,
            &[to.as_slice(), &super::word(value), &gas.to_le_bytes(), &length.to_le_bytes(), data],
        )
    }

    /// Yields the status, 1 byte, the length of the return data, 4 bytes little-endian, and the data.
    pub(crate) fn call(self, to: Address, value: u64, gas: u64, data: impl AsRef<[u8]>) -> Self {
        self.enter(3, to, value, gas, data.as_ref())
    }

    pub(crate) fn delegate_call(self, to: Address, gas: u64, data: impl AsRef<[u8]>) -> Self {
        self.enter(4, to, 0, gas, data.as_ref())
    }

    pub(crate) fn static_call(self, to: Address, gas: u64, data: impl AsRef<[u8]>) -> Self {
        self.enter(5, to, 0, gas, data.as_ref())
    }

    pub(crate) fn log(self, topic: B256) -> Self {
        self.step(6, &[topic.as_slice()])
    }

    pub(crate) fn tstore(self, key: u64, value: u64) -> Self {
        self.step(7, &[&super::word(key), &super::word(value)])
    }

    pub(crate) fn tload(self, key: u64) -> Self {
        self.step(8, &[&super::word(key)])
    }

    /// Ends with a revert; the output so far is its data.
    pub(crate) fn revert(self) -> Self {
        self.step(9, &[])
    }

    pub(crate) fn trap(self) -> Self {
        self.step(10, &[])
    }

    /// Runs out of gas.
    pub(crate) fn spin(self) -> Self {
        self.step(11, &[])
    }

    /// Yields the address, 20 bytes, the length of the return data, 4 bytes little-endian, and the data.
    pub(crate) fn create1(self, value: u64, data: &[u8]) -> Self {
        let length = u32::try_from(data.len()).unwrap();
        self.step(12, &[&super::word(value), &[0; 32], &length.to_le_bytes(), data])
    }

    pub(crate) fn create2(self, value: u64, salt: B256, data: &[u8]) -> Self {
        let length = u32::try_from(data.len()).unwrap();
        self.step(13, &[&super::word(value), salt.as_slice(), &length.to_le_bytes(), data])
    }

    /// Yields a balance, 32 bytes.
    pub(crate) fn balance(self, of: Address) -> Self {
        self.step(14, &[of.as_slice()])
    }

    /// Yields the ink left, 8 bytes little-endian.
    pub(crate) fn ink(self) -> Self {
        self.step(15, &[])
    }

    /// Yields the length of an account's code, 4 bytes little-endian.
    pub(crate) fn code_size(self, of: Address) -> Self {
        self.step(16, &[of.as_slice()])
    }

    /// Yields the hash of an account's code, 32 bytes.
    pub(crate) fn codehash(self, of: Address) -> Self {
        self.step(17, &[of.as_slice()])
    }

    /// Yields sender, value, own address and whether this is a reentry: 20, 32, 20 and 1 bytes.
    pub(crate) fn context(self) -> Self {
        self.step(18, &[])
    }
}

impl AsRef<[u8]> for Script {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The output of a script, read step by step.
pub(crate) struct Output<'a>(pub(crate) &'a [u8]);

impl<'a> Output<'a> {
    pub(crate) fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(length);
        self.0 = tail;
        head
    }

    pub(crate) fn word(&mut self) -> U256 {
        U256::from_be_slice(self.bytes(32))
    }

    pub(crate) fn address(&mut self) -> Address {
        Address::from_slice(self.bytes(20))
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes(4).try_into().unwrap())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes(8).try_into().unwrap())
    }

    /// Reads what a call yields: status and return data.
    pub(crate) fn reply(&mut self) -> (u8, &'a [u8]) {
        let status = self.bytes(1)[0];
        let length = self.u32() as usize;
        (status, self.bytes(length))
    }

    /// Reads what a creation yields: address and return data.
    pub(crate) fn creation(&mut self) -> (Address, &'a [u8]) {
        let address = self.address();
        let length = self.u32() as usize;
        (address, self.bytes(length))
    }
}

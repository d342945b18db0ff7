;; StylusDeployer: creates a contract and calls its constructor in one transaction.
;;
;;   deploy(bytes bytecode, bytes initData, uint256 initValue, bytes32 salt) payable returns (address)
;;
;; `bytecode` is creation data. Without a salt the address is that of CREATE; with one it is that of CREATE2 with
;; keccak256(salt, initData) for a salt, so that it depends on the constructor's arguments, too. `initData` is the
;; constructor's calldata, sent with `initValue`; both may be empty. What else came along goes back to the sender.
;; Emits ContractDeployed(address). Whatever fails undoes everything, with the contract's own revert data.
;;
;; Memory: scratch below 0x100, calldata at 0x10000, behind it whatever is large.
(module
  (import "vm_hooks" "read_args" (func $read_args (param i32)))
  (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
  (import "vm_hooks" "msg_value" (func $msg_value (param i32)))
  (import "vm_hooks" "msg_sender" (func $msg_sender (param i32)))
  (import "vm_hooks" "native_keccak256" (func $keccak256 (param i32 i32 i32)))
  (import "vm_hooks" "create1" (func $create1 (param i32 i32 i32 i32 i32)))
  (import "vm_hooks" "create2" (func $create2 (param i32 i32 i32 i32 i32 i32)))
  (import "vm_hooks" "call_contract" (func $call_contract (param i32 i32 i32 i32 i64 i32) (result i32)))
  (import "vm_hooks" "read_return_data" (func $read_return_data (param i32 i32 i32) (result i32)))
  (import "vm_hooks" "emit_log" (func $emit_log (param i32 i32 i32)))
  (memory (export "memory") 2)

  (global $zero i32 (i32.const 0x00))      ;; a word that stays zero
  (global $value i32 (i32.const 0x20))     ;; what came along, then what goes back
  (global $salt i32 (i32.const 0x40))      ;; the salt of CREATE2
  (global $sender i32 (i32.const 0x60))    ;; 20 bytes
  (global $length i32 (i32.const 0x80))    ;; where calls leave the length of return data
  (global $event i32 (i32.const 0xA0))     ;; the event's topic, then its data: the address as a word
  (global $contract i32 (i32.const 0xC0))  ;; that word
  (global $address i32 (i32.const 0xCC))   ;; the address in it
  (global $args i32 (i32.const 0x10000))

  ;; keccak256("ContractDeployed(address)")
  (data (i32.const 0xA0) "\8f\fc\dc\15\a2\83\d7\06\d3\82\81\f5\00\27\0d\8b\5a\65\69\18\f5\55\de\09\13\d7\45\5e\3e\6b\c1\bf")

  ;; Traps, which reverts with no output, unless $holds.
  (func $require (param $holds i32)
    (if (i32.eqz (local.get $holds)) (then unreachable)))

  ;; Makes memory reach to $end.
  (func $reserve (param $end i32)
    (local $missing i32)
    (local.set $missing
      (i32.sub (i32.shr_u (i32.add (local.get $end) (i32.const 0xFFFF)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then (call $require (i32.ne (memory.grow (local.get $missing)) (i32.const -1))))))

  (func $swap_bytes (param $x i32) (result i32)
    (i32.or
      (i32.rotl (i32.and (local.get $x) (i32.const 0x00FF00FF)) (i32.const 24))
      (i32.rotl (i32.and (local.get $x) (i32.const 0xFF00FF00)) (i32.const 8))))

  ;; Tells whether the word at $at is zero.
  (func $is_zero (param $at i32) (result i32)
    (i64.eqz (i64.or
      (i64.or (i64.load (local.get $at)) (i64.load offset=8 (local.get $at)))
      (i64.or (i64.load offset=16 (local.get $at)) (i64.load offset=24 (local.get $at))))))

  ;; Returns the big-endian word at $at, which must not be larger than $most.
  (func $small (param $at i32) (param $most i32) (result i32)
    (local $low i32)
    (call $require (i64.eqz (i64.or
      (i64.or (i64.load (local.get $at)) (i64.load offset=8 (local.get $at)))
      (i64.or (i64.load offset=16 (local.get $at)) (i64.load32_u offset=24 (local.get $at))))))
    (local.set $low (call $swap_bytes (i32.load offset=28 (local.get $at))))
    (call $require (i32.le_u (local.get $low) (local.get $most)))
    (local.get $low))

  ;; Returns place and length of the bytes whose offset is the word at $head. They end within the $end - $args - 4
  ;; bytes of arguments.
  (func $bytes (param $head i32) (param $end i32) (result i32 i32)
    (local $base i32) (local $at i32)
    (local.set $base (i32.add (global.get $args) (i32.const 4)))
    (local.set $at (i32.add (local.get $base)
      (call $small (local.get $head) (i32.sub (i32.sub (local.get $end) (i32.const 32)) (local.get $base)))))
    (i32.add (local.get $at) (i32.const 32))
    (call $small (local.get $at) (i32.sub (i32.sub (local.get $end) (i32.const 32)) (local.get $at))))

  ;; Leaves the return data of the last call, $length bytes, as the output.
  (func $pass_on (param $at i32)
    (local $bytes i32)
    (local.set $bytes (i32.load (global.get $length)))
    (call $reserve (i32.add (local.get $at) (local.get $bytes)))
    (drop (call $read_return_data (local.get $at) (i32.const 0) (local.get $bytes)))
    (call $write_result (local.get $at) (local.get $bytes)))

  ;; Takes the word at $from off the value. Returns whether that was too much.
  (func $take_off (param $from i32) (result i32)
    (local $index i32) (local $digit i32) (local $borrow i32)
    (local.set $index (i32.const 31))
    (loop $next
      (local.set $digit (i32.sub
        (i32.sub
          (i32.load8_u (i32.add (global.get $value) (local.get $index)))
          (i32.load8_u (i32.add (local.get $from) (local.get $index))))
        (local.get $borrow)))
      (i32.store8 (i32.add (global.get $value) (local.get $index)) (local.get $digit))
      (local.set $borrow (i32.lt_s (local.get $digit) (i32.const 0)))
      (local.set $index (i32.sub (local.get $index) (i32.const 1)))
      (br_if $next (i32.ge_s (local.get $index) (i32.const 0))))
    (local.get $borrow))

  (func (export "user_entrypoint") (param $bytes i32) (result i32)
    (local $end i32) (local $scratch i32)
    (local $code i32) (local $code_bytes i32) (local $init i32) (local $init_bytes i32)
    (local $init_value i32) (local $given_salt i32)
    ;; The selector, four words of head, and two lengths.
    (call $require (i32.ge_u (local.get $bytes) (i32.const 196)))
    (local.set $end (i32.add (global.get $args) (local.get $bytes)))
    ;; Behind the calldata there is room for a salt with the constructor's calldata.
    (local.set $scratch (local.get $end))
    (call $reserve (i32.add (i32.add (local.get $scratch) (local.get $bytes)) (i32.const 32)))
    (call $read_args (global.get $args))
    (call $require (i32.eq (i32.load (global.get $args)) (i32.const 0xE9E4A8A9)))
    (call $bytes (i32.const 0x10004) (local.get $end))
    (local.set $code_bytes) (local.set $code)
    (call $bytes (i32.const 0x10024) (local.get $end))
    (local.set $init_bytes) (local.set $init)
    (local.set $init_value (i32.const 0x10044))
    (local.set $given_salt (i32.const 0x10064))
    (call $msg_value (global.get $value))
    (call $require (i32.eqz (call $take_off (local.get $init_value))))

    (if (call $is_zero (local.get $given_salt))
      (then (call $create1
        (local.get $code) (local.get $code_bytes) (global.get $zero) (global.get $address) (global.get $length)))
      (else
        (memory.copy (local.get $scratch) (local.get $given_salt) (i32.const 32))
        (memory.copy (i32.add (local.get $scratch) (i32.const 32)) (local.get $init) (local.get $init_bytes))
        (call $keccak256
          (local.get $scratch) (i32.add (local.get $init_bytes) (i32.const 32)) (global.get $salt))
        (call $create2
          (local.get $code) (local.get $code_bytes) (global.get $zero) (global.get $salt)
          (global.get $address) (global.get $length))))
    (if (call $is_zero (global.get $contract))
      (then (call $pass_on (local.get $scratch)) (return (i32.const 1))))

    (if (i32.or (local.get $init_bytes) (i32.eqz (call $is_zero (local.get $init_value))))
      (then (if (call $call_contract
          (global.get $address) (local.get $init) (local.get $init_bytes) (local.get $init_value)
          (i64.const -1) (global.get $length))
        (then (call $pass_on (local.get $scratch)) (return (i32.const 1))))))

    (if (i32.eqz (call $is_zero (global.get $value)))
      (then
        (call $msg_sender (global.get $sender))
        (call $require (i32.eqz (call $call_contract
          (global.get $sender) (i32.const 0) (i32.const 0) (global.get $value) (i64.const -1) (global.get $length))))))

    (call $emit_log (global.get $event) (i32.const 64) (i32.const 1))
    (call $write_result (global.get $contract) (i32.const 32))
    (i32.const 0)))

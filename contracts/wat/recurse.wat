;; Calls itself with all gas until the host refuses: at the depth limit, or when too little gas is left.
;; Returns as one word (32 bytes, big-endian) how many frames ran to their end, this one included.
;; Calldata is ignored. A frame whose call fails is the last and counts 1; others count one more than their callee.
;;
;; Memory: 0x00  32  a value of zero wei
;;         0x20   4  length of the return data, written by the host
;;         0x40  20  own address
;;         0x60  32  the count; only its last two bytes are used, since no chain nests 65,536 calls
(module
  (import "vm_hooks" "contract_address" (func $contract_address (param $dest i32)))
  (import "vm_hooks" "write_result" (func $write_result (param $ptr i32) (param $len i32)))
  (import "vm_hooks" "call_contract" (func $call_contract
    (param $address i32) (param $data i32) (param $len i32) (param $value i32) (param $gas i64) (param $return_len i32)
    (result i32)))
  (import "vm_hooks" "read_return_data" (func $read_return_data
    (param $dest i32) (param $offset i32) (param $size i32) (result i32)))

  (memory (export "memory") 1 1)

  (global $VALUE i32 (i32.const 0x00))
  (global $RETURN_LEN i32 (i32.const 0x20))
  (global $ADDRESS i32 (i32.const 0x40))
  (global $COUNT i32 (i32.const 0x60))
  (global $COUNT_LEN i32 (i32.const 32))

  (func (export "user_entrypoint") (param $len i32) (result i32)
    (local $count i32)
    (call $contract_address (global.get $ADDRESS))
    (if (i32.eqz
          (call $call_contract
            (global.get $ADDRESS)
            (i32.const 0)
            (i32.const 0)
            (global.get $VALUE)
            (i64.const -1)
            (global.get $RETURN_LEN)))
      (then
        ;; The callee ran: its count is where ours will be.
        (drop (call $read_return_data (global.get $COUNT) (i32.const 0) (global.get $COUNT_LEN)))))
    ;; count = (its last two bytes, big-endian) + 1; zero if no callee ran
    (local.set $count
      (i32.add
        (i32.const 1)
        (i32.or
          (i32.shl (i32.load8_u offset=30 (global.get $COUNT)) (i32.const 8))
          (i32.load8_u offset=31 (global.get $COUNT)))))
    (i32.store8 offset=30 (global.get $COUNT) (i32.shr_u (local.get $count) (i32.const 8)))
    (i32.store8 offset=31 (global.get $COUNT) (local.get $count))
    (call $write_result (global.get $COUNT) (global.get $COUNT_LEN))
    (i32.const 0)))

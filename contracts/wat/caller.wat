;; Calls another contract: calldata = its address (20 bytes), then the payload it gets.
;; Returns the status of that call as one byte (0 success, 1 revert, else failure), then what the callee returned.
;; The call carries no value and offers all gas, of which the host passes on 63/64.
;; Reverts with nothing if calldata is shorter than an address or longer than CALLDATA_LEN_MAX.
;;
;; Memory: 0x0000  32  a value of zero wei
;;         0x0020   4  length of the return data, written by the host
;;         0x0100      calldata, at most 0x8000 bytes
;;         0x8100      output: status byte, then return data, cut to what fits the page (0x7eff bytes)
(module
  (import "vm_hooks" "read_args" (func $read_args (param $dest i32)))
  (import "vm_hooks" "write_result" (func $write_result (param $ptr i32) (param $len i32)))
  (import "vm_hooks" "call_contract" (func $call_contract
    (param $address i32) (param $data i32) (param $len i32) (param $value i32) (param $gas i64) (param $return_len i32)
    (result i32)))
  (import "vm_hooks" "read_return_data" (func $read_return_data
    (param $dest i32) (param $offset i32) (param $size i32) (result i32)))

  ;; The memory cannot grow, so `pay_for_memory_grow` is not needed.
  (memory (export "memory") 1 1)

  (global $ADDRESS_LEN i32 (i32.const 20))
  (global $CALLDATA_LEN_MAX i32 (i32.const 0x8000))
  (global $VALUE i32 (i32.const 0x0000))
  (global $RETURN_LEN i32 (i32.const 0x0020))
  (global $CALLDATA i32 (i32.const 0x0100))
  (global $OUTPUT i32 (i32.const 0x8100))
  (global $RETURN_DATA_LEN_MAX i32 (i32.const 0x7eff))

  (func (export "user_entrypoint") (param $len i32) (result i32)
    (if (i32.or
          (i32.lt_u (local.get $len) (global.get $ADDRESS_LEN))
          (i32.gt_u (local.get $len) (global.get $CALLDATA_LEN_MAX)))
      (then (return (i32.const 1))))
    (call $read_args (global.get $CALLDATA))
    ;; output[0] = status
    (i32.store8 (global.get $OUTPUT)
      (call $call_contract
        (global.get $CALLDATA)
        (i32.add (global.get $CALLDATA) (global.get $ADDRESS_LEN))
        (i32.sub (local.get $len) (global.get $ADDRESS_LEN))
        (global.get $VALUE)
        (i64.const -1)
        (global.get $RETURN_LEN)))
    ;; output[1..] = return data; the host clamps the size and tells how much it copied
    (call $write_result
      (global.get $OUTPUT)
      (i32.add
        (i32.const 1)
        (call $read_return_data
          (i32.add (global.get $OUTPUT) (i32.const 1))
          (i32.const 0)
          (global.get $RETURN_DATA_LEN_MAX))))
    (i32.const 0)))

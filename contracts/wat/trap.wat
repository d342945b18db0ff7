;; Traps after it has written: sets slot 0 to 1, flushes the cache, sets a result, then executes `unreachable`.
;; Neither the write nor the result may be seen afterwards. Calldata is ignored.
;;
;; Memory: 0x00  32  the key: zero
;;         0x20  32  the value: one, big-endian
(module
  (import "vm_hooks" "storage_cache_bytes32" (func $storage_cache_bytes32 (param $key i32) (param $value i32)))
  (import "vm_hooks" "storage_flush_cache" (func $storage_flush_cache (param $clear i32)))
  (import "vm_hooks" "write_result" (func $write_result (param $ptr i32) (param $len i32)))

  (memory (export "memory") 1 1)
  (data (i32.const 0x3f) "\01")

  (func (export "user_entrypoint") (param $len i32) (result i32)
    (call $storage_cache_bytes32 (i32.const 0x00) (i32.const 0x20))
    (call $storage_flush_cache (i32.const 0))
    (call $write_result (i32.const 0x20) (i32.const 32))
    (unreachable)))

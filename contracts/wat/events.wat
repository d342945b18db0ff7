;; Emits one log with two topics, as Solidity's `event Ping(address indexed sender, uint256 calldataLen)`, returns nothing.
;;
;; Memory, laid out as the log: topics first, then data.
;;         0x00  32  topic 0: keccak256("Ping(address,uint256)")
;;         0x20  32  topic 1: the caller's address, after 12 zeros
;;         0x40  32  data: the length of calldata, big-endian
(module
  (import "vm_hooks" "msg_sender" (func $msg_sender (param $dest i32)))
  (import "vm_hooks" "emit_log" (func $emit_log (param $data i32) (param $len i32) (param $topics i32)))

  (memory (export "memory") 1 1)
  (data (i32.const 0x00)
    "\fd\8d\0c\1d\c3\ab\25\4e\c4\94\63\a1\19\2b\b2\42\3b\3b\85\1a\de\de\c1\aa\94\dc\d3\62\dc\06\3c\9d")

  (func (export "user_entrypoint") (param $len i32) (result i32)
    (call $msg_sender (i32.const 0x2c))
    ;; The last four bytes of the data are the length's, most significant first.
    (i32.store8 (i32.const 0x5c) (i32.shr_u (local.get $len) (i32.const 24)))
    (i32.store8 (i32.const 0x5d) (i32.shr_u (local.get $len) (i32.const 16)))
    (i32.store8 (i32.const 0x5e) (i32.shr_u (local.get $len) (i32.const 8)))
    (i32.store8 (i32.const 0x5f) (local.get $len))
    (call $emit_log (i32.const 0x00) (i32.const 96) (i32.const 2))
    (i32.const 0)))

;; Fills and copies by the bulk instructions, from 16 bytes to 64 KiB at a time. n = rounds.
(module
  (memory (export "memory") 4)
  (func (export "run") (param $n i32) (result i64)
    (local $i i32) (local $len i32) (local $sum i64)
    (block $done
      (loop $round
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $len (i32.const 16))
        (loop $length
          (memory.fill (i32.const 0) (local.get $i) (local.get $len))
          (memory.copy (i32.const 65536) (i32.const 0) (local.get $len))
          ;; The ranges overlap.
          (memory.copy (i32.const 65540) (i32.const 65536) (local.get $len))
          (memory.copy (i32.const 131072) (i32.const 65537) (local.get $len))
          (local.set $sum
            (i64.add
              (i64.mul (local.get $sum) (i64.const 31))
              (i64.load (i32.sub (i32.add (local.get $len) (i32.const 131072)) (i32.const 8)))))
          (local.set $len (i32.shl (local.get $len) (i32.const 1)))
          (br_if $length (i32.le_u (local.get $len) (i32.const 65536))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $round)))
    (local.get $sum)))

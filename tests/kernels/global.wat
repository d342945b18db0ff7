;; Reads and writes mutable globals in a loop, as a stack pointer and counters in globals do. n = rounds.
(module
  (global $count (mut i32) (i32.const 0))
  (global $sum (mut i64) (i64.const 0))
  (func (export "run") (param $n i32) (result i64)
    (global.set $count (local.get $n))
    (global.set $sum (i64.const 0))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (global.get $count)))
        (global.set $sum
          (i64.add
            (i64.mul (global.get $sum) (i64.const 3))
            (i64.extend_i32_u (global.get $count))))
        (global.set $count (i32.sub (global.get $count) (i32.const 1)))
        (br $next)))
    (global.get $sum)))

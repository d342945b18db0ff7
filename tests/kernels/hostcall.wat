;; Calls a function of the host that takes and returns an i32, n times.
(module
  (import "env" "next" (func $next (param i32) (result i32)))
  (func (export "run") (param $n i32) (result i64)
    (local $value i32) (local $sum i64)
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $value (call $next (local.get $value)))
        (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $value))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $again)))
    (local.get $sum)))

;; Never returns: an infinite loop, which only running out of gas ends. Calldata is ignored.
(module
  (memory (export "memory") 1 1)
  (func (export "user_entrypoint") (param $len i32) (result i32)
    (loop $forever
      (br $forever))
    (unreachable)))

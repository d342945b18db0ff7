//! The kernels of the engine bench, which set the scale.

use crate::program::Program;
use crate::{Group, Row, Run};
use lathe_tests::kernels::{KERNELS, Kernel};
use lathe_vm::Value;

/// A run of the engine bench takes 5 to 40 ms; the mean is exact enough with an eighth of it.
const PART: i32 = 8;

pub(crate) fn rows() -> Vec<Row> {
    let kernels = KERNELS.iter().filter(|kernel| kernel.is_cpu_bound());
    kernels.map(|kernel| Row::new(Group::Kernel, kernel.name, move || run(kernel))).collect()
}

fn run(kernel: &Kernel) -> Result<Run, String> {
    let mut program = Program::bytes(kernel.wasm)?;
    // Less of these is too little, or another kind of work: recursion is exponential, matrices are cubic.
    let size = match kernel.name {
        "fib" => kernel.size - 4,
        "matmul" => kernel.size / 2,
        _ => (kernel.size / PART).max(1),
    };
    let expected = program.once(size)?.1;
    let run = move || match program.once(size)? {
        (sample, values) if values == expected => Ok(sample),
        (_, values) => Err(format!("it returned {values:?}, not {expected:?}")),
    };
    let wrong = |values: &[Value]| format!("{} returned {values:?}", kernel.name);
    let whole = Program::bytes(kernel.wasm)?.once(kernel.size)?.1;
    match whole[..] {
        [Value::I64(checksum)] if checksum.cast_unsigned() == kernel.checksum => {}
        _ => return Err(wrong(&whole)),
    }
    Ok(Box::new(run))
}

//! What the tests share: making modules, and running them.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part")]

use lathe_vm::{
    Extern, ExternType, Host, HostMemory, HostOutcome, InstanceId, Machine, Meter, Module, ModuleError,
    Outcome, Rules, Value,
};

/// Enough for anything that ends.
pub(crate) const PLENTY: u64 = 1 << 40;

/// Compiles text under the rules of the devnet.
pub(crate) fn module(wat: &str) -> Module {
    try_module(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
}

/// Compiles text under the rules of the devnet.
pub(crate) fn try_module(wat: &str) -> Result<Module, ModuleError> {
    let bytes = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"));
    Module::new(&bytes, &Rules::DEVNET)
}

/// Makes an instance whose imports are all the host's, numbered in their order.
pub(crate) fn instantiate(machine: &mut Machine, module: &Module) -> InstanceId {
    let imports: Vec<Extern> = (0..)
        .zip(module.imports())
        .map(|(number, import)| match &import.ty {
            ExternType::Function(ty) => Extern::Host(number, ty.clone()),
            other => panic!("tests import functions only, not {other:?}"),
        })
        .collect();
    machine
        .instantiate(module, &imports, &mut Meter::from_gas(PLENTY))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A machine with one instance, whose imports are all the host's, numbered in their order.
pub(crate) struct Run {
    pub(crate) machine: Machine,
    pub(crate) instance: InstanceId,
}

impl Run {
    pub(crate) fn new(wat: &str) -> Self {
        Self::of(&module(wat), &Rules::DEVNET)
    }

    pub(crate) fn of(module: &Module, rules: &Rules) -> Self {
        let mut machine = Machine::new(rules, rules.limits.memory_pages);
        let instance = instantiate(&mut machine, module);
        Self { machine, instance }
    }

    pub(crate) fn invoke(&mut self, name: &str, arguments: &[Value], meter: &mut Meter) -> Outcome {
        self.invoke_with(name, arguments, meter, &mut Refuser)
    }

    pub(crate) fn invoke_with(
        &mut self,
        name: &str,
        arguments: &[Value],
        meter: &mut Meter,
        host: &mut dyn Host,
    ) -> Outcome {
        let function = self
            .machine
            .exported_function(self.instance, name)
            .unwrap_or_else(|| panic!("no function {name} is exported"));
        self.machine.invoke(function, arguments, meter, host)
    }
}

/// A host whose functions all trap.
struct Refuser;

impl Host for Refuser {
    fn call(&mut self, _: u32, _: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
        HostOutcome::Trap(lathe_vm::TrapKind::Host)
    }
}

/// Returns a meter with exactly this much ink.
pub(crate) fn ink_meter(ink: u64) -> Meter {
    let mut meter = Meter::from_gas(ink.div_ceil(10_000));
    let surplus = meter.ink_left() - ink;
    meter.charge(surplus).expect("the meter was made with at least this");
    meter
}

/// Says an outcome in a few words, so that tables can hold it.
pub(crate) fn brief(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Returned(values) => {
            let values: Vec<String> = values
                .iter()
                .map(|value| match value {
                    Value::I32(value) => value.to_string(),
                    Value::I64(value) => value.to_string(),
                    other => format!("{other:x?}"),
                })
                .collect();
            values.join(" ")
        }
        Outcome::Exited => "exited".to_owned(),
        Outcome::Suspended => "suspended".to_owned(),
        Outcome::Trapped(trap) => trap.kind.to_string(),
    }
}

/// Runs a test on a thread whose stack is too small for any recursion that a guest could drive.
pub(crate) fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(test)
        .expect("a thread can be started")
        .join()
        .expect("the test on the small stack passes");
}

/// Makes a module from its sections: number and contents.
pub(crate) fn binary(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    for (id, contents) in sections {
        bytes.push(*id);
        bytes.extend(leb(contents.len()));
        bytes.extend(contents);
    }
    bytes
}

/// Encodes an unsigned number as LEB128.
pub(crate) fn leb(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = number;
    loop {
        let byte = u8::try_from(rest & 0x7f).expect("seven bits fit in a byte");
        rest >>= 7;
        if rest == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// Makes a module with one exported function `f` of type [] -> [] from the bytes of its body, locals first.
pub(crate) fn binary_function(body: &[u8]) -> Vec<u8> {
    let mut code = vec![1];
    code.extend(leb(body.len()));
    code.extend(body);
    binary(&[(1, vec![1, 0x60, 0, 0]), (3, vec![1, 0]), (7, vec![1, 1, b'f', 0, 0]), (10, code)])
}

//! The one seam out of the machine.

use crate::{HostMemory, TrapKind, Value};
use lathe_gas::Meter;

/// What the code can call outside the machine.
pub trait Host {
    /// Calls the function that was imported as number `function`.
    ///
    /// `arguments` have the types that the import was given. `memory` is that of the instance that calls, empty if it
    /// has none. The machine has charged the call instruction and the arguments it moves; what the function itself
    /// costs, the host charges to `meter`, before acting.
    fn call(
        &mut self,
        function: u32,
        arguments: &[Value],
        memory: &mut HostMemory<'_>,
        meter: &mut Meter,
    ) -> HostOutcome;
}

/// How a host call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostOutcome {
    /// The code goes on with this result, which has the type of the import.
    Return(Option<Value>),
    /// The code traps. [`TrapKind::Host`] if the host keeps the reason, [`TrapKind::OutOfGas`] if a charge failed.
    Trap(TrapKind),
    /// The computation stops here until [`Machine::resume`](crate::Machine::resume) brings the result.
    Suspend,
    /// The computation ends here, as a success that returns nothing.
    Exit,
}

impl From<lathe_gas::OutOfGas> for HostOutcome {
    fn from(_: lathe_gas::OutOfGas) -> Self {
        Self::Trap(TrapKind::OutOfGas)
    }
}

/// The host of code that imports no host function.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn call(&mut self, _: u32, _: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
        HostOutcome::Trap(TrapKind::Host)
    }
}

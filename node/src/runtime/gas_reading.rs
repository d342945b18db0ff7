//! Whether code looked at the gas it has left. What it does may then depend on its limit; what other code does and pays
//! does not, as long as it can pay.

use revm::{
    Database,
    bytecode::opcode,
    handler::instructions::EthInstructions,
    interpreter::{
        Instruction, InstructionContext, InstructionExecResult, instructions::system,
        interpreter::EthInterpreter,
    },
};

use super::evm::Ctx;

/// Beside revm's context: what EVM code of the present transaction has read.
#[derive(Debug, Clone, Default)]
pub(super) struct GasReading {
    /// Whether a `GAS` instruction was executed.
    pub(super) was_read: bool,
}

/// Makes the `GAS` instruction leave a note in the context.
pub(super) fn watch<DB: Database>(instructions: &mut EthInstructions<EthInterpreter, Ctx<DB>>) {
    instructions.instruction_table_mut()[usize::from(opcode::GAS)] = Instruction::new(gas::<DB>);
}

fn gas<DB: Database>(context: InstructionContext<'_, Ctx<DB>, EthInterpreter>) -> InstructionExecResult {
    context.host.chain.was_read = true;
    system::gas(context)
}

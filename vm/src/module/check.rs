//! The check of function bodies: WebAssembly's rules and the chain's, in one pass.
//!
//! Each operator is compared with features and limits first, then validated, so that nothing is done for what is
//! refused anyway and every refusal names the operator.

use super::Definition;
use crate::features::{operator_name, proposal_of};
use crate::module_error::ModuleErrorKind;
use crate::{Limit, ModuleError, Rules};
use wasmparser::{BlockType, FuncValidator, FunctionBody, Operator, ValType, ValidatorResources};

type Validator = FuncValidator<ValidatorResources>;

/// Checks the functions of one module, one after another.
pub(super) struct Checker<'a> {
    rules: &'a Rules,
    /// Values carried by the branch tables seen so far, for [`Limit::BranchValues`].
    branch_values: u64,
}

impl<'a> Checker<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        Self { rules, branch_values: 0 }
    }

    /// Checks a function.
    pub(super) fn function(
        &mut self,
        module: &Definition,
        validator: &mut Validator,
        body: &FunctionBody<'_>,
    ) -> Result<(), ModuleError> {
        self.locals(validator, body)?;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let offset = reader.original_position();
            let operator = reader.read()?;
            self.operator(&operator, validator, module, offset)?;
            validator.op(offset, &operator)?;
            self.limit(Limit::Operands, validator.operand_stack_height().into(), offset)?;
        }
        reader.finish()?;
        Ok(())
    }

    fn limit(&self, limit: Limit, actual: u64, offset: u64) -> Result<(), ModuleError> {
        super::check_limit(self.rules, limit, actual, offset)
    }

    /// Declares the locals.
    fn locals(&self, validator: &mut Validator, body: &FunctionBody<'_>) -> Result<(), ModuleError> {
        let mut slots = 0u64;
        let mut reader = body.get_locals_reader()?;
        for _ in 0..reader.get_count() {
            let offset = reader.original_position();
            let (count, ty) = reader.read()?;
            slots += u64::from(count) * if ty == ValType::V128 { 2 } else { 1 };
            // Before the validator makes room for them.
            self.limit(Limit::Locals, slots, offset)?;
            validator.define_locals(offset, count, ty)?;
        }
        Ok(())
    }

    /// Refuses operators that the rules leave out, and those whose validation would take more than linear time.
    fn operator(
        &mut self,
        operator: &Operator<'_>,
        validator: &Validator,
        module: &Definition,
        offset: u64,
    ) -> Result<(), ModuleError> {
        if let Some(proposal) = proposal_of(operator)
            && !self.rules.features.contains(proposal)
        {
            let item = operator_name(operator);
            return Err(ModuleError::new(ModuleErrorKind::Proposal { proposal, item }, offset));
        }
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                self.limit(Limit::Nesting, u64::from(validator.control_stack_height()) + 1, offset)
            }
            Operator::BrTable { targets } => {
                self.limit(Limit::BranchTargets, targets.len().into(), offset)?;
                // An index out of range is left to the validator, which checks it before anything else.
                let depth = targets.default() as usize;
                let carried = validator.get_control_frame(depth).map_or(0, |frame| match frame.block_type {
                    BlockType::Empty => 0,
                    BlockType::Type(_) => u64::from(frame.kind != wasmparser::FrameKind::Loop),
                    BlockType::FuncType(index) => {
                        let ty = &module.types[index as usize];
                        let is_loop = frame.kind == wasmparser::FrameKind::Loop;
                        if is_loop { ty.params().len() as u64 } else { ty.results().len() as u64 }
                    }
                });
                self.branch_values += (u64::from(targets.len()) + 1) * carried;
                self.limit(Limit::BranchValues, self.branch_values, offset)
            }
            _ => Ok(()),
        }
    }
}

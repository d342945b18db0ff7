//! The check of function bodies: WebAssembly's rules and the chain's, in one pass.
//!
//! Each operator is compared with features and limits first, then validated, so that nothing is done for what is
//! refused anyway and every refusal names the operator.

use super::Definition;
use crate::features::{operator_name, proposal_of_group};
use crate::module_error::ModuleErrorKind;
use crate::{Limit, ModuleError, Proposal, Rules};
use alloc::string::String;
use alloc::vec::Vec;
use wasmparser::{
    BlockType, BrTable, FrameKind, FrameStack, FuncValidator, FunctionBody, Operator, ValType,
    ValidatorResources, VisitOperator, VisitSimdOperator,
};

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
        let mut reader = body.get_binary_reader_for_operators()?;
        let mut visitor = Visitor { checker: self, validator, module, offset: 0 };
        while !reader.eof() {
            visitor.offset = reader.original_position();
            reader.visit_operator(&mut visitor)??;
            let height = visitor.validator.operand_stack_height();
            visitor.checker.limit(Limit::Operands, height.into(), visitor.offset)?;
        }
        reader.finish_expression(&visitor)?;
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

    /// Refuses an operator of a proposal that the rules leave out.
    #[inline(always)]
    fn proposal(
        &self,
        proposal: Proposal,
        operator: impl FnOnce() -> String,
        offset: u64,
    ) -> Result<(), ModuleError> {
        if self.rules.features.contains(proposal) {
            return Ok(());
        }
        Err(ModuleError::new(ModuleErrorKind::Proposal { proposal, item: operator() }, offset))
    }
}

/// Checks one operator after the other, as the reader decodes them.
struct Visitor<'a, 'r> {
    checker: &'a mut Checker<'r>,
    validator: &'a mut Validator,
    module: &'a Definition,
    /// Where the operator begins.
    offset: u64,
}

impl Visitor<'_, '_> {
    /// Limits how deep blocks are nested.
    fn nesting(&self) -> Result<(), ModuleError> {
        let depth = u64::from(self.validator.control_stack_height()) + 1;
        self.checker.limit(Limit::Nesting, depth, self.offset)
    }

    /// Limits branch tables, whose validation takes time for each target and value.
    fn branch_table(&mut self, targets: &BrTable<'_>) -> Result<(), ModuleError> {
        self.checker.limit(Limit::BranchTargets, targets.len().into(), self.offset)?;
        // An index out of range is left to the validator, which checks it before anything else.
        let depth = targets.default() as usize;
        let carried = self.validator.get_control_frame(depth).map_or(0, |frame| {
            let is_loop = frame.kind == FrameKind::Loop;
            match frame.block_type {
                BlockType::Empty => 0,
                BlockType::Type(_) => u64::from(!is_loop),
                BlockType::FuncType(index) => {
                    let ty = &self.module.types[index as usize];
                    if is_loop { ty.params().len() as u64 } else { ty.results().len() as u64 }
                }
            }
        });
        self.checker.branch_values += (u64::from(targets.len()) + 1) * carried;
        self.checker.limit(Limit::BranchValues, self.checker.branch_values, self.offset)
    }
}

impl FrameStack for Visitor<'_, '_> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.validator.get_control_frame(0).map(|frame| frame.kind)
    }
}

/// What is checked before the validator sees an operator.
macro_rules! before {
    ($self:ident Block $($arg:ident)*) => {
        $self.nesting()?
    };
    ($self:ident Loop $($arg:ident)*) => {
        $self.nesting()?
    };
    ($self:ident If $($arg:ident)*) => {
        $self.nesting()?
    };
    ($self:ident BrTable $targets:ident) => {
        $self.branch_table(&$targets)?
    };
    ($self:ident $other:ident $($arg:ident)*) => {};
}

macro_rules! visit {
    ($validator:ident: $( @$group:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(
            #[inline]
            fn $visit(&mut self $($(, $arg: $argty)*)?) -> Self::Output {
                const PROPOSAL: Option<Proposal> = proposal_of_group!($group);
                if let Some(proposal) = PROPOSAL {
                    let operator = || operator_name(&Operator::$op $({ $($arg: $arg.clone()),* })?);
                    self.checker.proposal(proposal, operator, self.offset)?;
                }
                before!(self $op $($($arg)*)?);
                Ok(self.validator.$validator(self.offset).$visit($($($arg),*)?)?)
            }
        )*
    };
}

macro_rules! visit_operator {
    ($($operators:tt)*) => {
        visit! { visitor: $($operators)* }
    };
}

macro_rules! visit_simd_operator {
    ($($operators:tt)*) => {
        visit! { simd_visitor: $($operators)* }
    };
}

impl<'a> VisitOperator<'a> for Visitor<'_, '_> {
    type Output = Result<(), ModuleError>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit_operator);
}

impl<'a> VisitSimdOperator<'a> for Visitor<'_, '_> {
    wasmparser::for_each_visit_simd_operator!(visit_simd_operator);
}

//! The body of a function: its instructions one by one, with what limits, proposals and prices count.

use super::FunctionReport;
use super::prices::{InstructionPrice, Labels, Pricer};
use super::scan::Declarations;
use super::tally::{Place, Tally};
use crate::features::{operator_name, proposal_of};
use crate::module::name_proposal;
use crate::module_error::ModuleErrorKind;
use crate::{Limit, ModuleError, Proposal};
use alloc::vec::Vec;
use lathe_gas::ValueType;
use wasmparser::{BlockType, FuncValidator, FunctionBody, Operator, ValType, ValidatorResources};

type Validator = FuncValidator<ValidatorResources>;

/// A function under scan.
pub(super) struct Body<'s, 'a> {
    tally: &'s mut Tally<'a>,
    declarations: &'s Declarations,
    branch_values: &'s mut u64,
    prices: &'s mut Option<Vec<InstructionPrice>>,
    labels: Labels,
    report: FunctionReport,
    /// Limits that this function has been found to pass, a bit each.
    passed: u32,
    /// Whether it passes a limit that bounds the time of checking it.
    costly: bool,
    /// What the lenient validator refuses.
    invalid: Option<ModuleError>,
}

impl<'s, 'a> Body<'s, 'a> {
    pub(super) fn new(
        tally: &'s mut Tally<'a>,
        declarations: &'s Declarations,
        branch_values: &'s mut u64,
        prices: &'s mut Option<Vec<InstructionPrice>>,
        index: u32,
    ) -> Self {
        let report = FunctionReport { index, nesting: 1, ..FunctionReport::default() };
        let labels = Labels::new(declarations, index);
        Self {
            tally,
            declarations,
            branch_values,
            prices,
            labels,
            report,
            passed: 0,
            costly: false,
            invalid: None,
        }
    }

    /// Scans the lenient reading, then judges the strict one.
    pub(super) fn run(
        mut self,
        body: &FunctionBody<'_>,
        mut validator: Option<Validator>,
        strict: Option<(&FunctionBody<'_>, Validator)>,
    ) -> FunctionReport {
        let range = body.range();
        self.report.offset = range.start;
        self.report.bytes = range.end.saturating_sub(range.start);
        // The limit is judged as one of the section, before anything in the body is.
        self.tally.limit(Limit::BodyBytes, self.report.bytes, Place { offset: range.start, function: None });
        let could_check = validator.is_some();
        let read = self.locals(body, &mut validator).and_then(|()| self.operators(body, &mut validator));
        let lenient = self.invalid.take().or(read.err());
        self.report.checked = could_check && validator.is_some() && lenient.is_none();
        let strict = match strict {
            Some((body, validator)) if !self.costly => self.strict(body, validator).err(),
            _ => None,
        };
        let same = matches!((&strict, &lenient), (Some(a), Some(b)) if a.offset() == b.offset());
        // One thing is wrong, and each reading says it in its own words.
        for error in [strict, if same { None } else { lenient }].into_iter().flatten() {
            self.refuse(error);
        }
        self.report
    }

    /// Fails at the first thing that the rules do not take, up to an instruction that has been refused by name.
    fn strict(&self, body: &FunctionBody<'_>, mut validator: Validator) -> Result<(), ModuleError> {
        let mut locals = body.get_locals_reader()?;
        for _ in 0..locals.get_count() {
            let offset = locals.original_position();
            let (count, ty) = locals.read()?;
            validator.define_locals(offset, count, ty)?;
        }
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let offset = reader.original_position();
            let operator = reader.read()?;
            if proposal_of(&operator).is_some_and(|proposal| !self.tally.rules.features.contains(proposal)) {
                return Ok(());
            }
            validator.op(offset, &operator)?;
        }
        Ok(reader.finish()?)
    }

    fn refuse(&mut self, error: ModuleError) {
        let error = name_proposal(error).in_function(self.report.index);
        match error.kind() {
            ModuleErrorKind::Proposal { proposal, item } if !self.tally.is_used(*proposal) => {
                self.proposal(*proposal, item, error.offset());
            }
            _ => self.tally.violation(error),
        }
    }

    fn place(&self, offset: u64) -> Place {
        Place { offset, function: Some(self.report.index) }
    }

    /// Notes the use of a limit; what passes it is a violation once in each function.
    fn limit(&mut self, limit: Limit, actual: u64, offset: u64) -> bool {
        let place = self.place(offset);
        let bit = 1 << limit as u32;
        if self.passed & bit != 0 {
            self.tally.used(limit, actual, place);
            return false;
        }
        let fits = self.tally.limit(limit, actual, place);
        if !fits {
            self.passed |= bit;
        }
        fits
    }

    fn proposal(&mut self, proposal: Proposal, item: &str, offset: u64) -> bool {
        let place = self.place(offset);
        self.tally.proposal(proposal, item, place)
    }

    fn locals(
        &mut self,
        body: &FunctionBody<'_>,
        validator: &mut Option<Validator>,
    ) -> Result<(), ModuleError> {
        let mut slots = 0u64;
        let mut reader = body.get_locals_reader()?;
        for _ in 0..reader.get_count() {
            let offset = reader.original_position();
            let (count, ty) = reader.read()?;
            slots = slots.saturating_add(u64::from(count) * u64::from(slots_of(ty)));
            match ty {
                ValType::V128 => _ = self.proposal(Proposal::Simd, "v128", offset),
                ValType::Ref(_) => _ = self.proposal(Proposal::ReferenceTypes, "local", offset),
                _ => {}
            }
            if !self.limit(Limit::Locals, slots, offset) {
                // No room is made for them, so what uses them cannot be checked.
                self.costly = true;
                *validator = None;
            }
            self.ask(validator, |validator| validator.define_locals(offset, count, ty));
        }
        self.report.local_slots = slots;
        if let Some(prices) = self.prices {
            let ink = Pricer::new(self.tally.rules).entry(slots);
            let (function, offset) = (self.report.index, self.report.offset);
            prices.push(InstructionPrice { function, offset, ink, per: None });
        }
        Ok(())
    }

    fn operators(
        &mut self,
        body: &FunctionBody<'_>,
        validator: &mut Option<Validator>,
    ) -> Result<(), ModuleError> {
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let offset = reader.original_position();
            let operator = reader.read()?;
            self.report.instructions += 1;
            self.operator(&operator, validator, offset);
        }
        Ok(reader.finish()?)
    }

    fn operator(&mut self, operator: &Operator<'_>, validator: &mut Option<Validator>, offset: u64) {
        if let Some(proposal) = proposal_of(operator) {
            self.proposal(proposal, &operator_name(operator), offset);
        }
        self.count(operator, validator, offset);
        if let Some(prices) = self.prices {
            let pricer = Pricer::new(self.tally.rules);
            let price = pricer.price(operator, &self.labels, self.declarations);
            let function = self.report.index;
            prices.extend(price.map(|(ink, per)| InstructionPrice { function, offset, ink, per }));
        }
        self.labels.follow(operator, self.declarations);
        self.report.nesting = self.report.nesting.max(self.labels.depth());
        self.ask(validator, |validator| validator.op(offset, operator));
        if let Some(validator) = validator {
            let operands = validator.operand_stack_height();
            self.report.operands = self.report.operands.max(operands);
            self.limit(Limit::Operands, operands.into(), offset);
        }
    }

    /// Notes nesting and branch tables, and uses of proposals that are no instructions of their own.
    fn count(&mut self, operator: &Operator<'_>, validator: &mut Option<Validator>, offset: u64) {
        match operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                self.limit(Limit::Nesting, u64::from(self.labels.depth()) + 1, offset);
                if let BlockType::FuncType(index) = blockty
                    && let Some(Some(ty)) = self.declarations.types.get(*index as usize)
                    && (!ty.params().is_empty() || ty.results().len() > 1)
                {
                    self.proposal(Proposal::MultiValue, "block type", offset);
                }
            }
            Operator::BrTable { targets } => {
                let targets_fit = self.limit(Limit::BranchTargets, targets.len().into(), offset);
                let carried = self.labels.carried(targets.default()).values;
                *self.branch_values =
                    self.branch_values.saturating_add((u64::from(targets.len()) + 1) * u64::from(carried));
                let values = *self.branch_values;
                let values_fit = self.limit(Limit::BranchValues, values, offset);
                if !(targets_fit && values_fit) {
                    // Checking would take time by the product.
                    self.costly = true;
                    *validator = None;
                }
            }
            _ => {}
        }
    }

    /// Asks a validator, which stops at the first thing it refuses.
    fn ask(
        &mut self,
        validator: &mut Option<Validator>,
        check: impl Fn(&mut Validator) -> wasmparser::Result<()>,
    ) {
        if let Some(Err(error)) = validator.as_mut().map(check) {
            *validator = None;
            self.invalid.get_or_insert(error.into());
        }
    }
}

fn slots_of(ty: ValType) -> u32 {
    if ty == ValType::V128 { ValueType::V128.slots() } else { 1 }
}

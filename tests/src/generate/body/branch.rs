//! Branches, calls, and what else leaves a place.

use super::super::encode::{unsigned, vector};
use super::{Body, ELSE, END};
use lathe_vm::ValueType;

impl Body<'_> {
    pub(super) fn branch_if(&mut self) {
        let depth = self.random.below(self.frames.len());
        let label = self.frames[self.frames.len() - 1 - depth].label.clone();
        self.operands(&label);
        self.condition();
        self.emit_index(&[0x0d], depth);
    }

    pub(super) fn branch_table(&mut self) {
        let depth = self.random.below(self.frames.len());
        let label_of = |depth: usize| &self.frames[self.frames.len() - 1 - depth].label;
        let label = label_of(depth).clone();
        let alike: Vec<usize> = (0..self.frames.len()).filter(|&depth| *label_of(depth) == label).collect();
        self.operands(&label);
        self.expression(ValueType::I32, 1);
        if !self.random.one_in(3) {
            self.emit(&[0x41, 0x07]);
            self.emit(&[0x71]);
        }
        self.emit(&[0x0e]);
        let targets: Vec<Vec<u8>> =
            (0..self.random.below(7)).map(|_| unsigned(*self.random.pick(&alike) as u64)).collect();
        self.code.extend(vector(targets));
        self.code.extend(unsigned(depth as u64));
        self.die();
    }

    /// Ends the innermost block before its end.
    pub(super) fn leave(&mut self) {
        let results = self.frames[0].results.clone();
        match self.random.below(12) {
            0..=4 => {
                let depth = self.random.below(self.frames.len());
                let label = self.frames[self.frames.len() - 1 - depth].label.clone();
                self.operands(&label);
                self.emit_index(&[0x0c], depth);
            }
            5 => {
                self.operands(&results);
                self.emit(&[0x0f]);
            }
            6..=7 => self.emit(&[0x00]),
            8 => {
                let types = &self.declarations.types;
                let fits: Vec<usize> = (0..types.len()).filter(|&ty| types[ty].results == results).collect();
                let Some(&ty) = fits.first() else { return };
                let ty = if self.random.one_in(2) { ty } else { *self.random.pick(&fits) };
                let params = types[ty].params.clone();
                self.operands(&params);
                self.table_index();
                self.emit_index(&[0x13], ty);
                self.code.push(0x00);
            }
            _ => {
                let functions = &self.declarations.functions;
                let types = &self.declarations.types;
                let fits: Vec<usize> = (0..functions.len())
                    .filter(|&function| types[functions[function]].results == results)
                    .collect();
                if fits.is_empty() {
                    return;
                }
                let function = *self.random.pick(&fits);
                let params = types[functions[function]].params.clone();
                self.operands(&params);
                self.emit_index(&[0x12], function);
            }
        }
        self.die();
    }

    /// Marks the rest of the innermost block as never reached, and sometimes puts code there.
    pub(super) fn die(&mut self) {
        let frame = self.frame();
        frame.dead = true;
        let floor = frame.floor;
        self.stack.truncate(floor);
        const DEAD: [&[u8]; 6] = [
            &[0x01],
            &[0x6a, 0x1a],
            &[0x02, 0x40, END],
            &[0x1a, 0x1a],
            &[0x03, 0x40, 0x0c, 0x00, END],
            &[0x41, 0x00, 0x04, 0x7f, 0x00, ELSE, 0x41, 0x01, END, 0x1a],
        ];
        if self.random.one_in(4) {
            let dead = *self.random.pick(&DEAD);
            self.code.extend(dead);
        }
    }

    pub(super) fn call(&mut self) {
        let function = self.random.below(self.declarations.functions.len());
        let ty = self.declarations.types[self.declarations.functions[function]].clone();
        self.operands(&ty.params);
        self.pop(&ty.params);
        self.emit_index(&[0x10], function);
        self.stack.extend(ty.results);
    }

    pub(super) fn call_indirect(&mut self) {
        let place = self.random.below(self.declarations.functions.len());
        let index = self.declarations.functions[place];
        let ty = self.declarations.types[index].clone();
        self.operands(&ty.params);
        self.table_index();
        self.pop(&ty.params);
        self.emit_index(&[0x11], index);
        self.code.push(0x00);
        self.stack.extend(ty.results);
    }

    /// Appends a number that mostly names an element of the table; its type is popped already.
    pub(super) fn table_index(&mut self) {
        if self.random.one_in(3) {
            self.expression(ValueType::I32, 2);
            self.emit(&[0x41, 0x07]);
            self.emit(&[0x71]);
            self.pop(&[ValueType::I32]);
        } else {
            self.emit(&[0x41]);
            let index = self.random.below(9);
            self.code.extend(unsigned(index as u64));
        }
    }
}

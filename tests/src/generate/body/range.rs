//! Instructions on ranges of memory, on tables, and on the sizes of both.

use super::super::encode::{signed, unsigned};
use super::Body;
use lathe_vm::ValueType;

impl Body<'_> {
    /// Instructions over ranges of memory and tables. The lengths are mostly small.
    pub(super) fn bulk(&mut self) {
        let memory = self.random.one_in(2);
        let lengths: &[i64] = if memory { &[0, 1, 5, 16, 24, 100, 4_000, 70_000] } else { &[0, 1, 2, 3, 30] };
        let place = |body: &mut Self| {
            if memory {
                body.address();
                body.pop(&[ValueType::I32]);
            } else {
                body.table_index();
            }
        };
        let length = *self.random.pick(lengths);
        let data = self.random.below(self.declarations.data_segments);
        let elements = self.random.below(self.declarations.element_segments);
        let choice = self.random.below(4);
        if choice < 3 {
            place(self);
            match (choice, memory) {
                (0, true) => {
                    self.expression(ValueType::I32, 2);
                    self.pop(&[ValueType::I32]);
                }
                (0, false) => self.reference(ValueType::FuncRef),
                (1, _) => place(self),
                _ => {
                    self.emit(&[0x41]);
                    let from = self.random.below(4);
                    self.code.extend(unsigned(from as u64));
                }
            }
            self.emit(&[0x41]);
            self.code.extend(signed(length));
        }
        match (choice, memory) {
            (0, true) => self.emit(&[0xfc, 0x0b, 0x00]),
            (0, false) => self.emit(&[0xfc, 0x11, 0x00]),
            (1, true) => self.emit(&[0xfc, 0x0a, 0x00, 0x00]),
            (1, false) => self.emit(&[0xfc, 0x0e, 0x00, 0x00]),
            (2, true) => {
                self.emit_index(&[0xfc, 0x08], data);
                self.code.push(0x00);
            }
            (2, false) => {
                self.emit_index(&[0xfc, 0x0c], elements);
                self.code.push(0x00);
            }
            (_, true) => self.emit_index(&[0xfc, 0x09], data),
            (_, false) => self.emit_index(&[0xfc, 0x0d], elements),
        }
    }

    pub(super) fn table(&mut self) {
        match self.random.below(4) {
            0 => {
                self.table_index();
                self.emit(&[0x25, 0x00]);
                self.stack.push(ValueType::FuncRef);
            }
            1 => {
                self.table_index();
                self.expression(ValueType::FuncRef, 2);
                self.pop(&[ValueType::FuncRef]);
                self.emit(&[0x26, 0x00]);
            }
            2 => {
                self.reference(ValueType::FuncRef);
                self.emit(&[0x41]);
                let by = self.random.below(5);
                self.code.extend(unsigned(by as u64));
                self.emit(&[0xfc, 0x0f, 0x00]);
                self.stack.push(ValueType::I32);
            }
            _ => {
                self.emit(&[0xfc, 0x10, 0x00]);
                self.stack.push(ValueType::I32);
            }
        }
    }

    pub(super) fn grow_or_size(&mut self) {
        if self.random.one_in(2) {
            if self.random.one_in(4) {
                self.operands(&[ValueType::I32]);
                self.pop(&[ValueType::I32]);
            } else {
                self.emit(&[0x41]);
                let pages = self.random.below(3);
                self.code.extend(unsigned(pages as u64));
            }
            self.emit(&[0x40, 0x00]);
        } else {
            self.emit(&[0x3f, 0x00]);
        }
        self.stack.push(ValueType::I32);
    }
}

//! EVM code, written an instruction at a time.

use alloy_primitives::Address;

/// EVM code under construction. Every push costs 3 gas: there is no PUSH0.
#[derive(Clone, Default)]
pub(crate) struct Evm(pub(crate) Vec<u8>);

pub(crate) const STOP: u8 = 0x00;
pub(crate) const ADD: u8 = 0x01;
pub(crate) const SUB: u8 = 0x03;
pub(crate) const KECCAK256: u8 = 0x20;
pub(crate) const BALANCE: u8 = 0x31;
pub(crate) const CALLDATASIZE: u8 = 0x36;
pub(crate) const CALLDATACOPY: u8 = 0x37;
pub(crate) const EXTCODESIZE: u8 = 0x3B;
pub(crate) const EXTCODECOPY: u8 = 0x3C;
pub(crate) const RETURNDATASIZE: u8 = 0x3D;
pub(crate) const RETURNDATACOPY: u8 = 0x3E;
pub(crate) const EXTCODEHASH: u8 = 0x3F;
pub(crate) const POP: u8 = 0x50;
pub(crate) const MLOAD: u8 = 0x51;
pub(crate) const MSTORE: u8 = 0x52;
pub(crate) const MSTORE8: u8 = 0x53;
pub(crate) const SLOAD: u8 = 0x54;
pub(crate) const SSTORE: u8 = 0x55;
pub(crate) const GAS: u8 = 0x5A;
pub(crate) const TLOAD: u8 = 0x5C;
pub(crate) const TSTORE: u8 = 0x5D;
pub(crate) const SWAP1: u8 = 0x90;
pub(crate) const LOG0: u8 = 0xA0;
pub(crate) const CREATE: u8 = 0xF0;
pub(crate) const CALL: u8 = 0xF1;
pub(crate) const CALLCODE: u8 = 0xF2;
pub(crate) const RETURN: u8 = 0xF3;
pub(crate) const DELEGATECALL: u8 = 0xF4;
pub(crate) const CREATE2: u8 = 0xF5;
pub(crate) const STATICCALL: u8 = 0xFA;
pub(crate) const SELFDESTRUCT: u8 = 0xFF;

impl Evm {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn op(mut self, opcode: u8) -> Self {
        self.0.push(opcode);
        self
    }

    pub(crate) fn push(mut self, value: u64) -> Self {
        self.0.push(0x67);
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn address(mut self, address: Address) -> Self {
        self.0.push(0x73);
        self.0.extend(address);
        self
    }

    /// Pushes the arguments so that the first is on top, then runs the instruction.
    pub(crate) fn run(mut self, opcode: u8, arguments: &[u64]) -> Self {
        for &argument in arguments.iter().rev() {
            self = self.push(argument);
        }
        self.op(opcode)
    }

    /// Returns `length` bytes of memory from 0.
    pub(crate) fn ret(self, length: u64) -> Self {
        self.run(RETURN, &[0, length])
    }
}

/// Code that passes its calldata on by `opcode` to `to`, all gas, no value, and returns the status byte and what came
/// back.
pub(crate) fn relay(opcode: u8, to: Address) -> Vec<u8> {
    let with_value = matches!(opcode, CALL | CALLCODE);
    let mut code = Evm::new().op(CALLDATASIZE).push(0).push(0).op(CALLDATACOPY);
    // Return data goes nowhere; the input is all calldata.
    code = code.push(0).push(0).op(CALLDATASIZE).push(0);
    if with_value {
        code = code.push(0);
    }
    code = code.address(to).op(GAS).op(opcode);
    // The status is the first byte, the return data follows.
    code = code.push(0).op(MSTORE8).op(RETURNDATASIZE).push(0).push(1).op(RETURNDATACOPY);
    code = code.op(RETURNDATASIZE).push(1).op(ADD).push(0).op(RETURN);
    code.0
}

//! Storage of every kind that stylus-sdk knows, laid out as Solidity would lay out the same struct.
//!
//! Slot 0 packs six small fields. Lists, maps, nested structs, bytes and strings follow, short and long. Tests compare
//! the slots with what Solidity's documentation of the layout says. `abi.json` beside the manifest is its interface.

#![expect(missing_docs, reason = "stylus-sdk's macros generate public items without documentation")]

extern crate alloc;

use alloc::{string::String, vec::Vec};
use alloy_primitives::{
    Address, FixedBytes, I256, U256,
    aliases::{I64, U8, U16},
};
use alloy_sol_types::sol;
use stylus_sdk::{abi::Bytes, prelude::*};

sol! {
    error OutOfRange(uint256 index, uint256 length);
}

sol_storage! {
    #[entrypoint]
    pub struct Cabinet {
        // Slot 0, from its low end: 1 + 1 + 2 + 8 + 4 + 16 bits and bytes as Solidity packs them.
        bool flag;
        uint8 small;
        uint16 medium;
        int64 signed;
        bytes4 tag;
        // Slot 1: an address does not fit beside them.
        address owner;
        // Slots 2 to 4.
        uint256 number;
        int256 signed_number;
        bytes32 word;
        // Slots 5 and 6: short ones in place, long ones behind the hash of the slot.
        string text;
        bytes data;
        // Slot 7: the length; elements behind its hash.
        uint256[] list;
        // Slot 8: the length; sixteen elements a slot.
        uint16[] packed;
        // Slots 9 to 11.
        uint256[3] triple;
        // Slot 12.
        mapping(address => mapping(uint256 => Drawer)) drawers;
    }

    #[derive(Erase)]
    pub struct Drawer {
        uint64 opened;
        bool locked;
        string label;
        uint256[] coins;
    }
}

#[derive(SolidityError)]
pub enum CabinetError {
    Range(OutOfRange),
}

#[public]
impl Cabinet {
    pub fn set_small(
        &mut self,
        flag: bool,
        small: u8,
        medium: u16,
        signed: i64,
        tag: FixedBytes<4>,
        owner: Address,
    ) {
        self.flag.set(flag);
        self.small.set(U8::from(small));
        self.medium.set(U16::from(medium));
        self.signed.set(I64::unchecked_from(signed));
        self.tag.set(tag);
        self.owner.set(owner);
    }

    pub fn small(&self) -> (bool, u8, u16, i64, FixedBytes<4>, Address) {
        (
            self.flag.get(),
            self.small.get().to(),
            self.medium.get().to(),
            self.signed.get().as_i64(),
            self.tag.get(),
            self.owner.get(),
        )
    }

    pub fn set_words(&mut self, number: U256, signed_number: I256, word: FixedBytes<32>) {
        self.number.set(number);
        self.signed_number.set(signed_number);
        self.word.set(word);
    }

    pub fn words(&self) -> (U256, I256, FixedBytes<32>) {
        (self.number.get(), self.signed_number.get(), self.word.get())
    }

    pub fn set_text(&mut self, text: String, data: Bytes) {
        self.text.set_str(text);
        self.data.set_bytes(data.0);
    }

    pub fn text(&self) -> (String, Bytes) {
        (self.text.get_string(), self.data.get_bytes().into())
    }

    pub fn append_byte(&mut self, byte: u8) {
        self.data.push(byte);
    }

    pub fn clear_text(&mut self) {
        self.text.erase();
        self.data.erase();
    }

    pub fn push(&mut self, value: U256, half: u16) {
        self.list.push(value);
        self.packed.push(U16::from(half));
    }

    pub fn pop(&mut self) -> Result<(U256, u16), CabinetError> {
        let empty = OutOfRange { index: U256::ZERO, length: U256::ZERO };
        let value = self.list.pop().ok_or(empty.clone())?;
        let half = self.packed.pop().ok_or(empty)?;
        Ok((value, half.to()))
    }

    pub fn at(&self, index: U256) -> Result<(U256, u16), CabinetError> {
        let range = OutOfRange { index, length: U256::from(self.list.len()) };
        let value = self.list.get(index).ok_or(range.clone())?;
        let half = self.packed.get(index).ok_or(range)?;
        Ok((value, half.to()))
    }

    pub fn length(&self) -> U256 {
        U256::from(self.list.len())
    }

    pub fn clear_lists(&mut self) {
        self.list.erase();
        self.packed.erase();
    }

    pub fn set_triple(&mut self, index: U256, value: U256) -> Result<(), CabinetError> {
        let range = OutOfRange { index, length: U256::from(3) };
        self.triple.setter(index).ok_or(range)?.set(value);
        Ok(())
    }

    pub fn triple(&self) -> (U256, U256, U256) {
        let at = |index: usize| self.triple.get(index).unwrap_or_default();
        (at(0), at(1), at(2))
    }

    pub fn fill(&mut self, number: U256, opened: u64, locked: bool, label: String, coins: Vec<U256>) {
        let owner = self.vm().msg_sender();
        let mut drawers = self.drawers.setter(owner);
        let mut drawer = drawers.setter(number);
        drawer.opened.set(alloy_primitives::aliases::U64::from(opened));
        drawer.locked.set(locked);
        drawer.label.set_str(label);
        drawer.coins.erase();
        for coin in coins {
            drawer.coins.push(coin);
        }
    }

    pub fn drawer(&self, owner: Address, number: U256) -> (u64, bool, String, Vec<U256>) {
        let drawers = self.drawers.getter(owner);
        let drawer = drawers.getter(number);
        let coins = (0..drawer.coins.len()).filter_map(|index| drawer.coins.get(index)).collect();
        (drawer.opened.get().to(), drawer.locked.get(), drawer.label.get_string(), coins)
    }

    pub fn empty(&mut self, number: U256) {
        let owner = self.vm().msg_sender();
        self.drawers.setter(owner).setter(number).erase();
    }
}

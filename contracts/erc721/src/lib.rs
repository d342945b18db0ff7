//! An ERC-721 token: every token has one owner, and a contract that receives one by `safeTransferFrom` is asked first.
//!
//! Anybody mints the next token for themselves. Tokens are numbered from 1. `abi.json` beside the manifest is its
//! interface.

#![expect(missing_docs, reason = "stylus-sdk's macros generate public items without documentation")]

extern crate alloc;

use alloc::{format, string::String, vec::Vec};
use alloy_primitives::{Address, FixedBytes, U256, fixed_bytes};
use alloy_sol_types::sol;
use stylus_sdk::{abi::Bytes, prelude::*};

/// What a receiver answers: the selector of `onERC721Received`.
const RECEIVED: FixedBytes<4> = fixed_bytes!("150b7a02");
/// The interfaces of ERC-165, ERC-721 and its metadata.
const INTERFACES: [FixedBytes<4>; 3] =
    [fixed_bytes!("01ffc9a7"), fixed_bytes!("80ac58cd"), fixed_bytes!("5b5e139f")];

sol! {
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId);
    event ApprovalForAll(address indexed owner, address indexed operator, bool approved);
    error ERC721NonexistentToken(uint256 tokenId);
    error ERC721IncorrectOwner(address sender, uint256 tokenId, address owner);
    error ERC721InsufficientApproval(address operator, uint256 tokenId);
    error ERC721InvalidReceiver(address receiver);
}

sol_interface! {
    interface IReceiver {
        function onERC721Received(address operator, address from, uint256 token, bytes data) external returns (bytes4);
    }
}

sol_storage! {
    #[entrypoint]
    pub struct Erc721 {
        mapping(uint256 => address) owners;
        mapping(address => uint256) balances;
        mapping(uint256 => address) approved;
        mapping(address => mapping(address => bool)) operators;
        uint256 minted;
    }
}

#[derive(SolidityError)]
pub enum Erc721Error {
    Nonexistent(ERC721NonexistentToken),
    Owner(ERC721IncorrectOwner),
    Approval(ERC721InsufficientApproval),
    Receiver(ERC721InvalidReceiver),
}

#[public]
impl Erc721 {
    pub fn name(&self) -> String {
        "Lathe Lot".into()
    }

    pub fn symbol(&self) -> String {
        "LOT".into()
    }

    #[selector(name = "tokenURI")]
    pub fn token_uri(&self, token_id: U256) -> Result<String, Erc721Error> {
        self.owner_of(token_id)?;
        Ok(format!("data:,lot%20{token_id}"))
    }

    pub fn supports_interface(&self, interface: FixedBytes<4>) -> bool {
        INTERFACES.contains(&interface)
    }

    pub fn total_supply(&self) -> U256 {
        self.minted.get()
    }

    pub fn balance_of(&self, owner: Address) -> U256 {
        self.balances.get(owner)
    }

    pub fn owner_of(&self, token_id: U256) -> Result<Address, Erc721Error> {
        let owner = self.owners.get(token_id);
        if owner.is_zero() { Err(ERC721NonexistentToken { tokenId: token_id }.into()) } else { Ok(owner) }
    }

    pub fn get_approved(&self, token_id: U256) -> Result<Address, Erc721Error> {
        self.owner_of(token_id)?;
        Ok(self.approved.get(token_id))
    }

    pub fn is_approved_for_all(&self, owner: Address, operator: Address) -> bool {
        self.operators.getter(owner).get(operator)
    }

    pub fn mint(&mut self) -> U256 {
        let to = self.vm().msg_sender();
        let token_id = self.minted.get() + U256::ONE;
        self.minted.set(token_id);
        self.give(to, token_id);
        self.vm().log(Transfer { from: Address::ZERO, to, tokenId: token_id });
        token_id
    }

    pub fn approve(&mut self, approved: Address, token_id: U256) -> Result<(), Erc721Error> {
        let owner = self.owner_of(token_id)?;
        let sender = self.vm().msg_sender();
        if sender != owner && !self.is_approved_for_all(owner, sender) {
            return Err(ERC721InsufficientApproval { operator: sender, tokenId: token_id }.into());
        }
        self.approved.insert(token_id, approved);
        self.vm().log(Approval { owner, approved, tokenId: token_id });
        Ok(())
    }

    pub fn set_approval_for_all(&mut self, operator: Address, approved: bool) {
        let owner = self.vm().msg_sender();
        self.operators.setter(owner).insert(operator, approved);
        self.vm().log(ApprovalForAll { owner, operator, approved });
    }

    pub fn transfer_from(&mut self, from: Address, to: Address, token_id: U256) -> Result<(), Erc721Error> {
        let owner = self.owner_of(token_id)?;
        let operator = self.vm().msg_sender();
        let may = operator == owner
            || self.approved.get(token_id) == operator
            || self.is_approved_for_all(owner, operator);
        if !may {
            return Err(ERC721InsufficientApproval { operator, tokenId: token_id }.into());
        }
        if owner != from {
            return Err(ERC721IncorrectOwner { sender: from, tokenId: token_id, owner }.into());
        }
        if to.is_zero() {
            return Err(ERC721InvalidReceiver { receiver: to }.into());
        }
        self.approved.delete(token_id);
        let balance = self.balances.get(from) - U256::ONE;
        self.balances.insert(from, balance);
        self.give(to, token_id);
        self.vm().log(Transfer { from, to, tokenId: token_id });
        Ok(())
    }

    #[selector(name = "safeTransferFrom")]
    pub fn safe_transfer_from(
        &mut self,
        from: Address,
        to: Address,
        token_id: U256,
    ) -> Result<(), Erc721Error> {
        self.safe_transfer_from_with_data(from, to, token_id, Vec::new().into())
    }

    #[selector(name = "safeTransferFrom")]
    pub fn safe_transfer_from_with_data(
        &mut self,
        from: Address,
        to: Address,
        token_id: U256,
        data: Bytes,
    ) -> Result<(), Erc721Error> {
        self.transfer_from(from, to, token_id)?;
        if self.vm().code_size(to) == 0 {
            return Ok(());
        }
        let operator = self.vm().msg_sender();
        let context = Call::new_mutating(self);
        let answer = IReceiver::new(to).on_erc_721_received(
            self.vm(),
            context,
            operator,
            from,
            token_id,
            data.0.into(),
        );
        match answer {
            Ok(RECEIVED) => Ok(()),
            _ => Err(ERC721InvalidReceiver { receiver: to }.into()),
        }
    }
}

impl Erc721 {
    fn give(&mut self, to: Address, token_id: U256) {
        self.owners.insert(token_id, to);
        let balance = self.balances.get(to) + U256::ONE;
        self.balances.insert(to, balance);
    }
}

//! The precompiled contracts: Ethereum's, and the two by which Stylus tools manage programs.

mod ethereum;
pub mod recover;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use revm::{
    Database,
    context::Cfg,
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, InterpreterResult},
    primitives::{Address, AddressSet},
};

use super::{
    AccountOverride,
    arb_wasm::{self, ARB_WASM, ARB_WASM_CACHE},
    evm::Ctx,
    program::CodeCache,
    protocol::Protocol,
};

/// Why a precompiled contract cannot move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// There is none.
    #[error("account {0} is not a precompile")]
    None(Address),
    /// It is there already.
    #[error("precompile {0} cannot be moved to itself")]
    ToItself(Address),
    /// Another one moves there.
    #[error("account {0} is already overridden by a precompile")]
    Twice(Address),
}

/// What revm dispatches by address before it looks for code.
#[derive(Debug)]
pub(super) struct Precompiles {
    ethereum: EthPrecompiles,
    code: Arc<CodeCache>,
    /// The addresses of all of them, which are warm from the start (EIP-2929).
    addresses: Arc<AddressSet>,
    /// Where a precompiled contract is now, and where it was.
    moved: BTreeMap<Address, Address>,
    /// Where none is any more.
    vacated: BTreeSet<Address>,
    /// Whether revm has yet to hear of it.
    has_changed: bool,
    /// Why the last call of one of ours failed, where its output does not say it. Outside consensus.
    failure: Option<String>,
}

impl Precompiles {
    /// Returns the precompiled contracts of a chain: Ethereum's of its fork, and ours if it has programs.
    pub(super) fn new(code: Arc<CodeCache>) -> Self {
        let protocol = code.protocol();
        let mut ethereum = EthPrecompiles::new(protocol.fork.spec());
        ethereum.precompiles = ethereum::precompiles(protocol);
        let addresses = code.precompile_addresses().clone();
        Self {
            ethereum,
            code,
            addresses,
            moved: BTreeMap::new(),
            vacated: BTreeSet::new(),
            has_changed: false,
            failure: None,
        }
    }

    /// Returns Ethereum's precompiled contracts and ours, by name.
    pub(super) fn names(&self) -> BTreeMap<String, Address> {
        let ethereum = self.ethereum.precompiles;
        let names = ethereum.addresses().filter_map(|address| {
            let precompile = ethereum.get(address)?;
            Some((precompile.id().name().to_owned(), *address))
        });
        let ours = [("ARB_WASM", ARB_WASM), ("ARB_WASM_CACHE", ARB_WASM_CACHE)];
        let ours = ours.into_iter().filter(|(_, address)| self.addresses.contains(address));
        names.chain(ours.map(|(name, address)| (name.to_owned(), address))).collect()
    }

    /// Returns whether one is at an address.
    pub(super) fn is_at(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    /// Moves those that overrides say to move, and takes away those whose code they replace.
    pub(super) fn apply(&mut self, overrides: &BTreeMap<Address, AccountOverride>) -> Result<(), MoveError> {
        let mut targets = BTreeMap::new();
        for (address, account) in overrides {
            let Some(target) = account.move_precompile_to else { continue };
            let source =
                self.source(address).filter(|_| self.is_at(address)).ok_or(MoveError::None(*address))?;
            if target == *address {
                return Err(MoveError::ToItself(target));
            }
            if targets.insert(target, source).is_some() {
                return Err(MoveError::Twice(target));
            }
        }
        for (address, account) in overrides {
            let is_replaced = account.code.is_some() || account.move_precompile_to.is_some();
            if is_replaced && self.is_at(address) {
                Arc::make_mut(&mut self.addresses).remove(address);
                self.moved.remove(address);
                self.vacated.insert(*address);
                self.has_changed = true;
            }
        }
        for (target, source) in targets {
            self.vacated.remove(&target);
            self.moved.insert(target, source);
            Arc::make_mut(&mut self.addresses).insert(target);
            self.has_changed = true;
        }
        Ok(())
    }

    /// Returns whether all are where the chain has them, and nothing is to be told.
    pub(super) fn are_in_place(&self) -> bool {
        self.moved.is_empty() && self.vacated.is_empty() && !self.has_changed && self.failure.is_none()
    }

    /// Returns where the contract was made for that would run at an address.
    fn source(&self, address: &Address) -> Option<Address> {
        match self.moved.get(address) {
            Some(source) => Some(*source),
            None if self.vacated.contains(address) => None,
            None => Some(*address),
        }
    }

    /// Takes the reason of a failure that no output tells.
    pub(super) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }
}

/// Returns where a chain has precompiled contracts: Ethereum's of its fork, and ours if it has programs.
pub(super) fn addresses(protocol: &Protocol) -> AddressSet {
    let mut addresses: AddressSet = ethereum::precompiles(protocol).addresses().copied().collect();
    if protocol.interfaces.vm_hooks {
        addresses.extend([ARB_WASM, ARB_WASM_CACHE]);
    }
    addresses
}

impl<DB: Database> PrecompileProvider<Ctx<DB>> for Precompiles {
    type Output = InterpreterResult;

    fn set_spec(
        &mut self,
        spec: <<Ctx<DB> as revm::context_interface::ContextTr>::Cfg as Cfg>::Spec,
    ) -> bool {
        // The fork is the chain's, which the context was made for.
        debug_assert!(spec == self.code.protocol().fork.spec(), "a chain has one fork");
        mem::take(&mut self.has_changed)
    }

    fn run(&mut self, ctx: &mut Ctx<DB>, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        let Some(address) = self.source(&inputs.bytecode_address) else { return Ok(None) };
        let moved;
        let inputs = if address == inputs.bytecode_address {
            inputs
        } else {
            moved = CallInputs { bytecode_address: address, ..inputs.clone() };
            &moved
        };
        match address {
            ARB_WASM | ARB_WASM_CACHE if self.code.protocol().interfaces.vm_hooks => {
                Ok(Some(arb_wasm::run(ctx, &self.code, inputs, &mut self.failure)))
            }
            recover::KEEPER => match recover::run(ctx, inputs) {
                Some(result) => Ok(Some(result)),
                None => self.ethereum.run(ctx, inputs),
            },
            _ => self.ethereum.run(ctx, inputs),
        }
    }

    fn warm_addresses(&self) -> &AddressSet {
        &self.addresses
    }

    fn contains(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }
}

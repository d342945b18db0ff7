//! The precompiled contracts: Ethereum's, and the two by which Stylus tools manage programs.

mod ethereum;

use std::sync::Arc;

use revm::{
    Database,
    context::Cfg,
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, InterpreterResult},
    primitives::{Address, AddressSet},
};

use super::{
    arb_wasm::{self, ARB_WASM, ARB_WASM_CACHE},
    evm::Ctx,
    program::CodeCache,
};

/// What revm dispatches by address before it looks for code.
#[derive(Debug)]
pub(super) struct Precompiles {
    ethereum: EthPrecompiles,
    code: Arc<CodeCache>,
    /// The addresses of all of them, which are warm from the start (EIP-2929).
    addresses: AddressSet,
    /// Why the last call of one of ours failed, where its output does not say it. Outside consensus.
    failure: Option<String>,
}

impl Precompiles {
    /// Returns the precompiled contracts of a chain: Ethereum's of its fork, and ours if it has programs.
    pub(super) fn new(code: Arc<CodeCache>) -> Self {
        let protocol = code.protocol();
        let mut ethereum = EthPrecompiles::new(protocol.fork.spec());
        ethereum.precompiles = ethereum::precompiles(protocol);
        let mut addresses = ethereum.warm_addresses().clone();
        if protocol.interfaces.vm_hooks {
            addresses.extend([ARB_WASM, ARB_WASM_CACHE]);
        }
        Self { ethereum, code, addresses, failure: None }
    }

    /// Takes the reason of a failure that no output tells.
    pub(super) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }
}

impl<DB: Database> PrecompileProvider<Ctx<DB>> for Precompiles {
    type Output = InterpreterResult;

    fn set_spec(
        &mut self,
        spec: <<Ctx<DB> as revm::context_interface::ContextTr>::Cfg as Cfg>::Spec,
    ) -> bool {
        // The fork is the chain's, which the context was made for.
        debug_assert!(spec == self.code.protocol().fork.spec(), "a chain has one fork");
        false
    }

    fn run(&mut self, ctx: &mut Ctx<DB>, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        match inputs.bytecode_address {
            ARB_WASM | ARB_WASM_CACHE if self.code.protocol().interfaces.vm_hooks => {
                Ok(Some(arb_wasm::run(ctx, &self.code, inputs, &mut self.failure)))
            }
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

//! The precompiled contracts: Ethereum's, and the two by which Stylus tools manage programs.

use std::sync::Arc;

use revm::{
    Database,
    context::Cfg,
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, InterpreterResult},
    primitives::{Address, AddressSet, hardfork::SpecId},
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
    /// Returns the precompiled contracts of a fork of Ethereum, and ours.
    pub(super) fn new(spec: SpecId, code: Arc<CodeCache>) -> Self {
        let ethereum = EthPrecompiles::new(spec);
        let addresses = addresses(&ethereum);
        Self { ethereum, code, addresses, failure: None }
    }

    /// Takes the reason of a failure that no output tells.
    pub(super) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }
}

fn addresses(ethereum: &EthPrecompiles) -> AddressSet {
    let mut addresses = ethereum.warm_addresses().clone();
    addresses.extend([ARB_WASM, ARB_WASM_CACHE]);
    addresses
}

impl<DB: Database> PrecompileProvider<Ctx<DB>> for Precompiles {
    type Output = InterpreterResult;

    fn set_spec(
        &mut self,
        spec: <<Ctx<DB> as revm::context_interface::ContextTr>::Cfg as Cfg>::Spec,
    ) -> bool {
        let changed = PrecompileProvider::<Ctx<DB>>::set_spec(&mut self.ethereum, spec);
        if changed {
            self.addresses = addresses(&self.ethereum);
        }
        changed
    }

    fn run(&mut self, ctx: &mut Ctx<DB>, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        match inputs.bytecode_address {
            ARB_WASM | ARB_WASM_CACHE => Ok(Some(arb_wasm::run(ctx, &self.code, inputs, &mut self.failure))),
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

//! What a chain decides about transactions: the fork of Ethereum, the interfaces of contracts, the rules of the VM.

use lathe_vm::Rules;
use revm::primitives::hardfork::SpecId;

use super::code::{EVM_CODE_BYTES_MAX, PROGRAM_CODE_BYTES_MAX};

macro_rules! define_forks {
    ($( #[doc = $doc:literal] $variant:ident $name:literal $spec:ident; )*) => {
        /// A fork of Ethereum: prices of storage and calls, precompiles, EVM opcodes, rules of transactions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fork {
            $( #[doc = $doc] $variant, )*
        }

        impl Fork {
            /// Every fork, the earliest first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name of the fork, in lower case.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            pub(super) const fn spec(self) -> SpecId {
                match self { $( Self::$variant => SpecId::$spec, )* }
            }
        }
    };
}

define_forks! {
    /// October 2017: REVERT, static calls, the first eight precompiles.
    Byzantium "byzantium" BYZANTIUM;
    /// February 2019: CREATE2, EXTCODEHASH, shifts.
    Petersburg "petersburg" PETERSBURG;
    /// December 2019: dearer state, CHAINID.
    Istanbul "istanbul" ISTANBUL;
    /// April 2021: cold and warm state.
    Berlin "berlin" BERLIN;
    /// August 2021: the base fee.
    London "london" LONDON;
    /// September 2022: the merge.
    Paris "paris" MERGE;
    /// April 2023: withdrawals, a limit of init code.
    Shanghai "shanghai" SHANGHAI;
    /// March 2024: transient storage, blobs.
    Cancun "cancun" CANCUN;
    /// May 2025: delegations of accounts.
    Prague "prague" PRAGUE;
    /// December 2025.
    Osaka "osaka" OSAKA;
}

impl Fork {
    /// Returns the fork of this name, in any case.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fork| fork.name().eq_ignore_ascii_case(name))
    }
}

/// What contracts a chain runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interfaces {
    /// EVM bytecode.
    pub evm: bool,
    /// Programs with the `vm_hooks` interface.
    pub vm_hooks: bool,
    /// Contracts with the `ethereum` interface (EEI).
    pub ethereum: bool,
    /// The functions of the module `debug`, which write to the node's log.
    pub debug: bool,
}

/// What a chain decides about transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The fork of Ethereum.
    pub fork: Fork,
    /// What contracts run.
    pub interfaces: Interfaces,
    /// Whether address 9 is a precompile that hashes with Keccak-256, as on the test networks of ewasm.
    pub keccak_precompile: bool,
    /// Bytes of EVM code that an account may hold (EIP-170); creation data may have twice as many (EIP-3860).
    pub evm_code_bytes_max: u32,
    /// What the VM allows and charges.
    pub rules: Rules,
}

impl Protocol {
    /// Returns the protocol of a devnet with these rules of the VM.
    pub const fn devnet(chain_id: u64, rules: Rules) -> Self {
        let interfaces = Interfaces { evm: true, vm_hooks: true, ethereum: true, debug: true };
        Self {
            chain_id,
            fork: Fork::Osaka,
            interfaces,
            keccak_precompile: false,
            evm_code_bytes_max: EVM_CODE_BYTES_MAX,
            rules,
        }
    }

    /// Returns whether the work of the VM is paid for. Where it is not, instructions are counted, and host functions
    /// cost what the EVM's opcodes do and nothing more.
    pub(super) const fn prices_work(&self) -> bool {
        self.rules.schedule.steps_max.is_none()
    }

    /// Returns the longest code of an EEI contract.
    pub(super) const fn eei_code_bytes_max(&self) -> usize {
        // Without programs the chain has the one limit of its fork (EIP-170).
        if self.interfaces.vm_hooks { PROGRAM_CODE_BYTES_MAX } else { self.evm_code_bytes_max as usize }
    }

    /// Returns the longest creation data of EVM contracts (EIP-3860).
    pub(super) const fn evm_creation_bytes_max(&self) -> usize {
        2 * self.evm_code_bytes_max as usize
    }

    /// Returns whether EEI has `create2` and `getChainId`, which the fork must have, too.
    pub(super) fn has_later_eei(&self) -> bool {
        self.fork >= Fork::Istanbul
    }
}

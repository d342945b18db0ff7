//! Calls without a transaction, and transactions that the node signs itself.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::{Header, SignableTransaction, TxEnvelope, TypedTransaction, transaction::Recovered};
use alloy_eips::{BlockId, eip2718::Encodable2718, eip2930::AccessList};
use alloy_primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use alloy_signer::SignerSync;
use lathe_state::View;

use crate::runtime::{
    AccountOverride, BlockContext, Executed, Failure, Request, Status, TimeLimit, revert_reason,
    trace::Capture,
};

use super::{
    CallError, Chain, ChainError, Purpose, Result, SubmitError, chain_id::chain_id_of, record::read_header,
};

/// What a call returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOutcome {
    /// The data the call returned.
    pub output: Bytes,
    /// Gas used, refunds subtracted.
    pub gas_used: u64,
    /// Logs the call would have emitted.
    pub logs: Vec<Log>,
}

/// A transaction that lacks nothing but its signature, whose fields are zero.
#[derive(Debug, Clone)]
pub struct FilledTransaction(pub Recovered<TxEnvelope>);

impl Chain {
    /// Runs a call without a transaction.
    pub fn call(
        &self,
        request: TransactionRequest,
        at: BlockId,
        state: Option<StateOverride>,
        block: Option<Box<BlockOverrides>>,
    ) -> Result<CallOutcome, CallError> {
        let overrides = account_overrides(state)?;
        let limit = self.time_limit();
        let request = self.request(&request)?;
        let executed = self.run(&request, at, &overrides, block.as_deref(), &limit);
        let executed = self.tell_call(Purpose::Result, &request, executed);
        if self.traces_are_wanted() {
            self.tell_trace(|| {
                let (view, context) = self.call_context(at, block.as_deref())?;
                let runtime = self.runtime();
                Ok(runtime.trace_call(view, &context, &request, &overrides, &Capture::FRAMES, &limit)?)
            });
        }
        let Executed { output, gas_used, logs, .. } = executed?;
        Ok(CallOutcome { output, gas_used, logs })
    }

    /// Fills what the request leaves out, signs it with a key of the node, unless its sender is impersonated, and submits it.
    pub fn send(&self, mut request: TransactionRequest) -> Result<B256, SubmitError> {
        let from = request.from.or_else(|| self.accounts().first().copied()).unwrap_or_default();
        let signer = self.dev_signers().iter().find(|signer| signer.address() == from);
        if signer.is_none() && !self.is_impersonated(from) {
            return Err(ChainError::UnknownAccount(from).into());
        }
        request.from = Some(from);
        let tx = self.fill(request)?;
        let Some(signer) = signer else { return self.send_unsigned(from, tx) };
        let signature = signer
            .sign_hash_sync(&tx.signature_hash())
            .map_err(|error| SubmitError::Sender(error.to_string()))?;
        let tx: TxEnvelope = tx.into_signed(signature).into();
        self.submit(&tx.encoded_2718())
    }

    /// Signs data as a message (EIP-191) with a key of the node: r, s and 27 or 28.
    pub fn sign_message(&self, address: Address, data: &[u8]) -> Result<Bytes, SubmitError> {
        let mut signers = self.dev_signers().iter();
        let signer = signers.find(|signer| signer.address() == address);
        let signer = signer.ok_or(ChainError::UnknownAccount(address))?;
        let signature =
            signer.sign_message_sync(data).map_err(|error| SubmitError::Sender(error.to_string()))?;
        Ok(Bytes::from(signature.as_bytes()))
    }

    /// Fills what the request leaves out, for whoever signs it.
    pub fn fill_transaction(&self, request: TransactionRequest) -> Result<FilledTransaction, SubmitError> {
        let from = request.from.unwrap_or_default();
        let tx = self.fill(request)?;
        let unsigned = Signature::new(U256::ZERO, U256::ZERO, false);
        Ok(FilledTransaction(Recovered::new_unchecked(tx.into_signed(unsigned).into(), from)))
    }

    pub(super) fn fill(&self, mut request: TransactionRequest) -> Result<TypedTransaction, SubmitError> {
        request.chain_id.get_or_insert(self.chain_id());
        if request.nonce.is_none() {
            request.nonce = Some(self.nonce(request.from.unwrap_or_default(), BlockId::pending())?);
        }
        if request.gas_price.is_none() {
            let tip = *request.max_priority_fee_per_gas.get_or_insert(self.priority_fee().into());
            let base_fee = u128::from(self.next_base_fee());
            let fee = base_fee.saturating_mul(2).saturating_add(tip).max(self.min_gas_price());
            request.max_fee_per_gas.get_or_insert(fee);
        }
        if request.gas.is_none() {
            request.gas = Some(self.estimate_gas(request.clone(), BlockId::latest(), None)?);
        }
        request.to.get_or_insert(TxKind::Create);
        request.build_typed_tx().map_err(|request| {
            SubmitError::Rejected(format!("the request is no complete transaction of one type: {request:?}"))
        })
    }

    /// Reads a request; gas that it leaves out is the block's limit.
    pub(super) fn request(&self, request: &TransactionRequest) -> Result<Request, CallError> {
        let data = match (&request.input.input, &request.input.data) {
            (Some(input), Some(data)) if input != data => {
                return Err(CallError::Rejected(
                    r#"both "data" and "input" are set and not equal. Please use "input" to pass transaction call data"#
                        .into(),
                ));
            }
            (input, data) => input.clone().or_else(|| data.clone()).unwrap_or_default(),
        };
        if request.gas_price.is_some()
            && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
        {
            return Err(CallError::Rejected(
                "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified".into(),
            ));
        }
        let chain_id = self.chain_id();
        if let Some(id) = request.chain_id.filter(|id| *id != chain_id) {
            return Err(CallError::Rejected(format!(
                "chainId does not match node's (have={id}, want={chain_id})"
            )));
        }
        Ok(Request {
            from: request.from.unwrap_or_default(),
            to: request.to.and_then(|to| to.to().copied()),
            gas: request.gas.unwrap_or(u64::MAX).min(self.block_gas_limit()),
            gas_price: request.gas_price.or(request.max_fee_per_gas).unwrap_or_default(),
            priority_fee: request.max_priority_fee_per_gas.filter(|_| request.max_fee_per_gas.is_some()),
            value: request.value.unwrap_or_default(),
            data,
            nonce: request.nonce,
            access_list: request.access_list.clone().unwrap_or_default(),
            authorizations: request.authorization_list.clone().unwrap_or_default(),
            ..Request::default()
        })
    }

    fn run(
        &self,
        request: &Request,
        at: BlockId,
        overrides: &BTreeMap<Address, AccountOverride>,
        block_overrides: Option<&BlockOverrides>,
        limit: &Arc<TimeLimit>,
    ) -> Result<Executed, CallError> {
        let (view, context) = self.call_context(at, block_overrides)?;
        Ok(self.runtime().call_within(view, &context, request, overrides, limit)?)
    }

    /// Runs a call with the list of the accounts and slots that it reads; returns the list, the gas that the call then
    /// uses, and why it failed if it did.
    pub fn access_list(
        &self,
        request: TransactionRequest,
        at: BlockId,
        state: Option<StateOverride>,
    ) -> Result<(AccessList, u64, Option<CallError>), CallError> {
        let overrides = account_overrides(state)?;
        let (view, context) = self.call_context(at, None)?;
        let request = self.request(&request)?;
        let limit = self.time_limit();
        let (list, executed) =
            self.runtime().call_with_access_list(view, &context, &request, &overrides, &limit)?;
        let gas_used = executed.gas_used;
        Ok((list, gas_used, self.tell_call(Purpose::AccessList, &request, Ok(executed)).err()))
    }

    /// Returns the state that a call at a block runs on, and the block that it sees.
    pub(super) fn call_context(
        &self,
        at: BlockId,
        block_overrides: Option<&BlockOverrides>,
    ) -> Result<(Arc<View>, BlockContext)> {
        let view = self.state_at(at)?;
        let latest = self.head();
        let mut context = if at == BlockId::pending() {
            self.next_block(&latest)
        } else if latest.hash == view.head().hash {
            // What was set since counts at once.
            BlockContext { chain_id: self.foreign_chain_id(), ..context_of_header(&latest.header) }
        } else {
            // The block whose state it is, whatever has become the latest meanwhile.
            context_of(&view, view.head().number)?
        };
        if let Some(block) = block_overrides {
            override_block(&mut context, block);
        }
        Ok((view, context))
    }
}

/// Returns what transactions of a block see of it.
pub(super) fn context_of(view: &View, number: u64) -> Result<BlockContext> {
    let header = view.header_by_number(number)?.ok_or_else(|| ChainError::missing_block(number))?.1;
    Ok(context_of_header(&read_header(header)))
}

fn context_of_header(header: &Header) -> BlockContext {
    BlockContext {
        number: header.number,
        timestamp: header.timestamp,
        beneficiary: header.beneficiary,
        gas_limit: header.gas_limit,
        base_fee: header.base_fee_per_gas.expect("every header of the chain has a base fee"),
        prevrandao: header.mix_hash,
        chain_id: chain_id_of(header),
    }
}

pub(super) fn override_block(context: &mut BlockContext, block: &BlockOverrides) {
    if let Some(number) = block.number {
        context.number = number.saturating_to();
    }
    if let Some(time) = block.time {
        context.timestamp = time;
    }
    if let Some(gas_limit) = block.gas_limit {
        context.gas_limit = gas_limit;
    }
    if let Some(coinbase) = block.coinbase {
        context.beneficiary = coinbase;
    }
    if let Some(random) = block.random {
        context.prevrandao = random;
    }
    if let Some(base_fee) = block.base_fee {
        context.base_fee = base_fee.saturating_to();
    }
}

pub(super) fn account_overrides(
    state: Option<StateOverride>,
) -> Result<BTreeMap<Address, AccountOverride>, CallError> {
    let mut overrides = BTreeMap::new();
    for (address, account) in state.unwrap_or_default() {
        if account.state.is_some() && account.state_diff.is_some() {
            return Err(CallError::Rejected(format!("account {address} has both 'state' and 'stateDiff'")));
        }
        let slots = |slots: alloy_primitives::map::B256HashMap<B256>| {
            slots
                .into_iter()
                .map(|(slot, value)| (slot.into(), value.into()))
                .collect::<BTreeMap<U256, U256>>()
        };
        let account = AccountOverride {
            balance: account.balance,
            nonce: account.nonce,
            code: account.code,
            state: account.state.map(slots),
            state_diff: account.state_diff.map(slots).unwrap_or_default(),
            move_precompile_to: account.move_precompile_to,
        };
        overrides.insert(address, account);
    }
    Ok(overrides)
}

/// Says of an estimate that ran out of gas how much it could have, in the words that clients of geth match on.
pub(super) fn exceeds_allowance(error: CallError, most: u64) -> CallError {
    match error {
        CallError::Halted { words, failure } if words.starts_with("out of gas") => {
            CallError::Halted { words: format!("gas required exceeds allowance ({most}): {words}"), failure }
        }
        error => error,
    }
}

/// Returns the execution if it succeeded, else why it did not.
pub(super) fn succeeded(executed: Executed) -> Result<Executed, CallError> {
    let failure = |failure: Option<Failure>| failure.map(Box::new);
    let error = match executed.status {
        Status::Success { .. } => return Ok(executed),
        Status::Reverted => CallError::Reverted {
            reason: revert_reason(&executed.output),
            output: executed.output,
            failure: failure(executed.failure),
        },
        Status::Halted(words) => CallError::Halted { words, failure: failure(executed.failure) },
    };
    Err(error)
}

"""eth-ape through the scenario of checks.json: its accounts, contracts, chain manager, and ape-foundry on a node that runs."""

import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scenario import (  # noqa: E402
    ADDRESSES, ETHER, KEYS, MAX_UINT256, MULTICALL3, OVERFLOW, SOLD_OUT, STRANGER, TOKEN_SUPPLY, URL, ZERO_ADDRESS, Scenario,
    artifact, equal, holds, thrown,
)

# ape keeps notes about every chain, and looks for a node where this says.
os.environ["APE_DATA_FOLDER"] = tempfile.mkdtemp(prefix="ape-")
os.environ["APE_FOUNDRY_HOST"] = URL

import ape  # noqa: E402
from ape.contracts import ContractContainer  # noqa: E402
from ape.exceptions import AccountsError, ContractLogicError, TransactionError  # noqa: E402
from ethpm_types import ContractType  # noqa: E402
from eth_account.messages import encode_defunct  # noqa: E402

scenario = Scenario("ape", version("eth-ape"))
check, absent = scenario.check, scenario.absent
ape.config.PROJECT_FOLDER = Path(__file__).resolve().parent
connection = ape.networks.parse_network_choice("ethereum:local:foundry")
provider = connection.__enter__()
accounts, chain = ape.accounts.test_accounts, ape.chain
alice, bob, carol = accounts[0], accounts[1], accounts[2]


def container(name):
    """Returns an artifact as ape takes it."""
    kind = artifact(name)
    code = {"bytecode": kind["bytecode"]}
    return ContractContainer(
        ContractType.model_validate({"contractName": name, "abi": kind["abi"], "deploymentBytecode": code})
    )


class Chain:
    """What earlier checks leave for later ones."""


@check("chain-id")
def _():
    equal(chain.chain_id, 31337)
    equal(provider.chain_id, 31337)


@check("accounts")
def _():
    equal([account.address for account in accounts[:4]], ADDRESSES)
    equal(len(accounts), 10)


@check("balance")
def _():
    equal(accounts[3].balance, 10_000 * ETHER)


@check("deploy")
def _():
    Chain.counter = alice.deploy(container("Counter"))
    Chain.probe = alice.deploy(container("Probe"))
    equal(bytes(provider.get_code(Chain.counter.address))[0], 0xEF)


@check("read")
def _():
    equal(Chain.counter.number(), 0)


@check("write")
def _():
    Chain.receipt = Chain.counter.setNumber(41, sender=alice)
    holds(not Chain.receipt.failed, "the transaction succeeded")
    Chain.counter.increment(sender=alice)
    equal(Chain.counter.number(), 42)


@check("estimate")
def _():
    gas = Chain.counter.increment.estimate_gas_cost(sender=alice)
    Chain.counter.increment(sender=alice, gas=gas)
    thrown(TransactionError, Chain.counter.increment, sender=alice, gas=gas - 1)


@check("receipt")
def _():
    receipt = Chain.receipt
    equal((receipt.sender, receipt.receiver), (alice.address, Chain.counter.address))
    equal((receipt.type, int(receipt.status)), (2, 1))
    equal(receipt.block.transactions[0].txn_hash.to_0x_hex(), receipt.txn_hash)
    equal(chain.get_receipt(receipt.txn_hash).gas_used, receipt.gas_used)


@check("event")
def _():
    (event,) = Chain.receipt.events
    equal((event.event_name, event.number), ("NumberChanged", 41))
    equal([log.number for log in Chain.receipt.decode_logs(Chain.counter.NumberChanged)], [41])


@check("logs")
def _():
    equal([log.number for log in Chain.counter.NumberChanged.range(0, chain.blocks.height + 1)], [41, 42, 43])
    frame = Chain.counter.NumberChanged.query("block_number", "event_arguments", start_block=0)
    equal([arguments["number"] for arguments in frame["event_arguments"]], [41, 42, 43])


absent("filter", "ape polls blocks and logs, without filters")


@check("custom-error")
def _():
    # ape reads the error out of the transaction's trace; of a call that fails it knows that it reverted.
    error = thrown(ContractLogicError, Chain.counter.addNumber, MAX_UINT256, sender=alice)
    equal((type(error).__name__, error.inputs), ("NumberOverflow", {"number": 43, "operand": MAX_UINT256}))
    thrown(ContractLogicError, Chain.counter.addNumber.call, MAX_UINT256, sender=alice)


@check("revert-reason")
def _():
    equal(thrown(ContractLogicError, Chain.probe.fail, SOLD_OUT).revert_message, "sold out")


@check("panic-code")
def _():
    error = thrown(ContractLogicError, Chain.probe.fail, OVERFLOW)
    holds("underflow or overflow" in str(error), str(error))


@check("deploy-with-arguments")
def _():
    arguments = ["Lathe Token", "LTH", TOKEN_SUPPLY]
    Chain.token = alice.deploy(container("Token"), *arguments, alice)
    equal((Chain.token.name(), Chain.token.decimals(), Chain.token.balanceOf(alice)), ("Lathe Token", 18, TOKEN_SUPPLY))
    thrown(ContractLogicError, alice.deploy, container("Token"), *arguments, ZERO_ADDRESS)


@check("transfer")
def _():
    equal(Chain.token.transfer.call(bob, 5, sender=alice), True)
    (event,) = Chain.token.transfer(bob, 5, sender=alice).events
    equal((event.event_name, event["from"], event.to, event.value), ("Transfer", alice.address, bob.address, 5))
    equal(Chain.token.balanceOf(bob), 5)


@check("allowance")
def _():
    token = Chain.token
    token.approve(bob, 100, sender=alice)
    token.transferFrom(alice, STRANGER, 60, sender=bob)
    equal(token.allowance(alice, bob), 40)
    error = thrown(ContractLogicError, token.transferFrom, alice, STRANGER, 60, sender=bob)
    equal((type(error).__name__, error.inputs["needed"]), ("ERC20InsufficientAllowance", 60))


absent("unlocked-account", "ape sends for accounts that it has the keys of, or that it impersonates")


def typed(kind, **fields):
    """Sends a transaction of a type and returns the node's account of it."""
    receipt = alice.transfer(STRANGER, 1, **fields)
    transaction = provider.web3.eth.get_transaction(receipt.txn_hash)
    equal(transaction.type, kind)
    return transaction


@check("legacy-transaction")
def _():
    typed(0, type=0)


@check("access-list-transaction")
def _():
    access_list = [{"address": Chain.counter.address, "storageKeys": [bytes(32)]}]
    receipt = Chain.counter.increment(sender=alice, type=1, access_list=access_list)
    transaction = provider.web3.eth.get_transaction(receipt.txn_hash)
    equal((transaction.type, [entry.address for entry in transaction.accessList]), (1, [Chain.counter.address]))


@check("fee-market-transaction")
def _():
    transaction = typed(2, max_fee=10**10, max_priority_fee=7)
    equal(transaction.gasPrice, chain.blocks[transaction.blockNumber].base_fee + 7)


@check("set-code-transaction")
def _():
    delegator = accounts[3]
    delegator.set_delegate(Chain.counter, data=Chain.counter.increment.encode_input())
    equal(delegator.delegate.address, Chain.counter.address)
    equal(ape.Contract(delegator.address, contract_type=Chain.counter.contract_type).number(), 1)


# ape has one type for what a node refuses, with the node's words.
@check("nonce-too-low")
def _():
    error = thrown((AccountsError, TransactionError), alice.transfer, STRANGER, 1, nonce=0, gas=21_000)
    holds("nonce" in str(error).lower(), str(error))


@check("insufficient-funds")
def _():
    error = thrown((AccountsError, TransactionError), alice.transfer, STRANGER, 10**30, gas=21_000)
    holds("insufficient funds" in str(error).lower() or "exceeds account balance" in str(error), str(error))


absent("batch", "ape sends one request at a time")


@check("multicall")
def _():
    from ape_ethereum import multicall

    call = multicall.Call()
    call.add(Chain.counter.number)
    call.add(Chain.token.balanceOf, bob)
    equal(list(call()), [Chain.counter.number(), 5])


absent("deployless", "ape has none")


@check("personal-sign")
def _():
    # Through the node: ape's own accounts sign by themselves.
    message = encode_defunct(text="Lathe says hello")
    signature = provider.make_request("personal_sign", ["0x" + b"Lathe says hello".hex(), alice.address])
    from eth_account import Account

    equal(Account.recover_message(message, signature=signature), alice.address)
    holds(alice.check_signature(message, alice.sign_message(message)), "ape's own signature holds")


absent("typed-data", "ape signs typed data with keys of its own")
absent("new-heads", "ape polls blocks")
absent("log-subscription", "ape polls logs")


@check("storage")
def _():
    equal(int.from_bytes(provider.get_storage(Chain.counter.address, 0), "big"), Chain.counter.number())


@check("proof")
def _():
    proof = provider.web3.eth.get_proof(Chain.counter.address, [0])
    equal(int.from_bytes(proof.storageProof[0].value, "big"), Chain.counter.number())


@check("history")
def _():
    number = Chain.receipt.block_number
    equal((Chain.counter.number(block_id=number), Chain.counter.number(block_id=number - 1)), (41, 0))
    equal(chain.history[alice.address][0].nonce, 0)


@check("access-list")
def _():
    transaction = Chain.counter.increment.as_transaction(sender=alice)
    (entry,) = provider.create_access_list(transaction)
    equal((entry.address, len(entry.storage_keys)), (Chain.counter.address, 1))


absent("simulate", "ape has none")


@check("script")
def _():
    # Blocks and accounts through ape's managers, as its scripts see them.
    equal(chain.blocks.head.number, chain.blocks.height)
    frame = chain.blocks.query("number", "gas_used", start_block=0, stop_block=2)
    equal(list(frame["number"]), [0, 1, 2])


@check("pool")
def _():
    provider.auto_mine = False
    try:
        before = alice.nonce
        sent = alice.transfer(STRANGER, 2, gas=21_000, required_confirmations=0)
        equal(provider.get_nonce(alice.address, block_id="pending"), before + 1)
        chain.mine()
        equal(chain.get_receipt(sent.txn_hash).failed, False)
    finally:
        provider.auto_mine = True


@check("snapshot")
def _():
    number = Chain.counter.number()
    mark = chain.snapshot()
    Chain.counter.setNumber(1_000, sender=alice)
    chain.restore(mark)
    equal(Chain.counter.number(), number)
    with chain.isolate():
        Chain.counter.setNumber(1_001, sender=alice)
    equal(Chain.counter.number(), number)


@check("mine")
def _():
    before = chain.blocks.height
    chain.mine(10)
    equal(chain.blocks.height, before + 10)


@check("time")
def _():
    later = chain.blocks.head.timestamp + 86_400
    chain.mine(timestamp=later)
    holds(chain.blocks.head.timestamp >= later, "the clock went on")
    chain.pending_timestamp += 3_600
    chain.mine()
    holds(chain.blocks.head.timestamp >= later + 3_600, "the clock went on")


@check("set-balance")
def _():
    stranger = accounts[5]
    stranger.balance = 5 * ETHER
    equal(stranger.balance, 5 * ETHER)
    provider.set_code(STRANGER, provider.get_code(Chain.counter.address))
    provider.set_storage(STRANGER, 0, (77).to_bytes(32, "big"))
    equal(ape.Contract(STRANGER, contract_type=Chain.counter.contract_type).number(), 77)


@check("impersonate")
def _():
    token = Chain.token.address
    chain.set_balance(token, ETHER)
    with ape.accounts.use_sender(ape.accounts[token]) as sender:
        receipt = Chain.counter.setNumber(11, sender=sender)
    equal((receipt.sender, Chain.counter.number()), (token, 11))


absent("state-dump", "ape has none")
scenario.finish()

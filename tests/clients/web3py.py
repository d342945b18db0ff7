"""web3.py through the scenario of checks.json: HTTP and WebSocket providers, its own types of errors."""

import asyncio

import web3
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from web3 import AsyncWeb3, HTTPProvider, Web3, WebSocketProvider
from web3.exceptions import (
    ContractCustomError, ContractLogicError, ContractPanicError, TransactionNotFound, Web3RPCError,
)
from web3.middleware import SignAndSendRawMiddlewareBuilder

from scenario import (
    ADDRESSES, ETHER, KEYS, MAX_UINT256, MULTICALL3, OVERFLOW, SOLD_OUT, STRANGER, TOKEN_SUPPLY, TYPED_DATA, URL, WS_URL,
    ZERO_ADDRESS, Scenario, artifact, equal, holds, thrown,
)

scenario = Scenario("web3.py", web3.__version__)
check, absent = scenario.check, scenario.absent
w3 = Web3(HTTPProvider(URL))
eth = w3.eth
alice, bob = ADDRESSES[:2]
# Transactions of these two are signed here and sent raw.
w3.middleware_onion.add(SignAndSendRawMiddlewareBuilder.build(KEYS[:2]))
eth.default_account = alice


def rpc(method, *params):
    """Sends a method that web3.py has no words for."""
    answer = w3.provider.make_request(method, list(params))
    if "error" in answer:
        raise AssertionError(f"{method}: {answer['error']}")
    return answer["result"]


def mined(tx_hash):
    receipt = eth.wait_for_transaction_receipt(tx_hash, poll_latency=0.02)
    equal(receipt.status, 1)
    return receipt


def deploy(name, *args):
    """Deploys an artifact and returns the contract."""
    kind = eth.contract(abi=artifact(name)["abi"], bytecode=artifact(name)["bytecode"])
    return eth.contract(mined(kind.constructor(*args).transact()).contractAddress, abi=artifact(name)["abi"])


class Chain:
    """What earlier checks leave for later ones."""


@check("chain-id")
def _():
    equal(eth.chain_id, 31337)
    equal(w3.net.version, "31337")
    holds(w3.is_connected() and "Lathe/v" in w3.client_version, w3.client_version)


@check("accounts")
def _():
    equal(eth.accounts[:4], ADDRESSES)
    equal(len(eth.accounts), 10)


@check("balance")
def _():
    equal(eth.get_balance(ADDRESSES[3]), 10_000 * ETHER)


@check("deploy")
def _():
    Chain.counter = deploy("Counter")
    Chain.probe = deploy("Probe")
    equal(eth.get_code(Chain.counter.address)[0], 0xEF)


@check("read")
def _():
    equal(Chain.counter.functions.number().call(), 0)


@check("write")
def _():
    Chain.receipt = mined(Chain.counter.functions.setNumber(41).transact())
    mined(Chain.counter.functions.increment().transact())
    equal(Chain.counter.functions.number().call(), 42)


@check("estimate")
def _():
    increment = Chain.counter.functions.increment()
    gas = increment.estimate_gas()
    mined(increment.transact({"gas": gas}))
    equal(eth.wait_for_transaction_receipt(increment.transact({"gas": gas - 1})).status, 0)


@check("receipt")
def _():
    receipt = Chain.receipt
    equal((receipt["from"], receipt.to, receipt.type), (alice, Chain.counter.address, 2))
    equal((receipt.contractAddress, receipt.cumulativeGasUsed), (None, receipt.gasUsed))
    transaction = eth.get_transaction(receipt.transactionHash)
    equal(Chain.counter.decode_function_input(transaction.input)[1], {"number": 41})
    block = eth.get_block(receipt.blockNumber, full_transactions=True)
    equal((block.hash, block.transactions[0].hash), (receipt.blockHash, receipt.transactionHash))
    equal(eth.get_block_receipts(receipt.blockNumber)[0].transactionHash, receipt.transactionHash)
    equal(w3.keccak(eth.get_raw_transaction(receipt.transactionHash)), receipt.transactionHash)


@check("event")
def _():
    (event,) = Chain.counter.events.NumberChanged().process_receipt(Chain.receipt)
    equal((event.event, event.args.number), ("NumberChanged", 41))


@check("logs")
def _():
    events = Chain.counter.events.NumberChanged().get_logs(from_block=0)
    equal([event.args.number for event in events], [41, 42, 43])
    block = Chain.receipt.blockHash
    equal([log.data for log in eth.get_logs({"blockHash": block})], [(41).to_bytes(32, "big")])


@check("filter")
def _():
    logs = Chain.counter.events.NumberChanged.create_filter(from_block="latest")
    blocks = eth.filter("latest")
    logs.get_new_entries()
    receipt = mined(Chain.counter.functions.setNumber(8).transact())
    equal([event.args.number for event in logs.get_new_entries()], [8])
    equal(blocks.get_new_entries(), [receipt.blockHash])
    holds(eth.uninstall_filter(logs.filter_id), "the filter was there")


@check("custom-error")
def _():
    add = Chain.counter.functions.addNumber(MAX_UINT256)
    for action in (add.call, add.estimate_gas, add.transact):
        error = thrown(ContractCustomError, action)
        equal(error.data[:10], Web3.keccak(text="NumberOverflow(uint256,uint256)")[:4].to_0x_hex())
        equal(w3.codec.decode(["uint256", "uint256"], bytes.fromhex(error.data[10:])), (8, MAX_UINT256))


@check("revert-reason")
def _():
    error = thrown(ContractLogicError, Chain.probe.functions.fail(SOLD_OUT).call)
    equal(error.message, "execution reverted: sold out")


@check("panic-code")
def _():
    error = thrown(ContractPanicError, Chain.probe.functions.fail(OVERFLOW).call)
    holds("underflow or overflow" in str(error), str(error))


@check("deploy-with-arguments")
def _():
    Chain.token = deploy("Token", "Lathe Token", "LTH", TOKEN_SUPPLY, alice)
    functions = Chain.token.functions
    equal((functions.name().call(), functions.decimals().call()), ("Lathe Token", 18))
    equal(functions.balanceOf(alice).call(), TOKEN_SUPPLY)
    thrown(ContractCustomError, deploy, "Token", "Lathe Token", "LTH", TOKEN_SUPPLY, ZERO_ADDRESS)


@check("transfer")
def _():
    transfer = Chain.token.functions.transfer(bob, 5)
    equal(transfer.call(), True)
    (event,) = Chain.token.events.Transfer().process_receipt(mined(transfer.transact()))
    equal(dict(event.args), {"from": alice, "to": bob, "value": 5})
    found = Chain.token.events.Transfer().get_logs(from_block=0, argument_filters={"to": bob})
    equal(len(found), 1)


@check("allowance")
def _():
    functions = Chain.token.functions
    mined(functions.approve(bob, 100).transact())
    mined(functions.transferFrom(alice, STRANGER, 60).transact({"from": bob}))
    equal(functions.allowance(alice, bob).call(), 40)
    error = thrown(ContractCustomError, functions.transferFrom(alice, STRANGER, 60).call, {"from": bob})
    equal(w3.codec.decode(["address", "uint256", "uint256"], bytes.fromhex(error.data[10:])), (bob.lower(), 40, 60))


@check("unlocked-account")
def _():
    mined(eth.send_transaction({"from": ADDRESSES[2], "to": STRANGER, "value": 1}))
    mined(Chain.counter.functions.setNumber(9).transact({"from": ADDRESSES[2]}))
    equal(Chain.counter.functions.number().call(), 9)


def typed(kind, **fields):
    """Sends a transaction of a type and returns the node's account of it."""
    transaction = {"to": STRANGER, "value": 1, "gas": 100_000, "chainId": 31337, "nonce": eth.get_transaction_count(alice)}
    signed = Account.sign_transaction(transaction | fields, KEYS[0])
    receipt = mined(eth.send_raw_transaction(signed.raw_transaction))
    equal((receipt.transactionHash, receipt.type), (signed.hash, kind))
    return eth.get_transaction(signed.hash)


@check("legacy-transaction")
def _():
    typed(0, gasPrice=eth.gas_price)


@check("access-list-transaction")
def _():
    access_list = [{"address": Chain.counter.address, "storageKeys": ["0x" + "00" * 32]}]
    transaction = typed(1, type=1, gasPrice=eth.gas_price, accessList=access_list)
    equal(transaction.accessList[0].address, Chain.counter.address)


FEES = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 7}


@check("fee-market-transaction")
def _():
    transaction = typed(2, **FEES)
    equal(transaction.gasPrice, eth.get_block(transaction.blockNumber).baseFeePerGas + 7)
    history = eth.fee_history(4, "latest", [50])
    equal((len(history.baseFeePerGas), len(history.reward)), (5, 4))


@check("set-code-transaction")
def _():
    delegator, target = Account.from_key(KEYS[3]), Chain.counter
    authorization = delegator.sign_authorization({"chainId": 31337, "address": target.address, "nonce": 0})
    data = target.encode_abi("increment")
    typed(4, **FEES, to=delegator.address, value=0, data=data, authorizationList=[authorization])
    equal(eth.get_code(delegator.address), bytes.fromhex("ef0100" + target.address[2:]))
    equal(eth.contract(delegator.address, abi=target.abi).functions.number().call(), 1)


# web3.py has one type for what a node refuses, with the node's words.
@check("nonce-too-low")
def _():
    error = thrown(Web3RPCError, eth.send_transaction, {"to": STRANGER, "value": 1, "nonce": 0, "gas": 21_000})
    holds("nonce too low" in error.message, error.message)


@check("insufficient-funds")
def _():
    for gas in ({}, {"gas": 21_000}):
        error = thrown(Web3RPCError, eth.send_transaction, {"to": STRANGER, "value": 10**30} | gas)
        holds("insufficient funds" in error.message, error.message)


@check("batch")
def _():
    with w3.batch_requests() as batch:
        batch.add(eth.get_balance(alice))
        batch.add(Chain.counter.functions.number())
        batch.add(eth.get_block("latest"))
        balance, number, block = batch.execute()
    equal((balance, number, block.hash), (eth.get_balance(alice), 9, eth.get_block("latest").hash))


@check("multicall")
def _():
    abi = {
        "name": "aggregate3",
        "type": "function",
        "stateMutability": "payable",
        "inputs": [{
            "name": "calls",
            "type": "tuple[]",
            "components": [
                {"name": "target", "type": "address"},
                {"name": "allowFailure", "type": "bool"},
                {"name": "callData", "type": "bytes"},
            ],
        }],
        "outputs": [{
            "name": "returnData",
            "type": "tuple[]",
            "components": [{"name": "success", "type": "bool"}, {"name": "returnData", "type": "bytes"}],
        }],
    }
    counter = Chain.counter
    data = [counter.encode_abi("number"), counter.encode_abi("addNumber", [MAX_UINT256])]
    multicall = eth.contract(MULTICALL3, abi=[abi])
    number, refused = multicall.functions.aggregate3([(counter.address, True, each) for each in data]).call()
    equal((number[0], int.from_bytes(number[1], "big"), refused[0]), (True, 9, False))


absent("deployless", "web3.py has none")


@check("personal-sign")
def _():
    signature = eth.sign(ADDRESSES[2], text="Lathe says hello")
    equal(Account.recover_message(encode_defunct(text="Lathe says hello"), signature=signature), ADDRESSES[2])
    signature = rpc("personal_sign", "0x" + b"Lathe says hello".hex(), ADDRESSES[2])
    equal(Account.recover_message(encode_defunct(text="Lathe says hello"), signature=signature), ADDRESSES[2])


@check("typed-data")
def _():
    signature = rpc("eth_signTypedData_v4", ADDRESSES[2], TYPED_DATA)
    equal(Account.recover_message(encode_typed_data(full_message=TYPED_DATA), signature=signature), ADDRESSES[2])


async def subscribed(kind, act, *args):
    """Returns what a subscription reports first while `act` acts."""
    async with AsyncWeb3(WebSocketProvider(WS_URL)) as socket:
        subscription = await socket.eth.subscribe(kind, *args)
        act()
        async for message in socket.socket.process_subscriptions():
            equal(message["subscription"], subscription)
            await socket.eth.unsubscribe(subscription)
            return message["result"]


@check("new-heads")
def _():
    sent = []
    head = asyncio.run(subscribed("newHeads", lambda: sent.append(mined(Chain.counter.functions.setNumber(10).transact()))))
    equal((head["number"], head["hash"]), (sent[0].blockNumber, sent[0].blockHash))


@check("log-subscription")
def _():
    functions = Chain.token.functions

    def act():
        mined(functions.transfer(STRANGER, 1).transact())
        mined(functions.transfer(ADDRESSES[3], 3).transact())

    topics = [Web3.keccak(text="Transfer(address,address,uint256)").to_0x_hex(), None, "0x" + ADDRESSES[3][2:].zfill(64)]
    log = asyncio.run(subscribed("logs", act, {"address": Chain.token.address, "topics": topics}))
    equal(Chain.token.events.Transfer().process_log(log).args.value, 3)


@check("storage")
def _():
    equal(eth.get_storage_at(Chain.counter.address, 0), (10).to_bytes(32, "big"))


@check("proof")
def _():
    # web3.py sends slots as short quantities: 0x0.
    proof = eth.get_proof(Chain.counter.address, [0, 1])
    equal([int.from_bytes(entry.value, "big") for entry in proof.storageProof], [10, 0])
    equal(w3.keccak(proof.accountProof[0]), eth.get_block("latest").stateRoot)
    equal(w3.keccak(proof.storageProof[0].proof[0]), proof.storageHash)


@check("history")
def _():
    number = Chain.receipt.blockNumber
    equal(Chain.counter.functions.number().call(block_identifier=number), 41)
    equal(Chain.counter.functions.number().call(block_identifier=Chain.receipt.blockHash), 41)
    equal(Chain.counter.functions.number().call(block_identifier=number - 1), 0)


@check("access-list")
def _():
    data = Chain.counter.encode_abi("increment")
    answer = eth.create_access_list({"from": alice, "to": Chain.counter.address, "data": data})
    entry = next(entry for entry in answer.accessList if entry.address == Chain.counter.address)
    equal(entry.storageKeys, ["0x" + "00" * 32])


@check("simulate")
def _():
    counter = Chain.counter
    calls = [counter.encode_abi("setNumber", [99]), counter.encode_abi("increment"), counter.encode_abi("number")]
    calls = [{"from": alice, "to": counter.address, "data": data} for data in calls]
    (block,) = eth.simulate_v1({"blockStateCalls": [{"calls": calls}], "validation": False}, "latest")
    equal([call.status for call in block.calls], [1, 1, 1])
    equal(int.from_bytes(block.calls[2].returnData, "big"), 100)
    equal(counter.functions.number().call(), 10)


absent("script", "web3.py has none")


# web3.py has no words of its own for what a devnet is told; its users send the methods.
@check("pool")
def _():
    rpc("evm_setAutomine", False)
    try:
        before = eth.get_transaction_count(alice)
        sent = eth.send_transaction({"to": STRANGER, "value": 2})
        thrown(TransactionNotFound, eth.get_transaction_receipt, sent)
        equal(eth.get_transaction_count(alice, "pending"), before + 1)
        equal(int(w3.geth.txpool.status()["pending"], 16), 1)
        # The replacement pays more.
        sent = eth.replace_transaction(sent, {"to": STRANGER, "value": 3, "gas": 21_000, **{name: 3 * 10**9 for name in FEES}})
        rpc("evm_mine")
        equal(eth.get_transaction(mined(sent).transactionHash).value, 3)
    finally:
        rpc("evm_setAutomine", True)


@check("snapshot")
def _():
    mark = rpc("evm_snapshot")
    mined(Chain.counter.functions.setNumber(1_000).transact())
    equal(rpc("evm_revert", mark), True)
    equal(Chain.counter.functions.number().call(), 10)


@check("mine")
def _():
    before = eth.block_number
    rpc("anvil_mine", "0xa", "0x3c")
    equal(eth.block_number, before + 10)


@check("time")
def _():
    before = eth.get_block("latest").timestamp
    rpc("evm_increaseTime", 86_400)
    rpc("evm_mine")
    holds(eth.get_block("latest").timestamp >= before + 86_400, "the clock went on")
    rpc("evm_setNextBlockTimestamp", before + 100_000)
    rpc("evm_mine")
    equal(eth.get_block("latest").timestamp, before + 100_000)


@check("set-balance")
def _():
    rpc("anvil_setBalance", STRANGER, hex(5 * ETHER))
    equal(eth.get_balance(STRANGER), 5 * ETHER)
    rpc("hardhat_setNonce", STRANGER, "0x2a")
    equal(eth.get_transaction_count(STRANGER), 42)


@check("impersonate")
def _():
    token = Chain.token.address
    rpc("anvil_setBalance", token, hex(ETHER))
    rpc("anvil_impersonateAccount", token)
    receipt = mined(Chain.counter.functions.setNumber(11).transact({"from": token}))
    equal((receipt["from"], Chain.counter.functions.number().call()), (token, 11))
    rpc("anvil_stopImpersonatingAccount", token)
    thrown(Web3RPCError, eth.send_transaction, {"from": token, "to": STRANGER})


@check("state-dump")
def _():
    state = rpc("anvil_dumpState")
    mined(Chain.counter.functions.setNumber(500).transact())
    rpc("anvil_loadState", state)
    equal(Chain.counter.functions.number().call(), 11)


scenario.finish()

"""web3.py over the node's Unix socket: requests, transactions, errors, an answer longer than any buffer, and subscriptions."""

import asyncio
import json
import os

from web3 import AsyncIPCProvider, AsyncWeb3, IPCProvider, Web3
from web3.exceptions import Web3RPCError

PATH = os.environ["LATHE_IPC"]
WEI = 7


def over_requests():
    """Asks one thing after the other."""
    w3 = Web3(IPCProvider(PATH))
    alice, bob = w3.eth.accounts[:2]
    before = w3.eth.get_balance(bob)
    receipt = w3.eth.wait_for_transaction_receipt(w3.eth.send_transaction({"from": alice, "to": bob, "value": WEI}))
    # Each answer with a thousand blocks' fees is some hundred KiB.
    w3.provider.make_request("anvil_mine", [1_100])
    history = w3.eth.fee_history(1_024, "latest", [index / 2 for index in range(100)])
    try:
        w3.eth.send_transaction({"from": bob, "to": alice, "value": 10**30})
        refusal = None
    except Web3RPCError as error:
        refusal = error.rpc_response["error"]["code"]
    with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block("latest"))
        batch.add(w3.eth.get_balance(bob))
        block, balance = batch.execute()
    return {
        "chainId": w3.eth.chain_id,
        "isConnected": w3.is_connected(),
        "status": receipt["status"],
        "gained": balance - before,
        "number": block["number"],
        "rewards": len(history["reward"]),
        "refusal": refusal,
    }


async def over_subscriptions():
    """Is told of blocks on the connection that mines them."""
    async with AsyncWeb3(AsyncIPCProvider(PATH)) as w3:
        subscription = await w3.eth.subscribe("newHeads")
        first = await w3.eth.block_number
        await w3.provider.make_request("anvil_mine", [3])
        numbers = []
        async for message in w3.socket.process_subscriptions():
            assert message["subscription"] == subscription, message
            numbers.append(message["result"]["number"] - first)
            if len(numbers) == 3:
                break
        return {"heads": numbers, "ended": await w3.eth.unsubscribe(subscription)}


print(json.dumps(over_requests() | asyncio.run(over_subscriptions())))

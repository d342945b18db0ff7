// Deploys the counter with viem, reads it, writes it, waits for receipts, and meets errors.
//   node viem.mjs URL PRIVATE_KEY CREATION_DATA
import { createPublicClient, createWalletClient, http, parseAbi, parseEventLogs, maxUint256 } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'

const [url, key, bytecode] = process.argv.slice(2)
const account = privateKeyToAccount(key)
const client = createPublicClient({ chain: foundry, transport: http(url), pollingInterval: 20 })
const wallet = createWalletClient({ account, chain: foundry, transport: http(url) })
const abi = parseAbi([
  'function number() view returns (uint256)',
  'function setNumber(uint256 number)',
  'function addNumber(uint256 operand)',
  'event NumberChanged(uint256 number)',
  'error NumberOverflow(uint256 number, uint256 operand)',
])

const deployment = await client.waitForTransactionReceipt({ hash: await wallet.deployContract({ abi, bytecode }) })
const contract = { address: deployment.contractAddress, abi }
const read = () => client.readContract({ ...contract, functionName: 'number' })
const before = await read()
const { request } = await client.simulateContract({ account, ...contract, functionName: 'setNumber', args: [7n] })
const receipt = await client.waitForTransactionReceipt({ hash: await wallet.writeContract(request) })
const [event] = parseEventLogs({ abi, logs: receipt.logs })

// The name of the innermost error that says what happened.
const nameOf = async (promise, pick) => {
  try {
    await promise
    return 'no error'
  } catch (error) {
    return pick(error)
  }
}
const revert = await nameOf(
  client.simulateContract({ account, ...contract, functionName: 'addNumber', args: [maxUint256] }),
  (error) => error.walk((e) => e.data?.errorName)?.data.errorName ?? error.shortMessage,
)
const unknownMethod = await nameOf(
  client.request({ method: 'eth_notThere' }, { retryCount: 0 }),
  (error) => error.walk((e) => e.name === 'MethodNotFoundRpcError')?.name ?? error.name,
)
const nonce = await nameOf(
  wallet.sendTransaction({ to: account.address, value: 1n, nonce: 0, gas: 21000n }),
  (error) => error.walk((e) => e.name === 'NonceTooLowError')?.name ?? error.message,
)

console.log(
  JSON.stringify({
    chainId: await client.getChainId(),
    deployed: deployment.status,
    before: String(before),
    written: receipt.status,
    after: String(await read()),
    event: String(event.args.number),
    revert,
    unknownMethod,
    nonce,
  }),
)

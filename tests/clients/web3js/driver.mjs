// web3.js through the scenario of checks.json: wallet, contracts, batches, subscriptions, its own types of errors.
import assert from 'node:assert/strict'
import { getEncodedEip712Data } from 'web3-eth-abi'
import { Web3, ContractExecutionError, ResponseError, TransactionRevertInstructionError, TransactionRevertedWithoutReasonError } from 'web3'
import {
  ETHER, MAX_UINT256, MULTICALL3, OVERFLOW, SOLD_OUT, TOKEN_SUPPLY, addresses, artifact, keys, scenario, stranger, thrown,
  typedData, until, url, wsUrl,
} from '../scenario.mjs'

const { check, absent, finish } = scenario('web3.js', Web3.version)
const web3 = new Web3(url)
const { eth, utils } = web3
eth.transactionPollingInterval = 20
for (const key of keys.slice(0, 2)) eth.accounts.wallet.add(key)
const [alice, bob] = addresses
const request = (method, ...params) => web3.currentProvider.request({ jsonrpc: '2.0', id: 1, method, params }).then(({ result, error }) => {
  if (error) throw new Error(`${method}: ${JSON.stringify(error)}`)
  return result
})
const deploy = async (name, ...args) => {
  const { abi, bytecode } = artifact(name)
  const contract = new eth.Contract(abi, { dataInputFill: 'input' })
  return contract.deploy({ data: bytecode, arguments: args }).send({ from: alice })
}
const from = { from: alice }
let counter, token, probe

await check('chain-id', async () => {
  assert.equal(await eth.getChainId(), 31337n)
  assert.equal(await eth.net.getId(), 31337n)
  assert.equal(await eth.net.isListening(), true)
})
await check('accounts', async () => {
  const accounts = await eth.getAccounts()
  assert.deepEqual(accounts.slice(0, 4), addresses)
  assert.equal(accounts.length, 10)
})
await check('balance', async () => assert.equal(await eth.getBalance(addresses[3]), 10_000n * ETHER))
await check('deploy', async () => {
  counter = await deploy('Counter')
  probe = await deploy('Probe')
  assert.match(await eth.getCode(counter.options.address), /^0xef/)
})
await check('read', async () => assert.equal(await counter.methods.number().call(), 0n))
let receipt
await check('write', async () => {
  receipt = await counter.methods.setNumber(41n).send(from)
  await counter.methods.increment().send(from)
  assert.equal(await counter.methods.number().call(), 42n)
})
await check('estimate', async () => {
  const gas = await counter.methods.increment().estimateGas(from)
  await counter.methods.increment().send({ ...from, gas: String(gas) })
  // The receipt says that it failed.
  const error = await thrown(() => counter.methods.increment().send({ ...from, gas: String(gas - 1n) }))
  assert.ok(error instanceof TransactionRevertedWithoutReasonError, String(error))
})
await check('receipt', async () => {
  const { address } = counter.options
  assert.deepEqual([receipt.from, receipt.to], [alice.toLowerCase(), address.toLowerCase()])
  assert.deepEqual([receipt.type, receipt.status, receipt.cumulativeGasUsed], [2n, 1n, receipt.gasUsed])
  const transaction = await eth.getTransaction(receipt.transactionHash)
  assert.equal(transaction.input, counter.methods.setNumber(41n).encodeABI())
  const block = await eth.getBlock(receipt.blockNumber, true)
  assert.equal(block.transactions[0].hash, receipt.transactionHash)
})
await check('event', async () => assert.equal(receipt.events.NumberChanged.returnValues.number, 41n))
await check('logs', async () => {
  const events = await counter.getPastEvents('NumberChanged', { fromBlock: 0 })
  assert.deepEqual(events.map(({ returnValues }) => returnValues.number), [41n, 42n, 43n])
})
await check('filter', async () => {
  const id = await request('eth_newFilter', { address: counter.options.address })
  const { transactionHash } = await counter.methods.setNumber(8n).send(from)
  assert.deepEqual((await request('eth_getFilterChanges', id)).map((log) => log.transactionHash), [transactionHash])
  assert.equal(await request('eth_uninstallFilter', id), true)
})
const revertOf = async (action) => {
  const error = await thrown(action)
  assert.ok(error instanceof ContractExecutionError, String(error))
  return error.cause
}
await check('custom-error', async () => {
  const cause = await revertOf(() => counter.methods.addNumber(MAX_UINT256).call(from))
  assert.deepEqual([cause.errorName, cause.errorArgs.number, cause.errorArgs.operand], ['NumberOverflow', 8n, MAX_UINT256])
  const sent = await revertOf(() => counter.methods.addNumber(MAX_UINT256).send(from))
  assert.equal(sent.errorName, 'NumberOverflow')
})
await check('revert-reason', async () => {
  const cause = await revertOf(() => probe.methods.fail(SOLD_OUT).call(from))
  assert.deepEqual([cause.errorName, cause.errorArgs.message], ['Error', 'sold out'])
})
await check('panic-code', async () => {
  const cause = await revertOf(() => probe.methods.fail(OVERFLOW).call(from))
  assert.deepEqual([cause.errorName, cause.errorArgs.code], ['Panic', 0x11n])
})
await check('deploy-with-arguments', async () => {
  token = await deploy('Token', 'Lathe Token', 'LTH', TOKEN_SUPPLY, alice)
  assert.deepEqual([await token.methods.name().call(), await token.methods.decimals().call()], ['Lathe Token', 18n])
  assert.equal(await token.methods.balanceOf(alice).call(), TOKEN_SUPPLY)
  await thrown(() => deploy('Token', 'Lathe Token', 'LTH', TOKEN_SUPPLY, '0x' + '0'.repeat(40)))
})
await check('transfer', async () => {
  assert.equal(await token.methods.transfer(bob, 5n).call(from), true)
  const { events } = await token.methods.transfer(bob, 5n).send(from)
  const { from: sender, to, value } = events.Transfer.returnValues
  assert.deepEqual([sender, to, value], [alice, bob, 5n])
  assert.equal((await token.getPastEvents('Transfer', { fromBlock: 0, filter: { to: bob } })).length, 1)
})
await check('allowance', async () => {
  await token.methods.approve(bob, 100n).send(from)
  await token.methods.transferFrom(alice, stranger, 60n).send({ from: bob })
  assert.equal(await token.methods.allowance(alice, bob).call(), 40n)
  const cause = await revertOf(() => token.methods.transferFrom(alice, stranger, 60n).call({ from: bob }))
  assert.deepEqual([cause.errorName, cause.errorArgs.allowance, cause.errorArgs.needed], ['ERC20InsufficientAllowance', 40n, 60n])
})
await check('unlocked-account', async () => {
  await eth.sendTransaction({ from: addresses[2], to: stranger, value: 1n })
  await counter.methods.setNumber(9n).send({ from: addresses[2] })
  assert.equal(await counter.methods.number().call(), 9n)
})
const typed = async (type, fields) => {
  const sent = await eth.sendTransaction({ ...from, to: stranger, value: 1n, type, gas: 100_000n, ...fields })
  assert.deepEqual([sent.status, sent.type], [1n, BigInt(type)])
  return eth.getTransaction(sent.transactionHash)
}
await check('legacy-transaction', async () => typed(0, { gasPrice: await eth.getGasPrice() }))
await check('access-list-transaction', async () => {
  const accessList = [{ address: counter.options.address.toLowerCase(), storageKeys: ['0x' + '0'.repeat(64)] }]
  const transaction = await typed(1, { gasPrice: await eth.getGasPrice(), accessList })
  assert.deepEqual(transaction.accessList, accessList)
})
await check('fee-market-transaction', async () => {
  const transaction = await typed(2, { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 7n })
  assert.equal(transaction.gasPrice, (await eth.getBlock(transaction.blockNumber)).baseFeePerGas + 7n)
  const history = await eth.getFeeHistory(4n, 'latest', [50])
  assert.equal(history.baseFeePerGas.length, 5)
})
absent('set-code-transaction', 'web3.js 4 does not know type 4')
// web3.js has one type for what a node refuses, with the node's words.
await check('nonce-too-low', async () => {
  const error = await thrown(() => eth.sendTransaction({ ...from, to: stranger, value: 1n, nonce: 0n, gas: 21_000n }))
  assert.ok(error instanceof ResponseError && /nonce too low/.test(error.message), String(error))
})
await check('insufficient-funds', async () => {
  const error = await thrown(() => eth.sendTransaction({ ...from, to: stranger, value: 10n ** 30n, gas: 21_000n }))
  assert.ok(error instanceof TransactionRevertInstructionError, String(error))
  assert.match(error.reason, /insufficient funds/)
})
await check('batch', async () => {
  const batch = new web3.BatchRequest()
  const balance = batch.add({ jsonrpc: '2.0', id: 1, method: 'eth_getBalance', params: [alice, 'latest'] })
  const chain = batch.add({ jsonrpc: '2.0', id: 2, method: 'eth_chainId', params: [] })
  const responses = await batch.execute()
  assert.equal(responses.length, 2)
  assert.deepEqual([BigInt(await balance), await chain], [await eth.getBalance(alice), '0x7a69'])
})
await check('multicall', async () => {
  const tuple = (name, ...components) => ({ name, type: 'tuple[]', components: components.map(([name, type]) => ({ name, type })) })
  const aggregate3 = {
    name: 'aggregate3', type: 'function', stateMutability: 'view',
    inputs: [tuple('calls', ['target', 'address'], ['allowFailure', 'bool'], ['callData', 'bytes'])],
    outputs: [tuple('returnData', ['success', 'bool'], ['returnData', 'bytes'])],
  }
  const multicall = new eth.Contract([aggregate3], MULTICALL3)
  const data = [counter.methods.number().encodeABI(), counter.methods.addNumber(MAX_UINT256).encodeABI()]
  const [number, refused] = await multicall.methods.aggregate3(data.map((each) => [counter.options.address, true, each])).call()
  assert.deepEqual([number.success, BigInt(number.returnData), refused.success], [true, 9n, false])
})
absent('deployless', 'web3.js has none')
await check('personal-sign', async () => {
  const message = utils.utf8ToHex('Lathe says hello')
  for (const signature of [await request('personal_sign', message, addresses[2]), await eth.sign(message, addresses[2])]) {
    assert.equal(eth.accounts.recover('Lathe says hello', signature), addresses[2])
  }
})
await check('typed-data', async () => {
  const EIP712Domain = [
    { name: 'name', type: 'string' }, { name: 'version', type: 'string' },
    { name: 'chainId', type: 'uint256' }, { name: 'verifyingContract', type: 'address' },
  ]
  const data = { ...typedData, types: { EIP712Domain, ...typedData.types } }
  const plain = JSON.parse(JSON.stringify(data, (_, value) => (typeof value === 'bigint' ? String(value) : value)))
  const signature = await eth.signTypedData(addresses[2], plain)
  const hash = getEncodedEip712Data(data, true)
  assert.equal(eth.accounts.recover(hash, signature, true), addresses[2])
})
const socket = new Web3(wsUrl)
await check('new-heads', async () => {
  const subscription = await socket.eth.subscribe('newBlockHeaders')
  const seen = []
  subscription.on('data', (head) => seen.push(head))
  const { blockHash } = await counter.methods.setNumber(10n).send(from)
  await until(() => seen.some((head) => head.hash === blockHash || head.parentHash === blockHash))
  await subscription.unsubscribe()
})
await check('log-subscription', async () => {
  const watched = new socket.eth.Contract(artifact('Token').abi, token.options.address)
  const seen = []
  const subscription = watched.events.Transfer({ filter: { to: addresses[3] } })
  subscription.on('data', (event) => seen.push(event.returnValues))
  await until(async () => {
    await token.methods.transfer(stranger, 1n).send(from)
    await token.methods.transfer(addresses[3], 3n).send(from)
    return seen.length > 0
  })
  assert.ok(seen.every(({ to, value }) => to === addresses[3] && value === 3n))
  socket.currentProvider.disconnect()
})
await check('storage', async () => assert.equal(BigInt(await eth.getStorageAt(counter.options.address, 0)), 10n))
await check('proof', async () => {
  const proof = await eth.getProof(counter.options.address, [utils.padLeft('0x0', 64)])
  assert.equal(utils.keccak256(proof.accountProof[0]), (await eth.getBlock()).stateRoot)
  assert.deepEqual([proof.storageProof[0].value, utils.keccak256(proof.storageProof[0].proof[0])], [10n, proof.storageHash])
})
await check('history', async () => {
  assert.equal(await counter.methods.number().call({}, receipt.blockNumber), 41n)
  assert.equal(await counter.methods.number().call({}, receipt.blockNumber - 1n), 0n)
})
await check('access-list', async () => {
  const address = counter.options.address.toLowerCase()
  const { accessList } = await eth.createAccessList({ ...from, to: address, data: counter.methods.increment().encodeABI() })
  assert.deepEqual(accessList.find((entry) => entry.address === address).storageKeys, ['0x' + '0'.repeat(64)])
})
absent('simulate', 'web3.js has none')
absent('script', 'web3.js has none')
// web3.js has no words of its own for what a devnet is told; its users send the methods.
await check('pool', async () => {
  await request('evm_setAutomine', false)
  try {
    const before = await eth.getTransactionCount(alice)
    const sending = eth.sendTransaction({ ...from, to: stranger, value: 2n, gas: 21_000n })
    const hash = await new Promise((resolve, reject) => {
      sending.once('transactionHash', resolve)
      sending.once('error', reject)
    })
    assert.equal(await eth.getTransactionCount(alice, 'pending'), before + 1n)
    assert.equal((await eth.getTransaction(hash)).blockNumber ?? null, null)
    await request('evm_mine')
    assert.equal((await sending).status, 1n)
  } finally {
    await request('evm_setAutomine', true)
  }
})
await check('snapshot', async () => {
  const id = await request('evm_snapshot')
  await counter.methods.setNumber(1_000n).send(from)
  assert.equal(await request('evm_revert', id), true)
  assert.equal(await counter.methods.number().call(), 10n)
})
await check('mine', async () => {
  const before = await eth.getBlockNumber()
  await request('anvil_mine', '0xa', '0x3c')
  assert.equal(await eth.getBlockNumber(), before + 10n)
})
await check('time', async () => {
  const { timestamp } = await eth.getBlock()
  await request('evm_increaseTime', 86_400)
  await request('evm_mine')
  assert.ok((await eth.getBlock()).timestamp >= timestamp + 86_400n)
})
await check('set-balance', async () => {
  await request('anvil_setBalance', stranger, utils.toHex(5n * ETHER))
  assert.equal(await eth.getBalance(stranger), 5n * ETHER)
})
await check('impersonate', async () => {
  const { address } = token.options
  await request('anvil_setBalance', address, utils.toHex(ETHER))
  await request('anvil_impersonateAccount', address)
  const sent = await counter.methods.setNumber(11n).send({ from: address })
  assert.equal(sent.from, address.toLowerCase())
  assert.equal(await counter.methods.number().call(), 11n)
  await request('anvil_stopImpersonatingAccount', address)
})
await check('state-dump', async () => {
  const state = await request('anvil_dumpState')
  await counter.methods.setNumber(500n).send(from)
  await request('anvil_loadState', state)
  assert.equal(await counter.methods.number().call(), 11n)
})
finish()

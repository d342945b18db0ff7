// viem through the scenario of checks.json: public, wallet and test clients, the last as anvil's and as hardhat's.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import {
  BaseError, ContractFunctionRevertedError, InsufficientFundsError, NonceTooLowError, createPublicClient, createTestClient,
  createWalletClient, encodeFunctionData, getContract, http, keccak256, maxUint256, parseEventLogs, toHex, webSocket,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import {
  ETHER, MULTICALL3, OVERFLOW, SOLD_OUT, TOKEN_SUPPLY, addresses, artifact, keys, scenario, stranger, thrown, typedData, until, url,
  wsUrl,
} from './scenario.mjs'

const { version } = createRequire(import.meta.url)('viem/package.json')
const { check, absent, finish } = scenario('viem', version)
const [alice, bob] = keys.map((key) => privateKeyToAccount(key))
// viem's chain 31337 does not know that Multicall3 is predeployed.
const chain = { ...foundry, contracts: { multicall3: { address: MULTICALL3 } } }
const transport = http(url)
const client = createPublicClient({ chain, transport, pollingInterval: 20 })
const wallet = createWalletClient({ account: alice, chain, transport })
const unlocked = createWalletClient({ account: addresses[2], chain, transport })
const testers = ['anvil', 'hardhat'].map((mode) => createTestClient({ mode, chain, transport }))

const mined = async (hash) => {
  const receipt = await client.waitForTransactionReceipt({ hash })
  assert.equal(receipt.status, 'success')
  return receipt
}
// The error of this class among the causes.
const causeOf = (error, Class) => error instanceof BaseError && error.walk((cause) => cause instanceof Class)
const revertOf = async (action) => causeOf(await thrown(action), ContractFunctionRevertedError)

const [counterArtifact, tokenArtifact, probeArtifact] = ['Counter', 'Token', 'Probe'].map(artifact)
let counter, token, probe, deployed

await check('chain-id', async () => assert.equal(await client.getChainId(), 31337))
await check('accounts', async () => {
  const accounts = await unlocked.getAddresses()
  assert.deepEqual(accounts.slice(0, 4), addresses)
  assert.equal(accounts.length, 10)
})
await check('balance', async () => assert.equal(await client.getBalance({ address: addresses[3] }), 10_000n * ETHER))
await check('deploy', async () => {
  deployed = await mined(await wallet.deployContract(counterArtifact))
  counter = getContract({ address: deployed.contractAddress, abi: counterArtifact.abi, client: { public: client, wallet } })
  assert.match(await client.getCode(counter), /^0xef/)
  probe = (await mined(await wallet.deployContract(probeArtifact))).contractAddress
})
await check('read', async () => assert.equal(await counter.read.number(), 0n))
let receipt
await check('write', async () => {
  receipt = await mined(await counter.write.setNumber([41n]))
  await mined(await counter.write.increment())
  assert.equal(await counter.read.number(), 42n)
})
await check('estimate', async () => {
  const gas = await counter.estimateGas.increment({ account: alice })
  const limited = async (gas) => (await client.waitForTransactionReceipt({ hash: await counter.write.increment({ gas }) })).status
  assert.equal(await limited(gas), 'success')
  assert.equal(await limited(gas - 1n), 'reverted')
})
await check('receipt', async () => {
  assert.equal(receipt.from, alice.address.toLowerCase())
  assert.equal(receipt.to, counter.address.toLowerCase())
  assert.equal(receipt.type, 'eip1559')
  assert.equal(receipt.contractAddress, null)
  assert.equal(receipt.cumulativeGasUsed, receipt.gasUsed)
  const transaction = await client.getTransaction({ hash: receipt.transactionHash })
  assert.equal(transaction.blockHash, receipt.blockHash)
  assert.equal(transaction.input, encodeFunctionData({ abi: counter.abi, functionName: 'setNumber', args: [41n] }))
  const block = await client.getBlock({ blockHash: receipt.blockHash, includeTransactions: true })
  assert.equal(block.transactions[receipt.transactionIndex].hash, receipt.transactionHash)
  const [again] = await client.request({ method: 'eth_getBlockReceipts', params: [toHex(receipt.blockNumber)] })
  assert.equal(again.transactionHash, receipt.transactionHash)
})
await check('event', async () => {
  const [event] = parseEventLogs({ abi: counter.abi, logs: receipt.logs })
  assert.equal(event.eventName, 'NumberChanged')
  assert.equal(event.args.number, 41n)
})
await check('logs', async () => {
  const events = await counter.getEvents.NumberChanged({ fromBlock: 0n })
  assert.deepEqual(events.map((event) => event.args.number), [41n, 42n, 43n])
  const none = await counter.getEvents.NumberChanged({ fromBlock: receipt.blockNumber + 50n, toBlock: receipt.blockNumber + 60n }).catch(() => [])
  assert.equal(none.length, 0)
})
await check('filter', async () => {
  const filter = await counter.createEventFilter.NumberChanged({}, { strict: true })
  const blocks = await client.createBlockFilter()
  await mined(await counter.write.setNumber([7n]))
  const [event, ...rest] = await client.getFilterChanges({ filter })
  assert.equal(event.args.number, 7n)
  assert.equal(rest.length, 0)
  assert.deepEqual(await client.getFilterChanges({ filter: blocks }), [event.blockHash])
  assert.equal((await client.getFilterLogs({ filter })).length, 1)
  assert.equal(await client.uninstallFilter({ filter }), true)
  const seen = []
  const stop = counter.watchEvent.NumberChanged({}, { onLogs: (logs) => seen.push(...logs), poll: true, pollingInterval: 20 })
  await until(async () => {
    await mined(await counter.write.setNumber([8n]))
    return seen.length > 0
  })
  stop()
  assert.equal(seen[0].args.number, 8n)
})
await check('custom-error', async () => {
  const revert = await revertOf(() => counter.simulate.addNumber([maxUint256]))
  assert.equal(revert.data.errorName, 'NumberOverflow')
  assert.deepEqual(revert.data.args, [8n, maxUint256])
  // The estimate before a transaction fails the same way.
  assert.equal((await revertOf(() => counter.estimateGas.addNumber([maxUint256], { account: alice }))).data.errorName, 'NumberOverflow')
})
const fail = (data) => client.readContract({ address: probe, abi: probeArtifact.abi, functionName: 'fail', args: [data] })
await check('revert-reason', async () => assert.equal((await revertOf(() => fail(SOLD_OUT))).reason, 'sold out'))
await check('panic-code', async () => {
  const revert = await revertOf(() => fail(OVERFLOW))
  assert.equal(revert.data.errorName, 'Panic')
  assert.deepEqual(revert.data.args, [0x11n])
})
await check('deploy-with-arguments', async () => {
  const args = ['Lathe Token', 'LTH', TOKEN_SUPPLY, alice.address]
  const { contractAddress } = await mined(await wallet.deployContract({ ...tokenArtifact, args }))
  token = getContract({ address: contractAddress, abi: tokenArtifact.abi, client: { public: client, wallet } })
  assert.equal(await token.read.name(), 'Lathe Token')
  assert.equal(await token.read.decimals(), 18)
  assert.equal(await token.read.balanceOf([alice.address]), TOKEN_SUPPLY)
  // The constructor's revert reaches the client, too.
  const error = await thrown(() => wallet.deployContract({ ...tokenArtifact, args: [...args.slice(0, 3), stranger.replace(/[^x]/g, '0')] }))
  assert.match(error.message, /revert/)
})
await check('transfer', async () => {
  const { result, request } = await token.simulate.transfer([bob.address, 5n], { account: alice })
  assert.equal(result, true)
  const { logs } = await mined(await wallet.writeContract(request))
  const [event] = parseEventLogs({ abi: token.abi, logs, eventName: 'Transfer' })
  assert.deepEqual(event.args, { from: alice.address, to: bob.address, value: 5n })
  const found = await token.getEvents.Transfer({ to: bob.address }, { fromBlock: 0n })
  assert.equal(found.length, 1)
})
await check('allowance', async () => {
  await mined(await token.write.approve([bob.address, 100n]))
  assert.equal(await token.read.allowance([alice.address, bob.address]), 100n)
  await mined(await token.write.transferFrom([alice.address, stranger, 60n], { account: bob }))
  assert.equal(await token.read.allowance([alice.address, bob.address]), 40n)
  const revert = await revertOf(() => token.simulate.transferFrom([alice.address, stranger, 60n], { account: bob }))
  assert.deepEqual(revert.data.args, [bob.address, 40n, 60n])
})
await check('unlocked-account', async () => {
  await mined(await unlocked.sendTransaction({ to: stranger, value: 1n }))
  await mined(await unlocked.writeContract({ ...counter, functionName: 'setNumber', args: [9n] }))
  assert.equal(await counter.read.number(), 9n)
})
const typed = async (fields, type) => {
  const { transactionHash } = await mined(await wallet.sendTransaction({ to: stranger, value: 1n, ...fields }))
  const transaction = await client.getTransaction({ hash: transactionHash })
  assert.equal(transaction.type, type)
  return transaction
}
await check('legacy-transaction', () => typed({ type: 'legacy' }, 'legacy'))
await check('access-list-transaction', async () => {
  const accessList = [{ address: counter.address.toLowerCase(), storageKeys: [toHex(0, { size: 32 })] }]
  assert.deepEqual((await typed({ type: 'eip2930', accessList }, 'eip2930')).accessList, accessList)
})
await check('fee-market-transaction', async () => {
  const fees = { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 7n }
  const transaction = await typed({ type: 'eip1559', ...fees }, 'eip1559')
  assert.equal(transaction.maxPriorityFeePerGas, 7n)
  const hash = await wallet.sendTransaction({ to: stranger, ...fees })
  const { effectiveGasPrice, blockNumber } = await mined(hash)
  assert.equal(effectiveGasPrice, (await client.getBlock({ blockNumber })).baseFeePerGas + 7n)
})
await check('set-code-transaction', async () => {
  const delegator = privateKeyToAccount(keys[3])
  const authorization = await wallet.signAuthorization({ account: delegator, contractAddress: counter.address })
  const transaction = { authorizationList: [authorization], to: delegator.address, data: encodeFunctionData({ ...counter, functionName: 'increment' }) }
  const { transactionHash } = await mined(await wallet.sendTransaction(transaction))
  assert.equal((await client.getTransaction({ hash: transactionHash })).type, 'eip7702')
  assert.equal((await client.getDelegation({ address: delegator.address })).toLowerCase(), counter.address.toLowerCase())
  assert.equal(await client.readContract({ address: delegator.address, abi: counter.abi, functionName: 'number' }), 1n)
})
await check('nonce-too-low', async () => {
  const error = await thrown(() => wallet.sendTransaction({ to: stranger, value: 1n, nonce: 0, gas: 21_000n }))
  assert.ok(causeOf(error, NonceTooLowError), error.message)
})
await check('insufficient-funds', async () => {
  const error = await thrown(() => wallet.sendTransaction({ to: stranger, value: 10n ** 30n, gas: 21_000n }))
  assert.ok(causeOf(error, InsufficientFundsError), error.message)
  const estimate = await thrown(() => client.estimateGas({ account: alice, to: stranger, value: 10n ** 30n }))
  assert.ok(causeOf(estimate, InsufficientFundsError), estimate.message)
})
await check('batch', async () => {
  const batching = createPublicClient({ chain, transport: http(url, { batch: { batchSize: 50 } }) })
  const balances = await Promise.all(Array.from({ length: 120 }, (_, i) => batching.getBalance({ address: addresses[i % 2 ? 3 : 0] })))
  assert.equal(balances[0], balances[118])
  assert.equal(balances[1], balances[119])
})
await check('multicall', async () => {
  const results = await client.multicall({
    contracts: [
      { ...counter, functionName: 'number' },
      { ...token, functionName: 'balanceOf', args: [bob.address] },
      { ...counter, functionName: 'addNumber', args: [maxUint256] },
    ],
  })
  assert.deepEqual(results.slice(0, 2).map(({ result }) => result), [9n, 5n])
  assert.equal(results[2].status, 'failure')
})
await check('deployless', async () => {
  assert.equal(await client.readContract({ code: counterArtifact.bytecode, abi: counter.abi, functionName: 'number' }), 0n)
  const signature = await alice.signMessage({ message: 'deployless' })
  assert.equal(await client.verifyMessage({ address: alice.address, message: 'deployless', signature }), true)
  assert.equal(await client.verifyMessage({ address: bob.address, message: 'deployless', signature }), false)
})
await check('personal-sign', async () => {
  const signature = await unlocked.signMessage({ message: 'Lathe says hello' })
  assert.equal(await client.verifyMessage({ address: addresses[2], message: 'Lathe says hello', signature }), true)
})
await check('typed-data', async () => {
  const signature = await unlocked.signTypedData(typedData)
  assert.equal(signature, await privateKeyToAccount(keys[2]).signTypedData(typedData))
  assert.equal(await client.verifyTypedData({ address: addresses[2], ...typedData, signature }), true)
})
const socket = createPublicClient({ chain, transport: webSocket(wsUrl) })
await check('new-heads', async () => {
  const seen = []
  const stop = socket.watchBlocks({ onBlock: (block) => seen.push(block), onError: (error) => seen.push(error) })
  await socket.getBlockNumber()
  const { blockHash } = await until(async () => {
    const sent = await mined(await counter.write.setNumber([10n]))
    return seen.length > 0 && sent
  })
  await until(() => seen.some((block) => block.hash === blockHash))
  stop()
})
await check('log-subscription', async () => {
  const seen = []
  const onLogs = (logs) => seen.push(...logs)
  const stop = socket.watchContractEvent({ address: token.address, abi: token.abi, eventName: 'Transfer', args: { to: addresses[3] }, onLogs })
  await until(async () => {
    await mined(await token.write.transfer([stranger, 1n]))
    await mined(await token.write.transfer([addresses[3], 3n]))
    return seen.length > 0
  })
  stop()
  assert.ok(seen.every((log) => log.args.to === addresses[3] && log.args.value === 3n))
  ;(await socket.transport.getRpcClient()).close()
})
await check('storage', async () => assert.equal(await client.getStorageAt({ address: counter.address, slot: '0x0' }), toHex(10, { size: 32 })))
await check('proof', async () => {
  const proof = await client.getProof({ address: counter.address, storageKeys: [toHex(0, { size: 32 })] })
  assert.equal(proof.storageProof[0].value, 10n)
  assert.equal(keccak256(proof.accountProof[0]), (await client.getBlock()).stateRoot)
  assert.equal(keccak256(proof.storageProof[0].proof[0]), proof.storageHash)
})
await check('history', async () => {
  assert.equal(await counter.read.number({ blockNumber: receipt.blockNumber }), 41n)
  assert.equal(await client.getCode({ address: counter.address, blockNumber: deployed.blockNumber - 1n }), undefined)
})
await check('access-list', async () => {
  const data = encodeFunctionData({ abi: counter.abi, functionName: 'increment' })
  const { accessList } = await client.createAccessList({ account: alice, to: counter.address, data })
  const entry = accessList.find(({ address }) => address.toLowerCase() === counter.address.toLowerCase())
  assert.deepEqual(entry.storageKeys, [toHex(0, { size: 32 })])
})
await check('simulate', async () => {
  const call = (account, functionName, ...args) => ({ account, to: counter.address, abi: counter.abi, functionName, args })
  const [first, second] = await client.simulateBlocks({
    blocks: [
      { calls: [call(stranger, 'setNumber', 99n)], stateOverrides: [{ address: stranger, balance: ETHER }] },
      { calls: [call(alice, 'increment'), call(alice, 'number')] },
    ],
  })
  assert.deepEqual([first, second].map((block) => block.calls.map(({ status }) => status)), [['success'], ['success', 'success']])
  assert.equal(second.calls[1].result, 100n)
  assert.equal(second.number, first.number + 1n)
  const simulated = await client.simulateCalls({
    account: alice, calls: [{ ...token, to: token.address, functionName: 'transfer', args: [stranger, 1n] }], traceAssetChanges: true,
  })
  assert.equal(simulated.results[0].result, true)
  assert.equal(simulated.assetChanges.find(({ token: { address } }) => address.toLowerCase() === token.address.toLowerCase()).value.diff, -1n)
  assert.equal(await counter.read.number(), 10n)
})
absent('script', 'viem has none')
await check('pool', async () => {
  for (const tester of testers) {
    await tester.setAutomine(false)
    try {
      const nonce = await client.getTransactionCount({ address: alice.address })
      const hash = await wallet.sendTransaction({ to: stranger, value: 2n })
      assert.equal((await client.getTransaction({ hash })).blockNumber, null)
      assert.equal(await client.getTransactionCount({ address: alice.address, blockTag: 'pending' }), nonce + 1)
      await thrown(() => client.getTransactionReceipt({ hash }))
      await tester.mine({ blocks: 1 })
      assert.equal((await client.getTransactionReceipt({ hash })).status, 'success')
    } finally {
      await tester.setAutomine(true)
    }
  }
  assert.equal(await testers[0].getAutomine(), true)
  const { pending } = await testers[0].getTxpoolStatus()
  assert.equal(pending, 0)
})
await check('snapshot', async () => {
  for (const tester of testers) {
    const before = await client.getBlock()
    const id = await tester.snapshot()
    await mined(await counter.write.setNumber([1_000n]))
    await tester.revert({ id })
    assert.equal(await counter.read.number(), 10n)
    assert.equal((await client.getBlock()).hash, before.hash)
    await mined(await counter.write.setNumber([10n]))
  }
})
await check('mine', async () => {
  for (const tester of testers) {
    const before = await client.getBlock()
    await tester.mine({ blocks: 10, interval: 60 })
    const after = await client.getBlock()
    assert.equal(after.number, before.number + 10n)
    assert.ok(after.timestamp >= before.timestamp + 540n, `${before.timestamp} ${after.timestamp}`)
  }
})
await check('time', async () => {
  for (const tester of testers) {
    const before = await client.getBlock()
    await tester.increaseTime({ seconds: 86_400 })
    await tester.mine({ blocks: 1 })
    const later = await client.getBlock()
    assert.ok(later.timestamp >= before.timestamp + 86_400n)
    await tester.setNextBlockTimestamp({ timestamp: later.timestamp + 1_000n })
    await tester.mine({ blocks: 1 })
    assert.equal((await client.getBlock()).timestamp, later.timestamp + 1_000n)
  }
  await testers[0].setBlockTimestampInterval({ interval: 5 })
  const { timestamp } = await client.getBlock()
  await testers[0].mine({ blocks: 1 })
  assert.equal((await client.getBlock()).timestamp, timestamp + 5n)
  await testers[0].removeBlockTimestampInterval()
})
await check('set-balance', async () => {
  for (const tester of testers) {
    const address = privateKeyToAccount(keccak256(toHex(tester.mode))).address
    await tester.setBalance({ address, value: 5n * ETHER })
    await tester.setNonce({ address, nonce: 42 })
    await tester.setCode({ address, bytecode: await client.getCode(counter) })
    await tester.setStorageAt({ address, index: 0, value: toHex(77, { size: 32 }) })
    assert.equal(await client.getBalance({ address }), 5n * ETHER)
    assert.equal(await client.getTransactionCount({ address }), 42)
    assert.equal(await client.readContract({ address, abi: counter.abi, functionName: 'number' }), 77n)
    await tester.setCoinbase({ address })
    await tester.setNextBlockBaseFeePerGas({ baseFeePerGas: 123_456_789n })
    const { blockNumber } = await mined(await counter.write.setNumber([10n]))
    const block = await client.getBlock({ blockNumber })
    assert.deepEqual([block.miner, block.baseFeePerGas], [address.toLowerCase(), 123_456_789n])
  }
})
await check('impersonate', async () => {
  for (const tester of testers) {
    // A contract has no key at all.
    const address = token.address
    await tester.setBalance({ address, value: ETHER })
    await tester.impersonateAccount({ address })
    const hash = await createWalletClient({ account: address, chain, transport }).writeContract({ ...counter, functionName: 'setNumber', args: [11n] })
    assert.equal((await mined(hash)).from, address.toLowerCase())
    assert.equal(await counter.read.number(), 11n)
    await tester.stopImpersonatingAccount({ address })
    await thrown(() => createWalletClient({ account: address, chain, transport }).sendTransaction({ to: stranger }))
  }
})
await check('state-dump', async () => {
  const [tester] = testers
  const state = await tester.dumpState()
  await mined(await counter.write.setNumber([500n]))
  await tester.loadState({ state })
  assert.equal(await counter.read.number(), 11n)
})
finish()

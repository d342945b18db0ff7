// ethers through the scenario of checks.json: JsonRpcProvider with its batches, Wallet, WebSocketProvider.
import assert from 'node:assert/strict'
import {
  Contract, ContractFactory, Interface, JsonRpcProvider, Wallet, WebSocketProvider, ZeroAddress, isError, keccak256, toBeHex,
  verifyMessage, verifyTypedData, version,
} from 'ethers'
import {
  ETHER, MAX_UINT256, MULTICALL3, OVERFLOW, SOLD_OUT, TOKEN_SUPPLY, addresses, artifact, keys, scenario, stranger, thrown,
  typedData, until, url, wsUrl,
} from './scenario.mjs'

const { check, absent, finish } = scenario('ethers', version)
// Without a cache, so that what was just mined is seen.
const provider = new JsonRpcProvider(url, undefined, { cacheTimeout: -1, pollingInterval: 20 })
const [alice, bob] = keys.map((key) => new Wallet(key, provider))
const [counterArtifact, tokenArtifact, probeArtifact] = ['Counter', 'Token', 'Probe'].map(artifact)
const send = (method, ...params) => provider.send(method, params)
const mined = async (response) => {
  const receipt = await (await response).wait()
  assert.equal(receipt.status, 1)
  return receipt
}
const deploy = async ({ abi, bytecode }, ...args) => {
  const contract = await new ContractFactory(abi, bytecode, alice).deploy(...args)
  return contract.waitForDeployment()
}
let counter, token, probe

await check('chain-id', async () => assert.equal((await provider.getNetwork()).chainId, 31337n))
await check('accounts', async () => {
  const accounts = await provider.listAccounts()
  assert.deepEqual(accounts.slice(0, 4).map(({ address }) => address), addresses)
  assert.equal(accounts.length, 10)
})
await check('balance', async () => assert.equal(await provider.getBalance(addresses[3]), 10_000n * ETHER))
await check('deploy', async () => {
  counter = await deploy(counterArtifact)
  probe = await deploy(probeArtifact)
  assert.match(await counter.getDeployedCode(), /^0xef/)
})
await check('read', async () => assert.equal(await counter.number(), 0n))
let receipt
await check('write', async () => {
  receipt = await mined(counter.setNumber(41n))
  await mined(counter.increment())
  assert.equal(await counter.number(), 42n)
})
await check('estimate', async () => {
  const gasLimit = await counter.increment.estimateGas()
  await mined(counter.increment({ gasLimit }))
  const error = await thrown(() => mined(counter.increment({ gasLimit: gasLimit - 1n })))
  assert.ok(isError(error, 'CALL_EXCEPTION') && error.receipt.status === 0, error.message)
})
await check('receipt', async () => {
  assert.deepEqual([receipt.from, receipt.to, receipt.type], [alice.address, counter.target, 2])
  assert.equal(receipt.contractAddress, null)
  assert.equal(receipt.cumulativeGasUsed, receipt.gasUsed)
  const transaction = await receipt.getTransaction()
  assert.equal(transaction.data, counter.interface.encodeFunctionData('setNumber', [41n]))
  assert.equal(await receipt.confirmations(), (await provider.getBlockNumber()) - receipt.blockNumber + 1)
  const block = await provider.getBlock(receipt.blockHash, true)
  assert.equal(block.getPrefetchedTransaction(receipt.index).hash, receipt.hash)
  assert.equal(block.gasUsed, receipt.gasUsed)
})
await check('event', async () => {
  const [event] = receipt.logs
  assert.equal(event.eventName, 'NumberChanged')
  assert.equal(event.args.number, 41n)
})
await check('logs', async () => {
  const events = await counter.queryFilter('NumberChanged', 0)
  assert.deepEqual(events.map((event) => event.args.number), [41n, 42n, 43n])
})
await check('filter', async () => {
  const seen = []
  await counter.on('NumberChanged', (number) => seen.push(number))
  await until(async () => {
    await mined(counter.setNumber(8n))
    return seen.length > 0
  })
  await counter.removeAllListeners()
  assert.equal(seen[0], 8n)
})
const revertOf = async (action) => {
  const error = await thrown(action)
  assert.ok(isError(error, 'CALL_EXCEPTION'), error.message)
  return error.revert
}
await check('custom-error', async () => {
  const { name, args } = await revertOf(() => counter.addNumber.staticCall(MAX_UINT256))
  assert.deepEqual([name, ...args], ['NumberOverflow', 8n, MAX_UINT256])
  // Before a transaction it estimates, and leaves the error's data to its user.
  const error = await thrown(() => counter.addNumber(MAX_UINT256))
  assert.equal(counter.interface.parseError(error.data).name, 'NumberOverflow')
})
await check('revert-reason', async () => assert.deepEqual([...(await revertOf(() => probe.fail(SOLD_OUT))).args], ['sold out']))
await check('panic-code', async () => {
  const { name, args } = await revertOf(() => probe.fail(OVERFLOW))
  assert.deepEqual([name, ...args], ['Panic', 0x11])
})
await check('deploy-with-arguments', async () => {
  token = await deploy(tokenArtifact, 'Lathe Token', 'LTH', TOKEN_SUPPLY, alice.address)
  assert.deepEqual([await token.name(), await token.decimals()], ['Lathe Token', 18n])
  assert.equal(await token.balanceOf(alice.address), TOKEN_SUPPLY)
  const error = await thrown(() => deploy(tokenArtifact, 'Lathe Token', 'LTH', TOKEN_SUPPLY, ZeroAddress))
  assert.equal(new Interface(tokenArtifact.abi).parseError(error.data).name, 'ERC20InvalidReceiver')
})
await check('transfer', async () => {
  assert.equal(await token.transfer.staticCall(bob.address, 5n), true)
  const { logs } = await mined(token.transfer(bob.address, 5n))
  assert.deepEqual([...logs[0].args], [alice.address, bob.address, 5n])
  assert.equal((await token.queryFilter(token.filters.Transfer(null, bob.address), 0)).length, 1)
})
await check('allowance', async () => {
  await mined(token.approve(bob.address, 100n))
  await mined(token.connect(bob).transferFrom(alice.address, stranger, 60n))
  assert.equal(await token.allowance(alice.address, bob.address), 40n)
  const { name, args } = await revertOf(() => token.connect(bob).transferFrom.staticCall(alice.address, stranger, 60n))
  assert.deepEqual([name, ...args], ['ERC20InsufficientAllowance', bob.address, 40n, 60n])
})
await check('unlocked-account', async () => {
  const signer = await provider.getSigner(2)
  await mined(signer.sendTransaction({ to: stranger, value: 1n }))
  await mined(counter.connect(signer).setNumber(9n))
  assert.equal(await counter.number(), 9n)
})
const typed = async (fields) => {
  const { hash } = await mined(alice.sendTransaction({ to: stranger, value: 1n, ...fields }))
  const transaction = await provider.getTransaction(hash)
  assert.equal(transaction.type, fields.type)
  return transaction
}
await check('legacy-transaction', () => typed({ type: 0 }))
await check('access-list-transaction', async () => {
  const accessList = [{ address: counter.target, storageKeys: [toBeHex(0, 32)] }]
  assert.deepEqual((await typed({ type: 1, accessList })).accessList, accessList)
})
await check('fee-market-transaction', async () => {
  const { hash } = await typed({ type: 2, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 7n })
  const { gasPrice, blockNumber } = await provider.getTransactionReceipt(hash)
  assert.equal(gasPrice, (await provider.getBlock(blockNumber)).baseFeePerGas + 7n)
})
await check('set-code-transaction', async () => {
  const delegator = new Wallet(keys[3], provider)
  const authorization = await delegator.authorize({ address: counter.target, nonce: 0, chainId: 31337n })
  const data = counter.interface.encodeFunctionData('increment')
  const transaction = await typed({ type: 4, authorizationList: [authorization], to: delegator.address, value: 0n, data })
  assert.equal(transaction.authorizationList[0].address, counter.target)
  assert.equal(await counter.attach(delegator.address).number(), 1n)
})
await check('nonce-too-low', async () => {
  const error = await thrown(() => alice.sendTransaction({ to: stranger, value: 1n, nonce: 0 }))
  assert.ok(isError(error, 'NONCE_EXPIRED'), error.message)
})
await check('insufficient-funds', async () => {
  for (const gasLimit of [undefined, 21_000n]) {
    const error = await thrown(() => alice.sendTransaction({ to: stranger, value: 10n ** 30n, gasLimit }))
    assert.ok(isError(error, 'INSUFFICIENT_FUNDS'), error.message)
  }
})
await check('batch', async () => {
  const sizes = []
  provider.on('debug', ({ action, payload }) => action === 'sendRpcPayload' && Array.isArray(payload) && sizes.push(payload.length))
  const balances = await Promise.all(Array.from({ length: 250 }, (_, i) => provider.getBalance(addresses[i % 2])))
  provider.removeAllListeners('debug')
  assert.equal(balances[0], balances[248])
  // The largest that it sends.
  assert.equal(Math.max(...sizes), 100)
})
await check('multicall', async () => {
  const abi = [
    'function aggregate3((address target, bool allowFailure, bytes callData)[] calls) payable returns ((bool success, bytes returnData)[])',
    'function getEthBalance(address) view returns (uint256)',
  ]
  const multicall = new Contract(MULTICALL3, abi, alice)
  const calls = [['number', []], ['addNumber', [MAX_UINT256]]]
  const data = calls.map(([name, args]) => [counter.target, true, counter.interface.encodeFunctionData(name, args)])
  const [number, refused] = await multicall.aggregate3.staticCall(data)
  assert.deepEqual([number.success, BigInt(number.returnData), refused.success], [true, 9n, false])
  assert.equal(counter.interface.parseError(refused.returnData).name, 'NumberOverflow')
  assert.equal(await multicall.getEthBalance(alice.address), await provider.getBalance(alice.address))
})
absent('deployless', 'ethers has none')
await check('personal-sign', async () => {
  const signature = await (await provider.getSigner(2)).signMessage('Lathe says hello')
  assert.equal(verifyMessage('Lathe says hello', signature), addresses[2])
})
await check('typed-data', async () => {
  const { domain, types, message } = typedData
  const signature = await (await provider.getSigner(2)).signTypedData(domain, types, message)
  assert.equal(verifyTypedData(domain, types, message, signature), addresses[2])
})
const socket = new WebSocketProvider(wsUrl)
await check('new-heads', async () => {
  const seen = []
  await socket.on('block', (number) => seen.push(number))
  const { blockNumber } = await until(async () => {
    const sent = await mined(counter.setNumber(10n))
    return seen.length > 0 && sent
  })
  await until(() => seen.includes(blockNumber))
  await socket.removeAllListeners()
})
await check('log-subscription', async () => {
  const seen = []
  const watched = token.connect(socket)
  await watched.on(watched.filters.Transfer(null, addresses[3]), (event) => seen.push(event.args))
  await until(async () => {
    await mined(token.transfer(stranger, 1n))
    await mined(token.transfer(addresses[3], 3n))
    return seen.length > 0
  })
  assert.ok(seen.every(({ to, value }) => to === addresses[3] && value === 3n))
  await socket.destroy()
})
await check('storage', async () => assert.equal(await provider.getStorage(counter.target, 0), toBeHex(10, 32)))
await check('proof', async () => {
  const { accountProof, storageProof, storageHash } = await send('eth_getProof', counter.target, ['0x0'], 'latest')
  assert.equal(keccak256(accountProof[0]), (await provider.getBlock('latest')).stateRoot)
  assert.deepEqual([storageProof[0].value, keccak256(storageProof[0].proof[0])], ['0xa', storageHash])
})
await check('history', async () => {
  assert.equal(await counter.number({ blockTag: receipt.blockNumber }), 41n)
  assert.equal(await counter.number({ blockTag: receipt.blockNumber - 1 }), 0n)
})
await check('access-list', async () => {
  const transaction = { from: alice.address, to: counter.target, data: counter.interface.encodeFunctionData('increment') }
  const { accessList } = await send('eth_createAccessList', transaction, 'latest')
  const entry = accessList.find(({ address }) => address === counter.target.toLowerCase())
  assert.deepEqual(entry.storageKeys, [toBeHex(0, 32)])
})
absent('simulate', 'ethers has none')
absent('script', 'ethers has none')
// ethers has no words of its own for what a devnet is told; its users send the methods.
await check('pool', async () => {
  await send('evm_setAutomine', false)
  try {
    const response = await alice.sendTransaction({ to: stranger, value: 2n })
    assert.equal(await provider.getTransactionReceipt(response.hash), null)
    assert.equal((await provider.getTransaction(response.hash)).blockNumber, null)
    assert.equal(await alice.getNonce('pending'), (await alice.getNonce('latest')) + 1)
    const replaced = await thrown(() => alice.sendTransaction({ to: stranger, value: 3n, nonce: response.nonce }))
    assert.ok(isError(replaced, 'REPLACEMENT_UNDERPRICED'), replaced.message)
    await send('evm_mine')
    await mined(response)
  } finally {
    await send('evm_setAutomine', true)
  }
})
await check('snapshot', async () => {
  const id = await send('evm_snapshot')
  await mined(counter.setNumber(1_000n))
  assert.equal(await send('evm_revert', id), true)
  assert.equal(await counter.number(), 10n)
})
await check('mine', async () => {
  const before = await provider.getBlockNumber()
  await send('hardhat_mine', '0xa', '0x3c')
  assert.equal(await provider.getBlockNumber(), before + 10)
})
await check('time', async () => {
  const { timestamp } = await provider.getBlock('latest')
  await send('evm_increaseTime', 86_400)
  await send('evm_mine')
  assert.ok((await provider.getBlock('latest')).timestamp >= timestamp + 86_400)
  await send('evm_setNextBlockTimestamp', timestamp + 100_000)
  await send('evm_mine')
  assert.equal((await provider.getBlock('latest')).timestamp, timestamp + 100_000)
})
await check('set-balance', async () => {
  await send('anvil_setBalance', stranger, toBeHex(5n * ETHER))
  assert.equal(await provider.getBalance(stranger), 5n * ETHER)
})
await check('impersonate', async () => {
  await send('anvil_setBalance', token.target, toBeHex(ETHER))
  await send('anvil_impersonateAccount', token.target)
  const signer = await provider.getSigner(token.target).catch(() => null)
  const transaction = { from: token.target, to: counter.target, data: counter.interface.encodeFunctionData('setNumber', [11n]) }
  // getSigner knows listed accounts only.
  const hash = signer ? (await signer.sendTransaction(transaction)).hash : await send('eth_sendTransaction', transaction)
  assert.equal((await provider.waitForTransaction(hash)).from, token.target)
  assert.equal(await counter.number(), 11n)
  await send('anvil_stopImpersonatingAccount', token.target)
})
await check('state-dump', async () => {
  const state = await send('anvil_dumpState')
  await mined(counter.setNumber(500n))
  await send('anvil_loadState', state)
  assert.equal(await counter.number(), 11n)
})
finish()

// What hardhat 2 and 3 have in common, through the scenario of checks.json: hardhat-ethers, hardhat-viem and
// hardhat-network-helpers on artifacts that are found by name. The node's own accounts sign, as is hardhat's default.
import assert from 'node:assert/strict'
import {
  ETHER, MAX_UINT256, MULTICALL3, OVERFLOW, SOLD_OUT, TOKEN_SUPPLY, addresses, keys, scenario, stranger, thrown, typedData, until,
} from './scenario.mjs'

// The error of this name among the causes of one of viem's.
const causeOf = (error, name) => error.walk?.((cause) => cause.name === name)

export const run = async ({ name, version, ethers, viem, helpers, artifacts, provider }) => {
  const { check, absent, finish } = scenario(name, version)
  const { provider: eth } = ethers
  const client = await viem.getPublicClient()
  client.pollingInterval = 20
  const [alice, bob] = await ethers.getSigners()
  const send = (method, ...params) => provider.request({ method, params })
  const mined = async (response) => {
    const receipt = await (await response).wait()
    assert.equal(receipt.status, 1)
    return receipt
  }
  let counter, token, probe

  await check('chain-id', async () => {
    assert.equal((await eth.getNetwork()).chainId, 31337n)
    assert.equal(await client.getChainId(), 31337)
  })
  await check('accounts', async () => {
    const signers = await ethers.getSigners()
    assert.deepEqual(signers.slice(0, 4).map(({ address }) => address), addresses)
    const wallets = await viem.getWalletClients()
    assert.equal(wallets.length, signers.length)
  })
  await check('balance', async () => assert.equal(await eth.getBalance(addresses[3]), 10_000n * ETHER))
  await check('deploy', async () => {
    counter = await ethers.deployContract('Counter')
    await counter.waitForDeployment()
    probe = await viem.deployContract('Probe')
    assert.match(await eth.getCode(counter), /^0xef/)
  })
  await check('read', async () => {
    assert.equal(await counter.number(), 0n)
    assert.equal(await (await viem.getContractAt('Counter', counter.target)).read.number(), 0n)
  })
  let receipt
  await check('write', async () => {
    receipt = await mined(counter.setNumber(41n))
    const contract = await viem.getContractAt('Counter', counter.target)
    await client.waitForTransactionReceipt({ hash: await contract.write.increment() })
    assert.equal(await counter.number(), 42n)
  })
  await check('estimate', async () => {
    const gasLimit = await counter.increment.estimateGas()
    await mined(counter.increment({ gasLimit }))
    await thrown(() => mined(counter.increment({ gasLimit: gasLimit - 1n })))
  })
  await check('receipt', async () => {
    assert.deepEqual([receipt.from, receipt.to, receipt.type], [alice.address, counter.target, 2])
    assert.deepEqual([receipt.contractAddress, receipt.cumulativeGasUsed], [null, receipt.gasUsed])
    const transaction = await receipt.getTransaction()
    assert.equal(transaction.data, counter.interface.encodeFunctionData('setNumber', [41n]))
    const block = await eth.getBlock(receipt.blockHash, true)
    assert.equal(block.getPrefetchedTransaction(receipt.index).hash, receipt.hash)
  })
  await check('event', async () => {
    assert.equal(receipt.logs[0].eventName, 'NumberChanged')
    assert.equal(receipt.logs[0].args.number, 41n)
  })
  await check('logs', async () => {
    const events = await counter.queryFilter('NumberChanged', 0)
    assert.deepEqual(events.map((event) => event.args.number), [41n, 42n, 43n])
    const found = await (await viem.getContractAt('Counter', counter.target)).getEvents.NumberChanged({}, { fromBlock: 0n })
    assert.deepEqual(found.map((event) => event.args.number), [41n, 42n, 43n])
  })
  await check('filter', async () => {
    const contract = await viem.getContractAt('Counter', counter.target)
    const filter = await contract.createEventFilter.NumberChanged({})
    await mined(counter.setNumber(8n))
    assert.deepEqual((await client.getFilterChanges({ filter })).map((event) => event.args.number), [8n])
    assert.equal(await client.uninstallFilter({ filter }), true)
    const seen = []
    await counter.on('NumberChanged', (number) => seen.push(number))
    await until(async () => {
      await mined(counter.setNumber(8n))
      return seen.length > 0
    })
    await counter.removeAllListeners()
  })
  const viemRevert = async (contract, functionName, ...args) => {
    const error = await thrown(() => contract.simulate[functionName](args))
    return causeOf(error, 'ContractFunctionRevertedError')
  }
  await check('custom-error', async () => {
    const contract = await viem.getContractAt('Counter', counter.target)
    const { errorName, args } = (await viemRevert(contract, 'addNumber', MAX_UINT256)).data
    assert.deepEqual([errorName, ...args], ['NumberOverflow', 8n, MAX_UINT256])
    // hardhat-ethers leaves the data to its user; hardhat's matchers take it from there.
    const error = await thrown(() => counter.addNumber.staticCall(MAX_UINT256))
    const data = error.data?.data ?? error.data
    assert.equal(counter.interface.parseError(data).name, 'NumberOverflow')
  })
  await check('revert-reason', async () => {
    const error = await thrown(() => probe.read.fail([SOLD_OUT]))
    assert.equal(causeOf(error, 'ContractFunctionRevertedError').reason, 'sold out')
    const plain = await thrown(async () => (await ethers.getContractAt('Probe', probe.address)).fail(SOLD_OUT))
    assert.match(plain.message, /sold out/)
  })
  await check('panic-code', async () => {
    const error = await thrown(() => probe.read.fail([OVERFLOW]))
    const { errorName, args } = causeOf(error, 'ContractFunctionRevertedError').data
    assert.deepEqual([errorName, ...args], ['Panic', 0x11n])
  })
  await check('deploy-with-arguments', async () => {
    const args = ['Lathe Token', 'LTH', TOKEN_SUPPLY, alice.address]
    token = await ethers.deployContract('Token', args)
    await token.waitForDeployment()
    assert.deepEqual([await token.name(), await token.decimals()], ['Lathe Token', 18n])
    const another = await viem.deployContract('Token', args)
    assert.equal(await another.read.balanceOf([alice.address]), TOKEN_SUPPLY)
    await thrown(() => ethers.deployContract('Token', [...args.slice(0, 3), ethers.ZeroAddress]))
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
    const error = await thrown(() => token.connect(bob).transferFrom.staticCall(alice.address, stranger, 60n))
    assert.equal(token.interface.parseError(error.data?.data ?? error.data).name, 'ERC20InsufficientAllowance')
  })
  await check('unlocked-account', async () => {
    const signer = await ethers.getSigner(addresses[2])
    await mined(signer.sendTransaction({ to: stranger, value: 1n }))
    await mined(counter.connect(signer).setNumber(9n))
    assert.equal(await counter.number(), 9n)
  })
  const typed = async (fields, sender = alice) => {
    const { hash } = await mined(sender.sendTransaction({ to: stranger, value: 1n, ...fields }))
    const transaction = await eth.getTransaction(hash)
    assert.equal(transaction.type, fields.type)
    return transaction
  }
  await check('legacy-transaction', () => typed({ type: 0, gasPrice: 10n ** 10n }))
  await check('access-list-transaction', async () => {
    const accessList = [{ address: counter.target, storageKeys: [ethers.toBeHex(0, 32)] }]
    assert.deepEqual((await typed({ type: 1, gasPrice: 10n ** 10n, accessList })).accessList, accessList)
  })
  await check('fee-market-transaction', async () => {
    const { hash } = await typed({ type: 2, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 7n })
    const { gasPrice, blockNumber } = await eth.getTransactionReceipt(hash)
    assert.equal(gasPrice, (await eth.getBlock(blockNumber)).baseFeePerGas + 7n)
  })
  await check('set-code-transaction', async () => {
    const delegator = new ethers.Wallet(keys[3], eth)
    const sender = new ethers.Wallet(keys[0], eth)
    const authorization = await delegator.authorize({ address: counter.target, nonce: 0, chainId: 31337n })
    const data = counter.interface.encodeFunctionData('increment')
    await mined(sender.sendTransaction({ type: 4, authorizationList: [authorization], to: delegator.address, data }))
    assert.equal(await counter.attach(delegator.address).number(), 1n)
  })
  await check('nonce-too-low', async () => {
    const [wallet] = await viem.getWalletClients()
    const error = await thrown(() => wallet.sendTransaction({ to: stranger, value: 1n, nonce: 0, gas: 21_000n }))
    assert.ok(causeOf(error, 'NonceTooLowError'), error.message)
    const plain = await thrown(() => alice.sendTransaction({ to: stranger, value: 1n, nonce: 0, gasLimit: 21_000n }))
    assert.match(plain.message, /nonce too low/)
  })
  await check('insufficient-funds', async () => {
    const [wallet] = await viem.getWalletClients()
    const error = await thrown(() => wallet.sendTransaction({ to: stranger, value: 10n ** 30n, gas: 21_000n }))
    assert.ok(causeOf(error, 'InsufficientFundsError'), error.message)
    const plain = await thrown(() => alice.sendTransaction({ to: stranger, value: 10n ** 30n }))
    assert.match(plain.message, /insufficient funds/)
  })
  absent('batch', 'hardhat sends one request at a time')
  await check('multicall', async () => {
    const { abi } = await artifacts.readArtifact('Counter')
    const contract = { address: counter.target, abi }
    const [number, refused] = await client.multicall({
      contracts: [{ ...contract, functionName: 'number' }, { ...contract, functionName: 'addNumber', args: [MAX_UINT256] }],
      multicallAddress: MULTICALL3,
    })
    assert.deepEqual([number.result, refused.status], [9n, 'failure'])
  })
  await check('deployless', async () => {
    const { abi, bytecode } = await artifacts.readArtifact('Counter')
    assert.equal(await client.readContract({ code: bytecode, abi, functionName: 'number' }), 0n)
  })
  await check('personal-sign', async () => {
    assert.equal(ethers.verifyMessage('Lathe says hello', await bob.signMessage('Lathe says hello')), bob.address)
  })
  await check('typed-data', async () => {
    const { domain, types, message } = typedData
    assert.equal(ethers.verifyTypedData(domain, types, message, await bob.signTypedData(domain, types, message)), bob.address)
  })
  for (const name of ['new-heads', 'log-subscription']) absent(name, 'hardhat has no WebSocket')
  await check('storage', async () => {
    await mined(counter.setNumber(10n))
    assert.equal(await eth.getStorage(counter.target, 0), ethers.toBeHex(10, 32))
    assert.equal(BigInt(await helpers.getStorageAt(counter.target, 0)), 10n)
  })
  await check('proof', async () => {
    const proof = await client.getProof({ address: counter.target, storageKeys: [ethers.toBeHex(0, 32)] })
    assert.equal(proof.storageProof[0].value, 10n)
    assert.equal(ethers.keccak256(proof.accountProof[0]), (await client.getBlock()).stateRoot)
  })
  await check('history', async () => {
    assert.equal(await counter.number({ blockTag: receipt.blockNumber }), 41n)
    assert.equal(await counter.number({ blockTag: receipt.blockNumber - 1 }), 0n)
  })
  await check('access-list', async () => {
    const data = counter.interface.encodeFunctionData('increment')
    const { accessList } = await client.createAccessList({ account: alice.address, to: counter.target, data })
    const entry = accessList.find(({ address }) => address === counter.target.toLowerCase())
    assert.deepEqual(entry.storageKeys, [ethers.toBeHex(0, 32)])
  })
  await check('simulate', async () => {
    const { abi } = await artifacts.readArtifact('Counter')
    const call = (functionName, ...args) => ({ account: alice.address, to: counter.target, abi, functionName, args })
    const [block] = await client.simulateBlocks({ blocks: [{ calls: [call('setNumber', 99n), call('number')] }] })
    assert.equal(block.calls[1].result, 99n)
  })
  await check('script', async () => {
    // The driver itself is one, run by hardhat; its artifacts are found by name.
    const { contractName, abi } = await artifacts.readArtifact('Token')
    assert.equal(contractName, 'Token')
    assert.ok(abi.some(({ type }) => type === 'constructor'))
  })
  await check('pool', async () => {
    await send('evm_setAutomine', false)
    try {
      const dropped = await bob.sendTransaction({ to: stranger, value: 2n, gasLimit: 21_000n })
      await helpers.dropTransaction(dropped.hash)
      const waiting = await alice.sendTransaction({ to: stranger, value: 2n, gasLimit: 21_000n })
      assert.equal(await eth.getTransactionReceipt(waiting.hash), null)
      assert.equal(await eth.getTransactionCount(alice.address, 'pending'), (await eth.getTransactionCount(alice.address)) + 1)
      await helpers.mine()
      await mined(waiting)
      assert.equal(await eth.getTransactionReceipt(dropped.hash), null)
    } finally {
      await send('evm_setAutomine', true)
    }
  })
  await check('snapshot', async () => {
    const snapshot = await helpers.takeSnapshot()
    await mined(counter.setNumber(1_000n))
    await snapshot.restore()
    assert.equal(await counter.number(), 10n)
    const fixture = async () => {
      await mined(counter.setNumber(50n))
      return counter
    }
    for (const number of [51n, 52n]) {
      const fixed = await helpers.loadFixture(fixture)
      assert.equal(await fixed.number(), 50n)
      await mined(fixed.setNumber(number))
    }
    await snapshot.restore()
    assert.equal(await counter.number(), 10n)
  })
  await check('mine', async () => {
    const before = await eth.getBlock('latest')
    await helpers.mine(10, { interval: 60 })
    const after = await eth.getBlock('latest')
    assert.equal(after.number, before.number + 10)
    assert.ok(after.timestamp >= before.timestamp + 540)
    await helpers.mineUpTo(after.number + 5)
    assert.equal(await helpers.time.latestBlock(), after.number + 5)
  })
  await check('time', async () => {
    const start = await helpers.time.latest()
    assert.equal(await helpers.time.increase(86_400), start + 86_400)
    await helpers.time.increaseTo(start + 100_000)
    assert.equal(await helpers.time.latest(), start + 100_000)
    await helpers.time.setNextBlockTimestamp(start + 200_000)
    const { blockNumber } = await mined(counter.setNumber(10n))
    assert.equal((await eth.getBlock(blockNumber)).timestamp, start + 200_000)
  })
  await check('set-balance', async () => {
    await helpers.setBalance(stranger, 5n * ETHER)
    await helpers.setNonce(stranger, 42)
    await helpers.setCode(stranger, await eth.getCode(counter))
    await helpers.setStorageAt(stranger, 0, 77)
    assert.equal(await eth.getBalance(stranger), 5n * ETHER)
    assert.equal(await eth.getTransactionCount(stranger), 42)
    assert.equal(await counter.attach(stranger).number(), 77n)
    await helpers.setCoinbase(stranger)
    await helpers.setNextBlockBaseFeePerGas(123_456_789n)
    const prevRandao = ethers.keccak256('0x01')
    await helpers.setPrevRandao(prevRandao)
    const { blockNumber } = await mined(counter.setNumber(10n))
    const block = await eth.getBlock(blockNumber)
    const { mixHash } = await send('eth_getBlockByNumber', ethers.toQuantity(blockNumber), false)
    assert.deepEqual([block.miner, block.baseFeePerGas, mixHash], [ethers.getAddress(stranger), 123_456_789n, prevRandao])
    await helpers.setBlockGasLimit(50_000_000)
    await helpers.mine()
    assert.equal((await eth.getBlock('latest')).gasLimit, 50_000_000n)
  })
  await check('impersonate', async () => {
    await helpers.setBalance(token.target, ETHER)
    await helpers.impersonateAccount(token.target)
    const sent = await mined(counter.connect(await ethers.getImpersonatedSigner(token.target)).setNumber(11n))
    assert.equal(sent.from, token.target)
    assert.equal(await counter.number(), 11n)
    await helpers.stopImpersonatingAccount(token.target)
    await thrown(() => send('eth_sendTransaction', { from: token.target, to: stranger }))
  })
  absent('state-dump', 'hardhat has none')
  finish()
}

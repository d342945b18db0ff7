// cast through the scenario of checks.json: the released binary, and nothing but what it prints.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import {
  ETHER, MAX_UINT256, MULTICALL3, OVERFLOW, SOLD_OUT, TOKEN_SUPPLY, addresses, artifact, keys, scenario, stranger, thrown,
  typedData, until, url, wsUrl,
} from './scenario.mjs'

const binary = fileURLToPath(new URL('node_modules/@foundry-rs/cast-linux-amd64/bin/cast', import.meta.url))
const env = { ...process.env, NO_COLOR: '1', ETH_RPC_URL: url }
const cast = async (...args) => (await promisify(execFile)(binary, args.map(String), { env, maxBuffer: 1 << 26 })).stdout.trim()
const json = async (...args) => JSON.parse(await cast(...args, '--json'))
const rpc = async (method, ...params) => JSON.parse(await cast('rpc', method, ...params))
// Sends a transaction, from the first account unless the arguments say otherwise; it must succeed.
const send = async (...args) => {
  const from = args.includes('--private-key') || args.includes('--unlocked') ? [] : ['--private-key', keys[0]]
  const receipt = await json('send', '--poll-interval', 1, ...from, ...args)
  assert.equal(receipt.status, '0x1')
  return receipt
}
// What cast says when it fails.
const failure = async (...args) => (await thrown(() => cast(...args))).stderr
// cast shows large numbers with a power of ten behind them.
const call = async (...args) => (await cast('call', ...args)).replace(/ \[[^\]]*\]$/gm, '')
const create = async ({ bytecode }, ...args) => (await send('--create', bytecode, ...args)).contractAddress

const release = (await cast('--version')).match(/Version: ([0-9.]+)/)[1]
const { check, absent, finish } = scenario('cast', release)
const [alice, bob] = addresses
let counter, token, probe, receipt

await check('chain-id', async () => assert.equal(await cast('chain-id'), '31337'))
await check('accounts', async () => {
  const accounts = await rpc('eth_accounts')
  assert.deepEqual(accounts.slice(0, 4), addresses.map((address) => address.toLowerCase()))
  assert.equal(await cast('wallet', 'address', '--private-key', keys[0]), alice)
})
await check('balance', async () => assert.equal(await cast('balance', addresses[3]), String(10_000n * ETHER)))
await check('deploy', async () => {
  counter = await create(artifact('Counter'))
  probe = await create(artifact('Probe'))
  assert.match(await cast('code', counter), /^0xef/)
  assert.equal(await cast('compute-address', alice, '--nonce', 0), `Computed Address: ${await cast('to-check-sum-address', counter)}`)
})
await check('read', async () => assert.equal(await call(counter, 'number()(uint256)'), '0'))
await check('write', async () => {
  receipt = await send(counter, 'setNumber(uint256)', 41)
  await send(counter, 'increment()')
  assert.equal(await call(counter, 'number()(uint256)'), '42')
  assert.equal(await cast('nonce', alice), '4')
})
await check('estimate', async () => {
  const gas = Number(await cast('estimate', '--from', alice, counter, 'increment()'))
  await send('--gas-limit', gas, counter, 'increment()')
  const short = await json('send', '--poll-interval', 1, '--private-key', keys[0], '--gas-limit', gas - 1, counter, 'increment()')
  assert.equal(short.status, '0x0')
})
await check('receipt', async () => {
  assert.deepEqual([receipt.from, receipt.to, receipt.type], [alice.toLowerCase(), counter.toLowerCase(), '0x2'])
  const again = await cast('receipt', receipt.transactionHash)
  assert.match(again, /status +1 \(success\)/)
  assert.match(again, /type +2/)
  assert.equal(await cast('tx', receipt.transactionHash, 'input'), await cast('calldata', 'setNumber(uint256)', '41'))
  const block = await json('block', BigInt(receipt.blockNumber), '--full')
  assert.equal(block.transactions[0].hash, receipt.transactionHash)
  assert.equal(block.gasUsed, receipt.gasUsed)
})
await check('event', async () => {
  const [log] = receipt.logs
  assert.equal(log.topics[0], await cast('sig-event', 'NumberChanged(uint256)'))
  assert.equal(await cast('decode-event', '--sig', 'NumberChanged(uint256)', log.data), '41')
})
await check('logs', async () => {
  const logs = await json('logs', '--from-block', 0, '--address', counter, 'NumberChanged(uint256)')
  assert.deepEqual(logs.map(({ data }) => BigInt(data)), [41n, 42n, 43n])
})
await check('filter', async () => {
  const id = await rpc('eth_newFilter', JSON.stringify({ address: counter }))
  const { transactionHash } = await send(counter, 'setNumber(uint256)', 8)
  const changes = await rpc('eth_getFilterChanges', id)
  assert.deepEqual(changes.map((log) => log.transactionHash), [transactionHash])
  assert.equal(await rpc('eth_uninstallFilter', id), true)
})
await check('custom-error', async () => {
  const said = await failure('call', counter, 'addNumber(uint256)', MAX_UINT256)
  const data = said.match(/data: "(0x[0-9a-f]+)"/)[1]
  const decoded = await cast('decode-error', '--sig', 'NumberOverflow(uint256,uint256)', data)
  assert.deepEqual(decoded.split('\n').map((line) => line.split(' ')[0]), ['8', String(MAX_UINT256)])
  assert.match(await failure('send', '--private-key', keys[0], counter, 'addNumber(uint256)', MAX_UINT256), /execution reverted/)
})
await check('revert-reason', async () => assert.match(await failure('call', probe, 'fail(bytes)', SOLD_OUT), /execution reverted: sold out/))
await check('panic-code', async () => {
  assert.match(await failure('call', probe, 'fail(bytes)', OVERFLOW), /panic: arithmetic underflow or overflow \(0x11\)/)
})
await check('deploy-with-arguments', async () => {
  const signature = 'constructor(string,string,uint256,address)'
  token = await create(artifact('Token'), signature, 'Lathe Token', 'LTH', TOKEN_SUPPLY, alice)
  assert.equal(await call(token, 'name()(string)'), '"Lathe Token"')
  assert.equal(await cast('erc20-token', 'decimals', token), '18')
  assert.match(await cast('erc20-token', 'balance', token, alice), new RegExp(`^${TOKEN_SUPPLY}`))
})
await check('transfer', async () => {
  const { logs: [log] } = await send(token, 'transfer(address,uint256)', bob, 5)
  assert.equal(await call(token, 'balanceOf(address)(uint256)', bob), '5')
  const found = await json('logs', '--from-block', 0, '--address', token, 'Transfer(address indexed,address indexed,uint256)', alice, bob)
  assert.deepEqual(found.map(({ topics }) => topics), [log.topics])
})
await check('allowance', async () => {
  await cast('erc20-token', 'approve', token, bob, 100, '--private-key', keys[0])
  await until(async () => (await cast('erc20-token', 'allowance', token, alice, bob)) === '100')
  await send('--private-key', keys[1], token, 'transferFrom(address,address,uint256)', alice, stranger, 60)
  assert.equal(await cast('erc20-token', 'allowance', token, alice, bob), '40')
})
await check('unlocked-account', async () => {
  const from = ['--unlocked', '--from', addresses[2]]
  await send(...from, stranger, '--value', 1)
  await send(...from, counter, 'setNumber(uint256)', 9)
  assert.equal(await call(counter, 'number()(uint256)'), '9')
})
const typed = async (type, ...args) => {
  const sent = await send(...args)
  assert.equal(sent.type, type)
  return sent
}
await check('legacy-transaction', () => typed('0x0', '--legacy', stranger, '--value', 1))
await check('access-list-transaction', async () => {
  // cast sends a list with type 1 where the price is a legacy one.
  const list = JSON.stringify([{ address: counter, storageKeys: ['0x' + '0'.repeat(64)] }])
  const sent = await typed('0x1', '--legacy', '--access-list', list, counter, 'increment()')
  const transaction = await json('tx', sent.transactionHash)
  assert.equal(transaction.accessList[0].address, counter.toLowerCase())
  await send(counter, 'setNumber(uint256)', 9)
})
await check('fee-market-transaction', async () => {
  const sent = await typed('0x2', '--gas-price', 10n ** 10n, '--priority-gas-price', 7, stranger, '--value', 1)
  const baseFee = BigInt(await cast('base-fee', BigInt(sent.blockNumber)))
  assert.equal(BigInt(sent.effectiveGasPrice), baseFee + 7n)
})
await check('set-code-transaction', async () => {
  const authorization = await cast('wallet', 'sign-auth', counter, '--private-key', keys[3])
  await typed('0x4', addresses[3], 'increment()', '--auth', authorization)
  assert.equal(await cast('code', addresses[3]), '0xef0100' + counter.slice(2).toLowerCase())
  assert.equal(await call(addresses[3], 'number()(uint256)'), '1')
})
await check('nonce-too-low', async () => {
  const used = ['send', '--private-key', keys[0], '--nonce', 0, '--gas-limit', 21_000, stranger, '--value', 1]
  assert.match(await failure(...used), /nonce too low/)
})
await check('insufficient-funds', async () => {
  for (const limit of [[], ['--gas-limit', 21_000]]) {
    assert.match(await failure('send', '--private-key', keys[0], ...limit, stranger, '--value', 10n ** 30n), /insufficient funds/)
  }
})
absent('batch', 'cast sends one request at a time')
await check('multicall', async () => {
  const calls = [await cast('calldata', 'number()'), await cast('calldata', 'addNumber(uint256)', MAX_UINT256)]
  const list = `[${calls.map((data) => `(${counter},true,${data})`).join(',')}]`
  const answer = await call(MULTICALL3, 'aggregate3((address,bool,bytes)[])((bool,bytes)[])', list)
  assert.match(answer, /^\[\(true, 0x0{63}9\), \(false, 0x[0-9a-f]+\)\]$/)
})
absent('deployless', 'cast has none')
await check('personal-sign', async () => {
  const signature = await rpc('personal_sign', await cast('from-utf8', 'Lathe says hello'), addresses[2])
  assert.match(await cast('wallet', 'verify', '--address', addresses[2], 'Lathe says hello', signature), /succeeded/)
})
await check('typed-data', async () => {
  const EIP712Domain = [
    { name: 'name', type: 'string' }, { name: 'version', type: 'string' },
    { name: 'chainId', type: 'uint256' }, { name: 'verifyingContract', type: 'address' },
  ]
  const data = { ...typedData, types: { EIP712Domain, ...typedData.types } }
  const text = JSON.stringify(data, (_, value) => (typeof value === 'bigint' ? String(value) : value))
  const signature = await rpc('eth_signTypedData_v4', addresses[2], text)
  assert.equal(signature, await cast('wallet', 'sign', '--private-key', keys[2], '--data', text))
})
// Lines that a subscribed cast prints, until `enough` of them is true.
const subscribed = async (args, act, enough) => {
  const child = spawn(binary, args.map(String), { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  try {
    await until(async () => {
      await act()
      return enough(text)
    })
  } finally {
    child.kill()
  }
}
absent('new-heads', 'cast subscribes to logs only')
await check('log-subscription', async () => {
  const transfer = 'Transfer(address indexed,address indexed,uint256)'
  await subscribed(
    ['logs', '--subscribe', '--rpc-url', wsUrl, '--address', token, transfer, alice, addresses[3]],
    () => send(token, 'transfer(address,uint256)', addresses[3], 3),
    (text) => text.includes('0x' + '3'.padStart(64, '0')),
  )
})
await check('storage', async () => {
  assert.equal(BigInt(await cast('storage', counter, 0)), 9n)
  assert.equal(BigInt(await cast('storage', counter, 0, '--block', BigInt(receipt.blockNumber))), 41n)
})
await check('proof', async () => {
  const proof = await json('proof', counter, 0)
  assert.equal(BigInt(proof.storageProof[0].value), 9n)
  assert.equal(await cast('keccak', proof.accountProof[0]), await cast('block', 'latest', '--field', 'stateRoot'))
  assert.equal(await cast('storage-root', counter), await cast('keccak', proof.storageProof[0].proof[0]))
  assert.equal(await cast('codehash', counter), await cast('keccak', await cast('code', counter)))
})
await check('history', async () => {
  const at = (number) => call(counter, 'number()(uint256)', '--block', BigInt(number))
  assert.equal(await at(receipt.blockNumber), '41')
  assert.equal(await at(BigInt(receipt.blockNumber) - 1n), '0')
})
await check('access-list', async () => {
  const { accessList } = await json('access-list', '--from', alice, counter, 'increment()')
  assert.deepEqual(accessList.find(({ address }) => address === counter.toLowerCase()).storageKeys, ['0x' + '0'.repeat(64)])
})
absent('simulate', 'cast has none')
await check('script', async () => {
  // cast replays a transaction on its own EVM, with the state before it: for EVM contracts only.
  const { transactionHash } = await send(MULTICALL3, 'aggregate3((address,bool,bytes)[])', `[(${MULTICALL3},true,${await cast('calldata', 'getBlockNumber()')})]`)
  const replay = await cast('run', '--quick', transactionHash)
  assert.match(replay, /42cbb15c/)
  assert.match(replay, /Transaction successfully executed/)
})
// What a devnet is told goes through `cast rpc`.
await check('pool', async () => {
  await rpc('evm_setAutomine', 'false')
  try {
    const before = Number(await cast('nonce', alice))
    const hash = await cast('send', '--async', '--private-key', keys[0], stranger, '--value', 2)
    assert.equal(await cast('nonce', '--block', 'pending', alice), String(before + 1))
    assert.equal(Number((await json('tx-pool', 'status')).pending), 1)
    await rpc('evm_mine')
    assert.equal((await json('receipt', hash)).status, '0x1')
  } finally {
    await rpc('evm_setAutomine', 'true')
  }
})
await check('snapshot', async () => {
  const id = await rpc('evm_snapshot')
  await send(counter, 'setNumber(uint256)', 1_000)
  assert.equal(await rpc('evm_revert', id), true)
  assert.equal(await call(counter, 'number()(uint256)'), '9')
})
await check('mine', async () => {
  const before = Number(await cast('block-number'))
  await rpc('anvil_mine', '0xa', '0x3c')
  assert.equal(await cast('block-number'), String(before + 10))
})
await check('time', async () => {
  const before = Number(await cast('block', 'latest', '--field', 'timestamp'))
  await rpc('evm_increaseTime', 86_400)
  await rpc('evm_mine')
  const latest = await cast('block-number')
  assert.ok(Number(await cast('block', 'latest', '--field', 'timestamp')) >= before + 86_400)
  assert.equal(await cast('find-block', before + 86_400), latest)
})
await check('set-balance', async () => {
  await rpc('anvil_setBalance', stranger, '0x4563918244f40000')
  assert.equal(await cast('balance', '--ether', stranger), '5.000000000000000000')
  await rpc('anvil_setCode', stranger, await cast('code', counter))
  await rpc('anvil_setStorageAt', stranger, '0x0', '0x' + '4d'.padStart(64, '0'))
  assert.equal(await call(stranger, 'number()(uint256)'), '77')
})
await check('impersonate', async () => {
  await rpc('anvil_setBalance', token, '0xde0b6b3a7640000')
  await rpc('anvil_impersonateAccount', token)
  const sent = await send('--unlocked', '--from', token, counter, 'setNumber(uint256)', 11)
  assert.equal(sent.from, token.toLowerCase())
  assert.equal(await call(counter, 'number()(uint256)'), '11')
  await rpc('anvil_stopImpersonatingAccount', token)
})
await check('state-dump', async () => {
  const state = await rpc('anvil_dumpState')
  await send(counter, 'setNumber(uint256)', 500)
  // Longer than an argument may be: cast reads the parameters from its input.
  const child = promisify(execFile)(binary, ['rpc', '--raw', 'anvil_loadState'], { env })
  child.child.stdin.end(JSON.stringify([state]))
  assert.equal((await child).stdout.trim(), 'true')
  assert.equal(await call(counter, 'number()(uint256)'), '11')
})
finish()

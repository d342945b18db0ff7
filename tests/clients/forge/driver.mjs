// forge through the scenario of checks.json: forge create and forge script, on a contract for the EVM, because forge runs
// what it sends on an EVM of its own first. What it says about state it has read from the node.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ETHER, addresses, artifact, keys, rpc, scenario, thrown, url } from '../scenario.mjs'

const cwd = fileURLToPath(new URL('.', import.meta.url))
const binary = join(cwd, 'node_modules/@foundry-rs/forge-linux-amd64/bin/forge')
// What forge writes is this run's alone.
const files = mkdtempSync(join(tmpdir(), 'forge-'))
const env = {
  ...process.env, NO_COLOR: '1', ETH_RPC_URL: url,
  FOUNDRY_OUT: join(files, 'out'), FOUNDRY_CACHE_PATH: join(files, 'cache'), FOUNDRY_BROADCAST: join(files, 'broadcast'),
}
const forge = async (...args) => (await promisify(execFile)(binary, args.map(String), { cwd, env, maxBuffer: 1 << 26 })).stdout
const failure = async (...args) => {
  const { stdout, stderr } = await thrown(() => forge(...args))
  return stdout + stderr
}
const create = async (...args) => {
  const options = args.includes('--unlocked') || args.includes('--private-key') ? [] : ['--private-key', keys[0]]
  const text = await forge('create', 'src/Ledger.sol:Ledger', '--broadcast', '--json', ...options, ...args, '--constructor-args', 'created', 100)
  return JSON.parse(text)
}
const script = (signature, ...args) => ['script', 'script/Scenario.s.sol', '--rpc-url', url, '--sig', signature, ...args]
// What a script's function returns: lines such as "count: uint256 42".
const returned = (text) => Object.fromEntries([...text.matchAll(/^(\w+): \w+ (\S+)/gm)].map(([, name, value]) => [name, value]))
const count = async (address) => BigInt(await rpc('eth_call', { to: address, data: '0x06661abd' }, 'latest'))

const version = (await forge('--version')).match(/Version: ([0-9.]+)/)[1]
const { check, absent, finish } = scenario('forge', version)
let ledger, wasm, broadcast, started

await check('deploy', async () => {
  const created = await create()
  assert.equal((await rpc('eth_getTransactionReceipt', created.transactionHash)).status, '0x1')
  assert.equal(created.deployer.toLowerCase(), addresses[0].toLowerCase())
  assert.equal(await count(created.deployedTo), 0n)
})
await check('script', async () => {
  const deployed = await forge(...script('deploy(uint256)', keys[0]), '--broadcast', '--slow')
  assert.match(deployed, /ONCHAIN EXECUTION COMPLETE & SUCCESSFUL/)
  broadcast = JSON.parse(readFileSync(join(files, 'broadcast/Scenario.s.sol/31337/deploy-latest.json'), 'utf8'))
  ledger = broadcast.transactions[0].contractAddress
  assert.equal(await count(ledger), 42n)
  assert.equal(BigInt(await rpc('eth_getBalance', ledger, 'latest')), 3n)
  const hash = await rpc('eth_sendTransaction', { from: addresses[2], data: artifact('Counter').bytecode })
  wasm = (await rpc('eth_getTransactionReceipt', hash)).contractAddress
})
await check('deploy-with-arguments', async () => {
  const name = await rpc('eth_call', { to: ledger, data: '0x06fdde03' }, 'latest')
  assert.ok(name.includes(Buffer.from('broadcast').toString('hex')))
})
await check('chain-id', async () => assert.equal(broadcast.chain, 31337))
await check('write', async () => assert.deepEqual(broadcast.transactions.map(({ function: name }) => name), [null, 'add(uint256)', 'add(uint256)']))
await check('receipt', async () => {
  const receipts = await Promise.all(broadcast.transactions.map(({ hash }) => rpc('eth_getTransactionReceipt', hash)))
  assert.deepEqual(broadcast.receipts.map(({ blockHash, gasUsed }) => [blockHash, gasUsed]), receipts.map(({ blockHash, gasUsed }) => [blockHash, gasUsed]))
  started = BigInt(receipts[0].blockNumber)
})
const read = async () => returned(await forge(...script('read(address,address,address)', ledger, addresses[3], wasm)))
await check('read', async () => {
  const { chainId, nonce, count, codeSize } = await read()
  const code = await rpc('eth_getCode', wasm, 'latest')
  assert.deepEqual([chainId, nonce, count, Number(codeSize)], ['31337', '0', '42', code.length / 2 - 1])
})
await check('balance', async () => assert.equal((await read()).balance, String(10_000n * ETHER)))
await check('custom-error', async () => assert.match(await failure(...script('tooMany(address)', ledger)), /TooMany\(101, 100\)/))
await check('revert-reason', async () => assert.match(await failure(...script('notTheOwner(address)', ledger)), /not the owner/))
await check('panic-code', async () => assert.match(await failure(...script('overflow(address)', ledger)), /panic: arithmetic underflow or overflow \(0x11\)/))
await check('history', async () => {
  const { before } = returned(await forge(...script('past(address,uint256)', ledger, started + 1n)))
  assert.equal(before, '40')
})
await check('unlocked-account', async () => {
  const { deployer } = await create('--unlocked', '--from', addresses[2])
  assert.equal(deployer, addresses[2])
})
const typeOf = async ({ transactionHash }) => (await rpc('eth_getTransactionByHash', transactionHash)).type
await check('legacy-transaction', async () => assert.equal(await typeOf(await create('--legacy')), '0x0'))
await check('fee-market-transaction', async () => {
  assert.equal(await typeOf(await create('--gas-price', 10n ** 10n, '--priority-gas-price', 7)), '0x2')
})
const refused = (...args) => failure('create', 'src/Ledger.sol:Ledger', '--broadcast', ...args, '--constructor-args', 'created', 100)
await check('nonce-too-low', async () => assert.match(await refused('--private-key', keys[0], '--nonce', 0), /nonce too low/))
await check('insufficient-funds', async () => {
  assert.match(await refused('--private-key', '0x' + '7'.repeat(64)), /insufficient funds/i)
})
await check('estimate', async () => {
  // The gas that forge puts into a transaction is the node's estimate.
  const { transactionHash } = await create()
  const { gas, input } = await rpc('eth_getTransactionByHash', transactionHash)
  assert.equal(gas, await rpc('eth_estimateGas', { from: addresses[0], data: input }))
})
const elsewhere = 'forge only creates and scripts; cast does the rest'
for (const name of [
  'accounts', 'event', 'logs', 'filter', 'transfer', 'allowance', 'access-list-transaction', 'set-code-transaction', 'batch',
  'multicall', 'deployless', 'personal-sign', 'typed-data', 'new-heads', 'log-subscription', 'storage', 'proof', 'access-list',
  'simulate', 'pool', 'snapshot', 'mine', 'time', 'set-balance', 'impersonate', 'state-dump',
]) absent(name, elsewhere)
finish()

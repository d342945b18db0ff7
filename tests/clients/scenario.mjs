// What the drivers in JavaScript share: checks by name, and a line of JSON about them.
//
// The harness gives every driver
//   LATHE_URL        where the node answers, over HTTP
//   LATHE_ARTIFACTS  a directory with artifacts as hardhat writes them: Counter, Token, Probe
// and reads the last line of its output: { client, version, passed, failed, absent }. Each check of checks.json is in exactly
// one of the three; `absent` says why the client cannot have it.
import { AssertionError } from 'node:assert'
import { readFileSync } from 'node:fs'

// A check that takes longer hangs.
const CHECK_TIMEOUT_MS = 60_000
// Characters of a failure's message that are reported.
const MESSAGE_MAX = 2_000

export const url = process.env.LATHE_URL
export const wsUrl = url.replace(/^http/, 'ws')

// Keys of the development accounts, which every Ethereum devnet has.
export const keys = [
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
  '0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a',
  '0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6',
]
export const addresses = [
  '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
  '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC',
  '0x90F79bf6EB2c4f870365E785982E1f101E93b906',
]
// An account that nobody has the key of.
export const stranger = '0x0000000000000000000000000000000000123456'
export const MULTICALL3 = '0xcA11bde05977b3631167028862bE2a173976CA11'
export const ETHER = 10n ** 18n
export const TOKEN_SUPPLY = 1_000n * ETHER
export const MAX_UINT256 = 2n ** 256n - 1n

// ABI-encoded reverts that the probe passes on: Error("sold out") and Panic(0x11).
export const SOLD_OUT =
  '0x08c379a0' + '20'.padStart(64, '0') + '8'.padStart(64, '0') + Buffer.from('sold out').toString('hex').padEnd(64, '0')
export const OVERFLOW = '0x4e487b71' + '11'.padStart(64, '0')

// Typed data that wallets are asked to sign, without the domain's own type.
export const typedData = {
  domain: { name: 'Lathe', version: '1', chainId: 31337, verifyingContract: MULTICALL3 },
  types: {
    Person: [{ name: 'name', type: 'string' }, { name: 'wallet', type: 'address' }],
    Mail: [{ name: 'from', type: 'Person' }, { name: 'to', type: 'Person[]' }, { name: 'amount', type: 'uint256' }],
  },
  primaryType: 'Mail',
  message: {
    from: { name: 'Alice', wallet: addresses[0] },
    to: [{ name: 'Bob', wallet: addresses[1] }, { name: 'Carol', wallet: addresses[2] }],
    amount: 12345678901234567890n,
  },
}

export const artifact = (name) =>
  JSON.parse(readFileSync(`${process.env.LATHE_ARTIFACTS}/contracts/${name}.sol/${name}.json`, 'utf8'))

// A request past the client, for what a check needs but is not about.
export const rpc = async (method, ...params) => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const { result, error } = await answer.json()
  if (error) throw new Error(`${method}: ${JSON.stringify(error)}`)
  return result
}

// Waits until `holds` returns something true, and returns that; the check's time is the limit.
export const until = async (holds) => {
  for (;;) {
    const value = await holds()
    if (value) return value
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

// Returns what `action` throws; that it throws nothing is a failure of the check.
export const thrown = async (action) => {
  let value
  try {
    value = await action()
  } catch (error) {
    return error
  }
  throw new AssertionError({ message: `expected an error, got ${String(value)}` })
}

const describe = (error) => {
  const text = error instanceof AssertionError ? `${error.message}\n${error.stack}` : (error?.stack ?? String(error))
  return text.slice(0, MESSAGE_MAX)
}

// Begins the report of a client. `check` runs a check, `absent` says why there is none, `finish` prints the report and ends.
export const scenario = (client, version) => {
  const names = JSON.parse(readFileSync(new URL('checks.json', import.meta.url))).map((check) => check.name)
  const report = { client, version, passed: [], failed: {}, absent: {} }
  const missing = new Set(names)
  const claim = (name) => {
    if (!missing.delete(name)) throw new Error(`${name} is no check of checks.json, or there twice`)
  }
  const check = async (name, action) => {
    claim(name)
    let timer
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`took more than ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS)
    })
    try {
      await Promise.race([action(), timeout])
      report.passed.push(name)
    } catch (error) {
      report.failed[name] = describe(error)
    } finally {
      clearTimeout(timer)
    }
  }
  const absent = (name, why) => {
    claim(name)
    report.absent[name] = why
  }
  const finish = () => {
    for (const name of missing) report.failed[name] = 'the driver does not say anything about this check'
    process.stdout.write(JSON.stringify(report) + '\n', () => process.exit(0))
  }
  return { check, absent, finish }
}

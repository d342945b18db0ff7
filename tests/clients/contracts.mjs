// Deploys every example contract with viem and its abi.json, and drives them together.
//   node contracts.mjs URL PRIVATE_KEY CONTRACTS_DIRECTORY
// Prints one line of JSON: what the contracts answered.
import { readFileSync } from 'node:fs'
import {
  createPublicClient, createWalletClient, getContractAddress, http, keccak256, concatHex, encodeFunctionData, pad, parseEther,
  parseEventLogs, stringToHex, toHex, zeroAddress,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'

const [url, key, directory] = process.argv.slice(2)
const account = privateKeyToAccount(key)
const client = createPublicClient({ chain: foundry, transport: http(url), pollingInterval: 20 })
const wallet = createWalletClient({ account, chain: foundry, transport: http(url) })

// Creation data: the module behind a header that says whether there is a constructor; viem appends its arguments.
const bytecodeOf = (name, hasConstructor) => {
  const module = readFileSync(`${directory}/${name}/${name}.wasm`)
  const header = ['0xef4c01', hasConstructor ? '0x02' : '0x00', toHex(module.length, { size: 4 })]
  return concatHex([...header, toHex(module)])
}
const abiOf = (name) => JSON.parse(readFileSync(`${directory}/${name}/abi.json`, 'utf8'))
const deploy = async (name, args, value) => {
  const abi = abiOf(name)
  const hasConstructor = abi.some((entry) => entry.type === 'constructor')
  const hash = await wallet.deployContract({ abi, args, value, bytecode: bytecodeOf(name, hasConstructor) })
  const receipt = await client.waitForTransactionReceipt({ hash })
  if (receipt.status !== 'success') throw new Error(`${name} was not created`)
  return { address: receipt.contractAddress, abi }
}
const read = (contract, functionName, ...args) => client.readContract({ ...contract, functionName, args })
// Simulates, sends, waits; returns the simulated result and the events of the receipt.
const write = async (contract, functionName, args = [], value) => {
  const { request, result } = await client.simulateContract({ account, ...contract, functionName, args, value })
  const receipt = await client.waitForTransactionReceipt({ hash: await wallet.writeContract(request) })
  const events = parseEventLogs({ abi: contract.abi, logs: receipt.logs })
  return { result, status: receipt.status, events: events.map((event) => event.eventName) }
}
// The name of the custom error that a call reverts with.
const errorOf = async (contract, functionName, args = [], value) => {
  try {
    await client.simulateContract({ account, ...contract, functionName, args, value })
    return 'no error'
  } catch (error) {
    return error.walk((e) => e.data?.errorName)?.data.errorName ?? error.shortMessage
  }
}
const answers = {}

const counter = await deploy('counter')
await write(counter, 'setNumber', [41n])
await write(counter, 'increment')
answers.counter = String(await read(counter, 'number'))

const token = await deploy('erc20', ['Lathe Token', 'LTH', parseEther('1000'), account.address])
const other = '0x00000000000000000000000000000000000000aa'
const transfer = await write(token, 'transfer', [other, 5n])
answers.erc20 = {
  name: await read(token, 'name'),
  decimals: await read(token, 'decimals'),
  transferred: transfer.result,
  events: transfer.events,
  balance: String(await read(token, 'balanceOf', other)),
  error: await errorOf(token, 'transfer', [other, parseEther('1001')]),
}

const lots = await deploy('erc721')
const minted = await write(lots, 'mint')
await write(lots, 'safeTransferFrom', [account.address, other, minted.result])
answers.erc721 = {
  minted: String(minted.result),
  owner: await read(lots, 'ownerOf', 1n),
  uri: await read(lots, 'tokenURI', 1n),
  error: await errorOf(lots, 'ownerOf', [2n]),
}

const cabinet = await deploy('cabinet')
await write(cabinet, 'setSmall', [true, 7, 4660, -2n, '0xc0ffee01', other])
await write(cabinet, 'setText', ['a text of more than thirty-two bytes, which moves behind a hash', '0x0102'])
await write(cabinet, 'push', [9n, 8])
await write(cabinet, 'fill', [1n, 3n, true, 'label', [5n, 6n]])
const [opened, locked, label, coins] = await read(cabinet, 'drawer', account.address, 1n)
answers.cabinet = {
  slot: await client.getStorageAt({ address: cabinet.address, slot: '0x0' }),
  small: (await read(cabinet, 'small')).map(String),
  text: (await read(cabinet, 'text'))[0].length,
  drawer: [String(opened), locked, label, coins.map(String)],
  error: await errorOf(cabinet, 'at', [1n]),
}

const exchange = await deploy('exchange', [token.address, 3n], 30n)
await write(token, 'transfer', [exchange.address, 1000n])
const bought = await write(exchange, 'buy', [], 31n)
await write(token, 'approve', [exchange.address, 4n])
const sold = await write(exchange, 'sell', [4n])
answers.exchange = {
  bought: String(bought.result),
  events: [...bought.events, ...sold.events],
  stock: String(await read(exchange, 'stock')),
  ether: String(await client.getBalance({ address: exchange.address })),
  error: await errorOf(exchange, 'buy', [], 2n),
  passedOn: await errorOf({ ...exchange, abi: [...exchange.abi, ...token.abi] }, 'sell', [1n]),
}

const setNumber = encodeFunctionData({ abi: counter.abi, functionName: 'setNumber', args: [6n] })
const proxy = await deploy('proxy', [counter.address, account.address, setNumber])
const behind = { address: proxy.address, abi: counter.abi }
await write(behind, 'increment')
answers.proxy = {
  number: String(await read(behind, 'number')),
  untouched: String(await read(counter, 'number')),
  error: await errorOf(proxy, 'upgradeTo', [other]),
}

const factory = await deploy('factory')
const creation = bytecodeOf('counter', false)
const salt = pad('0x07')
const made = await write(factory, 'create2', [creation, salt])
const expected = getContractAddress({ opcode: 'CREATE2', from: factory.address, salt, bytecodeHash: keccak256(creation) })
answers.factory = {
  atItsAddress: made.result === expected,
  count: String(await read(factory, 'count')),
  works: (await write({ address: made.result, abi: counter.abi }, 'increment')).status,
}

const probe = await deploy('probe')
const [, sender] = (await client.simulateContract({ account, ...probe, functionName: 'message' })).result
const seen = await read(probe, 'chain')
answers.probe = {
  sender: sender === account.address,
  chainId: String(seen[5]),
  hash: (await read(probe, 'hash', '0x6c61746865')) === keccak256(stringToHex('lathe')),
  arithmetic: (await read(probe, 'arithmetic', 17n, 5n, 7n)).map(String),
  transient: (await write(probe, 'transient', [pad('0x01'), pad('0x02')])).result === pad('0x'),
  noCode: (await read(probe, 'account', zeroAddress))[1],
  panic: await client.call({ to: probe.address, data: encodeFunctionData({ abi: probe.abi, functionName: 'panic', args: ['boom'] }) })
    .then(() => 'no error', (error) => /panicked: boom/.test(error.message) && /unreachable/.test(error.message)),
}

console.log(JSON.stringify(answers))

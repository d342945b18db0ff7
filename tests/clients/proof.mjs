// Verifies eth_getProof with a trie that is not ours, at every block, for what is there and what is not.
//   node proof.mjs URL CONTRACT ACCOUNT ABSENT_ACCOUNT SLOT...
import { verifyMerkleProof } from '@ethereumjs/mpt'
import { RLP } from '@ethereumjs/rlp'
import { bytesToHex, hexToBytes, setLengthLeft } from '@ethereumjs/util'

const [url, contract, account, absent, ...slots] = process.argv.slice(2)
const rpc = async (method, params) => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const { result, error } = await answer.json()
  if (error) throw new Error(`${method}: ${error.message}`)
  return result
}
// Hex of any length to bytes without leading zeros, as RLP has integers.
const integer = (hex) => (BigInt(hex) === 0n ? new Uint8Array() : hexToBytes(even(BigInt(hex).toString(16))))
const even = (digits) => `0x${digits.length % 2 ? '0' : ''}${digits}`
const equal = (a, b) => (a === null ? b === null : b !== null && bytesToHex(a) === bytesToHex(b))
const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'

const prove = async (root, key, expected, nodes) => {
  // An empty trie has no nodes to prove with.
  if (nodes.length === 0) return root === EMPTY_ROOT && expected === null
  const opts = { root: hexToBytes(root), useKeyHashing: true }
  return equal(await verifyMerkleProof(key, nodes.map(hexToBytes), opts), expected)
}

const head = Number(await rpc('eth_blockNumber', []))
let proofs = 0
const wrong = []
for (let number = 0; number <= head; number++) {
  const at = `0x${number.toString(16)}`
  const { stateRoot } = await rpc('eth_getBlockByNumber', [at, false])
  for (const who of [contract, account, absent]) {
    const [code, balance, nonce] = await Promise.all(
      ['eth_getCode', 'eth_getBalance', 'eth_getTransactionCount'].map((method) => rpc(method, [who, at])),
    )
    const isThere = code !== '0x' || BigInt(balance) !== 0n || BigInt(nonce) !== 0n
    const answer = await rpc('eth_getProof', [who, slots, at])
    const fields = [nonce, balance].map(integer).concat([answer.storageHash, answer.codeHash].map(hexToBytes))
    const leaf = isThere ? RLP.encode(fields) : null
    proofs++
    if (!(await prove(stateRoot, hexToBytes(who), leaf, answer.accountProof))) wrong.push([number, who])
    for (const [index, slot] of slots.entries()) {
      const { value, proof, key } = answer.storageProof[index]
      if (key !== slot) wrong.push([number, slot, 'key', key])
      const leaf = BigInt(value) === 0n ? null : RLP.encode(integer(value))
      const path = setLengthLeft(integer(slot), 32)
      proofs++
      if (!(await prove(answer.storageHash, path, leaf, proof))) wrong.push([number, who, slot])
    }
  }
}
console.log(JSON.stringify({ blocks: head + 1, proofs, wrong }))

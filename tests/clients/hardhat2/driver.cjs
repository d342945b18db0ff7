// hardhat 2 through the scenario of checks.json, as `hardhat run` runs a script.
const hre = require('hardhat')
const helpers = require('@nomicfoundation/hardhat-network-helpers')
const { version } = require('hardhat/package.json')

const start = async () => {
  const { run } = await import('../hardhat.mjs')
  const { ethers, viem, artifacts } = hre
  await run({ name: 'hardhat2', version, ethers, viem, helpers, artifacts, provider: hre.network.provider })
}
start().catch((error) => {
  console.error(error)
  process.exit(1)
})

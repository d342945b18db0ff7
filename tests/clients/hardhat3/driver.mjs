// hardhat 3 through the scenario of checks.json, as `hardhat run` runs a script.
import { createRequire } from 'node:module'
import hre from 'hardhat'
import { run } from '../hardhat.mjs'

const { version } = createRequire(import.meta.url)('hardhat/package.json')
const { ethers, viem, networkHelpers: helpers, provider } = await hre.network.create()
await run({ name: 'hardhat3', version, ethers, viem, helpers, artifacts: hre.artifacts, provider })

// The node of the harness as a network, and artifacts that are there already: nothing is compiled.
import hardhatEthers from '@nomicfoundation/hardhat-ethers'
import hardhatNetworkHelpers from '@nomicfoundation/hardhat-network-helpers'
import hardhatViem from '@nomicfoundation/hardhat-viem'
import { defineConfig } from 'hardhat/config'

export default defineConfig({
  plugins: [hardhatEthers, hardhatNetworkHelpers, hardhatViem],
  solidity: '0.8.30',
  paths: { artifacts: process.env.LATHE_ARTIFACTS },
  networks: { lathe: { type: 'http', url: process.env.LATHE_URL ?? 'http://127.0.0.1:8545' } },
})

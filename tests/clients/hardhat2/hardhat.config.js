// The node of the harness as a network, and artifacts that are there already: nothing is compiled.
require('@nomicfoundation/hardhat-ethers')
require('@nomicfoundation/hardhat-viem')

module.exports = {
  solidity: '0.8.30',
  paths: { artifacts: process.env.LATHE_ARTIFACTS },
  networks: { lathe: { url: process.env.LATHE_URL ?? 'http://127.0.0.1:8545' } },
}

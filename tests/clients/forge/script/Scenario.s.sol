// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.30;

import {Ledger} from "../src/Ledger.sol";

/// The cheats of forge that the scripts need.
interface Vm {
    function startBroadcast(uint256 key) external;
    function stopBroadcast() external;
    function addr(uint256 key) external pure returns (address);
    function getNonce(address account) external view returns (uint64);
    function rollFork(uint256 number) external;
}

contract Scenario {
    Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_SCRIPT = true;

    event Seen(string what, uint256 value);

    /// Deploys with arguments and value, then sends transactions.
    function deploy(uint256 key) external returns (Ledger ledger) {
        vm.startBroadcast(key);
        ledger = new Ledger{value: 3 wei}("broadcast", 100);
        ledger.add(40);
        ledger.add(2);
        vm.stopBroadcast();
    }

    /// Reads what the node has, through forge's own EVM.
    function read(Ledger ledger, address account, address wasm)
        external
        view
        returns (uint256 chainId, uint256 balance, uint64 nonce, uint256 count, uint256 codeSize)
    {
        return (block.chainid, account.balance, vm.getNonce(account), ledger.count(), wasm.code.length);
    }

    function tooMany(Ledger ledger) external {
        ledger.add(59);
    }

    function overflow(Ledger ledger) external {
        ledger.add(type(uint256).max);
    }

    function notTheOwner(Ledger ledger) external view {
        ledger.onlyOwner();
    }

    /// Returns the count at an earlier block, and now.
    function past(Ledger ledger, uint256 number) external returns (uint256 before) {
        vm.rollFork(number);
        return ledger.count();
    }
}

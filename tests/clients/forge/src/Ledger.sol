// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.30;

/// A contract for the EVM: counts, knows its owner, and fails in each way that Solidity can.
contract Ledger {
    event Counted(address indexed by, uint256 count);

    error TooMany(uint256 count, uint256 limit);

    string public name;
    address public immutable owner;
    uint256 public count;
    uint256 public immutable limit;

    constructor(string memory name_, uint256 limit_) payable {
        name = name_;
        limit = limit_;
        owner = msg.sender;
    }

    function add(uint256 amount) external {
        count += amount;
        if (count > limit) revert TooMany(count, limit);
        emit Counted(msg.sender, count);
    }

    function onlyOwner() external view {
        require(msg.sender == owner, "not the owner");
    }
}

//! What is known without artifacts: interfaces that everybody has, and contracts that are on every chain.

use alloy_primitives::{Address, address};

use crate::{
    chain::{CREATE2_FACTORY, MULTICALL3, STYLUS_DEPLOYER},
    runtime::{ARB_WASM, ARB_WASM_CACHE, CONSOLE},
};

/// Interfaces by name, as Solidity declares their functions, events and errors.
pub(super) const INTERFACES: &[(&str, &[&str])] = &[
    (
        "ERC20",
        &[
            "function name() returns (string)",
            "function symbol() returns (string)",
            "function decimals() returns (uint8)",
            "function totalSupply() returns (uint256)",
            "function balanceOf(address account) returns (uint256)",
            "function allowance(address owner, address spender) returns (uint256)",
            "function transfer(address to, uint256 value) returns (bool)",
            "function approve(address spender, uint256 value) returns (bool)",
            "function transferFrom(address from, address to, uint256 value) returns (bool)",
            "function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
            "event Transfer(address indexed from, address indexed to, uint256 value)",
            "event Approval(address indexed owner, address indexed spender, uint256 value)",
            "error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)",
            "error ERC20InvalidSender(address sender)",
            "error ERC20InvalidReceiver(address receiver)",
            "error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed)",
            "error ERC20InvalidApprover(address approver)",
            "error ERC20InvalidSpender(address spender)",
        ],
    ),
    (
        "ERC721",
        &[
            "function ownerOf(uint256 tokenId) returns (address)",
            "function safeTransferFrom(address from, address to, uint256 tokenId)",
            "function setApprovalForAll(address operator, bool approved)",
            "function tokenURI(uint256 tokenId) returns (string)",
            "event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)",
            "event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId)",
            "event ApprovalForAll(address indexed owner, address indexed operator, bool approved)",
            "error ERC721NonexistentToken(uint256 tokenId)",
            "error ERC721IncorrectOwner(address sender, uint256 tokenId, address owner)",
            "error ERC721InsufficientApproval(address operator, uint256 tokenId)",
        ],
    ),
    (
        "ERC1155",
        &[
            "function balanceOf(address account, uint256 id) returns (uint256)",
            "function balanceOfBatch(address[] accounts, uint256[] ids) returns (uint256[])",
            "function safeTransferFrom(address from, address to, uint256 id, uint256 value, bytes data)",
            "function safeBatchTransferFrom(address from, address to, uint256[] ids, uint256[] values, bytes data)",
            "event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value)",
            "event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values)",
            "event URI(string value, uint256 indexed id)",
        ],
    ),
    (
        "Ownable",
        &[
            "function owner() returns (address)",
            "function transferOwnership(address newOwner)",
            "function renounceOwnership()",
            "event OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
            "error OwnableUnauthorizedAccount(address account)",
            "error OwnableInvalidOwner(address owner)",
        ],
    ),
    (
        "StylusDeployer",
        &[
            "function deploy(bytes bytecode, bytes initData, uint256 initValue, bytes32 salt) payable returns (address)",
            "event ContractDeployed(address deployedContract)",
        ],
    ),
    (
        "ArbWasm",
        &[
            "function activateProgram(address program) returns (uint16 version, uint256 dataFee)",
            "function stylusVersion() returns (uint16 version)",
            "function codehashVersion(bytes32 codehash) returns (uint16 version)",
            "function programVersion(address program) returns (uint16 version)",
            "function programTimeLeft(address program) returns (uint64 timeLeft)",
            "function inkPrice() returns (uint32 price)",
            "event ProgramActivated(bytes32 indexed codehash, bytes32 moduleHash, address program, uint256 dataFee, uint16 version)",
            "error ProgramNotActivated()",
            "error ProgramNotWasm()",
        ],
    ),
    (
        "Multicall3",
        &[
            "function aggregate((address,bytes)[] calls) returns (uint256 blockNumber, bytes[] returnData)",
            "function aggregate3((address,bool,bytes)[] calls) returns ((bool,bytes)[] results)",
            "function aggregate3Value((address,bool,uint256,bytes)[] calls) returns ((bool,bytes)[] results)",
            "function tryAggregate(bool requireSuccess, (address,bytes)[] calls) returns ((bool,bytes)[] results)",
        ],
    ),
    ("Solidity", &["error Error(string reason)", "error Panic(uint256 code)"]),
];

/// Contracts that are where they are on every chain of this node.
pub(super) const CONTRACTS: &[(Address, &str)] = &[
    (ARB_WASM, "ArbWasm"),
    (ARB_WASM_CACHE, "ArbWasmCache"),
    (CONSOLE, "console"),
    (MULTICALL3, "Multicall3"),
    (CREATE2_FACTORY, "Create2Factory"),
    (STYLUS_DEPLOYER, "StylusDeployer"),
    (address!("0000000000000000000000000000000000000001"), "ecrecover"),
    (address!("0000000000000000000000000000000000000002"), "sha256"),
    (address!("0000000000000000000000000000000000000003"), "ripemd160"),
    (address!("0000000000000000000000000000000000000004"), "identity"),
    (address!("0000000000000000000000000000000000000005"), "modexp"),
    (address!("0000000000000000000000000000000000000006"), "ecadd"),
    (address!("0000000000000000000000000000000000000007"), "ecmul"),
    (address!("0000000000000000000000000000000000000008"), "ecpairing"),
    (address!("0000000000000000000000000000000000000009"), "blake2f"),
    (address!("000000000000000000000000000000000000000a"), "point evaluation"),
    (address!("0000000000000000000000000000000000000100"), "p256verify"),
];

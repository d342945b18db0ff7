//! The ERC-721 token.

use alloy_primitives::{Address, Bytes, FixedBytes, U256, fixed_bytes};
use alloy_sol_types::sol;
use lathe_contracts_tests::deploy;
use lathe_node::sandbox::{Expect, Sandbox};

sol! {
    #[derive(Debug, PartialEq)]
    interface Erc721 {
        function name() external view returns (string);
        function symbol() external view returns (string);
        function tokenURI(uint256 tokenId) external view returns (string);
        function supportsInterface(bytes4 interfaceId) external view returns (bool);
        function totalSupply() external view returns (uint256);
        function balanceOf(address owner) external view returns (uint256);
        function ownerOf(uint256 tokenId) external view returns (address);
        function getApproved(uint256 tokenId) external view returns (address);
        function isApprovedForAll(address owner, address operator) external view returns (bool);
        function mint() external returns (uint256);
        function approve(address approved, uint256 tokenId) external;
        function setApprovalForAll(address operator, bool approved) external;
        function transferFrom(address from, address to, uint256 tokenId) external;
        function safeTransferFrom(address from, address to, uint256 tokenId) external;
        function safeTransferFrom(address from, address to, uint256 tokenId, bytes data) external;
        event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
        event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId);
        event ApprovalForAll(address indexed owner, address indexed operator, bool approved);
        error ERC721NonexistentToken(uint256 tokenId);
        error ERC721IncorrectOwner(address sender, uint256 tokenId, address owner);
        error ERC721InsufficientApproval(address operator, uint256 tokenId);
        error ERC721InvalidReceiver(address receiver);
    }
}
use Erc721::*;

const FIRST: U256 = U256::ONE;

struct World {
    sandbox: Sandbox,
    token: Address,
    owner: Address,
    other: Address,
}

/// A token whose first lot `owner` has.
fn world() -> World {
    let mut sandbox = Sandbox::new();
    let [owner, other] = ["owner", "other"].map(|name| sandbox.account(name));
    let token = deploy(&mut sandbox, "erc721");
    sandbox.start_prank(owner);
    let done = sandbox.send(token, mintCall {}).unwrap();
    assert_eq!(done.answer, FIRST);
    assert_eq!(done.events::<Transfer>(), [Transfer { from: Address::ZERO, to: owner, tokenId: FIRST }]);
    World { sandbox, token, owner, other }
}

#[test]
fn a_lot_has_an_owner_and_a_description() {
    let World { mut sandbox, token, owner, .. } = world();
    assert_eq!(sandbox.call(token, nameCall {}).unwrap().answer, "Lathe Lot");
    assert_eq!(sandbox.call(token, symbolCall {}).unwrap().answer, "LOT");
    assert_eq!(sandbox.call(token, tokenURICall { tokenId: FIRST }).unwrap().answer, "data:,lot%201");
    assert_eq!(sandbox.call(token, ownerOfCall { tokenId: FIRST }).unwrap().answer, owner);
    assert_eq!(sandbox.call(token, balanceOfCall { owner }).unwrap().answer, FIRST);
    assert_eq!(sandbox.call(token, totalSupplyCall {}).unwrap().answer, FIRST);
    let mut supports =
        |id: FixedBytes<4>| sandbox.call(token, supportsInterfaceCall { interfaceId: id }).unwrap().answer;
    assert!(supports(fixed_bytes!("80ac58cd")) && supports(fixed_bytes!("01ffc9a7")));
    assert!(!supports(fixed_bytes!("ffffffff")));
    let missing = sandbox.call(token, tokenURICall { tokenId: U256::from(2) });
    assert_eq!(missing.expect_revert::<ERC721NonexistentToken>().tokenId, U256::from(2));
}

#[test]
fn only_who_is_approved_moves_a_lot() {
    let World { mut sandbox, token, owner, other } = world();
    let take = transferFromCall { from: owner, to: other, tokenId: FIRST };
    sandbox.start_prank(other);
    let refused = sandbox.send(token, take.clone()).expect_revert::<ERC721InsufficientApproval>();
    assert_eq!(refused, ERC721InsufficientApproval { operator: other, tokenId: FIRST });
    sandbox
        .send(token, approveCall { approved: other, tokenId: FIRST })
        .expect_revert::<ERC721InsufficientApproval>();

    sandbox.start_prank(owner);
    let done = sandbox.send(token, approveCall { approved: other, tokenId: FIRST }).unwrap();
    assert_eq!(done.events::<Approval>(), [Approval { owner, approved: other, tokenId: FIRST }]);
    assert_eq!(sandbox.call(token, getApprovedCall { tokenId: FIRST }).unwrap().answer, other);
    sandbox.start_prank(other);
    let wrong = transferFromCall { from: other, to: other, tokenId: FIRST };
    assert_eq!(
        sandbox.send(token, wrong).expect_revert::<ERC721IncorrectOwner>(),
        ERC721IncorrectOwner { sender: other, tokenId: FIRST, owner }
    );
    sandbox.send(token, take).unwrap();
    assert_eq!(sandbox.call(token, ownerOfCall { tokenId: FIRST }).unwrap().answer, other);
    assert_eq!(sandbox.call(token, getApprovedCall { tokenId: FIRST }).unwrap().answer, Address::ZERO);
    assert_eq!(sandbox.call(token, balanceOfCall { owner }).unwrap().answer, U256::ZERO);

    // An operator moves all lots of an owner.
    let done = sandbox.send(token, setApprovalForAllCall { operator: owner, approved: true }).unwrap();
    assert_eq!(
        done.events::<ApprovalForAll>(),
        [ApprovalForAll { owner: other, operator: owner, approved: true }]
    );
    let operator = isApprovedForAllCall { owner: other, operator: owner };
    assert!(sandbox.call(token, operator).unwrap().answer);
    sandbox.start_prank(owner);
    sandbox.send(token, transferFromCall { from: other, to: owner, tokenId: FIRST }).unwrap();
}

/// Answers the selector of `onERC721Received` to whatever it is called with.
const RECEIVER: &str = r#"(module
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\15\0b\7a\02")
    (func (export "user_entrypoint") (param i32) (result i32)
        (call $write_result (i32.const 0) (i32.const 32))
        (i32.const 0)))"#;

#[test]
fn a_contract_is_asked_before_it_receives_a_lot() {
    let World { mut sandbox, token, owner, other } = world();
    let receiver = sandbox.deploy(&wat::parse_str(RECEIVER).unwrap()).unwrap().answer;
    let [counter, trap] = ["counter", "trap.wat"].map(|name| deploy(&mut sandbox, name));
    for unwilling in [counter, trap, token] {
        let give = safeTransferFrom_0Call { from: owner, to: unwilling, tokenId: FIRST };
        let refused = sandbox.send(token, give).expect_revert::<ERC721InvalidReceiver>();
        assert_eq!(refused.receiver, unwilling);
    }
    assert_eq!(sandbox.call(token, ownerOfCall { tokenId: FIRST }).unwrap().answer, owner);
    let data = Bytes::from_static(b"with love");
    sandbox.send(token, safeTransferFrom_1Call { from: owner, to: receiver, tokenId: FIRST, data }).unwrap();
    assert_eq!(sandbox.call(token, ownerOfCall { tokenId: FIRST }).unwrap().answer, receiver);
    // A person is not asked.
    let lot = sandbox.send(token, mintCall {}).unwrap().answer;
    sandbox.send(token, safeTransferFrom_0Call { from: owner, to: other, tokenId: lot }).unwrap();
}

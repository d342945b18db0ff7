//! `console.log` of Solidity contracts: calls of an account without code, whose calldata is what to print.
//!
//! The calls are ordinary ones, which succeed, cost what they cost on every chain, and change nothing. What is printed is read
//! from their calldata beside consensus, by the names that hardhat's `console.sol` and forge's have for it, in the forms that
//! util.format of Node.js has: `console.log("%s has %d", who, amount)`.

use std::{collections::HashMap, fmt::Write, sync::LazyLock};

use alloy_primitives::{Address, I256, U256, address, keccak256};

use super::console::{CONSOLE_LINE_BYTES_MAX, CONSOLE_LINES_MAX, Console};

/// The account that prints: "console.log" in ASCII.
pub const CONSOLE: Address = address!("000000000000000000636F6e736F6c652e6c6f67");

/// Arguments of the functions called `log`: all rows of these types up to this length.
const ARGUMENTS_MAX: usize = 4;
/// Bytes of a word of the ABI.
const WORD: usize = 32;

/// A type of argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Uint,
    Int,
    Text,
    Bool,
    Address,
    Bytes,
    /// `bytes1` to `bytes32`.
    Fixed(usize),
}

/// The types in the functions called `log`.
const LOGGED: [Kind; 4] = [Kind::Uint, Kind::Text, Kind::Bool, Kind::Address];

impl Kind {
    /// Returns the type's name. Releases of `console.sol` before 2023 hashed the short names of integers.
    fn name(self, is_short: bool) -> String {
        match self {
            Self::Uint => if is_short { "uint" } else { "uint256" }.into(),
            Self::Int => if is_short { "int" } else { "int256" }.into(),
            Self::Text => "string".into(),
            Self::Bool => "bool".into(),
            Self::Address => "address".into(),
            Self::Bytes => "bytes".into(),
            Self::Fixed(bytes) => format!("bytes{bytes}"),
        }
    }
}

/// An argument.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Argument {
    Uint(U256),
    Int(I256),
    Text(String),
    Bool(bool),
    Address(Address),
    Bytes(Vec<u8>),
}

impl std::fmt::Display for Argument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uint(number) => write!(f, "{number}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Bytes(bytes) => write!(f, "0x{}", alloy_primitives::hex::encode(bytes)),
        }
    }
}

/// The functions by selector.
static FUNCTIONS: LazyLock<HashMap<[u8; 4], Vec<Kind>>> = LazyLock::new(|| {
    let mut functions = HashMap::new();
    let mut add = |name: &str, kinds: &[Kind]| {
        for is_short in [false, true] {
            let types: Vec<_> = kinds.iter().map(|kind| kind.name(is_short)).collect();
            let hash = keccak256(format!("{name}({})", types.join(",")));
            functions.insert([hash[0], hash[1], hash[2], hash[3]], kinds.to_vec());
        }
    };
    let mut rows = vec![Vec::new()];
    for _ in 0..=ARGUMENTS_MAX {
        for row in &rows {
            add("log", row);
        }
        let longer = |row: &Vec<Kind>| LOGGED.map(|kind| row.iter().copied().chain([kind]).collect());
        rows = rows.iter().flat_map(longer).collect();
    }
    add("log", &[Kind::Int]);
    add("log", &[Kind::Text, Kind::Int]);
    add("log", &[Kind::Bytes]);
    for (name, kind) in [
        ("logInt", Kind::Int),
        ("logUint", Kind::Uint),
        ("logString", Kind::Text),
        ("logBool", Kind::Bool),
        ("logAddress", Kind::Address),
        ("logBytes", Kind::Bytes),
    ] {
        add(name, &[kind]);
    }
    for bytes in 1..=WORD {
        add("log", &[Kind::Fixed(bytes)]);
        add(&format!("logBytes{bytes}"), &[Kind::Fixed(bytes)]);
    }
    functions
});

/// Takes what `contract` asks the console to print. What no console prints is passed over.
pub(super) fn print(console: &mut Console, contract: Address, calldata: &[u8]) {
    if console.lines.len() >= CONSOLE_LINES_MAX {
        // Reading it would cost more than it costs the contract.
        console.omitted += 1;
        return;
    }
    let Some((selector, data)) = calldata.split_first_chunk::<4>() else { return };
    let Some(kinds) = FUNCTIONS.get(selector) else { return };
    let arguments = kinds.iter().enumerate().map(|(index, kind)| argument(*kind, data, index));
    let Some(arguments) = arguments.collect::<Option<Vec<_>>>() else { return };
    console.print(contract, line(&arguments).as_bytes());
}

/// Returns the argument with this index, as far as a line shows it.
fn argument(kind: Kind, data: &[u8], index: usize) -> Option<Argument> {
    let word = word(data, index * WORD)?;
    Some(match kind {
        Kind::Uint => Argument::Uint(U256::from_be_bytes(*word)),
        Kind::Int => Argument::Int(I256::from_raw(U256::from_be_bytes(*word))),
        Kind::Bool => Argument::Bool(word.iter().any(|byte| *byte != 0)),
        Kind::Address => Argument::Address(Address::from_slice(&word[12..])),
        Kind::Fixed(bytes) => Argument::Bytes(word[..bytes].to_vec()),
        Kind::Text => Argument::Text(String::from_utf8_lossy(dynamic(data, word)?).into_owned()),
        Kind::Bytes => Argument::Bytes(dynamic(data, word)?.to_vec()),
    })
}

fn word(data: &[u8], at: usize) -> Option<&[u8; WORD]> {
    data.get(at..)?.first_chunk()
}

/// Returns the bytes that an offset leads to, as many as a line shows.
fn dynamic<'a>(data: &'a [u8], offset: &[u8; WORD]) -> Option<&'a [u8]> {
    let number = |word: &[u8; WORD]| usize::try_from(U256::from_be_bytes(*word)).ok();
    let at = number(offset)?;
    let length = number(word(data, at)?)?;
    let bytes = data.get(at.checked_add(WORD)?..)?.get(..length)?;
    // One byte more than is shown, so that it shows that something was cut.
    Some(&bytes[..length.min(CONSOLE_LINE_BYTES_MAX + 1)])
}

/// Returns arguments as a line: as the first says if it is a text with places for others, then the rest in a row.
fn line(arguments: &[Argument]) -> String {
    let Some((first, mut rest)) = arguments.split_first() else { return String::new() };
    let mut text = String::new();
    match first {
        Argument::Text(format) if !rest.is_empty() => {
            let mut chars = format.chars().peekable();
            while let Some(c) = chars.next() {
                let place = if c == '%' { chars.peek().copied() } else { None };
                match (place, rest.split_first()) {
                    (Some('%'), _) => {
                        chars.next();
                        text.push('%');
                    }
                    (Some(form @ ('s' | 'd' | 'i' | 'o' | 'O' | 'f' | 'x')), Some((argument, others))) => {
                        chars.next();
                        rest = others;
                        // Writing to a string does not fail.
                        let _ = match argument {
                            Argument::Uint(number) if form == 'x' => write!(text, "{number:#x}"),
                            argument => write!(text, "{argument}"),
                        };
                    }
                    _ => text.push(c),
                }
            }
        }
        first => {
            let _ = write!(text, "{first}");
        }
    }
    for argument in rest {
        let _ = write!(text, " {argument}");
    }
    text
}

#[cfg(test)]
mod tests {
    use alloy_sol_types::{SolCall, sol};

    use super::*;

    sol! {
        interface Log {
            function log() external;
            function log(string a) external;
            function log(uint256 a) external;
            function log(int256 a) external;
            function log(string a, uint256 b) external;
            function log(string a, address b, bool c, uint256 d) external;
            function logBytes(bytes a) external;
            function logBytes4(bytes4 a) external;
        }
    }

    fn printed(calldata: &[u8]) -> Option<String> {
        let mut console = Console::default();
        print(&mut console, Address::ZERO, calldata);
        console.lines.first().map(|line| line.text.clone())
    }

    #[test]
    fn what_a_contract_logs_is_read() {
        let text = |a: &str| Log::log_1Call { a: a.into() }.abi_encode();
        let number = U256::from(255);
        let of = |a: &str| printed(&Log::log_4Call { a: a.into(), b: number }.abi_encode());
        assert_eq!(printed(&Log::log_0Call {}.abi_encode()).as_deref(), Some(""));
        assert_eq!(printed(&text("hi %s 100%")).as_deref(), Some("hi %s 100%"));
        assert_eq!(printed(&Log::log_2Call { a: number }.abi_encode()).as_deref(), Some("255"));
        let minus = Log::log_3Call { a: I256::MINUS_ONE }.abi_encode();
        assert_eq!(printed(&minus).as_deref(), Some("-1"));
        assert_eq!(of("n = %d %% of %s").as_deref(), Some("n = 255 % of %s"));
        assert_eq!(of("%x").as_deref(), Some("0xff"));
        assert_eq!(of("none").as_deref(), Some("none 255"));
        assert_eq!(of("50%").as_deref(), Some("50% 255"));
        let all = Log::log_5Call { a: "%s:".into(), b: Address::ZERO, c: true, d: number };
        assert_eq!(printed(&all.abi_encode()), Some(format!("{}: true 255", Address::ZERO)));
        let bytes = Log::logBytesCall { a: vec![1, 2].into() };
        assert_eq!(printed(&bytes.abi_encode()).as_deref(), Some("0x0102"));
        let fixed = Log::logBytes4Call { a: [0xab; 4].into() };
        assert_eq!(printed(&fixed.abi_encode()).as_deref(), Some("0xabababab"));
        // `log(uint)`, as old releases hash it.
        let old = [&keccak256("log(uint)")[..4], &number.to_be_bytes::<32>()].concat();
        assert_eq!(printed(&old).as_deref(), Some("255"));
    }

    #[test]
    fn data_that_is_not_what_its_selector_says_prints_nothing() {
        let whole = Log::log_1Call { a: "text".into() }.abi_encode();
        for length in 0..whole.len() - 28 {
            assert_eq!(printed(&whole[..length]), None, "{length}");
        }
        let mut far = whole.clone();
        far[4..36].fill(0xFF);
        assert_eq!(printed(&far), None);
        let mut long = whole;
        long[36..68].fill(0xFF);
        assert_eq!(printed(&long), None);
        assert_eq!(printed(&[0xde, 0xad, 0xbe, 0xef]), None);
    }

    #[test]
    fn what_is_kept_of_a_log_is_bounded() {
        let mut console = Console::default();
        let calldata = Log::log_1Call { a: "x".repeat(1 << 20) }.abi_encode();
        for _ in 0..CONSOLE_LINES_MAX + 5 {
            print(&mut console, Address::ZERO, &calldata);
        }
        assert_eq!((console.lines.len(), console.omitted), (CONSOLE_LINES_MAX, 5));
        assert_eq!(console.lines[0].text.chars().count(), CONSOLE_LINE_BYTES_MAX + 1);
    }
}

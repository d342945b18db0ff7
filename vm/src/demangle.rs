//! From a linker symbol to the name that a programmer wrote.
//!
//! A **symbol** is a name as the compiler mangled it: `_ZN4core9panicking5panic17h0123456789abcdefE`. Rust's two schemes
//! and the Itanium C++ scheme are known; anything else is shown as it is. Symbols come from a custom section, so they may
//! be made to hurt: what is read and what is written are both bounded, and so is the stack.

mod itanium;

use crate::bounded::Bounded;
use alloc::string::String;
use core::fmt::Write;

/// The most bytes of a symbol that are kept. Longer ones are cut, and what is cut does not demangle. Symbols of heavily
/// generic code have a few hundred.
pub(crate) const SYMBOL_BYTES_MAX: usize = 1_024;

/// The least length of the hash that Rust's old scheme puts last, as a part of a path: `17h` and 16 digits.
const RUST_HASH_DIGITS: usize = 16;

/// Returns the name behind a symbol, or the symbol itself where none is found: at most 256 bytes and an ellipsis. Rust's
/// hashes are left out. Control characters stay as they are.
pub fn demangle(symbol: &str) -> String {
    let mut name = Bounded::default();
    // A writer that is full stops whoever writes to it; what it holds by then is the name.
    if symbol.len() <= SYMBOL_BYTES_MAX {
        if symbol.starts_with("_R") || is_rust_legacy(symbol) {
            if let Ok(rust) = rustc_demangle::try_demangle(symbol) {
                let _full = write!(name, "{rust:#}");
            }
        } else if let Some(cpp) = itanium::demangle(symbol) {
            let _full = name.write_str(&cpp);
        }
    }
    if name.0.is_empty() {
        let _full = name.write_str(without_hash(symbol));
    }
    name.0
}

/// Returns whether a symbol is one of Rust's old scheme, which is a C++ name that ends in a hash.
fn is_rust_legacy(symbol: &str) -> bool {
    let path = symbol.strip_prefix("_ZN").and_then(|path| path.split_once("17h"));
    path.is_some() && hash_of(symbol.trim_end_matches('E')).is_some()
}

/// Returns where the hash of a Rust path begins, if the path ends in one.
fn hash_of(path: &str) -> Option<usize> {
    let start = path.len().checked_sub(RUST_HASH_DIGITS)?;
    let is_hash = path.get(start..)?.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hash && path.get(..start)?.ends_with('h')).then(|| start - 1)
}

/// Cuts the hash off a path that the linker has already demangled.
fn without_hash(name: &str) -> &str {
    match hash_of(name).and_then(|start| name.get(..start)?.strip_suffix("::")) {
        Some(path) => path,
        None => name,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::bounded::{ELLIPSIS, SHOWN_BYTES_MAX};

    /// Symbols and names, of compilers: rustc with both schemes, clang.
    const NAMES: &[(&str, &str)] = &[
        // Neither.
        ("", ""),
        ("add", "add"),
        ("_Znope", "_Znope"),
        ("_R", "_R"),
        ("naïve::h", "naïve::h"),
        // Rust.
        ("_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic"),
        ("_ZN8$RF$testE", "$RF$test"),
        (
            "_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE",
            "<Test + 'static as foo::Bar<Test>>::bar",
        ),
        ("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"),
        ("_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>"),
        ("counter::increment::h0123456789abcdef", "counter::increment"),
        // C++.
        ("_Z3addii", "add(int, int)"),
        ("_Z1fv", "f()"),
        ("_ZN3foo3barEi", "foo::bar(int)"),
        ("_ZNK3foo3barEv", "foo::bar() const"),
        ("_ZN3FooC1Ev", "Foo::Foo()"),
        ("_ZN3FooD2Ev", "Foo::~Foo()"),
        ("_ZN3FooC1ERKS_", "Foo::Foo(Foo const&)"),
        ("_ZN3FooaSEOS_", "Foo::operator=(Foo&&)"),
        ("_ZplRK1AS1_", "operator+(A const&, A const&)"),
        ("_Z3foo1AS_PS_", "foo(A, A, A*)"),
        ("_Z4swapIiEvRT_S1_", "swap<int>(int&, int&)"),
        ("_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int>>::push_back(int&&)"),
        (
            "_ZNSt3__26vectorIhNS_9allocatorIhEEE6resizeEm",
            "std::__2::vector<unsigned char, std::__2::allocator<unsigned char>>::resize(unsigned long)",
        ),
        ("_ZNSs6appendEPKcm", "std::string::append(char const*, unsigned long)"),
        ("_Z3runPFivE", "run(int (*)())"),
        ("_Z5applyPFvPKcEi", "apply(void (*)(char const*), int)"),
        ("_Z4copyRA16_Kh", "copy(unsigned char const (&) [16])"),
        ("_ZN5ArrayILi4EE3getEv", "Array<4>::get()"),
        ("_ZN5ArrayILb1EE3getEv", "Array<true>::get()"),
        ("_ZN12_GLOBAL__N_16helperEv", "(anonymous namespace)::helper()"),
        ("_ZZ4mainE5value", "main::value"),
        ("_ZTV3Foo", "vtable for Foo"),
        ("_ZGVZ4mainE5value", "guard variable for main::value"),
        ("_ZN3foo3barE", "foo::bar"),
        ("_Z6printfPKcz", "printf(char const*, ...)"),
        ("_ZN3FoocvbEv", "Foo::operator bool()"),
        ("_Z1fIJidEEvDpT_", "f<int, double>(int, double)"),
        ("_ZL6helperi", "helper(int)"),
        ("_ZNKSt8functionIFviEEclEi", "std::function<void (int)>::operator()(int) const"),
        ("_Z3addii.123", "add(int, int) [.123]"),
        ("_ZZ4mainENK3$_0clEi", "main::$_0::operator()(int) const"),
        ("_ZZ4mainENKUliE_clEi", "main::{lambda(int)#1}::operator()(int) const"),
    ];

    #[test]
    fn symbols_become_the_names_that_were_written() {
        let wrong = |&&(symbol, name): &&(&str, &str)| demangle(symbol) != name;
        let wrong: std::vec::Vec<_> =
            NAMES.iter().filter(wrong).map(|(symbol, _)| (symbol, demangle(symbol))).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_long_name_is_cut() {
        let long = "n".repeat(5_000);
        assert_eq!(demangle(&long), ["n".repeat(256).as_str(), "..."].concat());
        let symbol = std::format!("_ZN900{}17h0123456789abcdefE", "m".repeat(900));
        assert_eq!(demangle(&symbol), ["m".repeat(256).as_str(), "..."].concat());
        // A character that does not fit is left out whole.
        assert_eq!(
            demangle(&["n".repeat(255).as_str(), "éé"].concat()),
            ["n".repeat(255).as_str(), "..."].concat()
        );
    }

    /// Symbols whose names grow exponentially with them, or that nest as deep as they are long.
    fn hostile() -> std::vec::Vec<String> {
        let doubled = |head: &str, step: &dyn Fn(usize) -> String, count: usize| {
            let mut symbol = String::from(head);
            (0..count).for_each(|i| symbol.push_str(&step(i)));
            symbol
        };
        std::vec![
            // C++: each argument is a pair of the one before.
            doubled("_Z1f1A", &|i| std::format!("1BIS{}_S{}_E", base36(i), base36(i)), 40),
            doubled("_Z1f", &|_| "P".into(), 1_000) + "i",
            doubled("_Z1f", &|_| "F".into(), 1_000) + "i",
            doubled("_Z1f", &|_| "1AI".into(), 300),
            doubled("_Z", &|_| "N".into(), 1_000),
            doubled("_Z", &|_| "Z".into(), 1_000),
            doubled("_Z1f", &|_| "A1_".into(), 300) + "i",
            doubled("_Z1f", &|_| "Dp".into(), 500) + "i",
            doubled("_Z1fIJ", &|_| "JE".into(), 400) + "EEvDpT_",
            doubled("_Z1f", &|_| "LZ".into(), 500),
            "_Z99999999999999999999x".into(),
            "_Z1fIiEvT99999999999999_".into(),
            "_Z1fSZZZZZZZZZZZZZZZZZZZZZ_".into(),
            // Rust: references to themselves, and doubling tuples.
            "_RMC0RB2_".into(),
            "_RNvB_3foo".into(),
            doubled("_RINvC1a1b", &|_| "TB7_B7_E".into(), 50) + "E",
            doubled("_RMC0", &|_| "R".into(), 1_000) + "e",
            doubled("_RNvMC0", &|_| "T".into(), 1_000),
            "_RMC0FGZZZZZZZZZ_Eu".into(),
        ]
    }

    fn base36(number: usize) -> String {
        let digit = char::from_digit(u32::try_from(number % 36).unwrap_or(0), 36).unwrap_or('0');
        let digit = digit.to_ascii_uppercase();
        if number < 36 { digit.into() } else { std::format!("{}{digit}", base36(number / 36 - 1)) }
    }

    #[test]
    fn hostile_symbols_end_soon_and_on_a_small_stack() {
        for symbol in hostile() {
            // A quarter of the least stack that anything here is promised.
            let small = std::thread::Builder::new().stack_size(128 * 1024);
            let length = small.spawn(move || demangle(&symbol).len()).map(std::thread::JoinHandle::join);
            let length =
                length.unwrap_or_else(|error| panic!("{error}")).unwrap_or_else(|_| panic!("it panicked"));
            assert!(length <= SHOWN_BYTES_MAX + ELLIPSIS.len());
        }
    }

    #[test]
    fn every_cut_of_a_symbol_gives_some_name() {
        for (symbol, _) in NAMES {
            for end in (0..symbol.len()).filter(|&end| symbol.is_char_boundary(end)) {
                assert!(demangle(&symbol[..end]).len() <= SHOWN_BYTES_MAX + ELLIPSIS.len());
            }
        }
    }
}

//! SCALE-encoded messages: a contract dispatches them, a caller encodes them.
//!
//! A **message** is calldata: a 4-byte **selector**, then the SCALE encoding of the arguments as a tuple, and nothing after
//! it. The selector is the start of keccak256 of `scale:` and the function's name. It holds no argument types, so a name
//! is used once in a contract. Success returns the SCALE encoding of the result. Failure returns Solidity's
//! `Error(string)` (see [`Revert`]), which every Ethereum client shows as text.
//!
//! A contract lists its functions in [`entrypoint!`]; each takes its arguments as one tuple:
//!
//! ```
//! use lathe_scale_abi::Revert;
//!
//! fn repeat((word, count): (String, u32)) -> Result<String, Revert> {
//!     let count = usize::try_from(count).map_err(Revert::new)?;
//!     if count > 10 {
//!         return Err(Revert::new("at most 10 times"));
//!     }
//!     Ok(word.repeat(count))
//! }
//!
//! lathe_scale_abi::entrypoint!(message_len_max: 1024, functions: [repeat]);
//!
//! let message = lathe_scale_abi::encode_message("repeat", &("ab", 2u32));
//! assert_eq!(lathe_scale_abi::decode_result::<String>(&dispatch(&message).unwrap()).unwrap(), "abab");
//! assert_eq!(dispatch(&message[..5]).unwrap_err().reason(), "repeat: the arguments do not decode as SCALE: Not enough data to decode vector");
//! ```
//!
//! On Wasm, [`entrypoint!`] also exports `user_entrypoint` and installs the allocator and the panic handler, and
//! [`hooks`] wraps the host functions. Elsewhere only the pure part exists, for tests and for hosts.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

#[cfg(target_arch = "wasm32")]
pub mod hooks;
mod revert;

use alloc::{format, vec::Vec};
#[cfg(target_arch = "wasm32")]
pub use mini_alloc::MiniAlloc;
use parity_scale_codec::DecodeAll;
pub use parity_scale_codec::{Decode, Encode, Error};
pub use revert::{ERROR_SELECTOR, Revert};

/// What a function name is prefixed with before it is hashed: it keeps SCALE selectors apart from Solidity's.
const SELECTOR_PREFIX: &[u8] = b"scale:";

/// The bytes of a selector.
pub const SELECTOR_LEN: usize = 4;

/// Returns the selector of the function `name`: the first 4 bytes of keccak256 of `scale:` and the name.
pub const fn selector(name: &str) -> [u8; SELECTOR_LEN] {
    let hash = keccak_const::Keccak256::new().update(SELECTOR_PREFIX).update(name.as_bytes()).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Returns the message that calls `name` with `args`, a tuple; one argument is a tuple of one, none is `()`.
pub fn encode_message<Args: Encode>(name: &str, args: &Args) -> Vec<u8> {
    let mut message = selector(name).to_vec();
    args.encode_to(&mut message);
    message
}

/// Returns the result that a successful call's `output` holds. Fails if bytes are missing or left over.
pub fn decode_result<Answer: Decode>(mut output: &[u8]) -> Result<Answer, Error> {
    Answer::decode_all(&mut output)
}

/// Decodes `args`, calls `function` and encodes its result. [`entrypoint!`] is its only user.
#[doc(hidden)]
pub fn call<Args: Decode, Answer: Encode>(
    name: &str,
    function: fn(Args) -> Result<Answer, Revert>,
    mut args: &[u8],
) -> Result<Vec<u8>, Revert> {
    let args = Args::decode_all(&mut args)
        .map_err(|error| Revert::new(format!("{name}: the arguments do not decode as SCALE: {error}")))?;
    Ok(function(args)?.encode())
}

/// Says that a message starts with no selector this contract knows.
#[doc(hidden)]
pub fn no_such_function(message: &[u8]) -> Revert {
    match message.first_chunk::<SELECTOR_LEN>() {
        Some(selector) => Revert::new(format!(
            "unknown function: selector 0x{:08x} is none of this contract's SCALE messages",
            u32::from_be_bytes(*selector)
        )),
        None => Revert::new(format!(
            "unknown function: a selector takes 4 bytes, the message has {}",
            message.len()
        )),
    }
}

/// Declares the functions a contract answers to; each is `fn(Args) -> Result<Answer, Revert>` with a tuple `Args`.
///
/// Defines `dispatch(message) -> Result<output, Revert>`. On Wasm it also defines what every contract needs once: the
/// `user_entrypoint` export, the allocator, and a panic handler that traps. Messages of more than `message_len_max` bytes
/// and calls that carry value revert before anything is read.
#[macro_export]
macro_rules! entrypoint {
    (message_len_max: $message_len_max:expr, functions: [$($function:ident),+ $(,)?] $(,)?) => {
        /// Answers one message. Fails with the reason to revert with.
        fn dispatch(message: &[u8]) -> ::core::result::Result<$crate::Output, $crate::Revert> {
            if let ::core::option::Option::Some((selector, args)) = message.split_first_chunk() {
                $(
                    if *selector == const { $crate::selector(::core::stringify!($function)) } {
                        return $crate::call(::core::stringify!($function), $function, args);
                    }
                )+
            }
            ::core::result::Result::Err($crate::no_such_function(message))
        }

        #[cfg(target_arch = "wasm32")]
        #[global_allocator]
        static ALLOCATOR: $crate::MiniAlloc = $crate::MiniAlloc::INIT;

        /// Traps: the reason of a panic is not worth the code that would print it.
        #[cfg(target_arch = "wasm32")]
        #[panic_handler]
        fn panic(_: &::core::panic::PanicInfo<'_>) -> ! {
            ::core::arch::wasm32::unreachable()
        }

        /// Runs one call whose calldata has `message_len` bytes; returns 0 for success and 1 for revert.
        #[cfg(target_arch = "wasm32")]
        #[unsafe(no_mangle)]
        pub extern "C" fn user_entrypoint(message_len: usize) -> usize {
            $crate::hooks::run(message_len, $message_len_max, dispatch)
        }
    };
}

/// A successful call's return data.
#[doc(hidden)]
pub type Output = Vec<u8>;

#[cfg(test)]
mod tests {
    use super::*;

    fn add((a, b): (u32, u32)) -> Result<u32, Revert> {
        a.checked_add(b).ok_or_else(|| Revert::new("too large"))
    }

    fn nothing((): ()) -> Result<(), Revert> {
        Ok(())
    }

    entrypoint!(message_len_max: 100, functions: [add, nothing]);

    #[test]
    fn a_selector_is_the_start_of_keccak_of_the_prefixed_name() {
        // cast keccak "scale:text_received"
        assert_eq!(selector("text_received"), [0xe0, 0x69, 0xbc, 0x5b]);
    }

    #[test]
    fn messages_are_answered_or_refused_with_a_reason() {
        let sum = encode_message("add", &(2u32, 3u32));
        let sum_selector: [u8; 4] = *sum.first_chunk().expect("a message starts with a selector");
        for (message, expected) in [
            (&sum[..], Ok(&[5, 0, 0, 0][..])),
            (&encode_message("nothing", &()), Ok(&[])),
            (&encode_message("add", &(u32::MAX, 1u32)), Err("too large")),
            (&sum_selector, Err("add: the arguments do not decode as SCALE: Not enough data to fill buffer")),
            (
                &[&sum[..], &[0]].concat(),
                Err(
                    "add: the arguments do not decode as SCALE: Input buffer has still data left after decoding!",
                ),
            ),
            (
                &[1, 2, 3, 4],
                Err("unknown function: selector 0x01020304 is none of this contract's SCALE messages"),
            ),
            (&[1, 2, 3], Err("unknown function: a selector takes 4 bytes, the message has 3")),
        ] {
            let answer = dispatch(message);
            assert_eq!(answer.as_deref().map_err(Revert::reason), expected, "{message:02x?}");
        }
    }
}

//! The calculator bot. One function, called by a SCALE message (see `lathe_scale_abi`):
//!
//! ```text
//! text_received(msg: String, username: String, step_data: String) -> String
//! ```
//!
//! It answers the arithmetic in `msg`, such as `23*63`, in the grammar of [`expression`]. A message that begins with an
//! operator **continues**: from the number in `step_data` if that is not empty, else from the user's stored result, else
//! from 0. So `-5` subtracts 5; negative five is `0-5` or `(-5)`. The answer becomes the user's stored result unless there
//! is `step_data`, whose keeper then remembers. Numbers are `f64` and print as Rust's `f64` displays: all digits that
//! tell the number from its neighbours, never an exponent.
//!
//! A message that cannot be answered reverts with the reason and changes nothing.
//!
//! This crate is pure but for the entry point in `contract`, which exists on Wasm only.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

pub mod answer;
#[cfg(target_arch = "wasm32")]
mod contract;
pub mod expression;
pub mod slot;

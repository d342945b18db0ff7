//! The entry point: the one function of the contract, and where results are kept.

use crate::{answer, slot};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use lathe_scale_abi::{
    Revert,
    hooks::{self, Word},
};

/// The arguments at their limits, the selector and three length prefixes, rounded up: what is longer cannot be valid.
const MESSAGE_LEN_MAX: usize = 8 * 1024;

lathe_scale_abi::entrypoint!(message_len_max: MESSAGE_LEN_MAX, functions: [text_received]);

/// Answers `msg` for `username`; see the crate.
fn text_received((msg, username, step_data): (String, String, String)) -> Result<String, Revert> {
    answer::check_lengths(&msg, &username, &step_data).map_err(Revert::new)?;
    let key = result_key(&username);
    let stored = || slot::decode(&hooks::storage_read(&key));
    let answer = answer::answer(&msg, &step_data, stored).map_err(Revert::new)?;
    if step_data.is_empty() {
        hooks::storage_write(&key, &slot::encode(answer));
    }
    Ok(answer.to_string())
}

/// Returns the key of the slot that holds the user's result.
fn result_key(username: &str) -> Word {
    let preimage: Vec<u8> = slot::key_preimage(username).collect();
    hooks::keccak256(&preimage)
}

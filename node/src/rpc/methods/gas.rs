//! Methods that say where gas goes.

use alloy_primitives::B256;

use crate::{
    methods,
    rpc::{RpcError, method::Api},
    runtime::trace::{Capture, Profile},
    schemas,
};

methods! {
    /// Runs a mined transaction again and says where its gas went: the ink that each frame, function, host call and EVM
    /// instruction took itself, as a tree whose ink adds up to the gas used.
    "lathe_gasProfile", gas_profile(hash: B256);
}

schemas! {
    Profile => "GasProfile";
}

fn gas_profile(api: &Api, hash: B256) -> Result<Profile, RpcError> {
    let capture = Capture { profile: true, ..Capture::default() };
    let recording = api.chain.trace_transaction(hash, &capture)?;
    recording.into_profile().ok_or_else(|| RpcError::internal("the profile was not recorded"))
}

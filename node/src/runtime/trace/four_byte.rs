//! A recording in the shape of geth's `4byteTracer`: which functions were called, with how many bytes of arguments.

use std::collections::BTreeMap;

use alloy_primitives::hex;

use super::{Recording, Step};

impl Recording {
    /// Returns how often each selector was called with each length of arguments, as `0xSELECTOR-LENGTH`. Precompiled
    /// contracts have no functions.
    pub fn four_bytes(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for entry in &self.entries {
            let Step::Frame(frame) = &entry.step else { continue };
            if !frame.kind.is_call() || frame.is_precompile() {
                continue;
            }
            if let Some((selector, arguments)) = frame.input.split_at_checked(4) {
                let key = format!("{}-{}", hex::encode_prefixed(selector), arguments.len());
                *counts.entry(key).or_default() += 1;
            }
        }
        counts
    }
}

//! The engines of others. Each is a feature of this crate; `peers` is all of them.

use crate::Contender;

/// Returns the engines that this build has, the base of the figures first.
pub(crate) fn contenders() -> Vec<Contender> {
    let mut contenders = Vec::new();
    #[cfg(feature = "wasmi")]
    contenders.extend(wasmi::contenders());
    #[cfg(feature = "wasm3")]
    contenders.push(wasm3::contender());
    #[cfg(feature = "stitch")]
    contenders.push(stitch::contender());
    #[cfg(feature = "wasmtime")]
    contenders.extend(wasmtime::contenders());
    // Without a feature nothing above adds to it.
    contenders.shrink_to_fit();
    contenders
}

#[cfg(feature = "stitch")]
mod stitch;
#[cfg(feature = "wasm3")]
mod wasm3;
#[cfg(feature = "wasmi")]
mod wasmi;
#[cfg(feature = "wasmtime")]
mod wasmtime;

//! What tests of the example contracts begin with: the built modules.

use std::path::Path;

use lathe_node::sandbox::Sandbox;

/// Returns the bytes of a committed module, such as `erc20/erc20.wasm`, or of an assembled `wat/spin.wat`.
pub fn module(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    wat::parse_file(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// Puts a contract without constructor in the sandbox, under its name.
pub fn deploy(sandbox: &mut Sandbox, name: &str) -> alloy_primitives::Address {
    let path = if name.ends_with(".wat") { format!("wat/{name}") } else { format!("{name}/{name}.wasm") };
    let contract = sandbox.deploy(&module(&path)).unwrap_or_else(|error| panic!("{name}: {error}")).answer;
    sandbox.label(contract, name);
    contract
}

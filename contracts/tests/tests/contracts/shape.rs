//! What every contract's module is made of: imports, exports, memory, and no feature beyond Wasm 2.0.

use std::collections::BTreeSet;

use lathe_contracts_tests::module;
use lathe_gas::HostFunction;
use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

/// What a memory may have at most: 16 MiB.
const PAGES_MAX: u64 = 256;

/// Each module, and the bytes it may have at most: with room for a compiler that keeps the text of panics.
const CONTRACTS: &[(&str, usize)] = &[
    ("cabinet/cabinet.wasm", 110_000),
    ("calculator/calculator.wasm", 100_000),
    ("counter/counter.wasm", 30_000),
    ("erc20/erc20.wasm", 80_000),
    ("erc721/erc721.wasm", 80_000),
    ("exchange/exchange.wasm", 80_000),
    ("factory/factory.wasm", 50_000),
    ("probe/probe.wasm", 90_000),
    ("proxy/proxy.wasm", 40_000),
    ("wat/caller.wat", 1_000),
    ("wat/events.wat", 1_000),
    ("wat/recurse.wat", 1_000),
    ("wat/spin.wat", 1_000),
    ("wat/trap.wat", 1_000),
];

#[test]
fn modules_are_wasm_2_with_the_imports_and_exports_of_a_program() {
    let mut imported_by_any = BTreeSet::new();
    for &(path, bytes_max) in CONTRACTS {
        let bytes = module(path);
        assert!(bytes.len() <= bytes_max, "{path} has {} bytes", bytes.len());
        Validator::new_with_features(WasmFeatures::WASM2).validate_all(&bytes).expect(path);

        let (mut imported, mut exported, mut grows) = (BTreeSet::new(), Vec::new(), false);
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.expect(path) {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.expect(path);
                        let function = HostFunction::find(import.module, import.name);
                        imported.insert(function.unwrap_or_else(|| panic!("{path}: {}", import.name)));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.expect(path);
                        exported.push((export.name, export.kind));
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        let memory = memory.expect(path);
                        assert_eq!(memory.initial, 1, "{path}: each page costs at every call");
                        assert!(
                            memory.maximum.is_some_and(|max| max <= PAGES_MAX),
                            "{path}: {:?}",
                            memory.maximum
                        );
                        grows = memory.maximum != Some(memory.initial);
                    }
                }
                Payload::StartSection { .. } => panic!("{path} has a start function"),
                _ => {}
            }
        }
        for needed in [("memory", ExternalKind::Memory), ("user_entrypoint", ExternalKind::Func)] {
            assert!(exported.contains(&needed), "{path} exports {exported:?}");
        }
        assert!(!grows || imported.contains(&HostFunction::PayForMemoryGrow), "{path}");
        imported_by_any.extend(imported);
    }
    // The examples show all of the interface.
    let vm_hooks = HostFunction::ALL.iter().filter(|function| function.module() == "vm_hooks");
    let missing: Vec<_> = vm_hooks.filter(|function| !imported_by_any.contains(function)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

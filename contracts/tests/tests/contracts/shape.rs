//! What every contract's module is made of: imports, exports, memory, and no feature beyond Wasm 2.0.

use lathe_contracts_tests::module;
use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

/// What a memory may have at most: 16 MiB.
const PAGES_MAX: u64 = 256;

struct Contract {
    path: &'static str,
    imports: &'static [&'static str],
    pages_min: u64,
    /// With room for a compiler that keeps the text of panics.
    bytes_max: usize,
}

const CONTRACTS: &[Contract] = &[
    Contract {
        path: "calculator/calculator.wasm",
        imports: &[
            "msg_value",
            "native_keccak256",
            "pay_for_memory_grow",
            "read_args",
            "storage_cache_bytes32",
            "storage_flush_cache",
            "storage_load_bytes32",
            "write_result",
        ],
        pages_min: 1,
        bytes_max: 100_000,
    },
    Contract {
        path: "counter/counter.wasm",
        imports: &[
            "emit_log",
            "msg_reentrant",
            "msg_value",
            "pay_for_memory_grow",
            "read_args",
            "storage_cache_bytes32",
            "storage_flush_cache",
            "storage_load_bytes32",
            "write_result",
        ],
        pages_min: 1,
        bytes_max: 30_000,
    },
    Contract {
        path: "wat/caller.wat",
        imports: &["call_contract", "read_args", "read_return_data", "write_result"],
        pages_min: 1,
        bytes_max: 1000,
    },
    Contract { path: "wat/events.wat", imports: &["emit_log", "msg_sender"], pages_min: 1, bytes_max: 1000 },
    Contract {
        path: "wat/recurse.wat",
        imports: &["call_contract", "contract_address", "read_return_data", "write_result"],
        pages_min: 1,
        bytes_max: 1000,
    },
    Contract { path: "wat/spin.wat", imports: &[], pages_min: 1, bytes_max: 1000 },
    Contract {
        path: "wat/trap.wat",
        imports: &["storage_cache_bytes32", "storage_flush_cache", "write_result"],
        pages_min: 1,
        bytes_max: 1000,
    },
];

#[test]
fn modules_are_wasm_2_with_the_imports_and_exports_of_a_program() {
    for Contract { path, imports, pages_min, bytes_max } in CONTRACTS {
        let bytes = module(path);
        assert!(bytes.len() <= *bytes_max, "{path} has {} bytes", bytes.len());
        Validator::new_with_features(WasmFeatures::WASM2).validate_all(&bytes).expect(path);

        let (mut imported, mut exported, mut grows) = (Vec::new(), Vec::new(), false);
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.expect(path) {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.expect(path);
                        assert_eq!(import.module, "vm_hooks", "{path}: {}", import.name);
                        imported.push(import.name);
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
                        assert_eq!(memory.initial, *pages_min, "{path}");
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
        imported.sort_unstable();
        assert_eq!(imported, *imports, "{path}");
        for needed in [("memory", ExternalKind::Memory), ("user_entrypoint", ExternalKind::Func)] {
            assert!(exported.contains(&needed), "{path} exports {exported:?}");
        }
        assert!(!grows || imported.contains(&"pay_for_memory_grow"), "{path}");
    }
}

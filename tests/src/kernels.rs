//! The kernels: small programs that the benches run on every engine, and what each must return.
//!
//! Each exports `run`, which takes how much work to do and returns a checksum of it. Sources and the script that
//! builds them are in `tests/kernels` and `scripts/kernels.sh`.

/// What a kernel exercises, which decides the figures it counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Computes in registers and in memory that fits the caches.
    Cpu,
    /// Spends its time in calls and returns; counts as CPU-bound, too.
    Calls,
    /// Spends its time calling the host.
    HostCalls,
    /// Waits for memory, whatever the engine does.
    Memory,
}

/// A program for the benches.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// Its name, that of its file.
    pub name: &'static str,
    /// What it exercises.
    pub kind: Kind,
    /// The module.
    pub wasm: &'static [u8],
    /// How much work a run of a bench does: 5 to 40 ms on a fast interpreter.
    pub size: i32,
    /// What `run(size)` returns.
    pub checksum: u64,
}

macro_rules! kernels {
    ($( $name:ident $kind:ident $size:literal $checksum:literal; )*) => {
        /// All kernels.
        pub const KERNELS: &[Kernel] = &[$(
            Kernel {
                name: stringify!($name),
                kind: Kind::$kind,
                wasm: include_bytes!(concat!("../kernels/", stringify!($name), ".wasm")),
                size: $size,
                checksum: $checksum,
            },
        )*];
    };
}

kernels! {
    counter Cpu 10_000_000 0x0000_0000_0098_9680;
    fib Calls 27 0x0000_0000_0002_ff42;
    sieve Cpu 20 0x6d72_4d00_58ba_70a4;
    matmul Cpu 128 0xa1dd_5f94_5699_48c6;
    nbody Cpu 20_000 0x0f4e_0683_8c8f_ce28;
    sha256 Cpu 2_000 0xb32d_0c79_0633_d6fe;
    keccak Cpu 2_000 0xffec_0e5d_9bf5_ad67;
    brtable Cpu 50 0x6168_71ab_b13b_6b8e;
    indirect Calls 500_000 0xfe2e_e486_6dfb_82ad;
    fe26 Cpu 20_000 0x51ea_211d_f6c0_b5d4;
    u256 Cpu 20_000 0xb225_08ef_7e44_00d3;
    global Cpu 2_000_000 0xf443_16ec_97fe_afc0;
    memsmall Cpu 2_000 0x404b_1036_4b41_e5ad;
    sort Cpu 50_000 0x9d53_e081_07fd_ef35;
    token Cpu 10_000 0xbe28_b75e_2bca_dac7;
    hostcall HostCalls 1_000_000 0x0007_9e89_aca9_9aa0;
    randmem Memory 300_000 0x8998_5a96_3caa_0bc4;
    bulk Memory 1_000 0x98a4_f19a_889f_36f4;
}

impl Kernel {
    /// Returns the kernel of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KERNELS.iter().find(|kernel| kernel.name == name)
    }

    /// Returns whether the kernel counts in the mean over CPU-bound programs.
    pub fn is_cpu_bound(&self) -> bool {
        matches!(self.kind, Kind::Cpu | Kind::Calls)
    }
}

/// What the host function `env.next` of the kernels returns for an argument.
pub const fn next(value: i32) -> i32 {
    value.wrapping_mul(3).wrapping_add(1)
}

//! Float arithmetic with one answer.
//!
//! Every operation here returns the positive canonical NaN for a NaN, whatever the inputs' signs and payloads. What
//! only moves bits (`abs`, `neg`, `copysign`, loads, stores, reinterpretation) is not here: it never goes through a
//! float.

use crate::TrapKind;

macro_rules! float_operations {
    ($module:ident, $float:ty, $bits:ty, $canonical:literal, $ceil:ident, $floor:ident, $trunc:ident, $nearest:ident, $sqrt:ident, $settled:ident) => {
        pub(crate) mod $module {
            /// Returns the number, or the canonical NaN for any NaN.
            #[inline(always)]
            pub(crate) fn canonical(x: $float) -> $float {
                if cfg!(vm_any_nan) {
                    return x;
                }
                let x = super::$settled(x);
                if x.is_nan() {
                    // A branch that is never taken costs less than a choice.
                    core::hint::cold_path();
                    return <$float>::from_bits($canonical);
                }
                x
            }

            pub(crate) fn add(a: $float, b: $float) -> $float {
                canonical(a + b)
            }

            pub(crate) fn sub(a: $float, b: $float) -> $float {
                canonical(a - b)
            }

            pub(crate) fn mul(a: $float, b: $float) -> $float {
                canonical(a * b)
            }

            pub(crate) fn div(a: $float, b: $float) -> $float {
                canonical(a / b)
            }

            pub(crate) fn min(a: $float, b: $float) -> $float {
                if a.is_nan() || b.is_nan() {
                    canonical(<$float>::NAN)
                } else if a == b {
                    // Zeros of either sign are equal: the negative one is smaller.
                    <$float>::from_bits(a.to_bits() | b.to_bits())
                } else if a < b {
                    a
                } else {
                    b
                }
            }

            pub(crate) fn max(a: $float, b: $float) -> $float {
                if a.is_nan() || b.is_nan() {
                    canonical(<$float>::NAN)
                } else if a == b {
                    <$float>::from_bits(a.to_bits() & b.to_bits())
                } else if a > b {
                    a
                } else {
                    b
                }
            }

            pub(crate) fn sqrt(x: $float) -> $float {
                canonical(super::$sqrt(x))
            }

            pub(crate) fn ceil(x: $float) -> $float {
                canonical(libm::$ceil(x))
            }

            pub(crate) fn floor(x: $float) -> $float {
                canonical(libm::$floor(x))
            }

            pub(crate) fn trunc(x: $float) -> $float {
                canonical(libm::$trunc(x))
            }

            pub(crate) fn nearest(x: $float) -> $float {
                canonical(libm::$nearest(x))
            }
        }
    };
}

float_operations!(f32s, f32, u32, 0x7fc0_0000, ceilf, floorf, truncf, rintf, sqrtf, settled_f32);
float_operations!(f64s, f64, u64, 0x7ff8_0000_0000_0000, ceil, floor, trunc, rint, sqrt, settled_f64);

macro_rules! settled {
    ($($name:ident $float:ty),*) => {
        $(
            /// Returns `x`. To the compiler, an operation returns some NaN or other until somebody looks, so it may
            /// take the test for NaN together with the operation and leave out what makes it canonical. Behind this,
            /// it knows nothing about `x`.
            #[inline(always)]
            fn $name(x: $float) -> $float {
                #[cfg(target_arch = "x86_64")]
                {
                    let settled;
                    // SAFETY: there are no instructions.
                    unsafe {
                        core::arch::asm!(
                            "/* {0} */",
                            inlateout(xmm_reg) x => settled,
                            options(pure, nomem, nostack, preserves_flags),
                        );
                    }
                    settled
                }
                #[cfg(not(target_arch = "x86_64"))]
                core::hint::black_box(x)
            }
        )*
    };
}

settled!(settled_f32 f32, settled_f64 f64);

/// The square root, which IEEE 754 defines to the last bit: by the processor's instruction where there is one.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn sqrtf(x: f32) -> f32 {
    use core::arch::x86_64::{_mm_cvtss_f32, _mm_set_ss, _mm_sqrt_ss};
    // SAFETY: the crate does not compile for processors without SSE2.
    unsafe { _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))) }
}

/// As above.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn sqrt(x: f64) -> f64 {
    use core::arch::x86_64::{_mm_cvtsd_f64, _mm_set_sd, _mm_sqrt_pd};
    // SAFETY: as above.
    unsafe { _mm_cvtsd_f64(_mm_sqrt_pd(_mm_set_sd(x))) }
}

#[cfg(not(target_arch = "x86_64"))]
use libm::{sqrt, sqrtf};

#[expect(clippy::cast_possible_truncation, reason = "demotion rounds, as the instruction says")]
pub(crate) fn demote(x: f64) -> f32 {
    f32s::canonical(x as f32)
}

pub(crate) fn promote(x: f32) -> f64 {
    f64s::canonical(f64::from(x))
}

macro_rules! truncations {
    ($( $name:ident $float:ty => $int:ty, $below:literal, $above:literal; )*) => {
        $(
            /// Rounds towards zero; traps on NaN and on what the integer type cannot hold.
            #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
            #[expect(clippy::allow_attributes, reason = "only the unsigned rows lose a sign")]
            #[allow(clippy::cast_sign_loss, reason = "the range was checked")]
            pub(crate) fn $name(x: $float) -> Result<$int, TrapKind> {
                if x.is_nan() {
                    return Err(TrapKind::InvalidConversion);
                }
                if x > $below && x < $above { Ok(x as $int) } else { Err(TrapKind::IntegerOverflow) }
            }
        )*
    };
}

// The bounds are exclusive, and floats of the type: the nearest ones that do not round to the integer type.
truncations! {
    i32_from_f32 f32 => i32, -2147483904.0, 2147483648.0;
    u32_from_f32 f32 => u32, -1.0, 4294967296.0;
    i32_from_f64 f64 => i32, -2147483649.0, 2147483648.0;
    u32_from_f64 f64 => u32, -1.0, 4294967296.0;
    i64_from_f32 f32 => i64, -9223373136366403584.0, 9223372036854775808.0;
    u64_from_f32 f32 => u64, -1.0, 18446744073709551616.0;
    i64_from_f64 f64 => i64, -9223372036854777856.0, 9223372036854775808.0;
    u64_from_f64 f64 => u64, -1.0, 18446744073709551616.0;
}

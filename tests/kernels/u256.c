/* 256-bit multiplication modulo 2^256, and 64-by-64 products in `unsigned __int128`, as big-integer libraries compile:
 * the compiler makes a call of `__multi3` of each product. n = multiplications. */
#include "kernel.h"

typedef unsigned __int128 u128;
typedef struct { u64 limb[4]; } u256;

/* What compiler runtimes hold: the product of two 128-bit integers out of 32-bit halves. */
CALLED __attribute__((used)) __int128 __multi3(__int128 a, __int128 b) {
    u64 a_low = (u64)a, a_high = (u64)(a >> 64), b_low = (u64)b, b_high = (u64)(b >> 64);
    u64 a0 = a_low & 0xffffffff, a1 = a_low >> 32, b0 = b_low & 0xffffffff, b1 = b_low >> 32;
    u64 low = a0 * b0, carry = (low >> 32) + a1 * b0;
    u64 middle = (carry & 0xffffffff) + a0 * b1;
    u64 high = (carry >> 32) + (middle >> 32) + a1 * b1 + a_high * b_low + a_low * b_high;
    return (__int128)((u128)high << 64 | (middle << 32 | (low & 0xffffffff)));
}

CALLED static void multiply(u256 *out, const u256 *a, const u256 *b) {
    u64 result[4] = { 0, 0, 0, 0 };
    for (u32 i = 0; i < 4; i++) {
        u64 carry = 0;
        for (u32 j = 0; i + j < 4; j++) {
            u128 sum = (u128)a->limb[i] * b->limb[j] + result[i + j] + carry;
            result[i + j] = (u64)sum;
            carry = (u64)(sum >> 64);
        }
    }
    for (u32 i = 0; i < 4; i++) out->limb[i] = result[i];
}

CALLED static void add(u256 *out, const u256 *a, const u256 *b) {
    u64 carry = 0;
    for (u32 i = 0; i < 4; i++) {
        u128 sum = (u128)a->limb[i] + b->limb[i] + carry;
        out->limb[i] = (u64)sum;
        carry = (u64)(sum >> 64);
    }
}

static u256 x, y;

KERNEL {
    u64 state = 5, sum = 0;
    for (u32 i = 0; i < 4; i++) {
        x.limb[i] = (u64)next_random(&state) << 32 | next_random(&state) | (i == 0);
        y.limb[i] = (u64)next_random(&state) << 32 | next_random(&state) | (i == 0);
    }
    for (u32 i = 0; i < n; i++) {
        multiply(&x, &x, &y);
        add(&y, &y, &x);
        y.limb[0] |= 1;
    }
    for (u32 i = 0; i < 4; i++) sum = fold(fold(sum, x.limb[i]), y.limb[i]);
    return sum;
}

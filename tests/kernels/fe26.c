/* Multiplication modulo 2^255 - 19 in ten limbs of 26 and 25 bits, as Ed25519 code for 32-bit targets does it:
 * 32 x 32 -> 64 multiplications and carries. n = multiplications. */
#include "kernel.h"

typedef struct { i32 limb[10]; } field;

/* An odd limb has 25 bits, so a product of two odd limbs stands one bit too low. */
CALLED static void multiply(field *out, const field *a, const field *b) {
    i64 sum[19];
#pragma clang loop unroll(full)
    for (u32 i = 0; i < 19; i++) sum[i] = 0;
#pragma clang loop unroll(full)
    for (u32 i = 0; i < 10; i++) {
#pragma clang loop unroll(full)
        for (u32 j = 0; j < 10; j++)
            sum[i + j] += (i64)a->limb[i] * ((i & j & 1) ? 2 * b->limb[j] : b->limb[j]);
    }
#pragma clang loop unroll(full)
    for (u32 i = 10; i < 19; i++) sum[i - 10] += 19 * sum[i];
#pragma clang loop unroll(full)
    for (u32 pass = 0; pass < 2; pass++) {
#pragma clang loop unroll(full)
        for (u32 i = 0; i < 10; i++) {
            u32 bits = i & 1 ? 25 : 26;
            i64 carry = sum[i] >> bits;
            sum[i] -= carry << bits;
            if (i < 9) sum[i + 1] += carry;
            else sum[0] += 19 * carry;
        }
    }
#pragma clang loop unroll(full)
    for (u32 i = 0; i < 10; i++) out->limb[i] = (i32)sum[i];
}

static field x, y;

KERNEL {
    u64 state = 3, sum = 0;
    for (u32 i = 0; i < 10; i++) {
        x.limb[i] = (i32)(next_random(&state) & 0x1ffffff);
        y.limb[i] = (i32)(next_random(&state) & 0x1ffffff);
    }
    for (u32 i = 0; i < n; i++) {
        multiply(&x, &x, &y);
        y.limb[i % 10] ^= (i32)(i & 0xff);
    }
    for (u32 i = 0; i < 10; i++) sum = fold(sum, (u32)x.limb[i]);
    return sum;
}

/* The product of two square matrices of doubles, the plain three loops. n = rows and columns, at most 256. */
#include "kernel.h"

#define SIDE_MAX 256

static double a[SIDE_MAX * SIDE_MAX], b[SIDE_MAX * SIDE_MAX], c[SIDE_MAX * SIDE_MAX];

KERNEL {
    u64 state = 1, sum = 0;
    if (n > SIDE_MAX) n = SIDE_MAX;
    for (u32 i = 0; i < n * n; i++) {
        a[i] = (double)next_random(&state) / 65536.0;
        b[i] = (double)next_random(&state) / 65536.0;
    }
    for (u32 row = 0; row < n; row++) {
        for (u32 column = 0; column < n; column++) {
            double product = 0;
            for (u32 k = 0; k < n; k++) product += a[row * n + k] * b[k * n + column];
            c[row * n + column] = product;
        }
    }
    for (u32 i = 0; i < n * n; i++) {
        union { double value; u64 bits; } word = { c[i] };
        sum = fold(sum, word.bits);
    }
    return sum;
}

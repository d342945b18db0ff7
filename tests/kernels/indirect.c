/* Calls through a table of functions, as dynamic dispatch makes them. n = calls. */
#include "kernel.h"

typedef u32 (*operation)(u32, u32);

CALLED static u32 add(u32 a, u32 b) { return a + b; }
CALLED static u32 subtract(u32 a, u32 b) { return a - b; }
CALLED static u32 either(u32 a, u32 b) { return a ^ b; }
CALLED static u32 product(u32 a, u32 b) { return a * (b | 1); }
CALLED static u32 turn(u32 a, u32 b) { return (a << 5 | a >> 27) + b; }
CALLED static u32 least(u32 a, u32 b) { return a < b ? a + 1 : b; }
CALLED static u32 mask(u32 a, u32 b) { return (a & 0x0f0f0f0f) | (b & 0xf0f0f0f0); }
CALLED static u32 negate(u32 a, u32 b) { return ~a + b; }

static operation volatile operations[8] = { add, subtract, either, product, turn, least, mask, negate };

KERNEL {
    operation table[8];
    for (u32 i = 0; i < 8; i++) table[i] = operations[i];
    u32 value = 12345, other = 6789;
    for (u32 i = 0; i < n; i++) {
        u32 result = table[(value ^ i) & 7](value, other);
        other = value + i;
        value = result;
    }
    return (u64)value << 32 | other;
}

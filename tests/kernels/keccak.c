/* Keccak-256 with Ethereum's padding, of a message of n blocks of 136 bytes. */
#include "kernel.h"

#define RATE_LANES 17

static const u64 ROUND_CONSTANTS[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};
/* Where the lanes go, and by how much they turn, along the one cycle that visits all but the first. */
static const u8 TARGETS[24] = { 10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1 };
static const u8 TURNS[24] = { 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44 };

static u64 lanes[25];

static inline u64 rotate(u64 x, u32 by) { return x << by | x >> (64 - by); }

CALLED static void permute(void) {
    for (u32 round = 0; round < 24; round++) {
        u64 column[5];
#pragma clang loop unroll(full)
        for (u32 x = 0; x < 5; x++)
            column[x] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20];
#pragma clang loop unroll(full)
        for (u32 x = 0; x < 5; x++) {
            u64 change = column[(x + 4) % 5] ^ rotate(column[(x + 1) % 5], 1);
#pragma clang loop unroll(full)
            for (u32 y = 0; y < 25; y += 5) lanes[x + y] ^= change;
        }
        u64 moved = lanes[1];
#pragma clang loop unroll(full)
        for (u32 i = 0; i < 24; i++) {
            u64 replaced = lanes[TARGETS[i]];
            lanes[TARGETS[i]] = rotate(moved, TURNS[i]);
            moved = replaced;
        }
#pragma clang loop unroll(full)
        for (u32 y = 0; y < 25; y += 5) {
            u64 row[5];
#pragma clang loop unroll(full)
            for (u32 x = 0; x < 5; x++) row[x] = lanes[y + x];
#pragma clang loop unroll(full)
            for (u32 x = 0; x < 5; x++) lanes[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
        }
        lanes[0] ^= ROUND_CONSTANTS[round];
    }
}

/* The checksum is the first 8 bytes, the first lowest, of the hash of n blocks of the byte 'a'. */
KERNEL {
    for (u32 i = 0; i < 25; i++) lanes[i] = 0;
    for (u32 i = 0; i < n; i++) {
        for (u32 lane = 0; lane < RATE_LANES; lane++) lanes[lane] ^= 0x6161616161616161ull;
        permute();
    }
    lanes[0] ^= 0x01;
    lanes[RATE_LANES - 1] ^= 0x8000000000000000ull;
    permute();
    return lanes[0];
}

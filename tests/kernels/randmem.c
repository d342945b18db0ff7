/* Reads, changes and writes words at random places of 8 MiB: the cache of the machine sets the pace. n = accesses. */
#include "kernel.h"

#define WORDS (1u << 21)

static u32 words[WORDS];

CALLED static u64 walk(u32 n) {
    u64 state = 9, sum = 0;
    for (u32 i = 0; i < n; i++) {
        u32 place = next_random(&state) & (WORDS - 1);
        words[place] ^= i;
        sum = fold(sum, words[place]);
    }
    return sum;
}

/* The second walk undoes what the first wrote, so that the next run finds zeros again. */
KERNEL {
    u64 sum = walk(n / 2);
    return fold(sum, walk(n / 2));
}

/* The sieve of Eratosthenes over bytes: short loops that store, then a loop that loads. n = rounds. */
#include "kernel.h"

#define LIMIT 65536

static u8 composite[LIMIT];

KERNEL {
    u64 sum = 0;
    for (u32 round = 0; round < n; round++) {
        for (u32 i = 0; i < LIMIT; i++) composite[i] = 0;
        for (u32 i = 2; i * i < LIMIT; i++) {
            if (composite[i]) continue;
            for (u32 j = i * i; j < LIMIT; j += i) composite[j] = 1;
        }
        u32 primes = 0;
        for (u32 i = 2; i < LIMIT; i++) primes += !composite[i];
        sum = fold(sum, primes + round);
    }
    return sum;
}

/* What the C kernels share: fixed-width types, the export, and the checksum. Nothing here needs a C library. */
#ifndef LATHE_KERNEL_H
#define LATHE_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

/* Every kernel exports one function: it does `n` units of work and returns a checksum of all it made. */
#define KERNEL __attribute__((export_name("run"))) u64 run(u32 n)

/* Keeps a function from being folded into its caller, so that the kernel really calls it. */
#define CALLED __attribute__((noinline))

/* Folds one value into a checksum, so that its order counts too. */
static inline u64 fold(u64 sum, u64 value) {
    return (((sum << 7) | (sum >> 57)) ^ value) * 0x9e3779b97f4a7c15ull;
}

/* A linear congruential generator: the same stream of values everywhere. Its high bits are the good ones. */
static inline u32 next_random(u64 *state) {
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)(*state >> 33);
}

#endif

/* Quicksort with insertion sort for short runs, then binary searches: branches that cannot be foretold. n = numbers. */
#include "kernel.h"

#define NUMBERS_MAX 262144
#define SHORT 12

static u32 numbers[NUMBERS_MAX];

CALLED static void sort(u32 *from, u32 *to) {
    while (to - from > SHORT) {
        u32 pivot = from[(to - from) / 2];
        u32 *left = from, *right = to - 1;
        for (;;) {
            while (*left < pivot) left++;
            while (*right > pivot) right--;
            if (left >= right) break;
            u32 held = *left;
            *left++ = *right;
            *right-- = held;
        }
        /* The shorter side by a call, the longer by the loop: the depth stays logarithmic. */
        if (left - from < to - left) {
            sort(from, left);
            from = left;
        } else {
            sort(left, to);
            to = left;
        }
    }
    for (u32 *next = from + 1; next < to; next++) {
        u32 value = *next, *place = next;
        while (place > from && place[-1] > value) {
            *place = place[-1];
            place--;
        }
        *place = value;
    }
}

CALLED static u32 position(u32 value, u32 len) {
    u32 low = 0, high = len;
    while (low < high) {
        u32 middle = (low + high) / 2;
        if (numbers[middle] < value) low = middle + 1;
        else high = middle;
    }
    return low;
}

KERNEL {
    u64 state = 13, sum = 0;
    if (n > NUMBERS_MAX) n = NUMBERS_MAX;
    for (u32 i = 0; i < n; i++) numbers[i] = next_random(&state);
    sort(numbers, numbers + n);
    for (u32 i = 1; i < n; i++) sum = fold(sum, numbers[i - 1] <= numbers[i] ? numbers[i] : 0);
    for (u32 i = 0; i < n / 8; i++) sum = fold(sum, position(next_random(&state), n));
    return sum;
}

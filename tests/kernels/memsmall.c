/* Loops over small pieces of memory, as text and ABI code has them: copy, compare, reverse, find, change case, parse
 * and print numbers, byte by byte. n = rounds. */
#include "kernel.h"

#define TEXT 256

static u8 text[TEXT], copy[TEXT], digits[32];

CALLED static void copy_bytes(u8 *to, const u8 *from, u32 len) {
    for (u32 i = 0; i < len; i++) to[i] = from[i];
}

CALLED static void reverse(u8 *bytes, u32 len) {
    for (u32 i = 0, j = len - 1; i < j; i++, j--) {
        u8 held = bytes[i];
        bytes[i] = bytes[j];
        bytes[j] = held;
    }
}

CALLED static u32 common_prefix(const u8 *a, const u8 *b, u32 len) {
    u32 i = 0;
    while (i < len && a[i] == b[i]) i++;
    return i;
}

CALLED static u32 change_case(u8 *bytes, u32 len) {
    u32 changed = 0;
    for (u32 i = 0; i < len; i++) {
        if ((u8)((bytes[i] | 0x20) - 'a') < 26) {
            bytes[i] ^= 0x20;
            changed++;
        }
    }
    return changed;
}

CALLED static u32 print_number(u8 *to, u32 value) {
    u32 len = 0;
    do {
        to[len++] = (u8)('0' + value % 10);
        value /= 10;
    } while (value);
    reverse(to, len);
    return len;
}

CALLED static u32 parse_number(const u8 *from, u32 len) {
    u32 value = 0;
    for (u32 i = 0; i < len; i++) value = value * 10 + (from[i] - '0');
    return value;
}

KERNEL {
    u64 state = 11, sum = 0;
    for (u32 i = 0; i < TEXT; i++) text[i] = (u8)(32 + (next_random(&state) & 63) + (i & 31));
    for (u32 round = 0; round < n; round++) {
        copy_bytes(copy, text, TEXT);
        reverse(copy + (round & 63), 100);
        u32 same = common_prefix(text, copy, TEXT);
        u32 changed = change_case(copy, TEXT);
        u32 len = print_number(digits, round * 7919u + changed);
        sum = fold(sum, (u64)parse_number(digits, len) + same + copy[round & 255]);
        text[round & 255] = copy[(round * 7) & 255];
    }
    return sum;
}

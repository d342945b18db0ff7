/* A token as contracts have it: calls are decoded from ABI words, balances and allowances are 256-bit integers in a
 * hash map, every transfer checks, moves and logs. n = calls. */
#include "kernel.h"

#define SLOTS 1024
#define ACCOUNTS 64

typedef struct { u64 limb[4]; } word;
typedef struct { u8 used; word key, value; } slot;

enum { TRANSFER, APPROVE, TRANSFER_FROM, BALANCE_OF };

static slot slots[SLOTS];
static u8 calldata[4 + 3 * 32];
static u64 log_sum;
static u32 reverted;

static inline u8 is_less(const word *a, const word *b) {
    for (u32 i = 4; i-- > 0;) {
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i];
    }
    return 0;
}

static inline void add(word *to, const word *by) {
    u64 carry = 0;
    for (u32 i = 0; i < 4; i++) {
        u64 sum = to->limb[i] + by->limb[i], first = sum < by->limb[i];
        to->limb[i] = sum + carry;
        carry = first | (to->limb[i] < sum);
    }
}

static inline void subtract(word *from, const word *by) {
    u64 borrow = 0;
    for (u32 i = 0; i < 4; i++) {
        u64 difference = from->limb[i] - by->limb[i], first = from->limb[i] < by->limb[i];
        from->limb[i] = difference - borrow;
        borrow = first | (difference < borrow);
    }
}

/* Stands for the hash that makes a storage key of an address, or of an address under another. */
CALLED static void key_of(word *key, u64 mapping, const word *address) {
    u64 sum = mapping;
    for (u32 i = 0; i < 4; i++) {
        sum = fold(sum, address->limb[i]);
        key->limb[i] = sum;
    }
}

/* Finds the value under a key by linear probing, and makes it if it is not there. */
CALLED static word *lookup(const word *key) {
    u32 place = (u32)(key->limb[3] >> 32) & (SLOTS - 1);
    for (;;) {
        slot *at = &slots[place];
        if (!at->used) {
            at->used = 1;
            for (u32 i = 0; i < 4; i++) {
                at->key.limb[i] = key->limb[i];
                at->value.limb[i] = 0;
            }
            return &at->value;
        }
        u64 difference = 0;
        for (u32 i = 0; i < 4; i++) difference |= at->key.limb[i] ^ key->limb[i];
        if (!difference) return &at->value;
        place = (place + 1) & (SLOTS - 1);
    }
}

static word *balance(const word *owner) {
    word key;
    key_of(&key, 1, owner);
    return lookup(&key);
}

static word *allowance(const word *owner, const word *spender) {
    word inner, key;
    key_of(&inner, 2, owner);
    key_of(&key, inner.limb[0], spender);
    return lookup(&key);
}

CALLED static void read_word(word *out, const u8 *from) {
    for (u32 i = 0; i < 4; i++) {
        u64 limb = 0;
        for (u32 j = 0; j < 8; j++) limb = limb << 8 | from[(3 - i) * 8 + j];
        out->limb[i] = limb;
    }
}

CALLED static void write_word(u8 *to, const word *value) {
    for (u32 i = 0; i < 4; i++) {
        for (u32 j = 0; j < 8; j++) to[(3 - i) * 8 + j] = (u8)(value->limb[i] >> (56 - 8 * j));
    }
}

CALLED static u32 move(const word *from, const word *to, const word *amount) {
    word *source = balance(from);
    if (is_less(source, amount)) return 0;
    subtract(source, amount);
    add(balance(to), amount);
    log_sum = fold(fold(fold(log_sum, from->limb[0]), to->limb[0]), amount->limb[0]);
    return 1;
}

CALLED static u32 call(const word *sender) {
    word first, second, third;
    read_word(&first, calldata + 4);
    read_word(&second, calldata + 36);
    read_word(&third, calldata + 68);
    switch (calldata[3]) {
    case TRANSFER: return move(sender, &first, &second);
    case APPROVE: {
        word *allowed = allowance(sender, &first);
        for (u32 i = 0; i < 4; i++) allowed->limb[i] = second.limb[i];
        return 1;
    }
    case TRANSFER_FROM: {
        word *allowed = allowance(&first, sender);
        if (is_less(allowed, &third)) return 0;
        if (!move(&first, &second, &third)) return 0;
        subtract(allowed, &third);
        return 1;
    }
    case BALANCE_OF: return (u32)balance(&first)->limb[0] | 1;
    default: return 0;
    }
}

static void account(word *out, u32 number) {
    out->limb[0] = fold(number, 0x1234567890abcdefull);
    out->limb[1] = fold(number, 0xfedcba0987654321ull);
    out->limb[2] = number & 0xffff;
    out->limb[3] = 0;
}

KERNEL {
    u64 state = 17, sum = 0;
    log_sum = reverted = 0;
    for (u32 i = 0; i < SLOTS; i++) slots[i].used = 0;
    for (u32 i = 0; i < ACCOUNTS; i++) {
        word owner, supply = { { 1000000, i, 0, 0 } };
        account(&owner, i);
        *balance(&owner) = supply;
    }
    for (u32 i = 0; i < n; i++) {
        word sender, one, other, amount = { { next_random(&state), 0, 0, 0 } };
        u32 random = next_random(&state);
        account(&sender, random % ACCOUNTS);
        /* Few spenders, so that the map stays half empty. */
        account(&one, (random >> 6) % 4);
        account(&other, (random >> 12) % ACCOUNTS);
        calldata[3] = (random >> 18) % 4;
        write_word(calldata + 4, &one);
        write_word(calldata + 36, calldata[3] == TRANSFER_FROM ? &other : &amount);
        write_word(calldata + 68, &amount);
        if (!call(&sender)) reverted++;
    }
    for (u32 i = 0; i < SLOTS; i++) {
        if (slots[i].used) sum = fold(fold(sum, slots[i].value.limb[0]), slots[i].value.limb[1]);
    }
    return fold(fold(sum, log_sum), reverted);
}

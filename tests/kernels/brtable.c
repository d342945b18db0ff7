/* An interpreter of a small register bytecode: a loop around a switch, which becomes `br_table`. n = rounds. */
#include "kernel.h"

enum { HALT, LOAD, MOVE, ADD, SUB, XOR, SHIFT, MUL, JUMP_IF, STORE, FETCH, AND, OR, NOT, ROTATE, COUNT_DOWN };

#define CODE_LEN 24
#define ITERATIONS 1000

static const u8 code[CODE_LEN][4] = {
    { LOAD, 0, 1, 0 },      { LOAD, 1, 17, 0 },     { LOAD, 2, 3, 0 },      { ADD, 3, 0, 1 },
    { XOR, 4, 3, 2 },       { SHIFT, 5, 4, 3 },     { ADD, 0, 0, 5 },       { STORE, 0, 4, 0 },
    { MUL, 1, 1, 2 },       { FETCH, 6, 5, 0 },     { SUB, 2, 6, 1 },       { AND, 3, 2, 0 },
    { OR, 4, 3, 1 },        { NOT, 5, 4, 0 },       { ROTATE, 6, 5, 7 },    { JUMP_IF, 6, 18, 0 },
    { ADD, 0, 0, 2 },       { XOR, 1, 1, 0 },       { MOVE, 2, 6, 0 },      { ADD, 3, 3, 2 },
    { STORE, 3, 0, 0 },     { FETCH, 4, 3, 0 },     { COUNT_DOWN, 7, 3, 0 }, { HALT, 0, 0, 0 },
};

static u32 memory[256];

CALLED static u64 interpret(u32 seed, u32 iterations) {
    u32 r[8] = { seed, 1, 2, 3, 4, 5, 6, iterations }, pc = 0;
    for (;;) {
        const u8 *op = code[pc++];
        switch (op[0]) {
        case LOAD: r[op[1]] = op[2] + seed; break;
        case MOVE: r[op[1]] = r[op[2]]; break;
        case ADD: r[op[1]] = r[op[2]] + r[op[3]]; break;
        case SUB: r[op[1]] = r[op[2]] - r[op[3]]; break;
        case XOR: r[op[1]] = r[op[2]] ^ r[op[3]]; break;
        case SHIFT: r[op[1]] = r[op[2]] >> op[3]; break;
        case MUL: r[op[1]] = r[op[2]] * (r[op[3]] | 1); break;
        case JUMP_IF: if (r[op[1]] & 1) pc = op[2]; break;
        case STORE: memory[r[op[1]] & 255] = r[op[2]]; break;
        case FETCH: r[op[1]] = memory[r[op[2]] & 255]; break;
        case AND: r[op[1]] = r[op[2]] & r[op[3]]; break;
        case OR: r[op[1]] = r[op[2]] | r[op[3]]; break;
        case NOT: r[op[1]] = ~r[op[2]]; break;
        case ROTATE: r[op[1]] = r[op[2]] << op[3] | r[op[2]] >> (32 - op[3]); break;
        case COUNT_DOWN: if (--r[op[1]]) pc = op[2]; break;
        default: return (u64)r[0] << 32 | (r[1] ^ r[2] ^ r[3] ^ r[4] ^ r[5] ^ r[6]);
        }
    }
}

KERNEL {
    u64 sum = 0;
    for (u32 i = 0; i < 256; i++) memory[i] = 0;
    for (u32 round = 0; round < n; round++) sum = fold(sum, interpret(round, ITERATIONS));
    return sum;
}

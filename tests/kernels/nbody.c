/* Five bodies under gravity, stepped with square roots and divisions. n = steps. */
#include "kernel.h"

#define BODIES 5

typedef struct { double x, y, z, vx, vy, vz, mass; } body;

static body bodies[BODIES];

static void step(double dt) {
    for (u32 i = 0; i < BODIES; i++) {
        body *one = &bodies[i];
        for (u32 j = i + 1; j < BODIES; j++) {
            body *other = &bodies[j];
            double dx = one->x - other->x, dy = one->y - other->y, dz = one->z - other->z;
            double square = dx * dx + dy * dy + dz * dz;
            double force = dt / (square * __builtin_sqrt(square));
            one->vx -= dx * other->mass * force;
            one->vy -= dy * other->mass * force;
            one->vz -= dz * other->mass * force;
            other->vx += dx * one->mass * force;
            other->vy += dy * one->mass * force;
            other->vz += dz * one->mass * force;
        }
    }
    for (u32 i = 0; i < BODIES; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

KERNEL {
    u64 state = 7, sum = 0;
    for (u32 i = 0; i < BODIES; i++) {
        bodies[i] = (body){
            .x = i * 5.0 + next_random(&state) / 2147483648.0,
            .y = i * 3.0 - next_random(&state) / 2147483648.0,
            .z = i * 0.5,
            .vx = next_random(&state) / 2147483648.0,
            .vy = -0.25 * i,
            .vz = 0.125,
            .mass = i == 0 ? 39.5 : 0.01 * i,
        };
    }
    for (u32 i = 0; i < n; i++) step(0.001);
    for (u32 i = 0; i < BODIES; i++) {
        union { double value; u64 bits; } x = { bodies[i].x }, vy = { bodies[i].vy };
        sum = fold(fold(sum, x.bits), vy.bits);
    }
    return sum;
}

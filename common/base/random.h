// Random numbers from a seed (xoshiro256**, Blackman and Vigna 2018); random_init_system seeds from the kernel.
#ifndef FORESET_BASE_RANDOM_H
#define FORESET_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};
void random_init(struct random *random, uint64_t seed);
void random_init_system(struct random *random);
uint64_t random_u64(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound); // 0 <= result < bound; bound > 0
double random_unit(struct random *random);                    // [0, 1)
bool random_chance(struct random *random, double probability);
void random_secret(void *ret_bytes, size_t size); // from the kernel's generator: for keys and tokens
void random_uuid(struct random *random, char ret_uuid[37]);

#endif

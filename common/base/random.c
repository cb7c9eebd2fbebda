// Random numbers: xoshiro256** with splitmix64 seeding.
#include "common/base/random.h"

#include <sys/random.h>

#include "common/base/error.h"
#include "common/base/text.h"

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

void random_init(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9E3779B97F4A7C15ull;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ z >> 27) * 0x94D049BB133111EBull;
        random->state[i] = z ^ z >> 31;
    }
}

void random_init_system(struct random *random)
{
    ssize_t got = getrandom(random->state, sizeof random->state, 0);
    ASSERT(got == (ssize_t)sizeof random->state);
}

void random_secret(void *ret_bytes, size_t size)
{
    ssize_t got = getrandom(ret_bytes, size, 0);
    ASSERT(size <= 256 && got == (ssize_t)size); // so few are never cut short (getrandom(2))
}

uint64_t random_u64(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    ASSERT(bound > 0);
    return (uint64_t)((unsigned __int128)random_u64(random) * bound >> 64);
}

double random_unit(struct random *random)
{
    return (double)(random_u64(random) >> 11) * 0x1p-53;
}

bool random_chance(struct random *random, double probability)
{
    return random_unit(random) < probability;
}

void random_uuid(struct random *random, char ret_uuid[37])
{
    uint64_t high = random_u64(random);
    text_uuid(high, random_u64(random), ret_uuid);
}

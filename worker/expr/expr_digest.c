// Message digests, over whole messages in memory. Cannot fail.
#include "worker/expr/expr_digest.h"

#include <string.h>

static const uint32_t md5_table[64] = {
    0xd76aa478u, 0xe8c7b756u, 0x242070dbu, 0xc1bdceeeu, 0xf57c0fafu, 0x4787c62au, 0xa8304613u, 0xfd469501u,
    0x698098d8u, 0x8b44f7afu, 0xffff5bb1u, 0x895cd7beu, 0x6b901122u, 0xfd987193u, 0xa679438eu, 0x49b40821u,
    0xf61e2562u, 0xc040b340u, 0x265e5a51u, 0xe9b6c7aau, 0xd62f105du, 0x02441453u, 0xd8a1e681u, 0xe7d3fbc8u,
    0x21e1cde6u, 0xc33707d6u, 0xf4d50d87u, 0x455a14edu, 0xa9e3e905u, 0xfcefa3f8u, 0x676f02d9u, 0x8d2a4c8au,
    0xfffa3942u, 0x8771f681u, 0x6d9d6122u, 0xfde5380cu, 0xa4beea44u, 0x4bdecfa9u, 0xf6bb4b60u, 0xbebfbc70u,
    0x289b7ec6u, 0xeaa127fau, 0xd4ef3085u, 0x04881d05u, 0xd9d4d039u, 0xe6db99e5u, 0x1fa27cf8u, 0xc4ac5665u,
    0xf4292244u, 0x432aff97u, 0xab9423a7u, 0xfc93a039u, 0x655b59c3u, 0x8f0ccc92u, 0xffeff47du, 0x85845dd1u,
    0x6fa87e4fu, 0xfe2ce6e0u, 0xa3014314u, 0x4e0811a1u, 0xf7537e82u, 0xbd3af235u, 0x2ad7d2bbu, 0xeb86d391u,
};
static const uint64_t sha512_table[80] = {
    0x428a2f98d728ae22ull, 0x7137449123ef65cdull, 0xb5c0fbcfec4d3b2full, 0xe9b5dba58189dbbcull, 0x3956c25bf348b538ull,
    0x59f111f1b605d019ull, 0x923f82a4af194f9bull, 0xab1c5ed5da6d8118ull, 0xd807aa98a3030242ull, 0x12835b0145706fbeull,
    0x243185be4ee4b28cull, 0x550c7dc3d5ffb4e2ull, 0x72be5d74f27b896full, 0x80deb1fe3b1696b1ull, 0x9bdc06a725c71235ull,
    0xc19bf174cf692694ull, 0xe49b69c19ef14ad2ull, 0xefbe4786384f25e3ull, 0x0fc19dc68b8cd5b5ull, 0x240ca1cc77ac9c65ull,
    0x2de92c6f592b0275ull, 0x4a7484aa6ea6e483ull, 0x5cb0a9dcbd41fbd4ull, 0x76f988da831153b5ull, 0x983e5152ee66dfabull,
    0xa831c66d2db43210ull, 0xb00327c898fb213full, 0xbf597fc7beef0ee4ull, 0xc6e00bf33da88fc2ull, 0xd5a79147930aa725ull,
    0x06ca6351e003826full, 0x142929670a0e6e70ull, 0x27b70a8546d22ffcull, 0x2e1b21385c26c926ull, 0x4d2c6dfc5ac42aedull,
    0x53380d139d95b3dfull, 0x650a73548baf63deull, 0x766a0abb3c77b2a8ull, 0x81c2c92e47edaee6ull, 0x92722c851482353bull,
    0xa2bfe8a14cf10364ull, 0xa81a664bbc423001ull, 0xc24b8b70d0f89791ull, 0xc76c51a30654be30ull, 0xd192e819d6ef5218ull,
    0xd69906245565a910ull, 0xf40e35855771202aull, 0x106aa07032bbd1b8ull, 0x19a4c116b8d2d0c8ull, 0x1e376c085141ab53ull,
    0x2748774cdf8eeb99ull, 0x34b0bcb5e19b48a8ull, 0x391c0cb3c5c95a63ull, 0x4ed8aa4ae3418acbull, 0x5b9cca4f7763e373ull,
    0x682e6ff3d6b2b8a3ull, 0x748f82ee5defb2fcull, 0x78a5636f43172f60ull, 0x84c87814a1f0ab72ull, 0x8cc702081a6439ecull,
    0x90befffa23631e28ull, 0xa4506cebde82bde9ull, 0xbef9a3f7b2c67915ull, 0xc67178f2e372532bull, 0xca273eceea26619cull,
    0xd186b8c721c0c207ull, 0xeada7dd6cde0eb1eull, 0xf57d4f7fee6ed178ull, 0x06f067aa72176fbaull, 0x0a637dc5a2c898a6ull,
    0x113f9804bef90daeull, 0x1b710b35131c471bull, 0x28db77f523047d84ull, 0x32caab7b40c72493ull, 0x3c9ebe0a15c9bebcull,
    0x431d67c49c100d4cull, 0x4cc5d4becb3e42b6ull, 0x597f299cfc657e2aull, 0x5fcb6fab3ad6faecull, 0x6c44198c4a475817ull,
};
static const uint64_t sha512_start[8] = {
    0x6a09e667f3bcc908ull, 0xbb67ae8584caa73bull, 0x3c6ef372fe94f82bull, 0xa54ff53a5f1d36f1ull,
    0x510e527fade682d1ull, 0x9b05688c2b3e6c1full, 0x1f83d9abfb41bd6bull, 0x5be0cd19137e2179ull,
};
static const uint64_t sha384_start[8] = {
    0xcbbb9d5dc1059ed8ull, 0x629a292a367cd507ull, 0x9159015a3070dd17ull, 0x152fecd8f70e5939ull,
    0x67332667ffc00b31ull, 0x8eb44a8768581511ull, 0xdb0c2e0d64f98fa7ull, 0x47b5481dbefa4fa4ull,
};

#define ROTATE_LEFT(x, n)     ((x) << (n) | (x) >> (32 - (n)))
#define ROTATE_RIGHT(x, n)    ((x) >> (n) | (x) << (32 - (n)))
#define ROTATE_RIGHT_64(x, n) ((x) >> (n) | (x) << (64 - (n)))

static uint32_t load_be(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store_be(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (24 - 8 * i));
}

// Runs block over the message, padded: 0x80, zeros, its length in bits (length_size bytes, big-endian or
// little-endian).
static void run_blocks(const void *bytes, size_t length, size_t block_size, size_t length_size, int big_endian,
                       void (*block)(void *state, const uint8_t *at), void *state)
{
    const uint8_t *at = bytes;
    uint8_t tail[256] = {0};
    size_t rest = length % block_size;
    for (size_t i = 0; i + block_size <= length; i += block_size) block(state, at + i);
    if (rest) memcpy(tail, at + length - rest, rest);
    tail[rest] = 0x80;
    size_t total = rest + 1 + length_size <= block_size ? block_size : 2 * block_size;
    uint64_t bits = (uint64_t)length * 8;
    for (size_t i = 0; i < 8; i++) {
        tail[big_endian ? total - 1 - i : total - 8 + i] = (uint8_t)(bits >> (8 * i));
    }
    for (size_t i = 0; i < total; i += block_size) block(state, tail + i);
}

static void md5_block(void *state, const uint8_t *at)
{
    static const uint8_t shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t *h = state, a = h[0], b = h[1], c = h[2], d = h[3], words[16];
    memcpy(words, at, 64);
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t f, g;
        switch (i / 16) {
        case 0:
            f = (b & c) | (~b & d);
            g = i;
            break;
        case 1:
            f = (d & b) | (~d & c);
            g = (5 * i + 1) % 16;
            break;
        case 2:
            f = b ^ c ^ d;
            g = (3 * i + 5) % 16;
            break;
        default: f = c ^ (b | ~d); g = 7 * i % 16;
        }
        uint32_t sum = a + f + md5_table[i] + words[g];
        a = d;
        d = c;
        c = b;
        b += ROTATE_LEFT(sum, shifts[i / 16][i % 4]);
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
}

void expr_digest_md5(const void *bytes, size_t length, uint8_t ret_digest[16])
{
    uint32_t h[4] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u};
    run_blocks(bytes, length, 64, 8, 0, md5_block, h);
    memcpy(ret_digest, h, 16);
}

static void sha1_block(void *state, const uint8_t *at)
{
    uint32_t *h = state, w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++) w[i] = load_be(at + 4 * i);
    for (int i = 16; i < 80; i++) {
        uint32_t mixed = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];
        w[i] = ROTATE_LEFT(mixed, 1);
    }
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
        uint32_t k = i < 20 ? 0x5a827999u : i < 40 ? 0x6ed9eba1u : i < 60 ? 0x8f1bbcdcu : 0xca62c1d6u;
        uint32_t sum = ROTATE_LEFT(a, 5) + f + e + k + w[i];
        e = d;
        d = c;
        c = ROTATE_LEFT(b, 30);
        b = a;
        a = sum;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void expr_digest_sha1(const void *bytes, size_t length, uint8_t ret_digest[20])
{
    uint32_t h[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
    run_blocks(bytes, length, 64, 8, 1, sha1_block, h);
    for (int i = 0; i < 5; i++) store_be(ret_digest + 4 * i, h[i]);
}

static void sha256_block(void *state, const uint8_t *at)
{
    uint32_t *h = state, w[64], s[8];
    for (int i = 0; i < 16; i++) w[i] = load_be(at + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t a = ROTATE_RIGHT(w[i - 15], 7) ^ ROTATE_RIGHT(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = ROTATE_RIGHT(w[i - 2], 17) ^ ROTATE_RIGHT(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = s[4], a = s[0];
        uint32_t first = s[7] + (ROTATE_RIGHT(e, 6) ^ ROTATE_RIGHT(e, 11) ^ ROTATE_RIGHT(e, 25)) +
                         ((e & s[5]) ^ (~e & s[6])) + (uint32_t)(sha512_table[i] >> 32) + w[i];
        uint32_t second = (ROTATE_RIGHT(a, 2) ^ ROTATE_RIGHT(a, 13) ^ ROTATE_RIGHT(a, 22)) +
                          ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + second;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}

void expr_digest_sha256(const void *bytes, size_t length, int bits, uint8_t *ret_digest)
{
    uint32_t h[8];
    for (int i = 0; i < 8; i++) h[i] = bits == 224 ? (uint32_t)sha384_start[i] : (uint32_t)(sha512_start[i] >> 32);
    run_blocks(bytes, length, 64, 8, 1, sha256_block, h);
    for (int i = 0; i < bits / 32; i++) store_be(ret_digest + 4 * i, h[i]);
}

static void sha512_block(void *state, const uint8_t *at)
{
    uint64_t *h = state, w[80], s[8];
    for (int i = 0; i < 16; i++) w[i] = (uint64_t)load_be(at + 8 * i) << 32 | load_be(at + 8 * i + 4);
    for (int i = 16; i < 80; i++) {
        uint64_t a = ROTATE_RIGHT_64(w[i - 15], 1) ^ ROTATE_RIGHT_64(w[i - 15], 8) ^ w[i - 15] >> 7;
        uint64_t b = ROTATE_RIGHT_64(w[i - 2], 19) ^ ROTATE_RIGHT_64(w[i - 2], 61) ^ w[i - 2] >> 6;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 80; i++) {
        uint64_t e = s[4], a = s[0];
        uint64_t first = s[7] + (ROTATE_RIGHT_64(e, 14) ^ ROTATE_RIGHT_64(e, 18) ^ ROTATE_RIGHT_64(e, 41)) +
                         ((e & s[5]) ^ (~e & s[6])) + sha512_table[i] + w[i];
        uint64_t second = (ROTATE_RIGHT_64(a, 28) ^ ROTATE_RIGHT_64(a, 34) ^ ROTATE_RIGHT_64(a, 39)) +
                          ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + second;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}

void expr_digest_sha512(const void *bytes, size_t length, int bits, uint8_t *ret_digest)
{
    uint64_t h[8];
    memcpy(h, bits == 384 ? sha384_start : sha512_start, sizeof h);
    run_blocks(bytes, length, 128, 16, 1, sha512_block, h);
    for (int i = 0; i < bits / 64; i++) {
        store_be(ret_digest + 8 * i, (uint32_t)(h[i] >> 32));
        store_be(ret_digest + 8 * i + 4, (uint32_t)h[i]);
    }
}

// Memory: the only file that calls malloc and free.
#include "common/base/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"

#define ARENA_BLOCK_DEFAULT (64u << 10)
#define ARENA_ALIGN         16u
#define BUFFER_ALIGN        64u
#define WATCH_TRIM_US       200000
#define WATCH_MAP_FROM      (128 << 10)

struct arena_block {
    struct arena_block *next;
    size_t size;
    size_t used;
    _Alignas(16) uint8_t data[];
};

static _Atomic uint64_t budget_countdown;

static _Noreturn void memory_refused(size_t size)
{
    fprintf(stderr, "foreset: the system refuses %zu bytes of memory; restart with a smaller --memory\n", size);
    abort();
}

static int memory_clamp(uint64_t bytes, int least, int most)
{
    if (bytes < (uint64_t)least) return least;
    return bytes > (uint64_t)most ? most : (int)bytes;
}

void memory_tune(uint64_t budget_bytes)
{
    mallopt(M_MMAP_THRESHOLD, memory_clamp(budget_bytes / 64, 1 << 20, 32 << 20));
    mallopt(M_TRIM_THRESHOLD, memory_clamp(budget_bytes / 16, 4 << 20, 256 << 20));
    mallopt(M_TOP_PAD, memory_clamp(budget_bytes / 128, 128 << 10, 16 << 20));
}

void *memory_alloc(size_t size)
{
    void *block = malloc(size ? size : 1);
    if (!block) memory_refused(size);
    return block;
}

void *memory_calloc(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size ? size : 1);
    if (!block) memory_refused(count * size);
    return block;
}

void *memory_realloc(void *block, size_t size)
{
    void *moved = realloc(block, size ? size : 1);
    if (!moved) memory_refused(size);
    return moved;
}

void *memory_alloc_aligned(size_t align, size_t size)
{
    void *block = NULL;
    if (posix_memalign(&block, align, size ? size : 1)) memory_refused(size);
    return block;
}

char *memory_strdup(const char *text)
{
    return memory_strndup(text, strlen(text));
}

char *memory_strndup(const char *text, size_t length)
{
    char *copy = memory_alloc(length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void memory_free(void *block)
{
    free(block);
}

uint64_t memory_resident_bytes(void)
{
    unsigned long long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (fscanf(file, "%llu %llu", &total, &resident) != 2) resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void memory_watch(uint64_t bound_bytes)
{
#ifdef __GLIBC__
    static int64_t trimmed_us;
    if (memory_resident_bytes() < bound_bytes / 8 * 7) return;
    int64_t now_us = clock_boot_us(clock_system());
    if (trimmed_us && now_us - trimmed_us < WATCH_TRIM_US) return;
    if (!trimmed_us) mallopt(M_MMAP_THRESHOLD, WATCH_MAP_FROM);
    malloc_trim(0);
    trimmed_us = clock_boot_us(clock_system());
#else
    (void)bound_bytes;
#endif
}

void budget_init(struct budget *budget, const char *name, struct budget *parent, uint64_t limit_bytes)
{
    memset(budget, 0, sizeof *budget);
    budget->name = name;
    budget->parent = parent;
    budget->limit_bytes = limit_bytes;
}

void budget_fail_at(uint64_t n)
{
    atomic_store(&budget_countdown, n);
}

static bool budget_injected(void)
{
    uint64_t left = atomic_load_explicit(&budget_countdown, memory_order_relaxed);
    if (left == 0) return false;
    return atomic_fetch_sub(&budget_countdown, 1) == 1;
}

static void budget_peak(struct budget *budget, uint64_t used)
{
    uint64_t peak = atomic_load_explicit(&budget->peak_bytes, memory_order_relaxed);
    while (used > peak && !atomic_compare_exchange_weak(&budget->peak_bytes, &peak, used)) continue;
}

enum status budget_take(struct budget *budget, uint64_t bytes, struct error *err)
{
    if (budget_injected()) {
        return error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE, "injected: budget refused %llu bytes",
                         (unsigned long long)bytes);
    }
    for (struct budget *at = budget; at; at = at->parent) {
        uint64_t used = atomic_fetch_add(&at->used_bytes, bytes) + bytes;
        if (at->limit_bytes && used > at->limit_bytes) {
            atomic_store_explicit(&at->refused, true, memory_order_relaxed);
            for (struct budget *back = budget;; back = back->parent) {
                atomic_fetch_sub(&back->used_bytes, bytes);
                if (back == at) break;
            }
            return error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE,
                             "%s needs %llu bytes more but has %llu of %llu in use; give more --memory", at->name,
                             (unsigned long long)bytes, (unsigned long long)(used - bytes),
                             (unsigned long long)at->limit_bytes);
        }
        budget_peak(at, used);
    }
    return STATUS_OK;
}

void budget_force(struct budget *budget, uint64_t bytes)
{
    for (; budget; budget = budget->parent) {
        budget_peak(budget, atomic_fetch_add(&budget->used_bytes, bytes) + bytes);
    }
}

void budget_give(struct budget *budget, uint64_t bytes)
{
    for (; budget; budget = budget->parent) {
        uint64_t before = atomic_fetch_sub(&budget->used_bytes, bytes);
        ASSERT(before >= bytes);
    }
}

void arena_init(struct arena *arena, size_t block_size)
{
    memset(arena, 0, sizeof *arena);
    arena->block_size = block_size ? block_size : ARENA_BLOCK_DEFAULT;
}

void arena_deinit(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks; block;) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->blocks = NULL;
    arena->used_bytes = 0;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *keep = arena->blocks;
    if (!keep) return;
    for (struct arena_block *block = keep->next; block;) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    keep->next = NULL;
    keep->used = 0;
    arena->used_bytes = 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t want = size > arena->block_size ? size : arena->block_size;
        struct arena_block *fresh = memory_alloc(sizeof *fresh + want);
        fresh->size = want;
        fresh->used = 0;
        fresh->next = block;
        arena->blocks = block = fresh;
    }
    void *at = block->data + block->used;
    block->used += size;
    arena->used_bytes += size;
    return at;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) memory_refused(SIZE_MAX);
    return memset(arena_alloc(arena, bytes), 0, bytes);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

static size_t buffer_round(size_t size_bytes)
{
    return (size_bytes + BUFFER_PADDING + BUFFER_ALIGN - 1) & ~(size_t)(BUFFER_ALIGN - 1);
}

enum status buffer_create(struct budget *budget, size_t size_bytes, struct buffer **ret_buffer, struct error *err)
{
    enum status status = budget_take(budget, buffer_round(size_bytes), err);
    if (status != STATUS_OK) return status;
    struct buffer *buffer = memory_alloc(sizeof *buffer);
    atomic_init(&buffer->refs, 1);
    buffer->size_bytes = size_bytes;
    buffer->budget = budget;
    buffer->data = memory_alloc_aligned(BUFFER_ALIGN, buffer_round(size_bytes));
    *ret_buffer = buffer;
    return STATUS_OK;
}

struct buffer *buffer_ref(struct buffer *buffer)
{
    atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
    return buffer;
}

void buffer_unref(struct buffer *buffer)
{
    if (!buffer) return;
    uint32_t before = atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1) return;
    budget_give(buffer->budget, buffer_round(buffer->size_bytes));
    free(buffer->data);
    free(buffer);
}

void buffer_recount(struct buffer *buffer, struct budget *budget)
{
    size_t size = buffer_round(buffer->size_bytes);
    ASSERT(atomic_load_explicit(&buffer->refs, memory_order_relaxed) == 1);
    budget_give(buffer->budget, size);
    budget_force(budget, size);
    buffer->budget = budget;
}

enum status buffer_grow(struct buffer *buffer, size_t size_bytes, struct error *err)
{
    ASSERT(atomic_load_explicit(&buffer->refs, memory_order_relaxed) == 1);
    if (size_bytes <= buffer->size_bytes) return STATUS_OK;
    size_t old = buffer_round(buffer->size_bytes), fresh = buffer_round(size_bytes);
    enum status status = budget_take(buffer->budget, fresh - old, err);
    if (status != STATUS_OK) return status;
    uint8_t *data = memory_alloc_aligned(BUFFER_ALIGN, fresh);
    memcpy(data, buffer->data, buffer->size_bytes);
    free(buffer->data);
    buffer->data = data;
    buffer->size_bytes = size_bytes;
    return STATUS_OK;
}

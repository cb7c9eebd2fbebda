// Memory by lifespan: plain blocks, arenas, byte budgets, counted buffers.
// A small block that the system refuses ends the process (a crash is safe, P21), so memory_alloc never returns NULL.
// What grows with data goes through a budget and can be refused: STATUS_NO_MEMORY.
#ifndef FORESET_BASE_MEMORY_H
#define FORESET_BASE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

// Once, before threads: how much of what was freed is kept for the next batch. Returned to the system and taken again,
// the same pages would be cleared and mapped for every batch.
void memory_tune(uint64_t budget_bytes);
void *memory_alloc(size_t size);                // uninitialised; size 0 gives a valid pointer
void *memory_calloc(size_t count, size_t size); // zeroed; overflow of count*size aborts
void *memory_realloc(void *block, size_t size); // block NULL allowed
void *memory_alloc_aligned(size_t align, size_t size);
char *memory_strdup(const char *text);
char *memory_strndup(const char *text, size_t length);
void memory_free(void *block); // NULL allowed

// What the process has in RAM; 0: the system does not say.
uint64_t memory_resident_bytes(void);
// Keeps the allocator's slack in check; to be called now and then, by one thread. Nothing happens while less than 7/8
// of bound_bytes is resident. Beyond that free pages go back to the system, at most every 200 ms, and from the first
// time on large blocks are mapped one by one, so that each goes back when it is freed.
void memory_watch(uint64_t bound_bytes);

// A byte budget, shared by threads. A child's bytes also count in its parent. limit 0: no limit.
struct budget {
    const char *name; // for messages: "state", "kafka queue"
    struct budget *parent;
    uint64_t limit_bytes;
    _Atomic uint64_t used_bytes;
    _Atomic uint64_t peak_bytes;
    _Atomic bool refused; // this one's limit was met; whoever asks clears it
};
void budget_init(struct budget *budget, const char *name, struct budget *parent, uint64_t limit_bytes);
enum status budget_take(struct budget *budget, uint64_t bytes, struct error *err) MUST_USE; // budget NULL: always OK
void budget_force(struct budget *budget, uint64_t bytes);                                   // counts, never refuses
void budget_give(struct budget *budget, uint64_t bytes);
// Test seam: the n-th budget_take from now on fails (0: off). Per process.
void budget_fail_at(uint64_t n);

// A bump allocator: everything dies together. Not thread-safe.
struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t block_size;
    size_t used_bytes;
};
void arena_init(struct arena *arena, size_t block_size); // 0: 64 KiB
void arena_deinit(struct arena *arena);
void arena_reset(struct arena *arena);               // frees all but one block
void *arena_alloc(struct arena *arena, size_t size); // 16-byte aligned, uninitialised
void *arena_calloc(struct arena *arena, size_t count, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

// A counted block of bytes, 64-byte aligned, shared between threads once it is filled.
// At least BUFFER_PADDING readable bytes lie behind size_bytes, so that SIMD may read past the end.
#define BUFFER_PADDING 64
struct buffer {
    _Atomic uint32_t refs;
    size_t size_bytes; // capacity for data
    uint8_t *data;
    struct budget *budget;
};
enum status buffer_create(struct budget *budget, size_t size_bytes, struct buffer **ret_buffer,
                          struct error *err) MUST_USE;
struct buffer *buffer_ref(struct buffer *buffer);
void buffer_unref(struct buffer *buffer); // NULL allowed
// From now on it counts in another budget, which does not refuse it: for what outlives the first. refs == 1.
void buffer_recount(struct buffer *buffer, struct budget *budget);
// Grows a buffer that nobody else holds (refs == 1); content is kept, data may move.
enum status buffer_grow(struct buffer *buffer, size_t size_bytes, struct error *err) MUST_USE;

#endif

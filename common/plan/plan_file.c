// Plans as files. What can fail: bytes that are no plan, or another one (STATUS_CORRUPT); a plan of a newer program
// (STATUS_UNSUPPORTED).
#include "common/plan/plan_file.h"

#include <string.h>

#include "common/base/format_version.h"
#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/plan/plan_secret.h"

static void plan_file_put(const Foreset__Plan *plan, struct text *ret_bytes)
{
    size_t size;
    uint8_t *packed = plan_secret_pack(plan, &size);
    text_reset(ret_bytes);
    text_append(ret_bytes, (const char *)packed, size);
    memory_free(packed);
}

static void plan_file_hash_bytes(const void *bytes, size_t size, char ret_hash[PLAN_FILE_HASH])
{
    snprintf(ret_hash, PLAN_FILE_HASH, "%016llx", (unsigned long long)hash_64(bytes, size, 0));
}

void plan_file_hash(const Foreset__Plan *plan, char ret_hash[PLAN_FILE_HASH])
{
    struct text packed = {0};
    Foreset__Plan bare = *plan;
    bare.writer = NULL;
    bare.has_least_reader = false;
    plan_file_put(&bare, &packed);
    plan_file_hash_bytes(packed.data, packed.length, ret_hash);
    text_deinit(&packed);
}

void plan_file_stamp(Foreset__Plan *plan)
{
    plan->writer = (char *)(uintptr_t)format_version_program();
    plan->least_reader = format_version_info(FORMAT_PLAN).writes;
    plan->has_least_reader = true;
}

void plan_file_pack(const Foreset__Plan *plan, struct text *ret_bytes)
{
    plan_file_put(plan, ret_bytes);
}

// How many bytes at the end of a packed plan are its version fields.
static size_t plan_file_stamp_size(const Foreset__Plan *plan, const uint8_t *bytes, size_t size)
{
    uint8_t tail[64];
    size_t tail_size = 0, writer = plan->writer ? strlen(plan->writer) : 0;
    if (writer > 40) return 0;
    if (plan->writer) { // field 1000, length-delimited: key 8002
        tail[tail_size++] = 0xC2;
        tail[tail_size++] = 0x3E;
        tail[tail_size++] = (uint8_t)writer;
        memcpy(tail + tail_size, plan->writer, writer);
        tail_size += writer;
    }
    if (plan->has_least_reader) { // field 1001, varint: key 8008
        tail[tail_size++] = 0xC8;
        tail[tail_size++] = 0x3E;
        for (uint32_t left = plan->least_reader; tail_size < sizeof tail; left >>= 7) {
            tail[tail_size++] = (uint8_t)(left > 0x7F ? (left & 0x7F) | 0x80 : left);
            if (left <= 0x7F) break;
        }
    }
    bool is = tail_size <= size && memcmp(bytes + size - tail_size, tail, tail_size) == 0;
    return is ? tail_size : 0;
}

enum status plan_file_unpack(const void *bytes, size_t size, const char *name, const char *hash,
                             Foreset__Plan **ret_plan, struct error *err)
{
    char found[PLAN_FILE_HASH];
    enum status status = STATUS_OK;
    Foreset__Plan *plan = foreset__plan__unpack(NULL, size, bytes);
    if (!plan) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "%s is damaged: its %zu bytes are no plan", name,
                         size);
    }
    plan_file_hash_bytes(bytes, size - plan_file_stamp_size(plan, bytes, size), found);
    if (strcmp(found, hash) != 0) {
        status = error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "%s is damaged: its hash is %s, expected %s", name,
                           found, hash);
    }
    if (status == STATUS_OK) {
        status = format_version_check(FORMAT_PLAN, plan->writer, plan->has_least_reader ? plan->least_reader : 0, err,
                                      "%s", name);
    }
    if (status == STATUS_OK) {
        *ret_plan = plan;
    } else {
        foreset__plan__free_unpacked(plan, NULL);
    }
    return status;
}

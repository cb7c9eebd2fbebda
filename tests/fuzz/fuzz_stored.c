// Stored messages and values under their right hash: a plan, a fill, a pipeline's definition, a stamp, as the first
// byte says. Any bytes give one of them or an error; what is taken is written and read again the same.
#include "common/base/format_version.h"
#include "common/base/hash.h"
#include "common/plan/plan_check.h"
#include "common/plan/plan_file.h"
#include "coordinator/cluster/definition_json.h"
#include "coordinator/pipeline/pipeline_fill.h"
#include "tests/fuzz/fuzz.h"

// The hash is of all bytes: as if they had no version fields. Then of the plan that they are.
static void fuzz_plan(const uint8_t *bytes, size_t size)
{
    char hash[PLAN_FILE_HASH];
    struct error err;
    Foreset__Plan *plan = NULL, *again = NULL;
    struct text packed = {0};
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)hash_64(bytes, size, 0));
    if (plan_file_unpack(bytes, size, "plans/x.pb", hash, &plan, &err) != STATUS_OK) {
        ASSERT(err.message[0]);
        return;
    }
    (void)!plan_check(plan, &err);
    if (!plan->writer) plan_file_stamp(plan);
    plan_file_hash(plan, hash);
    plan_file_pack(plan, &packed);
    // Unknown fields are packed behind the version fields; and of some hostile messages protobuf-c does not read again
    // what it packed itself.
    Foreset__Plan *readable = foreset__plan__unpack(NULL, packed.length, (const uint8_t *)packed.data);
    bool known = plan->base.n_unknown_fields == 0 && readable;
    if (readable) foreset__plan__free_unpacked(readable, NULL);
    enum status status = plan_file_unpack(packed.data, packed.length, "plans/x.pb", hash, &again, &err);
    ASSERT(!known || status == STATUS_OK);
    if (status == STATUS_OK) foreset__plan__free_unpacked(again, NULL);
    text_deinit(&packed);
    if (plan->writer == format_version_program()) plan->writer = NULL;
    foreset__plan__free_unpacked(plan, NULL);
}

static void fuzz_fill(const uint8_t *bytes, size_t size)
{
    char key[64];
    struct error err;
    snprintf(key, sizeof key, "fills/fill-1-1-%016llx.pb", (unsigned long long)hash_64(bytes, size, 0));
    for (uint64_t count = 0; count < 4; count++) {
        Foreset__Fill *fill = NULL;
        if (pipeline_fill_unpack(bytes, size, key, count, &fill, &err) != STATUS_OK) continue;
        ASSERT(fill->n_adds == count && fill->n_joined == count);
        foreset__fill__free_unpacked(fill, NULL);
    }
}

static void fuzz_definition(const uint8_t *bytes, size_t size)
{
    struct definition definition, again;
    struct error err;
    struct text json = {0};
    if (definition_json_unpack(bytes, size, &definition, &err) != STATUS_OK) return;
    definition_json_pack(&definition, &json);
    ASSERT(definition_json_unpack(json.data, json.length, &again, &err) == STATUS_OK);
    ASSERT(strcmp(again.sql, definition.sql) == 0 && again.setting_count == definition.setting_count);
    definition_deinit(&again);
    definition_deinit(&definition);
    text_deinit(&json);
}

static void fuzz_stamp(const uint8_t *bytes, size_t size)
{
    char stamp[256], next[FORMAT_VERSION_STAMP];
    struct error err;
    if (size >= sizeof stamp) return;
    memcpy(stamp, bytes, size);
    stamp[size] = '\0';
    if (format_version_check_stamp(stamp, &err, "key x") != STATUS_OK) return;
    format_version_stamp(stamp, next);
    ASSERT(format_version_check_stamp(next, &err, "key x") == STATUS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0) return 0;
    switch (bytes[0] & 3) {
    case 0: fuzz_plan(bytes + 1, size - 1); break;
    case 1: fuzz_fill(bytes + 1, size - 1); break;
    case 2: fuzz_definition(bytes + 1, size - 1); break;
    default: fuzz_stamp(bytes + 1, size - 1); break;
    }
    return 0;
}

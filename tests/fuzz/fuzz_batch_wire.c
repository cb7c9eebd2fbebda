// A column batch of another process: any bytes give a batch or STATUS_CORRUPT; what is read can be written again and
// read to the same. The first byte says of which schema it is taken to be.
#include "common/columnar/batch_wire.h"
#include "common/columnar/type.h"
#include "tests/fuzz/fuzz.h"

static const char *const schemas[] = {
    "struct<a:int>",
    "struct<a:string,b:bigint,c:boolean,d:double,e:timestamp,f:date>",
    "struct<a:decimal(38,10),b:binary,c:decimal(9,2)>",
    "struct<a:array<string>,b:map<string,int>,c:struct<x:int,y:array<struct<z:string>>>>",
    "struct<>",
    "struct<a:void,b:array<void>>",
};

static void fuzz_again(const struct batch *batch, const struct type *schema)
{
    struct text first = {0}, second = {0};
    struct batch *read = NULL;
    struct error err;
    ASSERT(batch_wire_put(batch, 0, batch->row_count, &first, &err) == STATUS_OK);
    ASSERT(batch_wire_get(first.data, first.length, schema, NULL, &read, &err) == STATUS_OK);
    ASSERT(read->row_count == batch->row_count && batch_wire_put(read, 0, read->row_count, &second, &err) == STATUS_OK);
    ASSERT(first.length == second.length && memcmp(first.data, second.data, first.length) == 0);
    batch_unref(read);
    text_deinit(&first);
    text_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct type *schema = NULL;
    struct batch *batch = NULL;
    struct budget budget;
    struct error err;
    if (size == 0) return 0;
    ASSERT(type_parse(schemas[bytes[0] % (sizeof schemas / sizeof *schemas)], &schema, &err) == STATUS_OK);
    budget_init(&budget, "fuzz", NULL, FUZZ_MEMORY_MAX);
    uint8_t *exact = memory_alloc(size - 1); // so that a read behind the end shows
    if (size > 1) memcpy(exact, bytes + 1, size - 1);
    enum status status = batch_wire_get(exact, size - 1, schema, &budget, &batch, &err);
    memory_free(exact);
    ASSERT(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_NO_MEMORY);
    if (status == STATUS_OK) fuzz_again(batch, schema);
    if (status == STATUS_OK) batch_unref(batch);
    ASSERT(atomic_load(&budget.used_bytes) == 0);
    return 0;
}

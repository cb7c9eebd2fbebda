// The local key-value store: any kv.log opens or is refused with words; what opens can be read, written and opened
// again with the same content. First the bytes as a file, then as one record's payload under a right head and checksum.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/text.h"
#include "common/kv/kv.h"
#include "tests/fuzz/fuzz.h"

enum { FUZZ_HEAD = 16 };
static const char fuzz_head[FUZZ_HEAD] = "FORESETKV\0\1";
static char fuzz_folder[64], fuzz_log[80];

static void fuzz_remove_folder(void)
{
    char lock[80];
    snprintf(lock, sizeof lock, "%s/kv.lock", fuzz_folder);
    unlink(fuzz_log);
    unlink(lock);
    rmdir(fuzz_folder);
}

// In memory where there is such a folder: the store syncs what it writes.
static void fuzz_prepare(void)
{
    if (fuzz_folder[0]) return;
    snprintf(fuzz_folder, sizeof fuzz_folder, "%s/foreset-fuzz-kv-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    ASSERT(mkdtemp(fuzz_folder));
    snprintf(fuzz_log, sizeof fuzz_log, "%s/kv.log", fuzz_folder);
    atexit(fuzz_remove_folder);
}

static void fuzz_write(const void *bytes, size_t size)
{
    FILE *file = fopen(fuzz_log, "wb");
    ASSERT(file);
    ASSERT(fwrite(bytes, 1, size, file) == size);
    ASSERT(fclose(file) == 0);
}

static bool fuzz_has(struct kv *kv, const char *key, const char *value)
{
    struct kv_value found = {0};
    struct error err;
    ASSERT(kv->ops->get(kv, key, &found, &err) == STATUS_OK);
    bool same = found.bytes && found.size == strlen(value) && memcmp(found.bytes, value, found.size) == 0;
    memory_free(found.bytes);
    return same;
}

static void fuzz_open(void)
{
    struct kv *kv = NULL;
    struct error err = {0};
    if (kv_local_open(fuzz_folder, &kv, &err) != STATUS_OK) {
        ASSERT(err.message[0]);
        return;
    }
    struct kv_op put = {.kind = KV_PUT, .key = "a", .bytes = "fuzz", .size = 4};
    fuzz_has(kv, "a", "");
    ASSERT(kv->ops->txn(kv, NULL, 0, &put, 1, &err) == STATUS_OK);
    kv->ops->close(kv);
    ASSERT(kv_local_open(fuzz_folder, &kv, &err) == STATUS_OK);
    ASSERT(fuzz_has(kv, "a", "fuzz"));
    kv->ops->close(kv);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size > FUZZ_BYTES_MAX) return 0;
    fuzz_prepare();
    fuzz_write(bytes, size);
    fuzz_open();
    struct text file = {0};
    uint32_t magic = 0x52564B46u, payload = (uint32_t)size;
    uint64_t hash = hash_64(bytes, size, FUZZ_HEAD);
    text_append(&file, fuzz_head, sizeof fuzz_head);
    text_append(&file, (const char *)&magic, sizeof magic);
    text_append(&file, (const char *)&payload, sizeof payload);
    text_append(&file, (const char *)&hash, sizeof hash);
    text_append(&file, (const char *)bytes, size);
    fuzz_write(text_str(&file), file.length);
    text_deinit(&file);
    fuzz_open();
    return 0;
}

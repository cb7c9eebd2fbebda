// What there is to read of a read_files source: the files of one directory, by modification time, then name. Names that
// begin with '_' or '.' are not data, as in Spark. Fails where the directory cannot be listed, saying why.
#include <stdlib.h>
#include <string.h>

#include "common/objstore/objstore.h"
#include "coordinator/pipeline/catalog.h"

struct files_catalog {
    struct catalog base;
    struct objstore *store;
};

static void files_catalog_close(struct catalog *base)
{
    struct files_catalog *catalog = (struct files_catalog *)base;
    objstore_close(catalog->store);
    memory_free(catalog);
}

static int files_catalog_compare(const void *a, const void *b)
{
    const struct catalog_file *left = a, *right = b;
    if (left->time_us != right->time_us) return left->time_us < right->time_us ? -1 : 1;
    return strcmp(left->name, right->name);
}

static enum status files_catalog_poll(struct catalog *base, bool first, struct catalog_offer *offer, struct error *err)
{
    struct files_catalog *catalog = (struct files_catalog *)base;
    struct objstore_list list = {0};
    (void)first;
    enum status status = objstore_list(catalog->store, "", NULL, &list, err);
    for (size_t i = 0; status == STATUS_OK && i < list.entries.count; i++) {
        const struct objstore_entry *entry = &list.entries.items[i];
        if (entry->key[0] == '_' || entry->key[0] == '.' || strchr(entry->key, '/')) continue;
        struct catalog_file file = {memory_strdup(entry->key), entry->modified_us};
        vector_push(&offer->files, file);
    }
    objstore_list_deinit(&list);
    if (offer->files.count > 1)
        qsort(offer->files.items, offer->files.count, sizeof *offer->files.items, files_catalog_compare);
    return status;
}

enum status files_catalog_open(const char *path, struct catalog **ret_catalog, struct error *err)
{
    static const struct catalog_ops ops = {.close = files_catalog_close, .poll = files_catalog_poll};
    struct objstore *store = NULL;
    enum status status = objstore_open_confined("read_files", path, false, &store, err);
    if (status != STATUS_OK) return error_prefix(err, "read_files('%s')", path);
    struct files_catalog *catalog = memory_calloc(1, sizeof *catalog);
    catalog->base.ops = &ops;
    catalog->store = store;
    *ret_catalog = &catalog->base;
    return STATUS_OK;
}

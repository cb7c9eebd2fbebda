// One Parquet file: writer, hash and object together. What can fail: the store (disk full, outcome unknown) and memory;
// the epoch then fails and the file is removed or left for cleaning (P24). There is no fsync here (P16: the worker's
// job).
#include "worker/sink/file_sink.h"

#include <stdio.h>

#include "common/base/failpoint.h"
#include "common/base/hash.h"
#include "common/base/planted.h"
#include "common/base/text.h"
#include "common/delta/delta_stats.h"

#define PAGES_PER_BUFFER 16u
#define PAGE_BYTES_MIN   (64u << 10)
#define PAGE_BYTES_MAX   (1u << 20)

struct file_sink {
    struct file_sink_args args;
    uint64_t epoch;
    char *key;
    struct objstore_writer *object;
    struct parquet_writer *parquet;
    uint64_t size_bytes;
    struct hash_stream *hash;
};

static enum status file_write(void *context, const void *bytes, size_t size, struct error *err)
{
    struct file_sink *sink = context;
    hash_stream_add(sink->hash, bytes, size);
    sink->size_bytes += size;
    enum status status = sink->args.store->ops->write(sink->object, bytes, size, err);
    return FORESET_BUG("write-error-swallowed") ? STATUS_OK : status;
}

static const char *property(const Foreset__Table *table, const char *key)
{
    for (size_t i = 0; i < table->n_properties; i++) {
        if (strcmp(table->properties[i]->key, key) == 0) return table->properties[i]->value;
    }
    return NULL;
}

enum status file_sink_properties(const Foreset__Table *table, struct file_sink_args *args, struct error *err)
{
    static const struct {
        const char *name;
        enum parquet_codec codec;
    } codecs[] = {{"zstd", PARQUET_ZSTD},
                  {"snappy", PARQUET_SNAPPY},
                  {"gzip", PARQUET_GZIP},
                  {"lz4_raw", PARQUET_LZ4_RAW},
                  {"lz4raw", PARQUET_LZ4_RAW},
                  {"none", PARQUET_UNCOMPRESSED},
                  {"uncompressed", PARQUET_UNCOMPRESSED}};
    const char *codec = property(table, "delta.parquet.compression.codec");
    const char *columns = property(table, "delta.dataSkippingNumIndexedCols");
    args->codec = PARQUET_ZSTD;
    args->stats_columns = DELTA_STATS_COLUMNS;
    for (size_t i = 0; codec && i <= sizeof codecs / sizeof *codecs; i++) {
        if (i == sizeof codecs / sizeof *codecs) {
            return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                             "table %s: delta.parquet.compression.codec = '%s' is not known; use zstd, snappy, gzip, "
                             "lz4_raw or none",
                             table->name, codec);
        }
        if (!slice_equal_nocase(slice_str(codec), slice_str(codecs[i].name))) continue;
        args->codec = codecs[i].codec;
        break;
    }
    int64_t count;
    if (columns && (!text_parse_i64(columns, &count) || count < -1 || count > INT32_MAX)) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "table %s: delta.dataSkippingNumIndexedCols = '%s' is no number of columns; use -1 or more",
                         table->name, columns);
    }
    if (columns) args->stats_columns = (int32_t)count;
    args->stats_names = property(table, "delta.dataSkippingStatsColumns");
    if (args->stats_names) args->stats_columns = -1;
    return STATUS_OK;
}

// Whether the leaf "a.b" is `name`, or lies in it. Names may be quoted: `a`.`b`.
static bool stats_name_is(const char *path, const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (name[i] == '`') continue;
        if (!*path || !slice_equal_nocase(slice_of(path, 1), slice_of(name + i, 1))) return false;
        path++;
    }
    return *path == '\0' || *path == '.';
}

static bool stats_wanted(const char *names, const char *path)
{
    for (const char *at = names; *at;) {
        at += strspn(at, " ,");
        size_t length = strcspn(at, ",");
        size_t used = length;
        while (used > 0 && at[used - 1] == ' ') used--;
        if (used > 0 && stats_name_is(path, at, used)) return true;
        at += length;
    }
    return false;
}

static void write_stats(const struct file_sink *sink, struct text *text)
{
    const struct parquet_column_stats *columns;
    uint32_t count = parquet_writer_stats(sink->parquet, &columns);
    bool *chosen = NULL;
    if (sink->args.stats_names) {
        chosen = memory_calloc(count + (size_t)1, sizeof *chosen);
        for (uint32_t i = 0; i < count; i++) {
            chosen[i] = stats_wanted(sink->args.stats_names, columns[i].path);
        }
    }
    delta_stats_write_chosen(sink->args.schema, parquet_writer_rows(sink->parquet), columns, count,
                             sink->args.stats_columns, chosen, text);
    memory_free(chosen);
}

// With little to buffer pages and dictionaries are smaller too: every column of every open file has one at hand.
static struct parquet_writer_options writer_options(const struct file_sink_args *args)
{
    uint64_t page = args->buffered_bytes_max / PAGES_PER_BUFFER;
    if (page < PAGE_BYTES_MIN) page = PAGE_BYTES_MIN;
    if (page > PAGE_BYTES_MAX) page = PAGE_BYTES_MAX;
    struct parquet_writer_options options = {.codec = args->codec, .row_group_bytes_max = args->buffered_bytes_max};
    if (args->buffered_bytes_max) options.page_bytes_max = options.dictionary_bytes_max = (uint32_t)page;
    return options;
}

enum status file_sink_open(const struct file_sink_args *args, const char *folder, uint64_t epoch, uint32_t sequence,
                           struct file_sink **ret_sink, struct error *err)
{
    struct file_sink *sink = memory_calloc(1, sizeof *sink);
    sink->args = *args;
    sink->epoch = epoch;
    sink->hash = hash_stream_create();
    char uuid[37];
    random_uuid(args->random, uuid);
    struct text key = {0};
    if (FORESET_BUG("names-reused")) {
        sink->args.generation = sink->args.incarnation = 0;
        uuid[0] = '\0';
    }
    text_printf(&key, "%spart-%llu-%llu-%llu-%u-%u-%s.%s.parquet", folder, (unsigned long long)epoch,
                (unsigned long long)sink->args.generation, (unsigned long long)sink->args.incarnation, args->lane,
                sequence, uuid, parquet_codec_name(args->codec));
    sink->key = text_take(&key);
    struct parquet_writer_options options = writer_options(args);
    enum status status = STATUS_OK;
    TRY(args->store->ops->create(args->store, sink->key, &sink->object, err));
    TRY(parquet_writer_create(args->schema, &options, args->budget, file_write, sink, &sink->parquet, err));
    *ret_sink = sink;
    return STATUS_OK;
out:
    file_sink_close(sink);
    return status;
}

enum status file_sink_write(struct file_sink *sink, const struct batch *batch, struct error *err)
{
    return parquet_writer_write(sink->parquet, batch, err);
}

uint64_t file_sink_buffered(const struct file_sink *sink)
{
    return parquet_writer_buffered(sink->parquet);
}

enum status file_sink_flush(struct file_sink *sink, struct error *err)
{
    return parquet_writer_end_group(sink->parquet, err);
}

Foreset__DataFile *file_sink_seal(const struct file_sink *sink, int64_t modified_ms)
{
    Foreset__DataFile *file = memory_alloc(sizeof *file);
    foreset__data_file__init(file);
    file->path = memory_strdup(sink->key);
    file->rows = parquet_writer_rows(sink->parquet);
    file->epoch = sink->epoch;
    file->generation = sink->args.generation;
    file->has_modified_ms = true;
    file->modified_ms = modified_ms;
    return file;
}

enum status file_sink_complete(struct file_sink *sink, Foreset__DataFile *file, struct error *err)
{
    enum status status = STATUS_OK;
    struct text stats = {0};
    TRY(FAILPOINT("data_write.before", err));
    TRY(parquet_writer_finish(sink->parquet, err));
    TRY(sink->args.store->ops->finish(sink->object, err));
    sink->args.store->ops->writer_close(sink->object);
    sink->object = NULL;
    TRY(FAILPOINT("data_write.after", err));
    write_stats(sink, &stats);
    file->size_bytes = sink->size_bytes;
    file->stats = memory_strdup(text_str(&stats));
    file->checksum = hash_stream_digest(sink->hash);
out:
    text_deinit(&stats);
    return status;
}

enum status file_sink_finish(struct file_sink *sink, int64_t modified_ms, Foreset__DataFile **ret_file,
                             struct error *err)
{
    Foreset__DataFile *file = file_sink_seal(sink, modified_ms);
    enum status status = file_sink_complete(sink, file, err);
    if (status == STATUS_OK) {
        *ret_file = file;
    } else {
        foreset__data_file__free_unpacked(file, NULL);
    }
    return status;
}

void file_sink_close(struct file_sink *sink)
{
    if (!sink) return;
    if (sink->parquet) parquet_writer_destroy(sink->parquet);
    if (sink->object) sink->args.store->ops->writer_close(sink->object);
    hash_stream_destroy(sink->hash);
    memory_free(sink->key);
    memory_free(sink);
}

void file_sink_discard(struct objstore *store, const Foreset__DataFile *file)
{
    struct error ignored = {0};
    if (objstore_remove(store, file->path, &ignored) != STATUS_OK) return;
}

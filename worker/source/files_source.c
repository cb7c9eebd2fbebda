// read_files on a lane: the JSON Lines files of a planned range, one after the other in the order given, read in
// blocks. Promises: every line of every file of the range once, in order. Lines that are not of the schema give nulls
// (PERMISSIVE, as Spark's file source) and are counted. What can fail: a file that was listed and is gone or cannot be
// read (FAIL_PIPELINE with its name: the epoch's ranges are fixed, P4), a line longer than the budget allows.
#include "common/base/clock.h"
#include "common/base/vector.h"
#include "common/objstore/objstore.h"
#include "worker/decode/json_scan.h"
#include "worker/source/source.h"

#define FILES_BLOCK_BYTES (2u << 20)
#define DAY_US            86400000000ll

struct files_source {
    struct source base;
    struct objstore *store;
    struct budget *budget;
    struct json_scan *scan;
    Foreset__Range *const *ranges; // of the planned epoch
    size_t range_count;
    size_t range, file; // being read
    bool opened;
    uint64_t size, offset; // of the file; read so far
    struct buffer *block;  // what was read and not used yet: [from, to)
    size_t from, to;
    uint64_t malformed;
};

static void files_close(struct source *source)
{
    struct files_source *files = (struct files_source *)source;
    json_scan_destroy(files->scan);
    buffer_unref(files->block);
    if (files->store) objstore_close(files->store);
    memory_free(files);
}

static enum status files_plan(struct source *source, uint64_t epoch, Foreset__Range *const *ranges, size_t count,
                              struct error *err)
{
    (void)epoch;
    (void)err;
    struct files_source *files = (struct files_source *)source;
    files->ranges = ranges;
    files->range_count = count;
    files->range = files->file = 0;
    files->opened = false;
    json_scan_today(files->scan, (int32_t)(clock_wall_us(clock_system()) / DAY_US));
    return STATUS_OK;
}

static const char *file_name(const struct files_source *files)
{
    return files->ranges[files->range]->files[files->file];
}

static enum status file_open(struct files_source *files, struct error *err)
{
    struct objstore_entry entry = {0};
    enum status status = files->store->ops->stat(files->store, file_name(files), &entry, err);
    if (status != STATUS_OK) {
        if (err) err->class = ERROR_FAIL_PIPELINE;
        return error_prefix(err, "file %s was listed but cannot be read", file_name(files));
    }
    memory_free(entry.key);
    files->size = entry.size_bytes;
    files->offset = 0;
    files->from = files->to = 0;
    files->opened = true;
    return STATUS_OK;
}

// Moves what is left to a new block and reads on behind it. A block that holds no whole line grows.
static enum status file_read(struct files_source *files, struct error *err)
{
    uint64_t left = files->size - files->offset;
    uint64_t length = left < FILES_BLOCK_BYTES ? left : FILES_BLOCK_BYTES;
    size_t kept = files->to - files->from;
    struct buffer *piece = NULL, *block = NULL;
    enum status status = STATUS_OK;
    TRY(files->store->ops->get_range(files->store, file_name(files), files->offset, length, &piece, err));
    TRY(buffer_create(files->budget, kept + (size_t)length, &block, err));
    if (kept) memcpy(block->data, files->block->data + files->from, kept);
    if (length) memcpy(block->data + kept, piece->data, length);
    memset(block->data + kept + length, 0, BUFFER_PADDING);
    buffer_unref(files->block);
    files->block = block;
    files->from = 0;
    files->to = kept + (size_t)length;
    files->offset += length;
out:
    buffer_unref(piece);
    if (status != STATUS_OK) error_prefix(err, "file %s", file_name(files));
    return status;
}

static void file_next(struct files_source *files)
{
    files->opened = false;
    files->file++;
    if (files->file < files->ranges[files->range]->n_files) return;
    files->file = 0;
    files->range++;
}

// A batch of the file at hand; *ret_batch NULL at its end.
static enum status file_scan(struct files_source *files, struct batch **ret_batch, struct error *err)
{
    *ret_batch = NULL;
    for (;;) {
        bool last = files->offset == files->size;
        if (files->from < files->to) {
            struct json_lines lines = {0};
            enum status status = json_scan_lines(files->scan, files->block->data + files->from, files->to - files->from,
                                                 last, &lines, err);
            if (status != STATUS_OK) return error_prefix(err, "file %s", file_name(files));
            files->from += lines.used;
            files->malformed += lines.bad_count;
            *ret_batch = lines.batch;
            if (lines.batch) return STATUS_OK;
            if (lines.used > 0) continue;
            ASSERT(!last); // with the end there, every byte is used
        }
        if (last) return STATUS_OK;
        enum status status = file_read(files, err);
        if (status != STATUS_OK) return status;
    }
}

static enum status files_poll(struct source *source, uint64_t epoch, enum source_result *ret_result,
                              struct batch **ret_batch, struct error *err)
{
    (void)epoch;
    struct files_source *files = (struct files_source *)source;
    while (files->range < files->range_count) {
        if (files->ranges[files->range]->n_files == 0) {
            files->range++;
            continue;
        }
        struct batch *batch;
        enum status status = files->opened ? STATUS_OK : file_open(files, err);
        if (status == STATUS_OK) status = file_scan(files, &batch, err);
        if (status != STATUS_OK) return status;
        if (batch) {
            *ret_batch = batch;
            *ret_result = SOURCE_BATCH;
            return STATUS_OK;
        }
        file_next(files);
    }
    *ret_result = SOURCE_DONE;
    return STATUS_OK;
}

static const Foreset__Range *const *files_evidence(struct source *source, size_t *ret_count)
{
    struct files_source *files = (struct files_source *)source;
    *ret_count = files->range_count;
    return (const Foreset__Range *const *)files->ranges;
}

static uint64_t files_malformed(struct source *source)
{
    struct files_source *files = (struct files_source *)source;
    uint64_t count = files->malformed;
    files->malformed = 0;
    return count;
}

static const struct source_ops files_ops = {.close = files_close,
                                            .plan = files_plan,
                                            .poll = files_poll,
                                            .evidence = files_evidence,
                                            .malformed = files_malformed};

enum status files_source_open(const struct source_open_args *args, struct source **ret_source, struct error *err)
{
    const Foreset__Node *node = args->plan->nodes[args->node];
    const struct type *schema;
    struct json_scan_options options = {.mode = JSON_PERMISSIVE, .exact_text = true};
    struct files_source *files = memory_calloc(1, sizeof *files);
    enum status status = STATUS_OK;
    files->base.ops = &files_ops;
    files->budget = args->budget;
    TRY(type_parse(node->schema, &schema, err));
    TRY(objstore_open(node->source->path, false, &files->store, err));
    TRY(json_scan_create(schema, &options, args->budget, &files->scan, err));
    *ret_source = &files->base;
out:
    if (status != STATUS_OK) files_close(&files->base);
    return status;
}

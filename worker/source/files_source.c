// read_files on a lane: the JSON Lines files of a planned range, one after the other in the order given, read in
// blocks. Promises: every line of every file of the range once, in order. Lines that are not of the schema give nulls
// (PERMISSIVE, as Spark's file source) and are counted. What can fail: a file that was listed and is gone or cannot be
// read (FAIL_PIPELINE with its name: the epoch's ranges are fixed, P4), a line longer than the budget allows, a
// compressed file that is damaged, broken off or of a compression that is not built, a file that is plainly no text.
#include "common/base/clock.h"
#include "common/base/vector.h"
#include "common/compress/compress_stream.h"
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
    bool looked;                    // at the first bytes
    struct compress_stream *stream; // of a compressed file
    struct buffer *packed;          // what was read and not decoded yet: from packed_from on
    size_t packed_from, packed_to;
    uint64_t window_bytes; // of the decoder, taken from the budget
    bool held;             // the decoder may have more without more input
    uint64_t malformed;
};

static void stream_close(struct files_source *files)
{
    compress_stream_destroy(files->stream);
    if (files->window_bytes) budget_give(files->budget, files->window_bytes);
    files->window_bytes = 0;
    files->stream = NULL;
    buffer_unref(files->packed);
    files->packed = NULL;
    files->packed_from = files->packed_to = 0;
    files->held = false;
}

static void files_close(struct source *source)
{
    struct files_source *files = (struct files_source *)source;
    stream_close(files);
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
    stream_close(files);
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
    files->looked = false;
    enum compress_stream_kind kind = compress_stream_kind_of(file_name(files));
    if (kind == COMPRESS_STREAM_REFUSED) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "file %s: this compression is not supported; read_files reads .gz, .deflate, .bz2, .zst and "
                         "plain text",
                         file_name(files));
    }
    if (kind != COMPRESS_STREAM_PLAIN) status = compress_stream_create(kind, &files->stream, err);
    if (status != STATUS_OK) return error_prefix(err, "file %s", file_name(files));
    files->opened = true;
    return STATUS_OK;
}

// Whether nothing is left to read behind the block.
static bool file_read_whole(const struct files_source *files)
{
    return files->offset == files->size && files->packed_from == files->packed_to && !files->held;
}

// Files of other formats would be rows of nulls, line for line.
static enum status file_look(struct files_source *files, struct error *err)
{
    if (files->looked) return STATUS_OK;
    files->looked = true;
    const char *what = compress_stream_foreign(files->block->data + files->from, files->to - files->from);
    if (!what) return STATUS_OK;
    static const char *const kinds[] = {"gzip data", "bzip2 data", "zstd data"}, *const ends[] = {".gz", ".bz2",
                                                                                                  ".zst"};
    size_t kind = 0;
    while (kind < 3 && strcmp(what, kinds[kind]) != 0) kind++;
    if (kind < 3 && files->stream) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "it was compressed twice: decompressed once, it is %s; put the file in its place that is "
                         "compressed once, and run again",
                         what);
    }
    if (kind < 3) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "it is %s, which read_files knows by the end of the name alone: rename it to %s%s and run "
                         "again",
                         what, file_name(files), ends[kind]);
    }
    return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                     "%s is %s; read_files reads lines of JSON in UTF-8, plain or as .gz, .deflate, .bz2 or .zst",
                     files->stream ? "decompressed, it" : "it", what);
}

// Nothing of the file is decided: whatever stands in its place when the pipeline starts again is read.
static void file_say_cure(const struct files_source *files, struct error *err)
{
    char why[ERROR_MESSAGE_SIZE];
    if (!err || err->code != STATUS_CORRUPT) return;
    snprintf(why, sizeof why, "%s", err->message);
    error_set(err, STATUS_CORRUPT, err->class,
              "%s; put a whole copy in the place of %s, or move it out of the folder, and run again", why,
              file_name(files));
}

// The next piece of the file as it is stored.
static enum status file_fetch(struct files_source *files, struct buffer **ret_piece, size_t *ret_length,
                              struct error *err)
{
    uint64_t left = files->size - files->offset;
    uint64_t length = left < FILES_BLOCK_BYTES ? left : FILES_BLOCK_BYTES;
    enum status status =
        files->store->ops->get_range(files->store, file_name(files), files->offset, length, ret_piece, err);
    if (status != STATUS_OK) return status;
    files->offset += length;
    *ret_length = (size_t)length;
    return STATUS_OK;
}

// Decodes behind what the block holds; *ret_written 0 only where the file is at its end.
static enum status file_decode(struct files_source *files, uint8_t *out, size_t *ret_written, struct error *err)
{
    enum status status = STATUS_OK;
    size_t used;
    *ret_written = 0;
    while (*ret_written == 0) {
        if (files->packed_from == files->packed_to && files->offset < files->size) {
            buffer_unref(files->packed);
            files->packed = NULL;
            files->packed_from = files->packed_to = 0;
            TRY(file_fetch(files, &files->packed, &files->packed_to, err));
        }
        size_t given = files->packed_to - files->packed_from;
        TRY(compress_stream_decode(files->stream, given ? files->packed->data + files->packed_from : out, given, out,
                                   FILES_BLOCK_BYTES, &used, ret_written, err));
        files->packed_from += used;
        uint64_t window = compress_stream_held_bytes(files->stream);
        if (window > files->window_bytes) {
            TRY(budget_take(files->budget, window - files->window_bytes, err));
            files->window_bytes = window;
        }
        files->held = *ret_written == FILES_BLOCK_BYTES;
        if (*ret_written == 0 && files->packed_from == files->packed_to && files->offset == files->size) break;
    }
    if (file_read_whole(files) && !compress_stream_whole(files->stream)) {
        TRY(error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the compressed data break off at byte %llu",
                      (unsigned long long)files->size));
    }
out:
    return status;
}

// Moves what is left to a new block and reads on behind it. A block that holds no whole line grows.
static enum status file_read(struct files_source *files, struct error *err)
{
    size_t kept = files->to - files->from, length = 0;
    struct buffer *piece = NULL, *block = NULL;
    enum status status = STATUS_OK;
    if (!files->stream) TRY(file_fetch(files, &piece, &length, err));
    TRY(buffer_create(files->budget, kept + (piece ? length : FILES_BLOCK_BYTES), &block, err));
    if (kept) memcpy(block->data, files->block->data + files->from, kept);
    if (piece && length) memcpy(block->data + kept, piece->data, length);
    if (files->stream) TRY(file_decode(files, block->data + kept, &length, err));
    memset(block->data + kept + length, 0, BUFFER_PADDING);
    buffer_unref(files->block);
    files->block = block;
    block = NULL;
    files->from = 0;
    files->to = kept + length;
    TRY(file_look(files, err));
out:
    buffer_unref(piece);
    buffer_unref(block);
    if (status != STATUS_OK) {
        file_say_cure(files, err);
        error_prefix(err, "file %s", file_name(files));
    }
    return status;
}

static void file_next(struct files_source *files)
{
    files->opened = false;
    stream_close(files);
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
        bool last = file_read_whole(files);
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
    TRY(objstore_open_confined("read_files", node->source->path, false, &files->store, err));
    TRY(json_scan_create(schema, &options, args->budget, &files->scan, err));
    *ret_source = &files->base;
out:
    if (status != STATUS_OK) files_close(&files->base);
    return status;
}

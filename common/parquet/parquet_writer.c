// Parquet files (apache/parquet-format): magic, row groups of column chunks, footer, magic. Happy path: batches
// are cut into segments of some 2,000 rows, shredded, appended column by column; a full row group is sunk.
// What can fail: a type without a place in Parquet (at creation), the budget (STATUS_NO_MEMORY), the sink. After a
// failure of write or finish the file is lost and only parquet_writer_destroy may follow.
#include "common/parquet/parquet_writer.h"

#include "common/parquet/parquet_chunk.h"
#include "common/parquet/parquet_footer.h"

#define SEGMENT_ROWS_MAX 2048u

struct parquet_writer {
    struct parquet_schema schema;
    struct parquet_scratch scratch;
    struct parquet_shred shred;
    struct parquet_chunk *chunks;
    parquet_sink sink;
    void *sink_context;
    uint64_t sunk_bytes;
    uint64_t rows;       // of the finished row groups
    uint64_t group_rows; // of the one in progress
    uint32_t group_count;
    struct text groups; // RowGroup structs, encoded
    bool finished, broken;
    struct parquet_column_stats *stats;
    struct parquet_minmax *minmax; // of the file
};

const char *parquet_codec_name(enum parquet_codec codec)
{
    switch (codec) {
    case PARQUET_UNCOMPRESSED: return "uncompressed";
    case PARQUET_SNAPPY: return "snappy";
    case PARQUET_GZIP: return "gzip";
    case PARQUET_ZSTD: return "zstd";
    case PARQUET_LZ4_RAW: return "lz4_raw";
    }
    return "unknown";
}

static enum status sink_bytes(struct parquet_writer *writer, const void *bytes, size_t size, struct error *err)
{
    enum status status = writer->sink(writer->sink_context, bytes, size, err);
    if (status == STATUS_OK) writer->sunk_bytes += size;
    return status;
}

static struct parquet_writer_options fill_options(const struct parquet_writer_options *options)
{
    struct parquet_writer_options full = *options;
    if (!full.zstd_level && full.codec == PARQUET_ZSTD) full.zstd_level = 1;
    if (!full.row_group_rows_max) full.row_group_rows_max = 1u << 20;
    if (!full.row_group_bytes_max) full.row_group_bytes_max = 128ull << 20;
    if (!full.page_rows_max) full.page_rows_max = 20000;
    if (!full.page_bytes_max) full.page_bytes_max = 1u << 20;
    if (!full.dictionary_bytes_max) full.dictionary_bytes_max = 1u << 20;
    return full;
}

enum status parquet_writer_create(const struct type *schema, const struct parquet_writer_options *options,
                                  struct budget *budget, parquet_sink sink, void *sink_context,
                                  struct parquet_writer **ret_writer, struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_writer *writer = memory_calloc(1, sizeof *writer);
    writer->sink = sink;
    writer->sink_context = sink_context;
    writer->scratch.budget = budget;
    writer->scratch.options = fill_options(options);
    parquet_bytes_init(&writer->scratch.body, budget);
    parquet_bytes_init(&writer->scratch.packed, budget);
    parquet_shred_init(&writer->shred, budget);
    TRY(parquet_schema_init(&writer->schema, schema, err));
    uint32_t leaves = writer->schema.leaf_count;
    writer->scratch.compress = compress_create();
    writer->chunks = memory_calloc(leaves, sizeof *writer->chunks);
    writer->stats = memory_calloc(leaves, sizeof *writer->stats);
    writer->minmax = memory_calloc(leaves, sizeof *writer->minmax);
    for (uint32_t i = 0; i < leaves; i++) {
        parquet_chunk_init(&writer->chunks[i], &writer->schema.leaves[i], &writer->scratch);
        writer->stats[i].path = writer->schema.leaves[i].path;
        writer->stats[i].type = writer->schema.leaves[i].type;
    }
    TRY(sink_bytes(writer, PARQUET_MAGIC, PARQUET_MAGIC_SIZE, err));
    *ret_writer = writer;
out:
    if (status != STATUS_OK) parquet_writer_destroy(writer);
    return status;
}

void parquet_writer_destroy(struct parquet_writer *writer)
{
    if (!writer) return;
    for (uint32_t i = 0; writer->chunks && i < writer->schema.leaf_count; i++) {
        parquet_chunk_deinit(&writer->chunks[i]);
        parquet_minmax_deinit(&writer->minmax[i]);
    }
    memory_free(writer->chunks);
    memory_free(writer->stats);
    memory_free(writer->minmax);
    parquet_shred_deinit(&writer->shred);
    parquet_bytes_deinit(&writer->scratch.body);
    parquet_bytes_deinit(&writer->scratch.packed);
    text_deinit(&writer->scratch.header);
    compress_destroy(writer->scratch.compress);
    text_deinit(&writer->groups);
    parquet_schema_deinit(&writer->schema);
    memory_free(writer);
}

static enum status append_slots(void *context, uint32_t leaf, const struct parquet_slots *slots, struct error *err)
{
    struct parquet_writer *writer = context;
    struct parquet_chunk *chunk = &writer->chunks[leaf];
    enum status status = STATUS_OK;
    if (parquet_chunk_page_full(chunk, slots->row_count)) TRY(parquet_chunk_end_page(chunk, err));
    TRY(parquet_chunk_append(chunk, slots, err));
out:
    return status;
}

static enum status sink_chunk(struct parquet_writer *writer, struct parquet_chunk *chunk,
                              struct parquet_footer_offsets *ret_offsets, struct error *err)
{
    enum status status = STATUS_OK;
    *ret_offsets = (struct parquet_footer_offsets){0};
    struct parquet_page *dictionary = &chunk->dictionary_page;
    if (dictionary->buffer) {
        ret_offsets->dictionary = writer->sunk_bytes;
        TRY(sink_bytes(writer, dictionary->buffer->data, dictionary->size, err));
    }
    ret_offsets->data = writer->sunk_bytes;
    for (size_t i = 0; i < chunk->pages.count; i++) {
        TRY(sink_bytes(writer, chunk->pages.items[i].buffer->data, chunk->pages.items[i].size, err));
        buffer_unref(chunk->pages.items[i].buffer);
        chunk->pages.items[i].buffer = NULL;
    }
out:
    return status;
}

static enum status end_group(struct parquet_writer *writer, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t leaves = writer->schema.leaf_count;
    struct parquet_footer_offsets *offsets = NULL;
    if (writer->group_rows == 0) return STATUS_OK;
    offsets = memory_calloc(leaves, sizeof *offsets);
    for (uint32_t i = 0; i < leaves; i++) {
        struct parquet_chunk *chunk = &writer->chunks[i];
        TRY(parquet_chunk_end(chunk, err));
        TRY(sink_chunk(writer, chunk, &offsets[i], err));
        writer->stats[i].null_count += chunk->level_total - chunk->value_total;
        parquet_minmax_merge(&writer->minmax[i], &chunk->minmax, chunk->leaf->physical);
    }
    parquet_footer_group(&writer->groups, writer->chunks, offsets, leaves, writer->group_rows, writer->group_count);
    for (uint32_t i = 0; i < leaves; i++) parquet_chunk_reset(&writer->chunks[i]);
    writer->group_count++;
    writer->rows += writer->group_rows;
    writer->group_rows = 0;
out:
    memory_free(offsets);
    return status;
}

uint64_t parquet_writer_buffered(const struct parquet_writer *writer)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < writer->schema.leaf_count; i++) bytes += parquet_chunk_buffered(&writer->chunks[i]);
    return bytes;
}

// Rows that go through all columns together: few enough for the cache, and for a page not to grow far past its limit.
static uint32_t segment_rows(const struct parquet_writer *writer, const struct batch *batch)
{
    const struct parquet_writer_options *options = &writer->scratch.options;
    uint64_t rows = options->page_rows_max < SEGMENT_ROWS_MAX ? options->page_rows_max : SEGMENT_ROWS_MAX;
    uint64_t row_bytes = batch_bytes(batch) / (batch->column_rows ? batch->column_rows : 1) + 1;
    if (rows * row_bytes > options->page_bytes_max) rows = options->page_bytes_max / row_bytes;
    return rows ? (uint32_t)rows : 1;
}

enum status parquet_writer_write(struct parquet_writer *writer, const struct batch *batch, struct error *err)
{
    enum status status = STATUS_OK;
    const struct parquet_writer_options *options = &writer->scratch.options;
    ASSERT(!writer->finished && !writer->broken);
    ASSERT(batch->column_count == writer->schema.type->child_count);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        ASSERT(batch->columns[i]->type == writer->schema.type->children[i].type);
    }
    uint32_t step = segment_rows(writer, batch);
    for (uint32_t from = 0; from < batch->row_count;) {
        uint64_t room = options->row_group_rows_max - writer->group_rows;
        uint32_t rows = batch->row_count - from;
        if (rows > step) rows = step;
        if (rows > room) rows = (uint32_t)room;
        TRY(parquet_shred_rows(&writer->shred, batch, from, from + rows, append_slots, writer, err));
        from += rows;
        writer->group_rows += rows;
        if (writer->group_rows >= options->row_group_rows_max ||
            parquet_writer_buffered(writer) >= options->row_group_bytes_max) {
            TRY(end_group(writer, err));
        }
    }
out:
    writer->broken |= status != STATUS_OK;
    return status;
}

enum status parquet_writer_end_group(struct parquet_writer *writer, struct error *err)
{
    ASSERT(!writer->finished && !writer->broken);
    enum status status = end_group(writer, err);
    writer->broken |= status != STATUS_OK;
    return status;
}

uint64_t parquet_writer_bytes(const struct parquet_writer *writer)
{
    return writer->sunk_bytes + parquet_writer_buffered(writer);
}

uint64_t parquet_writer_rows(const struct parquet_writer *writer)
{
    return writer->rows + writer->group_rows;
}

static void fill_stats(struct parquet_writer *writer)
{
    for (uint32_t i = 0; i < writer->schema.leaf_count; i++) {
        struct parquet_column_stats *stats = &writer->stats[i];
        const struct parquet_minmax *minmax = &writer->minmax[i];
        stats->has_min_max = minmax->any && !minmax->nan;
        if (type_is_string_like(stats->type)) {
            stats->min_bytes = slice_of(text_str(&minmax->min_bytes), minmax->min_bytes.length);
            stats->max_bytes = slice_of(text_str(&minmax->max_bytes), minmax->max_bytes.length);
        } else if (stats->type->kind == TYPE_DECIMAL) {
            bool wide = writer->schema.leaves[i].physical == PARQUET_FIXED;
            stats->min.i128 = wide ? minmax->min.i128 : minmax->min.i64;
            stats->max.i128 = wide ? minmax->max.i128 : minmax->max.i64;
        } else {
            // The widest member that is not i128: doubles and integers share their eight bytes.
            stats->min.i64 = minmax->min.i64;
            stats->max.i64 = minmax->max.i64;
        }
    }
}

enum status parquet_writer_finish(struct parquet_writer *writer, struct error *err)
{
    enum status status = STATUS_OK;
    struct text footer = {0};
    ASSERT(!writer->finished && !writer->broken);
    TRY(end_group(writer, err));
    parquet_footer_file(&footer, &writer->schema, writer->rows, writer->group_count, &writer->groups);
    uint32_t length = (uint32_t)footer.length;
    text_append(&footer, (const char *)&length, sizeof length);
    text_append(&footer, PARQUET_MAGIC, PARQUET_MAGIC_SIZE);
    TRY(sink_bytes(writer, footer.data, footer.length, err));
    fill_stats(writer);
    writer->finished = true;
out:
    writer->broken |= status != STATUS_OK;
    text_deinit(&footer);
    return status;
}

uint32_t parquet_writer_stats(const struct parquet_writer *writer, const struct parquet_column_stats **ret_stats)
{
    ASSERT(writer->finished);
    *ret_stats = writer->stats;
    return writer->schema.leaf_count;
}

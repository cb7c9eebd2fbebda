// Reader: footer, schema tree and plan at opening, then batches of rows, none across row groups. A file in memory is
// one whose tail is all of it: chunks that lie in the tail are not read again. What can fail: damage (STATUS_CORRUPT),
// what is not built (STATUS_UNSUPPORTED), the budget, the input. A reader that failed may only be closed.
#include "common/parquet/parquet_reader.h"

#include "common/parquet/parquet_assemble.h"

#define TAIL_BYTES (256u << 10)

struct parquet_reader {
    struct parquet_input input;
    struct buffer *tail; // of the file, from tail_offset on; names in the footer are used
    uint64_t tail_offset;
    struct budget *budget;
    struct parquet_metadata metadata;
    struct parquet_tree tree;
    struct arena plan_arena;
    struct parquet_out plan;
    bool planned;
    bool *needed; // leaves to read
    struct compress *compress;
    struct parquet_stream *streams; // of all leaves; only the needed ones are opened
    struct buffer **chunks;         // what was read of the group, by leaf
    uint32_t group;                 // the current one
    bool group_open;
    uint64_t group_left; // rows
    uint32_t step;       // rows of a batch
};

static void drop_chunks(struct parquet_reader *reader)
{
    for (uint32_t i = 0; reader->chunks && i < reader->tree.leaf_count; i++) {
        buffer_unref(reader->chunks[i]);
        reader->chunks[i] = NULL;
    }
}

static void drop_plan(struct parquet_reader *reader)
{
    for (uint32_t i = 0; reader->streams && i < reader->tree.leaf_count; i++) {
        if (reader->needed[i]) parquet_stream_deinit(&reader->streams[i]);
    }
    drop_chunks(reader);
    memory_free(reader->streams);
    memory_free(reader->chunks);
    memory_free(reader->needed);
    reader->streams = NULL;
    reader->chunks = NULL;
    reader->needed = NULL;
    arena_deinit(&reader->plan_arena);
    arena_init(&reader->plan_arena, 4096);
    reader->planned = reader->group_open = false;
    reader->group = 0;
}

// The budget is asked before the bytes are there, and they count in it for as long as they are.
static enum status read_bytes(const struct parquet_reader *reader, uint64_t offset, uint64_t length,
                              struct buffer **ret_bytes, struct error *err)
{
    enum status status = budget_take(reader->budget, length, err);
    if (status != STATUS_OK) return status;
    status = reader->input.read(reader->input.context, offset, length, ret_bytes, err);
    budget_give(reader->budget, length);
    if (status == STATUS_OK) buffer_recount(*ret_bytes, reader->budget);
    return status;
}

static enum status read_tail(struct parquet_reader *reader, uint64_t length, struct error *err)
{
    buffer_unref(reader->tail);
    reader->tail = NULL;
    reader->tail_offset = reader->input.size_bytes - length;
    return read_bytes(reader, reader->tail_offset, length, &reader->tail, err);
}

static enum status read_footer(struct parquet_reader *reader, struct error *err)
{
    enum status status = STATUS_OK;
    uint64_t size = reader->input.size_bytes, offset;
    if (!reader->tail) {
        uint64_t tail = reader->input.tail_bytes ? reader->input.tail_bytes : TAIL_BYTES;
        TRY(read_tail(reader, tail < size ? tail : size, err));
    }
    TRY(parquet_metadata_find(reader->tail->data, size - reader->tail_offset, size, &offset, err));
    if (offset < reader->tail_offset) TRY(read_tail(reader, size - offset, err));
    TRY(parquet_metadata_read(&reader->metadata, reader->tail->data + (offset - reader->tail_offset),
                              size - PARQUET_TAIL_SIZE - offset, offset, err));
out:
    return status;
}

// Takes the reference to bytes; NULL: the input is asked.
static enum status open_reader(const struct parquet_input *input, struct buffer *bytes, struct budget *budget,
                               struct parquet_reader **ret_reader, struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_reader *reader = memory_calloc(1, sizeof *reader);
    reader->input = *input;
    reader->tail = bytes;
    reader->budget = budget;
    arena_init(&reader->plan_arena, 4096);
    reader->compress = compress_create();
    TRY(read_footer(reader, err));
    TRY(parquet_tree_build(&reader->metadata, &reader->tree, err));
    for (uint32_t i = 0; i < reader->metadata.group_count; i++) {
        if (reader->metadata.groups[i].chunk_count != reader->tree.leaf_count) {
            TRY(error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                          "not a readable Parquet file: row group %u has %u columns, the schema %u", i,
                          reader->metadata.groups[i].chunk_count, reader->tree.leaf_count));
        }
    }
    *ret_reader = reader;
out:
    if (status != STATUS_OK) parquet_reader_close(reader);
    return status;
}

enum status parquet_reader_open(const struct parquet_input *input, struct budget *budget,
                                struct parquet_reader **ret_reader, struct error *err)
{
    return open_reader(input, NULL, budget, ret_reader, err);
}

enum status parquet_reader_open_bytes(struct buffer *bytes, size_t size, struct budget *budget,
                                      struct parquet_reader **ret_reader, struct error *err)
{
    ASSERT(size <= bytes->size_bytes);
    return open_reader(&(struct parquet_input){.size_bytes = size}, buffer_ref(bytes), budget, ret_reader, err);
}

void parquet_reader_close(struct parquet_reader *reader)
{
    if (!reader) return;
    drop_plan(reader);
    arena_deinit(&reader->plan_arena);
    compress_destroy(reader->compress);
    parquet_metadata_deinit(&reader->metadata);
    buffer_unref(reader->tail);
    memory_free(reader);
}

const struct type *parquet_reader_schema(const struct parquet_reader *reader)
{
    return reader->tree.root.type;
}

uint64_t parquet_reader_rows(const struct parquet_reader *reader)
{
    return (uint64_t)reader->metadata.rows;
}

enum status parquet_reader_project(struct parquet_reader *reader, const struct type *wanted, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t leaves = reader->tree.leaf_count;
    if (!wanted) wanted = reader->tree.root.type;
    ASSERT(wanted->kind == TYPE_STRUCT);
    drop_plan(reader);
    reader->needed = memory_calloc(leaves + 1u, sizeof *reader->needed); // the first is there even of no columns
    TRY(parquet_out_plan(&reader->plan_arena, &reader->tree.root, wanted, reader->needed, &reader->plan, err));
    reader->streams = memory_calloc(leaves, sizeof *reader->streams);
    reader->chunks = memory_calloc(leaves, sizeof *reader->chunks);
    for (uint32_t i = 0; i < leaves; i++) {
        if (!reader->needed[i]) continue;
        parquet_stream_init(&reader->streams[i], reader->tree.leaves[i], reader->compress, reader->budget);
    }
    reader->planned = true;
out:
    return status;
}

static enum status open_chunk(struct parquet_reader *reader, uint32_t leaf, const struct parquet_chunk_meta *chunk,
                              struct error *err)
{
    enum status status = STATUS_OK;
    uint64_t start = parquet_metadata_chunk_start(chunk), end = parquet_metadata_chunk_end(&reader->metadata, chunk);
    const uint8_t *bytes;
    if (start >= reader->tail_offset) {
        bytes = reader->tail->data + (start - reader->tail_offset);
    } else {
        TRY(read_bytes(reader, start, end - start, &reader->chunks[leaf], err));
        bytes = reader->chunks[leaf]->data;
    }
    TRY(parquet_stream_chunk(&reader->streams[leaf], chunk, bytes, end - start, err));
out:
    return status;
}

static enum status open_group(struct parquet_reader *reader, struct error *err)
{
    enum status status = STATUS_OK;
    const struct parquet_group_meta *group = &reader->metadata.groups[reader->group];
    uint64_t bytes = 0, rows = (uint64_t)group->rows;
    drop_chunks(reader);
    for (uint32_t i = 0; i < group->chunk_count; i++) {
        if (!reader->needed[i]) continue;
        TRY(open_chunk(reader, i, &group->chunks[i], err));
        if (group->chunks[i].raw_bytes > 0) bytes += (uint64_t)group->chunks[i].raw_bytes;
    }
    uint64_t row_bytes = rows ? bytes / rows + 1 : 1, step = BATCH_BYTES_MAX / row_bytes;
    reader->step = step == 0 ? 1 : step > BATCH_ROWS_MAX ? BATCH_ROWS_MAX : (uint32_t)step;
    reader->group_left = rows;
    reader->group_open = true;
out:
    return status;
}

static enum status make_batch(struct parquet_reader *reader, uint32_t rows, struct batch **ret_batch, struct error *err)
{
    enum status status = STATUS_OK;
    const struct parquet_out *plan = &reader->plan;
    struct column **columns = memory_calloc(plan->child_count, sizeof *columns);
    uint32_t made = 0;
    for (uint32_t i = 0; i < reader->tree.leaf_count; i++) {
        if (reader->needed[i]) TRY(parquet_stream_rows(&reader->streams[i], rows, err));
    }
    for (; made < plan->child_count; made++) {
        TRY(parquet_assemble_column(&plan->children[made], reader->streams, rows, reader->budget, &columns[made], err));
    }
    *ret_batch = batch_create(plan->type, rows, columns);
    made = 0; // the batch has them
out:
    for (uint32_t i = 0; i < made; i++) column_unref(columns[i]);
    memory_free(columns);
    return status;
}

enum status parquet_reader_next(struct parquet_reader *reader, struct batch **ret_batch, struct error *err)
{
    enum status status = STATUS_OK;
    if (!reader->planned) TRY(parquet_reader_project(reader, NULL, err));
    while (!reader->group_open || reader->group_left == 0) {
        if (reader->group_open) reader->group++;
        reader->group_open = false;
        if (reader->group >= reader->metadata.group_count) {
            *ret_batch = NULL;
            return STATUS_OK;
        }
        TRY(open_group(reader, err));
    }
    uint32_t rows = reader->group_left < reader->step ? (uint32_t)reader->group_left : reader->step;
    TRY(make_batch(reader, rows, ret_batch, err));
    reader->group_left -= rows;
out:
    return status;
}

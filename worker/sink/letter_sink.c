// Dead letters: rows are gathered in column builders and go to the epoch's file in batches. Fails with what files fail
// with.
#include "worker/sink/letter_sink.h"

#include "common/plan/dead_letters.h"
#include "worker/expr/expr.h"

#define LETTER_ROWS_MAX 1024u
#define SEQUENCE        0u

// As DEAD_LETTERS_SCHEMA has them.
enum letter_column {
    LETTER_EPOCH,
    LETTER_FAILED_AT,
    LETTER_TOPIC,
    LETTER_PARTITION,
    LETTER_OFFSET,
    LETTER_TIMESTAMP,
    LETTER_KEY,
    LETTER_VALUE,
    LETTER_HEADERS,
    LETTER_ROW,
    LETTER_CLASS,
    LETTER_MESSAGE,
    LETTER_COUNT,
};

struct letter_file {
    uint64_t epoch;
    const struct type *schema;
    struct column_builder *builders[LETTER_COUNT];
    struct file_sink *file; // NULL: nothing written yet
};
struct letter_sink {
    struct file_sink_args args;
    VECTOR(struct letter_file *) files;
};

struct letter_sink *letter_sink_create(const struct file_sink_args *args)
{
    struct letter_sink *letters = memory_calloc(1, sizeof *letters);
    letters->args = *args;
    enum status status = type_parse(DEAD_LETTERS_SCHEMA, &letters->args.schema, NULL);
    ASSERT(status == STATUS_OK && letters->args.schema->child_count == LETTER_COUNT);
    return letters;
}

static void letter_file_destroy(struct letter_file *file)
{
    for (int i = 0; i < LETTER_COUNT; i++) column_builder_destroy(file->builders[i]);
    file_sink_close(file->file);
    memory_free(file);
}

void letter_sink_destroy(struct letter_sink *letters)
{
    if (!letters) return;
    for (size_t i = 0; i < letters->files.count; i++) letter_file_destroy(letters->files.items[i]);
    vector_deinit(&letters->files);
    memory_free(letters);
}

static struct letter_file *letter_file_of(struct letter_sink *letters, uint64_t epoch)
{
    for (size_t i = 0; i < letters->files.count; i++) {
        if (letters->files.items[i]->epoch == epoch) return letters->files.items[i];
    }
    struct letter_file *file = memory_calloc(1, sizeof *file);
    file->epoch = epoch;
    file->schema = letters->args.schema;
    for (uint32_t i = 0; i < LETTER_COUNT; i++) {
        file->builders[i] = column_builder_create(letters->args.budget, letters->args.schema->children[i].type);
    }
    vector_push(&letters->files, file);
    return file;
}

static enum status letter_flush(struct letter_sink *letters, struct letter_file *file, struct error *err)
{
    struct batch *batch = NULL;
    enum status status = STATUS_OK;
    if (column_builder_length(file->builders[0]) == 0) return STATUS_OK;
    TRY(batch_build(letters->args.schema, file->builders, &batch, err));
    if (!file->file) TRY(file_sink_open(&letters->args, "", file->epoch, SEQUENCE, &file->file, err));
    TRY(file_sink_write(file->file, batch, err));
out:
    batch_unref(batch);
    return status;
}

// A column of the raw record by name, if it is there with the type that dead letters have.
static enum status letter_raw(struct letter_file *file, enum letter_column column, const struct batch *origin,
                              uint32_t row, struct error *err)
{
    const struct field *field = &file->schema->children[column];
    int at = origin ? type_field_find(origin->schema, field->name) : -1;
    if (at < 0 || origin->schema->children[at].type != field->type)
        return column_builder_null(file->builders[column], err);
    return column_builder_copy(file->builders[column], origin->columns[at], row, err);
}

static enum status letter_text(struct letter_file *file, enum letter_column column, const char *text, size_t length,
                               struct error *err)
{
    return column_builder_bytes(file->builders[column], text, length, err);
}

static enum status letter_add(struct letter_file *file, int64_t failed_at_us, const struct batch *batch, uint32_t i,
                              const struct expr_row_error *row_error, struct error *err)
{
    int64_t epoch = (int64_t)file->epoch;
    struct text json = {0};
    enum status status = STATUS_OK;
    TRY(column_builder_fixed(file->builders[LETTER_EPOCH], &epoch, err));
    TRY(column_builder_fixed(file->builders[LETTER_FAILED_AT], &failed_at_us, err));
    for (enum letter_column column = LETTER_TOPIC; column <= LETTER_HEADERS; column++) {
        TRY(letter_raw(file, column, batch->origin, row_error->row, err));
    }
    if (batch->origin) {
        TRY(column_builder_null(file->builders[LETTER_ROW], err));
    } else {
        batch_json(batch, i, &json);
        TRY(letter_text(file, LETTER_ROW, text_str(&json), json.length, err));
    }
    TRY(letter_text(file, LETTER_CLASS, row_error->condition, strlen(row_error->condition), err));
    text_reset(&json); // a message may quote the record, whose bytes may be no text
    if (row_error->message) text_append_utf8(&json, row_error->message, strlen(row_error->message));
    TRY(letter_text(file, LETTER_MESSAGE, text_str(&json), json.length, err));
out:
    text_deinit(&json);
    return status;
}

enum status letter_sink_add(struct letter_sink *letters, uint64_t epoch, int64_t failed_at_us,
                            const struct batch *batch, const struct expr_errors *errors, struct error *err)
{
    struct letter_file *file = letter_file_of(letters, epoch);
    size_t next = 0;
    for (uint32_t i = 0; i < batch->row_count && next < errors->items.count; i++) {
        uint32_t row = batch_row(batch, i);
        while (next < errors->items.count && errors->items.items[next].row < row) next++;
        if (next == errors->items.count || errors->items.items[next].row != row) continue;
        enum status status = letter_add(file, failed_at_us, batch, i, &errors->items.items[next], err);
        if (status != STATUS_OK) return status;
        if (column_builder_length(file->builders[0]) < LETTER_ROWS_MAX) continue;
        status = letter_flush(letters, file, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status letter_sink_finish(struct letter_sink *letters, uint64_t epoch, int64_t modified_ms,
                               Foreset__DataFile **ret_file, struct error *err)
{
    *ret_file = NULL;
    for (size_t i = 0; i < letters->files.count; i++) {
        struct letter_file *file = letters->files.items[i];
        if (file->epoch != epoch) continue;
        enum status status = letter_flush(letters, file, err);
        if (status == STATUS_OK && file->file) status = file_sink_finish(file->file, modified_ms, ret_file, err);
        if (status != STATUS_OK) return status;
        letter_file_destroy(file);
        vector_remove(&letters->files, i);
        return STATUS_OK;
    }
    return STATUS_OK;
}

// Values into pages. What can fail: the budget refuses (STATUS_NO_MEMORY), a page would pass 2 GiB
// (STATUS_UNSUPPORTED). The chunk is then half-written and only parquet_chunk_deinit may follow.
#include "common/parquet/parquet_chunk.h"

#include "common/parquet/parquet_page.h"
#include "common/parquet/parquet_strings.h"

#define DICTIONARY_TRIAL_VALUES 4096u
// Shares of distinct values, in tenths, above which a dictionary is useless: of the first values, of the first page.
#define DICTIONARY_TENTHS_EARLY 9u
#define DICTIONARY_TENTHS_PAGE  6u
#define NO_INDEX                UINT32_MAX

static enum parquet_mode first_mode(const struct parquet_chunk *chunk)
{
    switch (chunk->leaf->physical) {
    case PARQUET_BOOLEAN: return PARQUET_MODE_BOOLEAN;
    case PARQUET_INT32:
    case PARQUET_INT64: return chunk->scratch->options.no_delta_encoding ? PARQUET_MODE_PLAIN : PARQUET_MODE_DELTA;
    case PARQUET_FLOAT:
    case PARQUET_DOUBLE:
    case PARQUET_BYTE_ARRAY: return chunk->dictionary_hopeless ? PARQUET_MODE_PLAIN : PARQUET_MODE_DICTIONARY;
    default: return PARQUET_MODE_PLAIN;
    }
}

static void start_page(struct parquet_chunk *chunk)
{
    chunk->row_count = chunk->level_count = chunk->value_count = 0;
    chunk->def.size = chunk->rep.size = 0;
    if (chunk->values.size) chunk->values.size = PARQUET_CHUNK_HEAD;
    parquet_delta_reset(&chunk->delta);
}

void parquet_chunk_init(struct parquet_chunk *chunk, const struct parquet_leaf *leaf, struct parquet_scratch *scratch)
{
    *chunk = (struct parquet_chunk){.leaf = leaf, .scratch = scratch};
    parquet_bytes_init(&chunk->def, scratch->budget);
    parquet_bytes_init(&chunk->rep, scratch->budget);
    parquet_bytes_init(&chunk->values, scratch->budget);
    parquet_bytes_init(&chunk->map, scratch->budget);
    parquet_delta_init(&chunk->delta, leaf->physical == PARQUET_INT32, scratch->budget);
    parquet_dictionary_init(&chunk->dictionary, scratch->budget);
    chunk->mode = first_mode(chunk);
    chunk->codec = scratch->options.codec;
    chunk->codec_settled = chunk->codec == PARQUET_UNCOMPRESSED;
}

static void drop_pages(struct parquet_chunk *chunk)
{
    for (size_t i = 0; i < chunk->pages.count; i++) buffer_unref(chunk->pages.items[i].buffer);
    vector_reset(&chunk->pages);
    buffer_unref(chunk->dictionary_page.buffer);
    chunk->dictionary_page = (struct parquet_page){0};
}

static void drop_map(struct parquet_chunk *chunk)
{
    column_unref(chunk->map_source);
    chunk->map_source = NULL;
}

void parquet_chunk_deinit(struct parquet_chunk *chunk)
{
    drop_pages(chunk);
    drop_map(chunk);
    vector_deinit(&chunk->pages);
    parquet_bytes_deinit(&chunk->def);
    parquet_bytes_deinit(&chunk->rep);
    parquet_bytes_deinit(&chunk->values);
    parquet_bytes_deinit(&chunk->map);
    parquet_delta_deinit(&chunk->delta);
    parquet_dictionary_deinit(&chunk->dictionary);
    parquet_minmax_deinit(&chunk->minmax);
}

void parquet_chunk_reset(struct parquet_chunk *chunk)
{
    start_page(chunk);
    drop_pages(chunk);
    drop_map(chunk);
    parquet_dictionary_reset(&chunk->dictionary);
    parquet_minmax_reset(&chunk->minmax);
    chunk->mode = first_mode(chunk);
    chunk->dictionary_trials = 0;
    chunk->ending = false;
    chunk->codec = chunk->scratch->options.codec;
    chunk->codec_settled = chunk->codec == PARQUET_UNCOMPRESSED;
    chunk->level_total = chunk->value_total = 0;
    chunk->raw_bytes = chunk->packed_bytes = 0;
    chunk->plain_pages = chunk->delta_pages = chunk->dictionary_pages = 0;
}

static size_t value_bytes(const struct parquet_chunk *chunk)
{
    return chunk->values.size ? chunk->values.size - PARQUET_CHUNK_HEAD : 0;
}

bool parquet_chunk_page_full(const struct parquet_chunk *chunk, uint32_t more_rows)
{
    const struct parquet_writer_options *options = &chunk->scratch->options;
    return chunk->level_count > 0 &&
           (chunk->row_count + more_rows > options->page_rows_max || value_bytes(chunk) >= options->page_bytes_max ||
            chunk->delta.blocks.size >= options->page_bytes_max || chunk->level_count / 16 >= options->page_rows_max);
}

uint64_t parquet_chunk_buffered(const struct parquet_chunk *chunk)
{
    // Indices are packed later, to about a byte.
    size_t values = chunk->mode == PARQUET_MODE_DICTIONARY ? value_bytes(chunk) / 4 : value_bytes(chunk);
    return chunk->packed_bytes + chunk->dictionary.plain.size + chunk->delta.blocks.size + values;
}

static enum status append_levels(struct parquet_bytes *levels, const uint8_t *from, uint8_t all, uint32_t count,
                                 struct error *err)
{
    if (from) return parquet_bytes_append(levels, from, count, err);
    enum status status = parquet_bytes_reserve(levels, count, err);
    if (status != STATUS_OK) return status;
    memset(levels->data + levels->size, all, count);
    levels->size += count;
    return STATUS_OK;
}

static inline uint32_t slot_row(const struct parquet_slots *slots, uint32_t i)
{
    return slots->rows ? slots->rows[i] : slots->first + i;
}

#define WIDEN(member)                                                                                                  \
    do {                                                                                                               \
        if (slots->rows) {                                                                                             \
            for (uint32_t i = 0; i < count; i++) out[i] = (int64_t)slots->column->member[slots->rows[from + i]];       \
        } else {                                                                                                       \
            for (uint32_t i = 0; i < count; i++) out[i] = (int64_t)slots->column->member[slots->first + from + i];     \
        }                                                                                                              \
    } while (0)

// Values from..from+count-1 as 64-bit integers, in the column itself where it holds such.
static const int64_t *widen(const struct parquet_slots *slots, uint32_t from, uint32_t count, int64_t *out)
{
    switch (slots->column->type->kind) {
    case TYPE_TINYINT: WIDEN(i8); return out;
    case TYPE_SMALLINT: WIDEN(i16); return out;
    case TYPE_INT:
    case TYPE_DATE: WIDEN(i32); return out;
    case TYPE_DECIMAL: WIDEN(i128); return out;
    default: // bigint and the timestamps
        ASSERT(type_width(slots->column->type) == sizeof(int64_t));
        if (!slots->rows) return slots->column->i64 + slots->first + from;
        WIDEN(i64);
        return out;
    }
}

static enum status append_ints(struct parquet_chunk *chunk, const struct parquet_slots *slots, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t from = 0; from < slots->value_count; from += PARQUET_CHUNK_STEP) {
        uint32_t left = slots->value_count - from, count = left < PARQUET_CHUNK_STEP ? left : PARQUET_CHUNK_STEP;
        const int64_t *ints = widen(slots, from, count, chunk->scratch->ints);
        parquet_minmax_ints(&chunk->minmax, ints, count);
        if (chunk->mode == PARQUET_MODE_DELTA) {
            TRY(parquet_delta_append(&chunk->delta, ints, count, err));
        } else if (chunk->leaf->physical == PARQUET_INT64) {
            TRY(parquet_bytes_append(&chunk->values, ints, count * sizeof *ints, err));
        } else {
            TRY(parquet_bytes_reserve(&chunk->values, count * sizeof(int32_t), err));
            int32_t *out = (int32_t *)(void *)(chunk->values.data + chunk->values.size);
            for (uint32_t i = 0; i < count; i++) out[i] = (int32_t)ints[i];
            chunk->values.size += count * sizeof(int32_t);
        }
    }
out:
    return status;
}

static enum status append_booleans(struct parquet_chunk *chunk, const struct parquet_slots *slots, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(parquet_bytes_reserve(&chunk->values, slots->value_count, err));
    uint8_t *out = chunk->values.data + chunk->values.size;
    int64_t seen[2] = {1, 0}; // least, greatest
    for (uint32_t i = 0; i < slots->value_count; i++) {
        out[i] = slots->column->boolean[slot_row(slots, i)] != 0;
        seen[0] &= out[i];
        seen[1] |= out[i];
    }
    if (slots->value_count) parquet_minmax_ints(&chunk->minmax, seen, 2);
    chunk->values.size += slots->value_count;
out:
    return status;
}

static enum status append_long_decimals(struct parquet_chunk *chunk, const struct parquet_slots *slots,
                                        struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t length = chunk->leaf->fixed_length;
    TRY(parquet_bytes_reserve(&chunk->values, (size_t)slots->value_count * length, err));
    for (uint32_t i = 0; i < slots->value_count; i++) {
        __int128 value = slots->column->i128[slot_row(slots, i)];
        parquet_minmax_decimal(&chunk->minmax, value);
        parquet_page_decimal(chunk->values.data + chunk->values.size, value, length);
        chunk->values.size += length;
    }
out:
    return status;
}

// The bits of a float or double and what they mean.
static inline uint64_t float_bits(const struct column *column, uint32_t row, bool wide, double *ret_value)
{
    uint64_t bits = 0;
    if (wide) {
        *ret_value = column->f64[row];
        memcpy(&bits, &column->f64[row], sizeof(double));
    } else {
        *ret_value = (double)column->f32[row];
        memcpy(&bits, &column->f32[row], sizeof(float));
    }
    return bits;
}

static enum status append_floats(struct parquet_chunk *chunk, const struct parquet_slots *slots, struct error *err)
{
    enum status status = STATUS_OK;
    bool wide = chunk->leaf->physical == PARQUET_DOUBLE;
    uint32_t width = wide ? 8 : 4, index;
    double value;
    TRY(parquet_bytes_reserve(&chunk->values, (size_t)slots->value_count * sizeof(uint64_t), err));
    uint8_t *out = chunk->values.data + chunk->values.size;
    if (chunk->mode == PARQUET_MODE_DICTIONARY) {
        for (uint32_t i = 0; i < slots->value_count; i++, out += sizeof index) {
            uint64_t bits = float_bits(slots->column, slot_row(slots, i), wide, &value);
            TRY(parquet_dictionary_fixed(&chunk->dictionary, bits, width, &index, err));
            memcpy(out, &index, sizeof index);
        }
    } else {
        for (uint32_t i = 0; i < slots->value_count; i++, out += width) {
            uint64_t bits = float_bits(slots->column, slot_row(slots, i), wide, &value);
            parquet_minmax_double(&chunk->minmax, value);
            memcpy(out, &bits, width);
        }
    }
    chunk->values.size = (size_t)(out - chunk->values.data);
out:
    return status;
}

static enum status take_map(struct parquet_chunk *chunk, struct column *dictionary, struct error *err)
{
    if (chunk->map_source == dictionary) return STATUS_OK;
    size_t size = dictionary->length * sizeof(uint32_t);
    chunk->map.size = 0;
    enum status status = parquet_bytes_reserve(&chunk->map, size, err);
    if (status != STATUS_OK) return status;
    memset(chunk->map.data, 0xFF, size); // NO_INDEX
    drop_map(chunk);
    chunk->map_source = column_ref(dictionary);
    return STATUS_OK;
}

// A dictionary-coded column: its entries are looked up once, then only indices move.
static enum status append_mapped(struct parquet_chunk *chunk, const struct parquet_slots *slots, struct error *err)
{
    enum status status = STATUS_OK;
    const uint32_t *indices = slots->column->indices;
    TRY(take_map(chunk, slots->column->dictionary, err));
    TRY(parquet_bytes_reserve(&chunk->values, (size_t)slots->value_count * sizeof(uint32_t), err));
    uint32_t *map = (uint32_t *)(void *)chunk->map.data;
    uint32_t *out = (uint32_t *)(void *)(chunk->values.data + chunk->values.size);
    for (uint32_t i = 0; i < slots->value_count; i++) {
        uint32_t from = indices[slot_row(slots, i)];
        if (__builtin_expect(map[from] == NO_INDEX, 0)) {
            struct slice entry = column_slice(slots->column->dictionary, from);
            TRY(parquet_dictionary_bytes(&chunk->dictionary, entry, &map[from], err));
        }
        out[i] = map[from];
    }
    chunk->values.size += (size_t)slots->value_count * sizeof(uint32_t);
out:
    return status;
}

static enum status append_hashed(struct parquet_chunk *chunk, const struct parquet_slots *slots, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(parquet_bytes_reserve(&chunk->values, (size_t)slots->value_count * sizeof(uint32_t), err));
    uint32_t *out = (uint32_t *)(void *)(chunk->values.data + chunk->values.size);
    bool padded = parquet_strings_padded(slots->column);
    for (uint32_t i = 0; i < slots->value_count; i += PARQUET_DICTIONARY_GROUP) {
        struct slice group[PARQUET_DICTIONARY_GROUP];
        uint32_t left = slots->value_count - i;
        uint32_t count = left < PARQUET_DICTIONARY_GROUP ? left : PARQUET_DICTIONARY_GROUP;
        for (uint32_t k = 0; k < count; k++) group[k] = column_slice(slots->column, slot_row(slots, i + k));
        TRY(parquet_dictionary_group(&chunk->dictionary, group, count, padded, out + i, err));
    }
    chunk->values.size += (size_t)slots->value_count * sizeof(uint32_t);
out:
    return status;
}

// Every entry is in the data: the dictionary's extremes are the values'.
static void take_dictionary_extremes(struct parquet_chunk *chunk)
{
    const struct parquet_dictionary *dictionary = &chunk->dictionary;
    struct slice least = {0}, greatest = {0};
    for (uint32_t i = 0; i < dictionary->count; i++) {
        if (chunk->leaf->physical == PARQUET_BYTE_ARRAY) {
            struct slice entry = parquet_dictionary_entry(dictionary, i);
            if (i == 0 || parquet_minmax_compare(entry, least) < 0) least = entry;
            if (i == 0 || parquet_minmax_compare(entry, greatest) > 0) greatest = entry;
        } else if (chunk->leaf->physical == PARQUET_DOUBLE) {
            double value;
            memcpy(&value, dictionary->plain.data + i * sizeof value, sizeof value);
            parquet_minmax_double(&chunk->minmax, value);
        } else {
            float value;
            memcpy(&value, dictionary->plain.data + i * sizeof value, sizeof value);
            parquet_minmax_double(&chunk->minmax, (double)value);
        }
    }
    if (dictionary->count && chunk->leaf->physical == PARQUET_BYTE_ARRAY) {
        parquet_minmax_bytes(&chunk->minmax, least);
        parquet_minmax_bytes(&chunk->minmax, greatest);
    }
}

// The page's indices become the values they stand for; the dictionary is forgotten.
static enum status undo_dictionary(struct parquet_chunk *chunk, struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_dictionary *dictionary = &chunk->dictionary;
    struct parquet_bytes plain;
    parquet_bytes_init(&plain, chunk->scratch->budget);
    uint32_t width = chunk->leaf->physical == PARQUET_DOUBLE ? 8 : 4;
    const uint32_t *indices = parquet_chunk_indices(chunk);
    TRY(parquet_bytes_reserve(&plain, PARQUET_CHUNK_HEAD, err));
    plain.size = PARQUET_CHUNK_HEAD;
    for (uint32_t i = 0; i < chunk->value_count; i++) {
        if (chunk->leaf->physical == PARQUET_BYTE_ARRAY) {
            struct slice entry = parquet_dictionary_entry(dictionary, indices[i]);
            TRY(parquet_bytes_append(&plain, entry.data - sizeof(uint32_t), sizeof(uint32_t) + entry.length, err));
        } else {
            TRY(parquet_bytes_append(&plain, dictionary->plain.data + (size_t)indices[i] * width, width, err));
        }
    }
    take_dictionary_extremes(chunk);
    struct parquet_bytes old = chunk->values;
    chunk->values = plain;
    plain = old;
    parquet_dictionary_deinit(dictionary);
    parquet_dictionary_init(dictionary, chunk->scratch->budget);
    drop_map(chunk);
    chunk->mode = PARQUET_MODE_PLAIN;
    chunk->dictionary_hopeless = chunk->value_total + chunk->value_count >= DICTIONARY_TRIAL_VALUES;
out:
    parquet_bytes_deinit(&plain);
    return status;
}

static enum status finish_page(struct parquet_chunk *chunk, struct error *err)
{
    enum status status = STATUS_OK;
    if (chunk->level_count == 0) return STATUS_OK;
    TRY(parquet_page_data(chunk, err));
    chunk->level_total += chunk->level_count;
    chunk->value_total += chunk->value_count;
    start_page(chunk);
out:
    return status;
}

// Random ids show after a few thousand values; skewed ones need a page to be told from them.
static bool dictionary_useless(struct parquet_chunk *chunk, bool page_ends)
{
    uint64_t values = chunk->value_total + chunk->value_count, tenths = 0;
    if (chunk->dictionary_trials == 0 && values >= DICTIONARY_TRIAL_VALUES) {
        chunk->dictionary_trials = 1;
        tenths = DICTIONARY_TENTHS_EARLY;
    }
    if (chunk->dictionary_trials <= 1 && page_ends && values > 1) {
        chunk->dictionary_trials = 2;
        tenths = DICTIONARY_TENTHS_PAGE;
    }
    return tenths && chunk->dictionary.count * 10ull > values * tenths;
}

// Whether the dictionary earns its place.
static enum status judge_dictionary(struct parquet_chunk *chunk, bool page_ends, struct error *err)
{
    enum status status = STATUS_OK;
    if (chunk->mode != PARQUET_MODE_DICTIONARY) return STATUS_OK;
    bool useless = dictionary_useless(chunk, page_ends);
    if (chunk->dictionary_pages == 0 && useless) {
        TRY(undo_dictionary(chunk, err));
    } else if (useless || chunk->dictionary.plain.size > chunk->scratch->options.dictionary_bytes_max) {
        // The dictionary stays for the pages with indices; what follows is PLAIN.
        TRY(finish_page(chunk, err));
        chunk->mode = PARQUET_MODE_PLAIN;
        drop_map(chunk);
    }
out:
    return status;
}

static enum status append_values(struct parquet_chunk *chunk, const struct parquet_slots *slots, struct error *err)
{
    switch (chunk->leaf->physical) {
    case PARQUET_BOOLEAN: return append_booleans(chunk, slots, err);
    case PARQUET_INT32:
    case PARQUET_INT64: return append_ints(chunk, slots, err);
    case PARQUET_FLOAT:
    case PARQUET_DOUBLE: return append_floats(chunk, slots, err);
    case PARQUET_FIXED: return append_long_decimals(chunk, slots, err);
    default: break;
    }
    if (slots->value_count == 0) return STATUS_OK;
    if (chunk->mode == PARQUET_MODE_PLAIN) return parquet_strings_append(&chunk->values, &chunk->minmax, slots, err);
    return slots->column->indices ? append_mapped(chunk, slots, err) : append_hashed(chunk, slots, err);
}

enum status parquet_chunk_append(struct parquet_chunk *chunk, const struct parquet_slots *slots, struct error *err)
{
    enum status status = STATUS_OK;
    const struct parquet_leaf *leaf = chunk->leaf;
    if (!chunk->values.size) {
        TRY(parquet_bytes_reserve(&chunk->values, PARQUET_CHUNK_HEAD, err));
        chunk->values.size = PARQUET_CHUNK_HEAD;
    }
    if (leaf->max_def) TRY(append_levels(&chunk->def, slots->def, leaf->max_def, slots->level_count, err));
    if (leaf->max_rep) TRY(append_levels(&chunk->rep, slots->rep, 0, slots->level_count, err));
    TRY(append_values(chunk, slots, err));
    chunk->row_count += slots->row_count;
    chunk->level_count += slots->level_count;
    chunk->value_count += slots->value_count;
    TRY(judge_dictionary(chunk, false, err));
out:
    return status;
}

enum status parquet_chunk_end_page(struct parquet_chunk *chunk, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(judge_dictionary(chunk, true, err));
    TRY(finish_page(chunk, err));
out:
    return status;
}

enum status parquet_chunk_end(struct parquet_chunk *chunk, struct error *err)
{
    enum status status = STATUS_OK;
    chunk->ending = true;
    TRY(parquet_chunk_end_page(chunk, err));
    take_dictionary_extremes(chunk);
    if (chunk->dictionary_pages) TRY(parquet_page_dictionary(chunk, err));
out:
    return status;
}

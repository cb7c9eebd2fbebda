// Value decoders. What can fail: damaged pages (STATUS_CORRUPT), encodings that do not fit the type or are not built
// (STATUS_UNSUPPORTED), the budget.
#include "common/parquet/parquet_values.h"

#define STEP 1024u
// A page that announces more byte arrays than this is refused: its lengths are decoded at once.
#define LENGTHS_MAX     (1u << 26)
#define STORE_BYTES_MAX ((size_t)INT32_MAX)

static enum status corrupt(const struct parquet_values *values, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                     "column %s of the Parquet file: a page of encoding %d is damaged", values->leaf->name,
                     (int)values->encoding);
}

static enum status too_large(const struct parquet_values *values, struct error *err)
{
    return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                     "column %s of the Parquet file has more than 2 GiB in one batch of rows", values->leaf->name);
}

void parquet_values_init(struct parquet_values *values, const struct parquet_node *leaf, struct budget *budget)
{
    *values = (struct parquet_values){.leaf = leaf};
    parquet_bytes_init(&values->lengths, budget);
    parquet_bytes_init(&values->prefixes, budget);
    parquet_bytes_init(&values->previous, budget);
}

void parquet_values_deinit(struct parquet_values *values)
{
    parquet_bytes_deinit(&values->lengths);
    parquet_bytes_deinit(&values->prefixes);
    parquet_bytes_deinit(&values->previous);
}

// A whole DELTA_BINARY_PACKED stream of lengths; moves values->at behind it.
static enum status open_lengths(struct parquet_values *values, struct parquet_bytes *out, uint32_t count,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_delta_in delta;
    if (!parquet_decode_delta(&delta, values->at, (size_t)(values->end - values->at), true)) {
        TRY(corrupt(values, err));
    }
    if (delta.left > count || delta.left > LENGTHS_MAX) TRY(corrupt(values, err));
    uint32_t total = (uint32_t)delta.left;
    out->size = 0;
    TRY(parquet_bytes_reserve(out, total * sizeof(int64_t), err));
    if (!parquet_decode_delta_next(&delta, (int64_t *)(void *)out->data, total)) TRY(corrupt(values, err));
    out->size = total * sizeof(int64_t);
    values->at = parquet_decode_delta_end(&delta);
    values->string_at = 0;
    values->string_count = total;
out:
    return status;
}

static enum status open_hybrid(struct parquet_values *values, struct error *err)
{
    if (values->encoding == PARQUET_RLE) { // booleans, behind a length
        uint32_t length;
        if (values->end - values->at < 4) return corrupt(values, err);
        memcpy(&length, values->at, sizeof length);
        if (length > (size_t)(values->end - values->at) - sizeof length) return corrupt(values, err);
        parquet_decode_hybrid(&values->hybrid, values->at + sizeof length, length, 1);
        return STATUS_OK;
    }
    // A page without values may have no bit width either. The width of 1 makes an index asked of it an error; of the
    // width 0 every index would be 0.
    uint32_t width = values->at < values->end ? *values->at++ : 1;
    if (width > 32) return corrupt(values, err);
    parquet_decode_hybrid(&values->hybrid, values->at, (size_t)(values->end - values->at), width);
    return STATUS_OK;
}

static bool encoding_fits(enum parquet_encoding encoding, enum parquet_physical physical)
{
    switch (encoding) {
    case PARQUET_PLAIN:
    case PARQUET_PLAIN_DICTIONARY:
    case PARQUET_RLE_DICTIONARY: return true;
    case PARQUET_RLE: return physical == PARQUET_BOOLEAN;
    case PARQUET_DELTA_BINARY_PACKED: return physical == PARQUET_INT32 || physical == PARQUET_INT64;
    case PARQUET_DELTA_LENGTH_BYTE_ARRAY: return physical == PARQUET_BYTE_ARRAY;
    case PARQUET_DELTA_BYTE_ARRAY: return physical == PARQUET_BYTE_ARRAY || physical == PARQUET_FIXED;
    case PARQUET_BYTE_STREAM_SPLIT:
        return physical != PARQUET_BOOLEAN && physical != PARQUET_BYTE_ARRAY && physical != PARQUET_INT96;
    default: return false;
    }
}

enum status parquet_values_open(struct parquet_values *values, int32_t encoding, const uint8_t *bytes, size_t size,
                                uint32_t count, struct error *err)
{
    enum status status = STATUS_OK;
    const struct parquet_node *leaf = values->leaf;
    values->encoding = (enum parquet_encoding)encoding;
    values->at = bytes;
    values->end = bytes + size;
    values->bit = 0;
    if (!encoding_fits(values->encoding, leaf->physical)) {
        TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                      "column %s of the Parquet file has encoding %d, which is not read for physical type %d",
                      leaf->name, encoding, (int)leaf->physical));
    }
    switch (values->encoding) {
    case PARQUET_RLE:
    case PARQUET_PLAIN_DICTIONARY:
    case PARQUET_RLE_DICTIONARY: TRY(open_hybrid(values, err)); break;
    case PARQUET_DELTA_BINARY_PACKED:
        if (size == 0) {
            values->delta = (struct parquet_delta_in){0};
        } else if (!parquet_decode_delta(&values->delta, bytes, size, leaf->physical == PARQUET_INT32)) {
            TRY(corrupt(values, err));
        }
        break;
    case PARQUET_DELTA_BYTE_ARRAY:
        values->previous.size = 0;
        if (size) TRY(open_lengths(values, &values->prefixes, count, err));
        // fall through
    case PARQUET_DELTA_LENGTH_BYTE_ARRAY:
        values->string_count = 0;
        if (size) TRY(open_lengths(values, &values->lengths, count, err));
        if (size && encoding == PARQUET_DELTA_BYTE_ARRAY && values->lengths.size != values->prefixes.size) {
            TRY(corrupt(values, err));
        }
        break;
    default: values->split_at = 0;
    }
out:
    return status;
}

static enum status push_string(struct parquet_values *values, struct parquet_store *store, const uint8_t *bytes,
                               size_t size, struct error *err)
{
    enum status status = STATUS_OK;
    if (store->width) { // FIXED in DELTA_BYTE_ARRAY
        if (size != store->width) TRY(corrupt(values, err));
        TRY(parquet_bytes_append(&store->data, bytes, size, err));
    } else {
        if (store->data.size + size > STORE_BYTES_MAX) TRY(too_large(values, err));
        TRY(parquet_bytes_append(&store->data, bytes, size, err));
        uint32_t end = (uint32_t)store->data.size;
        TRY(parquet_bytes_append(&store->ends, &end, sizeof end, err));
    }
    store->count++;
out:
    return status;
}

static enum status next_plain(struct parquet_values *values, uint32_t count, struct parquet_store *store,
                              struct error *err)
{
    enum status status = STATUS_OK;
    size_t available = (size_t)(values->end - values->at);
    if (values->leaf->physical == PARQUET_BOOLEAN) {
        if ((uint64_t)available * 8 - values->bit < count) TRY(corrupt(values, err));
        TRY(parquet_bytes_reserve(&store->data, count, err));
        for (uint32_t i = 0; i < count; i++) {
            store->data.data[store->data.size++] = *values->at >> values->bit & 1;
            if (++values->bit == 8) {
                values->bit = 0;
                values->at++;
            }
        }
        store->count += count;
    } else if (store->width) {
        if (available / store->width < count) TRY(corrupt(values, err));
        TRY(parquet_bytes_append(&store->data, values->at, (size_t)count * store->width, err));
        values->at += (size_t)count * store->width;
        store->count += count;
    } else {
        for (uint32_t i = 0; i < count; i++) {
            uint32_t length;
            if (values->end - values->at < (ptrdiff_t)sizeof length) TRY(corrupt(values, err));
            memcpy(&length, values->at, sizeof length);
            values->at += sizeof length;
            if (length > (size_t)(values->end - values->at)) TRY(corrupt(values, err));
            TRY(push_string(values, store, values->at, length, err));
            values->at += length;
        }
    }
out:
    return status;
}

// Indices so far become the bytes they stand for.
static enum status uncode(struct parquet_values *values, const struct parquet_store *dictionary,
                          struct parquet_store *store, struct error *err)
{
    enum status status = STATUS_OK;
    if (!store->coded) return STATUS_OK;
    const uint32_t *indices = (const uint32_t *)(const void *)store->indices.data;
    uint32_t count = store->count;
    store->coded = false;
    store->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct slice value = parquet_store_value(dictionary, indices[i]);
        TRY(push_string(values, store, (const uint8_t *)value.data, value.length, err));
    }
    store->indices.size = 0;
out:
    return status;
}

static enum status next_coded(struct parquet_values *values, uint32_t count, const struct parquet_store *dictionary,
                              struct parquet_store *store, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t indices[STEP];
    if (!dictionary) TRY(corrupt(values, err));
    if (!store->width && store->count == 0) store->coded = true;
    for (uint32_t done = 0; done < count;) {
        uint32_t step = count - done < STEP ? count - done : STEP;
        if (!parquet_decode_hybrid_next(&values->hybrid, indices, step)) TRY(corrupt(values, err));
        for (uint32_t i = 0; i < step; i++) {
            if (indices[i] >= dictionary->count) TRY(corrupt(values, err));
        }
        if (store->coded) {
            TRY(parquet_bytes_append(&store->indices, indices, step * sizeof *indices, err));
            store->count += step;
        } else if (store->width) {
            if ((size_t)step * store->width + store->data.size > STORE_BYTES_MAX) TRY(too_large(values, err));
            TRY(parquet_bytes_reserve(&store->data, (size_t)step * store->width, err));
            for (uint32_t i = 0; i < step; i++, store->data.size += store->width) {
                memcpy(store->data.data + store->data.size, dictionary->data.data + (size_t)indices[i] * store->width,
                       store->width);
            }
            store->count += step;
        } else {
            for (uint32_t i = 0; i < step; i++) {
                struct slice value = parquet_store_value(dictionary, indices[i]);
                TRY(push_string(values, store, (const uint8_t *)value.data, value.length, err));
            }
        }
        done += step;
    }
out:
    return status;
}

static enum status next_ints(struct parquet_values *values, uint32_t count, struct parquet_store *store,
                             struct error *err)
{
    enum status status = STATUS_OK;
    int64_t ints[STEP];
    uint32_t flags[STEP];
    for (uint32_t done = 0; done < count;) {
        uint32_t step = count - done < STEP ? count - done : STEP;
        TRY(parquet_bytes_reserve(&store->data, (size_t)step * store->width, err));
        if (values->encoding == PARQUET_RLE) {
            if (!parquet_decode_hybrid_next(&values->hybrid, flags, step)) TRY(corrupt(values, err));
            for (uint32_t i = 0; i < step; i++) ints[i] = flags[i] & 1;
        } else if (!parquet_decode_delta_next(&values->delta, ints, step)) {
            TRY(corrupt(values, err));
        }
        for (uint32_t i = 0; i < step; i++, store->data.size += store->width) {
            memcpy(store->data.data + store->data.size, &ints[i], store->width);
        }
        store->count += step;
        done += step;
    }
out:
    return status;
}

static enum status next_strings(struct parquet_values *values, uint32_t count, struct parquet_store *store,
                                struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t *lengths = (const int64_t *)(const void *)values->lengths.data;
    const int64_t *prefixes = (const int64_t *)(const void *)values->prefixes.data;
    bool prefixed = values->encoding == PARQUET_DELTA_BYTE_ARRAY;
    if (count > values->string_count - values->string_at) TRY(corrupt(values, err));
    for (uint32_t i = 0; i < count; i++, values->string_at++) {
        int64_t length = lengths[values->string_at];
        if (length < 0 || length > values->end - values->at) TRY(corrupt(values, err));
        if (prefixed) {
            int64_t prefix = prefixes[values->string_at];
            if (prefix < 0 || (uint64_t)prefix > values->previous.size) TRY(corrupt(values, err));
            values->previous.size = (size_t)prefix;
            TRY(parquet_bytes_append(&values->previous, values->at, (size_t)length, err));
            TRY(push_string(values, store, values->previous.data, values->previous.size, err));
        } else {
            TRY(push_string(values, store, values->at, (size_t)length, err));
        }
        values->at += length;
    }
out:
    return status;
}

// The k-th bytes of all values stand together.
static enum status next_split(struct parquet_values *values, uint32_t count, struct parquet_store *store,
                              struct error *err)
{
    enum status status = STATUS_OK;
    size_t stride = (size_t)(values->end - values->at) / store->width;
    if (count > stride - values->split_at) TRY(corrupt(values, err));
    TRY(parquet_bytes_reserve(&store->data, (size_t)count * store->width, err));
    for (uint32_t i = 0; i < count; i++, values->split_at++) {
        for (uint32_t k = 0; k < store->width; k++) {
            store->data.data[store->data.size++] = values->at[k * stride + values->split_at];
        }
    }
    store->count += count;
out:
    return status;
}

enum status parquet_values_next(struct parquet_values *values, uint32_t count, const struct parquet_store *dictionary,
                                struct parquet_store *store, struct error *err)
{
    enum status status = STATUS_OK;
    bool coded = values->encoding == PARQUET_PLAIN_DICTIONARY || values->encoding == PARQUET_RLE_DICTIONARY;
    if (count == 0) return STATUS_OK;
    if (!coded) TRY(uncode(values, dictionary, store, err));
    switch (values->encoding) {
    case PARQUET_PLAIN: TRY(next_plain(values, count, store, err)); break;
    case PARQUET_RLE:
    case PARQUET_DELTA_BINARY_PACKED: TRY(next_ints(values, count, store, err)); break;
    case PARQUET_DELTA_LENGTH_BYTE_ARRAY:
    case PARQUET_DELTA_BYTE_ARRAY: TRY(next_strings(values, count, store, err)); break;
    case PARQUET_BYTE_STREAM_SPLIT: TRY(next_split(values, count, store, err)); break;
    default: TRY(next_coded(values, count, dictionary, store, err));
    }
out:
    return status;
}

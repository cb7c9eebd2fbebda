// Footer and page headers (parquet.thrift). Fails with STATUS_CORRUPT on damage, STATUS_UNSUPPORTED on encrypted files.
#include "common/parquet/parquet_metadata.h"

#include <stdlib.h>
#include <string.h>

#include "common/parquet/thrift.h"

static enum status corrupt(struct error *err, const char *what)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "not a readable Parquet file: %s", what);
}

static void read_time_unit(struct thrift_reader *in, struct parquet_element *element)
{
    struct thrift_field field;
    if (!thrift_begin(in)) return;
    while (thrift_next(in, &field)) {
        element->time_unit = field.id;
        thrift_skip(in, field);
    }
}

static void read_logical_members(struct thrift_reader *in, struct parquet_element *element)
{
    struct thrift_field field;
    if (!thrift_begin(in)) return;
    while (thrift_next(in, &field)) {
        bool boolean = field.type == THRIFT_TRUE || field.type == THRIFT_FALSE;
        switch (element->logical) {
        case PARQUET_LOGICAL_DECIMAL:
            if (field.id == 1) element->scale = thrift_get_i32(in, field);
            if (field.id == 2) element->precision = thrift_get_i32(in, field);
            if (field.id > 2) thrift_skip(in, field);
            break;
        case PARQUET_LOGICAL_TIME:
        case PARQUET_LOGICAL_TIMESTAMP:
            if (field.id == 1 && boolean) element->utc = thrift_get_bool(in, field);
            if (field.id == 2 && field.type == THRIFT_STRUCT) {
                read_time_unit(in, element);
            } else if (field.id != 1) {
                thrift_skip(in, field);
            }
            break;
        case PARQUET_LOGICAL_INTEGER:
            if (field.id == 1) element->int_bits = thrift_get_i32(in, field);
            if (field.id == 2 && boolean) element->int_signed = thrift_get_bool(in, field);
            if (field.id > 2) thrift_skip(in, field);
            break;
        default: thrift_skip(in, field);
        }
    }
}

static void read_logical(struct thrift_reader *in, struct parquet_element *element)
{
    struct thrift_field field;
    if (!thrift_begin(in)) return;
    while (thrift_next(in, &field)) {
        element->logical = field.id;
        if (field.type == THRIFT_STRUCT) {
            read_logical_members(in, element);
        } else {
            thrift_skip(in, field);
        }
    }
}

static void read_element(struct thrift_reader *in, struct parquet_element *element)
{
    struct thrift_field field;
    *element = (struct parquet_element){.name = slice_of("", 0), .physical = -1, .converted = PARQUET_CONVERTED_NONE};
    if (!thrift_begin(in)) return;
    while (thrift_next(in, &field)) {
        switch (field.id) {
        case 1: element->physical = thrift_get_i32(in, field); break;
        case 2: element->fixed_length = thrift_get_i32(in, field); break;
        case 3: element->repetition = thrift_get_i32(in, field); break;
        case 4: element->name = thrift_get_binary(in, field); break;
        case 5: element->children = thrift_get_i32(in, field); break;
        case 6: element->converted = thrift_get_i32(in, field); break;
        case 7: element->scale = thrift_get_i32(in, field); break;
        case 8: element->precision = thrift_get_i32(in, field); break;
        case 10:
            if (field.type == THRIFT_STRUCT) {
                read_logical(in, element);
                break;
            }
            thrift_skip(in, field);
            break;
        default: thrift_skip(in, field);
        }
    }
}

static void read_chunk_meta(struct thrift_reader *in, struct parquet_chunk_meta *chunk)
{
    struct thrift_field field;
    if (!thrift_begin(in)) return;
    while (thrift_next(in, &field)) {
        switch (field.id) {
        case 1: chunk->physical = thrift_get_i32(in, field); break;
        case 4: chunk->codec = thrift_get_i32(in, field); break;
        case 5: chunk->value_count = thrift_get_int(in, field); break;
        case 6: chunk->raw_bytes = thrift_get_int(in, field); break;
        case 9: chunk->data_offset = thrift_get_int(in, field); break;
        case 11: chunk->dictionary_offset = thrift_get_int(in, field); break;
        default: thrift_skip(in, field);
        }
    }
}

static void read_chunk(struct thrift_reader *in, struct parquet_chunk_meta *chunk)
{
    struct thrift_field field;
    bool found = false;
    *chunk = (struct parquet_chunk_meta){0};
    if (!thrift_begin(in)) return;
    while (thrift_next(in, &field)) {
        if (field.id == 3 && field.type == THRIFT_STRUCT) {
            read_chunk_meta(in, chunk);
            found = true;
        } else {
            if (field.id == 1) chunk->elsewhere = true;
            if (field.id == 8) chunk->encrypted = true;
            thrift_skip(in, field);
        }
    }
    if (!found) chunk->encrypted = true;
}

static void read_group(struct parquet_metadata *metadata, struct thrift_reader *in, struct parquet_group_meta *group)
{
    struct thrift_field field, element;
    *group = (struct parquet_group_meta){0};
    if (!thrift_begin(in)) return;
    while (thrift_next(in, &field)) {
        if (field.id == 1 && !group->chunks) {
            uint32_t count = thrift_get_list(in, field, &element);
            group->chunks = arena_calloc(&metadata->arena, count, sizeof *group->chunks);
            for (uint32_t i = 0; i < count && !in->bad; i++) read_chunk(in, &group->chunks[i]);
            group->chunk_count = count;
        } else if (field.id == 3) {
            group->rows = thrift_get_int(in, field);
        } else {
            thrift_skip(in, field);
        }
    }
}

static void read_key_value(struct parquet_metadata *metadata, struct thrift_reader *in)
{
    struct thrift_field field;
    struct slice key = {0}, value = {0};
    if (!thrift_begin(in)) return;
    while (thrift_next(in, &field)) {
        if (field.id == 1) {
            key = thrift_get_binary(in, field);
        } else if (field.id == 2) {
            value = thrift_get_binary(in, field);
        } else {
            thrift_skip(in, field);
        }
    }
    if (slice_equal(key, slice_str("org.apache.spark.version"))) metadata->spark_version = value;
    if (slice_equal(key, slice_str("org.apache.spark.timeZone"))) metadata->spark_zone = value;
    if (slice_equal(key, slice_str("org.apache.spark.legacyDateTime"))) metadata->legacy_times = true;
    if (slice_equal(key, slice_str("org.apache.spark.legacyINT96"))) metadata->legacy_int96 = true;
}

// The keys count beside a version only, and are implied by an old one; Spark compares versions as text too.
static void settle_legacy(struct parquet_metadata *metadata)
{
    struct slice version = metadata->spark_version;
    const char *text = version.data ? arena_strndup(&metadata->arena, version.data, version.length) : NULL;
    metadata->legacy_times = text && (metadata->legacy_times || strcmp(text, "3.0.0") < 0);
    metadata->legacy_int96 = text && (metadata->legacy_int96 || strcmp(text, "3.1.0") < 0);
}

static void read_file(struct parquet_metadata *metadata, struct thrift_reader *in)
{
    struct thrift_field field, element;
    if (!thrift_begin(in)) return;
    while (thrift_next(in, &field)) {
        if (field.id == 2 && !metadata->elements) {
            uint32_t count = thrift_get_list(in, field, &element);
            metadata->elements = arena_calloc(&metadata->arena, count, sizeof *metadata->elements);
            for (uint32_t i = 0; i < count && !in->bad; i++) read_element(in, &metadata->elements[i]);
            metadata->element_count = count;
        } else if (field.id == 4 && !metadata->groups) {
            uint32_t count = thrift_get_list(in, field, &element);
            metadata->groups = arena_calloc(&metadata->arena, count, sizeof *metadata->groups);
            for (uint32_t i = 0; i < count && !in->bad; i++) read_group(metadata, in, &metadata->groups[i]);
            metadata->group_count = count;
        } else if (field.id == 5) {
            uint32_t count = thrift_get_list(in, field, &element);
            for (uint32_t i = 0; i < count && !in->bad; i++) read_key_value(metadata, in);
        } else {
            thrift_skip(in, field);
        }
    }
    settle_legacy(metadata);
}

static enum status check_groups(struct parquet_metadata *metadata, struct error *err)
{
    int64_t rows = 0, end = (int64_t)metadata->footer_offset;
    for (uint32_t i = 0; i < metadata->group_count; i++) {
        const struct parquet_group_meta *group = &metadata->groups[i];
        if (group->rows < 0 || group->rows > INT64_MAX - rows) return corrupt(err, "a row group has no count of rows");
        rows += group->rows;
        for (uint32_t k = 0; k < group->chunk_count; k++) {
            const struct parquet_chunk_meta *chunk = &group->chunks[k];
            if (chunk->encrypted) {
                return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                                 "the Parquet file has encrypted or missing column metadata, which is not read");
            }
            if (chunk->elsewhere) {
                return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                                 "the Parquet file keeps columns in other files, which is not read");
            }
            if (chunk->data_offset < 0 || chunk->data_offset > end || chunk->dictionary_offset < 0 ||
                chunk->dictionary_offset > end || chunk->value_count < 0) {
                return corrupt(err, "a column chunk lies outside of the file");
            }
        }
    }
    metadata->rows = rows;
    return STATUS_OK;
}

uint64_t parquet_metadata_chunk_start(const struct parquet_chunk_meta *chunk)
{
    // Some writers give no dictionary offset, or 0, though the first page is a dictionary.
    bool dictionary_first = chunk->dictionary_offset > 0 && chunk->dictionary_offset < chunk->data_offset;
    return (uint64_t)(dictionary_first ? chunk->dictionary_offset : chunk->data_offset);
}

static int compare_starts(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void sort_starts(struct parquet_metadata *metadata)
{
    for (uint32_t i = 0; i < metadata->group_count; i++) metadata->start_count += metadata->groups[i].chunk_count;
    if (metadata->start_count == 0) return;
    uint64_t *starts = arena_calloc(&metadata->arena, metadata->start_count, sizeof *starts), *next = starts;
    for (uint32_t i = 0; i < metadata->group_count; i++) {
        const struct parquet_group_meta *group = &metadata->groups[i];
        for (uint32_t k = 0; k < group->chunk_count; k++) *next++ = parquet_metadata_chunk_start(&group->chunks[k]);
    }
    qsort(starts, metadata->start_count, sizeof *starts, compare_starts);
    metadata->starts = starts;
}

uint64_t parquet_metadata_chunk_end(const struct parquet_metadata *metadata, const struct parquet_chunk_meta *chunk)
{
    uint64_t start = parquet_metadata_chunk_start(chunk);
    size_t low = 0, high = metadata->start_count; // the first start that is greater
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (metadata->starts[middle] <= start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < metadata->start_count ? metadata->starts[low] : metadata->footer_offset;
}

enum status parquet_metadata_find(const uint8_t *tail, size_t tail_size, uint64_t file_size, uint64_t *ret_offset,
                                  struct error *err)
{
    uint32_t length;
    if (file_size < PARQUET_MAGIC_SIZE + PARQUET_TAIL_SIZE) return corrupt(err, "it does not end with PAR1");
    ASSERT(tail_size >= PARQUET_TAIL_SIZE);
    const uint8_t *magic = tail + tail_size - PARQUET_MAGIC_SIZE;
    if (memcmp(magic, "PARE", PARQUET_MAGIC_SIZE) == 0) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE, "the Parquet file's footer is encrypted");
    }
    if (memcmp(magic, PARQUET_MAGIC, PARQUET_MAGIC_SIZE) != 0) return corrupt(err, "it does not end with PAR1");
    memcpy(&length, tail + tail_size - PARQUET_TAIL_SIZE, sizeof length);
    if (length > file_size - PARQUET_TAIL_SIZE - PARQUET_MAGIC_SIZE) {
        return corrupt(err, "its footer is longer than the file");
    }
    *ret_offset = file_size - PARQUET_TAIL_SIZE - length;
    return STATUS_OK;
}

enum status parquet_metadata_read(struct parquet_metadata *metadata, const uint8_t *bytes, size_t size, uint64_t offset,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    struct thrift_reader in;
    *metadata = (struct parquet_metadata){.footer_offset = offset};
    arena_init(&metadata->arena, 0);
    thrift_reader_init(&in, bytes, size);
    read_file(metadata, &in);
    if (in.bad || metadata->element_count == 0) TRY(corrupt(err, "its footer is damaged"));
    TRY(check_groups(metadata, err));
    sort_starts(metadata);
out:
    if (status != STATUS_OK) parquet_metadata_deinit(metadata);
    return status;
}

void parquet_metadata_deinit(struct parquet_metadata *metadata)
{
    arena_deinit(&metadata->arena);
    *metadata = (struct parquet_metadata){0};
}

// Data page V1 has encodings of levels as 3 and 4; V2 counts of nulls and rows as 2 and 3.
static void read_page_body(struct thrift_reader *in, struct parquet_page_header *header, int kind)
{
    struct thrift_field field;
    bool v2 = kind == 8;
    if (!thrift_begin(in)) return;
    while (thrift_next(in, &field)) {
        if (field.id == 1) {
            header->value_count = thrift_get_i32(in, field);
        } else if (field.id == (v2 ? 4 : 2)) {
            header->encoding = thrift_get_i32(in, field);
        } else if (kind == 5 && field.id == 3) {
            header->def_encoding = thrift_get_i32(in, field);
        } else if (kind == 5 && field.id == 4) {
            header->rep_encoding = thrift_get_i32(in, field);
        } else if (v2 && field.id == 5) {
            header->def_bytes = thrift_get_i32(in, field);
        } else if (v2 && field.id == 6) {
            header->rep_bytes = thrift_get_i32(in, field);
        } else if (v2 && field.id == 7) {
            header->compressed = thrift_get_bool(in, field);
        } else {
            thrift_skip(in, field);
        }
    }
}

enum status parquet_metadata_page(const uint8_t *bytes, size_t size, struct parquet_page_header *ret_header,
                                  struct error *err)
{
    struct parquet_page_header header = {.type = -1, .value_count = -1, .compressed = true};
    struct thrift_reader in;
    struct thrift_field field;
    thrift_reader_init(&in, bytes, size);
    thrift_begin(&in);
    while (thrift_next(&in, &field)) {
        switch (field.id) {
        case 1: header.type = thrift_get_i32(&in, field); break;
        case 2: header.raw_size = thrift_get_i32(&in, field); break;
        case 3: header.packed_size = thrift_get_i32(&in, field); break;
        case 4:
            header.crc = (uint32_t)thrift_get_i32(&in, field);
            header.has_crc = true;
            break;
        case 5:
        case 7:
        case 8: read_page_body(&in, &header, field.id); break;
        default: thrift_skip(&in, field);
        }
    }
    header.header_size = (size_t)(in.at - bytes);
    if (in.bad || header.raw_size < 0 || header.packed_size < 0 ||
        (size_t)header.packed_size > size - header.header_size || header.def_bytes < 0 || header.rep_bytes < 0) {
        return corrupt(err, "a page header is damaged");
    }
    *ret_header = header;
    return STATUS_OK;
}

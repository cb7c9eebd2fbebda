// Table features: see delta_feature.h. Old protocols (writer 2 to 6) imply features silently, so what is active is read
// from properties and column metadata as well as from the lists.
#include "common/delta/delta_feature.h"

#include <string.h>

#include "common/base/text.h"

enum { FEATURE_READER_MAX = 3, FEATURE_WRITER_MAX = 7 };

// Reader features whose presence changes nothing that readers here do, or that they obey. Those of variants ask nothing
// of a table without such a column; one with it is refused with its schema.
static const char *const feature_readable[] = {
    "timestampNtz",        "v2Checkpoint",     "vacuumProtocolCheck",      "deletionVectors",
    "columnMapping",       "typeWidening",     "typeWidening-preview",     "variantType",
    "variantType-preview", "variantShredding", "variantShredding-preview", NULL};
// Writer features that need nothing of a writer of whole files, or are checked by property and column metadata below.
static const char *const feature_writable[] = {"columnMapping",
                                               "deletionVectors",
                                               "appendOnly",
                                               "invariants",
                                               "checkConstraints",
                                               "changeDataFeed",
                                               "generatedColumns",
                                               "identityColumns",
                                               "timestampNtz",
                                               "v2Checkpoint",
                                               "vacuumProtocolCheck",
                                               "domainMetadata",
                                               "inCommitTimestamp",
                                               "clustering",
                                               "allowColumnDefaults",
                                               "checkpointProtection",
                                               "variantType",
                                               "variantType-preview",
                                               "variantShredding",
                                               "variantShredding-preview",
                                               NULL};

static bool feature_in(const char *const *list, const char *name)
{
    for (; *list; list++) {
        if (strcmp(*list, name) == 0) return true;
    }
    return false;
}

static bool feature_property_true(const struct delta_metadata *metadata, const char *key)
{
    const char *value = delta_action_map_get(&metadata->configuration, key);
    return value && strcasecmp(value, "true") == 0;
}

static enum status feature_refuse(const char *who, const char *what, const char *name, struct error *err)
{
    return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                     "the table asks of %s the %s '%s', which is not supported", who, what, name);
}

enum status delta_feature_check_read(const struct delta_protocol *protocol, const struct delta_metadata *metadata,
                                     struct error *err)
{
    if (protocol->min_reader_version > FEATURE_READER_MAX || protocol->min_reader_version < 1) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "the table asks for readers of protocol version %d, this one knows 1 to %d",
                         protocol->min_reader_version, FEATURE_READER_MAX);
    }
    if (protocol->min_reader_version == FEATURE_READER_MAX) {
        for (uint32_t i = 0; i < protocol->reader_features.count; i++) {
            const char *name = protocol->reader_features.items[i];
            if (!feature_in(feature_readable, name)) return feature_refuse("readers", "feature", name, err);
        }
    }
    const char *mode = delta_action_map_get(&metadata->configuration, "delta.columnMapping.mode");
    if (mode && strcasecmp(mode, "none") != 0 && strcasecmp(mode, "name") != 0 && strcasecmp(mode, "id") != 0) {
        return feature_refuse("readers", "property delta.columnMapping.mode =", mode, err);
    }
    return STATUS_OK;
}

// The names from the column down to a field.
struct feature_path {
    const struct feature_path *above; // NULL: a column
    const char *name;
};

static void feature_path_write(const struct feature_path *path, struct text *text)
{
    if (path->above) {
        feature_path_write(path->above, text);
        text_append_char(text, '.');
    }
    text_append_str(text, path->name);
}

// NOT NULL of whole columns is enforced row by row, deeper down it is not.
static enum status feature_refuse_nested_not_null(const struct feature_path *path, struct error *err)
{
    struct text text = {0};
    feature_path_write(path, &text);
    enum status status = error_set(
        err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
        "the table's field '%s' is NOT NULL inside a column, which this writer cannot enforce", text_str(&text));
    text_deinit(&text);
    return status;
}

static enum status feature_check_fields(const struct delta_field *fields, uint32_t count,
                                        const struct feature_path *above, bool map, struct error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        struct feature_path path = {above, fields[i].name};
        bool key = map && i == 0; // never null
        if (above && !key && !fields[i].nullable) return feature_refuse_nested_not_null(&path, err);
        if (fields[i].refused) {
            return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                             "the table's column '%s' carries %s, which this writer cannot enforce", fields[i].name,
                             strcmp(fields[i].refused, "__CHAR_VARCHAR_TYPE_STRING") == 0
                                 ? "the type varchar(n) or char(n) (__CHAR_VARCHAR_TYPE_STRING)"
                                 : fields[i].refused);
        }
        enum status status = feature_check_fields(fields[i].children, fields[i].child_count, &path,
                                                  fields[i].type->kind == TYPE_MAP, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status feature_check_properties(const struct delta_metadata *metadata, bool removes, struct error *err)
{
    static const char *const refused[] = {"delta.enableInCommitTimestamps", "delta.enableRowTracking",
                                          "delta.enableIcebergCompatV1",    "delta.enableIcebergCompatV2",
                                          "delta.enableIcebergCompatV3",    NULL};
    for (const char *const *at = refused; *at; at++) {
        if (feature_property_true(metadata, *at)) return feature_refuse("writers", "property", *at, err);
    }
    const char *mode = delta_action_map_get(&metadata->configuration, "delta.columnMapping.mode");
    if (mode && strcasecmp(mode, "none") != 0) {
        return feature_refuse("writers", "property delta.columnMapping.mode =", mode, err);
    }
    for (uint32_t i = 0; i < metadata->configuration.count; i++) {
        const char *key = metadata->configuration.items[i].key;
        if (strncmp(key, "delta.constraints.", 18) == 0) return feature_refuse("writers", "constraint", key + 18, err);
    }
    if (removes && feature_property_true(metadata, "delta.appendOnly")) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "the table is append-only (delta.appendOnly = true), so no row of it may be replaced");
    }
    return STATUS_OK;
}

enum status delta_feature_check_write(const struct delta_protocol *protocol, const struct delta_metadata *metadata,
                                      const struct delta_schema *schema, bool removes, struct error *err)
{
    enum status status = delta_feature_check_read(protocol, metadata, err);
    if (status != STATUS_OK) return status;
    if (protocol->min_writer_version > FEATURE_WRITER_MAX || protocol->min_writer_version < 1) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "the table asks for writers of protocol version %d, this one knows 1 to %d",
                         protocol->min_writer_version, FEATURE_WRITER_MAX);
    }
    if (protocol->min_writer_version == FEATURE_WRITER_MAX) {
        for (uint32_t i = 0; i < protocol->writer_features.count; i++) {
            const char *name = protocol->writer_features.items[i];
            if (!feature_in(feature_writable, name)) {
                return feature_refuse("writers", "feature", name, err);
            }
        }
    }
    status = feature_check_properties(metadata, removes, err);
    if (status != STATUS_OK) return status;
    return feature_check_fields(schema->fields, schema->field_count, NULL, false, err);
}

// ---- taking a table over

enum feature_value {
    FEATURE_NOT_TRUE, // any value but true
    FEATURE_ABSENT,
    FEATURE_CLASSIC,
    FEATURE_CODEC,
    FEATURE_COUNT, // from 1
    FEATURE_COUNT_OR_ALL,
};
static const struct {
    const char *key;
    enum feature_value value;
} feature_adopted[] = {
    {"delta.checkpointPolicy", FEATURE_CLASSIC},
    {"delta.checkpointInterval", FEATURE_COUNT},
    {"delta.checkpoint.writeStatsAsStruct", FEATURE_NOT_TRUE},
    {"delta.parquet.compression.codec", FEATURE_CODEC},
    {"delta.dataSkippingNumIndexedCols", FEATURE_COUNT_OR_ALL},
    {"delta.setTransactionRetentionDuration", FEATURE_ABSENT}, // the pipeline's own txn must stay
    {"delta.compatibility.symlinkFormatManifest.enabled", FEATURE_NOT_TRUE},
    {"delta.universalFormat.enabledFormats", FEATURE_ABSENT},
};

static bool feature_value_fits(enum feature_value kind, const char *value)
{
    static const char *const codecs[] = {"zstd", "snappy", "gzip", "lz4_raw", "lz4raw", "none", "uncompressed", NULL};
    int64_t number = 0;
    switch (kind) {
    case FEATURE_NOT_TRUE: return strcasecmp(value, "true") != 0;
    case FEATURE_ABSENT: return *value == '\0';
    case FEATURE_CLASSIC: return strcasecmp(value, "classic") == 0;
    case FEATURE_COUNT: return text_parse_i64(value, &number) && number >= 1;
    case FEATURE_COUNT_OR_ALL: return text_parse_i64(value, &number) && number >= -1 && number <= INT32_MAX;
    case FEATURE_CODEC: break;
    }
    for (const char *const *at = codecs; *at; at++) {
        if (strcasecmp(value, *at) == 0) return true;
    }
    return false;
}

enum status delta_feature_check_adopt(const struct delta_metadata *metadata, struct error *err)
{
    for (size_t i = 0; i < sizeof feature_adopted / sizeof *feature_adopted; i++) {
        const char *value = delta_action_map_get(&metadata->configuration, feature_adopted[i].key);
        if (!value || feature_value_fits(feature_adopted[i].value, value)) continue;
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "the table's property %s = '%.100s' cannot be heeded; change it before the table is adopted",
                         feature_adopted[i].key, value);
    }
    return STATUS_OK;
}

static bool feature_uses_ntz(const struct type *type)
{
    if (type->kind == TYPE_TIMESTAMP_NTZ) return true;
    for (uint32_t i = 0; i < type->child_count; i++) {
        if (feature_uses_ntz(type->children[i].type)) return true;
    }
    return false;
}

void delta_feature_protocol(const struct type *schema, struct delta_protocol *ret_protocol)
{
    static const char *readers[] = {"timestampNtz"};
    static const char *writers[] = {"timestampNtz", "appendOnly", "invariants"};
    *ret_protocol = (struct delta_protocol){.min_reader_version = 1, .min_writer_version = 2};
    if (!feature_uses_ntz(schema)) return;
    ret_protocol->min_reader_version = FEATURE_READER_MAX;
    ret_protocol->min_writer_version = FEATURE_WRITER_MAX;
    ret_protocol->reader_features = (struct delta_strings){readers, 1, true};
    ret_protocol->writer_features = (struct delta_strings){writers, 3, true};
}

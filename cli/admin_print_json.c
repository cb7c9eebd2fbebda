// Tables of the answers: one row a thing, columns as wide as they need. An answer that is no JSON is printed as it is.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/admin_print.h"
#include "common/base/text.h"
#include "common/base/vector.h"

#define PRINT_COLUMNS_MAX 12u

struct print_table {
    const char *const *heads;
    size_t columns;
    VECTOR(char *) cells;
};

static void print_cell(struct print_table *table, const char *format, ...) PRINTF_LIKE(2, 3);
static void print_cell(struct print_table *table, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    vector_push(&table->cells, memory_strdup(text));
}

static void print_flush(struct print_table *table, FILE *to)
{
    size_t widths[PRINT_COLUMNS_MAX] = {0}, rows = table->cells.count / table->columns;
    for (size_t c = 0; c < table->columns; c++) {
        widths[c] = strlen(table->heads[c]);
        for (size_t r = 0; r < rows; r++) {
            size_t width = strlen(table->cells.items[r * table->columns + c]);
            if (width > widths[c]) widths[c] = width;
        }
    }
    for (size_t c = 0; c < table->columns; c++)
        fprintf(to, "%-*s%s", c + 1 < table->columns ? (int)widths[c] : 0, table->heads[c],
                c + 1 < table->columns ? "  " : "\n");
    for (size_t i = 0; i < table->cells.count; i++) {
        size_t c = i % table->columns;
        fprintf(to, "%-*s%s", c + 1 < table->columns ? (int)widths[c] : 0, table->cells.items[i],
                c + 1 < table->columns ? "  " : "\n");
        memory_free(table->cells.items[i]);
    }
    if (rows == 0) fputs("(none)\n", to);
    vector_deinit(&table->cells);
}

#define PRINT_TABLE(name, ...)                                                                                         \
    static const char *const name##_heads[] = {__VA_ARGS__};                                                           \
    struct print_table name = {name##_heads, sizeof name##_heads / sizeof *name##_heads, {0}}

static const char *print_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "-";
}

static long long print_int(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

static const char *print_bytes(long long bytes, char text[24])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024 && unit < 4; unit++) value /= 1024;
    snprintf(text, 24, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

static const char *print_seconds(const json_t *value, char text[24])
{
    snprintf(text, 24, json_is_number(value) ? "%.3f" : "-", json_number_value(value));
    return text;
}

static const char *print_time(const json_t *ms, char text[40])
{
    time_t seconds = (time_t)(json_integer_value(ms) / 1000);
    struct tm parts;
    if (!json_is_integer(ms) || !gmtime_r(&seconds, &parts)) return "-";
    strftime(text, 40, "%Y-%m-%d %H:%M:%SZ", &parts);
    return text;
}

static void print_pipelines(const json_t *list, FILE *to)
{
    PRINT_TABLE(table, "PIPELINE", "STATE", "VERSION", "GENERATION", "DECIDED", "PUBLISHED", "LAG ROWS", "WORKERS");
    size_t i, k;
    const json_t *pipeline, *worker;
    json_array_foreach(list, i, pipeline)
    {
        const json_t *status = json_object_get(pipeline, "status");
        int workers = 0;
        json_array_foreach(json_object_get(status, "workers"), k, worker) workers +=
            json_is_true(json_object_get(worker, "takesPart"));
        print_cell(&table, "%s", print_text(pipeline, "name"));
        print_cell(&table, "%s", print_text(pipeline, "state"));
        print_cell(&table, "%lld", print_int(pipeline, "version"));
        print_cell(&table, "%lld", print_int(status, "generation"));
        print_cell(&table, "%lld", print_int(status, "decided"));
        print_cell(&table, "%lld", print_int(status, "published"));
        print_cell(&table, "%lld", print_int(status, "lagRows"));
        print_cell(&table, "%d", workers);
    }
    print_flush(&table, to);
    json_array_foreach(list, i, pipeline)
    {
        if (json_is_string(json_object_get(pipeline, "error")))
            fprintf(to, "%s: %s\n", print_text(pipeline, "name"), print_text(pipeline, "error"));
    }
}

// Why streams stand still.
static void print_fills(const json_t *pipeline, FILE *to)
{
    size_t i;
    const json_t *at;
    json_array_foreach(json_object_get(json_object_get(pipeline, "status"), "fills"), i, at)
    {
        fprintf(to, "%s: table %s is being filled from %s: %lld of %lld files; all streams wait for that\n",
                print_text(pipeline, "name"), print_text(at, "table"), print_text(at, "from"), print_int(at, "planned"),
                print_int(at, "files"));
    }
}

static void print_describe(const json_t *list, FILE *to)
{
    const json_t *pipeline = json_array_get(list, 0), *status = json_object_get(pipeline, "status"), *at;
    size_t i;
    char time[40], seconds[24], bytes[24];
    print_pipelines(list, to);
    fprintf(to, "\nfile %s, applied %s, id %s\n", print_text(pipeline, "file"),
            print_time(json_object_get(pipeline, "appliedMs"), time), print_text(status, "id"));
    if (json_is_string(json_object_get(status, "trouble")))
        fprintf(to, "last trouble: %s\n", print_text(status, "trouble"));
    print_fills(pipeline, to);
    fprintf(to, "restarts %lld, moves %lld, the last took %s s\n\n", print_int(status, "restarts"),
            print_int(status, "moves"), print_seconds(json_object_get(status, "lastMoveS"), seconds));
    PRINT_TABLE(tables, "TABLE", "BATCH", "WATERMARK", "ROWS IN", "ROWS OUT", "LATE", "DEAD LETTERS", "WRITTEN", "URL");
    json_array_foreach(json_object_get(status, "tables"), i, at)
    {
        print_cell(&tables, "%s", print_text(at, "name"));
        print_cell(&tables, "%lld", print_int(at, "batch"));
        print_cell(&tables, "%s", print_time(json_object_get(at, "watermarkMs"), time));
        print_cell(&tables, "%lld", print_int(at, "rowsIn"));
        print_cell(&tables, "%lld", print_int(at, "rowsOut"));
        print_cell(&tables, "%lld", print_int(at, "rowsLate"));
        print_cell(&tables, "%lld", print_int(at, "deadLetters"));
        print_cell(&tables, "%s", print_bytes(print_int(at, "bytesOut"), bytes));
        print_cell(&tables, "%s", print_text(at, "url"));
    }
    print_flush(&tables, to);
    PRINT_TABLE(workers, "WORKER", "HOLDS", "LANES", "PARTITIONS", "SHARDS", "MEMORY");
    json_array_foreach(json_object_get(status, "workers"), i, at)
    {
        bool leaving = json_is_true(json_object_get(at, "leaving"));
        bool takes = json_is_true(json_object_get(at, "takesPart"));
        print_cell(&workers, "%s", print_text(at, "name"));
        bool unfit = json_is_string(json_object_get(at, "unfit"));
        print_cell(&workers, "%s", takes ? leaving ? "leaving" : "yes" : unfit ? "cannot" : "no");
        print_cell(&workers, "%lld", print_int(at, "lanes"));
        print_cell(&workers, "%lld", print_int(at, "partitions"));
        print_cell(&workers, "%lld", print_int(at, "shards"));
        print_cell(&workers, "%s", print_bytes(print_int(at, "memoryBytes"), bytes));
    }
    fputc('\n', to);
    print_flush(&workers, to);
    json_array_foreach(json_object_get(status, "workers"), i, at)
    {
        if (json_is_string(json_object_get(at, "unfit")))
            fprintf(to, "worker %s: %s\n", print_text(at, "name"), print_text(at, "unfit"));
    }
}

static void print_epochs(const json_t *list, FILE *to)
{
    PRINT_TABLE(table, "PIPELINE", "EPOCH", "STATE", "PLANNED", "ROWS", "BYTES", "READ S", "PREPARE S", "DECIDE S",
                "PUBLISH S");
    size_t i, k;
    const json_t *pipeline, *epoch;
    char time[40], text[24];
    json_array_foreach(list, i, pipeline)
    {
        json_array_foreach(json_object_get(json_object_get(pipeline, "status"), "epochs"), k, epoch)
        {
            print_cell(&table, "%s", print_text(pipeline, "name"));
            print_cell(&table, "%lld", print_int(epoch, "epoch"));
            print_cell(&table, "%s", print_text(epoch, "state"));
            print_cell(&table, "%s", print_time(json_object_get(epoch, "timestampMs"), time));
            print_cell(&table, "%lld", print_int(epoch, "rows"));
            print_cell(&table, "%s", print_bytes(print_int(epoch, "bytes"), text));
            static const char *const phases[] = {"readS", "prepareS", "decideS", "publishS"};
            for (size_t p = 0; p < 4; p++)
                print_cell(&table, "%s", print_seconds(json_object_get(epoch, phases[p]), text));
        }
    }
    print_flush(&table, to);
}

static void print_lag(const json_t *list, FILE *to)
{
    PRINT_TABLE(table, "PIPELINE", "SOURCE", "TOPIC", "PARTITION", "NEXT", "END", "LAG ROWS", "LAG S", "WORKER");
    size_t i, k;
    const json_t *pipeline, *at;
    char text[24];
    json_array_foreach(list, i, pipeline)
    {
        json_array_foreach(json_object_get(json_object_get(pipeline, "status"), "partitions"), k, at)
        {
            print_cell(&table, "%s", print_text(pipeline, "name"));
            print_cell(&table, "%s", print_text(at, "source"));
            print_cell(&table, "%s", print_text(at, "topic"));
            print_cell(&table, "%lld", print_int(at, "partition"));
            print_cell(&table, "%lld", print_int(at, "next"));
            print_cell(&table, "%lld", print_int(at, "end"));
            print_cell(&table, "%lld", print_int(at, "lagRows"));
            print_cell(&table, "%s", print_seconds(json_object_get(at, "lagSeconds"), text));
            print_cell(&table, "%s", print_text(at, "worker"));
        }
    }
    print_flush(&table, to);
    json_array_foreach(list, i, pipeline) print_fills(pipeline, to);
}

static void print_shards(const json_t *list, FILE *to)
{
    PRINT_TABLE(table, "PIPELINE", "SHARDS", "LANE", "WORKER");
    PRINT_TABLE(state, "PIPELINE", "OPERATOR", "PARTS", "SNAPSHOT", "ENTRIES", "LAST EPOCH");
    size_t i, k;
    const json_t *pipeline, *at;
    char text[24];
    json_array_foreach(list, i, pipeline)
    {
        const json_t *status = json_object_get(pipeline, "status");
        json_array_foreach(json_object_get(status, "shards"), k, at)
        {
            print_cell(&table, "%s", print_text(pipeline, "name"));
            print_cell(&table, "%lld-%lld", print_int(at, "first"), print_int(at, "last"));
            print_cell(&table, "%lld", print_int(at, "lane"));
            print_cell(&table, "%s", print_text(at, "worker"));
        }
        const char *name;
        json_t *operator_at;
        json_object_foreach(json_object_get(status, "stateSnapshot"), name, operator_at)
        {
            print_cell(&state, "%s", print_text(pipeline, "name"));
            print_cell(&state, "%s", name);
            print_cell(&state, "%lld", print_int(operator_at, "parts"));
            print_cell(&state, "%s", print_bytes(print_int(operator_at, "bytes"), text));
            print_cell(&state, "%lld", print_int(operator_at, "entries"));
            print_cell(&state, "%lld", print_int(operator_at, "lastEpoch"));
        }
    }
    print_flush(&table, to);
    fputc('\n', to);
    print_flush(&state, to);
}

static void print_workers(const json_t *list, FILE *to)
{
    PRINT_TABLE(table, "WORKER", "STATE", "LANES", "MEMORY", "USED", "HEARD", "HOLDS", "URL");
    size_t i, k;
    const json_t *worker, *held;
    char text[24];
    json_array_foreach(list, i, worker)
    {
        struct text holds = {0};
        json_array_foreach(json_object_get(worker, "holds"), k, held)
            text_printf(&holds, "%s%s: %lld partitions, %lld shards", k ? "; " : "", print_text(held, "pipeline"),
                        print_int(held, "partitions"), print_int(held, "shards"));
        print_cell(&table, "%s", print_text(worker, "name"));
        print_cell(&table, "%s", print_text(worker, "state"));
        print_cell(&table, "%lld", print_int(worker, "lanes"));
        print_cell(&table, "%s", print_bytes(print_int(worker, "memoryBytes"), text));
        print_cell(&table, "%s", print_bytes(print_int(worker, "memoryUsedBytes"), text));
        print_cell(&table, "%.1f s ago", json_number_value(json_object_get(worker, "heardSecondsAgo")));
        print_cell(&table, "%s", holds.length ? text_str(&holds) : "-");
        print_cell(&table, "%s", print_text(worker, "url"));
        text_deinit(&holds);
    }
    print_flush(&table, to);
}

static void print_status(const json_t *status, FILE *to)
{
    const json_t *leader = json_object_get(status, "leader"), *kv = json_object_get(status, "kv");
    const json_t *workers = json_object_get(status, "workers"), *pipelines = json_object_get(status, "pipelines");
    fprintf(to, "state      %s\nversion    %s\nleader     %s at %s (term %lld)\n", print_text(status, "state"),
            print_text(status, "version"), print_text(leader, "name"), print_text(leader, "url"),
            print_int(leader, "term"));
    const char *trouble = json_string_value(json_object_get(kv, "trouble"));
    fprintf(to, "etcd       %s: %s\n", print_text(kv, "url"), trouble ? trouble : "answers");
    fprintf(to, "workers    %lld there, %lld silent\n", print_int(workers, "alive"), print_int(workers, "silent"));
    fprintf(to, "pipelines  %lld applied, %lld running, %lld failed\n", print_int(pipelines, "applied"),
            print_int(pipelines, "running"), print_int(pipelines, "failed"));
    size_t i;
    const json_t *refused;
    json_array_foreach(json_object_get(status, "refused"), i, refused)
        fprintf(to, "refused    worker %s: %s\n", print_text(refused, "worker"), print_text(refused, "why"));
}

void admin_print(const struct admin_verb *verb, const char *json, FILE *to)
{
    static const struct {
        const char *verb, *list; // list: the field that holds the things
        void (*print)(const json_t *list, FILE *to);
    } prints[] = {{"pipelines list", "pipelines", print_pipelines},
                  {"pipelines describe", "pipelines", print_describe},
                  {"workers list", "workers", print_workers},
                  {"workers describe", "workers", print_workers},
                  {"epochs", "pipelines", print_epochs},
                  {"lag", "pipelines", print_lag},
                  {"shards", "pipelines", print_shards},
                  {"cluster status", NULL, print_status}};
    json_t *read = json_loads(json, 0, NULL);
    for (size_t i = 0; read && i < sizeof prints / sizeof *prints; i++) {
        if (strcmp(prints[i].verb, verb->name) != 0) continue;
        prints[i].print(prints[i].list ? json_object_get(read, prints[i].list) : read, to);
        json_decref(read);
        return;
    }
    json_decref(read);
    fprintf(to, "%s\n", json);
}

void admin_print_message(const char *message)
{
    json_t *json = json_pack("{s:s}", "message", message);
    if (json) json_dumpf(json, stdout, JSON_COMPACT);
    fputc('\n', stdout);
    json_decref(json);
}

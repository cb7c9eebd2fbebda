// foreset tables history: the commits of a Delta table, newest first.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/table_print.h"
#include "cli/tables_commands.h"
#include "common/columnar/datetime_text.h"
#include "common/delta/delta_log.h"
#include "common/delta/delta_stats.h"

enum { HISTORY_COLUMNS = 7, HISTORY_CELL = 96 };

static const char history_help[] = "usage: foreset tables history PATH [--limit N] [--format table|json|csv]\n"
                                   "\n"
                                   "Prints the commits of a Delta table that its log still has, newest first: version, "
                                   "time, operation, the epochs it\n"
                                   "published, rows and files added (and files removed), bytes added.\n"
                                   "\n"
                                   "Example:\n"
                                   "  foreset tables history warehouse/streaming/gold/dashboard --limit 10\n";

struct history_options {
    const char *path;
    uint64_t limit;
    enum table_print_format format;
};
struct history_row {
    int64_t version;
    char time[DATETIME_TEXT_SIZE];
    char operation[HISTORY_CELL];
    uint64_t epoch_first, epoch_last; // 0: not of a pipeline
    bool has_rows;
    uint64_t rows, files_added, files_removed, bytes;
};

static int history_parse(struct history_options *options, int argc, char **argv)
{
    static const struct option longs[] = {{"limit", required_argument, NULL, 'l'},
                                          {"format", required_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    *options = (struct history_options){.limit = UINT64_MAX};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        switch (c) {
        case 'l':
            if (text_parse_u64(optarg, &options->limit)) break;
            fprintf(stderr, "foreset tables history: --limit %s: expected a number of commits\n", optarg);
            return 3;
        case 'f':
            if (table_print_format_parse(optarg, &options->format)) break;
            fprintf(stderr, "foreset tables history: --format %s: expected table, json or csv\n", optarg);
            return 3;
        case 'h': fputs(history_help, stdout); return 1;
        default: fputs("Try: foreset tables history --help\n", stderr); return 3;
        }
    }
    if (optind != argc - 1) {
        fprintf(stderr, "foreset tables history: %s\nTry: foreset tables history --help\n",
                optind < argc ? "one table at a time" : "which table? Give its path");
        return 3;
    }
    options->path = argv[optind];
    return 0;
}

static void history_of(const struct delta_commit *commit, struct history_row *row)
{
    *row = (struct history_row){.version = commit->version, .has_rows = true};
    for (size_t i = 0; i < commit->actions.count; i++) {
        const struct delta_action *action = &commit->actions.items[i];
        uint64_t rows;
        if (action->kind == DELTA_ACTION_REMOVE) row->files_removed++;
        if (action->kind != DELTA_ACTION_ADD) continue;
        row->files_added++;
        row->bytes += (uint64_t)action->add.size_bytes;
        if (action->add.stats && delta_stats_rows(action->add.stats, &rows)) {
            row->rows += rows;
        } else {
            row->has_rows = false;
        }
    }
    const struct delta_commit_info *info = commit->info;
    if (!info) return;
    int64_t ms = info->in_commit_timestamp_ms ? info->in_commit_timestamp_ms : info->timestamp_ms;
    if (ms > 0 && ms < INT64_C(253402300800000)) datetime_text_format_json(ms * 1000, true, row->time);
    if (info->operation) snprintf(row->operation, sizeof row->operation, "%s", info->operation);
    row->epoch_first = info->epoch_first;
    row->epoch_last = info->epoch_last;
}

static void history_json(const struct history_row *row)
{
    struct text line = {0};
    text_printf(&line, "{\"version\":%ld,\"timestamp\":", (long)row->version);
    text_printf(&line, row->time[0] ? "\"%s\"" : "null%s", row->time);
    text_append_str(&line, ",\"operation\":");
    text_append_json(&line, row->operation, strlen(row->operation));
    if (row->epoch_last) {
        text_printf(&line, ",\"epochs\":[%lu,%lu]", (unsigned long)row->epoch_first, (unsigned long)row->epoch_last);
    } else {
        text_append_str(&line, ",\"epochs\":null");
    }
    if (row->has_rows) {
        text_printf(&line, ",\"rows\":%lu", (unsigned long)row->rows);
    } else {
        text_append_str(&line, ",\"rows\":null");
    }
    text_printf(&line, ",\"files_added\":%lu,\"files_removed\":%lu,\"bytes\":%lu}\n", (unsigned long)row->files_added,
                (unsigned long)row->files_removed, (unsigned long)row->bytes);
    fputs(text_str(&line), stdout);
    text_deinit(&line);
}

static void history_cells(const struct history_row *row, char cells[HISTORY_COLUMNS][HISTORY_CELL])
{
    unsigned long first = row->epoch_first, last = row->epoch_last;
    memset(cells, 0, HISTORY_COLUMNS * HISTORY_CELL);
    snprintf(cells[0], HISTORY_CELL, "%ld", (long)row->version);
    snprintf(cells[1], HISTORY_CELL, "%s", row->time);
    snprintf(cells[2], HISTORY_CELL, "%s", row->operation);
    if (last) snprintf(cells[3], HISTORY_CELL, first < last ? "%lu-%lu" : "%lu", first < last ? first : last, last);
    if (row->has_rows) snprintf(cells[4], HISTORY_CELL, "%lu", (unsigned long)row->rows);
    snprintf(cells[5], HISTORY_CELL, row->files_removed ? "+%lu -%lu" : "+%lu", (unsigned long)row->files_added,
             (unsigned long)row->files_removed);
    snprintf(cells[6], HISTORY_CELL, "%lu", (unsigned long)row->bytes);
}

static const char *const history_titles[HISTORY_COLUMNS] = {"version", "timestamp", "operation", "epochs",
                                                            "rows",    "files",     "bytes"};

static void history_table(const struct history_row *rows, size_t count)
{
    static const bool right[HISTORY_COLUMNS] = {true, false, false, true, true, true, true};
    char(*texts)[HISTORY_COLUMNS][HISTORY_CELL] = memory_calloc(count, sizeof *texts);
    const char **cells = memory_calloc(count * HISTORY_COLUMNS, sizeof *cells);
    for (size_t i = 0; i < count; i++) {
        history_cells(&rows[i], texts[i]);
        for (unsigned column = 0; column < HISTORY_COLUMNS; column++)
            cells[i * HISTORY_COLUMNS + column] = texts[i][column];
    }
    table_print_cells(history_titles, right, HISTORY_COLUMNS, cells, count, stdout);
    memory_free(cells);
    memory_free(texts);
}

static void history_csv(const struct history_row *rows, size_t count)
{
    puts("version,timestamp,operation,epochs,rows,files,bytes");
    for (size_t i = 0; i < count; i++) {
        char cells[HISTORY_COLUMNS][HISTORY_CELL];
        history_cells(&rows[i], cells);
        for (unsigned column = 0; column < HISTORY_COLUMNS; column++) {
            bool quote = strpbrk(cells[column], ",\"\n") != NULL;
            printf(quote ? "%s\"%s\"" : "%s%s", column ? "," : "", cells[column]);
        }
        putchar('\n');
    }
}

static enum status history_run(const struct history_options *options, struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore *store = NULL;
    struct delta_versions versions = {0};
    VECTOR(struct history_row) rows = {0};
    TRY(objstore_open(options->path, false, &store, err));
    TRY(delta_log_versions(store, &versions, err));
    if (versions.items.count == 0) {
        TRY(error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE, "%s is not a Delta table, or its log has no commits",
                      store->url));
    }
    for (size_t i = versions.items.count; i > 0 && rows.count < options->limit; i--) {
        struct delta_commit *commit;
        struct history_row row;
        TRY(delta_log_commit_read(store, versions.items.items[i - 1], &commit, err));
        history_of(commit, &row);
        delta_log_commit_destroy(commit);
        vector_push(&rows, row);
    }
    if (options->format == TABLE_PRINT_TABLE) history_table(rows.items, rows.count);
    if (options->format == TABLE_PRINT_CSV) history_csv(rows.items, rows.count);
    for (size_t i = 0; options->format == TABLE_PRINT_JSON && i < rows.count; i++) history_json(&rows.items[i]);
    if (fflush(stdout) != 0) TRY(error_set_errno(err, ERROR_FAIL_PIPELINE, "writing to the standard output"));
out:
    vector_deinit(&rows);
    vector_deinit(&versions.items);
    objstore_close(store);
    return status;
}

int tables_history_main(int argc, char **argv)
{
    struct history_options options;
    struct error err;
    int exit_code = history_parse(&options, argc, argv);
    if (exit_code) return exit_code - 1;
    if (history_run(&options, &err) == STATUS_OK) return 0;
    fprintf(stderr, "foreset tables history: %s\n", err.message);
    return err.class == ERROR_USAGE ? 2 : 1;
}

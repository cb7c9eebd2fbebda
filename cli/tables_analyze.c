// foreset tables analyze: statistics of a Delta table's files, checked by reading them and put right.
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/table_print.h"
#include "cli/tables_commands.h"
#include "common/delta/delta_analyze.h"

enum { ANALYZE_COLUMNS = 3 };

static const char analyze_help[] =
    "usage: foreset tables analyze PATH [--dry-run] [--format table|json|csv]\n"
    "\n"
    "Reads every data file of a Delta table's latest version and compares it with the statistics that the log has of "
    "it.\n"
    "Files whose statistics are wrong or missing are named, and added to the log again with right ones, in one commit "
    "that\n"
    "changes no row. A pipeline or another writer may write to the table at the same time. --dry-run changes nothing.\n"
    "\n"
    "Statistics that are wider than the data are right. Exit code 0: all statistics are right now, or --dry-run.\n"
    "\n"
    "Examples:\n"
    "  foreset tables analyze warehouse/streaming/silver/events --dry-run\n"
    "  foreset tables analyze warehouse/streaming/silver/events --format json\n";

struct analyze_options {
    const char *path;
    bool dry_run;
    enum table_print_format format;
};

// 0: go on; else the exit code + 1.
static int analyze_parse(struct analyze_options *options, int argc, char **argv)
{
    static const struct option longs[] = {{"dry-run", no_argument, NULL, 'd'},
                                          {"format", required_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    *options = (struct analyze_options){0};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        switch (c) {
        case 'd': options->dry_run = true; break;
        case 'f':
            if (table_print_format_parse(optarg, &options->format)) break;
            fprintf(stderr, "foreset tables analyze: --format %s: expected table, json or csv\n", optarg);
            return 3;
        case 'h': fputs(analyze_help, stdout); return 1;
        default: fputs("Try: foreset tables analyze --help\n", stderr); return 3;
        }
    }
    if (optind != argc - 1) {
        fprintf(stderr, "foreset tables analyze: %s\nTry: foreset tables analyze --help\n",
                optind < argc ? "one table at a time" : "which table? Give its path");
        return 3;
    }
    options->path = argv[optind];
    return 0;
}

static const char *analyze_state(const struct delta_analyze_file *file)
{
    static const char *const states[] = {"right", "wrong", "missing"};
    return states[file->state];
}

static void analyze_json(const struct delta_analyze *analyze, bool dry_run)
{
    struct text line = {0};
    for (size_t i = 0; i < analyze->files.count; i++) {
        const struct delta_analyze_file *file = &analyze->files.items[i];
        if (file->state == DELTA_ANALYZE_RIGHT) continue;
        text_append_str(&line, "{\"path\":");
        text_append_json(&line, file->path, strlen(file->path));
        text_printf(&line, ",\"statistics\":\"%s\",\"reason\":", analyze_state(file));
        if (file->reason) {
            text_append_json(&line, file->reason, strlen(file->reason));
        } else {
            text_append_str(&line, "null");
        }
        text_printf(&line, ",\"mended\":%s}\n", !dry_run && file->mended ? "true" : "false");
    }
    text_printf(&line,
                "{\"version\":%ld,\"files\":%zu,\"rows\":%lu,\"right\":%lu,\"wrong\":%lu,\"missing\":%lu,"
                "\"mended\":%lu}\n",
                (long)analyze->version, analyze->files.count, (unsigned long)analyze->rows,
                (unsigned long)analyze->right, (unsigned long)analyze->wrong, (unsigned long)analyze->missing,
                (unsigned long)analyze->mended);
    fputs(text_str(&line), stdout);
    text_deinit(&line);
}

static void analyze_csv_cell(const char *cell, char end)
{
    bool quote = strpbrk(cell, ",\"\n") != NULL;
    if (quote) putchar('"');
    for (; *cell; cell++) {
        if (*cell == '"') putchar('"');
        putchar(*cell);
    }
    if (quote) putchar('"');
    putchar(end);
}

static void analyze_csv(const struct delta_analyze *analyze)
{
    puts("path,statistics,reason");
    for (size_t i = 0; i < analyze->files.count; i++) {
        const struct delta_analyze_file *file = &analyze->files.items[i];
        if (file->state == DELTA_ANALYZE_RIGHT) continue;
        analyze_csv_cell(file->path, ',');
        analyze_csv_cell(analyze_state(file), ',');
        analyze_csv_cell(file->reason ? file->reason : "", '\n');
    }
}

static void analyze_table(const struct delta_analyze *analyze, bool dry_run)
{
    static const char *const titles[ANALYZE_COLUMNS] = {"path", "statistics", "reason"};
    static const bool right[ANALYZE_COLUMNS] = {false};
    const char **cells = memory_calloc((analyze->wrong + analyze->missing) * ANALYZE_COLUMNS + 1, sizeof *cells);
    size_t count = 0;
    for (size_t i = 0; i < analyze->files.count; i++) {
        const struct delta_analyze_file *file = &analyze->files.items[i];
        if (file->state == DELTA_ANALYZE_RIGHT) continue;
        cells[count * ANALYZE_COLUMNS] = file->path;
        cells[count * ANALYZE_COLUMNS + 1] = analyze_state(file);
        cells[count++ * ANALYZE_COLUMNS + 2] = file->reason;
    }
    if (count) table_print_cells(titles, right, ANALYZE_COLUMNS, cells, count, stdout);
    printf("%zu %s read, %lu %s: statistics of %lu are right, of %lu wrong, of %lu missing; ", analyze->files.count,
           text_plural(analyze->files.count, "file", "files"), (unsigned long)analyze->rows,
           text_plural((uint64_t)analyze->rows, "row", "rows"), (unsigned long)analyze->right,
           (unsigned long)analyze->wrong, (unsigned long)analyze->missing);
    if (dry_run) {
        printf("nothing was changed (--dry-run); version %ld\n", (long)analyze->version);
    } else {
        printf("%lu mended; version %ld\n", (unsigned long)analyze->mended, (long)analyze->version);
    }
    memory_free(cells);
}

static enum status analyze_run(const struct analyze_options *options, struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore *store = NULL;
    struct delta_table *table = NULL;
    struct delta_analyze analyze = {0};
    struct random random;
    random_init_system(&random);
    TRY(objstore_open(options->path, false, &store, err));
    TRY(delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_REMOVES, &table, err));
    TRY(delta_analyze_read(table, NULL, &analyze, err));
    if (!options->dry_run) TRY(delta_analyze_mend(table, &analyze, &random, err));
    if (options->format == TABLE_PRINT_TABLE) analyze_table(&analyze, options->dry_run);
    if (options->format == TABLE_PRINT_CSV) analyze_csv(&analyze);
    if (options->format == TABLE_PRINT_JSON) analyze_json(&analyze, options->dry_run);
    if (fflush(stdout) != 0) TRY(error_set_errno(err, ERROR_FAIL_PIPELINE, "writing to the standard output"));
out:
    delta_analyze_deinit(&analyze);
    delta_table_close(table);
    objstore_close(store);
    return status;
}

int tables_analyze_main(int argc, char **argv)
{
    struct analyze_options options;
    struct error err;
    int exit_code = analyze_parse(&options, argc, argv);
    if (exit_code) return exit_code - 1;
    if (analyze_run(&options, &err) == STATUS_OK) return 0;
    fprintf(stderr, "foreset tables analyze: %s\n", err.message);
    return err.class == ERROR_USAGE ? 2 : 1;
}

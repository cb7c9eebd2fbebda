// foreset tables show: the rows of a Delta table.
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/table_print.h"
#include "cli/table_where.h"
#include "cli/tables_commands.h"
#include "common/base/text.h"

enum { SHOW_ROWS_DEFAULT = 20 };

static const char show_help[] =
    "usage: foreset tables show PATH [--columns A,B] [--where EXPR] [--order-by C [DESC],…] [--limit N] [--version V]\n"
    "                           [--format table|json|csv]\n"
    "\n"
    "Prints the rows of a Delta table, its latest version if no other is named. --format table shows 20 rows if "
    "--limit does\n"
    "not say otherwise; json (one object a line) and csv show all.\n"
    "\n"
    "Examples:\n"
    "  foreset tables show warehouse/streaming/gold/dashboard --order-by 'window_start DESC' --limit 5\n"
    "  foreset tables show warehouse/streaming/bronze/events --where \"action = 'buy'\" --format json\n";

struct show_options {
    const char *path;
    struct table_rows_query query;
    bool limited;
    int64_t version;
    enum table_print_format format;
};

// 0: go on; else the exit code + 1.
static int show_parse(struct show_options *options, int argc, char **argv)
{
    static const struct option longs[] = {
        {"columns", required_argument, NULL, 'c'},  {"where", required_argument, NULL, 'w'},
        {"order-by", required_argument, NULL, 'o'}, {"limit", required_argument, NULL, 'l'},
        {"version", required_argument, NULL, 'v'},  {"format", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    *options = (struct show_options){.version = DELTA_VERSION_LATEST};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        switch (c) {
        case 'c': options->query.columns = optarg; break;
        case 'w': options->query.where = optarg; break;
        case 'o': options->query.order_by = optarg; break;
        case 'l':
            options->limited = true;
            if (text_parse_u64(optarg, &options->query.limit)) break;
            fprintf(stderr, "foreset tables show: --limit %s: expected a number of rows\n", optarg);
            return 3;
        case 'v':
            if (text_parse_i64(optarg, &options->version) && options->version >= 0) break;
            fprintf(stderr, "foreset tables show: --version %s: expected a version number\n", optarg);
            return 3;
        case 'f':
            if (table_print_format_parse(optarg, &options->format)) break;
            fprintf(stderr, "foreset tables show: --format %s: expected table, json or csv\n", optarg);
            return 3;
        case 'h': fputs(show_help, stdout); return 1;
        default: fputs("Try: foreset tables show --help\n", stderr); return 3;
        }
    }
    if (optind != argc - 1) {
        fprintf(stderr, "foreset tables show: %s\nTry: foreset tables show --help\n",
                optind < argc ? "one table at a time" : "which table? Give its path");
        return 3;
    }
    options->path = argv[optind];
    if (!options->limited) options->query.limit = options->format == TABLE_PRINT_TABLE ? SHOW_ROWS_DEFAULT : UINT64_MAX;
    return 0;
}

static enum status show_run(const struct show_options *options, struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore *store = NULL;
    struct delta_table *table = NULL;
    struct table_rows rows = {0};
    TRY(objstore_open(options->path, false, &store, err));
    TRY(delta_table_open(store, options->version, DELTA_LOAD_FILES, &table, err));
    if (table->warning)
        fprintf(stderr, "foreset tables show: warning: log checkpoint passed over: %s\n", table->warning);
    TRY(table_rows_read(table, &options->query, &rows, err));
    table_print_rows(&rows, options->format, stdout);
    if (options->format == TABLE_PRINT_TABLE) {
        printf("%zu rows shown of %lu; version %ld\n", rows.rows.count, (unsigned long)rows.matched,
               (long)table->version);
    }
    if (fflush(stdout) != 0) TRY(error_set_errno(err, ERROR_FAIL_PIPELINE, "writing to the standard output"));
out:
    table_rows_deinit(&rows);
    delta_table_close(table);
    objstore_close(store);
    return status;
}

int tables_show_main(int argc, char **argv)
{
    struct show_options options;
    struct error err;
    int exit_code = show_parse(&options, argc, argv);
    if (exit_code) return exit_code - 1;
    table_filter_connect(table_where_ops());
    if (show_run(&options, &err) == STATUS_OK) return 0;
    fprintf(stderr, "foreset tables show: %s\n", err.message);
    return err.class == ERROR_USAGE ? 2 : 1;
}

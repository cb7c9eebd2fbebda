// Flags of the cluster's roles. Every flag is a field: --tls-ca FILE, FORESET_TLS_CA=FILE, or [coordinator] tls-ca =
// FILE in the configuration file ([worker] for a worker). A password is never a flag: others could read it.
#include "cli/role_options.h"

#include <getopt.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/text.h"

#define ROLE_BOTH (ROLE_COORDINATOR | ROLE_WORKER)

static const struct role_flag {
    const char *flag; // NULL value in `places`: a switch
    size_t offset;
    int kinds;
    bool is_switch, secret; // secret: environment and configuration file only
} role_flags[] = {
    {"name", offsetof(struct role_options, name), ROLE_BOTH, false, false},
    {"listen", offsetof(struct role_options, listen), ROLE_BOTH, false, false},
    {"advertise", offsetof(struct role_options, advertise), ROLE_BOTH, false, false},
    {"etcd", offsetof(struct role_options, etcd), ROLE_COORDINATOR, false, false},
    {"etcd-ca", offsetof(struct role_options, etcd_ca), ROLE_COORDINATOR, false, false},
    {"etcd-cert", offsetof(struct role_options, etcd_cert), ROLE_COORDINATOR, false, false},
    {"etcd-key", offsetof(struct role_options, etcd_key), ROLE_COORDINATOR, false, false},
    {"etcd-user", offsetof(struct role_options, etcd_user), ROLE_COORDINATOR, false, false},
    {"etcd-password", offsetof(struct role_options, etcd_password), ROLE_COORDINATOR, false, true},
    {"warehouse", offsetof(struct role_options, warehouse), ROLE_COORDINATOR, false, false},
    {"state", offsetof(struct role_options, state), ROLE_COORDINATOR, false, false},
    {"allow-path", offsetof(struct role_options, allow_path), ROLE_BOTH, false, false},
    {"allow-env", offsetof(struct role_options, allow_env), ROLE_BOTH, false, false},
    {"http", offsetof(struct role_options, http), ROLE_COORDINATOR, false, false},
    {"lease", offsetof(struct role_options, lease), ROLE_COORDINATOR, false, false},
    {"coordinator", offsetof(struct role_options, coordinators), ROLE_WORKER, false, false},
    {"lanes", offsetof(struct role_options, lanes), ROLE_WORKER, false, false},
    {"memory", offsetof(struct role_options, memory), ROLE_WORKER, false, false},
    {"tls-ca", offsetof(struct role_options, tls_ca), ROLE_BOTH, false, false},
    {"tls-cert", offsetof(struct role_options, tls_cert), ROLE_BOTH, false, false},
    {"tls-key", offsetof(struct role_options, tls_key), ROLE_BOTH, false, false},
    {"tls-server-name", offsetof(struct role_options, tls_server_name), ROLE_BOTH, false, false},
    {"role-map", offsetof(struct role_options, role_map), ROLE_BOTH, false, false},
    {"token-file", offsetof(struct role_options, token_file), ROLE_BOTH, false, false},
    {"http-tls-cert", offsetof(struct role_options, http_tls_cert), ROLE_COORDINATOR, false, false},
    {"http-tls-key", offsetof(struct role_options, http_tls_key), ROLE_COORDINATOR, false, false},
    {"http-token-file", offsetof(struct role_options, http_token_file), ROLE_COORDINATOR, false, false},
    {"tls-crl", offsetof(struct role_options, tls_crl), ROLE_BOTH, false, false},
    {"log-format", offsetof(struct role_options, log_format), ROLE_BOTH, false, false},
    {"log-level", offsetof(struct role_options, log_level), ROLE_BOTH, false, false},
    {"insecure", offsetof(struct role_options, insecure), ROLE_BOTH, true, false},
};
enum { ROLE_FLAG_COUNT = sizeof role_flags / sizeof *role_flags, OPTION_FIRST = 1000, OPTION_CONFIG = 2000 };

struct role_parse {
    struct role_options *options;
    enum role_kind kind;
    const char *wrong; // a key that nobody knows
};

static const char *role_name(enum role_kind kind)
{
    return kind == ROLE_COORDINATOR ? "coordinator" : "worker";
}

int role_options_refuse(enum role_kind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "foreset %s: ", role_name(kind));
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry: foreset %s --help\n", role_name(kind));
    return 2;
}

// The first who says it wins: flags are read before the environment, that before the file.
static void role_set(struct role_options *options, const struct role_flag *flag, const char *value)
{
    char *field = (char *)options + flag->offset;
    if (flag->is_switch) {
        *(bool *)(void *)field = true;
    } else if (!*(const char **)(void *)field) {
        *(const char **)(void *)field = arena_strdup(&options->arena, value);
    }
}

// --allow-path and --allow-env may be repeated: together they are one list.
static void role_add(struct role_options *options, const struct role_flag *flag, const char *value)
{
    const char **field = (const char **)(void *)((char *)options + flag->offset);
    bool list = strncmp(flag->flag, "allow-", 6) == 0;
    if (list && *field) {
        *field = arena_printf(&options->arena, "%s,%s", *field, value);
    } else {
        role_set(options, flag, value);
    }
}

static int role_on_config(void *context, const char *section, const char *name, const char *value)
{
    struct role_parse *parse = context;
    if (strcmp(section, role_name(parse->kind)) != 0) return 1; // another role's, or a pipeline's
    for (size_t i = 0; i < ROLE_FLAG_COUNT; i++) {
        const struct role_flag *flag = &role_flags[i];
        if (strcmp(flag->flag, name) != 0 || !(flag->kinds & (int)parse->kind)) continue;
        if (!flag->is_switch || strcmp(value, "true") == 0) role_set(parse->options, flag, value);
        return 1;
    }
    parse->wrong = arena_strdup(&parse->options->arena, name);
    return 0;
}

static int role_config(struct role_parse *parse, const char *path)
{
    int line = ini_parse(path, role_on_config, parse);
    if (line == 0) return 0;
    if (line < 0) return role_options_refuse(parse->kind, "--config %s: cannot be read", path);
    if (parse->wrong)
        return role_options_refuse(parse->kind, "--config %s: line %d: unknown key '%s'", path, line, parse->wrong);
    return role_options_refuse(parse->kind, "--config %s: line %d: expected [section] or key = value", path, line);
}

static void role_environment(struct role_parse *parse, const char **config)
{
    for (size_t i = 0; i < ROLE_FLAG_COUNT; i++) {
        char name[64] = "FORESET_";
        size_t at = strlen(name);
        for (const char *c = role_flags[i].flag; *c && at + 1 < sizeof name; c++)
            name[at++] = *c == '-' ? '_' : (char)(*c - 'a' + 'A');
        name[at] = '\0';
        const char *value = getenv(name);
        if (!value || !*value || !(role_flags[i].kinds & (int)parse->kind)) continue;
        if (!role_flags[i].is_switch || strcmp(value, "true") == 0) role_set(parse->options, &role_flags[i], value);
    }
    if (!*config) *config = getenv("FORESET_CONFIG");
}

static int role_flags_parse(struct role_parse *parse, const char *help, int argc, char **argv, const char **ret_config)
{
    struct option known[ROLE_FLAG_COUNT + 3] = {0};
    size_t count = 0;
    for (int i = 0; i < ROLE_FLAG_COUNT; i++) {
        if (!(role_flags[i].kinds & (int)parse->kind) || role_flags[i].secret) continue;
        known[count++] = (struct option){role_flags[i].flag, role_flags[i].is_switch ? no_argument : required_argument,
                                         NULL, OPTION_FIRST + i};
    }
    known[count++] = (struct option){"config", required_argument, NULL, OPTION_CONFIG};
    known[count++] = (struct option){"help", no_argument, NULL, 'h'};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return 1;
        }
        if (option == OPTION_CONFIG) {
            *ret_config = optarg;
        } else if (option >= OPTION_FIRST && option < OPTION_FIRST + ROLE_FLAG_COUNT) {
            role_add(parse->options, &role_flags[option - OPTION_FIRST], optarg);
        } else {
            return 1 + role_options_refuse(parse->kind, "unknown or incomplete option");
        }
    }
    if (optind != argc) return 1 + role_options_refuse(parse->kind, "'%s' is not expected", argv[optind]);
    return 0;
}

static int role_check(struct role_options *options, enum role_kind kind)
{
    struct error err;
    if (!options->name) return role_options_refuse(kind, "--name NAME is needed, another one for each process");
    if (!options->listen)
        return role_options_refuse(kind, "--listen URL is needed, e.g. --listen tcp://127.0.0.1:7400");
    options->has_tls = options->tls_ca || options->tls_cert || options->tls_key;
    if (options->has_tls && !(options->tls_ca && options->tls_cert && options->tls_key))
        return role_options_refuse(kind, "TLS needs --tls-ca, --tls-cert and --tls-key together");
    options->tls = (struct rpc_tls){.ca_file = options->tls_ca,
                                    .certificate_file = options->tls_cert,
                                    .key_file = options->tls_key,
                                    .server_name = options->tls_server_name,
                                    .crl_file = options->tls_crl};
    if (rpc_check_listen(options->listen, options->has_tls ? &options->tls : NULL, options->insecure, &err) !=
        STATUS_OK)
        return role_options_refuse(kind, "%s", err.message);
    if (options->role_map && !options->has_tls)
        return role_options_refuse(kind, "--role-map gives roles to certificates: it needs --tls-ca, --tls-cert and "
                                         "--tls-key");
    if (!options->advertise) options->advertise = options->listen;
    enum log_level level = LOG_LEVEL_INFO;
    if (options->log_level && !log_level_parse(options->log_level, &level))
        return role_options_refuse(kind, "--log-level %s: expected debug, info, warn or error", options->log_level);
    bool json = options->log_format && strcmp(options->log_format, "json") == 0;
    if (options->log_format && !json && strcmp(options->log_format, "logfmt") != 0)
        return role_options_refuse(kind, "--log-format %s: expected logfmt or json", options->log_format);
    log_json(json);
    if (options->log_level || !getenv("FORESET_LOG")) log_level_set(level);
    return 0;
}

int role_options_parse(struct role_options *options, enum role_kind kind, const char *help, int argc, char **argv)
{
    memset(options, 0, sizeof *options);
    arena_init(&options->arena, 0);
    struct role_parse parse = {.options = options, .kind = kind};
    const char *config = NULL;
    int refused = role_flags_parse(&parse, help, argc, argv, &config);
    if (refused) return refused;
    role_environment(&parse, &config);
    if (config && *config && (refused = role_config(&parse, config))) return refused + 1;
    refused = role_check(options, kind);
    return refused ? refused + 1 : 0;
}

void role_options_deinit(struct role_options *options)
{
    arena_deinit(&options->arena);
}

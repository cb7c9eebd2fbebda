// What a person says to a cluster: one request to whichever coordinator leads, its answer as a table or as JSON.
//
// Any coordinator of the list may be asked; one that stands by names the leader, who is asked next. While nobody leads
// (an election takes a few seconds) the question is asked again until the deadline.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin_print.h"
#include "cli/admin_verbs.h"
#include "cli/cluster_commands.h"
#include "cli/pipeline_options.h"
#include "common/access/access_token.h"
#include "common/base/clock.h"
#include "common/base/thread.h"
#include "common/rpc/cluster_message.h"
#include "common/rpc/rpc.h"
#include "common/rpc/rpc_url.h"

#define ADMIN_OPTIONS_MAX 256u
#define ADMIN_DEADLINE_US 15000000
#define ADMIN_CALL_US     10000000
#define ADMIN_AGAIN_US    200000
#define ADMIN_FOLLOW_US   500000
#define ADMIN_TEXT_MAX    (1u << 20)

struct admin_call {
    struct arena arena;
    const struct admin_verb *verb;
    const char *coordinators;
    struct rpc_tls tls;
    const char *token_file; // NULL: the default one, for endpoints of this machine
    struct access_token token;
    bool json, follow;
    const char *file;
    Foreset__AdminRequest request;
    Foreset__Property options[ADMIN_OPTIONS_MAX], *option_list[ADMIN_OPTIONS_MAX];
    char *names[8];
};

static int PRINTF_LIKE(2, 3) admin_refuse(const struct admin_verb *verb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "foreset %s: ", verb->name);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry: foreset %s --help\n", verb->name);
    return 2;
}

static bool admin_option(struct admin_call *call, const char *prefix, const char *key, const char *value)
{
    if (call->request.n_options == ADMIN_OPTIONS_MAX) return false;
    Foreset__Property *option = &call->options[call->request.n_options];
    foreset__property__init(option);
    option->key = arena_printf(&call->arena, "%s%s", prefix, key);
    option->value = arena_strdup(&call->arena, value);
    call->option_list[call->request.n_options++] = option;
    return true;
}

static bool admin_pair(struct admin_call *call, const char *prefix, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) return false;
    return admin_option(call, prefix, arena_strndup(&call->arena, text, (size_t)(equals - text)), equals + 1);
}

// ---- The command line ----

enum {
    OPTION_COORDINATOR = 1000,
    OPTION_OUTPUT,
    OPTION_SET,
    OPTION_KAFKA,
    OPTION_FOLLOW,
    OPTION_CA,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_CRL,
    OPTION_SERVER,
    OPTION_TOKEN,
    OPTION_SWITCH,
    OPTION_TABLE
};

static int admin_one(struct admin_call *call, int option, const char *name)
{
    switch (option) {
    case OPTION_COORDINATOR: call->coordinators = optarg; return 0;
    case OPTION_CA: call->tls.ca_file = optarg; return 0;
    case OPTION_CERT: call->tls.certificate_file = optarg; return 0;
    case OPTION_KEY: call->tls.key_file = optarg; return 0;
    case OPTION_CRL: call->tls.crl_file = optarg; return 0;
    case OPTION_SERVER: call->tls.server_name = optarg; return 0;
    case OPTION_TOKEN: call->token_file = optarg; return 0;
    case OPTION_FOLLOW: call->follow = true; return 0;
    case OPTION_SWITCH: return admin_option(call, "", name, "true") ? 0 : 2;
    case OPTION_TABLE: return admin_option(call, "", "table", optarg) ? 0 : 2;
    case OPTION_OUTPUT:
        call->json = strcmp(optarg, "json") == 0;
        return call->json || strcmp(optarg, "table") == 0
                   ? 0
                   : admin_refuse(call->verb, "--output %s: expected table or json", optarg);
    case OPTION_SET:
        return admin_pair(call, "set:", optarg) ? 0 : admin_refuse(call->verb, "--set %s: expected KEY=VALUE", optarg);
    case OPTION_KAFKA:
        return admin_pair(call, "kafka:", optarg) ? 0
                                                  : admin_refuse(call->verb, "--kafka %s: expected KEY=VALUE", optarg);
    default: return admin_refuse(call->verb, "unknown or incomplete option");
    }
}

static int admin_parse(struct admin_call *call, int argc, char **argv)
{
    static const struct option common[] = {{"coordinator", required_argument, NULL, OPTION_COORDINATOR},
                                           {"output", required_argument, NULL, OPTION_OUTPUT},
                                           {"tls-ca", required_argument, NULL, OPTION_CA},
                                           {"tls-cert", required_argument, NULL, OPTION_CERT},
                                           {"tls-key", required_argument, NULL, OPTION_KEY},
                                           {"tls-crl", required_argument, NULL, OPTION_CRL},
                                           {"tls-server-name", required_argument, NULL, OPTION_SERVER},
                                           {"token-file", required_argument, NULL, OPTION_TOKEN},
                                           {"help", no_argument, NULL, 'h'}};
    struct option known[24] = {0};
    size_t count = sizeof common / sizeof *common;
    memcpy(known, common, sizeof common);
    if (call->verb->takes_file) {
        known[count++] = (struct option){"set", required_argument, NULL, OPTION_SET};
        known[count++] = (struct option){"kafka", required_argument, NULL, OPTION_KAFKA};
    }
    if (call->verb->follows) known[count++] = (struct option){"follow", no_argument, NULL, OPTION_FOLLOW};
    if (call->verb->takes_table) known[count++] = (struct option){"table", required_argument, NULL, OPTION_TABLE};
    for (const char *const *at = call->verb->switches; at && *at; at++)
        known[count++] = (struct option){*at, no_argument, NULL, OPTION_SWITCH};
    optind = 1;
    int index = 0;
    for (int option; (option = getopt_long(argc, argv, "", known, &index)) != -1;) {
        if (option == 'h') {
            admin_verbs_help(call->verb);
            return 1;
        }
        int refused = admin_one(call, option, known[index].name);
        if (refused) return refused + 1;
    }
    int given = argc - optind;
    if (given < call->verb->names_min || given > call->verb->names_max)
        return 1 + admin_refuse(call->verb, "expected: foreset %s %s", call->verb->name, call->verb->arguments);
    for (int i = 0; i < given; i++) call->names[i] = argv[optind + i];
    call->request.names = call->names;
    call->request.n_names = (size_t)given;
    return 0;
}

// The SQL file goes along; settings may name it for messages.
static int admin_file(struct admin_call *call)
{
    const char *path = call->names[0];
    call->request.n_names = 0;
    FILE *file = fopen(path, "re");
    if (!file) return admin_refuse(call->verb, "%s: %s", path, strerror(errno));
    uint8_t *text = arena_alloc(&call->arena, ADMIN_TEXT_MAX);
    size_t size = fread(text, 1, ADMIN_TEXT_MAX, file);
    bool failed = ferror(file) != 0 || size == ADMIN_TEXT_MAX;
    fclose(file);
    if (failed) return admin_refuse(call->verb, "%s cannot be read, or is longer than 1 MiB", path);
    call->request.has_text = true;
    call->request.text = (ProtobufCBinaryData){.len = size, .data = text};
    const char *absolute = pipeline_options_absolute(&call->arena, path), *slash = strrchr(absolute, '/');
    admin_option(call, "", "file", slash[1] ? slash + 1 : absolute);
    admin_option(call, "", "directory",
                 slash == absolute ? "/" : arena_strndup(&call->arena, absolute, (size_t)(slash - absolute)));
    return 0;
}

// ---- Asking ----

// Without TLS the token goes over the network as it is: elsewhere than to this machine only if somebody said so.
static const char *admin_token(const struct admin_call *call, const char *url)
{
    struct rpc_url parsed;
    struct error err;
    if (call->tls.ca_file || !*call->token.text) return NULL;
    bool local = rpc_url_parse(url, false, &parsed, &err) == STATUS_OK && rpc_url_is_local(&parsed);
    return local || call->token_file ? call->token.text : NULL;
}

// The user's token, or the file's. Where the default file is missing nobody has started a role yet: the answer says so.
static int admin_read_token(struct admin_call *call)
{
    struct error err;
    if (call->tls.ca_file) return 0;
    enum status status = access_token_read(call->token_file, &call->token, &err);
    bool missing = status == STATUS_NOT_FOUND && !call->token_file;
    return status == STATUS_OK || missing ? 0 : admin_refuse(call->verb, "%s", err.message);
}

static enum status admin_ask_one(struct admin_call *call, const char *url, Foreset__Cluster **ret_message,
                                 struct error *err)
{
    Foreset__Cluster question = FORESET__CLUSTER__INIT;
    struct text bytes = {0};
    void *answer = NULL;
    size_t size = 0;
    question.body_case = FORESET__CLUSTER__BODY_REQUEST;
    question.request = &call->request;
    cluster_message_pack(&question, &bytes);
    const struct rpc_credentials credentials = {.tls = call->tls.ca_file ? &call->tls : NULL,
                                                .token = admin_token(call, url)};
    enum status status = rpc_call(url, &credentials, bytes.data, bytes.length, ADMIN_CALL_US, &answer, &size, err);
    if (status == STATUS_OK) status = cluster_message_unpack(answer, size, ret_message, err);
    memory_free(answer);
    text_deinit(&bytes);
    return status;
}

// One coordinator's answer. NULL: it does not lead, or did not answer; *ret_leader: whom it names; *ret_again: asking
// on may help.
static Foreset__Cluster *admin_ask_whether(struct admin_call *call, const char *url, const char **ret_leader,
                                           bool *ret_again, struct error *err)
{
    Foreset__Cluster *message = NULL;
    enum status status = admin_ask_one(call, url, &message, err);
    bool answered = status == STATUS_OK && message->body_case == FORESET__CLUSTER__BODY_REPLY;
    if (answered && !message->reply->not_leader) return message;
    if (answered) {
        const Foreset__AdminReply *reply = message->reply;
        *ret_again = true;
        if (reply->leader_url) *ret_leader = arena_strdup(&call->arena, reply->leader_url);
        (void)error_set(err, STATUS_ERROR, ERROR_RETRY, "%s", reply->message ? reply->message : "nobody leads");
    } else if (status != STATUS_OK && status != STATUS_UNKNOWN && err->class == ERROR_RETRY) {
        *ret_again = true;
    }
    cluster_message_destroy(message);
    return NULL;
}

// Goes round the coordinators until the leader has answered, or the deadline has passed.
static Foreset__Cluster *admin_ask(struct admin_call *call, struct error *err)
{
    int64_t until_us = clock_boot_us(clock_system()) + ADMIN_DEADLINE_US;
    for (;;) {
        char *list = arena_strdup(&call->arena, call->coordinators), *rest = NULL;
        bool again = false;
        for (char *url = strtok_r(list, ", ", &rest); url; url = strtok_r(NULL, ", ", &rest)) {
            const char *leader = NULL, *next = NULL;
            Foreset__Cluster *message = admin_ask_whether(call, url, &leader, &again, err);
            if (!message && leader && strcmp(leader, url) != 0)
                message = admin_ask_whether(call, leader, &next, &again, err);
            if (message) return message;
        }
        if (!again || clock_boot_us(clock_system()) > until_us) return NULL;
        thread_sleep_us(ADMIN_AGAIN_US);
    }
}

static int admin_answer(const struct admin_call *call, const Foreset__AdminReply *reply)
{
    FILE *to = reply->exit_code == 0 ? stdout : stderr;
    if (reply->has_json) {
        char *json = arena_strndup((struct arena *)&call->arena, (const char *)reply->json.data, reply->json.len);
        if (call->json) {
            puts(json);
        } else {
            admin_print(call->verb, json, stdout);
        }
    }
    if (reply->message && (!call->json || reply->exit_code != 0)) {
        if (reply->exit_code != 0) fprintf(to, "foreset %s: ", call->verb->name);
        fprintf(to, "%s%s", reply->message,
                reply->message[0] && reply->message[strlen(reply->message) - 1] == '\n' ? "" : "\n");
    } else if (reply->message) {
        admin_print_message(reply->message);
    }
    fflush(stdout);
    return (int)reply->exit_code;
}

static int admin_run(struct admin_call *call)
{
    int exit_code;
    do {
        struct error err = {0};
        Foreset__Cluster *message = admin_ask(call, &err);
        if (!message) {
            fprintf(stderr, "foreset %s: %s\n", call->verb->name, err.message);
            return err.class == ERROR_USAGE || err.code == STATUS_CONFLICT ? 2 : 1;
        }
        exit_code = admin_answer(call, message->reply);
        cluster_message_destroy(message);
        if (call->follow) thread_sleep_us(ADMIN_FOLLOW_US);
    } while (call->follow && exit_code == 0);
    return exit_code;
}

int admin_main(int argc, char **argv)
{
    struct admin_call *call = memory_calloc(1, sizeof *call);
    int words = 0, exit_code = admin_verbs_find(argc, argv, &call->verb, &words);
    if (exit_code) {
        memory_free(call);
        return exit_code - 1;
    }
    arena_init(&call->arena, 0);
    foreset__admin_request__init(&call->request);
    call->request.version = (char *)FORESET_VERSION;
    call->request.verb = (char *)call->verb->name;
    call->request.options = call->option_list;
    call->coordinators = getenv("FORESET_COORDINATOR");
    call->token_file = getenv("FORESET_TOKEN_FILE");
    if (call->token_file && !*call->token_file) call->token_file = NULL;
    call->tls = (struct rpc_tls){.ca_file = getenv("FORESET_TLS_CA"),
                                 .certificate_file = getenv("FORESET_TLS_CERT"),
                                 .key_file = getenv("FORESET_TLS_KEY"),
                                 .server_name = getenv("FORESET_TLS_SERVER_NAME"),
                                 .crl_file = getenv("FORESET_TLS_CRL")};
    exit_code = admin_parse(call, argc - words + 1, argv + words - 1);
    if (exit_code == 0 && call->verb->takes_file) exit_code = admin_file(call) ? 3 : 0;
    if (exit_code == 0 && !call->coordinators)
        exit_code = 1 + admin_refuse(call->verb, "--coordinator URL is needed, or FORESET_COORDINATOR, e.g. "
                                                 "tcp://127.0.0.1:7400");
    if (exit_code == 0 && admin_read_token(call)) exit_code = 3;
    if (exit_code == 0) exit_code = 1 + admin_run(call);
    arena_deinit(&call->arena);
    memory_free(call);
    return exit_code - 1;
}

// HTTP by libmicrohttpd: a few threads, as each request asks the cluster's role and waits for its answer.
//
// What can fail: the address; certificate or key; an unknown path (404); another method (405); a wrong token (401),
// or one where none can be right (403); the cluster does not answer (503). Errors are JSON: {"error":"…"}.
#include "coordinator/api/http_server.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "coordinator/api/http_guard.h"
#include "coordinator/api/metrics_json.h"
#include "coordinator/api/public_json.h"

#define HTTP_THREADS  2
#define HTTP_NAME_MAX 200u

struct http_server {
    struct http_server_config config;
    struct http_guard guard;
    struct MHD_Daemon *daemon;
    char *certificate, *key;
};
struct http_call { // a request under way
    struct http_server *server;
    struct MHD_Connection *connection;
    bool all; // a right token was shown
};

static const char http_json[] = "application/json", http_text[] = "text/plain; charset=utf-8";

static enum MHD_Result http_send(const struct http_call *call, unsigned code, const char *type, const struct text *body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->length, body->data ? body->data : "", MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close"); // so a connection's time is a request's
    if (code == MHD_HTTP_UNAUTHORIZED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Bearer realm=\"foreset\", error=\"invalid_token\"");
    }
    enum MHD_Result result = MHD_queue_response(call->connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result http_say(const struct http_call *call, unsigned code, const char *what)
{
    struct text body = {0};
    text_printf(&body, "%s\n", what);
    enum MHD_Result result = http_send(call, code, http_text, &body);
    text_deinit(&body);
    return result;
}

static enum MHD_Result http_fail(const struct http_call *call, unsigned code, const char *what)
{
    struct text body = {0};
    text_append_str(&body, "{\"error\":");
    text_append_json(&body, what, strlen(what));
    text_append_str(&body, "}\n");
    enum MHD_Result result = http_send(call, code, http_json, &body);
    text_deinit(&body);
    return result;
}

static void http_answer_deinit(struct http_answer *answer)
{
    text_deinit(&answer->json);
    text_deinit(&answer->message);
}

static enum MHD_Result http_api(const struct http_call *call, const char *verb, const char *name)
{
    struct http_answer answer = {0};
    struct text shown = {0};
    enum MHD_Result result;
    if (!call->server->config.ask(call->server->config.context, verb, name, &answer)) {
        result = http_fail(call, MHD_HTTP_SERVICE_UNAVAILABLE, "the coordinator does not answer");
    } else if (answer.exit_code == 0 && call->all) {
        result = http_send(call, MHD_HTTP_OK, http_json, &answer.json);
    } else if (answer.exit_code == 0) {
        public_json(text_str(&answer.json), &shown);
        result = http_send(call, MHD_HTTP_OK, http_json, &shown);
    } else if (answer.not_leader) { // the message may quote the kv store's address and trouble
        result = http_fail(call, MHD_HTTP_SERVICE_UNAVAILABLE,
                           call->all ? text_str(&answer.message) : "this coordinator does not lead");
    } else {
        result = http_fail(call, MHD_HTTP_NOT_FOUND, text_str(&answer.message));
    }
    text_deinit(&shown);
    http_answer_deinit(&answer);
    return result;
}

static enum MHD_Result http_metrics(const struct http_call *call)
{
    static const char *const verbs[] = {"cluster status", "pipelines list", "workers list"};
    const struct http_server_config *config = &call->server->config;
    struct http_answer answers[3] = {{0}};
    struct text body = {0};
    bool leads = true;
    for (size_t i = 0; i < 3 && leads; i++) {
        bool answered = config->ask(config->context, verbs[i], NULL, &answers[i]);
        leads = answered && answers[i].exit_code == 0;
    }
    metrics_json(leads ? text_str(&answers[0].json) : NULL, text_str(&answers[1].json), text_str(&answers[2].json),
                 &body);
    config->own_metrics(config->context, &body);
    enum MHD_Result result = http_send(call, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &body);
    for (size_t i = 0; i < 3; i++) http_answer_deinit(&answers[i]);
    text_deinit(&body);
    return result;
}

// Ready: it leads and etcd answers, or it stands by and somebody leads.
static enum MHD_Result http_ready(const struct http_call *call)
{
    const struct http_server_config *config = &call->server->config;
    struct http_answer answer = {0};
    bool answered = config->ask(config->context, "cluster status", NULL, &answer);
    bool ready = answered && (answer.exit_code == 0 ? metrics_json_kv_answers(text_str(&answer.json))
                                                    : answer.not_leader && answer.json.length > 0);
    const char *why = !answered               ? "the coordinator does not answer"
                      : answer.exit_code == 0 ? "etcd does not answer"
                      : call->all             ? text_str(&answer.message)
                                              : "nobody leads, or etcd does not answer";
    struct text body = {0};
    text_printf(&body, ready ? "ready" : "not ready: %s", why);
    enum MHD_Result result = http_say(call, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, text_str(&body));
    text_deinit(&body);
    http_answer_deinit(&answer);
    return result;
}

static enum MHD_Result http_route(const struct http_call *call, const char *path)
{
    static const struct {
        const char *path, *list, *one; // one: the verb when a name follows
    } routes[] = {{"/api/v1/cluster", "cluster status", NULL},
                  {"/api/v1/pipelines", "pipelines list", "pipelines describe"},
                  {"/api/v1/workers", "workers list", "workers describe"},
                  {"/api/v1/epochs", "epochs", "epochs"},
                  {"/api/v1/lag", "lag", "lag"},
                  {"/api/v1/shards", "shards", "shards"}};
    if (strcmp(path, "/metrics") == 0) return http_metrics(call);
    if (strcmp(path, "/healthz") == 0) return http_say(call, MHD_HTTP_OK, "alive");
    if (strcmp(path, "/readyz") == 0) return http_ready(call);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        size_t length = strlen(routes[i].path);
        if (strncmp(path, routes[i].path, length) != 0) continue;
        if (path[length] == '\0') return http_api(call, routes[i].list, NULL);
        const char *name = path + length + 1;
        bool named = path[length] == '/' && *name && strlen(name) < HTTP_NAME_MAX && !strchr(name, '/');
        if (named && routes[i].one) return http_api(call, routes[i].one, name);
    }
    return http_fail(call, MHD_HTTP_NOT_FOUND,
                     "there are /metrics, /healthz, /readyz and /api/v1/{cluster,pipelines,workers,epochs,lag,shards}");
}

static void http_refused(const struct http_call *call, const char *why)
{
    char address[HTTP_ADDRESS_SIZE];
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!call->server->config.refused || !info) return;
    http_guard_text(info->client_addr, address);
    call->server->config.refused(call->server->config.context, address, why);
}

static enum MHD_Result http_handle(void *context, struct MHD_Connection *connection, const char *path,
                                   const char *method, const char *version, const char *upload, size_t *upload_size,
                                   void **state)
{
    (void)version;
    (void)upload;
    (void)state;
    struct http_call call = {.server = context, .connection = connection};
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        *upload_size = 0;
        return http_fail(&call, MHD_HTTP_METHOD_NOT_ALLOWED, "read-only: GET and HEAD");
    }
    const char *header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    switch (http_guard_right(call.server->config.token, header)) {
    case HTTP_PUBLIC: break;
    case HTTP_ALL: call.all = true; break;
    case HTTP_WRONG:
        http_refused(&call, "wrong token");
        return http_fail(&call, MHD_HTTP_UNAUTHORIZED,
                         "wrong token: give Authorization: Bearer TOKEN with the "
                         "coordinator's (--http-token-file), or none for names, counts "
                         "and states");
    case HTTP_NOBODY:
        http_refused(&call, "a token, but no HTTP token is configured");
        return http_fail(&call, MHD_HTTP_FORBIDDEN,
                         "this coordinator takes no token over HTTP: start it with "
                         "--http-token-file");
    }
    return http_route(&call, path);
}

static void http_connection(void *context, struct MHD_Connection *connection, void **own,
                            enum MHD_ConnectionNotificationCode code)
{
    (void)own;
    struct http_server *server = context;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info) return;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        http_guard_opened(&server->guard, info->connect_fd, clock_boot_us(clock_system()));
    } else {
        http_guard_closed(&server->guard, info->connect_fd);
    }
}

void http_server_tick(struct http_server *server)
{
    if (!server) return;
    size_t count =
        http_guard_expire(&server->guard, clock_boot_us(clock_system()), (int64_t)HTTP_CONNECTION_S * 1000000);
    for (; count > 0 && server->config.refused; count--)
        server->config.refused(server->config.context, "?", "a connection took longer than a request may");
}

static struct MHD_Daemon *http_start(struct http_server *server, const struct http_address *address)
{
    const void *at = address->is_v6 ? (const void *)&address->v6 : (const void *)&address->v4;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | (address->is_v6 ? MHD_USE_IPv6 : 0);
    const struct MHD_OptionItem https[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(server->key ? flags | MHD_USE_TLS : flags, 0, NULL, NULL, http_handle, server,
                            MHD_OPTION_SOCK_ADDR, at, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)HTTP_THREADS,
                            MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                            HTTP_CONNECTIONS_OF_IP, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_REQUEST_BYTES_MAX,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S, MHD_OPTION_NOTIFY_CONNECTION,
                            http_connection, server, MHD_OPTION_ARRAY, server->key ? https : plain, MHD_OPTION_END);
}

static void http_free(struct http_server *server)
{
    http_guard_deinit(&server->guard);
    memory_free(server->certificate);
    http_guard_wipe(server->key);
    memory_free(server);
}

enum status http_server_open(const struct http_server_config *config, struct http_server **ret_server,
                             struct error *err)
{
    enum status status = STATUS_OK;
    struct http_address address;
    struct http_server *server = memory_calloc(1, sizeof *server);
    server->config = *config;
    http_guard_init(&server->guard);
    TRY(http_guard_address(config, &address, err));
    if (config->certificate_file) {
        TRY(http_guard_read(config->certificate_file, &server->certificate, err));
        TRY(http_guard_read(config->key_file, &server->key, err));
        if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
            TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "this build of libmicrohttpd has no TLS"));
    }
    server->daemon = http_start(server, &address);
    if (!server->daemon) {
        TRY(error_set(err, STATUS_ERROR, ERROR_USAGE,
                      "--http %s: cannot be listened at: another process has it, it is no address of this machine%s",
                      config->address,
                      server->key ? ", or --http-tls-cert and --http-tls-key are no certificate and its key" : ""));
    }
    *ret_server = server;
out:
    if (status != STATUS_OK) http_free(server);
    return status;
}

unsigned http_server_port(const struct http_server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void http_server_close(struct http_server *server)
{
    if (!server) return;
    MHD_stop_daemon(server->daemon);
    http_free(server);
}

// HTTP by libmicrohttpd: a few threads, as each request asks the cluster's role and waits for its answer.
//
// What can fail: the address; a path that is none (404); another method (405); the cluster does not answer (503).
#include "coordinator/api/http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"
#include "coordinator/api/metrics_json.h"

#define HTTP_THREADS     2
#define HTTP_CONNECTIONS 64
#define HTTP_TIMEOUT_S   15
#define HTTP_NAME_MAX    200u

struct http_server {
    struct http_server_config config;
    struct MHD_Daemon *daemon;
};

static const char http_json[] = "application/json", http_text[] = "text/plain; charset=utf-8";

static enum MHD_Result http_send(struct MHD_Connection *connection, unsigned code, const char *type,
                                 const struct text *body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->length, body->data ? body->data : "", MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result http_say(struct MHD_Connection *connection, unsigned code, const char *what)
{
    struct text body = {0};
    text_printf(&body, "%s\n", what);
    enum MHD_Result result = http_send(connection, code, http_text, &body);
    text_deinit(&body);
    return result;
}

static void http_answer_deinit(struct http_answer *answer)
{
    text_deinit(&answer->json);
    text_deinit(&answer->message);
}

static enum MHD_Result http_api(struct http_server *server, struct MHD_Connection *connection, const char *verb,
                                const char *name)
{
    struct http_answer answer = {0};
    enum MHD_Result result;
    if (!server->config.ask(server->config.context, verb, name, &answer)) {
        result = http_say(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the coordinator does not answer");
    } else if (answer.exit_code == 0) {
        result = http_send(connection, MHD_HTTP_OK, http_json, &answer.json);
    } else {
        unsigned code = answer.not_leader ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_NOT_FOUND;
        result = http_say(connection, code, text_str(&answer.message));
    }
    http_answer_deinit(&answer);
    return result;
}

static enum MHD_Result http_metrics(struct http_server *server, struct MHD_Connection *connection)
{
    static const char *const verbs[] = {"cluster status", "pipelines list", "workers list"};
    struct http_answer answers[3] = {{0}};
    struct text body = {0};
    bool leads = true;
    for (size_t i = 0; i < 3 && leads; i++) {
        bool answered = server->config.ask(server->config.context, verbs[i], NULL, &answers[i]);
        leads = answered && answers[i].exit_code == 0;
    }
    metrics_json(leads ? text_str(&answers[0].json) : NULL, text_str(&answers[1].json), text_str(&answers[2].json),
                 &body);
    server->config.own_metrics(server->config.context, &body);
    enum MHD_Result result = http_send(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &body);
    for (size_t i = 0; i < 3; i++) http_answer_deinit(&answers[i]);
    text_deinit(&body);
    return result;
}

// Ready: it leads and etcd answers, or it stands by and somebody leads.
static enum MHD_Result http_ready(struct http_server *server, struct MHD_Connection *connection)
{
    struct http_answer answer = {0};
    bool answered = server->config.ask(server->config.context, "cluster status", NULL, &answer);
    bool ready = answered && (answer.exit_code == 0 ? metrics_json_kv_answers(text_str(&answer.json))
                                                    : answer.not_leader && answer.json.length > 0);
    const char *why = !answered               ? "the coordinator does not answer"
                      : answer.exit_code == 0 ? "etcd does not answer"
                                              : text_str(&answer.message);
    struct text body = {0};
    text_printf(&body, ready ? "ready" : "not ready: %s", why);
    enum MHD_Result result = http_say(connection, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, text_str(&body));
    text_deinit(&body);
    http_answer_deinit(&answer);
    return result;
}

static enum MHD_Result http_route(struct http_server *server, struct MHD_Connection *connection, const char *path)
{
    static const struct {
        const char *path, *list, *one; // one: the verb when a name follows
    } routes[] = {{"/api/v1/cluster", "cluster status", NULL},
                  {"/api/v1/pipelines", "pipelines list", "pipelines describe"},
                  {"/api/v1/workers", "workers list", "workers describe"},
                  {"/api/v1/epochs", "epochs", "epochs"},
                  {"/api/v1/lag", "lag", "lag"},
                  {"/api/v1/shards", "shards", "shards"}};
    if (strcmp(path, "/metrics") == 0) return http_metrics(server, connection);
    if (strcmp(path, "/healthz") == 0) return http_say(connection, MHD_HTTP_OK, "alive");
    if (strcmp(path, "/readyz") == 0) return http_ready(server, connection);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        size_t length = strlen(routes[i].path);
        if (strncmp(path, routes[i].path, length) != 0) continue;
        if (path[length] == '\0') return http_api(server, connection, routes[i].list, NULL);
        const char *name = path + length + 1;
        bool named = path[length] == '/' && *name && strlen(name) < HTTP_NAME_MAX && !strchr(name, '/');
        if (named && routes[i].one) return http_api(server, connection, routes[i].one, name);
    }
    return http_say(connection, MHD_HTTP_NOT_FOUND,
                    "there are /metrics, /healthz, /readyz and /api/v1/{cluster,pipelines,workers,epochs,lag,shards}");
}

static enum MHD_Result http_handle(void *context, struct MHD_Connection *connection, const char *path,
                                   const char *method, const char *version, const char *upload, size_t *upload_size,
                                   void **state)
{
    (void)version;
    (void)upload;
    (void)state;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        *upload_size = 0;
        return http_say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "read-only: GET and HEAD");
    }
    return http_route(context, connection, path);
}

static bool http_address(const char *address, struct sockaddr_in *v4, struct sockaddr_in6 *v6)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    uint64_t port = 0;
    if (!colon || !text_parse_u64(colon + 1, &port) || port > UINT16_MAX) return false;
    bool brackets = address[0] == '[' && colon > address + 1 && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - address - (brackets ? 2 : 0)), address + (brackets ? 1 : 0));
    *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v6->sin6_family = AF_UNSPEC;
        return true;
    }
    return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
}

enum status http_server_open(const struct http_server_config *config, struct http_server **ret_server,
                             struct error *err)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (!http_address(config->address, &v4, &v6)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "--http %s: expected ADDRESS:PORT, e.g. 127.0.0.1:7480",
                         config->address);
    }
    struct http_server *server = memory_calloc(1, sizeof *server);
    server->config = *config;
    bool is_v6 = v6.sin6_family == AF_INET6;
    const void *address = is_v6 ? (const void *)&v6 : (const void *)&v4;
    server->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | (is_v6 ? MHD_USE_IPv6 : 0), 0, NULL, NULL,
                                      http_handle, server, MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_THREAD_POOL_SIZE,
                                      (unsigned)HTTP_THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS,
                                      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_TIMEOUT_S, MHD_OPTION_END);
    if (!server->daemon) {
        memory_free(server);
        return error_set(
            err, STATUS_ERROR, ERROR_USAGE,
            "--http %s: cannot be listened at: another process has it, or it is no address of this machine",
            config->address);
    }
    *ret_server = server;
    return STATUS_OK;
}

unsigned http_server_port(const struct http_server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void http_server_close(struct http_server *server)
{
    if (!server) return;
    MHD_stop_daemon(server->daemon);
    memory_free(server);
}

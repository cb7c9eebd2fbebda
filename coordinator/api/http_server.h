// A coordinator over HTTP, read-only: /metrics (Prometheus' text format 0.0.4), /healthz, /readyz, and under /api/v1/
// the same JSON that the command line gets. GET and HEAD only; nothing that a request says changes anything.
#ifndef FORESET_API_HTTP_SERVER_H
#define FORESET_API_HTTP_SERVER_H

#include "common/base/text.h"

struct http_answer {
    unsigned exit_code; // of the command
    bool not_leader;
    struct text json, message;
};
struct http_server_config {
    const char *address; // "127.0.0.1:7480", "[::1]:7480"; port 0: any
    // Asks the cluster as a person would; blocks for some seconds at most. False: no answer came.
    bool (*ask)(void *context, const char *verb, const char *name, struct http_answer *ret_answer);
    // Appends metrics of the process itself (network).
    void (*own_metrics)(void *context, struct text *text);
    void *context;
};
struct http_server;
// ERROR_USAGE: an address that is none, or cannot be listened at.
enum status http_server_open(const struct http_server_config *config, struct http_server **ret_server,
                             struct error *err) MUST_USE;
unsigned http_server_port(const struct http_server *server);
void http_server_close(struct http_server *server); // NULL allowed

#endif

// A coordinator over HTTP or HTTPS, read-only: /metrics (Prometheus' text format 0.0.4), /healthz, /readyz, and under
// /api/v1/ the same JSON that the command line gets. GET and HEAD only; nothing that a request says changes anything.
//
// Whoever shows the token (Authorization: Bearer …) sees everything. Without it answers hold names, numbers, states and
// error classes alone (public_json.h); a token that is wrong gets 401.
#ifndef FORESET_API_HTTP_SERVER_H
#define FORESET_API_HTTP_SERVER_H

#include "common/access/access_token.h"
#include "common/base/text.h"

#define HTTP_CONNECTIONS_MAX   64u   // at once; more wait in the listener's queue
#define HTTP_CONNECTIONS_OF_IP 32u   // of them from one address; more are closed at once
#define HTTP_REQUEST_BYTES_MAX 16384 // of a request's line and headers, and what the library needs beside; more: 4xx
#define HTTP_IDLE_S            10    // without a byte
#define HTTP_CONNECTION_S      30    // from accept to the end, whatever happens: each connection serves one request

struct http_answer {
    unsigned exit_code; // of the command
    bool not_leader;
    struct text json, message;
};
struct http_server_config {
    const char *address;                     // "127.0.0.1:7480", "[::1]:7480"; port 0: any
    const char *certificate_file, *key_file; // PEM, both or none
    bool insecure;                           // without TLS at an address that other machines reach
    const struct access_token *token;        // borrowed; NULL: nobody sees everything
    // Asks the cluster as a person would; blocks for some seconds at most. False: no answer came.
    bool (*ask)(void *context, const char *verb, const char *name, struct http_answer *ret_answer);
    // Appends metrics of the process itself (network).
    void (*own_metrics)(void *context, struct text *text);
    // A request with a wrong token, or a connection that took too long; any thread. NULL: nobody asks.
    void (*refused)(void *context, const char *address, const char *why);
    void *context;
};
struct http_server;
// ERROR_USAGE: an address that is invalid, cannot be listened at or is not allowed; a certificate or key that cannot be
// used.
enum status http_server_open(const struct http_server_config *config, struct http_server **ret_server,
                             struct error *err) MUST_USE;
unsigned http_server_port(const struct http_server *server);
// Ends connections that are older than HTTP_CONNECTION_S; call it each second or so. NULL allowed.
void http_server_tick(struct http_server *server);
void http_server_close(struct http_server *server); // NULL allowed

#endif

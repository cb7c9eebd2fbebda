// Who may connect to the HTTP server and for how long, for its own files: the address, TLS files, tokens, a
// connection's time.
#ifndef FORESET_API_HTTP_GUARD_H
#define FORESET_API_HTTP_GUARD_H

#include <netinet/in.h>
#include <pthread.h>

#include "common/base/vector.h"
#include "coordinator/api/http_server.h"

#define HTTP_ADDRESS_SIZE 80

struct http_address {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    bool is_v6;
};
// Reads ADDRESS:PORT and checks the rule: without TLS only where none but this machine's processes reach it, unless
// insecure. ERROR_USAGE.
enum status http_guard_address(const struct http_server_config *config, struct http_address *ret_address,
                               struct error *err) MUST_USE;
// A PEM file; memory_free, and it is wiped by http_guard_wipe.
enum status http_guard_read(const char *path, char **ret_pem, struct error *err) MUST_USE;
void http_guard_wipe(char *pem); // NULL allowed
// "127.0.0.1:4711", "[::1]:4711".
void http_guard_text(const struct sockaddr *address, char ret_text[HTTP_ADDRESS_SIZE]);

enum http_right {
    HTTP_PUBLIC, // no token was shown
    HTTP_ALL,
    HTTP_WRONG,  // a token that is not ours, or something else than a token
    HTTP_NOBODY, // a token was shown, but none is configured
};
// header: of Authorization; NULL: none.
enum http_right http_guard_right(const struct access_token *token, const char *header);

// Connections by age. Any thread.
struct http_connection {
    int socket;
    int64_t since_us; // boot clock
};
struct http_guard {
    pthread_mutex_t lock;
    VECTOR(struct http_connection) connections;
};
void http_guard_init(struct http_guard *guard);
void http_guard_deinit(struct http_guard *guard);
void http_guard_opened(struct http_guard *guard, int socket, int64_t now_us);
void http_guard_closed(struct http_guard *guard, int socket); // before the descriptor is closed
// Shuts those down that are older; their threads see the end and close them. Returns how many.
size_t http_guard_expire(struct http_guard *guard, int64_t now_us, int64_t age_us);

#endif

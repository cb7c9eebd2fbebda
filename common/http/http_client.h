// HTTP requests, blocking, from any thread: one answer at a time (http_client_send) or as it comes
// (http_client_stream). HTTP/1.1, connections are kept and used again, nothing is redirected, no proxy unless asked
// for. What an answer's code means is the caller's to judge: a 404 is STATUS_OK here.
//
// Failures say whether the server may have acted:
//   STATUS_ERROR      the request did not reach it (no such host, refused, TLS): RETRY, or FAIL_PIPELINE where trying
//                     again cannot help (a certificate is refused)
//   STATUS_UNKNOWN    it was sent, in full or in part, and no whole answer came: RETRY. It is never sent again here.
//   STATUS_NO_MEMORY  the answer is larger than answer_max: FAIL_PIPELINE
//   STATUS_INVALID    no http(s) URL, or a file of the configuration cannot be read: USAGE
// Messages name the URL without user, password and query; never a header or a body.
#ifndef FORESET_HTTP_CLIENT_H
#define FORESET_HTTP_CLIENT_H

#include "common/base/text.h"
#include "common/http/http_cancel.h"

struct http_client_config {
    const char *ca;     // PEM file of the authorities to trust; NULL: the system's
    const char *cert;   // PEM file of the client certificate; NULL: none
    const char *key;    // PEM file of its key; NULL: in the certificate's file
    int64_t connect_us; // for connecting, TLS included; 0: 2 s
    bool proxy;         // obey http_proxy and its kin
};
struct http_client;
enum status http_client_create(const struct http_client_config *config, struct http_client **ret_client,
                               struct error *err) MUST_USE;
void http_client_destroy(struct http_client *client); // nothing may be under way; NULL allowed

struct http_request {
    const char *method; // "GET", "HEAD", "POST", "PUT", "DELETE"
    const char *url;
    const char *const *headers; // "Name: value"
    size_t header_count;
    const void *body; // NULL: none
    size_t size;
    int64_t deadline_us; // > 0: from the call to the whole answer; of a stream: to its first bytes
    size_t answer_max;   // bytes; unused in a stream
};

struct http_response {
    long code;
    struct text headers; // the lines as they came
    struct text body;
};
void http_client_response_deinit(struct http_response *response);
// The value of a header, empty if it is not there. Names compare without case.
struct slice http_client_header(const struct http_response *response, const char *name);

enum status http_client_send(struct http_client *client, const struct http_request *request,
                             struct http_response *ret_response, struct error *err) MUST_USE;

// A piece of the answer's body, at once when it comes. False: enough.
typedef bool (*http_chunk_fn)(void *argument, long code, const char *bytes, size_t size);

// Runs until the server ends the answer, on_chunk has enough, it is cancelled, or nothing came for idle_us: each is
// STATUS_OK. A stream that breaks or does not begin fails as above.
enum http_stream_end { HTTP_STREAM_DONE, HTTP_STREAM_ENOUGH, HTTP_STREAM_CANCELLED, HTTP_STREAM_IDLE };
enum status http_client_stream(struct http_client *client, const struct http_request *request, int64_t idle_us,
                               struct http_cancel *cancel, http_chunk_fn on_chunk, void *argument,
                               enum http_stream_end *ret_end, struct error *err) MUST_USE;

#endif

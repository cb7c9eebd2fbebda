// What is asked of a coordinator, by a command or over HTTP: an event for the cluster's role, whose reply finds its way
// back by a token.
#include <pthread.h>
#include <time.h>

#include "cli/cluster_commands.h"
#include "cli/coordinator_host.h"
#include "common/rpc/cluster_message.h"

#define ANSWER_MAX_S 5 // then HTTP says that nobody answers

// Who waits for an answer of the cluster's role: a person's request on the network, or an HTTP thread.
struct request_token {
    struct rpc_request *request; // NULL: HTTP
    struct http_answer *answer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, given_up; // given up: whoever answers frees the token
};

// A person's command.
void coordinator_requests_received(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    struct coordinator_host *host = context;
    Foreset__Cluster *message = NULL;
    struct error err;
    if (cluster_message_unpack(bytes, size, &message, &err) != STATUS_OK) {
        rpc_refuse(request, err.message);
    } else if (message->body_case != FORESET__CLUSTER__BODY_REQUEST) {
        cluster_message_destroy(message);
        rpc_refuse(request, "this is no request");
    } else {
        struct request_token *token = memory_calloc(1, sizeof *token);
        token->request = request;
        role_thread_post(host->thread, cluster_request_event(token, message));
    }
}

static void request_token_free(struct request_token *token)
{
    pthread_mutex_destroy(&token->lock);
    pthread_cond_destroy(&token->changed);
    memory_free(token);
}

static void reply_http(struct request_token *token, const Foreset__AdminReply *reply)
{
    pthread_mutex_lock(&token->lock);
    bool given_up = token->given_up;
    if (!given_up) {
        token->answer->exit_code = reply->exit_code;
        token->answer->not_leader = reply->not_leader;
        if (reply->has_json) text_append(&token->answer->json, (const char *)reply->json.data, reply->json.len);
        if (reply->leader_url) text_printf(&token->answer->json, "{\"leader\":\"%s\"}", reply->leader_url);
        if (reply->message) text_printf(&token->answer->message, "%s", reply->message);
        token->done = true;
        pthread_cond_signal(&token->changed);
    }
    pthread_mutex_unlock(&token->lock);
    if (given_up) request_token_free(token);
}

void coordinator_requests_reply(void *context, void *item, const Foreset__AdminReply *reply)
{
    (void)context;
    struct request_token *token = item;
    if (!token->request) {
        reply_http(token, reply);
        return;
    }
    struct text bytes = {0};
    Foreset__Cluster message = FORESET__CLUSTER__INIT;
    message.body_case = FORESET__CLUSTER__BODY_REPLY;
    message.reply = (Foreset__AdminReply *)reply;
    cluster_message_pack(&message, &bytes);
    rpc_reply(token->request, bytes.data, bytes.length);
    text_deinit(&bytes);
    memory_free(token);
}

// On an HTTP thread.
bool coordinator_requests_ask(void *context, const char *verb, const char *name, struct http_answer *ret_answer)
{
    struct coordinator_host *host = context;
    Foreset__Cluster *message = memory_alloc(sizeof *message);
    foreset__cluster__init(message);
    message->body_case = FORESET__CLUSTER__BODY_REQUEST;
    message->request = memory_alloc(sizeof *message->request);
    foreset__admin_request__init(message->request);
    message->request->version = memory_strdup(FORESET_VERSION);
    message->request->verb = memory_strdup(verb);
    if (name) {
        message->request->names = memory_calloc(1, sizeof *message->request->names);
        message->request->names[0] = memory_strdup(name);
        message->request->n_names = 1;
    }
    struct request_token *token = memory_calloc(1, sizeof *token);
    token->answer = ret_answer;
    pthread_mutex_init(&token->lock, NULL);
    pthread_cond_init(&token->changed, NULL);
    role_thread_post(host->thread, cluster_request_event(token, message));
    struct timespec until = {.tv_sec = clock_wall_us(clock_system()) / 1000000 + ANSWER_MAX_S};
    pthread_mutex_lock(&token->lock);
    int waited = 0;
    while (!token->done && waited == 0) waited = pthread_cond_timedwait(&token->changed, &token->lock, &until);
    bool done = token->done;
    token->given_up = !done;
    pthread_mutex_unlock(&token->lock);
    if (done) request_token_free(token);
    return done;
}

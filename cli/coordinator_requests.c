// What is asked of a coordinator, by a command or over HTTP: an event for the cluster's role, whose reply finds its way
// back by a token.
#include <pthread.h>
#include <time.h>

#include "cli/cluster_commands.h"
#include "cli/coordinator_host.h"
#include "common/base/log.h"
#include "common/rpc/cluster_message.h"

#define ANSWER_MAX_S 5 // then HTTP says that nobody answers

// Who waits for an answer of the cluster's role: a person's request on the network, or an HTTP thread.
struct request_token {
    struct rpc_request *request; // NULL: HTTP
    char *logged;                // a command, and who sent it; for the line that says how it ended
    struct http_answer *answer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, given_up; // given up: whoever answers frees the token
};

static void requests_reply(struct rpc_request *request, const Foreset__AdminReply *reply)
{
    struct text bytes = {0};
    Foreset__Cluster message = FORESET__CLUSTER__INIT;
    message.body_case = FORESET__CLUSTER__BODY_REPLY;
    message.reply = (Foreset__AdminReply *)reply;
    cluster_message_pack(&message, &bytes);
    rpc_reply(request, bytes.data, bytes.length);
    text_deinit(&bytes);
}

enum status coordinator_requests_worker_name(void *context, uint32_t worker, const char *name, struct error *err)
{
    return access_peer_name(((struct coordinator_host *)context)->access, worker, name, err);
}

static void requests_answer(struct rpc_request *request, unsigned exit_code, const char *words)
{
    Foreset__AdminReply reply = FORESET__ADMIN_REPLY__INIT;
    reply.exit_code = exit_code;
    reply.message = (char *)words;
    requests_reply(request, &reply);
}

// A worker that hears nothing asks whether it may join.
static void requests_may_join(struct coordinator_host *host, struct rpc_request *request, const char *name)
{
    struct error err;
    bool may = access_worker_name(host->access, rpc_request_from(request), name, &err) == STATUS_OK;
    requests_answer(request, may ? 0 : 2, may ? "it may join" : err.message);
}

static void requests_command(struct coordinator_host *host, struct rpc_request *request, Foreset__Cluster *message)
{
    const struct rpc_identity *from = rpc_request_from(request);
    char who[ACCESS_LOG_TEXT_SIZE], what[ACCESS_LOG_TEXT_SIZE];
    struct error err;
    if (access_command(host->access, from, message->request, &err) != STATUS_OK) {
        cluster_message_destroy(message);
        requests_answer(request, 2, err.message);
        return;
    }
    struct request_token *token = memory_calloc(1, sizeof *token);
    struct text line = {0};
    token->request = request;
    access_identity_text(host->access, from, who);
    access_command_text(message->request, what);
    text_printf(&line, "coordinator=%s id=%u %s %s", host->options.name, atomic_fetch_add(&host->commands, 1) + 1, who,
                what);
    token->logged = text_take(&line);
    // A command that ends this process is in the log all the same.
    if (access_rule_find(message->request->verb, NULL)->role != ACCESS_READER)
        log_info("command_begins", "%s", token->logged);
    role_thread_post(host->thread, cluster_request_event(token, message));
}

// A person's command, or a worker's question. Nothing of it is read before it is known that somebody of ours sent it.
void coordinator_requests_received(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    struct coordinator_host *host = context;
    Foreset__Cluster *message = NULL;
    struct error err;
    if (access_known(host->access, rpc_request_from(request), &err) != STATUS_OK ||
        cluster_message_unpack(bytes, size, &message, &err) != STATUS_OK) {
        rpc_refuse(request, err.message);
    } else if (message->body_case == FORESET__CLUSTER__BODY_REQUEST) {
        requests_command(host, request, message);
    } else if (message->body_case == FORESET__CLUSTER__BODY_HELLO) {
        requests_may_join(host, request, message->hello->name);
        cluster_message_destroy(message);
    } else {
        cluster_message_destroy(message);
        rpc_refuse(request, "this is no request");
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
    log_info("command", "%s exit=%u%s", token->logged, reply->exit_code, reply->not_leader ? " leads=no" : "");
    requests_reply(token->request, reply);
    memory_free(token->logged);
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

// The node. The happy path: Hello each second to every coordinator; the leader answers with Welcome, which names all
// pipelines that are to be served; what is new is served, what is not named any more is dropped.
//
// What can fail:
// - nobody answers: what runs goes on until its own leader is silent (worker.c); hello goes on, the host finds out why;
// - another leader answers with a higher term: everything is served anew under it, so that no message of the old one
//   finds anybody; a lower term is an old leader's and means nothing (P2, P3);
// - the leader refuses this worker (its name is taken, its version differs): the host hears it each time;
// - it is to end: the leader lets others have what it holds, at an epoch's border, and says when it may go. It goes all
//   the same when no leader answers, or after NODE_LEAVING_US: others recover what it held then.
#include "worker/node.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/vector.h"
#include "common/rpc/cluster_message.h"

#define NODE_HELLO_US           1000000
#define NODE_SILENCE_US         8000000
#define NODE_LEAVING_HELLO_US   200000
#define NODE_LEAVING_SILENCE_US 3000000
#define NODE_LEAVING_US         20000000
#define NODE_UNHEARD_US         5000000  // without an answer: a person is told,
#define NODE_AGAIN_US           60000000 // and again

struct node_served {
    uint64_t channel;
    bool named; // by the Welcome at hand
};
struct node {
    struct node_config config;
    struct seam *seam;
    uint64_t incarnation, term;
    uint32_t leader; // 0: none yet
    VECTOR(struct node_served) served;
    int64_t hello_at_us, heard_us; // of the leader
    int64_t unheard_at_us;         // when a person is to be told that nobody answers
    int64_t leaving_us;            // since when it is to end; 0: it stays
    bool left;
    uint64_t dropped; // messages of old leaders, and malformed ones
    struct text bytes;
};

static void node_network(const struct rpc_counters *counters, Foreset__NetworkReport *report)
{
    report->sent = atomic_load(&counters->sent);
    report->sent_bytes = atomic_load(&counters->sent_bytes);
    report->received = atomic_load(&counters->received);
    report->received_bytes = atomic_load(&counters->received_bytes);
    report->dropped = atomic_load(&counters->dropped_unknown) + atomic_load(&counters->dropped_full) +
                      atomic_load(&counters->dropped_late) + atomic_load(&counters->dropped_hangup);
    report->unacknowledged = atomic_load(&counters->unacknowledged);
    report->malformed = atomic_load(&counters->malformed);
    report->reconnected = atomic_load(&counters->reconnected);
    report->errors = atomic_load(&counters->errors);
}

static void node_hello(struct node *node)
{
    Foreset__NetworkReport network = FORESET__NETWORK_REPORT__INIT;
    Foreset__Hello hello = FORESET__HELLO__INIT;
    hello.name = (char *)node->config.name;
    hello.url = (char *)node->config.url;
    hello.incarnation = node->incarnation;
    hello.lanes = node->config.lanes;
    hello.memory_bytes = node->config.memory_bytes;
    hello.version = (char *)node->config.version;
    hello.has_leaving = hello.leaving = node->leaving_us > 0;
    if (node->config.budget) {
        hello.has_memory_used_bytes = true;
        hello.memory_used_bytes = atomic_load(&node->config.budget->used_bytes);
    }
    if (node->config.network) {
        node_network(node->config.network, &network);
        hello.network = &network;
        hello.has_resident_bytes = hello.has_cpu_us = true;
        hello.resident_bytes = memory_resident_bytes();
        hello.cpu_us = (uint64_t)clock_process_cpu_us();
    }
    Foreset__Cluster message = FORESET__CLUSTER__INIT;
    message.body_case = FORESET__CLUSTER__BODY_HELLO;
    message.hello = &hello;
    cluster_message_pack(&message, &node->bytes);
    for (uint32_t i = 1; i <= node->config.coordinator_count; i++)
        node->seam->ops->send(node->seam, i, node->bytes.data, node->bytes.length);
}

// Everything of the leader before is dropped: its pipelines come again under the new one.
static void node_follow(struct node *node, uint32_t leader, const Foreset__Welcome *welcome)
{
    log_info("leader", "worker=%s url=%s term=%llu", node->config.name, welcome->url,
             (unsigned long long)welcome->term);
    for (size_t i = 0; i < node->served.count; i++)
        node->config.drop(node->config.context, node->served.items[i].channel);
    vector_reset(&node->served);
    node->term = welcome->term;
    node->leader = leader;
    node->config.follow(node->config.context, leader, welcome->url);
}

static void node_serve(struct node *node, const Foreset__Welcome *welcome)
{
    for (size_t i = 0; i < node->served.count; i++) node->served.items[i].named = false;
    for (size_t k = 0; k < welcome->n_serves; k++) {
        const Foreset__Served *serve = welcome->serves[k];
        bool known = false;
        for (size_t i = 0; i < node->served.count; i++) {
            if (node->served.items[i].channel != serve->channel) continue;
            node->served.items[i].named = known = true;
        }
        if (known) continue;
        struct node_served served = {.channel = serve->channel, .named = true};
        vector_push(&node->served, served);
        node->config.serve(node->config.context, serve->channel, serve->pipeline, node->leader);
    }
    size_t left = 0;
    for (size_t i = 0; i < node->served.count; i++) {
        if (node->served.items[i].named) {
            node->served.items[left++] = node->served.items[i];
        } else {
            node->config.drop(node->config.context, node->served.items[i].channel);
        }
    }
    node->served.count = left;
}

static void node_go(struct node *node, const char *why)
{
    if (node->left) return;
    node->left = true;
    log_info("leaves", "worker=%s why=\"%s\"", node->config.name, why);
    node->config.left(node->config.context);
}

static void node_refused(struct node *node, const Foreset__Welcome *welcome)
{
    node->config.refused(node->config.context, welcome->refusal, welcome->final);
    if (node->leaving_us > 0) node_go(node, "it was not taken on");
}

static void node_message(void *role, uint32_t peer, const void *bytes, size_t size)
{
    struct node *node = role;
    Foreset__Cluster *message = NULL;
    struct error err;
    if (cluster_message_unpack(bytes, size, &message, &err) != STATUS_OK) {
        node->dropped++;
        return;
    }
    const Foreset__Welcome *welcome = message->body_case == FORESET__CLUSTER__BODY_WELCOME ? message->welcome : NULL;
    int64_t now_us = clock_boot_us(node->seam->clock);
    // Terms begin anew when the kv store was lost (P21): a leader that is long silent yields to any.
    bool old = welcome && welcome->term < node->term && now_us - node->heard_us < NODE_SILENCE_US;
    if (welcome && !old) {
        node->heard_us = now_us;
        node->unheard_at_us = now_us + NODE_UNHEARD_US;
    }
    if (!welcome || old) {
        node->dropped++;
    } else if (welcome->refusal) {
        node_refused(node, welcome);
    } else {
        if (welcome->term != node->term || peer != node->leader) node_follow(node, peer, welcome);
        node_serve(node, welcome);
        if (node->leaving_us > 0 && welcome->may_go) node_go(node, "everything is handed over");
    }
    cluster_message_destroy(message);
}

static int node_leave_mark; // its address is the event

void *node_leave_event(void)
{
    return &node_leave_mark;
}

static void node_event(void *role, void *event)
{
    struct node *node = role;
    ASSERT(event == &node_leave_mark);
    node->leaving_us = clock_boot_us(node->seam->clock);
    node->hello_at_us = 0;
}

static void node_event_drop(void *event)
{
    (void)event;
}

static void node_leaving(struct node *node, int64_t now_us)
{
    int64_t since_us = node->heard_us > node->leaving_us ? node->heard_us : node->leaving_us;
    if (node->leader == 0) {
        node_go(node, "there is no leader yet");
    } else if (now_us - since_us > NODE_LEAVING_SILENCE_US) {
        node_go(node, "no leader answers");
    } else if (now_us - node->leaving_us > NODE_LEAVING_US) {
        node_go(node, "what it holds was not taken in time");
    }
}

struct node_job {
    struct seam_job job;
    const struct node_config *config;
};

static void node_job_run(struct seam_job *base)
{
    const struct node_config *config = ((struct node_job *)base)->config;
    config->unheard(config->context);
}

static void node_job_drop(struct seam_job *base)
{
    memory_free(base);
}

static void node_unheard(struct node *node, int64_t now_us)
{
    if (node->unheard_at_us == 0) node->unheard_at_us = now_us + NODE_UNHEARD_US;
    if (!node->config.unheard || now_us < node->unheard_at_us) return;
    node->unheard_at_us = now_us + NODE_AGAIN_US;
    struct node_job *job = memory_calloc(1, sizeof *job);
    job->job = (struct seam_job){.run = node_job_run, .done = node_job_drop, .drop = node_job_drop};
    job->config = &node->config;
    node->seam->ops->spawn(node->seam, &job->job);
}

static int64_t node_tick(void *role)
{
    struct node *node = role;
    int64_t now_us = clock_boot_us(node->seam->clock);
    if (now_us >= node->hello_at_us) {
        node_hello(node);
        node->hello_at_us = now_us + (node->leaving_us > 0 ? NODE_LEAVING_HELLO_US : NODE_HELLO_US);
    }
    if (node->leaving_us > 0) node_leaving(node, now_us);
    node_unheard(node, now_us);
    return node->hello_at_us;
}

struct node *node_create(const struct node_config *config, struct seam *seam)
{
    struct node *node = memory_calloc(1, sizeof *node);
    node->config = *config;
    node->seam = seam;
    node->incarnation = random_u64(seam->random) >> 1 | 1;
    return node;
}

void node_role(struct node *node, struct seam_role *ret_role)
{
    *ret_role = (struct seam_role){
        .role = node, .message = node_message, .event = node_event, .event_drop = node_event_drop, .tick = node_tick};
}

void node_destroy(struct node *node)
{
    if (!node) return;
    vector_deinit(&node->served);
    text_deinit(&node->bytes);
    memory_free(node);
}

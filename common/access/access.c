// Decisions and their log. Nothing here can fail but opening; what is not allowed is refused.
//
// A log line is one value after the other in quotes. What a peer chose (names, verbs, its certificate) is cleaned
// before: a quote, a control character or what is not ASCII becomes '?', and long values are cut.
#include "common/access/access.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/vector.h"

#define ACCESS_VALUE_SIZE 100 // of one value in a log line
#define ACCESS_NAME_SIZE  80  // a CN has at most 64 characters (RFC 5280)

struct access_peer {
    uint32_t number;
    uint64_t heard; // counts messages: the smallest was heard of longest ago
    char common_name[ACCESS_NAME_SIZE];
};
struct access {
    struct access_config config;
    struct access_map *map; // NULL without TLS
    struct access_token token;
    pthread_mutex_t lock; // everything below
    VECTOR(struct access_peer) peers;
    uint64_t heard;
    int64_t second; // of the refusals that are counted
    unsigned logged, unlogged;
};

enum status access_open(const struct access_config *config, struct access **ret_access, struct error *err)
{
    struct access *access = memory_calloc(1, sizeof *access);
    access->config = *config;
    pthread_mutex_init(&access->lock, NULL);
    enum status status = config->tls ? access_map_open(config->role_map, &access->map, err)
                                     : access_token_make(config->token_file, &access->token, err);
    if (status != STATUS_OK) {
        access_close(access);
        return status;
    }
    *ret_access = access;
    return STATUS_OK;
}

void access_close(struct access *access)
{
    if (!access) return;
    explicit_bzero(&access->token, sizeof access->token);
    access_map_destroy(access->map);
    vector_deinit(&access->peers);
    pthread_mutex_destroy(&access->lock);
    memory_free(access);
}

const char *access_token_text(const struct access *access)
{
    return access->config.tls ? NULL : access->token.text;
}

const struct access_token *access_own_token(const struct access *access)
{
    return access->config.tls ? NULL : &access->token;
}

// ---- The log ----

static const char *access_clean(const char *value, char ret_text[ACCESS_VALUE_SIZE])
{
    snprintf(ret_text, ACCESS_VALUE_SIZE, "%s", value ? value : "");
    for (char *at = ret_text; *at; at++) {
        if (*at < 0x20 || *at > 0x7E || *at == '"' || *at == '\\') *at = '?';
    }
    return ret_text;
}

static unsigned access_roles(const struct access *access, const struct rpc_identity *from)
{
    if (access->config.tls) return access_map_roles(access->map, from);
    return access_token_equal(&access->token, from->token) ? ACCESS_ROLES_ALL : 0;
}

void access_identity_text(const struct access *access, const struct rpc_identity *from,
                          char ret_text[ACCESS_LOG_TEXT_SIZE])
{
    char address[ACCESS_VALUE_SIZE], common[ACCESS_VALUE_SIZE], organization[ACCESS_VALUE_SIZE];
    char roles[ACCESS_ROLE_TEXT_SIZE];
    access_role_text(access_roles(access, from), roles);
    access_clean(from->address, address);
    if (from->tls) {
        snprintf(ret_text, ACCESS_LOG_TEXT_SIZE, "from=\"%s\" cn=\"%s\" organization=\"%s\" roles=%s", address,
                 access_clean(from->common_name, common), access_clean(from->organization, organization), roles);
    } else {
        snprintf(ret_text, ACCESS_LOG_TEXT_SIZE, "from=\"%s\" token=%s roles=%s", address,
                 !from->token                                      ? "none"
                 : access_token_equal(&access->token, from->token) ? "right"
                                                                   : "wrong",
                 roles);
    }
}

void access_command_text(const Foreset__AdminRequest *request, char ret_text[ACCESS_LOG_TEXT_SIZE])
{
    char value[ACCESS_VALUE_SIZE];
    size_t used =
        (size_t)snprintf(ret_text, ACCESS_LOG_TEXT_SIZE, "verb=\"%s\" names=\"", access_clean(request->verb, value));
    size_t room = ACCESS_LOG_TEXT_SIZE - 100;
    for (size_t i = 0; i < request->n_names && used < room; i++) {
        used += (size_t)snprintf(ret_text + used, room - used + 1, "%s%s", i ? " " : "",
                                 access_clean(request->names[i], value));
        if (used > room) used = room;
    }
    used += (size_t)snprintf(ret_text + used, ACCESS_LOG_TEXT_SIZE - used, "\" options=\"");
    room = ACCESS_LOG_TEXT_SIZE - 2;
    for (size_t i = 0; i < request->n_options && used < room; i++) {
        used += (size_t)snprintf(ret_text + used, room - used + 1, "%s%s", i ? " " : "",
                                 access_clean(request->options[i]->key, value));
        if (used > room) used = room;
    }
    snprintf(ret_text + used, ACCESS_LOG_TEXT_SIZE - used, "\"");
}

// Whoever is refused may come again at once, and must not fill the disk.
static bool access_may_log(struct access *access)
{
    int64_t second = clock_boot_us(clock_system()) / 1000000;
    unsigned unlogged = 0;
    pthread_mutex_lock(&access->lock);
    if (second != access->second) {
        unlogged = access->unlogged;
        access->second = second;
        access->logged = access->unlogged = 0;
    }
    bool may = access->logged < ACCESS_LOG_SECOND;
    if (may) access->logged++;
    if (!may) access->unlogged++;
    pthread_mutex_unlock(&access->lock);
    if (unlogged > 0) {
        log_warn("refusals_not_logged", "%s=%s count=%u", access_role_name(access->config.self), access->config.name,
                 unlogged);
    }
    return may;
}

static enum status access_refuse(struct access *access, const struct rpc_identity *from, const char *what,
                                 const struct error *err)
{
    char who[ACCESS_LOG_TEXT_SIZE];
    if (!access_may_log(access)) return err->code;
    access_identity_text(access, from, who);
    log_warn("refused", "%s=%s %s %s why=\"%s\"", access_role_name(access->config.self), access->config.name, who, what,
             err->message);
    return err->code;
}

void access_refused(struct access *access, const struct rpc_identity *from, const char *what, const char *why)
{
    char text[ACCESS_VALUE_SIZE], line[ACCESS_VALUE_SIZE];
    struct error err;
    snprintf(line, sizeof line, "what=%s", what);
    (void)error_set(&err, STATUS_INVALID, ERROR_USAGE, "%s", access_clean(why, text));
    (void)access_refuse(access, from, line, &err);
}

// ---- Decisions ----

// Nobody at all, by the words that say what to do about it.
static enum status access_nobody(const struct access *access, const struct rpc_identity *from, struct error *err)
{
    char common[ACCESS_VALUE_SIZE], organization[ACCESS_VALUE_SIZE];
    if (!access->config.tls) {
        return error_set(
            err, STATUS_INVALID, ERROR_USAGE,
            "%s token: the %s %s takes the one in %s; run as the user who started it, or give --token-file "
            "FILE (FORESET_TOKEN_FILE) with the same token",
            from->token ? "wrong" : "no", access_role_name(access->config.self), access->config.name,
            access->token.path);
    }
    return error_set(err, STATUS_INVALID, ERROR_USAGE,
                     "the certificate of CN=%s, O=%s has no role here: a line of the role map (--role-map) gives one "
                     "to an O or an alternative name; without a map O=foreset:reader and its like do",
                     access_clean(from->common_name, common), access_clean(from->organization, organization));
}

enum status access_known(struct access *access, const struct rpc_identity *from, struct error *err)
{
    if (access_roles(access, from) != 0) return STATUS_OK;
    (void)access_nobody(access, from, err);
    return access_refuse(access, from, "what=request", err);
}

static enum status access_need(const struct access *access, const struct rpc_identity *from, unsigned roles,
                               enum access_role needed, const char *what, struct error *err)
{
    char common[ACCESS_VALUE_SIZE], has[ACCESS_ROLE_TEXT_SIZE];
    if (roles == 0) return access_nobody(access, from, err);
    if (access_role_includes(roles, needed)) return STATUS_OK;
    access_role_text(roles, has);
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "%s needs the role %s; the certificate of CN=%s has: %s", what,
                     access_role_name(needed), access_clean(from->common_name, common), has);
}

static enum status access_command_may(struct access *access, const struct rpc_identity *from,
                                      const Foreset__AdminRequest *request, struct error *err)
{
    char what[2 * ACCESS_VALUE_SIZE], verb[ACCESS_VALUE_SIZE];
    unsigned roles = access_roles(access, from);
    if (roles == 0) return access_nobody(access, from, err);
    const struct access_rule *rule = access_rule_find(request->verb, NULL);
    if (!rule) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "the coordinator knows no command '%s'",
                         access_clean(request->verb, verb));
    }
    enum status status = access_need(access, from, roles, rule->role, rule->verb, err);
    // An option that some command has an own rule for needs that with every command.
    for (size_t i = 0; (rule = access_rule_at(i)) && status == STATUS_OK; i++) {
        for (size_t k = 0; k < request->n_options && rule->option && status == STATUS_OK; k++) {
            if (strcmp(request->options[k]->key, rule->option) != 0) continue;
            snprintf(what, sizeof what, "%s --%s", rule->verb, rule->option);
            status = access_need(access, from, roles, rule->role, what, err);
        }
    }
    return status;
}

enum status access_command(struct access *access, const struct rpc_identity *from, const Foreset__AdminRequest *request,
                           struct error *err)
{
    char what[ACCESS_LOG_TEXT_SIZE];
    enum status status = access_command_may(access, from, request, err);
    if (status == STATUS_OK) return status;
    access_command_text(request, what);
    return access_refuse(access, from, what, err);
}

// Under the lock. NULL: nobody used the number yet.
static struct access_peer *access_peer_find(struct access *access, uint32_t number)
{
    for (size_t i = 0; i < access->peers.count; i++) {
        if (access->peers.items[i].number == number) return &access->peers.items[i];
    }
    return NULL;
}

// Under the lock.
static struct access_peer *access_peer_add(struct access *access, uint32_t number, const char *common_name)
{
    struct access_peer added = {.number = number};
    snprintf(added.common_name, sizeof added.common_name, "%s", common_name);
    if (access->peers.count < ACCESS_PEERS_MAX) {
        vector_push(&access->peers, added);
        return &access->peers.items[access->peers.count - 1];
    }
    struct access_peer *oldest = &access->peers.items[0];
    for (size_t i = 1; i < access->peers.count; i++) {
        if (access->peers.items[i].heard < oldest->heard) oldest = &access->peers.items[i];
    }
    *oldest = added;
    return oldest;
}

static enum status access_peer_is(struct access *access, const struct rpc_identity *from, uint32_t number,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    if (!access->config.tls) return STATUS_OK;
    char mine[ACCESS_VALUE_SIZE], other[ACCESS_VALUE_SIZE];
    const char *name = from->common_name ? from->common_name : "";
    pthread_mutex_lock(&access->lock);
    struct access_peer *peer = access_peer_find(access, number);
    if (!peer) peer = access_peer_add(access, number, name);
    if (strncmp(peer->common_name, name, sizeof peer->common_name - 1) == 0) {
        peer->heard = ++access->heard;
    } else {
        status = error_set(err, STATUS_INVALID, ERROR_USAGE,
                           "the certificate of CN=%s speaks with the number of the process of CN=%s",
                           access_clean(name, mine), access_clean(peer->common_name, other));
    }
    pthread_mutex_unlock(&access->lock);
    return status;
}

enum status access_message(struct access *access, const struct rpc_identity *from, uint32_t peer,
                           enum envelope_kind kind, struct error *err)
{
    static const char *const kinds[] = {[ENVELOPE_CLUSTER] = "what=\"cluster message\"",
                                        [ENVELOPE_CONTROL] = "what=\"control message\"",
                                        [ENVELOPE_EXCHANGE] = "what=\"exchange frame\""};
    unsigned needed = access_message_sender(access->config.self, kind);
    enum status status = STATUS_OK;
    if (needed == 0) {
        status = error_set(err, STATUS_INVALID, ERROR_USAGE, "a %s takes no such message",
                           access_role_name(access->config.self));
    } else {
        status = access_need(access, from, access_roles(access, from), (enum access_role)needed, "the message", err);
    }
    if (status == STATUS_OK) status = access_peer_is(access, from, peer, err);
    return status == STATUS_OK ? status : access_refuse(access, from, kinds[kind], err);
}

static enum status access_name_is(const struct access *access, const char *common_name, const char *name,
                                  struct error *err)
{
    char mine[ACCESS_VALUE_SIZE], called[ACCESS_VALUE_SIZE];
    if (!access->config.tls || strcmp(common_name, name) == 0) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE,
                     "the certificate is made out to CN=%s, the worker calls itself %s: a worker's --name is the CN of "
                     "its certificate",
                     access_clean(common_name, mine), access_clean(name, called));
}

enum status access_worker_name(struct access *access, const struct rpc_identity *from, const char *name,
                               struct error *err)
{
    enum status status = access_need(access, from, access_roles(access, from), ACCESS_WORKER, "joining", err);
    if (status == STATUS_OK) status = access_name_is(access, from->common_name ? from->common_name : "", name, err);
    return status == STATUS_OK ? status : access_refuse(access, from, "what=join", err);
}

enum status access_peer_name(struct access *access, uint32_t number, const char *name, struct error *err)
{
    char common_name[ACCESS_NAME_SIZE] = "";
    if (!access->config.tls) return STATUS_OK;
    pthread_mutex_lock(&access->lock);
    const struct access_peer *peer = access_peer_find(access, number);
    if (peer) memcpy(common_name, peer->common_name, sizeof common_name);
    pthread_mutex_unlock(&access->lock);
    enum status status = access_name_is(access, common_name, name, err);
    if (status != STATUS_OK && access_may_log(access)) {
        log_warn("refused", "%s=%s what=name peer=%u why=\"%s\"", access_role_name(access->config.self),
                 access->config.name, number, err->message);
    }
    return status;
}

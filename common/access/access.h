// What a peer may do: its certificate's roles, or the token, against the table of access_rule.h. One for each process;
// every question is answered at once, from any thread, and every command and refusal is logged with who sent it.
//
//   TLS      roles of the certificate's names (access_map.h); a worker's CN is its --name
//   no TLS   the token (access_token.h): whoever shows it has every role
#ifndef FORESET_ACCESS_ACCESS_H
#define FORESET_ACCESS_ACCESS_H

#include <stdint.h>

#include "common/access/access_map.h"
#include "common/access/access_rule.h"
#include "common/access/access_token.h"
#include "proto/cluster.pb-c.h"

#define ACCESS_PEERS_MAX     4096u // numbers of peers whose CN is kept; the one heard of longest ago gives way
#define ACCESS_LOG_SECOND    20u   // refusals logged in a second; more are counted, and the number is logged
#define ACCESS_LOG_TEXT_SIZE 512

struct access_config {
    enum access_role self; // ACCESS_COORDINATOR or ACCESS_WORKER: what this process is
    const char *name;      // its --name, for the log
    bool tls;
    const char *role_map;   // with TLS; NULL: the default map
    const char *token_file; // without TLS; NULL: the default file; made where it is missing
};
struct access;
// Errors of map and token.
enum status access_open(const struct access_config *config, struct access **ret_access, struct error *err) MUST_USE;
void access_close(struct access *access); // NULL allowed
// What this process shows to those it dials; NULL with TLS. The same with its file; NULL with TLS.
const char *access_token_text(const struct access *access);
const struct access_token *access_own_token(const struct access *access);

// Whether the peer has any role: before anything that it sent is looked at. Fails as access_command.
enum status access_known(struct access *access, const struct rpc_identity *from, struct error *err) MUST_USE;
// STATUS_INVALID: why the peer may not, for its eyes; logged.
enum status access_command(struct access *access, const struct rpc_identity *from, const Foreset__AdminRequest *request,
                           struct error *err) MUST_USE;
// A message that came in an envelope of this kind, with the peer number that the sender gave itself. A number belongs
// to the certificate that used it first, so that no worker can speak as another one.
enum status access_message(struct access *access, const struct rpc_identity *from, uint32_t peer,
                           enum envelope_kind kind, struct error *err) MUST_USE;
// Whether the worker of this certificate may call itself so; without TLS any may.
enum status access_worker_name(struct access *access, const struct rpc_identity *from, const char *name,
                               struct error *err) MUST_USE;
// The same of a peer number whose messages access_message let through; a refusal is logged.
enum status access_peer_name(struct access *access, uint32_t peer, const char *name, struct error *err) MUST_USE;
// What was refused elsewhere, logged as the refusals above; what: "connection", "http".
void access_refused(struct access *access, const struct rpc_identity *from, const char *what, const char *why);

// Who it is, for a log line: from=… cn="…" organization="…" roles=…; nothing in it can end a value early.
void access_identity_text(const struct access *access, const struct rpc_identity *from,
                          char ret_text[ACCESS_LOG_TEXT_SIZE]);
// The command as it is logged: verb, names, options without their values (a value may be a secret), never its text.
void access_command_text(const Foreset__AdminRequest *request, char ret_text[ACCESS_LOG_TEXT_SIZE]);

#endif

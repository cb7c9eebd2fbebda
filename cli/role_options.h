// What `coordinator` and `worker` take: flags, environment, configuration file, in this order.
#ifndef FORESET_CLI_ROLE_OPTIONS_H
#define FORESET_CLI_ROLE_OPTIONS_H

#include "common/base/memory.h"
#include "common/rpc/rpc.h"

enum role_kind { ROLE_COORDINATOR = 1, ROLE_WORKER = 2 };

struct role_options {
    struct arena arena; // holds every text below
    const char *name, *listen, *advertise;
    const char *etcd, *etcd_ca, *etcd_cert, *etcd_key, *etcd_user, *etcd_password;
    const char *warehouse, *state, *http;
    const char *allow_path, *allow_env; // lists, separated by commas
    const char *coordinators;           // worker: URLs, separated by commas
    const char *lanes, *memory, *lease;
    const char *tls_ca, *tls_cert, *tls_key, *tls_server_name, *tls_crl;
    const char *role_map, *token_file;
    const char *http_tls_cert, *http_tls_key, *http_token_file; // coordinator
    const char *log_format, *log_level;
    bool insecure;
    bool has_tls;
    struct rpc_tls tls;
};
// Returns 0 to go on; else the exit code + 1 (help printed: 1, usage error printed: 3).
int role_options_parse(struct role_options *options, enum role_kind kind, const char *help, int argc, char **argv);
void role_options_deinit(struct role_options *options);
// Reports an error of usage with the command's name; returns 2.
int role_options_refuse(enum role_kind kind, const char *format, ...) PRINTF_LIKE(2, 3);

#endif

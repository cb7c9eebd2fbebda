// Keys and certificates for a test, made by openssl in a folder of its own.
#ifndef FORESET_TEST_CERTIFICATES_H
#define FORESET_TEST_CERTIFICATES_H

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/common/rpc/inbox.h"

static char certificates_folder[] = "/tmp/foreset-tls-XXXXXX";
static char certificates_paths[64][64];

static inline const char *path(const char *name)
{
    static unsigned next;
    char *at = certificates_paths[next++ % 64];
    snprintf(at, sizeof certificates_paths[0], "%s/%s", certificates_folder, name);
    return at;
}

static inline void PRINTF_LIKE(1, 2) run(const char *format, ...)
{
    char command[1024], whole[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(whole, sizeof whole, "cd %s && { %s; } >>log 2>&1", certificates_folder, command);
    if (system(whole) != 0) fail_msg("failed, see %s/log: %s", certificates_folder, command);
}

#define KEY "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

static inline void make_authority(const char *name)
{
    run("openssl req -x509 " KEY " -keyout %s.key -out %s.pem -subj '/CN=%s' -days 30", name, name, name);
}

// alternative: "" for none.
static inline void make_certificate(const char *name, const char *authority, const char *common_name,
                                    const char *alternative, int days)
{
    run("openssl req " KEY " -keyout %s.key -out %s.csr -subj '/CN=%s'", name, name, common_name);
    run("printf '%s' > %s.ext", alternative, name);
    run("openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days %d -extfile %s.ext -out %s.pem",
        name, authority, authority, days, name, name);
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", certificates_folder);
    return system(command);
}

static inline struct rpc_tls tls_of(const char *authority, const char *name)
{
    char file[64];
    struct rpc_tls tls = {0};
    snprintf(file, sizeof file, "%s.pem", authority);
    tls.ca_file = path(file);
    snprintf(file, sizeof file, "%s.pem", name);
    tls.certificate_file = path(file);
    snprintf(file, sizeof file, "%s.key", name);
    tls.key_file = path(file);
    return tls;
}

#endif

// Keys and certificates. A file that cannot be read, or is not what it should be, is told with its name before anything
// listens or dials; a certificate that its time or the other side makes wrong shows when a connection is made.
#include "common/rpc/rpc_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"

enum { RPC_TLS_FILE_MAX = 4 << 20 };

static enum status rpc_tls_read(const char *what, const char *path, char **ret_pem, struct error *err)
{
    if (!path || !*path) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "TLS needs three PEM files: the authorities, the certificate and its key; the %s is missing",
                         what);
    }
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        char reason[128];
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "cannot read the %s file %s: %s", what, path,
                         strerror_r(errno, reason, sizeof reason));
    }
    char *pem = memory_calloc(1, RPC_TLS_FILE_MAX + 1);
    size_t length = 0;
    ssize_t count;
    while ((count = read(file, pem + length, RPC_TLS_FILE_MAX - length)) > 0) length += (size_t)count;
    close(file);
    if (count < 0 || length == 0 || length == RPC_TLS_FILE_MAX || strlen(pem) != length) {
        explicit_bzero(pem, length);
        memory_free(pem);
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "the %s file %s is %s", what, path,
                         count < 0     ? "not readable"
                         : length == 0 ? "empty"
                                       : "no PEM file");
    }
    *ret_pem = memory_realloc(pem, length + 1);
    return STATUS_OK;
}

static void rpc_tls_wipe(char **pem)
{
    if (*pem) explicit_bzero(*pem, strlen(*pem));
    memory_free(*pem);
    *pem = NULL;
}

void rpc_tls_unload(struct rpc_tls_files *files)
{
    rpc_tls_wipe(&files->ca);
    rpc_tls_wipe(&files->certificate);
    rpc_tls_wipe(&files->key);
    memory_free(files->crl);
    memory_free(files->server_name);
    *files = (struct rpc_tls_files){0};
}

// nng takes certificate and key together and does not say which of them it dislikes: a certificate alone can be tried
// as an authority.
static enum status rpc_tls_try(const struct rpc_tls *tls, const struct rpc_tls_files *files, struct error *err)
{
    enum status status = STATUS_OK;
    nng_tls_config *config = NULL;
    int code = nng_tls_config_alloc(&config, NNG_TLS_MODE_SERVER);
    if (code != 0) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "this build of nng has no TLS: %s", nng_strerror(code));
    }
    if (nng_tls_config_ca_chain(config, files->ca, files->crl) != 0) {
        status = error_set(err, STATUS_INVALID, ERROR_USAGE,
                           "the authorities file %s holds no certificates in PEM%s: begin with "
                           "-----BEGIN CERTIFICATE-----",
                           tls->ca_file, files->crl ? " or a damaged revocation list" : "");
    } else if (nng_tls_config_ca_chain(config, files->certificate, NULL) != 0) {
        status = error_set(err, STATUS_INVALID, ERROR_USAGE, "the certificate file %s holds no certificate in PEM",
                           tls->certificate_file);
    } else if (nng_tls_config_own_cert(config, files->certificate, files->key, NULL) != 0) {
        status = error_set(err, STATUS_INVALID, ERROR_USAGE,
                           "the key file %s holds no private key in PEM without a password", tls->key_file);
    }
    nng_tls_config_free(config);
    return status;
}

enum status rpc_tls_load(const struct rpc_tls *tls, struct rpc_tls_files *ret_files, struct error *err)
{
    enum status status = STATUS_OK;
    struct rpc_tls_files files = {0};
    if (!tls) {
        *ret_files = files;
        return STATUS_OK;
    }
    TRY(rpc_tls_read("authorities", tls->ca_file, &files.ca, err));
    TRY(rpc_tls_read("certificate", tls->certificate_file, &files.certificate, err));
    TRY(rpc_tls_read("key", tls->key_file, &files.key, err));
    if (tls->crl_file) TRY(rpc_tls_read("revocation list", tls->crl_file, &files.crl, err));
    const char *crl = tls->crl_file ? NULL : strstr(files.ca, "-----BEGIN X509 CRL-----");
    if (crl) files.crl = memory_strdup(crl);
    if (tls->server_name) files.server_name = memory_strdup(tls->server_name);
    TRY(rpc_tls_try(tls, &files, err));
    *ret_files = files;
    return STATUS_OK;
out:
    rpc_tls_unload(&files);
    return status;
}

enum status rpc_tls_configure(const struct rpc_tls_files *files, const char *url, const struct rpc_url *parsed,
                              bool listen, nng_tls_config **ret_config, struct error *err)
{
    if (parsed->scheme != RPC_URL_TLS) {
        *ret_config = NULL;
        return STATUS_OK;
    }
    if (!files->ca) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "%s needs three PEM files: the authorities, the certificate and its key", url);
    }
    nng_tls_config *config = NULL;
    int code = nng_tls_config_alloc(&config, listen ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
    if (code == 0) code = nng_tls_config_version(config, NNG_TLS_1_2, NNG_TLS_1_3);
    if (code == 0) code = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    if (code == 0) code = nng_tls_config_ca_chain(config, files->ca, files->crl);
    if (code == 0) code = nng_tls_config_own_cert(config, files->certificate, files->key, NULL);
    if (code == 0 && !listen) {
        code = nng_tls_config_server_name(config, files->server_name ? files->server_name : parsed->host);
    }
    if (code != 0) {
        if (config) nng_tls_config_free(config);
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "cannot set up TLS for %s: %s", url,
                         nng_strerror(code));
    }
    *ret_config = config;
    return STATUS_OK;
}

// Keys and certificates. A file that cannot be read, or is not what it should be, is reported with its name before
// anything listens or dials; a certificate that its time or the other side makes wrong shows when a connection is made.
#include "common/rpc/rpc_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
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

static void rpc_tls_wipe(char *pem)
{
    if (pem) explicit_bzero(pem, strlen(pem));
    memory_free(pem);
}

// Adds certificates and revocation lists of a PEM text to the context's store; counts both. False: damaged.
static bool rpc_tls_add(SSL_CTX *ssl, const char *pem, unsigned *certificates, unsigned *lists)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    STACK_OF(X509_INFO) *infos = bio ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    bool good = infos != NULL;
    for (int i = 0; good && i < sk_X509_INFO_num(infos); i++) {
        const X509_INFO *info = sk_X509_INFO_value(infos, i);
        if (info->x509) {
            good = X509_STORE_add_cert(store, info->x509) == 1 && SSL_CTX_add_client_CA(ssl, info->x509) == 1;
            ++*certificates;
        }
        if (info->crl) {
            good = good && X509_STORE_add_crl(store, info->crl) == 1;
            ++*lists;
        }
    }
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
    BIO_free(bio);
    return good;
}

// The certificate and those of intermediate authorities that follow it.
static bool rpc_tls_use_certificate(SSL_CTX *ssl, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    bool good = certificate && SSL_CTX_use_certificate(ssl, certificate) == 1;
    X509_free(certificate);
    while (good && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        good = SSL_CTX_add0_chain_cert(ssl, certificate) == 1;
        if (!good) X509_free(certificate);
    }
    BIO_free(bio);
    return good;
}

static int rpc_tls_no_password(char *buffer, int size, int writes, void *context)
{
    (void)buffer;
    (void)size;
    (void)writes;
    (void)context;
    return 0; // else OpenSSL asks at the terminal
}

static EVP_PKEY *rpc_tls_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, rpc_tls_no_password, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static enum status rpc_tls_use_key(SSL_CTX *ssl, const struct rpc_tls *tls, const char *pem, struct error *err)
{
    EVP_PKEY *key = rpc_tls_key(pem);
    enum status status = STATUS_OK;
    if (!key) {
        status = error_set(err, STATUS_INVALID, ERROR_USAGE,
                           "the key file %s holds no private key in PEM without a password", tls->key_file);
    } else if (SSL_CTX_use_PrivateKey(ssl, key) != 1 || SSL_CTX_check_private_key(ssl) != 1) {
        status = error_set(err, STATUS_INVALID, ERROR_USAGE, "the key in %s does not belong to the certificate in %s",
                           tls->key_file, tls->certificate_file);
    }
    EVP_PKEY_free(key);
    return status;
}

static enum status rpc_tls_use_authorities(SSL_CTX *ssl, const struct rpc_tls *tls, const char *ca, const char *crl,
                                           struct error *err)
{
    unsigned certificates = 0, lists = 0, others = 0;
    if (!rpc_tls_add(ssl, ca, &certificates, &lists) || certificates == 0) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "the authorities file %s holds no certificates in PEM, or damaged ones: begin with "
                         "-----BEGIN CERTIFICATE-----",
                         tls->ca_file);
    }
    unsigned before = lists;
    if (crl && (!rpc_tls_add(ssl, crl, &others, &lists) || lists == before || others > 0)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "the revocation list file %s holds no revocation list in PEM: begin with "
                         "-----BEGIN X509 CRL-----",
                         tls->crl_file);
    }
    if (lists > 0) X509_STORE_set_flags(SSL_CTX_get_cert_store(ssl), X509_V_FLAG_CRL_CHECK);
    return STATUS_OK;
}

static SSL_CTX *rpc_tls_context_new(void)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_method());
    ASSERT(ssl);
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_num_tickets(ssl, 0); // every connection proves who it is; and nothing comes that nobody waits for
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return ssl;
}

enum status rpc_tls_load(const struct rpc_tls *tls, struct rpc_tls_context **ret_context, struct error *err)
{
    enum status status = STATUS_OK;
    char *ca = NULL, *certificate = NULL, *key = NULL, *crl = NULL;
    SSL_CTX *ssl = NULL;
    if (!tls) {
        *ret_context = NULL;
        return STATUS_OK;
    }
    TRY(rpc_tls_read("authorities", tls->ca_file, &ca, err));
    TRY(rpc_tls_read("certificate", tls->certificate_file, &certificate, err));
    TRY(rpc_tls_read("key", tls->key_file, &key, err));
    if (tls->crl_file) TRY(rpc_tls_read("revocation list", tls->crl_file, &crl, err));
    ssl = rpc_tls_context_new();
    TRY(rpc_tls_use_authorities(ssl, tls, ca, crl, err));
    if (!rpc_tls_use_certificate(ssl, certificate)) {
        TRY(error_set(err, STATUS_INVALID, ERROR_USAGE, "the certificate file %s holds no certificate in PEM",
                      tls->certificate_file));
    }
    TRY(rpc_tls_use_key(ssl, tls, key, err));
    struct rpc_tls_context *context = memory_calloc(1, sizeof *context);
    atomic_store(&context->refs, 1);
    context->ssl = ssl;
    context->server_name = tls->server_name ? memory_strdup(tls->server_name) : NULL;
    *ret_context = context;
    ssl = NULL;
out:
    SSL_CTX_free(ssl);
    rpc_tls_wipe(ca);
    rpc_tls_wipe(certificate);
    rpc_tls_wipe(key);
    rpc_tls_wipe(crl);
    ERR_clear_error();
    return status;
}

void rpc_tls_unref(struct rpc_tls_context *context)
{
    if (!context || atomic_fetch_sub(&context->refs, 1) > 1) return;
    SSL_CTX_free(context->ssl);
    memory_free(context->server_name);
    memory_free(context);
}

void rpc_tls_store_init(struct rpc_tls_store *store)
{
    *store = (struct rpc_tls_store){0};
    pthread_mutex_init(&store->lock, NULL);
}

void rpc_tls_store_deinit(struct rpc_tls_store *store)
{
    rpc_tls_unref(store->context);
    pthread_mutex_destroy(&store->lock);
}

void rpc_tls_store_set(struct rpc_tls_store *store, struct rpc_tls_context *context)
{
    pthread_mutex_lock(&store->lock);
    struct rpc_tls_context *old = store->context;
    store->context = context;
    atomic_fetch_add(&store->generation, 1);
    pthread_mutex_unlock(&store->lock);
    rpc_tls_unref(old);
}

struct rpc_tls_context *rpc_tls_store_get(struct rpc_tls_store *store)
{
    pthread_mutex_lock(&store->lock);
    struct rpc_tls_context *context = store->context;
    if (context) atomic_fetch_add(&context->refs, 1);
    pthread_mutex_unlock(&store->lock);
    return context;
}

enum status rpc_tls_store_check(struct rpc_tls_store *store, const char *url, struct error *err)
{
    struct rpc_tls_context *context = rpc_tls_store_get(store);
    bool missing = !context && strncmp(url, "tls+", 4) == 0;
    rpc_tls_unref(context);
    if (!missing) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE,
                     "%s needs three PEM files: the authorities, the certificate and its key", url);
}

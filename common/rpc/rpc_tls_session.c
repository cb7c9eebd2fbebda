// TLS over memory. What can fail: the other side, in every step; the reason is put into words here, because OpenSSL's
// own are for those who wrote it. The other side's names are those of a certificate that may not be trusted: words
// about it are bounded, and control characters are replaced.
#include "common/rpc/rpc_tls_session.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"

enum { RPC_TLS_NAMES_MAX = 64, RPC_TLS_NAME_BYTES_MAX = 512, RPC_TLS_ALERTS = 1000 };

struct rpc_tls_session {
    struct rpc_tls_context *context;
    SSL *ssl;
    BIO *in, *out;  // ssl's
    char host[256]; // to dial; "": listens
    bool refused;   // by this side: why has words
    char why[512];
};

struct rpc_tls_names {
    char *items[RPC_TLS_NAMES_MAX + 1]; // NULL at the end
    unsigned count;
};

static void rpc_tls_names_add(struct rpc_tls_names *names, const char *kind, const char *text, size_t length)
{
    char name[RPC_TLS_NAME_BYTES_MAX];
    bool whole = memchr(text, 0, length) == NULL && strlen(kind) + length < sizeof name;
    if (!whole || names->count == RPC_TLS_NAMES_MAX) return;
    snprintf(name, sizeof name, "%s%.*s", kind, (int)length, text);
    names->items[names->count++] = memory_strdup(name);
}

static void rpc_tls_names_add_address(struct rpc_tls_names *names, const ASN1_OCTET_STRING *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    int family = ASN1_STRING_length(address) == 4 ? AF_INET : ASN1_STRING_length(address) == 16 ? AF_INET6 : AF_UNSPEC;
    if (family != AF_UNSPEC) inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof text);
    if (*text) rpc_tls_names_add(names, "IP:", text, strlen(text));
}

static void rpc_tls_names_of(const X509 *certificate, struct rpc_tls_names *names)
{
    GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; list && i < sk_GENERAL_NAME_num(list); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(list, i);
        const char *kind = name->type == GEN_DNS     ? "DNS:"
                           : name->type == GEN_URI   ? "URI:"
                           : name->type == GEN_EMAIL ? "email:"
                                                     : NULL;
        if (name->type == GEN_IPADD) rpc_tls_names_add_address(names, name->d.iPAddress);
        if (!kind) continue;
        const ASN1_IA5STRING *text = name->d.ia5;
        rpc_tls_names_add(names, kind, (const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
    }
    GENERAL_NAMES_free(list);
}

static void rpc_tls_names_deinit(struct rpc_tls_names *names)
{
    for (unsigned i = 0; i < names->count; i++) memory_free(names->items[i]);
}

// NULL: the subject has no such part, more than one (whose would count?), or one with a zero in it. memory_free.
static char *rpc_tls_part(const X509_NAME *subject, int kind)
{
    unsigned char *utf8 = NULL;
    char *part = NULL;
    int at = X509_NAME_get_index_by_NID(subject, kind, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, kind, at) >= 0) return NULL;
    int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (length >= 0 && length < RPC_TLS_NAME_BYTES_MAX && strlen((const char *)utf8) == (size_t)length)
        part = memory_strdup((const char *)utf8);
    OPENSSL_free(utf8);
    return part;
}

static void rpc_tls_session_clean(char *words)
{
    for (char *c = words; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f || *c == '"') *c = '?';
    }
}

// "CN=w1, DNS:w1.example.org, IP:10.0.0.1"
static void rpc_tls_session_describe(const X509 *certificate, char *words, size_t size)
{
    struct rpc_tls_names names = {0};
    char *common_name = rpc_tls_part(X509_get_subject_name(certificate), NID_commonName);
    rpc_tls_names_of(certificate, &names);
    snprintf(words, size, "CN=%.64s", common_name ? common_name : "?");
    for (unsigned i = 0; i < names.count && i < 4; i++) {
        size_t length = strlen(words);
        snprintf(words + length, size - length, ", %.80s", names.items[i]);
    }
    rpc_tls_session_clean(words);
    memory_free(common_name);
    rpc_tls_names_deinit(&names);
}

static void rpc_tls_session_explain(struct rpc_tls_session *session, int code, const X509 *certificate)
{
    char subject[320] = "?", issuer[128] = "?";
    if (certificate) {
        rpc_tls_session_describe(certificate, subject, sizeof subject);
        char *name = rpc_tls_part(X509_get_issuer_name(certificate), NID_commonName);
        snprintf(issuer, sizeof issuer, "CN=%.100s", name ? name : "?");
        rpc_tls_session_clean(issuer);
        memory_free(name);
    }
    char *why = session->why;
    size_t size = sizeof session->why;
    session->refused = true;
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED: snprintf(why, size, "it has expired (%s): renew it", subject); break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        snprintf(why, size, "it is not valid yet (%s): compare the clocks of both machines", subject);
        break;
    case X509_V_ERR_CERT_REVOKED: snprintf(why, size, "its authority revoked it (%s)", subject); break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        snprintf(why, size, "it is made out to %s, not to %s", subject, session->host);
        break;
    case X509_V_ERR_CRL_HAS_EXPIRED:
        snprintf(why, size, "the revocation list of its authority %s is out of date: renew the list", issuer);
        break;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        snprintf(why, size, "revocation lists are given, but none of its authority %s: add that list", issuer);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        snprintf(why, size, "it is not signed by a known authority (%s, signed by %s)", subject, issuer);
        break;
    default: snprintf(why, size, "%s (%s)", X509_verify_cert_error_string(code), subject);
    }
}

static bool rpc_tls_session_is_for(const X509 *certificate, const char *host)
{
    struct in6_addr address;
    bool numbers = inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
    X509 *borrowed = (X509 *)(uintptr_t)certificate;
    if (numbers && X509_check_ip_asc(borrowed, host, 0) == 1) return true;
    return X509_check_host(borrowed, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

// For each certificate of the chain, the leaf last; its name is checked when all else is good.
static int rpc_tls_session_verify(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct rpc_tls_session *session = SSL_get_app_data(ssl);
    const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    bool leaf = X509_STORE_CTX_get_error_depth(store) == 0;
    if (good && leaf && session->host[0] && !rpc_tls_session_is_for(certificate, session->host)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
        good = 0;
    }
    if (!good) rpc_tls_session_explain(session, X509_STORE_CTX_get_error(store), certificate);
    return good;
}

struct rpc_tls_session *rpc_tls_session_create(struct rpc_tls_context *context, const char *host)
{
    struct rpc_tls_session *session = memory_calloc(1, sizeof *session);
    atomic_fetch_add(&context->refs, 1);
    session->context = context;
    session->ssl = SSL_new(context->ssl);
    session->in = BIO_new(BIO_s_mem());
    session->out = BIO_new(BIO_s_mem());
    ASSERT(session->ssl && session->in && session->out);
    SSL_set_bio(session->ssl, session->in, session->out);
    SSL_set_app_data(session->ssl, session);
    SSL_set_verify(session->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, rpc_tls_session_verify);
    if (!host) {
        SSL_set_accept_state(session->ssl);
        return session;
    }
    struct in6_addr address;
    if (context->server_name) host = context->server_name;
    snprintf(session->host, sizeof session->host, "%s", host);
    bool numbers = inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
    if (!numbers) SSL_set_tlsext_host_name(session->ssl, session->host);
    SSL_set_connect_state(session->ssl);
    return session;
}

void rpc_tls_session_destroy(struct rpc_tls_session *session)
{
    if (!session) return;
    SSL_free(session->ssl);
    rpc_tls_unref(session->context);
    memory_free(session);
}

void rpc_tls_session_feed(struct rpc_tls_session *session, const void *bytes, size_t size)
{
    ASSERT(size <= INT32_MAX);
    int taken = BIO_write(session->in, bytes, (int)size);
    ASSERT(taken == (int)size);
}

size_t rpc_tls_session_output(struct rpc_tls_session *session, const uint8_t **ret_bytes)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data(session->out, &bytes);
    *ret_bytes = (const uint8_t *)bytes;
    return size > 0 ? (size_t)size : 0;
}

void rpc_tls_session_sent(struct rpc_tls_session *session, size_t size)
{
    const uint8_t *bytes;
    uint8_t skipped[4096];
    if (size == rpc_tls_session_output(session, &bytes)) {
        (void)BIO_reset(session->out);
        return;
    }
    while (size > 0) {
        int step = BIO_read(session->out, skipped, (int)(size < sizeof skipped ? size : sizeof skipped));
        ASSERT(step > 0);
        size -= (size_t)step;
    }
}

static const char *rpc_tls_session_alert(int alert)
{
    switch (alert) {
    case SSL3_AD_NO_CERTIFICATE:
    case TLS13_AD_CERTIFICATE_REQUIRED: return "it wants one, and this side showed none";
    case SSL3_AD_BAD_CERTIFICATE: return "it is not made out to the name that was dialled, or is damaged";
    case SSL3_AD_UNSUPPORTED_CERTIFICATE: return "it is not for this use (extended key usage)";
    case SSL3_AD_CERTIFICATE_REVOKED: return "its authority revoked it";
    case SSL3_AD_CERTIFICATE_EXPIRED: return "it has expired, or the clock there is wrong";
    case SSL3_AD_CERTIFICATE_UNKNOWN: return "it cannot be checked there";
    case TLS1_AD_UNKNOWN_CA: return "it is not signed by an authority that is known there";
    case TLS1_AD_ACCESS_DENIED: return "it is not allowed there";
    default: return NULL;
    }
}

static enum rpc_tls_step rpc_tls_session_failed(struct rpc_tls_session *session)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    const char *alert = reason > RPC_TLS_ALERTS ? rpc_tls_session_alert(reason - RPC_TLS_ALERTS) : NULL;
    char text[128] = "unknown fault";
    if (code) ERR_error_string_n(code, text, sizeof text);
    const char *words = code && ERR_reason_error_string(code) ? ERR_reason_error_string(code) : text;
    ERR_clear_error();
    if (session->refused) return RPC_TLS_REFUSED_THEM;
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        snprintf(session->why, sizeof session->why, "it shows none");
        return RPC_TLS_REFUSED_THEM;
    }
    snprintf(session->why, sizeof session->why, "%s", alert ? alert : words);
    return alert ? RPC_TLS_REFUSED_THIS : RPC_TLS_BROKEN;
}

// What the result of an operation means.
static enum rpc_tls_step rpc_tls_session_step(struct rpc_tls_session *session, int result)
{
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_NONE: return RPC_TLS_DONE;
    case SSL_ERROR_WANT_READ: return RPC_TLS_MORE;
    case SSL_ERROR_ZERO_RETURN: return RPC_TLS_ENDED;
    default: return rpc_tls_session_failed(session);
    }
}

enum rpc_tls_step rpc_tls_session_handshake(struct rpc_tls_session *session)
{
    ERR_clear_error();
    return rpc_tls_session_step(session, SSL_do_handshake(session->ssl));
}

enum rpc_tls_step rpc_tls_session_read(struct rpc_tls_session *session, void *bytes, size_t size, size_t *ret_size)
{
    ERR_clear_error();
    return rpc_tls_session_step(session, SSL_read_ex(session->ssl, bytes, size, ret_size));
}

bool rpc_tls_session_has_more(struct rpc_tls_session *session)
{
    return SSL_pending(session->ssl) > 0 || BIO_pending(session->in) > 0;
}

enum rpc_tls_step rpc_tls_session_write(struct rpc_tls_session *session, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    ERR_clear_error();
    while (size > 0) {
        size_t written = 0;
        enum rpc_tls_step step = rpc_tls_session_step(session, SSL_write_ex(session->ssl, from, size, &written));
        if (step != RPC_TLS_DONE) return step;
        from += written;
        size -= written;
    }
    return RPC_TLS_DONE;
}

const char *rpc_tls_session_why(const struct rpc_tls_session *session)
{
    return session->why;
}

bool rpc_tls_session_is_good_for(struct rpc_tls_session *session, struct rpc_tls_context *context)
{
    if (context == session->context) return true; // held, so that no other has its address
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    ASSERT(certificate && store);
    bool begun = X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(context->ssl), certificate,
                                     SSL_get_peer_cert_chain(session->ssl)) == 1 &&
                 X509_STORE_CTX_set_default(store, session->host[0] ? "ssl_server" : "ssl_client") == 1;
    bool good = begun && X509_verify_cert(store) == 1;
    if (!good)
        rpc_tls_session_explain(session, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_current_cert(store));
    X509_STORE_CTX_free(store);
    ERR_clear_error();
    atomic_fetch_add(&context->refs, 1);
    rpc_tls_unref(session->context);
    session->context = context;
    return good;
}

struct rpc_who *rpc_tls_session_who(struct rpc_tls_session *session, const struct rpc_identity *known)
{
    struct rpc_identity identity = *known;
    struct rpc_tls_names names = {0};
    const X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    ASSERT(certificate);
    char *common_name = rpc_tls_part(X509_get_subject_name(certificate), NID_commonName);
    char *organization = rpc_tls_part(X509_get_subject_name(certificate), NID_organizationName);
    rpc_tls_names_of(certificate, &names);
    identity.tls = true;
    identity.common_name = common_name;
    identity.organization = organization;
    identity.alternative_names = (const char *const *)names.items;
    struct rpc_who *who = rpc_who_create(&identity);
    rpc_tls_names_deinit(&names);
    memory_free(common_name);
    memory_free(organization);
    return who;
}

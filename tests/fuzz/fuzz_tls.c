// The listening side of TLS, as bytes: the flights of a real client, whole, damaged, cut, repeated, in another order
// and mixed with bytes of nobody's. Nobody is let in but who has the key of a certificate of ours, and what is read of
// him is what he sent. Keys and certificates are made when the process begins.
//
// An input: a byte for the client (with whose certificate, and whether it is a client at all), then a step for each
// record that it sends: a byte that says what becomes of the record, and what that needs.
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/rpc/rpc_tls_session.h"
#include "tests/fuzz/fuzz.h"

enum { RECORD_HEADER = 5, RECORDS_MAX = 64, ROUNDS_MAX = 16, DAY_S = 86400 };
enum client { OURS, STRANGER, EXPIRED, NOT_A_CLIENT, CLIENTS };
enum deed { PASS, DROP, TWICE, LATER, FLIP, CUT, INSERT, DEEDS };

static const char WORDS[] = "what the client says when it is in";
static struct rpc_tls_context *server, *clients[CLIENTS];

// ---- Certificates ----

struct party {
    EVP_PKEY *key;
    X509 *certificate;
};

static void extend(X509 *certificate, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    ASSERT(extension && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

// signer NULL: an authority, which signs itself.
static struct party make_party(const char *name, const struct party *signer, long until_s)
{
    struct party party = {EVP_EC_gen("prime256v1"), X509_new()};
    X509_NAME *subject = X509_get_subject_name(party.certificate);
    ASSERT(party.key && X509_set_version(party.certificate, X509_VERSION_3) == 1);
    static long serial;
    ASN1_INTEGER_set(X509_get_serialNumber(party.certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(party.certificate), -2L * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(party.certificate), until_s);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
    X509_set_issuer_name(party.certificate, signer ? X509_get_subject_name(signer->certificate) : subject);
    X509_set_pubkey(party.certificate, party.key);
    extend(party.certificate, NID_basic_constraints, signer ? "CA:FALSE" : "critical,CA:TRUE");
    if (signer) extend(party.certificate, NID_subject_alt_name, "DNS:localhost");
    ASSERT(X509_sign(party.certificate, signer ? signer->key : party.key, EVP_sha256()) > 0);
    return party;
}

static void drop_party(struct party *party)
{
    EVP_PKEY_free(party->key);
    X509_free(party->certificate);
}

// A file without a folder; its name is path.
static int make_file(const X509 *certificate, const EVP_PKEY *key, char path[64])
{
    int fd = memfd_create("pem", MFD_CLOEXEC);
    char *bytes = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (certificate) ASSERT(PEM_write_bio_X509(bio, certificate) == 1);
    if (key) ASSERT(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    long size = BIO_get_mem_data(bio, &bytes);
    ASSERT(fd >= 0 && write(fd, bytes, (size_t)size) == size);
    BIO_free(bio);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static struct rpc_tls_context *load(const struct party *authority, const struct party *party)
{
    struct rpc_tls_context *context = NULL;
    struct error err;
    char paths[3][64];
    const int files[3] = {make_file(authority->certificate, NULL, paths[0]),
                          make_file(party->certificate, NULL, paths[1]), make_file(NULL, party->key, paths[2])};
    const struct rpc_tls tls = {.ca_file = paths[0], .certificate_file = paths[1], .key_file = paths[2]};
    ASSERT(rpc_tls_load(&tls, &context, &err) == STATUS_OK);
    for (int i = 0; i < 3; i++) close(files[i]);
    return context;
}

static void drop_all(void)
{
    rpc_tls_unref(server);
    for (int i = 0; i < CLIENTS; i++) rpc_tls_unref(clients[i]);
}

static void make_all(void)
{
    struct party ours = make_party("ours", NULL, DAY_S), theirs = make_party("theirs", NULL, DAY_S);
    struct party parties[] = {make_party("server", &ours, DAY_S), make_party("client", &ours, DAY_S),
                              make_party("stranger", &theirs, DAY_S), make_party("expired", &ours, -DAY_S)};
    server = load(&ours, &parties[0]);
    clients[OURS] = load(&ours, &parties[1]);
    clients[STRANGER] = load(&ours, &parties[2]);
    clients[EXPIRED] = load(&ours, &parties[3]);
    for (int i = 0; i < 4; i++) drop_party(&parties[i]);
    drop_party(&ours);
    drop_party(&theirs);
    ASSERT(atexit(drop_all) == 0);
}

// ---- What becomes of the client's records ----

struct script {
    const uint8_t *bytes;
    size_t size;
    bool damages; // a step other than PASS has been taken
    uint8_t *later;
    size_t later_size;
};

static uint8_t script_next(struct script *script)
{
    if (script->size == 0) return 0;
    script->size--;
    return *script->bytes++;
}

static void feed_later(struct script *script, struct rpc_tls_session *session)
{
    if (script->later) rpc_tls_session_feed(session, script->later, script->later_size);
    memory_free(script->later);
    script->later = NULL;
}

static void insert(struct script *script, struct rpc_tls_session *session)
{
    size_t size = script_next(script);
    if (size > script->size) size = script->size;
    if (size > 0) rpc_tls_session_feed(session, script->bytes, size);
    script->bytes += size;
    script->size -= size;
}

static void feed_record(struct script *script, struct rpc_tls_session *session, const uint8_t *record, size_t size)
{
    uint8_t *copy = memory_alloc(size);
    size_t place = 0;
    enum deed deed = (enum deed)(script_next(script) % DEEDS);
    memcpy(copy, record, size);
    if (deed != PASS) script->damages = true;
    if (deed == FLIP || deed == CUT) {
        place = script_next(script);
        place = (place | (size_t)script_next(script) << 8) % size;
    }
    if (deed == FLIP) copy[place] ^= script_next(script);
    if (deed == INSERT) insert(script, session);
    if (deed == LATER && !script->later) {
        script->later = copy;
        script->later_size = size;
        return;
    }
    if (deed != DROP) rpc_tls_session_feed(session, copy, deed == CUT ? place : size);
    if (deed == TWICE) rpc_tls_session_feed(session, copy, size);
    memory_free(copy);
    feed_later(script, session);
}

static void feed_flight(struct script *script, struct rpc_tls_session *session, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        size_t record = size >= RECORD_HEADER ? RECORD_HEADER + ((size_t)bytes[3] << 8 | bytes[4]) : size;
        if (record > size) record = size;
        feed_record(script, session, bytes, record);
        bytes += record;
        size -= record;
    }
}

// ---- Both sides ----

// Until it wants more; false: it has failed.
static bool serve(struct rpc_tls_session *session, bool *in, size_t *heard)
{
    char bytes[64];
    enum rpc_tls_step step = *in ? RPC_TLS_DONE : rpc_tls_session_handshake(session);
    *in = step == RPC_TLS_DONE;
    while (*in && step == RPC_TLS_DONE) {
        size_t size = 0;
        step = rpc_tls_session_read(session, bytes, sizeof bytes, &size);
        if (step != RPC_TLS_DONE) break;
        ASSERT(*heard + size <= sizeof WORDS && memcmp(bytes, WORDS + *heard, size) == 0);
        *heard += size;
    }
    if (step == RPC_TLS_MORE) return true;
    if (step != RPC_TLS_ENDED) ASSERT(rpc_tls_session_why(session)[0]);
    return false;
}

static void check_who(struct rpc_tls_session *session)
{
    const struct rpc_identity unknown = {0};
    struct rpc_who *who = rpc_tls_session_who(session, &unknown);
    ASSERT(strcmp(rpc_who_identity(who)->common_name, "client") == 0);
    rpc_who_unref(who);
}

static void converse(enum client client, struct script *script)
{
    struct rpc_tls_session *listening = rpc_tls_session_create(server, NULL);
    struct rpc_tls_session *dialling = rpc_tls_session_create(clients[client], "localhost");
    bool in = false, greeted = false, goes_on = true;
    size_t heard = 0;
    for (int round = 0; round < ROUNDS_MAX && goes_on; round++) {
        const uint8_t *bytes;
        if (!greeted && rpc_tls_session_handshake(dialling) == RPC_TLS_DONE)
            greeted = rpc_tls_session_write(dialling, WORDS, sizeof WORDS) == RPC_TLS_DONE;
        size_t size = rpc_tls_session_output(dialling, &bytes);
        feed_flight(script, listening, bytes, size);
        rpc_tls_session_sent(dialling, size);
        if (size == 0) feed_later(script, listening);
        goes_on = serve(listening, &in, &heard);
        size = rpc_tls_session_output(listening, &bytes);
        if (size > 0) rpc_tls_session_feed(dialling, bytes, size);
        rpc_tls_session_sent(listening, size);
    }
    ASSERT(!in || client == OURS);
    if (in) check_who(listening);
    if (client == OURS && !script->damages) ASSERT(in && heard == sizeof WORDS);
    memory_free(script->later);
    rpc_tls_session_destroy(listening);
    rpc_tls_session_destroy(dialling);
}

// Bytes alone, in two pieces.
static void say(const struct script *script)
{
    struct rpc_tls_session *listening = rpc_tls_session_create(server, NULL);
    size_t half = script->size / 2, heard = 0;
    bool in = false;
    rpc_tls_session_feed(listening, script->bytes, half);
    if (serve(listening, &in, &heard)) {
        rpc_tls_session_feed(listening, script->bytes + half, script->size - half);
        serve(listening, &in, &heard);
    }
    ASSERT(!in);
    rpc_tls_session_destroy(listening);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct script script = {.bytes = bytes, .size = size < FUZZ_BYTES_MAX ? size : FUZZ_BYTES_MAX};
    if (!server) make_all();
    enum client client = (enum client)(script_next(&script) % CLIENTS);
    if (client == NOT_A_CLIENT) {
        say(&script);
    } else {
        converse(client, &script);
    }
    return 0;
}

// The pipeline's facts in the kv store. Keys below "foreset/pipelines/<name>/": id, leader, generation, last,
// decided/<epoch>, published, abandoned/<table>, format. Values are short texts. "format" is the stamp of all of them
// and of the files that they name (common/base/format_version.h): whoever cannot read them does not stand for election.
//
// The happy path of a write is one transaction that compares the leader key's create-revision and what was read.
// What can fail:
// - CONFLICT: somebody else wrote. Read: if it is what we wanted, an earlier try of ours had happened; else FENCED.
// - UNKNOWN: it may have happened, or may still happen. Read; if it is not there, the same transaction again: its
//   compares let it happen once only. That goes on until the lease runs out or META_TRIES are used up, then RETRY: the
//   caller starts over from a linearizable read.
#include "coordinator/meta/meta_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/format_version.h"
#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/base/text.h"

enum { META_TRIES = 20, META_VALUE_SIZE = 256, META_FORGET_MAX = 16 };
#define META_BACKOFF_US     50000
#define META_BACKOFF_US_MAX 1000000

// What helps where the store holds what this program never wrote.
static const char meta_cure[] =
    "restore the store from a copy, or remove it and run with --adopt to go on from the tables' logs";

struct meta_value {
    char text[META_VALUE_SIZE]; // "" if absent
    bool present;
    int64_t create_revision, mod_revision;
};

enum status meta_store_init(struct meta_store *meta, struct kv *kv, struct seam *seam, struct lease *lease,
                            const char *pipeline, struct error *err)
{
    *meta = (struct meta_store){.kv = kv, .seam = seam, .lease = lease};
    int wrote = snprintf(meta->prefix, sizeof meta->prefix, "foreset/pipelines/%s/", pipeline);
    if (wrote < 0 || (size_t)wrote >= sizeof meta->prefix) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "pipeline.name '%.40s…' is longer than 200 bytes", pipeline);
    }
    return STATUS_OK;
}

void meta_store_init_at(struct meta_store *meta, struct kv *kv, struct seam *seam, struct lease *lease,
                        const char *prefix)
{
    *meta = (struct meta_store){.kv = kv, .seam = seam, .lease = lease};
    ASSERT(strlen(prefix) < sizeof meta->prefix);
    snprintf(meta->prefix, sizeof meta->prefix, "%s", prefix);
}

static const char *meta_key(const struct meta_store *meta, const char *name, char key[META_KEY_SIZE])
{
    snprintf(key, META_KEY_SIZE, "%s%s", meta->prefix, name);
    return key;
}

static const char *meta_decided_key(const struct meta_store *meta, uint64_t epoch, char key[META_KEY_SIZE])
{
    snprintf(key, META_KEY_SIZE, "%sdecided/%020" PRIu64, meta->prefix, epoch);
    return key;
}

static void meta_backoff(struct meta_store *meta, unsigned attempt)
{
    int64_t us = META_BACKOFF_US << (attempt < 5 ? attempt : 5);
    meta->seam->ops->sleep(meta->seam, us < META_BACKOFF_US_MAX ? us : META_BACKOFF_US_MAX);
}

static enum status meta_read_tries(struct meta_store *meta, const char *key, unsigned tries,
                                   struct meta_value *ret_value, struct error *err)
{
    enum status status = STATUS_OK;
    for (unsigned attempt = 0; attempt < tries; attempt++) {
        struct kv_value value = {0};
        status = kv_get(meta->kv, key, &value, err);
        if (status == STATUS_OK) {
            *ret_value = (struct meta_value){.present = value.create_revision != 0,
                                             .create_revision = value.create_revision,
                                             .mod_revision = value.mod_revision};
            if (value.size >= META_VALUE_SIZE) {
                status = error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "kv key %s: a value of %zu bytes", key,
                                   value.size);
            } else if (value.size > 0) {
                memcpy(ret_value->text, value.bytes, value.size);
            }
            kv_value_deinit(&value);
            return status;
        }
        if (status == STATUS_KILLED || status == STATUS_CORRUPT || meta->seam->ops->stopping(meta->seam)) break;
        if (err && err->class != ERROR_RETRY && status != STATUS_UNKNOWN) break;
        if (attempt + 1 < tries) meta_backoff(meta, attempt);
    }
    return error_prefix(err, "kv store, key %s", key);
}

// Reads until the store answers.
static enum status meta_read(struct meta_store *meta, const char *key, struct meta_value *ret_value, struct error *err)
{
    return meta_read_tries(meta, key, META_TRIES, ret_value, err);
}

static enum status meta_read_u64(struct meta_store *meta, const char *name, uint64_t *ret_number,
                                 struct meta_value *ret_value, struct error *err)
{
    char key[META_KEY_SIZE];
    enum status status = meta_read(meta, meta_key(meta, name, key), ret_value, err);
    if (status != STATUS_OK) return status;
    uint64_t number = 0;
    if (ret_value->present && !text_parse_u64(ret_value->text, &number)) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "kv key %s holds '%s', not a number; %s", key,
                         ret_value->text, meta_cure);
    }
    *ret_number = number;
    return STATUS_OK;
}

// One transaction; what it puts is `value` at ops[0]. OK also if an earlier try turns out to have happened.
static enum status meta_write(struct meta_store *meta, const struct kv_compare *compares, size_t compare_count,
                              const struct kv_op *ops, size_t op_count, struct error *err)
{
    for (unsigned attempt = 0; attempt < META_TRIES; attempt++) {
        enum status status = lease_check(meta->lease, "a kv transaction", err);
        if (status != STATUS_OK) return status;
        status = kv_txn(meta->kv, compares, compare_count, ops, op_count, err);
        if (status == STATUS_OK || status == STATUS_KILLED) return status;
        if (status == STATUS_UNKNOWN && FORESET_BUG("timeout-is-success")) return STATUS_OK;
        if (status != STATUS_CONFLICT && status != STATUS_UNKNOWN && err->class != ERROR_RETRY) return status;
        struct meta_value now;
        enum status read = meta_read(meta, ops[0].key, &now, err);
        if (read != STATUS_OK) return read;
        if (now.present && strlen(now.text) == ops[0].size && memcmp(now.text, ops[0].bytes, ops[0].size) == 0) {
            return STATUS_OK;
        }
        if (status == STATUS_CONFLICT) {
            return error_set(err, STATUS_CONFLICT, ERROR_FENCED,
                             "kv key %s holds '%s': another process leads this pipeline", ops[0].key, now.text);
        }
        if (meta->seam->ops->stopping(meta->seam)) break;
        meta_backoff(meta, attempt);
    }
    return error_set(err, STATUS_UNKNOWN, ERROR_RETRY, "kv store does not answer for %s", ops[0].key);
}

static struct kv_compare meta_leader(const struct meta_store *meta, char key[META_KEY_SIZE])
{
    return (struct kv_compare){.key = meta_key(meta, "leader", key),
                               .kind = KV_CREATE_REVISION_IS,
                               .revision = atomic_load(&meta->lease->create_revision)};
}

static struct kv_op meta_put_op(const char *key, const char *text)
{
    return (struct kv_op){.kind = KV_PUT, .key = key, .bytes = text, .size = strlen(text)};
}

static struct kv_compare meta_value_is(const char *key, const struct meta_value *value)
{
    if (!value->present) return (struct kv_compare){.key = key, .kind = KV_ABSENT};
    return (struct kv_compare){.key = key, .kind = KV_VALUE_IS, .bytes = value->text, .size = strlen(value->text)};
}

// ---- Leading ----

// The leader key's value: "<name> <lease>". True if it is ours, with the lease that it hangs on.
static bool meta_leader_is(const struct meta_value *value, const char *name, int64_t *ret_lease)
{
    size_t length = strlen(name);
    return value->present && strncmp(value->text, name, length) == 0 &&
           sscanf(value->text + length, " %" SCNd64, ret_lease) == 1;
}

// Before anything is written: STATUS_UNSUPPORTED where a newer program wrote what is below the prefix.
static enum status meta_read_format(struct meta_store *meta, struct meta_value *ret_value, struct error *err)
{
    char key[META_KEY_SIZE];
    enum status status = meta_read_tries(meta, meta_key(meta, "format", key), 1, ret_value, err);
    if (status != STATUS_OK || !ret_value->present) return status;
    status = format_version_check_stamp(ret_value->text, err, "the stored state described by kv key %s", key);
    meta->format_read = status == STATUS_OK;
    return status;
}

// Takes the leader's key, where nobody has it, and stamps what is below the prefix with this program's formats.
static enum status meta_take(struct meta_store *meta, const char *key, const char *text, int64_t lease,
                             const struct meta_value *format, struct error *err)
{
    char format_key[META_KEY_SIZE], stamp[FORMAT_VERSION_STAMP];
    meta_key(meta, "format", format_key);
    format_version_stamp(format->present ? format->text : NULL, stamp);
    struct kv_compare compares[] = {{.key = key, .kind = KV_ABSENT}, meta_value_is(format_key, format)};
    struct kv_op ops[] = {meta_put_op(key, text), meta_put_op(format_key, stamp)};
    ops[0].lease = lease;
    return kv_txn(meta->kv, compares, 2, ops, strcmp(format->text, stamp) == 0 ? 1 : 2, err);
}

enum status meta_store_campaign(struct meta_store *meta, const char *name, bool *ret_won, struct error *err)
{
    char key[META_KEY_SIZE], text[META_VALUE_SIZE];
    meta_key(meta, "leader", key);
    int64_t id = 0, holds = 0;
    struct meta_value now, format = {0};
    *ret_won = false;
    enum status status = meta_read_tries(meta, key, 1, &now, err); // who stands says soon that nobody answers
    if (status == STATUS_OK && !(now.present && meta->format_read)) status = meta_read_format(meta, &format, err);
    if (status != STATUS_OK) return status;
    if (now.present && !meta_leader_is(&now, name, &holds)) return STATUS_OK; // no lease is granted for nothing
    int64_t asked_us = clock_boot_us(meta->seam->clock);
    status = meta->kv->ops->lease_grant(meta->kv, meta->lease->ttl_us ? meta->lease->ttl_us / 1000 : 10000, &id, err);
    if (status != STATUS_OK) return status;
    snprintf(text, sizeof text, "%s %" PRId64, name, id);
    status = meta_take(meta, key, text, id, &format, err);
    if (status != STATUS_OK && status != STATUS_CONFLICT && status != STATUS_UNKNOWN) return status;
    status = meta_read(meta, key, &now, err);
    if (status != STATUS_OK) return status;
    *ret_won = meta_leader_is(&now, name, &holds);
    if (*ret_won && holds != id) { // an earlier try had happened after all: the key hangs on its lease, which is older
        asked_us = clock_boot_us(meta->seam->clock);
        status = meta->kv->ops->lease_keepalive(meta->kv, holds, err);
        *ret_won = status == STATUS_OK;
        if (status != STATUS_OK) return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    if (*ret_won) {
        meta->lease->id = holds;
        atomic_store(&meta->lease->create_revision, now.create_revision);
        lease_renew(meta->lease, asked_us);
    }
    return STATUS_OK;
}

enum status meta_store_leader(struct meta_store *meta, char ret_name[META_LEADER_SIZE], struct error *err)
{
    char key[META_KEY_SIZE];
    struct meta_value now;
    enum status status = meta_read(meta, meta_key(meta, "leader", key), &now, err);
    if (status != STATUS_OK) return status;
    snprintf(ret_name, META_LEADER_SIZE, "%s", now.text);
    char *lease = strrchr(ret_name, ' ');
    if (lease) *lease = '\0';
    return STATUS_OK;
}

static bool meta_another_leads(struct meta_store *meta, const char *leader_key, struct error *err)
{
    struct meta_value now;
    enum status status = meta_read(meta, leader_key, &now, err);
    return status == STATUS_OK && now.create_revision != atomic_load(&meta->lease->create_revision);
}

// Every such write moves the key "writes" on and expects it where it was: a try whose outcome was unknown, and which
// happens only after a later one, happens no more.
enum status meta_store_as_leader(struct meta_store *meta, const struct kv_op *op, struct error *err)
{
    char leader[META_KEY_SIZE], writes[META_KEY_SIZE];
    struct kv_compare compares[] = {meta_leader(meta, leader),
                                    {.key = meta_key(meta, "writes", writes), .kind = KV_MOD_REVISION_IS}};
    const struct kv_op ops[] = {*op, meta_put_op(writes, op->key)};
    for (unsigned attempt = 0; attempt < META_TRIES; attempt++) {
        struct meta_value last;
        enum status status = meta_read_tries(meta, writes, 1, &last, err);
        if (status == STATUS_OK) status = lease_check(meta->lease, "a kv transaction", err);
        if (status == STATUS_OK) {
            compares[1].revision = last.mod_revision;
            status = kv_txn(meta->kv, compares, 2, ops, 2, err);
        }
        if (status == STATUS_CONFLICT && meta_another_leads(meta, leader, err))
            return error_set(err, status, ERROR_FENCED, "kv key %s: another process leads", op->key);
        bool again = status == STATUS_CONFLICT || status == STATUS_UNKNOWN || err->class == ERROR_RETRY;
        if (status == STATUS_OK || !again) return status;
        if (meta->seam->ops->stopping(meta->seam)) break;
        meta_backoff(meta, attempt);
    }
    return error_set(err, STATUS_UNKNOWN, ERROR_RETRY, "kv store does not answer for %s", op->key);
}

void meta_store_resign(struct meta_store *meta)
{
    struct error err;
    if (meta->lease->ttl_us == 0 || meta->lease->id == 0 || !lease_valid(meta->lease)) return;
    lease_lose(meta->lease);
    if (meta->kv->ops->lease_revoke(meta->kv, meta->lease->id, &err) != STATUS_OK)
        log_debug("resign_failed", "key=%sleader error=\"%s\"", meta->prefix, err.message);
}

enum status meta_store_depose(struct meta_store *meta, const char *name, bool process, struct error *err)
{
    char key[META_KEY_SIZE];
    struct meta_value now;
    int64_t lease = 0;
    size_t length = strlen(name);
    enum status status = meta_read_tries(meta, meta_key(meta, "leader", key), 1, &now, err);
    if (status != STATUS_OK || !now.present || strncmp(now.text, name, length) != 0) return status;
    const char *rest = now.text + length;
    if (process && *rest++ != '-') return STATUS_OK;
    if (process && strcspn(rest, " ") != 16) return STATUS_OK;
    if (process) rest += 16;
    if (sscanf(rest, " %" SCNd64, &lease) != 1) return STATUS_OK;
    log_info("deposed", "key=%s leader=\"%s\"", key, now.text);
    status = meta->kv->ops->lease_revoke(meta->kv, lease, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status meta_store_keepalive(struct meta_store *meta, struct error *err)
{
    int64_t asked_us = clock_boot_us(meta->seam->clock);
    enum status status = meta->kv->ops->lease_keepalive(meta->kv, meta->lease->id, err);
    if (status == STATUS_NOT_FOUND) {
        return error_set(err, status, ERROR_FENCED, "the lease has run out, another process may lead");
    }
    if (status == STATUS_OK) lease_renew(meta->lease, asked_us);
    return status;
}

enum status meta_store_leads(struct meta_store *meta, struct error *err)
{
    char key[META_KEY_SIZE];
    struct meta_value now;
    enum status status = meta_read(meta, meta_key(meta, "leader", key), &now, err);
    if (status != STATUS_OK) return status;
    if (!now.present || now.create_revision != atomic_load(&meta->lease->create_revision)) {
        return error_set(err, STATUS_CONFLICT, ERROR_FENCED, "another process leads: %s", now.text);
    }
    return lease_check(meta->lease, "an act of the leader", err);
}

// ---- Identity and generation ----

enum status meta_store_id(struct meta_store *meta, char ret_id[37], struct error *err)
{
    char key[META_KEY_SIZE];
    struct meta_value now;
    enum status status = meta_read(meta, meta_key(meta, "id", key), &now, err);
    if (status != STATUS_OK) return status;
    if (now.present && strlen(now.text) != 36) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "kv key %s holds '%s', not a pipeline id; %s", key,
                         now.text, meta_cure);
    }
    snprintf(ret_id, 37, "%.36s", now.text);
    return STATUS_OK;
}

enum status meta_store_create(struct meta_store *meta, const char *id, char ret_id[37], struct error *err)
{
    char key[META_KEY_SIZE], leader[META_KEY_SIZE];
    meta_key(meta, "id", key);
    struct kv_compare compares[] = {meta_leader(meta, leader), {.key = key, .kind = KV_ABSENT}};
    struct kv_op put = meta_put_op(key, id);
    enum status status = meta_write(meta, compares, 2, &put, 1, err);
    if (status != STATUS_OK) return status;
    return meta_store_id(meta, ret_id, err);
}

enum status meta_store_raise(struct meta_store *meta, uint64_t floor, uint64_t *ret_generation, struct error *err)
{
    enum status status = STATUS_OK;
    char key[META_KEY_SIZE], leader[META_KEY_SIZE], text[24];
    struct meta_value now;
    uint64_t generation = 0;
    TRY(FAILPOINT("generation.before", err));
    TRY(meta_read_u64(meta, "generation", &generation, &now, err));
    uint64_t raised = (generation > floor ? generation : floor) + 1;
    snprintf(text, sizeof text, "%" PRIu64, raised);
    meta_key(meta, "generation", key);
    struct kv_compare compares[] = {meta_leader(meta, leader), meta_value_is(key, &now)};
    struct kv_op put = meta_put_op(key, text);
    TRY(meta_write(meta, compares, 2, &put, 1, err));
    // The value alone could be another's: whoever raised it must still lead.
    TRY(meta_store_leads(meta, err));
    TRY(FAILPOINT("generation.after", err));
    *ret_generation = raised;
out:
    return status;
}

// ---- Decided epochs ----

static void meta_record_text(const struct meta_record *record, char text[META_VALUE_SIZE])
{
    snprintf(text, META_VALUE_SIZE, "%" PRIu64 " %" PRIu64 " %016" PRIx64 " %s", record->epoch, record->generation,
             record->hash, record->name);
}

static enum status meta_record_read(struct meta_store *meta, const char *key, struct meta_record *ret_record,
                                    struct meta_value *ret_value, struct error *err)
{
    enum status status = meta_read(meta, key, ret_value, err);
    if (status != STATUS_OK) return status;
    struct meta_record record = {0};
    if (ret_value->present) {
        int fields = sscanf(ret_value->text, "%" SCNu64 " %" SCNu64 " %" SCNx64 " %127s", &record.epoch,
                            &record.generation, &record.hash, record.name);
        if (fields != 4 || record.epoch == 0) {
            return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "kv key %s holds '%s', not a decided epoch; %s",
                             key, ret_value->text, meta_cure);
        }
    }
    *ret_record = record;
    return STATUS_OK;
}

enum status meta_store_last(struct meta_store *meta, struct meta_record *ret_record, struct error *err)
{
    char key[META_KEY_SIZE];
    struct meta_value value;
    return meta_record_read(meta, meta_key(meta, "last", key), ret_record, &value, err);
}

enum status meta_store_decided(struct meta_store *meta, uint64_t epoch, struct meta_record *ret_record,
                               struct error *err)
{
    char key[META_KEY_SIZE];
    struct meta_value value;
    enum status status = meta_record_read(meta, meta_decided_key(meta, epoch, key), ret_record, &value, err);
    if (status == STATUS_OK && ret_record->epoch != epoch) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                         "kv store: no record of the decided epoch %" PRIu64 "; %s", epoch, meta_cure);
    }
    return status;
}

// What a decision compares and writes: the records, and the last of them as `last`.
struct meta_decision {
    char keys[META_REPLACE_MAX + 3][META_KEY_SIZE], texts[META_REPLACE_MAX][META_VALUE_SIZE];
    char generation[24], previous[META_VALUE_SIZE];
    struct kv_op ops[META_REPLACE_MAX + 1];
    struct kv_compare compares[3];
};

static void meta_decision_fill(struct meta_decision *decision, const struct meta_store *meta, uint64_t generation,
                               const struct meta_record *previous, const struct meta_record *records, size_t count)
{
    *decision = (struct meta_decision){0};
    snprintf(decision->generation, sizeof decision->generation, "%" PRIu64, generation);
    if (previous->epoch > 0) meta_record_text(previous, decision->previous);
    for (size_t i = 0; i < count; i++) {
        const char *key = meta_decided_key(meta, records[i].epoch, decision->keys[i]);
        meta_record_text(&records[i], decision->texts[i]);
        decision->ops[i + 1] = meta_put_op(key, decision->texts[i]);
    }
    const char *last = meta_key(meta, "last", decision->keys[META_REPLACE_MAX]);
    decision->ops[0] = meta_put_op(last, decision->texts[count - 1]); // meta_write settles by the first
    decision->compares[0] = meta_leader(meta, decision->keys[META_REPLACE_MAX + 1]);
    decision->compares[1] =
        (struct kv_compare){.key = meta_key(meta, "generation", decision->keys[META_REPLACE_MAX + 2]),
                            .kind = KV_VALUE_IS,
                            .bytes = decision->generation,
                            .size = strlen(decision->generation)};
    decision->compares[2] = (struct kv_compare){.key = last,
                                                .kind = previous->epoch > 0 ? KV_VALUE_IS : KV_ABSENT,
                                                .bytes = decision->previous,
                                                .size = strlen(decision->previous)};
}

enum status meta_store_decide(struct meta_store *meta, uint64_t generation, const struct meta_record *previous,
                              const struct meta_record *records, size_t count, struct error *err)
{
    struct meta_decision decision;
    ASSERT(count > 0 && count <= META_DECIDE_MAX);
    for (size_t i = 0; i < count; i++) ASSERT(records[i].epoch == previous->epoch + 1 + i);
    meta_decision_fill(&decision, meta, generation, previous, records, count);
    if (FORESET_BUG("decide-unfenced")) return meta_write(meta, decision.compares + 2, 1, decision.ops, count + 1, err);
    return meta_write(meta, decision.compares, 3, decision.ops, count + 1, err);
}

enum status meta_store_replace(struct meta_store *meta, uint64_t generation, const struct meta_record *old,
                               const struct meta_record *records, size_t count, struct error *err)
{
    struct meta_decision decision;
    ASSERT(count > 0 && count <= META_REPLACE_MAX && records[count - 1].epoch == old->epoch);
    meta_decision_fill(&decision, meta, generation, old, records, count);
    return meta_write(meta, decision.compares, 3, decision.ops, count + 1, err);
}

enum status meta_store_adopt(struct meta_store *meta, const char *id, const struct meta_record *record,
                             struct error *err)
{
    char last[META_KEY_SIZE], decided[META_KEY_SIZE], leader[META_KEY_SIZE], published[META_KEY_SIZE],
        id_key[META_KEY_SIZE];
    char text[META_VALUE_SIZE], mark[24];
    meta_record_text(record, text);
    snprintf(mark, sizeof mark, "%" PRIu64, record->epoch - 1);
    struct kv_compare compares[] = {meta_leader(meta, leader),
                                    {.key = meta_key(meta, "last", last), .kind = KV_ABSENT}};
    struct kv_op ops[] = {meta_put_op(last, text), meta_put_op(meta_decided_key(meta, record->epoch, decided), text),
                          meta_put_op(meta_key(meta, "published", published), mark),
                          meta_put_op(meta_key(meta, "id", id_key), id)};
    return meta_write(meta, compares, 2, ops, 4, err);
}

enum status meta_store_published(struct meta_store *meta, uint64_t *ret_epoch, struct error *err)
{
    struct meta_value value;
    return meta_read_u64(meta, "published", ret_epoch, &value, err);
}

enum status meta_store_publish(struct meta_store *meta, uint64_t epoch, uint64_t keep, struct error *err)
{
    enum status status = STATUS_OK;
    char keys[META_FORGET_MAX + 2][META_KEY_SIZE], text[24];
    struct kv_op ops[META_FORGET_MAX + 1];
    struct meta_value now;
    uint64_t mark = 0;
    TRY(FAILPOINT("published.before", err));
    TRY(meta_read_u64(meta, "published", &mark, &now, err));
    if (mark < epoch) {
        snprintf(text, sizeof text, "%" PRIu64, epoch);
        const char *key = meta_key(meta, "published", keys[META_FORGET_MAX]);
        size_t count = 0;
        ops[count++] = meta_put_op(key, text);
        for (uint64_t old = mark > keep ? mark - keep : 1; old + keep <= epoch && count <= META_FORGET_MAX; old++) {
            ops[count] = (struct kv_op){.kind = KV_DELETE, .key = meta_decided_key(meta, old, keys[count - 1])};
            count++;
        }
        struct kv_compare compares[] = {meta_leader(meta, keys[META_FORGET_MAX + 1]), meta_value_is(key, &now)};
        TRY(meta_write(meta, compares, 2, ops, count, err));
    }
    TRY(FAILPOINT("published.after", err));
out:
    return status;
}

// ---- Abandoned tables ----

enum status meta_store_abandon(struct meta_store *meta, const char *table, struct error *err)
{
    char name[META_KEY_SIZE - 64], key[META_KEY_SIZE], leader[META_KEY_SIZE];
    snprintf(name, sizeof name, "abandoned/%.200s", table);
    struct kv_compare compare = meta_leader(meta, leader);
    struct kv_op put = meta_put_op(meta_key(meta, name, key), "1");
    return meta_write(meta, &compare, 1, &put, 1, err);
}

enum status meta_store_abandoned(struct meta_store *meta, const char *table, bool *ret_abandoned, struct error *err)
{
    char name[META_KEY_SIZE - 64], key[META_KEY_SIZE];
    struct meta_value now;
    snprintf(name, sizeof name, "abandoned/%.200s", table);
    enum status status = meta_read(meta, meta_key(meta, name, key), &now, err);
    if (status == STATUS_OK) *ret_abandoned = now.present;
    return status;
}

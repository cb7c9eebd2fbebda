// etcd's JSON, written and read; the answers are those that etcd 3.4.23 gave.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base64.h"
#include "common/kv/kv_etcd_json.h"

#define HEADER                                                                                                         \
    "\"header\":{\"cluster_id\":\"6001611773266757492\",\"member_id\":\"13049071153751544597\",\"revision\":\"7\","    \
    "\"raft_term\":\"2\"}"

static struct error err;

static void base64_is_that_of_the_rfc(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text text = {0};
        char *bytes = NULL;
        size_t size = 0;
        base64_append(&text, cases[i][0], strlen(cases[i][0]));
        assert_string_equal(text_str(&text), cases[i][1]);
        assert_true(base64_read(cases[i][1], strlen(cases[i][1]), &bytes, &size));
        assert_string_equal(bytes, cases[i][0]);
        assert_int_equal(size, strlen(cases[i][0]));
        memory_free(bytes);
        text_deinit(&text);
    }
    unsigned char all[256];
    for (size_t i = 0; i < 256; i++) all[i] = (unsigned char)i;
    struct text text = {0};
    char *bytes = NULL;
    size_t size = 0;
    base64_append(&text, all, 256);
    assert_true(base64_read(text.data, text.length, &bytes, &size));
    assert_int_equal(size, 256);
    assert_memory_equal(bytes, all, 256);
    memory_free(bytes);
    text_deinit(&text);
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9-", "Zm 9v", "=Zg="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(base64_read(bad[i], strlen(bad[i]), &bytes, &size));
    }
}

static void requests_are_written_as_etcd_reads_them(void **state)
{
    (void)state;
    struct text json = {0};
    kv_etcd_json_range(&json, slice_str("a"), slice_of("", 0), 0, 0);
    assert_string_equal(json.data, "{\"key\":\"YQ==\",\"serializable\":false}");
    text_reset(&json);
    kv_etcd_json_range(&json, slice_str("a"), slice_str("b"), 10, 7);
    assert_string_equal(json.data, "{\"key\":\"YQ==\",\"range_end\":\"Yg==\",\"limit\":\"10\",\"revision\":\"7\","
                                   "\"serializable\":false}");
    text_reset(&json);
    struct kv_compare compares[] = {{.key = "a", .kind = KV_VALUE_IS, .bytes = "x", .size = 1},
                                    {.key = "b", .kind = KV_ABSENT},
                                    {.key = "a", .kind = KV_CREATE_REVISION_IS, .revision = INT64_MAX},
                                    {.key = "b", .kind = KV_MOD_REVISION_IS, .revision = 5}};
    struct kv_op ops[] = {{KV_PUT, "a", "y", 1, -3}, {KV_PUT, "b", "", 0, 0}, {.kind = KV_DELETE, .key = "a"}};
    kv_etcd_json_txn(&json, compares, 4, ops, 3);
    assert_string_equal(
        json.data,
        "{\"compare\":["
        "{\"key\":\"YQ==\",\"result\":\"EQUAL\",\"target\":\"VALUE\",\"value\":\"eA==\"},"
        "{\"key\":\"Yg==\",\"result\":\"EQUAL\",\"target\":\"CREATE\",\"create_revision\":\"0\"},"
        "{\"key\":\"YQ==\",\"result\":\"EQUAL\",\"target\":\"CREATE\",\"create_revision\":\"9223372036854775807\"},"
        "{\"key\":\"Yg==\",\"result\":\"EQUAL\",\"target\":\"MOD\",\"mod_revision\":\"5\"}],"
        "\"success\":[{\"request_put\":{\"key\":\"YQ==\",\"value\":\"eQ==\",\"lease\":\"-3\"}},"
        "{\"request_put\":{\"key\":\"Yg==\",\"value\":\"\"}},{\"request_delete_range\":{\"key\":\"YQ==\"}}]}");
    text_reset(&json);
    kv_etcd_json_login(&json, "me", "a\"b\\\n");
    assert_string_equal(json.data, "{\"name\":\"me\",\"password\":\"a\\\"b\\\\\\n\"}");
    text_deinit(&json);
}

static void a_range_is_read(void **state)
{
    (void)state;
    struct kv_etcd_header header;
    struct kv_list list = {0};
    bool more;
    const char *none = "{" HEADER "}";
    assert_int_equal(kv_etcd_json_read_range(slice_str(none), &header, &list, &more, &err), STATUS_OK);
    assert_int_equal(list.count, 0);
    assert_true(header.cluster == 6001611773266757492u);
    assert_int_equal(header.revision, 7);
    const char *two =
        "{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"create_revision\":\"2\",\"mod_revision\":\"3\",\"version\":"
        "\"1\",\"value\":\"MQ==\"},{\"key\":\"Yg==\",\"create_revision\":\"4\",\"mod_revision\":\"4\"}],"
        "\"more\":true,\"count\":\"9\"}\n";
    assert_int_equal(kv_etcd_json_read_range(slice_str(two), &header, &list, &more, &err), STATUS_OK);
    assert_true(more);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].key, "a");
    assert_memory_equal(list.items[0].value.bytes, "1", 1);
    assert_int_equal(list.items[0].value.create_revision, 2);
    assert_int_equal(list.items[0].value.mod_revision, 3);
    assert_non_null(list.items[1].value.bytes); // empty is not absent
    assert_int_equal(list.items[1].value.size, 0);
    kv_list_deinit(&list);
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"header\":7}",
                                      "{\"header\":{\"cluster_id\":\"x\"}}",
                                      "{" HEADER ",\"kvs\":[{}]}",
                                      "{" HEADER ",\"kvs\":[{\"key\":\"?\"}]}",
                                      "{" HEADER ",\"kvs\":[{\"key\":\"AGE=\"}]}", // a NUL in a key
                                      "{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"mod_revision\":\"1x\"}]}",
                                      "{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"value\":7}]}",
                                      "{" HEADER "} trailing"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(kv_etcd_json_read_range(slice_str(bad[i]), &header, &list, &more, &err), STATUS_CORRUPT);
        kv_list_deinit(&list);
    }
}

static void transactions_and_leases_are_read(void **state)
{
    (void)state;
    struct kv_etcd_header header;
    bool succeeded;
    int64_t lease, ttl_s;
    char *token;
    assert_int_equal(
        kv_etcd_json_read_txn(slice_str("{" HEADER ",\"succeeded\":true,\"responses\":[]}"), &header, &succeeded, &err),
        STATUS_OK);
    assert_true(succeeded);
    assert_int_equal(kv_etcd_json_read_txn(slice_str("{" HEADER "}"), &header, &succeeded, &err), STATUS_OK);
    assert_false(succeeded);
    const char *grant = "{" HEADER ",\"ID\":\"5986869427914188555\",\"TTL\":\"2\"}";
    assert_int_equal(kv_etcd_json_read_lease(slice_str(grant), &header, &lease, &ttl_s, &err), STATUS_OK);
    assert_true(lease == 5986869427914188555);
    assert_int_equal(ttl_s, 2);
    const char *gone = "{\"result\":{" HEADER ",\"ID\":\"12345\"}}\n";
    assert_int_equal(kv_etcd_json_read_lease(slice_str(gone), &header, &lease, &ttl_s, &err), STATUS_OK);
    assert_int_equal(lease, 12345);
    assert_int_equal(ttl_s, 0);
    assert_int_equal(kv_etcd_json_read_lease(slice_str("{" HEADER "}"), &header, &lease, &ttl_s, &err), STATUS_CORRUPT);
    assert_int_equal(kv_etcd_json_read_token(slice_str("{" HEADER ",\"token\":\"abc.1\"}"), &token, &err), STATUS_OK);
    assert_string_equal(token, "abc.1");
    memory_free(token);
    assert_int_equal(kv_etcd_json_read_token(slice_str("{" HEADER "}"), &token, &err), STATUS_CORRUPT);
}

static void refusals_are_read_in_each_dress(void **state)
{
    (void)state;
    struct kv_etcd_refusal refusal;
    kv_etcd_json_read_refusal(slice_str("{\"error\":\"etcdserver: no leader\",\"message\":\"etcdserver: no leader\","
                                        "\"code\":14}"),
                              503, &refusal);
    assert_int_equal(refusal.code, KV_ETCD_UNAVAILABLE);
    assert_string_equal(refusal.message, "etcdserver: no leader");
    kv_etcd_json_read_refusal(slice_str("{\"error\":{\"grpc_code\":16,\"http_code\":401,\"message\":\"etcdserver: "
                                        "invalid auth token\",\"http_status\":\"Unauthorized\"}}"),
                              200, &refusal);
    assert_int_equal(refusal.code, KV_ETCD_UNAUTHENTICATED);
    assert_string_equal(refusal.message, "etcdserver: invalid auth token");
    kv_etcd_json_read_refusal(slice_str("{\"code\":5,\"message\":\"etcdserver: requested lease not found\",\"details\":"
                                        "[]}"),
                              404, &refusal);
    assert_int_equal(refusal.code, KV_ETCD_NOT_FOUND);
    static const char *const odd[] = {"Not Found\n", "", "{}", "{\"code\":0}", "{\"code\":-5}", "{\"code\":\"x\"}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        kv_etcd_json_read_refusal(slice_str(odd[i]), 404, &refusal);
        assert_int_equal(refusal.code, KV_ETCD_UNKNOWN); // never taken for "nothing happened"
        assert_non_null(strstr(refusal.message, "404"));
    }
}

static void lines_of_a_watch_are_read(void **state)
{
    (void)state;
    struct kv_etcd_watch_line line;
    assert_int_equal(kv_etcd_json_read_watch(slice_str("{\"result\":{" HEADER ",\"created\":true}}"), &line, &err),
                     STATUS_OK);
    assert_true(line.created && !line.canceled && !line.refused);
    kv_etcd_json_watch_deinit(&line);
    const char *events = "{\"result\":{" HEADER ",\"events\":[{\"kv\":{\"key\":\"YQ==\",\"create_revision\":\"2\","
                         "\"mod_revision\":\"5\",\"version\":\"1\",\"value\":\"MQ==\"}},{\"type\":\"DELETE\",\"kv\":"
                         "{\"key\":\"Yg==\",\"mod_revision\":\"6\"}}]}}";
    assert_int_equal(kv_etcd_json_read_watch(slice_str(events), &line, &err), STATUS_OK);
    assert_int_equal(line.events.count, 2);
    assert_string_equal(line.events.items[0].key, "a");
    assert_false(line.events.items[0].removed);
    assert_int_equal(line.events.items[0].create_revision, 2);
    assert_true(line.events.items[1].removed);
    assert_null(line.events.items[1].bytes);
    assert_int_equal(line.events.items[1].mod_revision, 6);
    kv_etcd_json_watch_deinit(&line);
    const char *compacted =
        "{\"result\":{\"header\":{\"cluster_id\":\"6\"},\"canceled\":true,\"compact_revision\":\"2\"}}";
    assert_int_equal(kv_etcd_json_read_watch(slice_str(compacted), &line, &err), STATUS_OK);
    assert_true(line.canceled);
    assert_int_equal(line.compact_revision, 2);
    kv_etcd_json_watch_deinit(&line);
    const char *error = "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no leader\"}}";
    assert_int_equal(kv_etcd_json_read_watch(slice_str(error), &line, &err), STATUS_OK);
    assert_true(line.refused);
    assert_string_equal(line.refusal.message, "etcdserver: no leader");
    kv_etcd_json_watch_deinit(&line);
    static const char *const bad[] = {"x", "{\"result\":{}}", "{\"result\":{" HEADER ",\"events\":[7]}}",
                                      "{\"result\":{" HEADER ",\"events\":[{\"type\":\"RENAME\",\"kv\":{\"key\":"
                                      "\"YQ==\"}}]}}",
                                      "{\"result\":{" HEADER ",\"events\":[{\"kv\":{\"key\":\"YQ==\"}},{}]}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(kv_etcd_json_read_watch(slice_str(bad[i]), &line, &err), STATUS_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(requests_are_written_as_etcd_reads_them),
        cmocka_unit_test(a_range_is_read),
        cmocka_unit_test(transactions_and_leases_are_read),
        cmocka_unit_test(refusals_are_read_in_each_dress),
        cmocka_unit_test(lines_of_a_watch_are_read),
    };
    return cmocka_run_group_tests_name("kv_etcd_json", tests, NULL, NULL);
}

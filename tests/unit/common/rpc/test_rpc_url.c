// Addresses: what may be listened at, and one message for what is wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "common/rpc/rpc.h"
#include "common/rpc/rpc_url.h"

static void only_this_machine_is_served_without_tls(void **state)
{
    (void)state;
    static const char *const safe[] = {"tcp://127.0.0.1:7400", "tcp://127.8.9.1:1", "tcp://localhost:7400",
                                       "tcp://[::1]:7400",     "ipc:///run/x.sock", "inproc://x"};
    static const char *const open[] = {"tcp://0.0.0.0:7400",  "tcp://*:7400",    "tcp://:7400",
                                       "tcp://10.0.0.5:7400", "tcp://[::]:7400", "tcp://coordinator-1:7400"};
    struct error err;
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++) {
        assert_int_equal(rpc_check_listen(safe[i], NULL, false, &err), STATUS_OK);
    }
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_int_equal(rpc_check_listen(open[i], NULL, false, &err), STATUS_INVALID);
        assert_int_equal(err.class, ERROR_USAGE);
        assert_non_null(strstr(err.message, open[i]));
        assert_non_null(strstr(err.message, "--insecure"));
        assert_int_equal(rpc_check_listen(open[i], NULL, true, &err), STATUS_OK);
    }
}

static void tls_needs_certificates_and_certificates_need_tls(void **state)
{
    (void)state;
    const struct rpc_tls tls = {"ca", "certificate", "key", NULL, NULL};
    struct error err;
    assert_int_equal(rpc_check_listen("tls+tcp://0.0.0.0:7400", &tls, false, &err), STATUS_OK);
    assert_int_equal(rpc_check_listen("tls+tcp://127.0.0.1:7400", NULL, true, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "three PEM files"));
    assert_int_equal(rpc_check_listen("tcp://127.0.0.1:7400", &tls, true, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "tls+tcp://127.0.0.1:7400"));
}

static void wrong_urls_get_an_example(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "7400",
                                        "localhost:7400",
                                        "http://localhost:7400",
                                        "tcp://localhost",
                                        "tcp://localhost:",
                                        "tcp://localhost:port",
                                        "tcp://localhost:65536",
                                        "tcp://localhost:-1",
                                        "tcp://[::1]",
                                        "tcp://[::1:7400",
                                        "tcp://a b:7400",
                                        "tcp://a/b:7400",
                                        "ipc://relative/path",
                                        "ipc://",
                                        "inproc://",
                                        "ws://localhost:7400"};
    struct rpc_url parsed;
    struct error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        for (int listen = 0; listen < 2; listen++) {
            assert_int_equal(rpc_url_parse(wrong[i], listen, &parsed, &err), STATUS_INVALID);
            assert_int_equal(err.class, ERROR_USAGE);
            assert_non_null(strstr(err.message, "for example tcp://127.0.0.1:7400"));
        }
    }
    static const char *const only_to_listen[] = {"tcp://*:7400", "tcp://:7400", "tcp://127.0.0.1:0"};
    for (size_t i = 0; i < sizeof only_to_listen / sizeof *only_to_listen; i++) {
        assert_int_equal(rpc_url_parse(only_to_listen[i], true, &parsed, &err), STATUS_OK);
        assert_int_equal(rpc_url_parse(only_to_listen[i], false, &parsed, &err), STATUS_INVALID);
    }
}

static void parts_are_taken_apart(void **state)
{
    (void)state;
    struct rpc_url parsed;
    struct error err;
    assert_int_equal(rpc_url_parse("tls+tcp://[fe80::1%eth0]:65535", false, &parsed, &err), STATUS_OK);
    assert_int_equal(parsed.scheme, RPC_URL_TLS);
    assert_string_equal(parsed.host, "fe80::1%eth0");
    assert_int_equal(parsed.port, 65535);
    assert_int_equal(rpc_url_parse("tcp://a.example.org:1", false, &parsed, &err), STATUS_OK);
    assert_string_equal(parsed.host, "a.example.org");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_this_machine_is_served_without_tls),
                                       cmocka_unit_test(tls_needs_certificates_and_certificates_need_tls),
                                       cmocka_unit_test(wrong_urls_get_an_example),
                                       cmocka_unit_test(parts_are_taken_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

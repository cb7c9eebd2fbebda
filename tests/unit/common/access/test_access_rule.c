// The table of messages is complete: each kind that proto/ knows has a row, and each row a direction that envelopes
// have.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "common/access/access_rule.h"
#include "proto/cluster.pb-c.h"
#include "proto/control.pb-c.h"

static const struct access_message *find(const char *name)
{
    for (size_t i = 0; access_message_at(i); i++) {
        if (strcmp(access_message_at(i)->name, name) == 0) return access_message_at(i);
    }
    return NULL;
}

// Returns how many kinds the message has.
static size_t expect_rows(const ProtobufCMessageDescriptor *descriptor, enum envelope_kind kind)
{
    size_t kinds = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (!(descriptor->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) continue;
        const ProtobufCMessageDescriptor *body = descriptor->fields[i].descriptor;
        const struct access_message *message = find(body->short_name);
        if (!message) fail_msg("message %s has no row", body->short_name);
        kinds++;
        if (strncmp(body->short_name, "Admin", 5) == 0) continue; // requests and their answers
        for (unsigned at = ACCESS_WORKER; at <= ACCESS_COORDINATOR; at <<= 1) {
            unsigned sender = access_message_sender((enum access_role)at, kind);
            if (message->to & at) assert_true(message->from & sender);
        }
    }
    return kinds;
}

static void every_message_has_a_row_and_every_row_a_message(void **state)
{
    (void)state;
    size_t kinds = expect_rows(&foreset__cluster__descriptor, ENVELOPE_CLUSTER) +
                   expect_rows(&foreset__control__descriptor, ENVELOPE_CONTROL);
    size_t rows = 0;
    while (access_message_at(rows)) rows++;
    assert_int_equal(rows, kinds + 1); // and exchange frames
    assert_int_equal(access_message_sender(ACCESS_WORKER, ENVELOPE_EXCHANGE), find("exchange")->from);
    assert_int_equal(access_message_sender(ACCESS_COORDINATOR, ENVELOPE_EXCHANGE), 0);
    assert_int_equal(access_message_sender(ACCESS_ADMIN, ENVELOPE_CONTROL), 0);
}

static void ranks_include_what_is_below_and_nothing_beside(void **state)
{
    (void)state;
    static const enum access_role all[] = {ACCESS_READER, ACCESS_OPERATOR, ACCESS_ADMIN, ACCESS_WORKER,
                                           ACCESS_COORDINATOR};
    static const unsigned included[] = {ACCESS_READER, ACCESS_READER | ACCESS_OPERATOR,
                                        ACCESS_READER | ACCESS_OPERATOR | ACCESS_ADMIN, ACCESS_WORKER,
                                        ACCESS_COORDINATOR};
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(access_role_includes(all[i], all[k]), (included[i] & all[k]) != 0);
        assert_false(access_role_includes(0, all[i]));
        assert_int_equal(access_role_parse(access_role_name(all[i])), all[i]);
    }
    assert_int_equal(access_role_parse("root"), 0);
    char text[ACCESS_ROLE_TEXT_SIZE];
    access_role_text(ACCESS_WORKER | ACCESS_COORDINATOR, text);
    assert_string_equal(text, "worker,coordinator");
    access_role_text(0, text);
    assert_string_equal(text, "none");
    access_role_text(ACCESS_ROLES_ALL, text);
    assert_string_equal(text, "reader,operator,admin,worker,coordinator");
}

static void an_option_never_needs_less_than_its_command(void **state)
{
    (void)state;
    for (size_t i = 0; access_rule_at(i); i++) {
        const struct access_rule *rule = access_rule_at(i);
        const struct access_rule *command = access_rule_find(rule->verb, NULL);
        assert_non_null(command);
        if (rule->option) assert_true(access_role_includes(rule->role, command->role));
        assert_ptr_equal(access_rule_find(rule->verb, rule->option), rule); // once
    }
    assert_null(access_rule_find("pipelines", NULL));
    assert_null(access_rule_find("", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_has_a_row_and_every_row_a_message),
        cmocka_unit_test(ranks_include_what_is_below_and_nothing_beside),
        cmocka_unit_test(an_option_never_needs_less_than_its_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

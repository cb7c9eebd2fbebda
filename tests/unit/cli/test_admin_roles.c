// Each command of the command line has a role that may send it, and each rule a command.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "cli/admin_verbs.h"
#include "common/access/access_rule.h"

static void each_command_has_a_role(void **state)
{
    (void)state;
    size_t commands = 0, ruled = 0;
    for (size_t i = 0; admin_verbs_at(i); i++) {
        if (!access_rule_find(admin_verbs_at(i)->name, NULL)) fail_msg("%s has no role", admin_verbs_at(i)->name);
        commands++;
    }
    for (size_t i = 0; access_rule_at(i); i++) ruled += access_rule_at(i)->option == NULL;
    assert_int_equal(commands, ruled);
}

static void each_option_that_is_ruled_is_one(void **state)
{
    (void)state;
    for (size_t i = 0; access_rule_at(i); i++) {
        const struct access_rule *rule = access_rule_at(i);
        bool found = !rule->option;
        for (size_t v = 0; admin_verbs_at(v) && !found; v++) {
            if (strcmp(admin_verbs_at(v)->name, rule->verb) != 0) continue;
            for (const char *const *at = admin_verbs_at(v)->switches; at && *at; at++)
                found = found || strcmp(*at, rule->option) == 0;
        }
        if (!found) fail_msg("%s --%s is no option", rule->verb, rule->option);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_has_a_role),
        cmocka_unit_test(each_option_that_is_ruled_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Plans as files: the hash names the plan, whoever made it; a newer one and a damaged one are refused.
#include "common/base/format_version.h"
#include "common/plan/plan_check.h"
#include "common/plan/plan_file.h"
#include "tests/unit/coordinator/planner/planner_fixture.h"

static const char sql[] = "CREATE OR REFRESH STREAMING TABLE b AS SELECT id, k FROM STREAM " FIXTURE_FILES ";";

static enum status unpacked(const Foreset__Plan *plan, const char *hash, struct error *err)
{
    struct text bytes = {0};
    Foreset__Plan *again = NULL;
    plan_file_pack(plan, &bytes);
    enum status status = plan_file_unpack(bytes.data, bytes.length, "plans/x.pb", hash, &again, err);
    if (status == STATUS_OK) foreset__plan__free_unpacked(again, NULL);
    text_deinit(&bytes);
    return status;
}

static void a_plan_is_the_same_whoever_made_it(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error err;
    char hash[PLAN_FILE_HASH], other[PLAN_FILE_HASH];
    fixture_compile(&fixture, sql);
    Foreset__Plan plan = *fixture.plan;
    assert_string_equal(plan.writer, format_version_program());
    plan_file_hash(&plan, hash);
    assert_int_equal(unpacked(&plan, hash, &err), STATUS_OK);
    static char *const writers[] = {NULL, (char *)"0.1.0", (char *)"9.8.7", (char *)"1.0.0-rc.1"};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        plan.writer = writers[i];
        plan.has_least_reader = writers[i] != NULL;
        plan.least_reader = 1;
        plan_file_hash(&plan, other);
        assert_string_equal(other, hash);
        if (unpacked(&plan, hash, &err) != STATUS_OK) fail_msg("%s", err.message);
    }
    plan.trigger_us++;
    plan_file_hash(&plan, other);
    assert_string_not_equal(other, hash);
    assert_int_equal(unpacked(&plan, hash, &err), STATUS_CORRUPT);
    fixture_end(&fixture);
}

static void a_newer_plan_is_refused_by_name(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error err;
    char hash[PLAN_FILE_HASH];
    fixture_compile(&fixture, sql);
    Foreset__Plan plan = *fixture.plan;
    plan_file_hash(&plan, hash);
    plan.writer = (char *)"9.8.7";
    plan.has_least_reader = true;
    for (uint32_t ahead = 1; ahead < 9000; ahead = ahead * 3) { // numbers of one and of two bytes
        plan.least_reader = format_version_info(FORMAT_PLAN).reads + ahead;
        assert_int_equal(unpacked(&plan, hash, &err), STATUS_UNSUPPORTED);
        assert_non_null(strstr(err.message, "plans/x.pb was written by Foreset 9.8.7 in plan format "));
        assert_int_equal(plan_check(&plan, &err), STATUS_UNSUPPORTED);
    }
    fixture_end(&fixture);
}

// Whatever bit is flipped: refused, or the plan that it was (of another writer).
static void no_flipped_bit_makes_another_plan(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error err;
    char hash[PLAN_FILE_HASH], other[PLAN_FILE_HASH];
    struct text bytes = {0};
    size_t taken = 0;
    fixture_compile(&fixture, sql);
    Foreset__Plan plan = *fixture.plan;
    plan_file_hash(&plan, hash);
    plan_file_pack(&plan, &bytes);
    for (size_t bit = 0; bit < bytes.length * 8; bit++) {
        Foreset__Plan *again = NULL;
        bytes.data[bit / 8] ^= (char)(1u << bit % 8);
        if (plan_file_unpack(bytes.data, bytes.length, "x", hash, &again, &err) == STATUS_OK) {
            plan_file_hash(again, other);
            assert_string_equal(other, hash);
            foreset__plan__free_unpacked(again, NULL);
            taken++;
        }
        bytes.data[bit / 8] ^= (char)(1u << bit % 8);
    }
    assert_true(taken < 8 * 16); // within the version fields alone
    text_deinit(&bytes);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_the_same_whoever_made_it),
        cmocka_unit_test(a_newer_plan_is_refused_by_name),
        cmocka_unit_test(no_flipped_bit_makes_another_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

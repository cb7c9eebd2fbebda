// Positions: sharing a limit by lag, truncated topics, lost rows, new partitions, files (P4, P6, P7).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "coordinator/epoch/epoch_position.h"

struct fixture {
    Foreset__Plan plan;
    Foreset__Node node, *nodes[1];
    Foreset__Source source;
    Foreset__Property options[2], *option_list[2];
    struct epoch_position position;
    struct catalog_offer offer;
    struct arena arena;
    struct epoch_position_cut cut;
};
static struct fixture fixture;

static void option(const char *key, const char *value)
{
    Foreset__Property *property = &fixture.options[fixture.source.n_options];
    foreset__property__init(property);
    property->key = (char *)key;
    property->value = (char *)value;
    fixture.option_list[fixture.source.n_options++] = property;
}

static int setup(void **state)
{
    (void)state;
    memset(&fixture, 0, sizeof fixture);
    foreset__plan__init(&fixture.plan);
    foreset__node__init(&fixture.node);
    foreset__source__init(&fixture.source);
    fixture.node.kind = FORESET__NODE__KIND__SOURCE;
    fixture.node.source = &fixture.source;
    fixture.source.kind = FORESET__SOURCE__KIND__KAFKA;
    fixture.source.name = (char *)"events";
    fixture.source.options = fixture.option_list;
    fixture.nodes[0] = &fixture.node;
    fixture.plan.n_nodes = 1;
    fixture.plan.nodes = fixture.nodes;
    arena_init(&fixture.arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    epoch_position_deinit(&fixture.position);
    catalog_offer_deinit(&fixture.offer);
    arena_deinit(&fixture.arena);
    return 0;
}

static void open_position(const Foreset__Manifest *from)
{
    struct error err;
    assert_int_equal(epoch_position_init(&fixture.position, &fixture.plan, from, &err), STATUS_OK);
}

static void partition(int32_t number, int64_t low, int64_t start, int64_t end)
{
    struct catalog_partition offered = {
        .topic = memory_strdup("t"), .partition = number, .low = low, .end = end, .start = start};
    vector_push(&fixture.offer.partitions, offered);
}

static void file(const char *name, int64_t time_us)
{
    struct catalog_file offered = {memory_strdup(name), time_us};
    vector_push(&fixture.offer.files, offered);
}

static enum status take_offer(struct error *err)
{
    enum status status = epoch_position_offer(&fixture.position.sources[0], &fixture.offer, err);
    catalog_offer_deinit(&fixture.offer);
    return status;
}

static void accept_offer(void)
{
    struct error err;
    assert_int_equal(take_offer(&err), STATUS_OK);
}

static int64_t rows(size_t range)
{
    return fixture.cut.ranges[range]->to - fixture.cut.ranges[range]->from;
}

static void cut(uint64_t rows_max)
{
    epoch_position_take(&fixture.position, rows_max, &fixture.arena, &fixture.cut);
}

static void limit_is_shared_by_lag(void **state)
{
    (void)state;
    option("maxOffsetsPerTrigger", "100");
    open_position(NULL);
    partition(0, 0, 0, 900);
    partition(1, 0, 0, 100);
    partition(2, 0, 0, 0);
    accept_offer();
    cut(5);
    assert_int_equal(rows(0), 90);
    assert_int_equal(rows(1), 10);
    assert_int_equal(rows(2), 0);
    assert_true(fixture.cut.limited);
    assert_int_equal(epoch_position_lag(&fixture.position), 900);
}

static void smallest_lag_gets_a_row(void **state)
{
    (void)state;
    option("maxOffsetsPerTrigger", "10");
    open_position(NULL);
    partition(0, 0, 0, 100000);
    partition(1, 0, 0, 1);
    accept_offer();
    cut(0);
    assert_int_equal(rows(1), 1);
}

static void without_a_limit_the_leader_bounds(void **state)
{
    (void)state;
    open_position(NULL);
    partition(0, 0, 0, 1000);
    accept_offer();
    cut(300);
    assert_int_equal(rows(0), 300);
    cut(5000);
    assert_int_equal(fixture.cut.ranges[0]->from, 300);
    assert_int_equal(rows(0), 700);
    assert_true(fixture.cut.exhausted);
}

static Foreset__Manifest *decided(int64_t to)
{
    static Foreset__Manifest manifest;
    static Foreset__Range range, *ranges[1] = {&range};
    static Foreset__Evidence evidence;
    foreset__manifest__init(&manifest);
    foreset__range__init(&range);
    foreset__evidence__init(&evidence);
    evidence.offset = to - 1;
    range.topic = (char *)"t";
    range.has_partition = range.has_from = range.has_to = true;
    range.to = to;
    range.last = &evidence;
    manifest.n_ranges = 1;
    manifest.ranges = ranges;
    return &manifest;
}

static void evidence_goes_with_the_first_range(void **state)
{
    (void)state;
    open_position(decided(50));
    partition(0, 0, 0, 60);
    accept_offer();
    cut(5);
    assert_int_equal(fixture.cut.ranges[0]->from, 50);
    assert_non_null(fixture.cut.ranges[0]->last);
    assert_int_equal(fixture.cut.ranges[0]->last->offset, 49);
    cut(5);
    assert_null(fixture.cut.ranges[0]->last);
}

// Retention deleted what was read, up to the position and not beyond it.
static void evidence_below_the_logs_start_is_skipped(void **state)
{
    (void)state;
    for (int64_t low = 49; low <= 50; low++) {
        open_position(decided(50));
        partition(0, low, low, 60);
        accept_offer();
        cut(5);
        assert_int_equal(fixture.cut.ranges[0]->from, 50);
        assert_false(fixture.cut.ranges[0]->has_gap_from);
        assert_int_equal(fixture.cut.ranges[0]->last != NULL, low == 49);
        epoch_position_deinit(&fixture.position);
    }
}

static void fixed_ends_hold_for_later_offers(void **state)
{
    (void)state;
    struct epoch_position_end ends[] = {{(char *)"t", 0, 60}, {(char *)"t", 1, 5}};
    option("failOnDataLoss", "false");
    open_position(decided(50));
    partition(0, 0, 0, 90);
    partition(1, 7, 7, 9); // what was to be read is gone
    partition(2, 0, 0, 9); // it came later
    accept_offer();
    epoch_position_end_at(&fixture.position.sources[0], ends, 2);
    cut(100);
    assert_int_equal(rows(0), 10);
    assert_int_equal(fixture.cut.ranges[1]->from, 7);
    assert_int_equal(rows(1), 0);
    assert_int_equal(rows(2), 0);
    assert_true(fixture.cut.exhausted);
}

static void truncated_topic_fails(void **state)
{
    (void)state;
    struct error err;
    open_position(decided(50));
    partition(0, 0, 0, 20);
    assert_int_equal(take_offer(&err), STATUS_INVALID);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "ends at offset 20"));
    assert_non_null(strstr(err.message, "50"));
}

static void lost_rows_fail(void **state)
{
    (void)state;
    struct error err;
    open_position(decided(50));
    partition(0, 70, 70, 90);
    assert_int_equal(take_offer(&err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "failOnDataLoss"));
}

static void partition_of(const char *topic_id, int64_t end)
{
    partition(0, 0, 0, end);
    struct catalog_partition *offered = &fixture.offer.partitions.items[fixture.offer.partitions.count - 1];
    snprintf(offered->topic_id, sizeof offered->topic_id, "%s", topic_id);
}

static void a_topic_of_another_id_is_another_topic_however_much_it_holds(void **state)
{
    (void)state;
    struct error err;
    open_position(decided(50));
    partition_of("A", 60); // what was read before ids were known
    accept_offer();
    cut(5);
    assert_string_equal(fixture.cut.ranges[0]->topic_id, "A");
    partition_of("", 70); // a broker that tells none
    accept_offer();
    partition_of("B", 900);
    assert_int_equal(take_offer(&err), STATUS_INVALID);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "created again"));
    assert_non_null(strstr(err.message, "--full-refresh"));
}

static void a_topic_of_another_id_is_read_from_its_start_where_that_is_wanted(void **state)
{
    (void)state;
    option("failOnDataLoss", "false");
    Foreset__Manifest *from = decided(50);
    from->ranges[0]->topic_id = (char *)"A";
    open_position(from);
    partition_of("B", 900);
    accept_offer();
    cut(100);
    assert_int_equal(fixture.cut.ranges[0]->from, 0);
    assert_int_equal(fixture.cut.ranges[0]->gap_from, 50);
    assert_string_equal(fixture.cut.ranges[0]->topic_id, "B");
    assert_null(fixture.cut.ranges[0]->last);
    from->ranges[0]->topic_id = NULL;
}

static void lost_rows_are_noted_where_that_is_wanted(void **state)
{
    (void)state;
    option("failOnDataLoss", "false");
    open_position(decided(50));
    partition(0, 70, 70, 90);
    accept_offer();
    cut(100);
    assert_int_equal(fixture.cut.ranges[0]->from, 70);
    assert_int_equal(fixture.cut.ranges[0]->gap_from, 50);
    assert_null(fixture.cut.ranges[0]->last); // the record that was read last is gone
}

static void lost_partition_fails(void **state)
{
    (void)state;
    struct error err;
    open_position(decided(50));
    assert_int_equal(take_offer(&err), STATUS_INVALID);
}

static void new_partition_starts_where_the_catalog_says(void **state)
{
    (void)state;
    open_position(decided(50));
    partition(0, 0, 0, 50);
    partition(1, 3, 3, 9);
    accept_offer();
    cut(100);
    assert_int_equal(rows(0), 0);
    assert_int_equal(fixture.cut.ranges[1]->from, 3);
    assert_int_equal(rows(1), 6);
}

static void latest_start_is_decided_first(void **state)
{
    (void)state;
    option("startingOffsets", "latest");
    open_position(NULL);
    assert_true(epoch_position_anchors(&fixture.position));
    fixture.options[0].value = (char *)"earliest";
    assert_false(epoch_position_anchors(&fixture.position));
}

static void files_are_read_once_in_order(void **state)
{
    (void)state;
    fixture.source.kind = FORESET__SOURCE__KIND__FILES;
    option("maxFilesPerTrigger", "2");
    open_position(NULL);
    file("b", 1);
    file("a", 2);
    file("c", 3);
    accept_offer();
    cut(1);
    assert_int_equal(fixture.cut.ranges[0]->n_files, 2);
    assert_string_equal(fixture.cut.ranges[0]->files[0], "b");
    assert_string_equal(fixture.cut.ranges[0]->files[1], "a");
    file("a", 2);
    file("b", 1);
    file("c", 3);
    accept_offer();
    cut(1);
    assert_int_equal(fixture.cut.ranges[0]->n_files, 1);
    assert_string_equal(fixture.cut.ranges[0]->files[0], "c");
    assert_false(epoch_position_has_input(&fixture.position));
}

// Names go into messages and the manifest: an epoch's are bounded in bytes, whatever the user's limit is.
static void files_with_long_names_are_read_in_several_epochs(void **state)
{
    (void)state;
    enum { NAME = 4000, FILES = 9000 };
    char name[NAME + 1];
    size_t files = 0, epochs = 0;
    memset(name, 'x', NAME);
    name[NAME] = '\0';
    fixture.source.kind = FORESET__SOURCE__KIND__FILES;
    option("maxFilesPerTrigger", "1000000");
    open_position(NULL);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, 8, "%07d", i);
        name[7] = 'x';
        file(name, i);
    }
    accept_offer();
    while (epoch_position_has_input(&fixture.position)) {
        cut(1);
        size_t bytes = 0;
        for (size_t i = 0; i < fixture.cut.ranges[0]->n_files; i++) bytes += strlen(fixture.cut.ranges[0]->files[i]);
        assert_true(bytes < (16 << 20) + 2 * NAME);
        files += fixture.cut.ranges[0]->n_files;
        epochs++;
    }
    assert_int_equal(files, FILES);
    assert_int_equal(epochs, 3);
}

static void limit_must_be_a_number(void **state)
{
    (void)state;
    struct error err;
    option("maxOffsetsPerTrigger", "many");
    assert_int_equal(epoch_position_init(&fixture.position, &fixture.plan, NULL, &err), STATUS_INVALID);
    assert_int_equal(err.class, ERROR_USAGE);
}

struct filled { // a table that comes later reads this one
    Foreset__Source source;
    Foreset__Node node;
    Foreset__Fill fill;
    Foreset__FilesPosition stands;
};

static void fill_of(struct filled *filled, uint32_t node, char **adds, uint64_t *counts, uint64_t *epochs,
                    protobuf_c_boolean *joined, size_t count)
{
    foreset__source__init(&filled->source);
    foreset__node__init(&filled->node);
    foreset__fill__init(&filled->fill);
    foreset__files_position__init(&filled->stands);
    filled->source.kind = FORESET__SOURCE__KIND__TABLE;
    filled->source.path = (char *)"file:///t";
    filled->node.kind = FORESET__NODE__KIND__SOURCE;
    filled->node.source = &filled->source;
    filled->fill.adds = adds;
    filled->fill.rows = counts;
    filled->fill.epochs = epochs;
    filled->fill.joined = joined;
    filled->fill.n_adds = filled->fill.n_rows = filled->fill.n_epochs = filled->fill.n_joined = count;
    filled->stands.source = node;
}

static void check_files(size_t range, uint32_t source, const char *names)
{
    char found[64] = "";
    assert_true(range < fixture.cut.count);
    assert_int_equal(fixture.cut.ranges[range]->source, source);
    for (size_t i = 0; i < fixture.cut.ranges[range]->n_files; i++)
        strncat(found, fixture.cut.ranges[range]->files[i], sizeof found - strlen(found) - 1);
    assert_string_equal(found, names);
}

// Tables that come later: what is there comes first, from where the manifest says, by the epochs that wrote it, each
// epoch whole, within the limit that the table read stands under.
static void a_fill_comes_before_the_stream(void **state)
{
    (void)state;
    struct error err;
    struct filled one, two;
    char *ones[] = {(char *)"a", (char *)"b", (char *)"c", (char *)"d", (char *)"e"};
    char *twos[] = {(char *)"x", (char *)"y"};
    uint64_t one_rows[] = {60, 60, 60, 500, 1}, two_rows[] = {10, 10};
    uint64_t one_epochs[] = {3, 4, 5, 5, 9}, two_epochs[] = {4, 9};
    protobuf_c_boolean one_joined[] = {0, 0, 0, 1, 0}, two_joined[] = {0, 0};
    fill_of(&one, 1, ones, one_rows, one_epochs, one_joined, 5);
    fill_of(&two, 2, twos, two_rows, two_epochs, two_joined, 2);
    one.stands.next = 1;
    Foreset__Node *nodes[] = {&fixture.node, &one.node, &two.node};
    Foreset__FilesPosition *positions[] = {&one.stands, &two.stands};
    Foreset__Table table = FORESET__TABLE__INIT, *tables[] = {&table};
    uint32_t sources[] = {0};
    Foreset__Manifest from = FORESET__MANIFEST__INIT;
    option("maxOffsetsPerTrigger", "65");
    table.name = (char *)"t";
    table.url = (char *)"file:///t";
    table.sources = sources;
    table.n_sources = 1;
    fixture.plan.nodes = nodes;
    fixture.plan.n_nodes = 3;
    fixture.plan.tables = tables;
    fixture.plan.n_tables = 1;
    from.files = positions;
    from.n_files = 2;
    assert_int_equal(epoch_position_init(&fixture.position, &fixture.plan, &from, &err), STATUS_OK);
    epoch_position_fill(&fixture.position, 1, &one.fill, &from);
    epoch_position_fill(&fixture.position, 2, &two.fill, &from);
    partition(0, 0, 0, 50);
    accept_offer();
    cut(1000);
    assert_int_equal(rows(0), 0);
    check_files(1, 1, "b");
    check_files(2, 2, "x");
    cut(1000);
    assert_int_equal(fixture.cut.count, 2);
    check_files(1, 1, "cd"); // of one epoch, whatever the limit
    assert_int_equal(epoch_position_lag(&fixture.position), 50 + 2);
    cut(1000);
    check_files(1, 1, "e");
    check_files(2, 2, "y");
    assert_false(fixture.cut.exhausted);
    cut(1000);
    assert_int_equal(fixture.cut.count, 1);
    assert_int_equal(rows(0), 50);
    assert_true(fixture.cut.exhausted);
}

// While a fill is read, rows of the topic are deleted: the empty range says so, as the next one goes on behind them.
static void a_gap_is_noted_in_an_empty_range(void **state)
{
    (void)state;
    option("failOnDataLoss", "false");
    open_position(NULL);
    partition(0, 0, 0, 50);
    accept_offer();
    cut(10);
    partition(0, 30, 0, 50);
    accept_offer();
    epoch_position_take_nothing(&fixture.position, &fixture.arena, &fixture.cut);
    assert_int_equal(fixture.cut.ranges[0]->from, 30);
    assert_true(fixture.cut.ranges[0]->has_gap_from);
    assert_int_equal(fixture.cut.ranges[0]->gap_from, 10);
    cut(100);
    assert_false(fixture.cut.ranges[0]->has_gap_from);
    assert_int_equal(rows(0), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_topic_of_another_id_is_another_topic_however_much_it_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(a_topic_of_another_id_is_read_from_its_start_where_that_is_wanted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(limit_is_shared_by_lag, setup, teardown),
        cmocka_unit_test_setup_teardown(smallest_lag_gets_a_row, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_limit_the_leader_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_goes_with_the_first_range, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_below_the_logs_start_is_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(fixed_ends_hold_for_later_offers, setup, teardown),
        cmocka_unit_test_setup_teardown(truncated_topic_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_rows_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_rows_are_noted_where_that_is_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_partition_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(new_partition_starts_where_the_catalog_says, setup, teardown),
        cmocka_unit_test_setup_teardown(latest_start_is_decided_first, setup, teardown),
        cmocka_unit_test_setup_teardown(files_are_read_once_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(files_with_long_names_are_read_in_several_epochs, setup, teardown),
        cmocka_unit_test_setup_teardown(limit_must_be_a_number, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fill_comes_before_the_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gap_is_noted_in_an_empty_range, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

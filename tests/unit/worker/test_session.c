// Sessions read the manifest that an Assign names: the one that was decided, or none at all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/hash.h"
#include "common/manifest/manifest_file.h"
#include "tests/unit/lib/unit_folder.h"
#include "worker/session.h"

#define NAME "manifests/00000000000000000007-3-00000000-0000-4000-8000-000000000000.pb"

static char folder[256];
static int64_t from_epoch; // that the data flow was opened or rerouted from; 0: from the beginning, -1: it was not
static uint64_t packed_hash;

// ---- What a session needs of the world ----

static void seam_sleep(struct seam *seam, int64_t us)
{
    (void)seam;
    (void)us;
}

static bool seam_stopping(struct seam *seam)
{
    (void)seam;
    return false;
}

static const struct seam_ops seam_ops = {.sleep = seam_sleep, .stopping = seam_stopping};
static struct seam seam = {.ops = &seam_ops};

static enum status open_store(void *context, const char *url, bool create, struct objstore **ret_store,
                              struct error *err)
{
    (void)context;
    return objstore_open(url, create, ret_store, err);
}

static void flow_close(struct dataflow *flow)
{
    (void)flow;
}

static enum status flow_reroute(struct dataflow *flow, const Foreset__Routing *routing, uint32_t worker_index,
                                const Foreset__Manifest *from, struct error *err)
{
    (void)flow;
    (void)routing;
    (void)worker_index;
    (void)err;
    from_epoch = from ? (int64_t)from->epoch : 0;
    return STATUS_OK;
}

static unsigned frames; // that reached the data flow

static void flow_receive(struct dataflow *flow, uint32_t worker, const void *bytes, size_t size)
{
    (void)flow;
    (void)bytes;
    (void)size;
    assert_int_equal(worker, 1);
    frames++;
}

static const struct dataflow_ops flow_ops = {.close = flow_close, .reroute = flow_reroute, .receive = flow_receive};
static struct dataflow flow = {&flow_ops};

static enum status flow_open(const struct dataflow_open_args *args, struct dataflow **ret_flow, struct error *err)
{
    (void)err;
    from_epoch = args->from ? (int64_t)args->from->epoch : 0;
    *ret_flow = &flow;
    return STATUS_OK;
}

// ---- The manifest ----

static void write_file(const char *name, const struct text *bytes)
{
    struct objstore *store = NULL;
    struct error err;
    assert_int_equal(objstore_open(folder, true, &store, &err), STATUS_OK);
    assert_int_equal(objstore_put(store, name, bytes->data, bytes->length, &err), STATUS_OK);
    objstore_close(store);
}

static void make(struct text *bytes, uint64_t rows)
{
    Foreset__Manifest body = FORESET__MANIFEST__INIT;
    body.pipeline_id = body.pipeline = body.plan_hash = (char *)"x";
    body.epoch = 7;
    body.generation = 3;
    body.has_rows_in = true;
    body.rows_in = rows;
    size_t size = foreset__manifest__get_packed_size(&body);
    uint8_t *packed = memory_alloc(size);
    foreset__manifest__pack(&body, packed);
    packed_hash = hash_64(packed, size, 0);
    manifest_file_encode(packed, size, packed_hash, 1, bytes);
    memory_free(packed);
}

static Foreset__Control *assign_of(bool from)
{
    Foreset__Control control = FORESET__CONTROL__INIT;
    Foreset__Assign assign = FORESET__ASSIGN__INIT;
    Foreset__Plan plan = FORESET__PLAN__INIT;
    Foreset__Routing routing = FORESET__ROUTING__INIT;
    Foreset__RoutingWorker workers[2] = {FORESET__ROUTING_WORKER__INIT, FORESET__ROUTING_WORKER__INIT};
    Foreset__RoutingWorker *list[] = {&workers[0], &workers[1]};
    for (uint32_t i = 0; i < 2; i++) {
        workers[i].name = (char *)(i ? "other" : "w");
        workers[i].url = (char *)"";
        workers[i].peer = 70 + i;
    }
    routing.workers = list;
    routing.n_workers = 2;
    Foreset__ManifestName name = FORESET__MANIFEST_NAME__INIT;
    plan.pipeline = plan.sql_hash = assign.pipeline_id = (char *)"p";
    assign.plan = &plan;
    assign.state_url = folder;
    assign.routing = &routing;
    name.name = (char *)NAME;
    name.epoch = 7;
    name.generation = 3;
    name.hash = packed_hash;
    if (from) assign.from = &name;
    control.body_case = FORESET__CONTROL__BODY_ASSIGN;
    control.assign = &assign;
    size_t size = foreset__control__get_packed_size(&control);
    uint8_t *packed = memory_alloc(size);
    foreset__control__pack(&control, packed);
    Foreset__Control *copy = foreset__control__unpack(NULL, size, packed);
    memory_free(packed);
    return copy;
}

static uint32_t owner; // of the name that the routing gives to the other worker

static enum status worker_name(void *context, uint32_t peer, const char *name, struct error *err)
{
    (void)context;
    assert_string_equal(name, "other");
    return peer == owner ? STATUS_OK : error_set(err, STATUS_INVALID, ERROR_USAGE, "another one's name");
}

static enum status open_from(bool from, struct session **ret_session, struct error *err)
{
    static const struct worker_config config = {
        .name = "w", .lanes = 1, .flow_open = flow_open, .stores = {.open = open_store}, .worker_name = worker_name};
    from_epoch = -1;
    *ret_session = session_create(&config, &seam, assign_of(from), 5);
    return session_open(*ret_session, err);
}

// ---- Tests ----

static void the_named_manifest_is_read_at_an_assign_and_at_a_move(void **state)
{
    (void)state;
    struct text bytes = {0};
    struct error err;
    struct session *session;
    make(&bytes, 1);
    write_file(NAME, &bytes);
    assert_int_equal(open_from(true, &session, &err), STATUS_OK);
    assert_int_equal(from_epoch, 7);
    from_epoch = -1;
    assert_int_equal(session_reroute(session, assign_of(true), &err), STATUS_OK);
    assert_int_equal(from_epoch, 7);
    session_destroy(session);
    assert_int_equal(open_from(false, &session, &err), STATUS_OK);
    assert_int_equal(from_epoch, 0);
    session_destroy(session);
    text_deinit(&bytes);
}

static void refused(const char *word)
{
    struct error err = {0};
    struct session *session;
    assert_int_equal(open_from(true, &session, &err), STATUS_CORRUPT);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, NAME));
    assert_non_null(strstr(err.message, word));
    assert_int_equal(from_epoch, -1);
    session_destroy(session);
}

static void one_that_is_gone_is_named_with_its_place(void **state)
{
    (void)state;
    refused("is gone");
    refused(folder);
}

static void every_flipped_bit_and_cut_is_refused(void **state)
{
    (void)state;
    struct text bytes = {0};
    make(&bytes, 1);
    for (size_t i = 0; i < bytes.length; i++) {
        bytes.data[i] = (char)(bytes.data[i] ^ (1 << i % 8));
        write_file(NAME, &bytes);
        refused("manifest");
        bytes.data[i] = (char)(bytes.data[i] ^ (1 << i % 8));
    }
    while (bytes.length > 0) {
        bytes.length--;
        write_file(NAME, &bytes);
        refused("manifest");
    }
    text_deinit(&bytes);
}

// A whole manifest of the same epoch under the name, as a restored backup could bring it.
static void another_one_under_its_name_is_refused(void **state)
{
    (void)state;
    struct text bytes = {0}, other = {0};
    make(&other, 2);
    make(&bytes, 1);
    write_file(NAME, &other);
    refused("not the one that was decided");
    text_deinit(&bytes);
    text_deinit(&other);
}

static void a_move_that_finds_none_keeps_what_it_had(void **state)
{
    (void)state;
    struct text bytes = {0};
    struct error err = {0};
    struct session *session;
    make(&bytes, 1);
    write_file(NAME, &bytes);
    assert_int_equal(open_from(true, &session, &err), STATUS_OK);
    bytes.length = 3;
    write_file(NAME, &bytes);
    from_epoch = -1;
    assert_int_equal(session_reroute(session, assign_of(true), &err), STATUS_CORRUPT);
    assert_int_equal(from_epoch, -1);
    session_destroy(session);
    text_deinit(&bytes);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s", unit_folder_create());
    packed_hash = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unit_folder_remove();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static void frames_come_from_the_worker_of_that_name_alone(void **state)
{
    (void)state;
    struct session *session = NULL;
    struct error err;
    assert_int_equal(open_from(false, &session, &err), STATUS_OK);
    frames = 0;
    owner = 71;
    session_receive(session, 71, "x", 1);
    assert_int_equal(frames, 1);
    session_receive(session, 72, "x", 1); // no number of the routing
    owner = 72;                           // its number, and another certificate
    session_receive(session, 71, "x", 1);
    assert_int_equal(frames, 1);
    session_destroy(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(the_named_manifest_is_read_at_an_assign_and_at_a_move),
                                       TEST(one_that_is_gone_is_named_with_its_place),
                                       TEST(every_flipped_bit_and_cut_is_refused),
                                       TEST(another_one_under_its_name_is_refused),
                                       TEST(a_move_that_finds_none_keeps_what_it_had),
                                       TEST(frames_come_from_the_worker_of_that_name_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
